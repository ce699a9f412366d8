"""Windows over RNA of any length, and their scores, part by part: memory does not grow with the length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ribocyte.errors import RequestError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import PADDING, UNKNOWN, tokens
from ribocyte.rna.scan.targets import Letters, Locus, Target
from ribocyte.rna.windows import Scores, WindowScorer

TOGETHER = 1 << 15
"""Windows scored at a time, whether they are of one target or of many short ones."""


@dataclass(frozen=True)
class Tiling:
    """Windows of `length` nt that begin every `stride` nt, until one reaches the end of the RNA.

    The last may be shorter, and so is the only window of RNA shorter than one: both are padded on the right, as
    probes are. The same windows as `ribocyte.rna.encoding.RNAEncoding` reads.
    """

    length: int
    stride: int

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.length:
            raise RequestError(
                f"stride = {self.stride}", expected=f"from 1 to {self.length} nt, a window's length"
            )

    @property
    def reach(self) -> int:
        """How many windows cover a nucleotide at most."""
        return -(-self.length // self.stride)

    def count(self, nt: int) -> int:
        """Count the windows of RNA of `nt` nucleotides."""
        return 1 + max(-(-(nt - self.length) // self.stride), 0)

    def cut(self, rna: Tensor, count: int) -> Tensor:
        """Cut the first `count` windows out of tokens (nt,): a view (count, length), whatever the stride."""
        missing = max((count - 1) * self.stride + self.length - len(rna), 0)
        padded = torch.nn.functional.pad(rna, (0, missing), value=PADDING)
        return padded.unfold(0, self.length, self.stride)[:count]


@dataclass(frozen=True)
class Part:
    """A part of a target: the nucleotides from where one window begins to where another does.

    Parameters
    ----------
    locus, target
        What it is part of.
    first, last : int
        Its windows are ``first`` to ``last - 1``.
    read_from : int
        First window read: with those before `first` that also cover the part's nucleotides.
    start, end : int
        Its nucleotides, in positions of the target.
    """

    locus: Locus
    target: Target
    first: int
    last: int
    read_from: int
    start: int
    end: int

    @property
    def ends_target(self) -> bool:
        """Whether no other part of the target comes after it."""
        return self.end == self.target.length if self.target.strand == "+" else self.start == 0


class Scorer:
    """Scores windows with one output of a model.

    Parameters
    ----------
    model, output, bf16
        As for `ribocyte.rna.windows.WindowScorer`.
    max_unknown : float
        Windows with a larger share of N are not scored: their score is NaN.
    """

    def __init__(
        self, model: Predictor, output: int = 0, max_unknown: float = 0.25, *, bf16: bool = False
    ) -> None:
        self.max_unknown, self._score = max_unknown, WindowScorer(model, output, bf16=bf16)

    def __call__(self, windows: Tensor) -> Scores:
        """Score windows (W, length) uint8; gives (W,)."""
        present = (windows != PADDING).sum(dim=1)
        known = (windows == UNKNOWN).sum(dim=1) <= self.max_unknown * present
        if known.all():
            return self._score(windows)
        scores = np.full(len(windows), np.nan, dtype=np.float32)
        if known.any():
            scores[known.numpy()] = self._score(windows[known])
        return scores


def cut_parts(loci: Iterable[Locus], tiling: Tiling, together: int = TOGETHER) -> Iterator[Part]:
    """Cut targets into parts of at most `together` windows, which come in ascending order of their contig."""
    for locus in loci:
        for target in locus.targets:
            windows = tiling.count(target.length)
            firsts = range(0, windows, together)
            for first in firsts if target.strand == "+" else reversed(firsts):
                last = min(first + together, windows)
                end = last * tiling.stride if last < windows else target.length
                read_from = max(first - tiling.reach + 1, 0)
                yield Part(locus, target, first, last, read_from, first * tiling.stride, end)


def score_parts(
    parts: Iterable[Part], letters: Letters, scorer: Scorer, tiling: Tiling, together: int = TOGETHER
) -> Iterator[tuple[Part, Scores]]:
    """Score the windows of each part; short ones are scored several at a time.

    Yields
    ------
    (Part, numpy array, shape (last - read_from,), float32)
        In the order of the parts. NaN where a window is not scored.
    """
    for group in _portions(parts, together):
        windows = [_read(part, letters, tiling) for part in group]
        scores = scorer(torch.cat(windows) if len(windows) > 1 else windows[0])
        ends = np.cumsum([len(each) for each in windows])
        yield from zip(group, np.split(scores, ends[:-1]), strict=True)


def _read(part: Part, letters: Letters, tiling: Tiling) -> Tensor:
    start, count = part.read_from * tiling.stride, part.last - part.read_from
    rna = part.target.read(letters, start, start + (count - 1) * tiling.stride + tiling.length)
    return tiling.cut(tokens([rna])[0], count)


def _portions(parts: Iterable[Part], together: int) -> Iterator[list[Part]]:
    portion, size = list[Part](), 0
    for part in parts:
        if portion and size + part.last - part.read_from > together:
            yield portion
            portion, size = [], 0
        portion.append(part)
        size += part.last - part.read_from
    if portion:
        yield portion
