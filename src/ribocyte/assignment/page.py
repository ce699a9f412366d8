"""One self-contained HTML page from text, figures and tables: no script, nothing loaded, printable."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ribocyte.assignment._style import STYLE
from ribocyte.errors import DataError

_TAG = '<strong class="simulated">SIMULATED</strong>'
_NUMBER = re.compile(r"[+\-−±≈<>≥≤]?\s*[\d.,]*\d.*|[—–-]?")
_POINT = 96 / 72 * 1.39  # CSS pixels for a point of print: 7 pt letters are read from a desk, not from a hand


@dataclass(frozen=True)
class FigureBlock:
    """A figure and what it shows.

    Parameters
    ----------
    path : Path
        An SVG file; it is copied into the page.
    caption : str
        Below the figure; text between backticks is set as code. The page numbers its figures itself.
    simulated : bool
        True where what it shows comes from simulation.
    alternative : str
        What a reader who cannot see the figure is told; the caption where empty.
    """

    path: Path
    caption: str
    simulated: bool = False
    alternative: str = ""


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
        Above the table; text between backticks is set as code. The page numbers its tables itself.
    simulated : bool
        True where its numbers come from simulation; every row is marked.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    simulated: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"{row!r}: {len(row)} cells under {len(self.header)} headings")


@dataclass(frozen=True)
class Section:
    """A part of the page: text, then commands, tables and figures.

    Parameters
    ----------
    heading : str
        Its title.
    paragraphs : tuple of str
        Plain text; what stands between backticks is set as code.
    figures, tables : tuple
        In the order they appear. Two narrow figures stand side by side where there is room.
    commands : tuple of str
        What to type in a terminal, one line each.
    simulated : bool
        True where numbers in the paragraphs come from simulation.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[FigureBlock, ...] = ()
    tables: tuple[TableBlock, ...] = ()
    commands: tuple[str, ...] = ()
    simulated: bool = False


@dataclass(frozen=True)
class Page:
    """A whole page.

    Parameters
    ----------
    title, lead : str
        What it is, and what was found, in a sentence or two.
    sections : tuple of Section
        In order.
    footer : str
        How and when it was made.
    simulated : bool
        True where every number on the page comes from simulation: then every table and figure, and every
        section that holds one, is marked, whatever it says of itself. A page that mixes marks its parts.
    """

    title: str
    lead: str
    sections: tuple[Section, ...] = ()
    footer: str = ""
    simulated: bool = False


def render_page(page: Page) -> str:
    """Write a page as HTML that needs nothing but itself.

    Styles and figures are inside; there is no script and no address is ever contacted. It follows the
    reader's light or dark setting, narrows to a phone and prints. What comes from simulation is marked
    SIMULATED in the window's title, in a banner, and at every section, table and figure concerned.

    Returns
    -------
    str
        The document; write it with `files.write_text`.

    Raises
    ------
    DataError
        If a figure's file is missing, is no SVG, or would run or load something.
    """
    figures, tables = iter(range(1, 10_000)), iter(range(1, 10_000))
    body = "\n".join(
        _section(section, number, page.simulated, figures, tables)
        for number, section in enumerate(page.sections, start=1)
    )
    title = f"SIMULATED · {page.title}" if page.simulated else page.title
    footer = f"<footer>{_text(page.footer)}</footer>" if page.footer else ""
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
{_banner(page)}<main>
<header>
<h1>{escape(page.title)}</h1>
<p class="lead">{_text(page.lead)}{_mark(page.simulated)}</p>
</header>
{body}
</main>
{footer}
</body>
</html>
"""


def _banner(page: Page) -> str:
    some = any(
        section.simulated
        or any(f.simulated for f in section.figures)
        or any(t.simulated for t in section.tables)
        for section in page.sections
    )
    if page.simulated:
        says = "Every number, table and figure on this page comes from simulation, none from a measurement."
    elif some:
        says = "Parts of this page come from simulation, not from a measurement; each is marked."
    else:
        return ""
    return f'<p class="banner" role="note"><strong>SIMULATED</strong> {says}</p>\n'


def _mark(simulated: bool) -> str:
    return f" {_TAG}" if simulated else ""


def _text(plain: str) -> str:
    """Escape a text; what stands between backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(plain))


def _section(
    section: Section, number: int, simulated: bool, figures: Iterator[int], tables: Iterator[int]
) -> str:
    # A section of words and commands alone shows no result that could be taken for a measurement.
    mark = _mark(section.simulated or (simulated and bool(section.figures or section.tables)))
    lines = [f'<section aria-labelledby="section-{number}">']
    lines.append(f'<h2 id="section-{number}">{escape(section.heading)}{mark}</h2>')
    lines += [f"<p>{_text(paragraph)}</p>" for paragraph in section.paragraphs]
    if section.commands:
        lines.append(f'<pre tabindex="0"><code>{escape(chr(10).join(section.commands))}</code></pre>')
    lines += [_table(block, next(tables), simulated) for block in section.tables]
    if section.figures:
        drawn = "\n".join(_figure(block, next(figures), simulated) for block in section.figures)
        lines.append(f'<div class="figures">\n{drawn}\n</div>')
    return "\n".join([*lines, "</section>"])


def _table(block: TableBlock, number: int, simulated: bool) -> str:
    marked = simulated or block.simulated
    numeric = [
        all(_NUMBER.fullmatch(row[column]) for row in block.rows) for column in range(len(block.header))
    ]
    kinds = [' class="number"' if column and is_number else "" for column, is_number in enumerate(numeric)]
    head = "".join(
        f'<th scope="col"{kind}>{_text(name)}</th>' for name, kind in zip(block.header, kinds, strict=True)
    )
    rows = []
    for name, *cells in block.rows:
        data = "".join(f"<td{kind}>{_text(cell)}</td>" for cell, kind in zip(cells, kinds[1:], strict=True))
        rows.append(f'<tr><th scope="row">{_text(name)}{_mark(marked)}</th>{data}</tr>')
    body = "\n".join(rows)
    return f"""<div class="table" tabindex="0" role="region" aria-labelledby="table-{number}"><table>
<caption id="table-{number}"><b>Table {number}.</b> {_text(block.caption)}{_mark(marked)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table></div>"""


def _figure(block: FigureBlock, number: int, simulated: bool) -> str:
    marked = simulated or block.simulated
    told = f"Figure {number}. {'SIMULATED. ' if marked else ''}{block.alternative or block.caption}"
    svg, width = _inline(block.path, f"figure-{number}", told.replace("`", ""))
    # A wide figure keeps its letters legible on a phone: it is scrolled sideways rather than shrunk away.
    size = f"--width: {width * _POINT:.0f}px; --least: {width:.0f}px"
    return f"""<figure style="{size}">
<div class="card" tabindex="0">{svg}</div>
<figcaption><b>Figure {number}.</b> {_text(block.caption)}{_mark(marked)}</figcaption>
</figure>"""


def _inline(path: Path, name: str, told: str) -> tuple[str, float]:
    """Read an SVG file as markup that can stand beside others in a page; with its width in points.

    Ids and what refers to them are prefixed by `name`, and styles are kept from reaching beyond the figure.
    """
    try:
        root = ET.fromstring(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: figure cannot be read: {error.strerror}") from error
    except ET.ParseError as error:
        raise DataError(f"{path}: not an SVG figure: {error}") from error
    if not root.tag.endswith("}svg"):
        raise DataError(f"{path}: not an SVG figure", expected="an <svg> element at its root")
    _, _, width, _ = _view_box(root, path)
    for child in root.findall("{*}metadata"):
        root.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        _check_harmless(element, path)
        element.attrib = {key.rpartition("}")[2]: _prefix(key, v, name) for key, v in element.attrib.items()}
        if element.tag == "style" and element.text:
            element.text = re.sub(r"([^{}]+)\{", rf"#{name} \1{{", element.text.strip())
    kept = {"viewBox": root.get("viewBox", ""), "id": name, "role": "img", "aria-label": told}
    root.attrib = kept
    return ET.tostring(root, encoding="unicode"), width


def _view_box(root: ET.Element, path: Path) -> list[float]:
    try:
        box = [float(number) for number in root.get("viewBox", "").split()]
    except ValueError:
        box = []
    if len(box) != 4:
        raise DataError(f"{path}: viewBox = {root.get('viewBox')!r}", expected="four numbers")
    return box


def _check_harmless(element: ET.Element, path: Path) -> None:
    """Refuse what would run or load something from inside a page."""
    if element.tag in ("script", "foreignObject"):
        raise DataError(f"{path}: holds a <{element.tag}>", expected="a figure of shapes and text only")
    if element.tag == "style" and re.search(r"@|url\((?!#)|\\", element.text or ""):
        raise DataError(
            f"{path}: style that reaches outside", expected="a figure that loads and runs nothing"
        )
    for key, value in element.attrib.items():
        runs = key.startswith("on")
        loads = key.endswith("href") and not value.startswith(("#", "data:image/"))
        if runs or loads or re.search(r"url\((?!#)", value):
            raise DataError(
                f"{path}: {key} = {value[:60]!r}", expected="a figure that loads and runs nothing"
            )


def _prefix(key: str, value: str, name: str) -> str:
    """Give an attribute's value with ids, and references to them, prefixed."""
    if key == "id":
        return f"{name}-{value}"
    if key.endswith("href") and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", value)
