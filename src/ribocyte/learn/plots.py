"""Figures of runs and scores, made for print: one column or one page wide, readable in grey.

Every function returns a `matplotlib.figure.Figure` that belongs to nobody: no pyplot, no window, and the
caller's own matplotlib settings are neither used nor changed. `save_figure` writes it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import NDArray

from ribocyte.errors import DataError
from ribocyte.learn._drawing import (
    COLOURS,
    COLUMN,
    GREY,
    INK,
    PAGE,
    SMALLER_IS_BETTER,
    Look,
    add_colourbar,
    add_legend,
    blank_figure,
    draw_curve,
    enlarge_crowd,
    house_style,
    label_epochs,
    legend_height,
    legend_line,
    look_of,
    mark_best,
    name_panel,
    plain,
    save_figure,
    scale_loss,
    shades,
)

__all__ = ["plot_comparison", "plot_confusion", "plot_density", "plot_history", "plot_losses", "save_figure"]

_NAMES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_auc": "macro AUC",
    "spearman": "Spearman ρ",
    "pearson": "Pearson r",
    "mse": "mean squared error",
    "seconds": "time per epoch (s)",
    "peak_mb": "peak memory (MB)",
    "learning_rate": "learning rate",
}
_SPLITS = {"train": "training", "val": "validation", "test": "test"}


def plot_history(history: pl.DataFrame, metric: str | None = None, *, simulated: bool = False) -> Figure:
    """Draw one run: training and validation loss, below it the metric that decides, the best epoch marked.

    Parameters
    ----------
    history : DataFrame
        One row per epoch: ``epoch`` (from 1), ``train_loss``, ``val_loss`` and, for `metric`,
        ``val_<metric>``; ``test_<metric>`` is drawn where recorded. NaN and infinity leave a gap.
    metric : str, optional
        Such as ``accuracy`` or ``spearman``. Without it the validation loss decides.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One column wide.

    Raises
    ------
    DataError
        If a column is missing.
    """
    rows = 1 if metric is None else 2
    with house_style():
        figure = blank_figure(COLUMN, 0.55 + 1.45 * rows, simulated)
        panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        draw_curve(panels[0], history, "train_loss", Look(GREY, "s", dashed=True, shift=0.5))
        draw_curve(panels[0], history, "val_loss", Look(COLOURS[0], "o"))
        scale_loss(panels[0])
        name_panel(panels[0], "", "loss")
        curves = list(zip(("training", "validation"), panels[0].lines, strict=True))
        if metric is not None:
            if f"test_{metric}" in history.columns:  # below the curve that decides
                test = draw_curve(panels[1], history, f"test_{metric}", Look(COLOURS[1], "^", shift=0.5))
                curves.append(("test", test))
            draw_curve(panels[1], history, f"val_{metric}", Look(COLOURS[0], "o"))
            name_panel(panels[1], "", _name(metric))
        mark_best(list(panels), history, f"val_{metric or 'loss'}")
        label_epochs(panels[-1])
        add_legend(figure, curves, COLUMN)
    return figure


def plot_comparison(
    histories: Mapping[str, pl.DataFrame],
    columns: Sequence[str] = ("train_loss", "val_accuracy", "test_accuracy"),
    *,
    simulated: bool = False,
) -> Figure:
    """Draw several runs on shared axes, one panel per column of their histories.

    Parameters
    ----------
    histories : mapping of str to DataFrame
        Name of each run, in the order of the legend, and its history as for `plot_history`. Lengths may
        differ.
    columns : sequence of str
        What the panels show. The default is what the assignment's question 1 asks for. Panels of the same
        metric, such as validation and test accuracy, share their vertical axis. A run without a column is
        absent from that panel.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        A page wide, up to three panels in a row.

    Raises
    ------
    DataError
        If there is no run, or no run has one of the columns.
    """
    _check_columns(histories, columns)
    across = min(len(columns), 3)
    down = math.ceil(len(columns) / across)
    looks = {name: look_of(index, len(histories)) for index, name in enumerate(histories)}
    width = COLUMN if across == 1 else PAGE
    with house_style():
        figure = blank_figure(width, 0.1 + 2.1 * down + legend_height(list(histories), width), simulated)
        first_of: dict[str, Axes] = {}
        panels: list[tuple[str, Axes]] = []
        for number, column in enumerate(columns):
            quantity = _split_of(column)[1]
            panel = figure.add_subplot(down, across, number + 1, sharey=first_of.get(quantity))
            first_of.setdefault(quantity, panel)
            panels.append((quantity, panel))
            for name, history in histories.items():
                if column in history.columns:
                    draw_curve(panel, history, column, looks[name])
            if quantity == "loss":
                scale_loss(panel)
            name_panel(panel, chr(ord("a") + number) if len(columns) > 1 else "", _split_name(column))
            label_epochs(panel)
        for quantity, panel in panels:
            if quantity not in SMALLER_IS_BETTER:
                enlarge_crowd(panel)
        add_legend(figure, [(name, legend_line(look)) for name, look in looks.items()], width)
    return figure


def plot_losses(histories: Mapping[str, pl.DataFrame], *, simulated: bool = False) -> Figure:
    """Draw the training (dashed) and validation (solid) loss of each network on shared axes.

    Parameters
    ----------
    histories : mapping of str to DataFrame
        Name of each network and its history as for `plot_history`.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One column wide.

    Raises
    ------
    DataError
        If there is no run, or a loss is missing from all of them.
    """
    _check_columns(histories, ("train_loss", "val_loss"))
    with house_style():
        handles: list[tuple[str, Line2D]] = []
        figure = blank_figure(
            COLUMN, 2.3 + legend_height([*histories, "training", "validation"], COLUMN), simulated
        )
        panel = figure.subplots()
        for index, (name, history) in enumerate(histories.items()):
            look = look_of(index, len(histories))
            for column, dashed in (("train_loss", True), ("val_loss", False)):
                if column in history.columns:
                    draw_curve(panel, history, column, Look(look.colour, look.marker, dashed, look.shift))
            handles.append((name, legend_line(look)))
        for split, dashed in (("training", True), ("validation", False)):
            handles.append((split, legend_line(Look(GREY, "", dashed))))
        scale_loss(panel)
        name_panel(panel, "", "loss")
        label_epochs(panel)
        add_legend(figure, handles, COLUMN)
    return figure


def plot_density(
    measured: NDArray[Any],
    predicted: NDArray[Any],
    label: str = "intensity (z-score)",
    scores: Mapping[str, float] | None = None,
    *,
    simulated: bool = False,
) -> Figure:
    """Draw predicted against measured values as a density of hexagons, with the line of perfect prediction.

    Parameters
    ----------
    measured, predicted : array, shape (N,)
        One value per probe. Rows where either is NaN or infinite are left out.
    label : str
        What was measured, with its unit: ends both axis labels.
    scores : mapping of str to float, optional
        Printed in the panel, such as ``{"spearman": 0.69, "pearson": 0.77}``.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One column wide; a few hundred kB at most as SVG, whatever N.

    Raises
    ------
    DataError
        If the two differ in length.
    """
    x, y = np.asarray(measured, dtype=np.float64).ravel(), np.asarray(predicted, dtype=np.float64).ravel()
    if x.shape != y.shape:
        raise DataError(f"predicted: {y.size} values", expected=f"as many as were measured, {x.size}")
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    with house_style():
        figure = blank_figure(COLUMN, 2.75, simulated)
        panel = figure.subplots()
        panel.grid(visible=False)
        panel.set(xlabel=f"measured {plain(label)}", ylabel=f"predicted {plain(label)}", aspect="equal")
        if x.size:
            _draw_hexagons(figure, panel, x, y)
        else:
            panel.set(xlim=(0, 1), ylim=(0, 1))
        lines = [f"{plain(_name(name))} = {value:.3f}" for name, value in (scores or {}).items()]
        lines.append(f"n = {x.size:,}" if x.size else "no finite pair of values")
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
        panel.text(
            0.04, 0.96, "\n".join(lines), transform=panel.transAxes, va="top", linespacing=1.35, bbox=box
        )
    return figure


def plot_confusion(matrix: NDArray[Any], names: Sequence[str], *, simulated: bool = False) -> Figure:
    """Draw a confusion matrix: counts as numbers, the share of each true class as colour.

    The shades follow the square root of the share, so that errors of a few percent are seen.

    Parameters
    ----------
    matrix : array of int, shape (C, C)
        Examples by true class (rows) and predicted class (columns).
    names : sequence of str
        The C classes.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One column wide for up to eight classes, wider where the counts need it.

    Raises
    ------
    DataError
        If the matrix is not square or the names are not as many.
    """
    counts = np.asarray(matrix)
    if counts.shape != (len(names), len(names)):
        raise DataError(f"confusion matrix: shape {counts.shape}", expected=f"({len(names)}, {len(names)})")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = [textwrap.fill(plain(name.replace("_", " ")), 13) for name in names]
    columns = [plain(name.replace("_", " ")) for name in names]
    letter, digits = 0.058, len(str(counts.max(initial=10)))  # inches a letter takes, on average
    beside = letter * max((len(line) for row in rows for line in row.split("\n")), default=0) + 0.8
    below = letter * max((len(column) for column in columns), default=0) * math.sqrt(0.5) + 0.35
    side = max(COLUMN - beside, len(names) * max(letter * digits + 0.042, 0.2))
    with house_style():
        figure = blank_figure(side + beside, side + below, simulated)
        panel = figure.subplots()
        panel.grid(visible=False)
        scale = PowerNorm(0.5, 0, 1)
        panel.pcolormesh(shares, cmap=shades("#ffffff"), norm=scale, edgecolors="#dddddd", linewidth=0.4)
        panel.set(aspect="equal", xlabel="predicted class", ylabel="true class", ylim=(len(names), 0))
        panel.set_xticks(
            np.arange(len(names)) + 0.5, columns, rotation=45, ha="right", rotation_mode="anchor"
        )
        panel.set_yticks(np.arange(len(names)) + 0.5, rows)
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.3 else INK if count else GREY
            panel.text(column + 0.5, row + 0.53, str(count), ha="center", va="center", color=colour)
        bar = add_colourbar(figure, panel, ScalarMappable(scale, shades("#ffffff")), "share of true class")
        bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1], labels=["0 %", "1 %", "5 %", "20 %", "50 %", "100 %"])
    return figure


def _draw_hexagons(figure: Figure, panel: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Count the points in hexagons of one size on both axes, on a logarithmic scale of shades."""
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    margin = 0.03 * (high - low) or 0.5
    low, high = low - margin, high + margin
    halo = [withStroke(linewidth=1.7, foreground="white")]  # seen on white and on the darkest hexagon
    panel.plot([low, high], [low, high], color=INK, linewidth=0.7, dashes=(5, 3), path_effects=halo)
    hexagons = panel.hexbin(
        x,
        y,
        gridsize=(52, 30),
        extent=(low, high, low, high),
        mincnt=1,
        cmap=shades("#cfe3f1"),
        norm=LogNorm(),
        linewidths=0.15,
        edgecolors="face",
        zorder=1,
    )
    counts = np.asarray(hexagons.get_array())
    hexagons.set_norm(LogNorm(1, max(counts.max(), 10)))
    panel.set(xlim=(low, high), ylim=(low, high))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=high - low > 5))
    bar = add_colourbar(figure, panel, hexagons, "count per hexagon")
    bar.locator = LogLocator()
    bar.formatter = FuncFormatter(lambda value, _: f"{value:,.0f}")


def _check_columns(histories: Mapping[str, pl.DataFrame], columns: Sequence[str]) -> None:
    if not histories:
        raise DataError("histories: none given", expected="at least one run")
    known = {column for history in histories.values() for column in history.columns}
    for column in columns:
        if column not in known:
            raise DataError(f"{column}: in no run's history", expected=f"one of {', '.join(sorted(known))}")


def _name(metric: str) -> str:
    return _NAMES.get(metric, metric.replace("_", " "))


def _split_of(column: str) -> tuple[str, str]:
    """Take a column's name apart: ``val_accuracy`` is (val, accuracy), ``learning_rate`` of no split."""
    split, _, metric = column.partition("_")
    return (split, metric) if split in _SPLITS else ("", column)


def _split_name(column: str) -> str:
    """Name a column for people: ``val_accuracy`` is the validation accuracy."""
    split, metric = _split_of(column)
    return f"{_SPLITS[split]} {_name(metric)}" if split else _name(metric)
