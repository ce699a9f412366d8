"""What a network says of every window that covers a change, and what that amounts to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import UNKNOWN, tokens
from ribocyte.rna.variants.loci import Locus, Windows
from ribocyte.rna.windows import Scores, WindowScorer

Numbers = NDArray[np.int64]

_LETTERS_PER_WORD = 24
"""6**24 is below 2**64: so many letters of six kinds are one number."""


@dataclass(frozen=True)
class Effect:
    """What a change does to the windows that cover it; all in the network's unit, z-scores of log intensity.

    A site may lie anywhere in a window, so a window is compared with those that hold the same of what did not
    change: a window before with that after which begins, and that which ends, at the same nucleotide, whichever
    is better. For a substitution the two are one. Read backwards, a loss is a gain.

    Parameters
    ----------
    before, after : float
        Of the best window that covers the change. An RNA is bound as strongly as its best window.
    loss, gain : float
        The largest fall of a window before, 0 or below; the largest rise of a window after, 0 or above.
    losing, gaining : int
        Where the windows of the largest loss and gain begin, in the locus's `before` and `after`.
    windows, unknown : int
        How many windows were compared, before and after together; how many of them hold N.
    """

    before: float
    after: float
    loss: float
    gain: float
    losing: int
    gaining: int
    windows: int
    unknown: int

    @property
    def delta(self) -> float:
        """The effect: the best window after less the best before."""
        return self.after - self.before


class Scorer:
    """One output of a network for any number of windows, each different window computed once.

    Parameters
    ----------
    model, output, bf16
        As for `ribocyte.rna.windows.WindowScorer`.

    Attributes
    ----------
    asked, computed : int
        Windows scored so far, and those of them that went through the network.
    """

    def __init__(self, model: Predictor, output: int = 0, *, bf16: bool = False) -> None:
        self.length: int = model.encoding.length  # type: ignore[attr-defined]
        self._score = WindowScorer(model, output, bf16=bf16)
        self.asked = self.computed = 0

    def score(self, windows: Tensor) -> Scores:
        """Score windows (N, length) uint8; gives (N,) float32."""
        different, number = _deduplicate(windows)
        self.asked, self.computed = self.asked + len(windows), self.computed + len(different)
        if len(windows) == 0:
            return np.empty(0, dtype=np.float32)
        scores: Scores = self._score(different)[number]
        return scores


def measure_effects(scorer: Scorer, loci: Sequence[Locus]) -> list[Effect]:
    """Score all windows of many loci together, and compare those before with those after.

    Parameters
    ----------
    scorer : Scorer
    loci : sequence of Locus
        Made for windows of the scorer's length.

    Returns
    -------
    list of Effect
        One a locus, in order.
    """
    if not loci:
        return []
    texts = [locus.before for locus in loci] + [locus.after for locus in loci]
    ranges = [locus.windows_before for locus in loci] + [locus.windows_after for locus in loci]
    rows, starts = _enumerate(ranges)
    letters = tokens(texts, max(scorer.length, *map(len, texts)))
    windows = letters.unfold(1, scorer.length, 1)[torch.from_numpy(rows), torch.from_numpy(starts)]
    scores = scorer.score(windows)
    unknown = (windows == UNKNOWN).any(dim=1).numpy()
    split = sum(map(len, ranges[: len(loci)]))
    before = Side(scores[:split], starts[:split], unknown[:split], ranges[: len(loci)])
    after = Side(scores[split:], starts[split:], unknown[split:], ranges[len(loci) :])
    return _compare(before, after, np.array([locus.shift for locus in loci]))


class Side:
    """The scores of all windows of many loci on one side of the change, locus by locus."""

    def __init__(
        self, scores: Scores, starts: Numbers, unknown: NDArray[Any], ranges: Sequence[Windows]
    ) -> None:
        counts = np.array([len(one) for one in ranges])
        self.scores, self.starts, self.counts = scores, starts, counts
        self.first = np.array([one.first for one in ranges])
        self.last = np.array([one.last for one in ranges])
        self.begins = np.cumsum(counts) - counts
        self.owner = np.repeat(np.arange(len(counts)), counts)
        self.best = np.maximum.reduceat(scores, self.begins)
        self.unknown = np.add.reduceat(unknown.astype(np.int64), self.begins)

    def fall_to(self, other: Side, shift: Numbers) -> Scores:
        """Say how much better or worse each window's counterpart on the other side is."""
        begins, ends = (other._at(self.owner, self.starts + by) for by in (0, shift[self.owner]))
        fall: Scores = np.maximum(begins, ends) - self.scores
        return fall

    def lowest(self, values: Scores) -> tuple[Scores, Numbers]:
        """Give each locus's lowest value, and where the first window that has it begins."""
        low = np.minimum.reduceat(values, self.begins)
        # NaN is never equal to itself; an output that is NaN still has a place.
        hits = np.flatnonzero((values == low[self.owner]) | np.isnan(values))
        _, firsts = np.unique(self.owner[hits], return_index=True)
        return low, self.starts[hits[firsts]]

    def _at(self, owner: Numbers, starts: Numbers) -> Scores:
        """Give the scores of the windows that begin there, or next to there among those that cover the change."""
        nearest = np.clip(starts, self.first[owner], self.last[owner]) - self.first[owner]
        found: Scores = self.scores[self.begins[owner] + nearest]
        return found


def _compare(before: Side, after: Side, shift: Numbers) -> list[Effect]:
    loss, losing = before.lowest(before.fall_to(after, shift))
    fall, gaining = after.lowest(after.fall_to(before, -shift))
    columns = (
        before.best,
        after.best,
        np.minimum(loss, 0.0),
        np.maximum(-fall, 0.0),
        losing,
        gaining,
        before.counts + after.counts,
        before.unknown + after.unknown,
    )
    return [Effect(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _enumerate(ranges: Sequence[Windows]) -> tuple[Numbers, Numbers]:
    """List all windows: the number of the range each belongs to, and where it begins."""
    counts = np.array([len(one) for one in ranges])
    rows = np.repeat(np.arange(len(ranges)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, np.array([one.first for one in ranges])[rows] + within


def _deduplicate(windows: Tensor) -> tuple[Tensor, Numbers]:
    """Give each different window once, and for every window its number among those."""
    if len(windows) == 0:
        return windows, np.empty(0, dtype=np.int64)
    keys = _spell(windows.numpy())
    order = np.lexsort(keys)
    new = np.zeros(len(order), dtype=np.bool_)
    new[0] = True
    for key in keys:
        new[1:] |= key[order][1:] != key[order][:-1]
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    return windows[torch.from_numpy(order[new])], number


def _spell(windows: NDArray[np.uint8]) -> list[NDArray[np.uint64]]:
    """Write windows as a few numbers each: the same numbers only for the same letters."""
    keys = []
    for start in range(0, windows.shape[1], _LETTERS_PER_WORD):
        letters = windows[:, start : start + _LETTERS_PER_WORD]
        key = np.zeros(len(windows), dtype=np.uint64)
        for column in letters.T:
            key = key * np.uint64(6) + column
        keys.append(key)
    return keys
