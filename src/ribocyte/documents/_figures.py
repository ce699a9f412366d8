"""Figures as SVG files: read, refused where they would run or load something, made ready to stand in a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from ribocyte.documents.document import Document, number_document
from ribocyte.errors import DataError
from ribocyte.files import atomic_write

_MEND = "draw the figure again"


def figures_folder(path: Path) -> Path:
    """Give the folder that holds a report's figures: of its own, so that two reports may lie side by side."""
    return path.with_name(f"{path.stem}-figures")


def copy_figures(document: Document, folder: Path) -> None:
    """Copy a document's figures into a folder, each called by its label.

    Raises
    ------
    DataError
        If one is missing or damaged: then none is copied.
    DiskError
        If one cannot be written.
    """
    drawn = {block.label: read_svg(block.path)[0] for block in number_document(document).document.figures}
    for label, content in drawn.items():
        with atomic_write(folder / f"{label}.svg") as stream:
            stream.write(content)


def read_svg(path: Path) -> tuple[bytes, float, float]:
    """Read a figure that holds shapes and text only.

    Returns
    -------
    (bytes, float, float)
        The file as it is, its width and its height in points.

    Raises
    ------
    DataError
        If the file is missing, is no SVG, or would run or load something.
    """
    content = _read(path)
    root = _parse(content, path)
    return content, *_size(root, path)


def inline_svg(path: Path, name: str, told: str) -> tuple[str, float]:
    """Read a figure as markup that can stand beside others in a page; with its width in points.

    Ids and what refers to them are prefixed by `name`, and styles are kept from reaching beyond the figure.

    Parameters
    ----------
    path : Path
        The SVG file.
    name : str
        The figure's own id, unique in the page.
    told : str
        What a reader who cannot see it is told.

    Raises
    ------
    DataError
        As for `read_svg`.
    """
    root = _parse(_read(path), path)
    width, _ = _size(root, path)
    for child in root.findall("{*}metadata"):
        root.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): _prefix(key, value, name) for key, value in element.attrib.items()}
        if element.tag == "style" and element.text:
            element.text = re.sub(r"([^{}]+)\{", rf"#{name} \1{{", element.text.strip())
    root.attrib = {"viewBox": root.get("viewBox", ""), "id": name, "role": "img", "aria-label": told}
    return ET.tostring(root, encoding="unicode"), width


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: figure cannot be read: {error.strerror}", mend=_MEND) from error


def _parse(content: bytes, path: Path) -> ET.Element:
    try:
        root = ET.fromstring(content)
    except ET.ParseError as error:
        raise DataError(f"{path}: not an SVG figure: {error}", mend=_MEND) from error
    if not root.tag.endswith("}svg"):
        raise DataError(f"{path}: not an SVG figure", expected="an <svg> element at its root")
    for element in root.iter():
        _check_harmless(element, path)
    return root


def _size(root: ET.Element, path: Path) -> tuple[float, float]:
    try:
        box = [float(number) for number in root.get("viewBox", "").split()]
    except ValueError:
        box = []
    if len(box) != 4 or not box[2] > 0 or not box[3] > 0:
        raise DataError(f"{path}: viewBox = {root.get('viewBox')!r}", expected="four numbers, with a size")
    return box[2], box[3]


def _local(name: str) -> str:
    """Give an XML name without its name space."""
    return name.rpartition("}")[2]


def _check_harmless(element: ET.Element, path: Path) -> None:
    """Refuse what would run or load something from inside a page."""
    tag = _local(element.tag)
    if tag in ("script", "foreignObject"):
        raise DataError(f"{path}: holds a <{tag}>", expected="a figure of shapes and text only")
    if tag == "style" and re.search(r"@|url\((?!#)|\\", element.text or ""):
        raise DataError(
            f"{path}: style that reaches outside", expected="a figure that loads and runs nothing"
        )
    for name, value in element.attrib.items():
        key = _local(name)
        runs = key.startswith("on")
        loads = key == "href" and not value.startswith(("#", "data:image/"))
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
