"""How open RNA is: the chance that each nucleotide is unpaired, folded in windows as RNAplfold folds it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ribocyte.errors import RequestError
from ribocyte.extras import need

WINDOW = 80
"""Nucleotides folded together. With `SPAN` the setting of RNAplfold that told accessible targets of siRNAs best
(Tafer et al. 2008)."""
SPAN = 40
"""Nucleotides between two that pair, at most."""
SMALLEST = 5
"""Nucleotides of the smallest hairpin: two that pair, and three between them."""
PORTION = 4000
"""Nucleotides folded in one call, beside their surroundings."""


def unpaired(rna: str, window: int = WINDOW, span: int = SPAN) -> NDArray[np.float64]:
    """Give the probability that each nucleotide is unpaired.

    The mean over all windows of `window` nt that hold the nucleotide, each folded at 37 °C (RNAplfold: Bernhart et
    al. 2006). What lies further than `window` away has no influence, so RNA of any length is folded in
    portions, with the same result; a portion takes about 0.2 ms a nucleotide.

    Parameters
    ----------
    rna : str
        Letters A, C, G, U, N; N pairs with nothing.
    window : int
        Nucleotides folded together.
    span : int
        How far apart two that pair may be, at most; `window` or less.

    Returns
    -------
    numpy array, shape (len(rna),), float64

    Raises
    ------
    RequestError
        If the windows are impossible, or ViennaRNA is not installed.
    """
    if not SMALLEST <= span <= window:
        raise RequestError(
            f"window = {window}, span = {span}: no hairpin fits", expected=f"{SMALLEST} ≤ span ≤ window"
        )
    portions = [
        _fold(rna, start, min(start + PORTION, len(rna)), window, span)
        for start in range(0, len(rna), PORTION)
    ]
    return np.concatenate([np.empty(0), *portions])


def _fold(rna: str, start: int, end: int, window: int, span: int) -> NDArray[np.float64]:
    """Fold one portion of RNA within its surroundings."""
    low = max(start - window, 0)
    around = rna[low : end + window]
    if len(around) < SMALLEST:  # ViennaRNA writes beyond its memory there
        return np.ones(end - start)
    vienna = need("RNA", "bio", "folding RNA")
    rows = vienna.pfl_fold_up(around, 1, window, span)
    probabilities = np.array([row[1] for row in rows[1:]])  # row and column 0 are not used
    return probabilities[start - low : end - low].clip(0.0, 1.0)
