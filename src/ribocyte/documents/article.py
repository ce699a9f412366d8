"""A document as a two-column article: Typst's source with its figures beside it, compiled to a PDF.

The source stays: edited by hand, ``typst compile report.typ`` (or any Typst) makes the article again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ribocyte.documents._figures import copy_figures, figures_folder, read_svg
from ribocyte.documents._typst import (
    COLUMN,
    HEIGHT,
    PAGE,
    PREAMBLE,
    breakable,
    escape_text,
    quote_string,
)
from ribocyte.documents.document import (
    Document,
    FigureBlock,
    Numbered,
    Reference,
    Section,
    TableBlock,
    describe_reference,
    number_document,
)
from ribocyte.documents.text import BlockReference, Citation, Code, Words, as_words, clean, parse_text
from ribocyte.errors import WorkError
from ribocyte.files import atomic_write, write_text

PAGE_LIMIT = 6
"""Pages that the assignment allows a report, without its appendix."""

_TALL, _LONG = 24, 52  # rows above which a table in a column may break, and a wide one is cut into several
_TOP, _BOTTOM = 49.6, 790.9  # points from the upper edge of the page: where its text begins and ends
_LATIN = 0x0590  # beyond Latin, Greek and Cyrillic the fonts that come with Typst do not reach


@dataclass(frozen=True)
class Pages:
    """How long an article is.

    Parameters
    ----------
    body, appendix : int
        Pages up to the references' end, and after it.
    filled : float
        The body's pages, the last counted as far as its columns are filled.
    """

    body: int
    appendix: int
    filled: float

    @property
    def excess(self) -> str:
        """By how much the body is longer than `PAGE_LIMIT` allows; empty where it is not."""
        if self.body <= PAGE_LIMIT:
            return ""
        return f"{max(self.filled - PAGE_LIMIT, 0.1):.1f} pages more than the {PAGE_LIMIT} allowed"


def write_article(document: Document, pdf: Path) -> Pages:
    """Write ``report.pdf`` with, beside it, ``report.typ`` and the figures it shows, ``report-figures/*.svg``.

    The same document gives the same bytes: there is no date in them, and the fonts are those that come with
    Typst, unless a script beyond their reach needs the system's. What stood at these places is replaced.

    Parameters
    ----------
    document : Document
        What to write.
    pdf : Path
        Where to.

    Raises
    ------
    DataError
        If a figure is missing or damaged.
    DiskError
        If something cannot be written.
    ValueError
        If a reference or citation leads nowhere.
    """
    source = write_source(document, pdf.with_suffix(".typ"))
    content, pages = compile_article(source)
    with atomic_write(pdf) as stream:
        stream.write(content)
    return pages


def write_source(document: Document, path: Path) -> Path:
    """Write an article's source, ``report.typ``, and the figures it reads; see `write_article`."""
    source = render_typst(document, figures=figures_folder(path).name)
    copy_figures(document, figures_folder(path))
    write_text(path, source)
    return path


def compile_article(source: Path) -> tuple[bytes, Pages]:
    """Compile an article's source, possibly edited by hand.

    Returns
    -------
    (bytes, Pages)
        The PDF, and how long it is.

    Raises
    ------
    WorkError
        If Typst refuses it.
    """
    import typst

    every_font = any(ord(letter) >= _LATIN and not _is_mark(letter) for letter in source.read_text("utf-8"))
    fonts = typst.Fonts(include_system_fonts=every_font)
    compiler = typst.Compiler(
        source, root=source.parent, font_paths=fonts, ignore_system_fonts=not every_font
    )
    try:
        content = compiler.compile(format="pdf")
        ends = json.loads(compiler.query("<body-ends>", field="value"))
        counts = json.loads(compiler.query("<pages>", field="value"))
    except typst.TypstError as error:
        raise WorkError(f"{source}: Typst cannot set it: {error}", mend="look at the line named") from error
    assert isinstance(content, bytes)
    return content, _count_pages(ends[-1], counts[-1])


def render_typst(document: Document, figures: str = "figures") -> str:
    """Write a document in Typst's language.

    Parameters
    ----------
    document : Document
        What to write.
    figures : str
        Folder, beside the source, that `copy_figures` fills.

    Raises
    ------
    DataError, ValueError
        As for `write_article`.
    """
    return _Article(number_document(document), figures).render()


class _Article:
    """One rendering; holds what it renders, so that every part can look up a number."""

    def __init__(self, numbered: Numbered, figures: str) -> None:
        self.numbered, self.document, self.folder = numbered, numbered.document, figures

    def render(self) -> str:
        body = [part for section in self.document.sections for part in self.section(section, 1)]
        if self.numbered.cited:
            body.append(self.references())
        body.append("#body-ends")
        if self.document.appendix:
            body += ["#show: appendix"]
            body += [part for section in self.document.appendix for part in self.section(section, 1, False)]
        body.append("#page-counts")
        return "\n\n".join([PREAMBLE + self.opening(), *body]) + "\n"

    def opening(self) -> str:
        document = self.document
        authors = "".join(f"{quote_string(clean(author))}, " for author in document.authors)
        lines = [
            "#show: article.with(",
            f"  title: {quote_string(breakable(clean(document.title)))},",
            f"  authors: ({authors}),",
            f"  group: {quote_string(clean(document.group))},",
        ]
        if document.abstract:
            lines.append(f"  abstract: [{self.text(document.abstract)}],")
        if document.simulated_in_part:
            lines.append(f"  notice: [{_notice(document.simulated)}],")
        if document.simulated:
            lines.append("  simulated: true,")
        return "\n".join([*lines, ")"])

    def section(self, section: Section, level: int, floats: bool = True) -> Iterator[str]:
        """Give the parts of a section: a figure or table stands after the paragraph that first names it."""
        marked = section.simulated and not self.document.simulated  # else every page says so already
        yield f"{'=' * level} {self.text(section.heading)}{' #stamp' if marked else ''}"
        blocks: list[TableBlock | FigureBlock] = [*section.tables, *section.figures]
        for paragraph in section.paragraphs:
            yield self.text(paragraph)
            named = {span.label for span in parse_text(paragraph) if isinstance(span, BlockReference)}
            for block in [block for block in blocks if block.label in named]:
                blocks.remove(block)
                yield from self.block(block, floats)
        if section.commands:
            yield f"#raw({quote_string(chr(10).join(section.commands))}, block: true)"
        for block in blocks:
            yield from self.block(block, floats and bool(section.paragraphs))
        for part in section.subsections:
            yield from self.section(part, level + 1, floats)

    def block(self, block: FigureBlock | TableBlock, floats: bool) -> Iterator[str]:
        if isinstance(block, FigureBlock):
            yield self.figure(block, floats)
            return
        step = _LONG if block.wide else max(len(block.rows), 1)
        for start in range(0, max(len(block.rows), 1), step):
            caption = block.caption if start == 0 else "Continued."
            yield self.table(
                replace(block, rows=block.rows[start : start + step], caption=caption), floats, start > 0
            )

    def figure(self, block: FigureBlock, floats: bool) -> str:
        _, width, height = read_svg(block.path)
        wide = block.wide or width > 1.25 * COLUMN
        room = PAGE if wide else COLUMN
        shown = min(width, room, HEIGHT * width / height)
        told = as_words(block.alternative or block.caption)
        return "\n".join(
            [
                "#drawing(",
                f"  {quote_string(f'{self.folder}/{block.label}.svg')}, {self.name(block)},",
                f"  [{self.caption(block)}],",
                f"  alt: {quote_string(told)},",
                f"  width: {'100%' if shown > 0.97 * room else f'{shown:.1f}pt'},"
                f" wide: {_truth(wide)}, float: {_truth(floats)},",
                ")",
            ]
        )

    def table(self, block: TableBlock, floats: bool, again: bool = False) -> str:
        columns = [[name, *(row[at] for row in block.rows)] for at, name in enumerate(block.header)]
        floats = floats and len(block.rows) <= _TALL
        lines = [
            "#results(",
            f"  {self.name(block)}, [{self.caption(block)}],",
            f"  head: ({self.cells(block.header)}),",
            f"  numeric: ({''.join(f'{_truth(numeric)}, ' for numeric in block.numeric)}),",
            f"  words: ({''.join(f'({_longest_words(column)}), ' for column in columns)}),",
            f"  wide: {_truth(block.wide)}, float: {_truth(floats)},{' again: true,' if again else ''}",
        ]
        return "\n".join([*lines, *(f"  ({self.cells(row)})," for row in block.rows), ")"])

    def cells(self, row: Sequence[str]) -> str:
        return "".join(f"[{self.text(cell)}], " for cell in row)

    def name(self, block: FigureBlock | TableBlock) -> str:
        return quote_string(self.numbered.names[block.label])

    def caption(self, block: FigureBlock | TableBlock) -> str:
        marked = self.document.marks(block)
        return self.text(block.caption) + (" #stamp" if marked else "")

    def references(self) -> str:
        works = "\n".join(f"  [{_describe(reference)}]," for reference in self.numbered.cited)
        return f"#references(\n{works}\n)"

    def text(self, plain: str) -> str:
        """Write a text as Typst's markup."""
        written = []
        for span in parse_text(plain):
            match span:
                case Words(text):
                    written.append(escape_text(text))
                case Code(text):
                    written.append(f"`{breakable(text)}`")
                case Citation():
                    written.append(f"#cite-works({', '.join(map(str, self.numbered.numbers_of(span)))});")
                case BlockReference(label):
                    written.append(f"#see({quote_string(self.numbered.names[label])});")
        return "".join(written)


def _longest_words(cells: Sequence[str]) -> str:
    """Give the longest words of a column's head and of all its cells: what it cannot be narrower than."""
    words = [as_words(cell).replace("-", "- ").split() or [""] for cell in cells]
    longest = [max(words[0], key=len), max((word for cell in words for word in cell), key=len)]
    return "".join(f"{quote_string(word[:24])}, " for word in longest)


def _describe(reference: Reference) -> str:
    text = escape_text(describe_reference(reference))
    if not reference.doi:
        return text
    address = quote_string(f"https://doi.org/{reference.doi}")
    return f"{text} #link({address})[doi:{escape_text(reference.doi)}]"


def _notice(everything: bool) -> str:
    says = "every number, table and figure" if everything else "what is marked so"
    return f"#stamp #h(3pt) {says} comes from simulation, not from a measurement"


def _count_pages(end: dict[str, str | int], counts: dict[str, int]) -> Pages:
    """Work out the body's length from where its text ends; a figure may stand on a page beyond."""
    page, across, down = int(end["page"]), float(str(end["x"])[:-2]), float(str(end["y"])[:-2])
    column = 1 if across > (COLUMN + 60) else 0
    share = min(max((down - _TOP) / (_BOTTOM - _TOP), 0.0), 1.0)
    filled = max(page - 1 + (column + share) / 2, counts["body"] - 1 + 0.1)
    return Pages(counts["body"], counts["all"] - counts["body"], filled)


def _is_mark(letter: str) -> bool:
    """Say whether a character is punctuation, an arrow or mathematics, which Typst's fonts hold."""
    return 0x1E00 <= ord(letter) <= 0x2BFF


def _truth(value: bool) -> str:
    return "true" if value else "false"
