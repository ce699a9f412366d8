"""The figures of the protocols, in the house's style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from ribocyte.learn.plots import COLUMN, PAGE, blank_figure, house_style, name_panel
from ribocyte.transfer.results import Means
from ribocyte.transfer.statistics import Mean

INK, GREY = "#222222", "#767676"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c8c8c")
MARKERS = ("o", "s", "^", "D", "v")


def draw_means(means: Mapping[str, Mean], *, simulated: bool) -> Figure:
    """Draw a mean and its interval a row, in the order given."""
    with house_style():
        figure = blank_figure(COLUMN, 0.55 + 0.24 * len(means), simulated)
        panel = figure.subplots()
        for row, mean in enumerate(means.values()):
            _draw_mean(panel, mean.value, row, mean, COLOURS[0], "o", across=True)
            panel.annotate(
                f"{mean.value:.3f}",
                (mean.value, row),
                (0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=6,
            )
        panel.set_yticks(range(len(means)), list(means))
        panel.set_ylim(len(means) - 0.5, -0.7)
        panel.grid(visible=False, axis="y")
        panel.grid(visible=True, axis="x")
        panel.set_xlabel("Spearman's rho, mean over proteins")
    return figure


def draw_identity(
    held: pl.DataFrame,
    relatives: pl.DataFrame,
    methods: Sequence[str],
    reliability: Mapping[str, Sequence[float]],
    *,
    simulated: bool,
) -> Figure:
    """Draw each protein's Spearman against its identity to the nearest that trained: a panel a method, and one more.

    The last panel is the first method's again, against likeness, on which the curve rests.

    Parameters
    ----------
    held, relatives : DataFrame
        Scores of proteins without relatives among those that trained, and with.
    methods : sequence of str
        A panel each.
    reliability : mapping
        ``likeness`` and ``spearman`` of the curve of reliability.
    simulated : bool
        Print SIMULATED in the figure.
    """
    with house_style():
        figure = blank_figure(PAGE, 2.3, simulated)
        views = [*((method, "identity") for method in methods), (methods[0], "likeness")]
        panels = figure.subplots(1, len(views), sharex=True, sharey=True, squeeze=False)[0]
        for number, (panel, (method, measure)) in enumerate(zip(panels, views, strict=True)):
            for table, filled in ((held, True), (relatives, False)):
                rows = table.filter(pl.col("method") == method)
                panel.plot(
                    rows[measure].to_numpy(),
                    rows["spearman"].to_numpy(),
                    "o",
                    color=COLOURS[methods.index(method)],
                    markersize=2.6,
                    fillstyle="full" if filled else "none",
                    markeredgewidth=0.0 if filled else 0.6,
                    alpha=0.75,
                )
            name_panel(panel, "abcdefgh"[number], method)
            panel.set_xlabel(f"{measure} to the nearest")
        panels[-1].plot(reliability["likeness"], reliability["spearman"], color=INK, linewidth=1.2)
        panels[0].set_ylabel("Spearman's rho")
    return figure


def draw_coverage(shares: Sequence[float], level: float, *, simulated: bool) -> Figure:
    """Draw which share of each protein's measurements its intervals hold, in order."""
    with house_style():
        figure = blank_figure(COLUMN, 2.0, simulated)
        panel = figure.subplots()
        panel.axhspan(level - 0.03, level + 0.03, color="#e8f0f6", zorder=0)
        panel.axhline(level, color=GREY, linewidth=0.8)
        panel.plot(np.arange(1, len(shares) + 1), shares, "o", markersize=1.8, color=COLOURS[0])
        panel.axhline(float(np.mean(shares)), color=COLOURS[1], linewidth=0.9, linestyle=(0, (2.6, 1.3)))
        panel.text(
            len(shares),
            float(np.mean(shares)) - 0.012,
            "mean",
            color=COLOURS[1],
            ha="right",
            va="top",
            fontsize=6.5,
        )
        panel.set_xlabel("held-out experiment, in order")
        panel.set_ylabel("share held")
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    return figure


def draw_pairs(pairs: Mapping[str, pl.DataFrame], names: tuple[str, str], *, simulated: bool) -> Figure:
    """Draw each protein's score with one method against another: a panel an entry.

    Parameters
    ----------
    pairs : mapping of str to DataFrame
        What each panel is called; ``second`` across, ``first`` up.
    names : pair of str
        What is across, and up.
    simulated : bool
        Print SIMULATED in the figure.
    """
    with house_style():
        figure = blank_figure(PAGE, 3.0, simulated)
        panels = figure.subplots(1, len(pairs), sharex=True, sharey=True, squeeze=False)[0]
        for number, (panel, (name, table)) in enumerate(zip(panels, pairs.items(), strict=True)):
            across, up = table["second"].to_numpy(), table["first"].to_numpy()
            values = np.concatenate([across, up, [0.0]])
            ends = [float(np.nanmin(values)) - 0.02, float(np.nanmax(values)) + 0.03]
            panel.plot(ends, ends, color=GREY, linewidth=0.8)
            panel.plot(across, up, "o", color=COLOURS[0], markersize=3.2, markeredgewidth=0)
            gains = up - across
            gained = int((gains >= 0).sum())
            panel.text(
                0.03,
                0.95,
                f"{gained} gain, {len(gains) - gained} lose",
                transform=panel.transAxes,
                va="top",
                fontsize=6.5,
            )
            name_panel(panel, "ab"[number % 2], name)
            panel.set_xlabel(f"Spearman's rho, {names[0]}")
            panel.set_aspect("equal")
            panel.grid(visible=True, axis="x")
        panels[0].set_ylabel(f"Spearman's rho, {names[1]}")
    return figure


def draw_learning(curves: Mapping[str, Mapping[int, Mean]], without: Mean, *, simulated: bool) -> Figure:
    """Draw scores against the number of measured probes, and what is reached without any."""
    with house_style():
        figure = blank_figure(COLUMN, 2.5, simulated)
        panel = figure.subplots()
        panel.axhline(without.value, color=GREY, linewidth=0.9, linestyle=(0, (2.6, 1.3)))
        shift = 1.0
        for number, (name, curve) in enumerate(curves.items()):
            probes = np.array(list(curve), dtype=np.float64) * shift
            values = [mean.value for mean in curve.values()]
            colour, marker = COLOURS[number], MARKERS[number]
            panel.plot(probes, values, color=colour, marker=marker, markeredgewidth=0, label=name)
            for at, mean in zip(probes, curve.values(), strict=True):
                _draw_mean(panel, float(at), mean.value, mean, colour, "", across=False)
            shift *= 1.06
        ticks = sorted({n for curve in curves.values() for n in curve})
        panel.set_xscale("log", base=2)
        panel.set_xticks(ticks, [f"{n:,}" for n in ticks])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel("measured probes of the new protein")
        panel.set_ylabel("Spearman's rho")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def draw_families(families: Mapping[str, Means], methods: Sequence[str], *, simulated: bool) -> Figure:
    """Draw each family's means: families across, methods side by side."""
    with house_style():
        figure = blank_figure(PAGE, 2.4, simulated)
        panel = figure.subplots()
        width = 0.7 / len(methods)
        for number, method in enumerate(methods):
            for at, means in enumerate(families.values()):
                mean = means[method]["spearman"]
                place = at + (number - (len(methods) - 1) / 2) * width
                _draw_mean(panel, place, mean.value, mean, COLOURS[number], MARKERS[number], across=False)
            panel.plot([], [], MARKERS[number], color=COLOURS[number], markeredgewidth=0, label=method)
        panel.axhline(0, color=GREY, linewidth=0.6)
        panel.set_xticks(range(len(families)), list(families))
        panel.set_ylabel("Spearman's rho, mean over proteins")
        figure.legend(loc="outside lower center", ncols=len(methods))
    return figure


def _draw_mean(
    panel: Axes, x: float, y: float, mean: Mean, colour: str, marker: str, *, across: bool
) -> None:
    """Draw a mean and its interval; without one where there are too few clusters."""
    ends = [mean.low, mean.high]
    line: dict[str, Any] = {"color": colour, "linewidth": 0.9}
    if np.isfinite(ends).all():
        panel.plot(*((ends, [y, y]) if across else ([x, x], ends)), **line)
    if marker:
        panel.plot([x], [y], marker, color=colour, markersize=3.4, markeredgewidth=0)
