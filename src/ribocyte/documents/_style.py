"""The one style sheet of the pages: quiet, typographic, the same in light, dark and print."""

from __future__ import annotations

STYLE = """\
:root {
  --paper: #fcfcfa; --ink: #1c1d1f; --soft: #5c6066; --rule: #d9d9d4; --card: #ffffff;
  --code: #f1f0ec; --warn: #9a3300; --warn-paper: #fdf0e8;
  --serif: Charter, "Bitstream Charter", "Iowan Old Style", Georgia, "Liberation Serif", serif;
  --sans: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --ink: #e4e3df; --soft: #a2a5aa; --rule: #36393e;
    --code: #222529; --warn: #ffab7d; --warn-paper: #33221a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 var(--serif); }
main, footer { max-width: 63rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: clamp(2rem, 6vw, 4.5rem); }
h1, h2, h3 {
  font-family: var(--serif); line-height: 1.15; letter-spacing: -0.012em;
  text-wrap: balance; overflow-wrap: break-word;
}
h1 { font-size: clamp(1.9rem, 5vw, 2.9rem); font-weight: 600; margin: 0 0 1rem; max-width: 22em; }
h2 { font-size: 1.5rem; font-weight: 600; margin: 0 0 0.8rem; }
h3 { font-size: 1.15rem; font-weight: 600; margin: 2.2rem 0 0.6rem; }
p { max-width: 42rem; margin: 0 0 1rem; text-wrap: pretty; overflow-wrap: break-word; }
.lead { font-size: 1.22rem; line-height: 1.5; color: var(--soft); margin-bottom: 0; }
.abstract { margin-bottom: 0; }
.authors { color: var(--soft); }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: 0.15em; }
section { margin-top: 2.8rem; padding-top: 2.2rem; border-top: 1px solid var(--rule); }
code, pre { font-family: var(--mono); font-size: 0.86em; }
code { background: var(--code); padding: 0.1em 0.3em; border-radius: 3px; overflow-wrap: anywhere; }
pre {
  background: var(--code); padding: 0.9rem 1.1rem; border-radius: 6px; overflow-x: auto; margin: 0 0 1.4rem;
}
pre code { background: none; padding: 0; font-size: 1em; overflow-wrap: normal; }
.banner {
  max-width: none; margin: 0; padding: 0.65rem 1.5rem; text-align: center;
  background: var(--warn-paper); color: var(--warn); border-bottom: 1px solid currentColor;
  font: 0.92rem/1.4 var(--sans);
}
.banner strong { letter-spacing: 0.06em; margin-right: 0.4em; }
.simulated {
  display: inline-block; vertical-align: 0.12em; margin-left: 0.35em; padding: 0.12em 0.45em;
  border: 1px solid currentColor; border-radius: 3px; color: var(--warn);
  font: 600 0.62rem/1.25 var(--sans); letter-spacing: 0.06em; white-space: nowrap;
}
.table { overflow-x: auto; margin: 1.6rem 0 1.8rem; }
table {
  border-collapse: collapse; font: 0.92rem/1.4 var(--sans);
  font-variant-numeric: tabular-nums lining-nums; border-bottom: 1px solid var(--ink);
}
caption {
  text-align: left; padding-bottom: 0.6rem; color: var(--soft);
  max-width: min(42rem, 100vw - 2.2rem);
}
caption b, figcaption b { color: var(--ink); }
th, td { text-align: left; padding: 0.42rem 1.6rem 0.42rem 0; vertical-align: baseline; }
th:last-child, td:last-child { padding-right: 0.2rem; }
thead th {
  font-weight: 600; border-top: 1px solid var(--ink); border-bottom: 1px solid var(--ink);
  vertical-align: bottom;
}
tbody th { font-weight: 400; min-width: 8rem; }
tbody .simulated { border-color: transparent; padding: 0; font-size: 0.58rem; }
tbody tr + tr > * { border-top: 1px solid var(--rule); }
.number { text-align: right; }
td.number { white-space: nowrap; }
.wide { margin-right: min(0px, (100% - 100vw) / 2 + 2.5rem); }
.wide table { font-size: 0.84rem; }
.wide th, .wide td { padding-right: 1.1rem; }
.figures { display: flex; flex-wrap: wrap; gap: 2rem 1.5rem; align-items: flex-start; margin-top: 1.6rem; }
figure {
  --whole: calc(var(--width) + 1.5rem + 2px);
  margin: 0; flex: 1 1 var(--whole); min-width: 0; max-width: min(100%, var(--whole) * 1.04);
}
.card {
  background: var(--card); padding: 0.75rem; border: 1px solid var(--rule); border-radius: 6px;
  overflow-x: auto;
}
.card svg {
  display: block; margin: 0 auto; width: 100%; height: auto;
  min-width: var(--least);
}
figcaption { font: 0.9rem/1.45 var(--sans); color: var(--soft); margin-top: 0.65rem; max-width: 42rem; }
.references { max-width: 46rem; padding-left: 1.8rem; font-size: 0.95rem; }
.references li { margin-bottom: 0.35rem; overflow-wrap: anywhere; }
footer {
  margin-top: 4rem; padding-top: 1.2rem; padding-bottom: 3rem; color: var(--soft);
  font: 0.88rem/1.5 var(--sans);
}
:focus-visible { outline: 2px solid #0072b2; outline-offset: 2px; }
@media (max-width: 40rem) {
  body { font-size: 1rem; }
  main, footer, .banner { padding-left: 1.1rem; padding-right: 1.1rem; }
  .card { padding: 0.5rem; }
  th, td { padding-right: 1.1rem; }
}
@media print {
  @page { margin: 18mm 16mm; }
  :root {
    --paper: #fff; --ink: #000; --soft: #333; --rule: #bbb; --code: #f3f3f3;
    --warn: #9a3300; --warn-paper: #fff;
  }
  html { font-size: 9.5pt; }
  body { font-size: 1rem; }
  main, footer { max-width: none; padding: 0; }
  header { padding-top: 0.5rem; }
  section { margin-top: 1.4rem; padding-top: 1.2rem; }
  h1 { font-size: 2.1rem; }
  h2, h3 { break-after: avoid; }
  figure, table, pre { break-inside: avoid; }
  .card { border: none; padding: 0; overflow: visible; }
  .card svg { min-width: 0; }
  .figures { display: block; }
  figure {
    display: inline-block; vertical-align: top; margin: 0 4mm 5mm 0; width: calc(var(--width) / 1.39);
  }
  .table { overflow: visible; margin-right: 0; }
  .banner, .simulated { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
