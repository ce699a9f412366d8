"""Motifs from attributions: the stretches of sequence that a prediction rests on, aligned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.extras import need
from ribocyte.rna.alphabet import PADDING, UNKNOWN
from ribocyte.rna.discovery.alignment import cut_out, group_words
from ribocyte.rna.discovery.motif import FEWEST, Aligned, count_bases

Array = NDArray[np.float64]
Positions = NDArray[np.int64]

REACH = 3
"""Nucleotides on either side of an aligned word that belong to the motif if they tell anything."""


def contributions(tokens: Tensor, effects: Tensor) -> Array:
    """Say what each nucleotide contributes to the output: what is lost on average when it is substituted.

    Parameters
    ----------
    tokens : Tensor, uint8, shape (N, L)
        Sequences.
    effects : Tensor, shape (N, 4, L)
        Mutant minus original, as `ribocyte.rna.attribution.mutagenesis` gives them.

    Returns
    -------
    numpy array, float64, shape (N, L)
        Minus the mean over the three substitutions; 0 at N and at padding.
    """
    known = tokens.cpu().numpy() < UNKNOWN
    return np.where(known, -effects.double().cpu().numpy().sum(axis=1) / 3, 0.0)


def find_by_seqlets(tokens: Tensor, effects: Tensor, k: int = 7) -> Iterator[Aligned]:
    """Cut out what predictions rest on, and align it.

    Seqlets are called by tangermeme's recursive algorithm on the contributions. Each is represented by the `k`
    nucleotides across its middle that contribute most; these words, the one with the largest total first, are
    aligned by `group_words`, and bases are counted in the sequences around them.

    Parameters
    ----------
    tokens : Tensor, uint8, shape (M, L)
        The sequences that were attributed.
    effects : Tensor, shape (M, 4, L)
        As for `contributions`.
    k : int
        Length of the words in nt.

    Yields
    ------
    Aligned
        Groups of `FEWEST` seqlets or more, the largest first; none where nothing stands out.
    """
    if tokens.shape[1] < k:
        return
    rows, starts, weights = _call_words(tokens, contributions(tokens, effects), k)
    letters = tokens.cpu().numpy()
    words, which = np.unique(cut_out(letters[rows], starts, k, PADDING), axis=0, return_inverse=True)
    order = np.argsort(-np.bincount(which, weights, len(words)), kind="stable")
    aligned = []
    for group in group_words(words[order].astype(np.uint8)):
        offset = np.zeros(len(words), dtype=np.int64)
        offset[order[group.members]] = group.offsets
        joined = np.isin(which, order[group.members])
        begin = starts[joined] - offset[which[joined]] - REACH
        aligned.append(cut_out(letters[rows[joined]], begin, k + 2 * REACH, PADDING))
    aligned.sort(key=len, reverse=True)
    for number, sites in enumerate(aligned, start=1):
        if len(sites) >= FEWEST:
            yield Aligned(str(number), count_bases(sites), len(sites))


def _call_words(tokens: Tensor, scores: Array, k: int) -> tuple[Positions, Positions, Array]:
    """Give the row, the start and the total contribution of the best whole k-mer of each seqlet."""
    calls = need("tangermeme.seqlet", "bio", "finding seqlets").recursive_seqlets(scores)
    rows, begin, end = (calls[name].to_numpy() for name in ("example_idx", "start", "end"))
    whole = (tokens.unfold(1, k, 1) < UNKNOWN).all(dim=2).cpu().numpy()
    totals = np.lib.stride_tricks.sliding_window_view(scores, k, axis=1).sum(axis=2)
    ranked = np.where(whole, totals, -np.inf)[rows]
    position = np.arange(ranked.shape[1])
    # A word belongs to a seqlet if it covers its middle.
    middle = ((begin + end) // 2)[:, None]
    ranked = np.where((position <= middle) & (position > middle - k), ranked, -np.inf)
    starts = ranked.argmax(axis=1)
    weights = ranked[np.arange(len(rows)), starts]
    there = np.isfinite(weights)
    return rows[there], starts[there], weights[there]
