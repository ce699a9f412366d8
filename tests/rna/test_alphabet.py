from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ribocyte.errors import DataError
from ribocyte.rna.alphabet import LETTERS, PADDING, UNKNOWN, letters, one_hot, tokens

RNA = st.text("ACGUN", min_size=1, max_size=60)


@given(st.lists(RNA, max_size=12), st.integers(0, 5))
def test_letters_undo_tokens(sequences: list[str], room: int) -> None:
    width = max(map(len, sequences), default=0) + room
    rows = tokens(sequences, width)
    assert rows.shape == (len(sequences), width)
    assert rows.dtype == torch.uint8
    assert letters(rows) == sequences


@given(st.lists(st.text("ACGUTNacgutn", min_size=1, max_size=40), min_size=1, max_size=8))
def test_case_does_not_matter_and_t_is_u(sequences: list[str]) -> None:
    assert letters(tokens(sequences)) == [rna.upper().replace("T", "U") for rna in sequences]


@given(st.lists(RNA, min_size=1, max_size=8))
def test_one_hot_is_letter_by_letter(sequences: list[str]) -> None:
    columns = {letter: [float(letter == base) for base in LETTERS] for letter in LETTERS}
    columns |= {"N": [0.25] * 4, "-": [0.0] * 4}
    width = max(map(len, sequences))
    expected = torch.tensor([[columns[letter] for letter in rna.ljust(width, "-")] for rna in sequences])
    hot = one_hot(tokens(sequences))
    assert hot.dtype == torch.float32
    torch.testing.assert_close(hot, expected.transpose(1, 2), rtol=0, atol=0)


def test_tokens_are_what_they_say() -> None:
    assert tokens(["ACGUN"], 7).tolist() == [[0, 1, 2, 3, UNKNOWN, PADDING, PADDING]]
    assert tokens([], 41).shape == (0, 41)
    assert letters(tokens([])) == []


@given(
    st.lists(RNA, max_size=5),
    st.text("ACGU", max_size=9),
    st.characters(codec="utf-8").filter(lambda c: c not in "ACGUTNacgutn"),
)
def test_another_letter_is_named_with_its_place(before: list[str], start: str, strange: str) -> None:
    with pytest.raises(DataError) as caught:
        tokens([*before, start + strange + "ACG", "A"])
    assert f"sequence {len(before) + 1} has {strange!r} at position {len(start) + 1};" in str(caught.value)


@pytest.mark.parametrize("sequences", [["ACG", "AC\0"], ["\0"], ["A\0C", "ACGU"], ["ACGU", "ACé"]])
def test_what_pads_rows_is_no_letter(sequences: list[str]) -> None:
    with pytest.raises(DataError, match="at position"):
        tokens(sequences, 6)


def test_protein_is_recognised() -> None:
    with pytest.raises(DataError, match="a protein, perhaps"):
        tokens(["MNCEREQLRGNQEAAAAPDTMAQPYASAQFAPPQ"])


def test_empty_and_long_sequences_are_refused() -> None:
    with pytest.raises(DataError, match="sequence 2 is empty"):
        tokens(["A", "", "C"])
    with pytest.raises(DataError, match="sequence 2 has 5 nt; expected at most 4"):
        tokens(["ACGU", "ACGUA"], 4)
