"""The figure of how cost grows, in the house's style."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from ribocyte.bench.growth import Grown
from ribocyte.bench.ratios import Growth
from ribocyte.learn.plots import PAGE, blank_figure, house_style, name_panel, save_figure

__all__ = ["draw_growth", "save_figure"]

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#767676"


def draw_growth(grown: Sequence[Grown]) -> Figure:
    """Draw time (above) and peak memory (below) against size, a column an axis, both on logarithms.

    Points are measured; the line through them is the fixed cost plus the fitted power of the size, and the dotted
    line the fixed cost alone. All times share an axis, and so do all memories.

    Parameters
    ----------
    grown : sequence of Grown
        One or more.
    """
    with house_style():
        figure = blank_figure(PAGE if len(grown) > 2 else PAGE / 2, 3.3, simulated=False)
        panels = figure.subplots(2, len(grown), sharex="col", sharey="row", squeeze=False)
        for number, one in enumerate(grown):
            sizes = [point.size for point in one.points]
            _draw(panels[0, number], sizes, [point.seconds for point in one.points], one.seconds, BLUE)
            _draw(panels[1, number], sizes, [point.peak_mb for point in one.points], one.peak_mb, ORANGE)
            name_panel(panels[0, number], "abcdefgh"[number], one.name)
            panels[1, number].set_xlabel(one.unit)
            _label_sizes(panels[1, number], sizes)
        points = [point for one in grown for point in one.points]
        _scale(panels[0, 0], [point.seconds for point in points])
        _scale(panels[1, 0], [point.peak_mb for point in points])
        panels[0, 0].set_ylabel("time, s")
        panels[1, 0].set_ylabel("peak memory, MB")
    return figure


def _draw(panel: Axes, sizes: Sequence[int], costs: Sequence[float], growth: Growth, colour: str) -> None:
    panel.set(xscale="log", yscale="log")
    panel.plot(sizes, costs, "o", color=colour, markersize=3.4, markeredgewidth=0)
    if growth.constant > 0:
        panel.axhline(growth.constant, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)))
    said = "hardly grows"
    if np.isfinite(growth.slope):
        x = np.geomspace(min(sizes), max(sizes), 100)
        risen = [(size, cost - growth.constant) for size, cost in zip(sizes, costs, strict=True)]
        logs = [
            np.log(cost) - growth.slope * np.log(size) for size, cost in risen if cost > 0.1 * growth.constant
        ]
        scale = np.exp(np.mean(logs))
        panel.plot(x, growth.constant + scale * x**growth.slope, color=colour, linewidth=0.9)
        said = f"power {growth.slope:.2f}".replace("-", "−")
    panel.text(0.05, 0.95, said, transform=panel.transAxes, va="top", fontsize=6.5)
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def _scale(panel: Axes, costs: Sequence[float]) -> None:
    """Show all costs of a row, room for a line of text above them, and a decade at least: flat must look flat."""
    low, high = min(costs) / 1.4, 1.8 * max(costs)
    panel.set_ylim(low, max(high, 10 * low))


def _label_sizes(panel: Axes, sizes: Sequence[int]) -> None:
    """Label the ends and the middle: more would not fit side by side."""
    chosen = sorted({sizes[0], sizes[len(sizes) // 2], sizes[-1]})
    panel.set_xticks(chosen, [_short(size) for size in chosen])
    panel.xaxis.set_minor_locator(NullLocator())


def _short(size: int) -> str:
    for value, letter in ((1_000_000, "M"), (1_000, "k")):
        if size >= value:
            return f"{size / value:g}{letter}"
    return str(size)
