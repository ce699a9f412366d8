"""A document as one self-contained HTML page: no script, nothing loaded, printable."""

from __future__ import annotations

from html import escape

from ribocyte.documents._figures import inline_svg
from ribocyte.documents._style import STYLE
from ribocyte.documents.document import (
    Document,
    FigureBlock,
    Numbered,
    Reference,
    Section,
    TableBlock,
    describe_reference,
    has_results,
    number_document,
)
from ribocyte.documents.text import BlockReference, Citation, Code, Words, as_words, clean, parse_text

__all__ = ["FigureBlock", "Section", "TableBlock", "render_page"]

_TAG = '<strong class="simulated">SIMULATED</strong>'
_POINT = 96 / 72 * 1.39  # CSS pixels for a point of print: 7 pt letters are read from a desk, not from a hand
_LONG = 400  # letters of an abstract that is no longer a lead, set large, but a text to be read


def render_page(document: Document) -> str:
    """Write a document as HTML that needs nothing but itself.

    Styles and figures are inside; there is no script and no address is ever contacted. It follows the
    reader's light or dark setting, narrows to a phone and prints. What comes from simulation is marked
    SIMULATED in the window's title, in a banner, and at every section, table and figure concerned.

    Returns
    -------
    str
        The page; write it with `files.write_text`.

    Raises
    ------
    DataError
        If a figure's file is missing, is no SVG, or would run or load something.
    ValueError
        If a reference or citation leads nowhere; see `number_document`.
    """
    return _Page(number_document(document)).render()


class _Page:
    """One rendering; holds what it renders, so that every part can look up a number."""

    def __init__(self, numbered: Numbered) -> None:
        self.numbered, self.document = numbered, numbered.document

    def render(self) -> str:
        document = self.document
        title = f"SIMULATED · {clean(document.title)}" if document.simulated else clean(document.title)
        sections = [*document.sections, *document.appendix]
        parts = [self.section(section, number) for number, section in enumerate(sections, start=1)]
        parts.insert(len(document.sections), self.references())
        body = "\n".join(filter(None, parts))
        footer = f"<footer>{self.text(document.footer)}</footer>" if document.footer else ""
        return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>
{STYLE}</style>
</head>
<body>
{self.banner()}<main>
{self.header()}
{body}
</main>
{footer}
</body>
</html>
"""

    def banner(self) -> str:
        if self.document.simulated:
            says = (
                "Every number, table and figure on this page comes from simulation, none from a measurement."
            )
        elif self.document.simulated_in_part:
            says = "Parts of this page come from simulation, not from a measurement; each is marked."
        else:
            return ""
        return f'<p class="banner" role="note"><strong>SIMULATED</strong> {says}</p>\n'

    def header(self) -> str:
        document = self.document
        lines = ["<header>", f"<h1>{escape(clean(document.title))}</h1>"]
        byline = [clean(part) for part in (", ".join(document.authors), document.group) if part]
        if byline:
            lines.append(f'<p class="authors">{"<br>".join(map(escape, byline))}</p>')
        if document.abstract:
            kind = "abstract" if len(document.abstract) > _LONG else "lead"
            lines.append(f'<p class="{kind}">{self.text(document.abstract)}{_mark(document.simulated)}</p>')
        return "\n".join([*lines, "</header>"])

    def section(self, section: Section, number: int) -> str:
        lines = [f'<section aria-labelledby="section-{number}">']
        heading = f"{self.text(section.heading)}{self.section_mark(section)}"
        lines.append(f'<h2 id="section-{number}">{heading}</h2>')
        lines += self.contents(section)
        for part in section.subsections:
            lines.append(f"<h3>{self.text(part.heading)}{self.section_mark(part)}</h3>")
            lines += self.contents(part)
        return "\n".join([*lines, "</section>"])

    def section_mark(self, section: Section) -> str:
        # A section of words and commands alone shows no result that could be taken for a measurement.
        return _mark(section.simulated or (self.document.simulated and has_results(section)))

    def contents(self, section: Section) -> list[str]:
        lines = [f"<p>{self.text(paragraph)}</p>" for paragraph in section.paragraphs]
        if section.commands:
            lines.append(f'<pre tabindex="0"><code>{escape(chr(10).join(section.commands))}</code></pre>')
        lines += [self.table(block) for block in section.tables]
        if section.figures:
            drawn = "\n".join(map(self.figure, section.figures))
            lines.append(f'<div class="figures">\n{drawn}\n</div>')
        return lines

    def table(self, block: TableBlock) -> str:
        marked, name = self.document.marks(block), self.numbered.names[block.label]
        kinds = [' class="number"' if numeric else "" for numeric in block.numeric]
        head = "".join(
            f'<th scope="col"{kind}>{self.text(text)}</th>'
            for text, kind in zip(block.header, kinds, strict=True)
        )
        rows = []
        for first, *cells in block.rows:
            data = "".join(
                f"<td{kind}>{self.text(cell)}</td>" for cell, kind in zip(cells, kinds[1:], strict=True)
            )
            rows.append(f'<tr><th scope="row">{self.text(first)}{_mark(marked)}</th>{data}</tr>')
        body, own = "\n".join(rows), _anchor(name)
        room = "table wide" if block.wide else "table"
        return f"""<div class="{room}" tabindex="0" role="region" aria-labelledby="{own}"><table>
<caption id="{own}"><b>{name}.</b> {self.text(block.caption)}{_mark(marked)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table></div>"""

    def figure(self, block: FigureBlock) -> str:
        marked, name = self.document.marks(block), self.numbered.names[block.label]
        told = f"{name}. {'SIMULATED. ' if marked else ''}{as_words(block.alternative or block.caption)}"
        svg, width = inline_svg(block.path, _anchor(name), told)
        # A wide figure keeps its letters legible on a phone: it is scrolled sideways rather than shrunk away.
        size = f"--width: {width * _POINT:.0f}px; --least: {width:.0f}px"
        return f"""<figure style="{size}">
<div class="card" tabindex="0">{svg}</div>
<figcaption><b>{name}.</b> {self.text(block.caption)}{_mark(marked)}</figcaption>
</figure>"""

    def references(self) -> str:
        if not self.numbered.cited:
            return ""
        items = [
            f'<li id="reference-{number}">{_describe(reference)}</li>'
            for number, reference in enumerate(self.numbered.cited, start=1)
        ]
        return "\n".join(
            [
                '<section aria-labelledby="references"><h2 id="references">References</h2>',
                '<ol class="references">',
                *items,
                "</ol></section>",
            ]
        )

    def text(self, plain: str) -> str:
        """Escape a text; what stands between backticks becomes code, citations and references become links."""
        written = []
        for span in parse_text(plain):
            match span:
                case Words(text):
                    written.append(escape(text))
                case Code(text):
                    written.append(f"<code>{escape(text)}</code>")
                case Citation():
                    numbers = self.numbered.numbers_of(span)
                    links = ", ".join(f'<a href="#reference-{number}">{number}</a>' for number in numbers)
                    written.append(f"[{links}]")
                case BlockReference(label):
                    name = self.numbered.names[label]
                    written.append(f'<a href="#{_anchor(name)}">{name.replace(" ", "&nbsp;")}</a>')
        return "".join(written)


def _describe(reference: Reference) -> str:
    text = escape(describe_reference(reference))
    if not reference.doi:
        return text
    return f'{text} <a href="https://doi.org/{escape(reference.doi)}">doi:{escape(reference.doi)}</a>'


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _mark(simulated: bool) -> str:
    return f" {_TAG}" if simulated else ""
