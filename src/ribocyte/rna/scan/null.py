"""What windows score by chance: the same scan of the same RNA, its dinucleotides shuffled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ribocyte.errors import DataError, RequestError
from ribocyte.rna.alphabet import PADDING, tokens
from ribocyte.rna.scan.sites import SiteCaller
from ribocyte.rna.scan.targets import Letters, Locus, Target
from ribocyte.rna.scan.tiles import TOGETHER, Part, Scorer, Tiling
from ribocyte.rna.shuffling import dinucleotide_shuffle
from ribocyte.rna.windows import Scores

SEGMENT = 1000
"""Nucleotides shuffled together at most: long enough to lose every site, short enough to keep what is local, such
as the composition of a 3' untranslated region."""
TOGETHER_NT = 1 << 20
"""Nucleotides shuffled at a time."""


@dataclass(frozen=True, eq=False)
class Null:
    """Scores of windows of shuffled RNA.

    Parameters
    ----------
    segments : tuple of numpy array
        The windows' scores of each shuffled segment, in order; NaN where one was not scored.
    lengths : tuple of int
        Of each segment in nt.
    scores : numpy array, shape (n,), float32
        All that were scored, ascending.
    """

    segments: tuple[Scores, ...]
    lengths: tuple[int, ...]
    scores: Scores

    @classmethod
    def of(cls, segments: Sequence[Scores], lengths: Sequence[int]) -> Null:
        """Gather the scores of shuffled segments.

        Raises
        ------
        DataError
            If none was scored.
        """
        scores = np.concatenate([np.empty(0, dtype=np.float32), *segments])
        scores = np.sort(scores[~np.isnan(scores)])
        if len(scores) == 0:
            raise DataError(
                "sequences: no window can be scored: N everywhere",
                expected="some RNA whose letters are known",
            )
        return cls(tuple(segments), tuple(lengths), scores)

    def rate(self, scores: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the false-positive rate of scores: (r + 1) / (n + 1), where r of the n null windows score as high."""
        beaten = np.searchsorted(self.scores, np.asarray(scores, dtype=np.float32), side="left")
        return (len(self.scores) - beaten + 1) / (len(self.scores) + 1)

    def threshold(self, fpr: float) -> float:
        """Give the score that a window must exceed for its false-positive rate to be `fpr` at most.

        Raises
        ------
        RequestError
            If there are too few null windows to tell a rate so small.
        """
        allowed = int(np.floor(fpr * (len(self.scores) + 1) * (1 + 1e-12))) - 1
        if allowed < 0:
            raise RequestError(
                f"fpr = {fpr:g}: {len(self.scores):,} windows of shuffled RNA cannot tell a rate so small",
                expected=f"{1 / (len(self.scores) + 1):.2g} or more",
                mend=f"draw more with --null {int(np.ceil(10 / fpr))}",
            )
        return float(self.scores[-1 - min(allowed, len(self.scores) - 1)])

    def sites_per_kb(self, tiling: Tiling, threshold: float) -> float:
        """Count the sites that are called in the shuffled RNA itself, per 1,000 nt."""
        found = 0
        for scores, length in zip(self.segments, self.lengths, strict=True):
            part = _whole(length, tiling)
            caller = SiteCaller(part.target, tiling, threshold)
            found += len(caller.add(part, scores)) + len(caller.finish())
        return 1000 * found / sum(self.lengths)


def sample_null(
    targets: Sequence[Target],
    letters: Letters,
    scorer: Scorer,
    tiling: Tiling,
    windows: int = 100_000,
    seed: int = 0,
) -> Null:
    """Score windows of shuffled RNA.

    Targets are cut into segments of up to 1,000 nt. Of these as many are drawn as `windows` takes, each shuffled
    once; where there are fewer, each is shuffled several times. So memory does not grow with the targets.

    Parameters
    ----------
    targets : sequence of Target
        What is scanned; at least one.
    letters : Letters
        Where their RNA is read.
    scorer, tiling
        As in the scan itself.
    windows : int
        How many to score, roughly: the smallest rate that can be told is 1 / (windows + 1).
    seed : int
        Of the draw and of the shuffles.
    """
    random = np.random.default_rng(seed)
    chosen, copies = _choose(targets, tiling, windows, random)
    found, lengths = list[Scores](), list[int]()
    for group in _together(chosen, copies):
        rna = tokens([target.read(letters, start, end) for target, start, end in group])
        shuffled = dinucleotide_shuffle(rna, int(random.integers(2**31)), copies).flatten(0, 1)
        present = (shuffled != PADDING).sum(dim=1).tolist()
        cut = [tiling.cut(row[:nt], tiling.count(nt)) for row, nt in zip(shuffled, present, strict=True)]
        scores = np.concatenate([scorer(part) for part in torch.split(torch.cat(cut), TOGETHER)])
        found += np.split(scores, np.cumsum([len(each) for each in cut])[:-1])
        lengths += present
    return Null.of(found, lengths)


def _choose(
    targets: Sequence[Target], tiling: Tiling, windows: int, random: np.random.Generator
) -> tuple[list[tuple[Target, int, int]], int]:
    """Draw segments (target, start, end), and say how often to shuffle each."""
    lengths = np.array([target.length for target in targets])
    pieces = -(-lengths // SEGMENT)
    held = sum(
        int(count) * tiling.count(int(nt) // int(count)) for nt, count in zip(lengths, pieces, strict=True)
    )
    total = int(pieces.sum())
    wanted = -(-windows * total // held)
    numbers = np.sort(random.choice(total, wanted, replace=False)) if wanted < total else np.arange(total)
    ends = np.cumsum(pieces)
    owners = np.searchsorted(ends, numbers, side="right")
    within = numbers - (ends - pieces)[owners]
    segments = [
        (targets[at], int(lengths[at] * one // pieces[at]), int(lengths[at] * (one + 1) // pieces[at]))
        for at, one in zip(owners.tolist(), within.tolist(), strict=True)
    ]
    return segments, max(-(-windows // held), 1)


def _together(
    segments: Sequence[tuple[Target, int, int]], copies: int
) -> Iterator[Sequence[tuple[Target, int, int]]]:
    several = max(TOGETHER_NT // (SEGMENT * copies), 1)
    return (segments[at : at + several] for at in range(0, len(segments), several))


def _whole(length: int, tiling: Tiling) -> Part:
    """Give a segment as a target of its own, in one part."""
    target = Target("", "", "+", ((0, length),))
    return Part(Locus("", "+", (target,)), target, 0, tiling.count(length), 0, 0, length)
