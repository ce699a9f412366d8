"""A document as Markdown the way GitHub reads it, with its figures beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from ribocyte.documents._figures import copy_figures, figures_folder
from ribocyte.documents.document import (
    Document,
    FigureBlock,
    Numbered,
    Section,
    TableBlock,
    describe_reference,
    has_results,
    number_document,
)
from ribocyte.documents.text import BlockReference, Citation, Code, Words, as_words, clean, parse_text
from ribocyte.files import write_text

_MARKS = re.compile(r"[\\`*_\[\]<>|~$]|&(?=#?\w+;)|:(?=[\w+-]+:)")
_BEGINNING = re.compile(r"^(\d*)((?<=\d)[.)](?=\s|$)|(?<!\d)[#=+\-])")
_STAMP = "**SIMULATED**"


def write_markdown(document: Document, path: Path) -> Path:
    """Write ``report.md`` and, beside it, the figures it shows, ``report-figures/*.svg``.

    What stood at these places is replaced.

    Raises
    ------
    DataError
        If a figure is missing or damaged.
    DiskError
        If something cannot be written.
    ValueError
        If a reference or citation leads nowhere.
    """
    folder = figures_folder(path)
    text = render_markdown(document, folder.name)
    copy_figures(document, folder)
    write_text(path, text)
    return path


def render_markdown(document: Document, figures: str = "figures") -> str:
    """Write a document as Markdown.

    Parameters
    ----------
    document : Document
        What to write.
    figures : str
        Folder, beside the text, that `copy_figures` fills.

    Raises
    ------
    ValueError
        If a reference or citation leads nowhere; see `number_document`.
    """
    return _Markdown(number_document(document), figures).render()


class _Markdown:
    """One rendering; holds what it renders, so that every part can look up a number."""

    def __init__(self, numbered: Numbered, figures: str) -> None:
        self.numbered, self.document, self.folder = numbered, numbered.document, figures

    def render(self) -> str:
        document = self.document
        parts = [*self.opening()]
        parts += [part for section in document.sections for part in self.section(section, 2)]
        parts += self.references()
        if document.appendix:
            parts.append("## Appendix")
            parts += [part for section in document.appendix for part in self.section(section, 3)]
        if document.footer:
            parts += ["---", self.text(document.footer)]
        return "\n\n".join(parts) + "\n"

    def opening(self) -> Iterator[str]:
        document = self.document
        yield f"# {escape_markdown(clean(document.title))}"
        byline = [clean(part) for part in (", ".join(document.authors), document.group) if clean(part)]
        if byline:
            yield "\\\n".join(map(escape_markdown, byline))
        if document.simulated:
            yield f"> {_STAMP} Every number, table and figure comes from simulation, none from a measurement."
        elif document.simulated_in_part:
            yield f"> {_STAMP} What is marked so comes from simulation, not from a measurement."
        if document.abstract:
            yield self.text(document.abstract)

    def section(self, section: Section, level: int) -> Iterator[str]:
        marked = section.simulated or (self.document.simulated and has_results(section))
        yield f"{'#' * level} {self.text(section.heading)}{_stamp(marked)}"
        yield from map(self.text, section.paragraphs)
        if section.commands:
            yield _fence(section.commands)
        yield from map(self.table, section.tables)
        yield from map(self.figure, section.figures)
        for part in section.subsections:
            yield from self.section(part, level + 1)

    def figure(self, block: FigureBlock) -> str:
        told = escape_markdown(as_words(block.alternative or block.caption))
        image = f"![{told}]({quote(f'{self.folder}/{block.label}.svg')})"
        return f"{image}\n\n{self.caption(block)}"

    def table(self, block: TableBlock) -> str:
        lines = [block.header, *block.rows]
        cells = [[self.text(cell, in_table=True) for cell in line] for line in lines]
        rule = ["---:" if numeric else "---" for numeric in block.numeric]
        rows = "\n".join(f"| {' | '.join(row)} |" for row in [cells[0], rule, *cells[1:]])
        return f"{self.caption(block)}\n\n{rows}"

    def caption(self, block: FigureBlock | TableBlock) -> str:
        marked = self.document.marks(block)
        return f"**{self.numbered.names[block.label]}.** {self.text(block.caption)}{_stamp(marked)}"

    def references(self) -> Iterator[str]:
        if not self.numbered.cited:
            return
        yield "## References"
        items = []
        for number, work in enumerate(self.numbered.cited, start=1):
            doi = f" [doi:{escape_markdown(work.doi)}](https://doi.org/{quote(work.doi)})" if work.doi else ""
            items.append(f"{number}. {escape_markdown(describe_reference(work))}{doi}")
        yield "\n".join(items)

    def text(self, plain: str, in_table: bool = False) -> str:
        """Write a text as Markdown."""
        written = []
        for span in parse_text(plain):
            match span:
                case Words(text):
                    written.append(escape_markdown(text))
                case Code(text):
                    # A bar ends a table's cell even within code.
                    written.append(f"`{text.replace('|', chr(92) + '|') if in_table else text}`")
                case Citation():
                    written.append(f"\\[{', '.join(map(str, self.numbered.numbers_of(span)))}\\]")
                case BlockReference(label):
                    written.append(self.numbered.names[label])
        return "".join(written)


def escape_markdown(text: str) -> str:
    """Write a line of plain text so that Markdown shows it as it stands."""
    return _BEGINNING.sub(r"\1\\\2", _MARKS.sub(r"\\\g<0>", text))


def _fence(lines: Sequence[str]) -> str:
    """Set lines as code, behind a fence longer than any they hold."""
    longest = max((len(ticks) for line in lines for ticks in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([fence, *lines, fence])


def _stamp(simulated: bool) -> str:
    return f" {_STAMP}" if simulated else ""
