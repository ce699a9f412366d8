"""Predictions against measurements: densities and confusion matrices."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import NDArray

from ribocyte.errors import DataError
from ribocyte.learn.plots._drawing import (
    COLUMN,
    GREY,
    INK,
    add_colourbar,
    blank_figure,
    house_style,
    plain,
    shades,
)
from ribocyte.learn.plots._names import name_metric


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
        lines = [f"{plain(name_metric(name))} = {value:.3f}" for name, value in (scores or {}).items()]
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
