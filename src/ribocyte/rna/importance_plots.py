"""What a pattern does to a prediction, drawn: where it lies, how often, how far apart, and what stands next to it."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ribocyte.learn.plots import PAGE, blank_figure, house_style, name_panel
from ribocyte.rna.alphabet import LETTERS
from ribocyte.rna.logos import COLOURS

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#767676"
_CURVES = {
    "position": ("where it begins", "nt from the 5' end"),
    "copies": ("how many copies", "copies"),
    "spacing": ("two copies apart", "nt between them"),
}


def plot_importance(table: pl.DataFrame, label: str, *, simulated: bool = False) -> Figure:
    """Draw the global importance of a pattern.

    Parameters
    ----------
    table : DataFrame
        As `ribocyte.rna.importance.importance` gives it.
    label : str
        What the effect is, with its unit.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        A page wide. Above, what changes in or beside the pattern do to it: substitutions, and the bases that flank
        it. Below, what the pattern does by its place, by further copies, and by the space between two; the pattern
        in the middle is a dashed line. Means with 95 % intervals over the contexts.
    """
    whole = table.filter(pl.col("question") == "whole")
    with house_style():
        figure = blank_figure(PAGE, 3.6, simulated)
        grid = figure.add_gridspec(2, 6)
        changes = figure.add_subplot(grid[0, :4])
        _draw_substitutions(changes, table, whole["pattern"].item())
        changes.set_ylabel("change by it (z)")
        name_panel(changes, "a", "another base in it")
        beside = figure.add_subplot(grid[0, 4:])
        _draw_neighbours(beside, table)
        name_panel(beside, "b", "the base beside it")
        panels = [figure.add_subplot(grid[1, 2 * at : 2 * at + 2]) for at in range(len(_CURVES))]
        for panel, letter, (question, (name, unit)) in zip(panels, "cde", _CURVES.items(), strict=True):
            _draw_curve(panel, table.filter(pl.col("question") == question), whole["effect"].item())
            panel.set_xlabel(unit)
            name_panel(panel, letter, name)
        for panel in panels[1:]:
            panel.sharey(panels[0])
            panel.tick_params(labelleft=False)
        lows = table.filter(pl.col("question").is_in(list(_CURVES)))["low"].to_list()
        panels[0].set_ylim(bottom=min(0.0, *lows))
        panels[0].set_ylabel(label.replace("$", r"\$"))
    return figure


def _draw_substitutions(panel: Axes, table: pl.DataFrame, pattern: str) -> None:
    """Write each base at the height of what it does in the place of the one that is there."""
    panel.axhline(0, color=GREY, linewidth=0.7, zorder=1)
    rows = table.filter(pl.col("question") == "substitution")
    for row in rows.iter_rows(named=True):
        base = row["setting"][-1]
        across = row["at"] + 0.18 * (LETTERS.index(base) - 1.5)
        panel.vlines(across, row["low"], row["high"], color=COLOURS[base], linewidth=0.8, alpha=0.5)
        panel.text(across, row["effect"], base, color=COLOURS[base], ha="center", va="center", weight="bold")
    ends = [0.0, *rows["low"].to_list(), *rows["high"].to_list()]
    room = 0.08 * (max(ends) - min(ends)) or 1.0
    panel.set_ylim(min(ends) - room, max(ends) + room)
    panel.set_xlim(0.4, len(pattern) + 0.6)
    panel.set_xticks(range(1, len(pattern) + 1), [f"{base}{at}" for at, base in enumerate(pattern, start=1)])


def _draw_curve(panel: Axes, rows: pl.DataFrame, whole: float) -> None:
    at, effect, low, high = (rows[name].to_numpy() for name in ("at", "effect", "low", "high"))
    panel.axhline(whole, color=GREY, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
    panel.fill_between(at, low, high, color=BLUE, alpha=0.2, linewidth=0)
    panel.plot(at, effect, color=BLUE, marker="o", markersize=2.4)
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_neighbours(panel: Axes, table: pl.DataFrame) -> None:
    """Draw what each base before and behind the pattern changes."""
    panel.axhline(0, color=GREY, linewidth=0.7, zorder=1)
    for side, name, marker, colour, shift in (
        ("left", "5' of it", "o", BLUE, -0.12),
        ("right", "3' of it", "s", ORANGE, 0.12),
    ):
        rows = table.filter(pl.col("question") == side)
        at, effect, low, high = (rows[column].to_numpy() for column in ("at", "effect", "low", "high"))
        panel.vlines(at + shift, low, high, color=colour, linewidth=1.0)
        panel.plot(at + shift, effect, marker, color=colour, label=name)
    panel.set_xticks(range(1, len(LETTERS) + 1), list(LETTERS))
    panel.set_xlim(0.5, len(LETTERS) + 0.5)
    panel.legend(loc="best", handlelength=1.0)
