"""Unpaired probabilities: a hairpin, ViennaRNA's exact folding, a brute force over windows, and any length."""

from __future__ import annotations

import random

import numpy as np
import pytest
import RNA
from numpy.typing import NDArray

from ribocyte.errors import RequestError
from ribocyte.rna import accessibility
from ribocyte.rna.accessibility import unpaired

HAIRPIN = "GGGGGGAAAACCCCCC"


def draw_rna(count: int, seed: int = 0) -> str:
    return "".join(random.Random(seed).choices("ACGU", k=count))


def fold_whole(rna: str, span: int) -> NDArray[np.float64]:
    """Fold RNA in one piece: one minus the probabilities of all pairs of a nucleotide."""
    model = RNA.md()
    model.max_bp_span = span
    compound = RNA.fold_compound(rna, model)
    compound.pf()
    pairs = np.array(compound.bpp())[1:, 1:]
    return np.asarray(1 - pairs.sum(axis=0) - pairs.sum(axis=1))


def test_the_stem_of_a_hairpin_is_closed_and_its_loop_open() -> None:
    found = unpaired(HAIRPIN)
    assert (found[6:10] > 0.99).all()
    assert (found[[1, 2, 3, 4, 11, 12, 13, 14]] < 0.05).all()


@pytest.mark.parametrize("count", [5, 12, 40, 79, 80])
def test_rna_that_fits_a_window_is_folded_exactly(count: int) -> None:
    rna = draw_rna(count, count)
    np.testing.assert_allclose(unpaired(rna), fold_whole(rna, 40), atol=1e-4)


def test_longer_rna_is_the_mean_over_all_windows() -> None:
    """Folded one by one, windows lack the neighbours that may stack on their ends: hence the tolerance."""
    rna, window, span = draw_rna(60, 3), 30, 20
    total, count = np.zeros(60), np.zeros(60)
    for start in range(60 - window + 1):
        total[start : start + window] += fold_whole(rna[start : start + window], span)
        count[start : start + window] += 1
    found, expected = unpaired(rna, window, span), total / count
    assert np.abs(found - expected).max() < 0.1
    assert np.corrcoef(found, expected)[0, 1] > 0.99


def test_portions_are_folded_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rna = draw_rna(500, 1)
    whole = unpaired(rna)
    monkeypatch.setattr(accessibility, "PORTION", 130)
    np.testing.assert_allclose(unpaired(rna), whole, atol=1e-5)
    # What lies more than a window away has no influence: so a site is folded with its surroundings only.
    np.testing.assert_allclose(unpaired(rna[120:400])[80:-80], whole[200:320], atol=1e-5)


@pytest.mark.parametrize("rna", ["", "A", "GC", "GCAU", "NNNNNNNN", "AAAAAAAAAA"])
def test_what_cannot_pair_is_open(rna: str) -> None:
    np.testing.assert_allclose(unpaired(rna), np.ones(len(rna)), atol=1e-12)


@pytest.mark.parametrize(("window", "span"), [(80, 4), (30, 31), (0, 0)])
def test_impossible_windows_are_refused(window: int, span: int) -> None:
    with pytest.raises(RequestError, match="no hairpin fits"):
        unpaired(HAIRPIN, window, span)
