"""Curves against the epoch: one run, several runs, and several runs at several seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from ribocyte.learn.plots._drawing import (
    COLOURS,
    COLUMN,
    GREY,
    PAGE,
    Look,
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
    scale_loss,
)
from ribocyte.learn.plots._names import SMALLER_IS_BETTER, check_columns, name_column, name_metric, split_of


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
            name_panel(panels[1], "", name_metric(metric))
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
    check_columns(histories, columns)
    across = min(len(columns), 3)
    down = math.ceil(len(columns) / across)
    looks = {name: look_of(index, len(histories)) for index, name in enumerate(histories)}
    width = COLUMN if across == 1 else PAGE
    with house_style():
        figure = blank_figure(width, 0.1 + 2.1 * down + legend_height(list(histories), width), simulated)
        first_of: dict[str, Axes] = {}
        panels: list[tuple[str, Axes]] = []
        for number, column in enumerate(columns):
            quantity = split_of(column)[1]
            panel = figure.add_subplot(down, across, number + 1, sharey=first_of.get(quantity))
            first_of.setdefault(quantity, panel)
            panels.append((quantity, panel))
            for name, history in histories.items():
                if column in history.columns:
                    draw_curve(panel, history, column, looks[name])
            if quantity == "loss":
                scale_loss(panel)
            name_panel(panel, chr(ord("a") + number) if len(columns) > 1 else "", name_column(column))
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
    check_columns(histories, ("train_loss", "val_loss"))
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


FAINTEST = 1e-8
"""Gradients are drawn down to here: a network's own arithmetic, float32, does not feel less beside its weights."""


def plot_health(histories: Mapping[str, pl.DataFrame], *, simulated: bool = False) -> Figure:
    """Draw whether the loss still moves each classifier, and whether it has collapsed to one answer.

    Three panels against the epoch, all on the validation split: the length of a cell's gradient at the logits
    (logarithmic; over all cells solid, over the misclassified ones dashed), the largest probability, and the
    share of the commonest answer (1 is a constant classifier).

    Parameters
    ----------
    histories : mapping of str to DataFrame
        Name of each run and its history with the columns of `ribocyte.learn.objectives.Classification.watch`.
        A run that did not record one is absent from its panel.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        A page wide.

    Raises
    ------
    DataError
        If there is no run, or none has recorded one of the columns.
    """
    panels_show = (("logit_gradient", "wrong_gradient"), ("saturation",), ("commonest",))
    check_columns(histories, [column for shown in panels_show for column in shown])
    looks = {name: look_of(index, len(histories)) for index, name in enumerate(histories)}
    entries = [(name, legend_line(look)) for name, look in looks.items()]
    entries += [
        ("all cells", legend_line(Look(GREY, ""))),
        ("misclassified", legend_line(Look(GREY, "", True))),
    ]
    with house_style():
        figure = blank_figure(PAGE, 2.0 + legend_height([name for name, _ in entries], PAGE), simulated)
        panels = figure.subplots(1, 3)
        for panel, shown, letter in zip(panels, panels_show, "abc", strict=True):
            for name, history in histories.items():
                for column in shown:
                    if column in history.columns:
                        look = replace(looks[name], dashed=column == "wrong_gradient")
                        draw_curve(panel, history, column, look)
            name_panel(panel, letter, name_metric(shown[0]))
            label_epochs(panel)
        _scale_decades(panels[0])
        for panel in panels[1:]:
            panel.set_ylim(0, 1.04)
        add_legend(figure, entries, PAGE)
    return figure


def _scale_decades(panel: Axes) -> None:
    """Use a logarithmic axis of whole decades; what is below `FAINTEST`, zero too, is drawn at its foot."""
    for line in panel.lines:
        line.set_ydata(np.maximum(np.asarray(line.get_ydata(), dtype=np.float64), FAINTEST))  # NaN stays
    panel.relim()
    values = np.concatenate([np.asarray(line.get_ydata()) for line in panel.lines])
    values = values[np.isfinite(values)]
    if not values.size:
        return
    panel.set_yscale("log")
    panel.yaxis.set_minor_formatter(NullFormatter())
    low, high = np.floor(np.log10(values.min())), np.ceil(np.log10(1.05 * values.max()))
    panel.set_ylim(10.0 ** (low - 0.15), 10.0 ** max(high, low + 1))
    panel.yaxis.set_major_locator(LogLocator(numticks=8))
    if values.min() <= FAINTEST:
        panel.text(
            0.02, 0.04, "at the foot: less, or zero", transform=panel.transAxes, color=GREY, fontsize=6.5
        )
