"""One target's track as a figure: the mean score along the RNA, the threshold, and the sites above it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ribocyte.learn.plots import PAGE, blank_figure, house_style, name_panel
from ribocyte.rna.scan.sites import Site

POINTS = 2000
"""Points of a line at most: a page is no wider."""
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#767676"


def plot_track(
    values: NDArray[np.float32],
    sites: Sequence[Site],
    threshold: float,
    name: str,
    label: str,
    *,
    simulated: bool = False,
) -> Figure:
    """Draw a track and its sites.

    Parameters
    ----------
    values : numpy array, shape (nt,)
        Mean score of the windows over each nucleotide; NaN leaves a gap.
    sites : sequence of Site
        Each is a bar from its start to its end at the height of its score, with a mark at its summit.
    threshold : float
        That a window exceeds to be called.
    name : str
        Of the target.
    label : str
        What the score is.
    simulated : bool
        Whether the model learned from a simulation.
    """
    positions, heights = _thin(values)
    with house_style():
        figure = blank_figure(PAGE, 2.1, simulated)
        panel = figure.add_subplot()
        panel.axhline(threshold, color=GREY, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
        panel.plot(positions, heights, color=BLUE, linewidth=0.8, label="mean of windows", zorder=2)
        if sites:
            scores = [site.score for site in sites]
            panel.hlines(
                scores,
                [site.start + 1 for site in sites],
                [site.end for site in sites],
                color=ORANGE,
                linewidth=1.6,
                label="site, at its best window",
                zorder=3,
            )
            panel.plot([site.summit + 1 for site in sites], scores, "v", color=ORANGE, markersize=3.4)
        panel.set(xlim=(1, max(len(values), 2)), xlabel="position, nt from the 5′ end", ylabel=label)
        name_panel(panel, "", name)
        panel.annotate(
            f"threshold {threshold:.2f}",
            (1, threshold),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=6.5,
            color=GREY,
        )
        panel.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    return figure


def _thin(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give positions from 1 and values; of a long track, the highest of every few nucleotides."""
    step = -(-len(values) // POINTS)
    padded = np.full(-(-len(values) // step) * step, -np.inf)
    padded[: len(values)] = np.where(np.isnan(values), -np.inf, values)
    highest = padded.reshape(-1, step).max(axis=1)
    positions = np.arange(len(highest), dtype=np.float64) * step + (step + 1) / 2
    highest[np.isinf(highest)] = np.nan
    return positions, highest
