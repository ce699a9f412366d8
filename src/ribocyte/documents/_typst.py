"""Typst, the language articles are written in: what begins every article, and text made safe for it."""

from __future__ import annotations

import re

COLUMN, PAGE, HEIGHT = 238.1, 496.1, 560.0
"""Points: a column, both with the space between them, and what a figure may take of a page's height."""

PREAMBLE = """\
// ---- What the article looks like. The text begins below; change either, and compile with: typst compile
#let warning = rgb("#9a3300")
#let soft = rgb("#5c6066")
#let stamp = box(
  stroke: 0.5pt + warning, inset: (x: 2pt), outset: (y: 2pt), radius: 1pt,
  text(6pt, fill: warning, weight: "bold", tracking: 0.06em, hyphenate: false)[SIMULATED],
)

#let article(title: "", authors: (), group: "", abstract: none, notice: none, simulated: false, body) = {
  set document(title: title, author: authors, date: none)
  set page(
    paper: "a4", columns: 2, margin: (x: 17.5mm, top: 17.5mm, bottom: 18mm),
    header: if notice != none { align(center, text(7.5pt, fill: warning, notice)) },
    footer: context align(center, text(8pt, fill: soft, counter(page).display())),
  )
  set columns(gutter: 7mm)
  set text(font: "Libertinus Serif", size: 9.5pt, lang: "en", region: "GB", hyphenate: true)
  set par(justify: true, leading: 0.52em, spacing: 0.52em, first-line-indent: 1.2em)
  set heading(numbering: "1.1")
  show heading: set text(hyphenate: false)
  show heading: set par(justify: false, first-line-indent: 0pt)
  show heading.where(level: 1): set text(11.5pt)
  show heading.where(level: 1): set block(above: 1.35em, below: 0.65em)
  show heading.where(level: 2): set text(9.5pt)
  show heading.where(level: 2): set block(above: 1.1em, below: 0.6em)
  show raw: set text(font: "DejaVu Sans Mono", size: 0.92em)
  show raw.where(block: false): it => { show regex("--[a-z]+"): box; it }
  show raw.where(block: true): set text(6.3pt)
  show raw.where(block: true): set par(justify: false)
  show raw.where(block: true): it => block(
    fill: luma(245), inset: 4.5pt, radius: 2pt, width: 100%, above: 0.8em, below: 0.9em,
    { show regex("\\S{1,48}"): box; it },
  )
  show figure: set block(breakable: false, above: 1.4em, below: 1.4em)
  show figure.caption: it => {
    set text(8.3pt)
    set par(leading: 0.48em, first-line-indent: 0pt)
    block(width: 100%, align(left, it.body))
  }
  set figure(gap: 6pt)
  set place(clearance: 12pt)
  place(top + center, scope: "parent", float: true, clearance: 20pt, {
    set par(first-line-indent: 0pt)
    block(width: 88%, {
      set par(justify: false, leading: 0.4em)
      text(18pt, weight: "bold", hyphenate: false, title)
    })
    if simulated { block(above: 9pt, stamp) }
    if authors.len() > 0 { block(above: 10pt, text(10.5pt, authors.join(", "))) }
    if group != "" { block(above: 6pt, text(9.5pt, fill: soft, group)) }
    if abstract != none {
      block(above: 14pt, width: 86%, align(left, text(9.3pt)[*Abstract.* #abstract]))
    }
  })
  body
}

#let drawing(path, name, caption, alt: "", width: 100%, wide: false, float: true) = [
  #figure(
    image(path, alt: alt, width: width, fit: "contain"), // whole, also where the page is short
    caption: [*#name.* #caption],
    kind: "drawing", supplement: none, numbering: none,
    placement: if wide or float { auto }, scope: if wide { "parent" } else { "column" },
  )#label(lower(name.replace(" ", "-")))
]

// Widths of columns: what the cells need; else long texts are wrapped, the type is smaller, or both. What is
// left over goes to the columns that want least.
#let fit(head, rows, numeric, words, room, gap) = {
  let count = head.len()
  for (size, wraps) in ((8pt, false), (7.5pt, false), (7.5pt, true), (7pt, true), (6.5pt, true), (6pt, true)) {
    let wide(it) = measure(text(size, number-width: "tabular", it)).width + 0.2pt
    let body = range(count).map(i => calc.max(0pt, ..rows.map(row => wide(row.at(i)))))
    let word = range(count).map(i => calc.max(..words.at(i).map(w => wide(strong(w)))))
    let full = range(count).map(i => calc.max(body.at(i), wide(strong(head.at(i)))))
    let least = range(count).map(i => {
      if wraps and not numeric.at(i) { word.at(i) } else { calc.max(body.at(i), wide(strong(words.at(i).first()))) }
    })
    let left = room - gap * (count - 1) - least.sum()
    if left < 0pt and size > 6pt { continue }
    if left < 0pt { return (size, least.map(width => width * (1 + left / least.sum()))) }
    let widths = least
    let wishes = range(count).map(i => (full.at(i) - least.at(i), i)).sorted(key: wish => wish.first())
    for (at, (wish, column)) in wishes.enumerate() {
      let given = calc.min(calc.max(0pt, wish), left / (count - at))
      widths.at(column) += given
      left -= given
    }
    return (size, widths)
  }
}

#let results(name, caption, head: (), numeric: (), words: (), wide: false, float: true, again: false, ..rows) = [
  #show figure: set block(breakable: true) if not float and not wide
  #figure(
    layout(room => {
      let rows = rows.pos()
      let gap = 9pt
      let (size, widths) = fit(head, rows, numeric, words, room.width, gap)
      let spare = room.width - widths.sum() - gap * (head.len() - 1)
      if head.len() > 1 and spare < 0.4 * room.width { gap += calc.max(0pt, spare) / (head.len() - 1) }
      set text(size, number-width: "tabular", number-type: "lining", hyphenate: true)
      set par(justify: false, leading: 0.4em, first-line-indent: 0pt)
      show raw: set text(1.1em)
      align(center, table(
        columns: widths, column-gutter: gap, row-gutter: 0pt, inset: (x: 0pt, y: 2.6pt), stroke: none,
        align: (x, y) => (if numeric.at(x) { right } else { left }) + (if y == 0 { bottom } else { top }),
        table.hline(stroke: 0.8pt),
        table.header(..head.map(it => text(hyphenate: false, strong(it)))),
        table.hline(stroke: 0.45pt),
        ..rows.flatten(),
        table.hline(stroke: 0.8pt),
      ))
    }),
    caption: figure.caption(position: top)[*#name.* #caption],
    kind: "results", supplement: none, numbering: none,
    placement: if wide or float { auto }, scope: if wide { "parent" } else { "column" },
  )#if not again { label(lower(name.replace(" ", "-"))) }
]

#let references(..works) = {
  heading(numbering: none)[References]
  set text(8.3pt)
  set par(first-line-indent: 0pt, leading: 0.45em, justify: false)
  for (at, work) in works.pos().enumerate(start: 1) [
    #block(breakable: false, grid(columns: (1.9em, 1fr), [\\[#at\\]], work))#label("reference-" + str(at))
  ]
}

#let appendix(body) = {
  pagebreak()
  [#metadata(none) <appendix>]
  counter(heading).update(0)
  set heading(numbering: "A.1")
  set text(8.5pt)
  place(top, scope: "parent", float: true, clearance: 14pt, block(width: 100%, text(15pt)[*Appendix*]))
  body
}

#let see(name) = link(
  label(lower(name.replace(" ", "-"))), text(hyphenate: false, name.replace(" ", sym.space.nobreak)),
)
#let cite-works(..numbers) = [\\[#numbers.pos().map(n => link(label("reference-" + str(n)), str(n))).join([,~])\\]]
#let body-ends = context [#metadata(here().position()) <body-ends>]
#let page-counts = context {
  let all = counter(page).final().first()
  let begin = query(<appendix>)
  let body = if begin.len() > 0 { begin.first().location().page() - 1 } else { all }
  [#metadata((all: all, body: body)) <pages>]
}
// ----
"""

_MARKS = re.compile(
    r"[\\*_`$#\[\]<>@~]"  # each means something wherever it stands
    r"|-(?=[-?\d])|(?<=-)-|\.(?=\.)|(?<=\.)\.|/(?=[/*])|(?<=/)/|:(?=//)"  # some only in company
)
_BEGINNING = re.compile(r"^(\d*)((?<=\d)\.(?=\s|$)|(?<!\d)[=+\-/])")
_UNIT = re.compile(r"(?<=\d) (?=%)")
_UNBROKEN = re.compile(r"[^\s\u200b-]{24,}")


def escape_text(text: str) -> str:
    r"""Write a line of plain text so that Typst sets it as it stands, straight quotes aside, which it curls.

    A percent sign is kept with its number.

    A word too long for any column may be broken where it has a mark, or after 20 letters.
    """
    escaped = _MARKS.sub(r"\\\g<0>", breakable(text))
    return _BEGINNING.sub(r"\1\\\2", _UNIT.sub("~", escaped))


def quote_string(text: str) -> str:
    """Write a text as a string of Typst's code."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def breakable(text: str) -> str:
    """Allow long names, paths and settings to be broken after their marks: they are wider than a column."""
    return _UNBROKEN.sub(_break_word, text)


def _break_word(found: re.Match[str]) -> str:
    pieces = re.findall(r"[^/_.=:,;]{1,20}[/_.=:,;]*|[/_.=:,;]{1,20}", found[0])
    return "\u200b".join(pieces)
