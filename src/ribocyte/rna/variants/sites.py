"""Which site a change took or brought: named by the nucleotides that the network reads there, or by a known motif."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ribocyte.rna.alphabet import LETTERS, UNKNOWN, tokens
from ribocyte.rna.variants.effects import Effect, Scorer
from ribocyte.rna.variants.loci import Locus

REACH = 8
"""Nucleotides on either side of the changed ones that a site may take up; known motifs are 4 to 10 nt long."""
_WEAK = 0.25
"""Share of the strongest nucleotide's contribution below which a nucleotide makes a site worse."""
_LEAST_PROBABILITY = 1e-3

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Site:
    """A site that is lost or gained.

    Parameters
    ----------
    letters : str
        5′ to 3′.
    position : int
        Its leftmost nucleotide in the genome, from 0. What a change inserts lies where it was put in.
    motif : str
        The known motif that it matches; empty where none was asked for.
    """

    letters: str
    position: int
    motif: str = ""

    def __str__(self) -> str:
        return f"{self.motif}:{self.letters}" if self.motif else self.letters


@dataclass(frozen=True)
class Window:
    """The window with the largest loss or gain, and which of its nucleotides changed: half-open, never empty."""

    letters: str
    changed: tuple[int, int]


class Namer(Protocol):
    """Says where in each window the site lies that the change concerns: stretch and motif, None where none does."""

    def find(self, windows: Sequence[Window]) -> list[tuple[int, int, str] | None]:
        """Find one site a window."""
        ...


@dataclass(frozen=True)
class Contributions:
    """Names a site by the nucleotides that the network's score rests on.

    Each nucleotide near the change is replaced by N in turn; its contribution is what the window's score loses.
    The site is the stretch over the change that maximises the sum of contributions, each less a quarter of the
    largest: weak nucleotides at its ends are left out, weak ones within it are bridged.
    """

    scorer: Scorer

    def find(self, windows: Sequence[Window]) -> list[tuple[int, int, str] | None]:
        """Find one site a window; None where no nucleotide near the change contributes."""
        if not windows:
            return []
        spans = [_reach(window) for window in windows]
        counts = np.array([stop - start for start, stop in spans])
        owner = np.repeat(np.arange(len(windows)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        position = np.array([start for start, _ in spans])[owner] + within
        whole = tokens([window.letters for window in windows], self.scorer.length)
        masked = whole[torch.from_numpy(owner)]
        masked[torch.arange(len(owner)), torch.from_numpy(position)] = UNKNOWN
        scores = self.scorer.score(torch.cat([whole, masked])).astype(np.float64)
        drops = np.split(scores[owner] - scores[len(windows) :], np.cumsum(counts)[:-1])
        return [_strongest(*one) for one in zip(drops, spans, windows, strict=True)]


class Motifs:
    """Names a site by the known motif that matches it best: the highest log-odds over the change, above 0.

    Parameters
    ----------
    motifs : mapping of str to array, shape (L, 4)
        Base probabilities, columns A, C, G, U; see `ribocyte.rna.meme.read_motifs`.
    """

    def __init__(self, motifs: Mapping[str, NDArray[Any]]) -> None:
        groups: dict[int, list[tuple[str, Array]]] = {}
        for name, probabilities in motifs.items():
            floored = np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST_PROBABILITY)
            odds = np.log2(floored / floored.sum(axis=1, keepdims=True) * len(LETTERS))
            # N matches as well as the average base, less than any match.
            odds = np.concatenate([odds, odds.mean(axis=1, keepdims=True)], axis=1)
            groups.setdefault(len(odds), []).append((name, odds))
        self._groups = [
            ([name for name, _ in group], np.stack([odds for _, odds in group])) for group in groups.values()
        ]

    def find(self, windows: Sequence[Window]) -> list[tuple[int, int, str] | None]:
        """Find one site a window; None where no motif matches better than chance does."""
        return [self._match(window) for window in windows]

    def _match(self, window: Window) -> tuple[int, int, str] | None:
        letters = tokens([window.letters])[0].numpy()
        best, found = 0.0, None
        for names, odds in self._groups:
            length = odds.shape[1]
            low = max(window.changed[0] - length + 1, 0)
            high = min(window.changed[1] - 1, len(letters) - length)
            if high < low:
                continue
            starts = np.arange(low, high + 1)
            codes = letters[starts[:, None] + np.arange(length)]
            scores = odds[:, np.arange(length), codes].sum(axis=2)
            motif, at = np.unravel_index(scores.argmax(), scores.shape)
            if scores[motif, at] > best:
                best = float(scores[motif, at])
                found = int(starts[at]), int(starts[at]) + length, names[motif]
        return found


def name_sites(
    namer: Namer, loci: Sequence[Locus], effects: Sequence[Effect], length: int, least: float
) -> list[tuple[Site | None, Site | None]]:
    """Name the site that each change takes, and the one it brings.

    Parameters
    ----------
    namer : Namer
    loci : sequence of Locus
    effects : sequence of Effect
        Of the same loci.
    length : int
        Of a window in nt.
    least : float
        Losses and gains smaller than this are of no site.

    Returns
    -------
    list of (Site or None, Site or None)
        Lost and gained.
    """
    lost = [number for number, effect in enumerate(effects) if effect.loss <= -least < 0]
    gained = [number for number, effect in enumerate(effects) if effect.gain >= least > 0]
    windows = [_losing(loci[number], effects[number], length) for number in lost]
    windows += [_gaining(loci[number], effects[number], length) for number in gained]
    found = namer.find(windows)
    sites: list[list[Site | None]] = [[None, None] for _ in loci]
    for place, (number, window, one) in enumerate(zip(lost + gained, windows, found, strict=True)):
        if one is not None:
            after = place >= len(lost)
            start, stop, motif = one
            begin = effects[number].gaining if after else effects[number].losing
            position = loci[number].place(begin + start, begin + stop, after=after)
            sites[number][after] = Site(window.letters[start:stop], position, motif)
    return [(before, after) for before, after in sites]


def _losing(locus: Locus, effect: Effect, length: int) -> Window:
    return _window(locus.before, locus.changed, effect.losing, length)


def _gaining(locus: Locus, effect: Effect, length: int) -> Window:
    return _window(locus.after, locus.changed_after(), effect.gaining, length)


def _window(letters: str, changed: tuple[int, int], begin: int, length: int) -> Window:
    """Cut out a window; where nothing is left of the changed stretch, its neighbours stand for it."""
    text = letters[begin : begin + length]
    start, stop = (edge - begin for edge in changed)
    if start == stop:
        start, stop = start - 1, stop + 1
    start = min(max(start, 0), len(text) - 1)
    return Window(text, (start, max(min(stop, len(text)), start + 1)))


def _reach(window: Window) -> tuple[int, int]:
    start, stop = window.changed
    return max(start - REACH, 0), min(stop + REACH, len(window.letters))


def _strongest(drops: Array, span: tuple[int, int], window: Window) -> tuple[int, int, str] | None:
    """Find the stretch over the change with the largest sum of contributions, weak ones counted against it."""
    if not drops.max() > 0:  # NaN as well
        return None
    sums = np.concatenate([[0.0], np.cumsum(drops - _WEAK * drops.max())])
    totals = sums[None, :] - sums[:, None]  # [start, stop]
    start, stop = (edge - span[0] for edge in window.changed)
    totals[stop:], totals[:, : start + 1] = -np.inf, -np.inf
    totals[np.tri(len(sums), dtype=np.bool_)] = -np.inf
    first, last = np.unravel_index(totals.argmax(), totals.shape)
    return span[0] + int(first), span[0] + int(last), ""
