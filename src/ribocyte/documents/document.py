"""A document: text, figures and tables, said once and written as an article, a page or Markdown.

Text is plain, with the few marks of `ribocyte.documents.text`: ``code`` between backticks, citations such as
``[@ray2013]``, and ``[#curves]`` for the figure or table labelled ``curves``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from ribocyte.documents.text import BlockReference, Citation, parse_text
from ribocyte.errors import suggest

_LABEL = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NUMBER = re.compile(r"[+\-−±≈<>≥≤]?\s*[\d.,]*\d.*|[—–-]?")


@dataclass(frozen=True)
class FigureBlock:
    """A figure and what it shows.

    Parameters
    ----------
    path : Path
        An SVG file; a rendering copies it.
    caption : str
        Can be read without the text around it. Figures are numbered by the document.
    simulated : bool
        True where what it shows comes from simulation.
    alternative : str
        What a reader who cannot see the figure is told; the caption where empty.
    wide : bool
        Spans both columns of an article.
    label : str
        What ``[#label]`` refers to: lower-case letters, digits and hyphens; unique in a document.
    """

    path: Path
    caption: str
    simulated: bool = False
    alternative: str = ""
    wide: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        _check_label(self.label)


@dataclass(frozen=True)
class TableBlock:
    """A table and what it holds.

    Parameters
    ----------
    header : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        Cells as they should be read, numbers already rounded. The first cell of a row names it. Columns of
        numbers are set flush right.
    caption : str
        Can be read without the text around it. Tables are numbered by the document.
    simulated : bool
        True where its numbers come from simulation.
    wide : bool
        Spans both columns of an article.
    label : str
        What ``[#label]`` refers to: lower-case letters, digits and hyphens; unique in a document.
    published : bool
        True where it sets what others published beside ours: its rows say themselves what is simulated, and
        the table is never marked as a whole.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    simulated: bool = False
    wide: bool = False
    label: str = ""
    published: bool = False

    def __post_init__(self) -> None:
        _check_label(self.label)
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"{row!r}: {len(row)} cells under {len(self.header)} headings")

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold nothing but numbers and dashes; never the first, which names the rows."""
        return tuple(
            column > 0 and all(_NUMBER.fullmatch(row[column]) for row in self.rows)
            for column in range(len(self.header))
        )


@dataclass(frozen=True)
class Section:
    """A part of a document: text, then commands, tables and figures, then its own parts.

    Parameters
    ----------
    heading : str
        Its title.
    paragraphs : tuple of str
        Text. In an article, a figure or table floats from the paragraph that first refers to it.
    figures, tables : tuple
        In the order they are numbered.
    commands : tuple of str
        What to type in a terminal, or what a file holds, one line each.
    simulated : bool
        True where numbers in the paragraphs come from simulation.
    subsections : tuple of Section
        One level down; these have none of their own.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[FigureBlock, ...] = ()
    tables: tuple[TableBlock, ...] = ()
    commands: tuple[str, ...] = ()
    simulated: bool = False
    subsections: tuple[Section, ...] = ()

    def __post_init__(self) -> None:
        for part in self.subsections:
            if part.subsections:
                raise ValueError(f"{part.heading!r}: sections nest two levels deep, this is a third")


@dataclass(frozen=True)
class Reference:
    """A published work.

    Parameters
    ----------
    key : str
        What ``[@key]`` cites.
    authors, title, where, year : str
        As a list of references writes them; `where` is the journal with volume and page, or the conference.
    doi : str
        Without an address in front; empty where there is none.
    """

    key: str
    authors: str
    title: str
    where: str
    year: str
    doi: str = ""


@dataclass(frozen=True)
class Document:
    """A whole article.

    Parameters
    ----------
    title : str
        Plain text, as are authors and group.
    authors : tuple of str
        Who wrote it.
    group : str
        Their group, course or institute.
    abstract : str
        What was asked and found, in one paragraph.
    sections : tuple of Section
        The body, in order.
    references : tuple of Reference
        What may be cited; only what is cited is listed.
    appendix : tuple of Section
        What comes after the references: recipes, versions, hardware.
    footer : str
        How it was made, in a line.
    simulated : bool
        True where every number comes from simulation: then every table and figure, and every section that
        holds one, is marked, whatever it says of itself. A document that mixes marks its parts.
    """

    title: str
    authors: tuple[str, ...] = ()
    group: str = ""
    abstract: str = ""
    sections: tuple[Section, ...] = ()
    references: tuple[Reference, ...] = ()
    appendix: tuple[Section, ...] = ()
    footer: str = ""
    simulated: bool = False

    def marks(self, block: FigureBlock | TableBlock) -> bool:
        """Whether a figure or table is marked as simulated."""
        published = isinstance(block, TableBlock) and block.published
        return (self.simulated or block.simulated) and not published

    @property
    def figures(self) -> tuple[FigureBlock, ...]:
        """All figures, in the order they are numbered."""
        parts = [part for top in (*self.sections, *self.appendix) for part in (top, *top.subsections)]
        return tuple(figure for part in parts for figure in part.figures)

    @property
    def simulated_in_part(self) -> bool:
        """Whether anything in it comes from simulation."""
        return self.simulated or any(is_simulated(part) for part in (*self.sections, *self.appendix))


_Block = TypeVar("_Block", FigureBlock, TableBlock)


@dataclass(frozen=True)
class Numbered:
    """A document in which every figure and table has its number and everything cited is found.

    Parameters
    ----------
    document : Document
        The document; every block has a label now.
    names : dict of str to str
        What each label is called: ``Figure 3``, ``Table 2``, in the appendix ``Figure A1``.
    cited : tuple of Reference
        In the order of their first citation: the first is [1].
    """

    document: Document
    names: dict[str, str] = field(default_factory=dict)
    cited: tuple[Reference, ...] = ()

    def numbers_of(self, citation: Citation) -> tuple[int, ...]:
        """Give the numbers of the works cited together, from 1, in order."""
        keys = [reference.key for reference in self.cited]
        return tuple(sorted({keys.index(key) + 1 for key in citation.keys}))


def describe_reference(reference: Reference) -> str:
    """Write a work as a list of references does, without its DOI."""
    return f"{reference.authors.rstrip('.')}. {reference.title}. {reference.where}, {reference.year}."


def is_simulated(section: Section) -> bool:
    """Say whether anything in a section or its parts comes from simulation."""
    blocks: tuple[FigureBlock | TableBlock, ...] = (*section.figures, *section.tables)
    own = section.simulated or any(block.simulated for block in blocks)
    return own or any(map(is_simulated, section.subsections))


def has_results(section: Section) -> bool:
    """Say whether a section itself shows a figure or a table."""
    return bool(section.figures or section.tables)


def number_document(document: Document) -> Numbered:
    """Number figures, tables and citations, and find what is referred to.

    Raises
    ------
    ValueError
        If a label is used twice, or a reference or citation leads nowhere.
    """
    names: dict[str, str] = {}
    document = replace(
        document,
        sections=_name_blocks(document.sections, "", names),
        appendix=_name_blocks(document.appendix, "A", names),
    )
    _check_references(document, names)
    known = {reference.key: reference for reference in document.references}
    cited: dict[str, Reference] = {}
    for key in _cited_keys(document):
        if key not in known:
            raise ValueError(f"[@{key}]: not among the references; {suggest(key, known)}")
        cited[key] = known[key]
    return Numbered(document, names, tuple(cited.values()))


def _check_label(label: str) -> None:
    if label and not _LABEL.fullmatch(label):
        raise ValueError(f"{label!r}: a label is made of lower-case letters, digits and hyphens")


def _name_blocks(sections: Sequence[Section], prefix: str, names: dict[str, str]) -> tuple[Section, ...]:
    """Give every block a label and enter its name; figures and tables are counted apart, from 1."""
    counts: Counter[str] = Counter()

    def name(block: _Block) -> _Block:
        kind = "Figure" if isinstance(block, FigureBlock) else "Table"
        counts[kind] += 1
        called = f"{kind} {prefix}{counts[kind]}"
        label = block.label or called.lower().replace(" ", "-")
        if label in names:
            raise ValueError(f"{label!r}: two figures or tables have this label")
        names[label] = called
        return replace(block, label=label)

    def enter(section: Section) -> Section:
        return replace(
            section,
            tables=tuple(map(name, section.tables)),
            figures=tuple(map(name, section.figures)),
            subsections=tuple(map(enter, section.subsections)),
        )

    return tuple(map(enter, sections))


def _check_references(document: Document, names: Mapping[str, str]) -> None:
    for text in _texts(document):
        for span in parse_text(text):
            if isinstance(span, BlockReference) and span.label not in names:
                raise ValueError(
                    f"[#{span.label}]: no figure or table has this label; {suggest(span.label, names)}"
                )


def _cited_keys(document: Document) -> Iterator[str]:
    for text in _texts(document):
        for span in parse_text(text):
            yield from span.keys if isinstance(span, Citation) else ()


def _texts(document: Document) -> Iterator[str]:
    """Give every text that may cite or refer, in reading order."""
    yield document.abstract
    for section in (*document.sections, *document.appendix):
        yield from _section_texts(section)
    yield document.footer


def _section_texts(section: Section) -> Iterator[str]:
    yield section.heading
    yield from section.paragraphs
    for table in section.tables:
        yield table.caption
        yield from table.header
        for row in table.rows:
            yield from row
    for figure in section.figures:
        yield figure.caption
    for part in section.subsections:
        yield from _section_texts(part)
