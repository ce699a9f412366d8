"""A document written to where it was asked for; the name's ending says as what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ribocyte.documents._figures import figures_folder
from ribocyte.documents.article import Pages, write_article, write_source
from ribocyte.documents.document import Document
from ribocyte.documents.markdown import write_markdown
from ribocyte.documents.page import render_page
from ribocyte.errors import RequestError
from ribocyte.files import write_text

ENDINGS = (".pdf", ".html", ".typ", ".md")
"""What a report's name may end in."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Parameters
    ----------
    files : tuple of Path
        Files, and folders of figures, the one asked for first.
    pages : Pages, optional
        How long the article is; None where none was set.
    """

    files: tuple[Path, ...]
    pages: Pages | None = None


def check_ending(path: Path) -> None:
    """Make sure that a name says as what a report is to be written, and that nothing else stands there.

    Raises
    ------
    RequestError
        If it does not end in one of `ENDINGS`, or is a folder.
    """
    if path.suffix.lower() not in ENDINGS or path.is_dir():
        raise RequestError(
            f"{path}: {'is a folder' if path.is_dir() else 'no known kind of report'}",
            expected=f"a file's name that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}",
        )


def write_document(document: Document, path: Path) -> Written:
    """Write a document as its name asks.

    ``report.pdf`` is an article; its source ``report.typ``, ``report-figures/`` and the page ``report.html``
    come with it. ``report.typ`` and ``report.md`` come with their figures; ``report.html`` needs nothing else.
    What an earlier report left at these places is replaced.

    Raises
    ------
    RequestError
        If the name ends in nothing known.
    DataError
        If a figure is missing or damaged.
    DiskError
        If something cannot be written.
    ValueError
        If a reference or citation leads nowhere.
    """
    check_ending(path)
    figures = (figures_folder(path),) if document.figures else ()
    match path.suffix.lower():
        case ".pdf":
            page = path.with_suffix(".html")
            write_text(page, render_page(document))
            pages = write_article(document, path)
            return Written((path, page, path.with_suffix(".typ"), *figures), pages)
        case ".html":
            write_text(path, render_page(document))
            return Written((path,))
        case ".typ":
            return Written((write_source(document, path), *figures))
        case _:
            return Written((write_markdown(document, path), *figures))
