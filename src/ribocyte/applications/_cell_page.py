"""The page about a folder of photographs: counts, the most doubtful cells, where the network looked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from ribocyte.catalog import Predictor
from ribocyte.cells.contact_sheet import plot_sheet
from ribocyte.cells.gradcam import gradcam, plot_maps
from ribocyte.cells.images import CellEncoding, Pixels, read_image, read_photograph
from ribocyte.documents.document import Document, FigureBlock, Section, TableBlock

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THUMBNAIL = 84
"""Side of a picture on the contact sheet, px."""
LISTED = 40
"""Unreadable files that the page names; their own table names all."""


@dataclass(frozen=True, order=True)
class Doubtful:
    """A photograph for the contact sheet; the least doubtful sorts first, of equals the last read.

    Parameters
    ----------
    doubt : float
        From 0 to 1.
    place : int
        Minus its number in the order of reading.
    path : Path
        The file.
    row : dict
        Its row of the table.
    """

    doubt: float
    place: int
    path: Path = field(compare=False)
    row: dict[str, Any] = field(compare=False)


@dataclass
class CellReport:
    """What was found in folders of photographs.

    Parameters
    ----------
    classes : tuple of str
        What the model tells apart.
    level : float
        Share of the cells whose class the sets are to hold.
    simulated : bool
        Whether the model learned from a simulator's cells.
    counts, unlike, sure : dict of str to int
        For each class: cells called so; those unlike all known cells; of the others, those whose set holds that
        class alone.
    unreadable : list of (str, str)
        Files that are no pictures, and why.
    """

    classes: tuple[str, ...]
    level: float
    simulated: bool
    counts: dict[str, int] = field(default_factory=dict)
    unlike: dict[str, int] = field(default_factory=dict)
    sure: dict[str, int] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for counted in (self.counts, self.unlike, self.sure):
            counted.update(dict.fromkeys(self.classes, 0))

    @property
    def total(self) -> int:
        """How many photographs were classified."""
        return sum(self.counts.values())

    def add(self, table: pl.DataFrame) -> None:
        """Count the rows of a part of the table."""
        unlike = pl.col("unlike")
        parts = (
            (self.counts, table),
            (self.unlike, table.filter(unlike)),
            (self.sure, table.filter(~unlike & (pl.col("set") == pl.col("class")))),
        )
        for counted, rows in parts:
            for name, number in rows["class"].value_counts().iter_rows():
                counted[name] += number


def make_page(
    model: Predictor, report: CellReport, doubtful: Sequence[Doubtful], maps: int, drawn: Path
) -> Document:
    """Make the page: the counts, the most doubtful cells, where the network looked, and what could not be read.

    Parameters
    ----------
    model : Predictor
        Whose judgement it is.
    report : CellReport
        The counts.
    doubtful : sequence of Doubtful
        What is shown, the most doubtful first.
    maps : int
        For how many of them it is shown where the network looked.
    drawn : Path
        A folder for the figures.
    """
    sure, unlike = sum(report.sure.values()), sum(report.unlike.values())
    lead = (
        f"{_count(report.total, 'photograph')} classified: {sure:,} sure; {report.total - sure - unlike:,} unsure, "
        f"with other plausible classes or none; {unlike:,} unlike the cells that the network knows, so that the class "
        f"is a guess. {_count(len(report.unreadable), 'file')} could not be read."
    )
    sections = [
        Section("How many of each", (_explain_counts(report),), tables=(_count_table(report),)),
        _doubtful_section(model, report, doubtful, drawn),
        *_map_sections(model, report, doubtful[:maps], drawn),
        *_unreadable_sections(report),
    ]
    return Document(
        title="Cells, the most doubtful first",
        abstract=lead,
        sections=tuple(sections),
        footer=f"Model: {model.recipe.name}, trained on {model.info.source}. Every photograph is in `cells.tsv`.",
        simulated=report.simulated,
    )


def _explain_counts(report: CellReport) -> str:
    return (
        "Unlike are those that look less like the known cells than 99 % of these look like each other. Sure are, "
        "of the others, those whose set of plausible classes holds this class alone; sets are made to hold the "
        f"true class of {100 * report.level:.4g} % of all known cells. The intervals tell how far the share could be "
        "off if other cells of the same smear had been photographed; what the network confuses is not in them."
    )


def _count_table(report: CellReport) -> TableBlock:
    total = report.total
    rows = tuple(
        (
            name,
            f"{report.counts[name]:,}",
            f"{report.counts[name] / total:.1%}",
            "{:.1%} to {:.1%}".format(*_share_interval(report.counts[name], total)),
            f"{report.sure[name]:,}",
            f"{report.counts[name] - report.sure[name] - report.unlike[name]:,}",
            f"{report.unlike[name]:,}",
        )
        for name in report.classes
    )
    header = ("class", "cells", "share", "95 % interval", "sure", "unsure", "unlike")
    return TableBlock(
        header, rows, "How many photographs were called what.", report.simulated, label="counts"
    )


def _doubtful_section(
    model: Predictor, report: CellReport, doubtful: Sequence[Doubtful], drawn: Path
) -> Section:
    thumbnails = [_thumbnail(entry.path, model) for entry in doubtful]
    labels = [
        (entry.row["class"], f"doubt {entry.row['doubt']:.3f}{_unlike_mark(entry)}") for entry in doubtful
    ]
    sheet = plot_sheet(thumbnails, labels, simulated=report.simulated)
    caption = (
        "The most doubtful photographs, each with its number in [#doubtful], the class it was given, and the doubt: "
        "the chance that the class is wrong, raised to nearly 1 where a photograph is unlike all known cells."
    )
    return Section(
        "Most doubtful first",
        figures=(_figure(sheet, drawn / "sheet.svg", caption, report, "sheet"),),
        subsections=(Section("In numbers", tables=(_doubtful_table(report, doubtful),)),),
    )


def _doubtful_table(report: CellReport, doubtful: Sequence[Doubtful]) -> TableBlock:
    names = _short_names([entry.row["file"] for entry in doubtful])
    rows = tuple(
        (
            str(number),
            name,
            entry.row["class"],
            f"{entry.row['probability']:.3f}",
            entry.row["set"].replace("|", ", ") or "none",
            f"{entry.row['novelty']:.1%}{_unlike_mark(entry)}",
            f"{entry.row['doubt']:.3f}",
        )
        for number, (entry, name) in enumerate(zip(doubtful, names, strict=True), start=1)
    )
    header = ("", "file", "class", "probability", "plausible classes", "novelty", "doubt")
    caption = (
        "The same photographs. Novelty is the share of known cells that look more like the others than this."
    )
    return TableBlock(header, rows, caption, report.simulated, wide=True, label="doubtful")


def _map_sections(
    model: Predictor, report: CellReport, entries: Sequence[Doubtful], drawn: Path
) -> list[Section]:
    if not entries:
        return []
    encoding = model.encoding
    assert isinstance(encoding, CellEncoding)
    photographs = [read_photograph(entry.path) for entry in entries]
    compact, _ = encoding.encode(photographs)
    names = [f"{number}  {entry.row['class']}" for number, entry in enumerate(entries, start=1)]
    figure = plot_maps(
        photographs, gradcam(model, compact), names, crop=encoding.crop, simulated=report.simulated
    )
    caption = (
        "Grad-CAM of the most doubtful: what speaks for the class named, on what the network saw and on the "
        "photograph, whose part that it saw is framed. The map is as coarse as the network's last layer."
    )
    return [
        Section(
            "Where the network looked",
            figures=(_figure(figure, drawn / "maps.svg", caption, report, "maps"),),
        )
    ]


def _unreadable_sections(report: CellReport) -> list[Section]:
    if not report.unreadable:
        return []
    files, reasons = zip(*report.unreadable[:LISTED], strict=True)
    rows = tuple(zip(_short_names(files), reasons, strict=True))
    left = len(report.unreadable) - len(rows)
    caption = "Files that could not be read." + (f" {left:,} more are in `unreadable.tsv`." if left else "")
    return [
        Section("Left out", tables=(TableBlock(("file", "why"), rows, caption, wide=True, label="left-out"),))
    ]


def _figure(figure: Figure, path: Path, caption: str, report: CellReport, label: str) -> FigureBlock:
    from ribocyte.learn.plots import save_figure

    save_figure(figure, path)
    return FigureBlock(path, caption, report.simulated, wide=True, label=label)


def _thumbnail(path: Path, model: Predictor) -> Pixels:
    """Read the part of a photograph that the network saw, large enough for a person."""
    encoding = model.encoding
    assert isinstance(encoding, CellEncoding)
    return read_image(path, THUMBNAIL, encoding.crop, encoding.resample)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _short_names(files: Sequence[str]) -> list[str]:
    """Leave out of paths the folder that holds all: files in different folders may have one name."""
    above = os.path.commonpath([os.path.dirname(os.path.abspath(file)) for file in files])  # noqa: PTH100, PTH120
    return [os.path.relpath(file, above) for file in files]


def _unlike_mark(entry: Doubtful) -> str:
    return ", unlike" if entry.row["unlike"] else ""


def _share_interval(count: int, total: int) -> tuple[float, float]:
    """Give the 95 % interval of a share (Clopper & Pearson 1934)."""
    from scipy.stats import binomtest

    found = binomtest(count, total).proportion_ci()
    return float(found.low), float(found.high)
