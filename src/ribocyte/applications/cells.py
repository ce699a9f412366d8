"""A folder of photographs of cells as a table, and as a page with the most doubtful ones on top."""

from __future__ import annotations

import heapq
import itertools
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import polars as pl

from ribocyte.applications._cell_page import CellReport, Doubtful, make_page
from ribocyte.catalog import Predictor
from ribocyte.cells.images import CellEncoding, Pixels, list_images, read_image
from ribocyte.cells.trust import CellTrust
from ribocyte.documents.page import render_page
from ribocyte.errors import DataError, RequestError
from ribocyte.extras import need
from ribocyte.files import atomic_write, new_folder, write_text

COLUMNS = ("file", "class", "probability", "set", "set_size", "novelty", "unlike", "doubt")
"""Of the table; a probability for each class follows."""
PORTION = 512
"""Photographs held at a time."""


def classify_cells(
    model: Predictor,
    folders: Sequence[Path],
    out: Path,
    *,
    level: float | None = None,
    shown: int = 60,
    maps: int = 9,
    progress: Callable[[int], None] | None = None,
) -> CellReport:
    """Classify photographs, and write ``cells.tsv``, ``index.html`` and, where needed, ``unreadable.tsv``.

    Memory does not grow with their number, except by a line for each unreadable one.

    Parameters
    ----------
    model : Predictor
        Of cells, calibrated.
    folders : sequence of Path
        Folders with images at any depth, and image files. A file that is named twice, or lies in two of the
        folders, counts once.
    out : Path
        A new or empty folder; it appears whole, or not at all.
    level : float, optional
        Share of the cells whose class the sets are to hold; else the model's own.
    shown : int
        How many of the most doubtful the page shows.
    maps : int
        For how many of these it shows where the network looked; needs captum unless it is 0.
    progress : callable, optional
        Told how many photographs are done.

    Returns
    -------
    CellReport
        The counts.

    Raises
    ------
    RequestError
        If the model is none of cells or was never calibrated, the level is none, `out` holds something, or
        captum is wanted and missing.
    DataError
        If there is no image, or none that can be read.
    """
    trust = _take_trust(model, level)
    if maps:
        need("captum", "bio", "showing where the network looks")
    paths = _list(folders)
    if not paths:
        raise DataError(f"{', '.join(map(str, folders))}: no image", expected="files .jpg, .png or .tif")
    judged = Predictor(model.network, model.encoding, model.card, model.device, trust)
    report = CellReport(tuple(model.info.outputs), trust.level, model.info.simulated)
    with new_folder(out) as folder:
        with atomic_write(folder / "cells.tsv") as stream:
            doubtful = _classify(judged, paths, report, stream, shown, progress)
        if not report.total:
            others = f"; nor can any other of {len(paths):,} files be read" if len(paths) > 1 else ""
            raise DataError(
                f"{': '.join(report.unreadable[0])}{others}",
                expected="JPEG, PNG or TIFF files, or folders of them",
            )
        if report.unreadable:
            listed = pl.DataFrame(report.unreadable, schema=["file", "reason"], orient="row")
            write_text(folder / "unreadable.tsv", listed.write_csv(separator="\t"))
        with tempfile.TemporaryDirectory(prefix="ribocyte-") as drawn:
            document = make_page(judged, report, doubtful, maps, Path(drawn))
            write_text(folder / "index.html", render_page(document))
        report.files = tuple(sorted(path.name for path in folder.iterdir()))
    return report


def _list(folders: Sequence[Path]) -> list[Path]:
    """List the photographs in the order of the folders, each once."""
    paths = (path for folder in folders for path in (list_images(folder) if folder.is_dir() else [folder]))
    first: dict[str, Path] = {}
    for path in paths:
        first.setdefault(os.path.abspath(path), path)  # noqa: PTH100 - links count as themselves
    return list(first.values())


def _take_trust(model: Predictor, level: float | None) -> CellTrust:
    if not isinstance(model.encoding, CellEncoding):
        raise RequestError("model: reads RNA", expected="a model that reads images of cells")
    if not isinstance(model.trust, CellTrust):
        raise RequestError(
            "model: was never calibrated, so it cannot say which cells are in doubt",
            expected="a model that knows how far to trust it",
            mend="ribocyte calibrate MODEL",
        )
    return model.trust if level is None else model.trust.at(level)


def _classify(
    model: Predictor,
    paths: Sequence[Path],
    report: CellReport,
    stream: IO[bytes],
    shown: int,
    progress: Callable[[int], None] | None,
) -> list[Doubtful]:
    """Classify portion by portion, write the table, count, and keep the most doubtful."""
    kept: list[Doubtful] = []
    encoding, done = model.encoding, 0
    assert isinstance(encoding, CellEncoding)
    header = True
    for start in range(0, len(paths), PORTION):
        portion = paths[start : start + PORTION]
        files, pictures = _read(portion, encoding, report)
        if files:
            judged = model.predict(pictures).insert_column(0, pl.Series("file", list(map(_name, files))))
            table = judged.select(*COLUMNS, *(f"p_{name}" for name in report.classes))
            report.add(table)
            stream.write(table.write_csv(separator="\t", include_header=header, float_precision=6).encode())
            header = False
            rows = table.select(COLUMNS).iter_rows(named=True)
            found = (
                Doubtful(row["doubt"], -(start + number), path, row)
                for number, (path, row) in enumerate(zip(files, rows, strict=True))
            )
            kept = heapq.nlargest(shown, itertools.chain(kept, found))
        done += len(portion)
        if progress is not None:
            progress(done)
    return kept


def _read(
    paths: Sequence[Path], encoding: CellEncoding, report: CellReport
) -> tuple[list[Path], list[Pixels]]:
    """Read what can be read; what cannot is entered in the report."""
    files, pictures = list[Path](), list[Pixels]()
    for path in paths:
        try:
            pictures.append(read_image(path, encoding.size, encoding.crop, encoding.resample))
        except DataError as error:
            report.unreadable.append((_name(path), error.problem.removeprefix(f"{path}: ")))
        else:
            files.append(path)
    return files, pictures


def _name(path: Path) -> str:
    """Write a path as text; a name may be no UTF-8."""
    return os.fsencode(path).decode(errors="replace")
