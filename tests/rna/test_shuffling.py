"""Shuffles keep every dinucleotide, the ends and the padding, and are as random as the sequence allows."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ribocyte.errors import DataError
from ribocyte.rna.alphabet import PADDING, letters, tokens
from ribocyte.rna.shuffling import dinucleotide_shuffle

RNA = st.text("ACGUN", min_size=1, max_size=40)


@given(st.lists(RNA, min_size=1, max_size=5), st.integers(0, 2**40), st.integers(1, 3))
def test_every_dinucleotide_both_ends_and_the_padding_are_kept(
    rna: list[str], seed: int, copies: int
) -> None:
    padded = tokens(rna, 42)
    shuffled = dinucleotide_shuffle(padded, seed, copies)
    assert shuffled.shape == (len(rna), copies, 42)
    assert shuffled.dtype == torch.uint8
    assert torch.equal(shuffled == PADDING, (padded == PADDING)[:, None].expand_as(shuffled))
    for original, shuffles in zip(rna, shuffled, strict=True):
        for one in letters(shuffles):
            assert Counter(pairwise(one)) == Counter(pairwise(original))
            assert (one[0], one[-1]) == (original[0], original[-1])


@given(st.lists(RNA, min_size=1, max_size=5), st.integers(0, 100))
def test_a_seed_gives_the_same_shuffles_whatever_the_padding(rna: list[str], seed: int) -> None:
    short = dinucleotide_shuffle(tokens(rna, 41), seed, 2)
    wide = dinucleotide_shuffle(tokens(rna, 60), seed, 2)
    assert torch.equal(short, wide[:, :, :41])


@pytest.mark.parametrize("rna", ["A", "AC", "ACG", "AAAAAAAA", "NNNNNNNN", "ACACACAC"])
def test_what_allows_one_order_only_comes_back_as_it_was(rna: str) -> None:
    assert letters(dinucleotide_shuffle(tokens([rna]), 0, 3)[0]) == [rna] * 3


def test_copies_and_equal_sequences_differ() -> None:
    rna = "ACGUGCAUUAGCCGAUUAGCAUCGGAUCUAGGCAUCAUCAGCAU"
    shuffled = letters(dinucleotide_shuffle(tokens([rna, rna]), 3, 20).flatten(0, 1))
    assert len(set(shuffled)) == 40
    assert letters(dinucleotide_shuffle(tokens([rna]), 4, 1)[0]) != [rna]


def test_alone_a_sequence_is_shuffled_alike_whatever_is_beside_it() -> None:
    rna = tokens(["ACGUACGGAUUACAGAUUCGA", "GGAUUGACGAUACG", "ACGUACGGAUUACAGAUUCGA"])
    first, second, again = dinucleotide_shuffle(rna, 3, 4, alone=True)
    assert torch.equal(first, again)
    assert torch.equal(second, dinucleotide_shuffle(rna[1:2], 3, 4, alone=True)[0])
    assert len(set(letters(first))) == 4


def test_orders_are_drawn_evenly() -> None:
    """Three loops around A: the last exit, to U, stays, and the two others come in either order."""
    shuffled = Counter(letters(dinucleotide_shuffle(tokens(["ACAGAUA"]), 0, 3000)[0]))
    assert set(shuffled) == {"ACAGAUA", "AGACAUA"}
    assert abs(shuffled["ACAGAUA"] - 1500) < 4 * (3000 / 4) ** 0.5


def test_no_sequence_gives_no_shuffle() -> None:
    assert dinucleotide_shuffle(torch.empty(0, 41, dtype=torch.uint8), 0, 5).shape == (0, 5, 41)


def test_padding_inside_is_refused() -> None:
    with pytest.raises(DataError, match="padding before a nucleotide"):
        dinucleotide_shuffle(torch.tensor([[0, PADDING, 1, 2]], dtype=torch.uint8), 0)
