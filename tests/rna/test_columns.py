from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ribocyte.errors import DataError
from ribocyte.rna import columns
from ribocyte.rna.columns import cut_columns

TABLE = Path("table.txt")


def cut(text: bytes, width: int, wanted: list[int], block: int = 1 << 20) -> list[list[bytes]]:
    """Cut a text and give its cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "BLOCK", block)
        patch.setattr(columns, "PORTION", 3 * block)
        portions = list(cut_columns(TABLE, io.BufferedReader(io.BytesIO(text)), width, wanted))
    assert all(portion.endswith(b"\n") for portion in portions)
    return [line.split(b"\t") for line in b"".join(portions).split(b"\n")[:-1]]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[bytes]], list[int]]:
    """Draw a table of up to 300 columns, with empty cells and long ones, and some of its columns."""
    width = draw(st.integers(1, 300))
    cell = st.sampled_from([b"", b"1", b"NaN", b"0.25", b"\xc3\xa9", b"-12345.678901", b"A" * 150])
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=6))
    wanted = draw(st.sets(st.integers(0, width - 1), min_size=1))
    return [[b"x" + row[0], *row[1:]] for row in rows], sorted(wanted)  # no line is blank


@settings(max_examples=150)
@given(tables(), st.integers(1, 3000), st.booleans())
def test_wanted_columns_are_those_of_a_plain_split(
    table: tuple[list[list[bytes]], list[int]], block: int, ended: bool
) -> None:
    rows, wanted = table
    text = b"\n".join(b"\t".join(row) for row in rows) + b"\n" * ended
    assert cut(text, len(rows[0]), wanted, block) == [[row[at] for at in wanted] for row in rows]


@pytest.mark.parametrize("block", [5, 64, 1 << 20])
def test_windows_line_ends_stay_with_the_last_column_and_blank_lines_end_a_file(block: int) -> None:
    rows = cut(b"a\tb\tc\r\nd\te\tf\r\n\r\n\n", 3, [0, 2], block)
    assert [[cell.rstrip(b"\r") for cell in row] for row in rows] == [[b"a", b"c"], [b"d", b"f"]]
    assert cut(b"a\tb\tc\r\nd\te\tf\r\n", 3, [0], block) == [[b"a"], [b"d"]]


@pytest.mark.parametrize("block", [7, 64, 1 << 20])
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"a\tb\nc\n\td\te\n", r"table\.txt: row 2 has 1 columns; expected 2, as in the header"),
        (b"a\tb\nc\td\te\nf\n", r"row 2 has 3 columns"),  # as many tabs as there should be
        (b"a\tb\n" * 20 + b"c", r"row 21 has 1 columns"),
        (b"a\tb\n" * 20 + b"c\t\0\n", r"row 21 holds binary data"),
    ],
)
def test_lines_of_another_width_are_named(lines: bytes, said: str, block: int) -> None:
    with pytest.raises(DataError, match=said):
        cut(lines, 2, [0], block)


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(DataError, match=r"table\.txt: a line of more than \d+ bytes"):
        cut(b"a" * (columns.LONGEST_LINE + 200), 2, [0], 64)


def test_nothing_gives_nothing() -> None:
    assert cut(b"", 2, [0]) == []
    assert cut(b"\n\r\n\n", 2, [0]) == []
