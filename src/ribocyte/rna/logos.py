"""Sequence logos, and maps of what each substitution does, in the house style."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ribocyte.errors import DataError
from ribocyte.extras import need
from ribocyte.learn.plots import COLUMN, PAGE, blank_figure, house_style, name_panel
from ribocyte.rna.alphabet import LETTERS

COLOURS: Mapping[str, str] = {"A": "#009e73", "C": "#0072b2", "G": "#e69f00", "U": "#d55e00"}
"""Of the bases: the field's green, blue, yellow and red in the hues of Okabe and Ito (2008), told apart with any
colour vision. On grey paper the letters themselves say which is which."""
SHORT = 16
"""Positions that a figure of one column has room for."""
LOSSES_AND_GAINS = "PuOr_r"
"""Purple to orange over white: both ends are dark on grey paper, and told apart with any colour vision."""

Array = NDArray[np.float64]


def information(pwm: ArrayLike, background: ArrayLike = (0.25, 0.25, 0.25, 0.25)) -> Array:
    """Give the heights of a motif's letters in a logo of information.

    Parameters
    ----------
    pwm : array, shape (L, 4)
        Probability of A, C, G, U at each position; each row sums to 1.
    background : array, shape (4,)
        Probability of each where there is no motif.

    Returns
    -------
    numpy array, float64, shape (L, 4)
        Probability times relative entropy of the position, in bits (Schneider & Stephens 1990; with a background
        other than uniform, Stormo 1998). A position's letters add up to its information: 0 where it is as the
        background, up to 2 bits against a uniform one.

    Raises
    ------
    DataError
        If rows are no probabilities, or the background leaves out a base.
    """
    shares, chance = np.asarray(pwm, dtype=np.float64), np.asarray(background, dtype=np.float64)
    if shares.ndim != 2 or shares.shape[1] != len(LETTERS) or not _are_probabilities(shares):
        raise DataError("pwm: rows are no probabilities of A, C, G, U", expected="four numbers that sum to 1")
    if chance.shape != (len(LETTERS),) or not _are_probabilities(chance[None]) or (chance == 0).any():
        raise DataError(
            f"background = {chance.tolist()}", expected="four numbers above 0 that sum to 1, of A, C, G, U"
        )
    ratio = np.where(shares > 0, shares / chance, 1)
    bits: Array = shares * (shares * np.log2(ratio)).sum(axis=1, keepdims=True)
    return bits


def plot_logos(
    logos: Mapping[str, NDArray[Any]],
    label: str,
    *,
    starts: Mapping[str, int] | None = None,
    simulated: bool = False,
) -> Figure:
    """Draw logos below one another, all on one scale.

    Parameters
    ----------
    logos : mapping of str to array, shape (L, 4)
        Name and heights of A, C, G, U at each position, from top to bottom. Heights may be negative: such letters
        hang upside down from the axis. The lengths may differ.
    label : str
        What the heights are, with their unit.
    starts : mapping of str to int, optional
        The number of each logo's first position; 1 where not given.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One column wide where the longest logo has room in it, else a page.

    Raises
    ------
    DataError
        If there is no logo, or one has no four columns, no position, or a height that is no number.
    RequestError
        If logomaker is not installed.
    """
    _check(logos, "logos", 0)
    longest = max(len(heights) for heights in logos.values())
    with house_style():
        figure, panels = _stack(longest, len(logos), 0.85, simulated)
        for panel, (name, heights) in zip(panels, logos.items(), strict=True):
            start = (starts or {}).get(name, 1)
            _draw_logo(panel, np.asarray(heights, dtype=np.float64), start)
            panel.set_xlim(start - 0.6, start - 0.4 + longest)
            name_panel(panel, "", name)
        _share_scale(panels, list(logos.values()))
        panels[-1].set_xlabel("position (nt)")
        figure.supylabel(_plain(label), fontsize=7.0)
    return figure


def plot_substitutions(
    effects: Mapping[str, NDArray[Any]],
    sequences: Mapping[str, str],
    label: str,
    *,
    starts: Mapping[str, int] | None = None,
    simulated: bool = False,
) -> Figure:
    """Draw what each substitution does as maps below one another, on one scale of colours.

    Parameters
    ----------
    effects : mapping of str to array, shape (4, L)
        Name, and the change by A, C, G, U at each position.
    sequences : mapping of str to str
        The letters that are there, L of each; they are marked with a dot.
    label : str
        What changes, with its unit.
    starts : mapping of str to int, optional
        The number of each one's first position; 1 where not given.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        A page wide, or one column where the longest sequence has room in it.

    Raises
    ------
    DataError
        If there is nothing to draw, or a map has no four rows, no position, or a value that is no number.
    """
    _check(effects, "effects", 1)
    largest = max(float(np.abs(array).max()) for array in effects.values()) or 1.0
    longest = max(array.shape[1] for array in effects.values())
    with house_style():
        figure, panels = _stack(longest, len(effects), 0.85, simulated)
        for panel, (name, array) in zip(panels, effects.items(), strict=True):
            start = (starts or {}).get(name, 1)
            mesh = _draw_map(panel, np.asarray(array, dtype=np.float64), start, largest)
            _mark_letters(panel, sequences[name], start)
            panel.set_xlim(start - 0.5, start - 0.5 + longest)
            name_panel(panel, "", name)
        panels[-1].set_xlabel("position (nt)")
        _add_colours(figure, panels, mesh, label)
    return figure


def _check(arrays: Mapping[str, NDArray[Any]], what: str, positions: int) -> None:
    """Refuse what cannot be drawn; `positions` is the axis along which they lie, the other has the bases."""
    if not arrays:
        raise DataError(f"{what}: none given", expected="at least one")
    for name, array in arrays.items():
        shape = "(L, 4)" if positions == 0 else "(4, L)"
        if array.ndim != 2 or array.shape[1 - positions] != len(LETTERS) or array.shape[positions] == 0:
            raise DataError(f"{name}: an array of shape {array.shape}", expected=f"the shape {shape}")
        if not np.isfinite(array).all():
            raise DataError(f"{name}: holds what is no number", expected="finite numbers")


def _are_probabilities(rows: Array) -> bool:
    return bool((rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=1e-3))


def _stack(longest: int, count: int, height: float, simulated: bool) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels below one another, as wide as the longest of them needs."""
    figure = blank_figure(COLUMN if longest <= SHORT else PAGE, 0.3 + height * count, simulated)
    return figure, list(figure.subplots(count, 1, squeeze=False)[:, 0])


def _draw_logo(panel: Axes, heights: Array, start: int) -> None:
    logomaker = need("logomaker", "bio", "drawing a logo")
    pandas = need("pandas", "bio", "drawing a logo")
    table = pandas.DataFrame(heights, columns=list(LETTERS), index=np.arange(start, start + len(heights)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attempting to set identical low and high ylims", UserWarning)
        logomaker.Logo(
            table,
            color_scheme=dict(COLOURS),
            font_name="DejaVu Sans",
            font_weight="bold",
            vpad=0.02,
            ax=panel,
        )
    panel.grid(visible=False)
    panel.spines[["top", "right", "bottom"]].set_visible(False)
    panel.tick_params(axis="x", length=0)
    panel.xaxis.set_major_locator(_locator())
    panel.yaxis.set_major_locator(MaxNLocator(3))


def _draw_map(panel: Axes, array: Array, start: int, largest: float) -> QuadMesh:
    """Draw changes as cells, from A at the top to U."""
    mesh = panel.pcolormesh(
        np.arange(start, start + array.shape[1]),
        np.arange(len(LETTERS)),
        array,
        cmap=LOSSES_AND_GAINS,
        vmin=-largest,
        vmax=largest,
        shading="nearest",
        edgecolor="white",
        linewidth=0.2,
    )
    panel.set_yticks(range(len(LETTERS)), list(LETTERS))
    panel.set(ylim=(len(LETTERS) - 0.5, -0.5))
    panel.grid(visible=False)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.xaxis.set_major_locator(_locator())
    return mesh


def _add_colours(figure: Figure, panels: list[Axes], mesh: QuadMesh, label: str) -> None:
    """Put the scale of colours below all panels, drawn as shapes."""
    bar = figure.colorbar(mesh, ax=panels, location="bottom", shrink=0.4, aspect=30, pad=0.02)
    assert bar.solids is not None
    bar.solids.set(rasterized=False, edgecolor="face", linewidth=0.2)
    bar.outline.set_visible(False)
    bar.set_label(_plain(label))
    bar.ax.tick_params(length=0)
    bar.ax.grid(visible=False)


def _mark_letters(panel: Axes, sequence: str, start: int) -> None:
    known = [(start + at, LETTERS.index(base)) for at, base in enumerate(sequence) if base in LETTERS]
    if known:
        across, down = zip(*known, strict=True)
        panel.scatter(across, down, s=3, color="#222222", linewidths=0)


def _share_scale(panels: list[Axes], logos: list[NDArray[Any]]) -> None:
    """Give every panel the room that the tallest letters need, up and down."""
    up = max(float(np.clip(array, 0, None).sum(axis=1).max()) for array in logos)
    down = min(float(np.clip(array, None, 0).sum(axis=1).min()) for array in logos)
    room = 0.04 * (up - down) or 1.0
    for panel in panels:
        panel.set_ylim(down - (room if down else 0), up + room)


def _plain(text: str) -> str:
    """Keep matplotlib from reading a user's text as mathematics."""
    return text.replace("$", r"\$")


def _locator() -> MaxNLocator:
    return MaxNLocator(12, integer=True, min_n_ticks=1)
