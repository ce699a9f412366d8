"""RNA shuffled so that every dinucleotide is kept: what a sequence scores by its composition alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import DataError
from ribocyte.extras import need
from ribocyte.rna.alphabet import PADDING, UNKNOWN

LARGEST_SEED = 2**31
"""The shuffling library seeds with 32-bit integers."""


def dinucleotide_shuffle(tokens: Tensor, seed: int, copies: int = 1, *, alone: bool = False) -> Tensor:
    """Shuffle each sequence so that the count of every dinucleotide stays as it is.

    The first and the last nucleotide stay in their place, as they must. Padding stays at the end, and N counts as
    a letter of its own, so that a run of N stays one run but may move. A sequence that allows no other order, such
    as a homopolymer or one of three nucleotides, comes back as it was. The library draws evenly among the orders in
    which each nucleotide is left for the last time as in the sequence itself, a restriction that long ones do not feel.

    Parameters
    ----------
    tokens : Tensor, uint8, shape (N, L)
        As `ribocyte.rna.alphabet.tokens` gives them; padding on the right only.
    seed : int
        The same seed, tokens and number of copies give the same shuffles.
    copies : int
        Shuffles of each sequence, each drawn on its own.
    alone : bool
        Shuffle each sequence as if no other were given: the same one gets the same shuffles, whatever is beside it.

    Returns
    -------
    Tensor, uint8, shape (N, copies, L), on the CPU

    Raises
    ------
    DataError
        If there is padding before a nucleotide.
    RequestError
        If tangermeme is not installed.
    """
    rows = tokens.cpu().repeat_interleave(copies, dim=0)
    lengths = (rows != PADDING).sum(dim=1)
    if (rows[:, :-1] == PADDING).logical_and(rows[:, 1:] != PADDING).any():
        raise DataError("tokens: padding before a nucleotide", expected="padding on the right only")
    seeds = np.random.default_rng(seed).integers(LARGEST_SEED, size=copies if alone else len(rows))
    seeds = np.tile(seeds, len(tokens)) if alone else seeds
    shuffled = rows.clone()
    for length in np.unique(lengths.numpy()).tolist():
        if length > 3:  # of up to three nucleotides, one order only keeps the dinucleotides
            same = lengths == length
            shuffled[same, :length] = _shuffle(rows[same, :length], seeds[same.numpy()])
    return shuffled.view(len(tokens), copies, tokens.shape[1])


def _shuffle(rows: Tensor, seeds: NDArray[np.int64]) -> Tensor:
    """Shuffle sequences of one length (N, L), each once and with its own seed."""
    ersatz = need("tangermeme.ersatz", "bio", "shuffling dinucleotides")
    present = torch.arange(UNKNOWN, dtype=torch.uint8)[:, None]
    one_hot = (rows[:, None, :] == present).to(torch.int8)
    # Asked for one shuffle each, the library has none to compare it with and never refuses a dull sequence.
    drawn = ersatz.dinucleotide_shuffle(one_hot, n=1, random_state=seeds, allow_N=True)[:, 0]
    known, letter = drawn.max(dim=1)
    return torch.where(known > 0, letter, UNKNOWN).to(torch.uint8)
