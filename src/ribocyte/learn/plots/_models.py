"""Models against one another: what a change gained, at what cost, and where a model looks."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from ribocyte.errors import DataError
from ribocyte.learn.plots._drawing import (
    COLOURS,
    COLUMN,
    GREY,
    INK,
    add_legend,
    blank_figure,
    house_style,
    legend_height,
    legend_line,
    look_of,
    plain,
)
from ribocyte.learn.plots._names import SMALLER_IS_BETTER, name_metric

if TYPE_CHECKING:
    from ribocyte.learn.evaluation import Difference, Score

Curve = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def plot_effects(effects: Mapping[str, Difference], label: str, *, simulated: bool = False) -> Figure:
    """Draw gains with their 95 % intervals around a line of no difference.

    A filled marker is an interval that leaves zero out. The numbers stand at the right.

    Parameters
    ----------
    effects : mapping of str to Difference
        From top to bottom. What is undefined says so.
    label : str
        What was gained, with its unit: the horizontal axis.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One column wide.

    Raises
    ------
    DataError
        If there is no effect.
    """
    if not effects:
        raise DataError("effects: none given", expected="at least one")
    with house_style():
        names = [textwrap.fill(plain(name), 24, break_on_hyphens=False) for name in effects]
        tall = 0.1 * max(name.count("\n") for name in names)
        figure = blank_figure(COLUMN, 0.5 + (0.2 + tall) * len(effects), simulated)
        panel = figure.subplots()
        panel.grid(visible=False)
        panel.axvline(0, color=GREY, linewidth=0.7, zorder=1)
        for row, effect in enumerate(effects.values()):
            _draw_effect(panel, row, effect)
        rows, limits = range(len(effects)), (len(effects) - 0.4, -0.6)
        panel.set(xlabel=plain(label), ylim=limits)
        panel.set_yticks(rows, names)
        _mark_around_zero(panel)
        numbers = panel.twinx()
        numbers.grid(visible=False)
        numbers.set_ylim(limits)
        numbers.set_yticks(rows, [_say(effect) for effect in effects.values()])
        for axes in (panel, numbers):
            axes.spines[["left", "right"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
    return figure


def plot_costs(
    scores: Mapping[str, Score],
    seconds: Mapping[str, float],
    parameters: Mapping[str, int],
    metric: str = "accuracy",
    *,
    simulated: bool = False,
) -> Figure:
    """Draw what each model reaches against what it costs to train; its size stands in the legend.

    Where one model misses five times as much as another, the axis follows the logarithm of what is missing to
    a perfect score, so that 0.93 and 0.95 are told apart beside a model that learnt nothing.

    Parameters
    ----------
    scores : mapping of str to Score
        Name of each model, in the order of the legend, and its score with its interval.
    seconds : mapping of str to float
        Time each takes for an epoch.
    parameters : mapping of str to int
        How many each has.
    metric : str
        Which the scores are.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One column wide.

    Raises
    ------
    DataError
        If there is no model, or one without its cost.
    """
    if not scores:
        raise DataError("scores: none given", expected="at least one model")
    for name in scores:
        if name not in seconds or name not in parameters:
            raise DataError(f"{name}: no cost given", expected="its seconds per epoch and its parameters")
    looks = {name: look_of(index, len(scores)) for index, name in enumerate(scores)}
    entries = [
        (f"{name} ({_thousands(parameters[name])})", legend_line(look)) for name, look in looks.items()
    ]
    for _, line in entries:
        line.set_linestyle("none")
    with house_style():
        figure = blank_figure(COLUMN, 2.2 + legend_height([name for name, _ in entries], COLUMN), simulated)
        panel = figure.subplots()
        for name, score in scores.items():
            look, second = looks[name], seconds[name]
            panel.vlines(second, score.low, score.high, color=look.colour, linewidth=1.4)
            panel.plot(second, score.value, look.marker, color=look.colour, markersize=4.6, markeredgewidth=0)
        panel.set(xlabel="time per epoch (s)", ylabel=name_metric(metric))
        _scale_seconds(panel, [seconds[name] for name in scores])
        panel.margins(y=0.12)
        _scale_misses(panel, metric, list(scores.values()))
        add_legend(figure, entries, COLUMN)
    return figure


def plot_profile(
    offsets: NDArray[Any],
    curves: Mapping[str, Curve],
    label: str,
    *,
    motif: int = 0,
    simulated: bool = False,
) -> Figure:
    """Draw a quantity around occurrences of a motif, with bands, and a grey box over the motif.

    Parameters
    ----------
    offsets : array, shape (M,)
        Position relative to the motif's first base, which is 0.
    curves : mapping of str to (mean, low, high), each shape (M,)
        NaN leaves a gap.
    label : str
        The quantity, with its unit.
    motif : int
        Length of the motif: the box covers the positions 0 to ``motif - 1``.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One column wide.

    Raises
    ------
    DataError
        If there is no curve, or one is not as long as the offsets.
    """
    if not curves:
        raise DataError("curves: none given", expected="at least one")
    for name, curve in curves.items():
        if any(len(values) != len(offsets) for values in curve):
            raise DataError(f"{name}: a curve of {len(curve[0])} values", expected=f"{len(offsets)}")
    looks = {name: look_of(index, len(curves)) for index, name in enumerate(curves)}
    with house_style():
        figure = blank_figure(COLUMN, 2.1 + legend_height(list(curves), COLUMN), simulated)
        panel = figure.subplots()
        if motif:
            panel.axvspan(-0.5, motif - 0.5, color="#ececec", linewidth=0, zorder=0.5)
        for name, (mean, low, high) in curves.items():
            look = looks[name]
            panel.fill_between(offsets, low, high, color=look.colour, alpha=0.2, linewidth=0)
            marks = (int(look.shift * 5), 5) if len(offsets) > 12 else 1
            panel.plot(
                offsets, mean, color=look.colour, marker=look.marker, markevery=marks, markeredgewidth=0
            )
        panel.set(xlabel="position relative to the motif's start (nt)", ylabel=plain(label))
        panel.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        add_legend(figure, [(name, legend_line(look)) for name, look in looks.items()], COLUMN)
    return figure


def _draw_effect(panel: Axes, row: int, effect: Difference) -> None:
    if math.isnan(effect.gain):
        return
    clear = effect.verdict != "no difference"
    colour = COLOURS[0] if clear else INK
    panel.hlines(row, effect.low, effect.high, color=colour, linewidth=1.2)
    panel.plot(
        effect.gain, row, "o", color=colour, markerfacecolor=colour if clear else "white", markersize=4.6
    )


def _mark_around_zero(panel: Axes) -> None:
    """Mark zero and one round gain to each side: in a narrow panel more numbers would run together."""
    low, high = panel.get_xlim()
    reach = max(abs(low), abs(high))
    power = 10.0 ** math.floor(math.log10(reach))
    gain = max(step * power for step in (1, 2, 5) if step * power <= reach)
    shown = [tick for tick in (-gain, 0.0, gain) if low <= tick <= high]
    panel.set_xticks(shown, [f"{tick:.6g}".replace("-", "−") for tick in shown])
    panel.set_xlim(low, high)


def _say(effect: Difference) -> str:
    if math.isnan(effect.gain):
        return "undefined"
    numbers = (f"{value:+.3f}".replace("-", "−") for value in (effect.gain, effect.low, effect.high))
    return "{} [{}, {}]".format(*numbers)


def _thousands(count: int) -> str:
    """Write how many parameters: 824, 25 k, 1.3 M."""
    if count < 1000:
        return f"{count} parameters"
    return f"{count / 1e3:.3g} k parameters" if count < 999_500 else f"{count / 1e6:.3g} M parameters"


def _scale_seconds(panel: Axes, seconds: list[float]) -> None:
    """Use a logarithmic axis with room on both sides and labels people read, also within one decade."""
    known = [value for value in seconds if value > 0 and math.isfinite(value)]
    if not known:
        return
    panel.set_xscale("log")
    room = max(1.25, (max(known) / min(known)) ** 0.08)
    panel.set_xlim(min(known) / room, max(known) * room)
    decades = np.log10(max(known) / min(known))
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2 else (1,)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _scale_misses(panel: Axes, metric: str, scores: list[Score]) -> None:
    """Follow the logarithm of 1 − score where the scores differ that much; errors have no perfect score of 1."""
    known = [
        value for score in scores for value in (score.value, score.low, score.high) if math.isfinite(value)
    ]
    reached = [score.value for score in scores if math.isfinite(score.value)]
    if metric in SMALLER_IS_BETTER or not reached or 1 - min(reached) < 5 * (1 - max(reached)):
        return
    least = 1e-4  # a perfect score is drawn at 0.9999
    panel.set_yscale(
        "function",
        functions=(
            lambda values: -np.log10(np.maximum(1 - np.asarray(values), least)),
            lambda values: 1 - 10.0 ** -np.asarray(values),
        ),
    )
    missing = 1 - max(known), 1 - min(known)
    panel.set_ylim(1 - 1.2 * missing[1], 1 - max(missing[0] / 1.2, least))
    ticks = [-1, 0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]
    low, high = panel.get_ylim()
    panel.set_yticks([tick for tick in ticks if low <= tick <= high])
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
