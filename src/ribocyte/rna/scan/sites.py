"""Sites: runs of overlapping windows that score higher than shuffled RNA does, and where in them the peak is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ribocyte.rna.scan.targets import Target
from ribocyte.rna.scan.tiles import Part, Tiling
from ribocyte.rna.windows import Scores

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Site:
    """Overlapping windows that were called, as one site; positions count from 0 at the 5' end of its target.

    Parameters
    ----------
    start, end : int
        All nucleotides of its windows, half-open.
    summit : int
        The nucleotide that its windows agree on: see `find_summit`.
    score : float
        Of its best window.
    windows : int
        How many were called.
    """

    start: int
    end: int
    summit: int
    score: float
    windows: int


class SiteCaller:
    """Calls the sites of one target from its parts, in either order; keeps only the site that may still grow.

    Parameters
    ----------
    target : Target
        Whose sites.
    tiling : Tiling
        How the windows lie.
    threshold : float
        Windows are called whose score is larger.
    """

    def __init__(self, target: Target, tiling: Tiling, threshold: float) -> None:
        self.target, self.tiling, self.threshold = target, tiling, threshold
        self._windows: Numbers = np.empty(0, dtype=np.int64)
        self._scores: Scores = np.empty(0, dtype=np.float32)

    def add(self, part: Part, scores: Scores) -> list[Site]:
        """Take the next part's scores (last - read_from,).

        Returns
        -------
        list of Site
            Those that no later part can reach, ascending on the contig.
        """
        own = scores[part.first - part.read_from :]
        hits = np.flatnonzero(own > self.threshold)  # NaN is not larger
        later = part.first > self._windows[-1] if len(self._windows) else True
        order = slice(None) if later else slice(None, None, -1)
        self._windows = np.concatenate([self._windows, hits + part.first][order])
        self._scores = np.concatenate([self._scores, own[hits]][order])
        return self._close(part)

    def finish(self) -> list[Site]:
        """Give the site that was still open, if there was one."""
        return self._close(None)

    def _close(self, part: Part | None) -> list[Site]:
        """Take out the groups of windows that cannot grow: all but one that reaches the edge of `part`."""
        groups = _group(self._windows, self.tiling.reach)
        backwards = self.target.strand == "-"
        groups = groups[::-1] if backwards else groups
        left = np.empty(0, dtype=np.int64)
        if part is not None and groups:
            edge = (
                self._windows[groups[-1][0]] - part.first
                if backwards
                else part.last - 1 - self._windows[groups[-1][-1]]
            )
            if edge < self.tiling.reach:
                left = groups.pop()
        sites = [self._site(self._windows[group], self._scores[group]) for group in groups]
        self._windows, self._scores = self._windows[left], self._scores[left]
        return sites

    def _site(self, windows: Numbers, scores: Scores) -> Site:
        starts = windows * self.tiling.stride
        ends = np.minimum(starts + self.tiling.length, self.target.length)
        summit = find_summit(starts, ends, scores.astype(np.float64) - self.threshold)
        return Site(int(starts[0]), int(ends[-1]), summit, float(scores.max()), len(windows))


def find_summit(starts: Numbers, ends: Numbers, weights: NDArray[np.float64]) -> int:
    """Find the nucleotide that called windows agree on.

    Parameters
    ----------
    starts, ends : numpy array, shape (W,), int64
        Windows, half-open.
    weights : numpy array, shape (W,), float64
        How far each is above the threshold.

    Returns
    -------
    int
        The middle of the stretch where the weights of the windows that cover it add up to most; of several, the
        first.
    """
    edges = np.unique(np.concatenate([starts, ends]))
    change = np.zeros(len(edges))
    np.add.at(change, np.searchsorted(edges, starts), weights)
    np.add.at(change, np.searchsorted(edges, ends), -weights)
    # Rounded, so that stretches of one height stay so, in whatever order they were added up.
    best = int(np.cumsum(change).round(6)[:-1].argmax())
    return int(edges[best] + edges[best + 1] - 1) // 2


def _group(windows: Numbers, reach: int) -> list[Numbers]:
    """Group ascending windows that overlap, as places in the array."""
    if len(windows) == 0:
        return []
    breaks = np.flatnonzero(np.diff(windows) >= reach) + 1
    return np.split(np.arange(len(windows)), breaks)
