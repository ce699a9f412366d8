"""Curves of recipes trained at several seeds: the mean, and a band of what the seeds did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ribocyte.learn.plots._drawing import (
    COLUMN,
    GREY,
    Look,
    add_legend,
    blank_figure,
    draw_curve,
    finite,
    house_style,
    label_epochs,
    legend_height,
    legend_line,
    look_of,
    name_panel,
    scale_loss,
)
from ribocyte.learn.plots._names import SPLITS, check_columns, name_column, name_metric, split_of

CROWD = 6
"""So many curves with their bands are told apart in one panel; more are drawn in a panel for each recipe."""
FEW = 5
"""So many seeds have quantiles worth drawing; fewer are shown from the lowest to the highest."""
FAINT = "#c9c9c9"

Groups = Mapping[str, Sequence[pl.DataFrame]]


def plot_bands(
    groups: Groups,
    columns: Sequence[str] = ("train_loss", "val_loss"),
    *,
    losses: Mapping[str, str] | None = None,
    simulated: bool = False,
    width: float = COLUMN,
) -> Figure:
    """Draw recipes trained at several seeds: the mean over the seeds in a band, training dashed.

    The band reaches from the lowest seed to the highest; of five seeds or more, from the 10th percentile to
    the 90th. A single seed has no band. Where seeds stopped at different epochs, an epoch's mean and band are
    those of the seeds that reached it.

    Columns of one metric share a panel (the test split has its own). More curves than a panel can show are
    drawn in a panel for each recipe instead, on the same axes, with the other recipes in grey behind it.

    Different losses, such as ``mse`` and ``huber``, have no axis in common: where `losses` tells of several, only
    recipes of the same loss share a panel, an axis or a grey background.

    Parameters
    ----------
    groups : mapping of str to sequence of DataFrame
        Name of each recipe, and the histories of its seeds as for `plot_history`.
    columns : sequence of str
        What is drawn.
    losses : mapping of str to str, optional
        Name of each recipe to what its loss is called, which the axes then say. Without it all are taken to be
        the same.
    simulated : bool
        Print SIMULATED in the figure.
    width : float
        In inches: `COLUMN` or `PAGE`.

    Raises
    ------
    DataError
        If there is no history, or a column is in none of them.
    """
    everything = {f"{name} {seed}": run for name, runs in groups.items() for seed, run in enumerate(runs)}
    check_columns(everything, columns)
    looks = {name: look_of(index, len(groups)) for index, name in enumerate(groups)}
    plans = _lay_out(list(groups), columns, losses or {}, wide=width > COLUMN + 1)
    entries = _legend_of(plans, looks)
    down, across = 1 + max(plan.row for plan in plans), 1 + max(plan.column for plan in plans)
    with house_style():
        legend = legend_height([name for name, _ in entries], width) if entries else 0.0
        figure = blank_figure(width, 0.1 + (2.1 if len(plans) == 1 else 1.55) * down + legend, simulated)
        grid = figure.add_gridspec(down, across)
        first_of: dict[str, Axes] = {}
        for number, plan in enumerate(plans):
            across_of, up_of = first_of.get(plan.quantity), first_of.get(plan.scale)
            panel = figure.add_subplot(grid[plan.row, plan.column], sharex=across_of, sharey=up_of)
            first_of.setdefault(plan.quantity, panel)
            first_of.setdefault(plan.scale, panel)
            _draw_panel(panel, plan, groups, looks)
            name_panel(panel, chr(ord("a") + number) if len(plans) > 1 else "", plan.alone or plan.title)
        for panel, plan in zip(figure.axes, plans, strict=True):
            label_epochs(panel)
            if plan.alone:
                _label_outside(panel, plan)
        if entries:
            add_legend(figure, entries, width)
    return figure


@dataclass(frozen=True)
class _Panel:
    """What one panel shows, columns of one metric of some recipes or of one alone, and where it is."""

    quantity: str
    columns: tuple[str, ...]
    recipes: tuple[str, ...]  # on the same axes: those of the same loss; all of them for other metrics
    loss: str  # what it is called, where that is known
    alone: str
    row: int
    column: int
    left: bool  # nothing of the same scale is beside it
    foot: bool  # nothing of the same metric is below it

    @property
    def scale(self) -> str:
        """What panels must have in common to share their vertical axis."""
        return f"{self.quantity} {self.loss}" if self.loss else self.quantity

    @property
    def title(self) -> str:
        named = name_column(self.columns[0]) if len(self.columns) == 1 else name_metric(self.quantity)
        return f"{named} ({self.loss})" if self.loss else named


def _lay_out(
    names: Sequence[str], columns: Sequence[str], losses: Mapping[str, str], wide: bool
) -> list[_Panel]:
    """Give each metric and each loss a panel, or a block of panels, one a recipe, where that is too much."""
    gathered: dict[tuple[str, bool], list[str]] = {}
    for column in columns:
        split, quantity = split_of(column)
        gathered.setdefault((quantity, split == "test"), []).append(column)
    if len(names) * max(map(len, gathered.values())) <= CROWD:
        across = 3 if wide else 1
        shared = [
            (quantity, tuple(together), recipes, loss)
            for (quantity, _), together in gathered.items()
            for loss, recipes in _share_axes(names, losses if quantity == "loss" else {}).items()
        ]
        return [
            _Panel(*shown, "", number // across, number % across, True, True)
            for number, shown in enumerate(shared)
        ]
    across = (4 if len(names) in (4, 7, 8) else 3) if wide else 2  # no lonely last panel
    rows = math.ceil(len(names) / across)
    plans = []
    for block, ((quantity, _), together) in enumerate(gathered.items()):
        told = losses if quantity == "loss" else {}
        for number, name in enumerate(names):
            loss, place = told.get(name, ""), number % across
            left = place == 0 or told.get(names[number - 1], "") != loss
            row, foot = block * rows + number // across, number + across >= len(names)
            recipes = _share_axes(names, told)[loss]
            plans.append(_Panel(quantity, tuple(together), recipes, loss, name, row, place, left, foot))
    return plans


def _share_axes(names: Sequence[str], losses: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Gather recipes by what their loss is called."""
    called = [losses.get(name, "") for name in names]
    return {
        loss: tuple(name for name, own in zip(names, called, strict=True) if own == loss)
        for loss in dict.fromkeys(called)
    }


def _legend_of(plans: Sequence[_Panel], looks: Mapping[str, Look]) -> list[tuple[str, Line2D]]:
    """Explain the colours, unless the panels' titles do, and the dashes, if there are any."""
    entries = [] if plans[0].alone else [(name, legend_line(look)) for name, look in looks.items()]
    splits = {split_of(column)[0] for plan in plans for column in plan.columns}
    if {"train", "val"} <= splits:
        entries += [
            (SPLITS[split], legend_line(Look(GREY, "", split == "train"))) for split in ("train", "val")
        ]
    return entries


def _draw_panel(panel: Axes, plan: _Panel, groups: Groups, looks: Mapping[str, Look]) -> None:
    for name in plan.recipes:
        if plan.alone and name != plan.alone:
            over = _over_seeds(groups[name], plan.columns[-1])
            panel.plot(over["epoch"], finite(over, "mean"), color=FAINT, linewidth=0.7, zorder=1.5)
    for name in (plan.alone,) if plan.alone else plan.recipes:
        for column in plan.columns:
            look = looks[name]
            over = _over_seeds(groups[name], column)
            dashed = split_of(column)[0] == "train"
            _draw_band(panel, over, look.colour)
            draw_curve(panel, over, "mean", Look(look.colour, look.marker, dashed, look.shift))
    if plan.quantity == "loss":
        scale_loss(panel)


def _label_outside(panel: Axes, plan: _Panel) -> None:
    """Leave the numbers of shared axes to the panels at the left and at the foot of their block."""
    panel.tick_params(labelleft=plan.left, labelbottom=plan.foot)
    if plan.left:
        panel.set_ylabel(plan.title)
    if not plan.foot:
        panel.set_xlabel("")


def _over_seeds(histories: Sequence[pl.DataFrame], column: str) -> pl.DataFrame:
    """Give ``epoch``, ``mean``, ``low`` and ``high`` of a column over the histories that have it."""
    found = [
        pl.DataFrame({"epoch": finite(history, "epoch"), "value": finite(history, column)})
        for history in histories
        if column in history.columns
    ]
    if not found:
        return pl.DataFrame(schema=dict.fromkeys(("epoch", "mean", "low", "high"), pl.Float64))
    value = pl.col("value")
    low, high = (value.min(), value.max()) if len(found) < FEW else (_quantile(0.1), _quantile(0.9))
    rows = pl.concat(found).with_columns(value.fill_nan(None)).group_by("epoch")
    return rows.agg(mean=value.mean(), low=low, high=high).sort("epoch")


def _quantile(share: float) -> pl.Expr:
    return pl.col("value").quantile(share, interpolation="linear")


def _draw_band(panel: Axes, over: pl.DataFrame, colour: str) -> None:
    epochs, low, high = (finite(over, name) for name in ("epoch", "low", "high"))
    if len(epochs) == 1:  # an area of one epoch has no width
        panel.vlines(epochs, low, high, color=colour, alpha=0.4, linewidth=2.5)
    else:
        panel.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
