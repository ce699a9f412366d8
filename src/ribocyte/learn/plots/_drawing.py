"""What the figures share: page widths, type and colours, curves and legends, and how a figure is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from ribocyte.errors import DataError, RequestError
from ribocyte.files import atomic_write
from ribocyte.learn.plots._names import SMALLER_IS_BETTER

COLUMN = 3.3
"""Width of a figure in one column of a two-column article, inches (84 mm)."""
PAGE = 6.9
"""Width of a figure across both columns, inches (175 mm)."""

INK, GREY, WARNING = "#222222", "#767676", "#b33c00"
# Okabe and Ito (2008), told apart with any colour vision; their yellow, unreadable on white, is a grey here.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c8c8c")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES = (2.6, 1.3)

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a figure is the same on every machine
    "font.size": 7.0,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.labelsize": 7.0,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 5.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.2,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.columnspacing": 1.6,
    "savefig.dpi": 300,
    "svg.fonttype": "path",  # letters as outlines: no viewer needs the font
    "svg.hashsalt": "ribocyte",  # otherwise ids are drawn at random
    "pdf.fonttype": 42,
}

_METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
}


def house_style() -> AbstractContextManager[None]:
    """Put matplotlib's defaults and ours in force for a while, whatever the user's own settings."""
    return matplotlib.style.context(["default", STYLE])


def blank_figure(width: float, height: float, simulated: bool) -> Figure:
    """Make an empty figure, in inches; a simulation is given a strip on top that says so."""
    strip = 0.2 if simulated else 0.0
    figure = Figure(figsize=(width, height + strip), layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03))
    if simulated:
        total = height + strip
        engine = figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine)
        engine.set(rect=(0, 0, 1, height / total))
        figure.text(
            1 - 0.08 / width,
            1 - 0.06 / total,
            "SIMULATED",
            ha="right",
            va="top",
            color=WARNING,
            weight="bold",
            bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": WARNING, "linewidth": 0.7},
        )
    return figure


@dataclass(frozen=True)
class Look:
    """How one curve differs from the others: in colour, and in grey."""

    colour: str
    marker: str
    dashed: bool = False
    shift: float = 0.0  # markers of different curves sit at different epochs: 0 to below 1 of their distance


def look_of(index: int, runs: int) -> Look:
    return Look(COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)], shift=index / max(runs, 1))


def legend_line(look: Look) -> Line2D:
    """Give a line for the legend."""
    return Line2D([], [], color=look.colour, linestyle=_line(look), marker=look.marker, markeredgewidth=0)


def _line(look: Look) -> Any:
    return (0, DASHES) if look.dashed else "-"


def finite(history: pl.DataFrame, column: str) -> NDArray[np.float64]:
    """Give a column of a history as numbers, NaN where it holds nothing finite.

    Raises
    ------
    DataError
        If there is no such column.
    """
    if column not in history.columns:
        raise DataError(f"history: no column {column!r}", expected=f"one of {', '.join(history.columns)}")
    values = history[column].cast(pl.Float64, strict=False).fill_null(math.nan).to_numpy()
    return np.where(np.isfinite(values), values, math.nan)


def draw_curve(panel: Axes, history: pl.DataFrame, column: str, look: Look) -> Line2D:
    """Draw one column against the epoch; what is not finite leaves a gap."""
    epochs, values = finite(history, "epoch"), finite(history, column)
    # A short run, or one that is mostly gaps, is points rather than a line: each gets its marker.
    step = 1 if np.isfinite(values).sum() <= 12 else max(1, len(values) // 7)
    (line,) = panel.plot(
        epochs,
        values,
        color=look.colour,
        linestyle=_line(look),
        marker=look.marker,
        markevery=(int(look.shift * step), step),
        markeredgecolor="white",
        markeredgewidth=0.3,
        dash_capstyle="butt",
    )
    return line


def scale_loss(panel: Axes) -> None:
    """Use a logarithmic axis where the losses span more than two decades."""
    values = np.concatenate(
        [np.asarray(line.get_ydata(), dtype=np.float64) for line in panel.lines] or [np.empty(0)]
    )
    positive = values[values > 0]
    if positive.size and not (values < 0).any() and positive.max() > 100 * positive.min():
        panel.set_yscale("log", nonpositive="mask")
        panel.yaxis.set_minor_formatter(NullFormatter())


def enlarge_crowd(panel: Axes) -> None:
    """Enlarge the best curves where a run far below presses them together, if the space between is free."""
    (left, right), (low, high) = panel.get_xlim(), panel.get_ylim()
    curves = [(line, np.asarray(line.get_xydata(), dtype=np.float64)) for line in panel.lines]
    curves = [(line, points[np.isfinite(points[:, 1])]) for line, points in curves]
    ends = [(line, points[len(points) // 2 :, 1]) for line, points in curves if len(points) >= 20]
    if panel.get_yscale() == "log" or not ends:
        return
    top = max(float(np.median(end)) for _, end in ends)
    crowd = [(line, end) for line, end in ends if top - np.median(end) < 0.12 * (high - low)]
    inside = [((points - (left, low)) / (right - left, high - low)) for _, points in curves]
    free = not any(((box > (0.2, 0.22)) & (box < (1.0, 0.75))).all(axis=1).any() for box in inside)
    if not (2 <= len(crowd) < len(curves) and free):
        return
    inset = panel.inset_axes((0.27, 0.27, 0.7, 0.44))
    for line, _ in crowd:
        (copy,) = inset.plot(line.get_xdata(), line.get_ydata(), color=line.get_color(), linewidth=0.8)
        copy.set(marker=line.get_marker(), markersize=2.8, markevery=line.get_markevery(), markeredgewidth=0)
    values = np.concatenate([end for _, end in crowd])
    room = 0.1 * (values.max() - values.min()) or 0.01
    inset.set(xlim=((left + right) / 2, right), ylim=(values.min() - room, values.max() + room), xticks=[])
    inset.yaxis.set_major_locator(MaxNLocator(4))
    inset.spines[:].set(visible=True, linewidth=0.5)
    panel.indicate_inset_zoom(inset, edgecolor=GREY, linewidth=0.5, alpha=1.0)


def mark_best(panels: Sequence[Axes], history: pl.DataFrame, column: str) -> None:
    """Mark the first epoch with the best value of a column, in every panel; its value in the last."""
    values = finite(history, column)
    if np.isnan(values).all():
        return
    smaller = column.partition("_")[2] in SMALLER_IS_BETTER
    best = int(np.nanargmin(values) if smaller else np.nanargmax(values))
    epoch = int(history["epoch"][best])
    for panel in panels:
        panel.axvline(epoch, color=GREY, linewidth=0.6, zorder=1.5)
    panels[-1].plot(
        epoch, values[best], "o", markersize=5.5, fillstyle="none", color=INK, markeredgewidth=0.9
    )
    panels[-1].set_title(f"best: {values[best]:.3f} at epoch {epoch}", loc="right", fontsize=7.0)


def name_panel(panel: Axes, letter: str, name: str) -> None:
    bold = rf"$\bf{{{letter}}}$  " if letter else ""
    panel.set_title(bold + plain(name))


def label_epochs(panel: Axes) -> None:
    """Whole epochs only, from the first to the last, also where there is only one."""
    panel.set_xlabel("epoch")
    panel.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    low, high = panel.dataLim.intervalx
    if np.isfinite((low, high)).all() and low == high:
        panel.set_xlim(low - 0.6, high + 0.6)


def shades(lightest: str) -> LinearSegmentedColormap:
    """Give a scale of one hue from light to dark, which also orders in grey print."""
    return LinearSegmentedColormap.from_list("shades", [lightest, "#5ba3d0", "#0b5a94", "#06203f"], N=64)


def plain(text: str) -> str:
    """Keep matplotlib from reading a user's text as mathematics."""
    return text.replace("$", r"\$")


def add_colourbar(figure: Figure, panel: Axes, mappable: ScalarMappable, label: str) -> Colorbar:
    """Add a slim scale of colours, drawn as shapes rather than as an embedded picture."""
    bar = figure.colorbar(mappable, ax=panel, shrink=0.7, aspect=22, pad=0.02)
    assert bar.solids is not None
    bar.solids.set(rasterized=False, edgecolor="face", linewidth=0.2)
    bar.outline.set_visible(False)
    bar.set_label(label)
    bar.ax.tick_params(length=0)
    bar.ax.grid(visible=False)
    return bar


def _legend_columns(names: Sequence[str], width: float) -> int:
    """How many legend entries fit side by side, from the average width of a letter."""
    widest = max(len(name) for name in names) * 0.058 + 0.48
    fitting = max(1, min(len(names), int(width / widest)))
    return math.ceil(len(names) / math.ceil(len(names) / fitting))


def legend_height(names: Sequence[str], width: float) -> float:
    """Give the legend's height in inches."""
    return 0.16 * math.ceil(len(names) / _legend_columns(names, width))


def add_legend(figure: Figure, entries: Sequence[tuple[str, Line2D]], width: float) -> None:
    """Put one legend below all panels."""
    names = [plain(name) for name, _ in entries]
    handles = [line for _, line in entries]
    columns = _legend_columns(names, width)
    figure.legend(handles, names, loc="outside lower center", ncols=columns, borderaxespad=0.1)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, as SVG, PNG (300 dpi) or PDF by the path's suffix.

    The same figure gives the same bytes: no date, no random ids.

    Raises
    ------
    RequestError
        For another suffix.
    DiskError
        If the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise RequestError(f"{path}: no known figure format", expected="a name ending in .svg, .png or .pdf")
    with house_style(), atomic_write(path) as stream:
        figure.savefig(stream, format=suffix[1:], metadata=_METADATA[suffix])
