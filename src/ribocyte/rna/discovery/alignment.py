"""Put words that say the same side by side: around the strongest of them, without gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.uint8]
Positions = NDArray[np.int64]

SHIFT = 2
"""A word may begin so many positions before or after the one it is aligned to."""
MISMATCHES = 1
"""Letters in which aligned words may differ where they overlap."""


@dataclass(frozen=True, eq=False)
class Group:
    """Words that were aligned to the first of them.

    Parameters
    ----------
    members : numpy array, int64, shape (M,)
        Rows of the words, the seed first, then as they were given.
    offsets : numpy array, int64, shape (M,)
        Where each begins relative to the seed, from `-SHIFT` to `SHIFT`.
    """

    members: Positions
    offsets: Positions


def group_words(words: Codes) -> list[Group]:
    """Align words to the strongest, those left over to the strongest of them, and so on.

    A word joins the seed at the offset with the fewest mismatches, the smallest offset where several are as good,
    if these are no more than `MISMATCHES`. A word that several seeds could take goes to the strongest.

    Parameters
    ----------
    words : numpy array, uint8, shape (N, k)
        Letters as tokens, the strongest word first.

    Returns
    -------
    list of Group
        In the order of their seeds.
    """
    left = np.arange(len(words))
    found = []
    while len(left):
        mismatches, offsets = align_to(words[left[0]], words[left])
        joins = mismatches <= MISMATCHES
        found.append(Group(left[joins], offsets[joins]))
        left = left[~joins]
    return found


def align_to(seed: Codes, words: Codes) -> tuple[Positions, Positions]:
    """Find where each word fits a seed best.

    Parameters
    ----------
    seed : numpy array, uint8, shape (k,)
        What to align to.
    words : numpy array, uint8, shape (N, k)
        What to align.

    Returns
    -------
    mismatches : numpy array, int64, shape (N,)
        Letters that differ where seed and word overlap.
    offsets : numpy array, int64, shape (N,)
        Where the word begins relative to the seed.
    """
    width = len(seed)
    reach = min(SHIFT, width - 1)
    offsets = np.array(sorted(range(-reach, reach + 1), key=abs))
    mismatches = np.stack(
        [
            (
                words[:, max(-offset, 0) : width - max(offset, 0)]
                != seed[max(offset, 0) : width + min(offset, 0)]
            ).sum(axis=1)
            for offset in offsets
        ],
        axis=1,
    )
    best = mismatches.argmin(axis=1)  # the first of several: the smallest shift
    return mismatches[np.arange(len(words)), best], offsets[best]


def lay_out(words: Codes, offsets: Positions, blank: int) -> Codes:
    """Write words (N, k) at their offsets into rows (N, k + 2 * SHIFT), `blank` where they do not reach."""
    width = words.shape[1]
    rows = np.full((len(words), width + 2 * SHIFT), blank, dtype=np.uint8)
    columns = offsets[:, None] + SHIFT + np.arange(width)
    np.put_along_axis(rows, columns, words, axis=1)
    return rows


def cut_out(rows: Codes, starts: Positions, width: int, blank: int) -> Codes:
    """Cut a window of `width` out of each row (N, L), `blank` where it reaches beyond either end."""
    columns = starts[:, None] + np.arange(width)
    inside = (columns >= 0) & (columns < rows.shape[1])
    windows = np.take_along_axis(rows, np.where(inside, columns, 0), axis=1)
    return np.where(inside, windows, np.uint8(blank))
