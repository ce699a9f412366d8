"""Searches for hyper-parameters: every trial, and which parameters mattered."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ribocyte.errors import DataError
from ribocyte.learn.plots._drawing import (
    COLOURS,
    COLUMN,
    GREY,
    INK,
    PAGE,
    WARNING,
    add_legend,
    blank_figure,
    finite,
    house_style,
    name_panel,
    plain,
)
from ribocyte.learn.plots._names import SMALLER_IS_BETTER, name_metric

_LETTER = 0.062
"""Inches that a letter of a title takes, on average."""
_STATES: dict[str, dict[str, Any]] = {
    "complete": {"marker": "o", "markerfacecolor": COLOURS[0], "markeredgecolor": "white"},
    "pruned": {"marker": "o", "markerfacecolor": "white", "markeredgecolor": GREY},
    "diverged": {"marker": "x", "markeredgecolor": WARNING, "markeredgewidth": 1.0},
}


def plot_trials(trials: Mapping[str, pl.DataFrame], metric: str, *, simulated: bool = False) -> Figure:
    """Draw the history of a search: every trial a dot, the best so far as a step line.

    Only complete trials can be the best. A trial without a value, as a diverged one is, is marked at the foot.

    Parameters
    ----------
    trials : mapping of str to DataFrame
        Name of each network and its trials: ``slot`` (the horizontal axis), ``state`` (``complete``,
        ``pruned`` or ``diverged``) and ``value``, the metric on the validation split.
    metric : str
        Such as ``spearman``; of ``loss`` and ``mse`` the smallest is the best.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        A panel for each network on one vertical axis; one column wide for one network, else a page.

    Raises
    ------
    DataError
        If there is no search, or a column is missing.
    """
    if not trials:
        raise DataError("trials: none given", expected="the trials of at least one network")
    _check_trials(trials)
    with house_style():
        down, across, width = _grid(len(trials), 4)
        figure = blank_figure(width, 0.4 + 1.9 * down, simulated)
        panels = figure.subplots(down, across, sharey=True, squeeze=False)
        for number, (name, table) in enumerate(trials.items()):
            panel = panels.flat[number]
            _draw_trials(panel, table, metric in SMALLER_IS_BETTER)
            letter = chr(ord("a") + number) if len(trials) > 1 else ""
            best = _best_of(table, metric in SMALLER_IS_BETTER)
            _name_search(panel, letter, name, best, width / across)
            panel.set_xlabel("trial")
            if number % across == 0:
                panel.set_ylabel(f"validation {name_metric(metric)}")
        for panel in panels.flat[len(trials) :]:
            panel.set_visible(False)
        seen = {state for table in trials.values() for state in table["state"]}
        entries = [(state, _dot(state)) for state in _STATES if state in seen]
        if "complete" in seen:
            entries.append(("best so far", Line2D([], [], color=INK, linewidth=1.0)))
        add_legend(figure, entries, width)
    return figure


def plot_importance(importance: Mapping[str, Mapping[str, float]], *, simulated: bool = False) -> Figure:
    """Draw how much each hyper-parameter mattered, the most important on top.

    Parameters
    ----------
    importance : mapping of str to mapping of str to float
        Name of each network, to the key of each parameter, to its share of the importance. A network without
        any, because it had too few trials, says so in its panel.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        A panel for each network; one column wide for one network, else a page.

    Raises
    ------
    DataError
        If there is no network.
    """
    if not importance:
        raise DataError("importance: none given", expected="that of at least one network")
    with house_style():
        down, across, width = _grid(len(importance))
        most = max(len(shares) for shares in importance.values())
        figure = blank_figure(width, (0.5 + 0.17 * max(most, 2)) * down, simulated)
        panels = figure.subplots(down, across, sharex=True, squeeze=False)
        largest = max((value for shares in importance.values() for value in shares.values()), default=1.0)
        for number, (name, shares) in enumerate(importance.items()):
            panel = panels.flat[number]
            _draw_bars(panel, shares, most)
            name_panel(panel, chr(ord("a") + number) if len(importance) > 1 else "", name)
            panel.set(xlabel="importance", xlim=(0, 1.22 * (largest or 1.0)))
            panel.xaxis.set_major_locator(MaxNLocator(4))
        for panel in panels.flat[len(importance) :]:
            panel.set_visible(False)
    return figure


def _check_trials(trials: Mapping[str, pl.DataFrame]) -> None:
    for table in trials.values():
        for needed in ("slot", "state", "value"):
            if needed not in table.columns:
                raise DataError(
                    f"trials: no column {needed!r}", expected=f"one of {', '.join(table.columns)}"
                )


def _grid(panels: int, most: int = 3) -> tuple[int, int, float]:
    """Give rows, panels in a row (`most`, and no lonely last one) and the width of the figure."""
    across = most - 1 if panels == most + 1 else min(panels, most)
    return math.ceil(panels / across), across, COLUMN if panels == 1 else PAGE


def _name_search(panel: Axes, letter: str, name: str, best: float, room: float) -> None:
    """Put a network's name over its panel, in as many lines as it takes, and below it what it reached."""
    lines = textwrap.wrap(name, max(12, int((room - 0.5) / _LETTER))) or [""]
    name_panel(panel, letter, "\n".join([*lines, "" if math.isnan(best) else f"best: {best:.3f}"]))


def _best_of(table: pl.DataFrame, smaller: bool) -> float:
    """Give the best value of a complete trial; NaN where there is none."""
    values = finite(table.filter(pl.col("state") == "complete"), "value")
    if np.isnan(values).all():
        return math.nan
    return float(np.nanmin(values) if smaller else np.nanmax(values))


def _draw_trials(panel: Axes, table: pl.DataFrame, smaller: bool) -> None:
    table = table.sort("slot")
    slots, values, states = finite(table, "slot"), finite(table, "value"), table["state"].to_numpy()
    whole = (states == "complete") & np.isfinite(values)
    if whole.any():
        best = (np.minimum if smaller else np.maximum).accumulate(values[whole])
        end = np.append(slots[whole], slots[-1])
        panel.step(end, np.append(best, best[-1]), where="post", color=INK, linewidth=1.0, zorder=2.5)
    for state in _STATES:
        here = states == state
        valued = here & np.isfinite(values)
        panel.plot(slots[valued], values[valued], **_style(state), zorder=3 if state == "complete" else 2)
        lost = here & ~np.isfinite(values)
        foot = np.full(int(lost.sum()), 0.035)
        panel.plot(slots[lost], foot, transform=panel.get_xaxis_transform(), **_style(state))
    panel.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    panel.margins(y=0.1)


def _style(state: str) -> dict[str, Any]:
    return {"linestyle": "none", "markersize": 3.6, "markeredgewidth": 0.7} | _STATES[state]


def _dot(state: str) -> Line2D:
    return Line2D([], [], **_style(state))


def _draw_bars(panel: Axes, shares: Mapping[str, float], rows: int) -> None:
    """Draw bars in as many rows as the largest panel has, so that all bars are as thick."""
    panel.grid(visible=False)
    panel.spines["left"].set_visible(False)
    ordered = sorted(shares.items(), key=lambda pair: -pair[1])
    values = [value for _, value in ordered]
    panel.barh(range(len(ordered)), values, height=0.62, color=COLOURS[0])
    for row, value in enumerate(values):
        panel.annotate(f"{value:.2f}", (value, row), (2, 0), textcoords="offset points", va="center")
    panel.set_yticks(range(len(ordered)), _short_names([name for name, _ in ordered]))
    panel.set_ylim(max(rows, 1) - 0.45, -0.55)
    panel.tick_params(axis="y", length=0)
    if not ordered:
        panel.text(0.5, 0.5, "too few trials to tell", transform=panel.transAxes, ha="center", color=GREY)


def _short_names(keys: list[str]) -> list[str]:
    """Leave out the table of a key (``training.learning_rate``) where that leaves names distinct."""
    short = [key.rpartition(".")[2] for key in keys]
    chosen = short if len(set(short)) == len(short) else keys
    return [plain(name.replace("_", " ")) for name in chosen]
