"""Score k-mers by the probes that hold them, as RNAcompete does, and find the strongest one in each probe.

A k-mer is a number as well as a word: its letters are the digits, A, C, G, U = 0, 1, 2, 3, the first the highest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import DataError
from ribocyte.rna.alphabet import LETTERS

Tokens = Tensor | NDArray[np.uint8]
Scores = NDArray[np.float64]
Positions = NDArray[np.int64]
TRIMMED = 0.05
"""Share of the intensities left out at either end: Ray et al. 2013 average the middle 90 %."""
LONGEST = 12
"""Nucleotides; 4**12 scores are 134 MB."""


def score_kmers(tokens: Tokens, intensities: Tensor | NDArray[Any], k: int = 7) -> Scores:
    """Score every k-mer by the intensities of the probes that hold it: RNAcompete's Z-scores.

    A k-mer's intensity is the mean over the probes that hold it, once or more, without the highest and the
    lowest 5 %; its Z-score says how many standard deviations that lies above the mean of all k-mers (Ray et al.
    2009, 2013). A few strong probes that hold it by accident therefore do not count.

    Parameters
    ----------
    tokens : Tensor or numpy array, uint8, shape (N, L)
        Probes as `ribocyte.rna.alphabet.tokens` gives them. Windows with N or padding are not counted.
    intensities : Tensor or numpy array, shape (N,)
        One experiment, on any scale; probes whose value is NaN or infinite are left out.
    k : int
        Length in nt, from 1 to 12.

    Returns
    -------
    numpy array, float64, shape (4**k,)
        In the order AA…A, AA…C, … UU…U; NaN for k-mers that no probe holds.

    Raises
    ------
    DataError
        If there is not one intensity a probe, or `k` is out of range.
    """
    rows, values = np.asarray(tokens), np.asarray(intensities, dtype=np.float64)
    if rows.ndim != 2 or values.shape != rows.shape[:1]:
        raise DataError(
            f"intensities have the shape {values.shape}, tokens {rows.shape}",
            expected="one intensity a probe",
        )
    measured = np.flatnonzero(np.isfinite(values))
    measured = measured[np.argsort(values[measured], kind="stable")]
    kmers, weakest_first = _held(windows(rows[measured], k))
    means = _trimmed_means(values[measured][weakest_first], np.bincount(kmers, minlength=4**k))
    known = means[~np.isnan(means)]
    spread = known.std() if len(known) else 0.0
    return (means - known.mean()) / spread if spread > 0 else means * 0.0


def strongest_occurrence(tokens: Tokens, scores: Scores, k: int) -> tuple[Positions, Scores]:
    """Find where each probe holds its highest-scoring k-mer.

    Parameters
    ----------
    tokens : Tensor or numpy array, uint8, shape (N, L)
        Probes; windows with N or padding are passed over.
    scores : numpy array, shape (4**k,)
        As `score_kmers` gives them; k-mers whose score is NaN are passed over.
    k : int
        Length in nt.

    Returns
    -------
    position : numpy array, int64, shape (N,)
        Where the k-mer begins, from 0; the first place where several are as good; -1 where there is none.
    score : numpy array, float64, shape (N,)
        Its score; NaN where there is none.

    Raises
    ------
    DataError
        If `scores` are not those of k-mers of this length.
    """
    found = windows(np.asarray(tokens), k)
    if scores.shape != (4**k,):
        raise DataError(f"scores have the shape {scores.shape}", expected=f"one for each {k}-mer: {(4**k,)}")
    if found.shape[1] == 0:
        return np.full(len(found), -1), np.full(len(found), np.nan)
    values = np.where(found >= 0, scores[found], np.nan)
    ranked = np.where(np.isnan(values), -np.inf, values)
    position = ranked.argmax(axis=1)
    score = values[np.arange(len(values)), position]
    # A score may be -inf itself; only NaN says that there is none.
    nothing = np.isnan(values).all(axis=1)
    return np.where(nothing, -1, position), score


def windows(rows: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
    """Give the number of the k-mer that begins at each position: (N, L - k + 1), -1 where N or padding is in it.

    Raises
    ------
    DataError
        If `k` is out of range.
    """
    if not 1 <= k <= LONGEST:
        raise DataError(f"k = {k}", expected=f"from 1 to {LONGEST}")
    count = max(rows.shape[1] - k + 1, 0)
    numbers = np.zeros((len(rows), count), dtype=np.int64)
    whole = np.ones((len(rows), count), dtype=np.bool_)
    for offset in range(k):
        letters = rows[:, offset : offset + count]
        numbers = 4 * numbers + letters
        whole &= letters < len(LETTERS)
    return np.where(whole, numbers, -1)


def name_kmer(index: int, k: int) -> str:
    """Spell a k-mer given by its number: 0 is AA…A, 4**k - 1 is UU…U."""
    return "".join(LETTERS[index >> 2 * place & 3] for place in reversed(range(k)))


def rank_kmers(scores: Scores, count: int = 10) -> pl.DataFrame:
    """List the k-mers that score highest.

    Parameters
    ----------
    scores : numpy array, shape (4**k,)
        As `score_kmers` gives them.
    count : int
        How many to list at most.

    Returns
    -------
    DataFrame
        ``kmer`` and ``z``, best first, alphabetically where they are as good; k-mers without a score left out.
    """
    k = (len(scores).bit_length() - 1) // 2
    known = np.flatnonzero(~np.isnan(scores))
    best = known[np.argsort(-scores[known], kind="stable")][:count]
    names = [name_kmer(int(index), k) for index in best]
    return pl.DataFrame({"kmer": names, "z": scores[best]}, schema={"kmer": pl.String, "z": pl.Float64})


def _held(found: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List which k-mer each row holds, every pair once, sorted by k-mer and then by row: (kmers, rows)."""
    count = max(len(found), 1)
    pairs = np.sort((found * count + np.arange(len(found))[:, None])[found >= 0])
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique takes a hundred times as long
    return pairs // count, pairs % count


def _trimmed_means(values: Scores, counts: NDArray[np.int64]) -> Scores:
    """Average consecutive groups of rising values without `TRIMMED` of each at either end; NaN for none."""
    cut = (TRIMMED * counts).astype(np.int64)
    ends = np.cumsum(counts)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    totals = sums[ends - cut] - sums[ends - counts + cut]
    left = counts - 2 * cut
    return np.where(left > 0, totals / np.maximum(left, 1), np.nan)
