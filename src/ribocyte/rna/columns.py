"""Cut a few columns out of a wide table of text, in flat memory.

A parser of tables looks at every cell, wanted or not. Here every byte that ends a cell becomes a bit; the cells
that are wanted are found by counting bits, 64 at a time, and only they are copied: of the official table, 16 MB
out of 628.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ribocyte.errors import DataError
from ribocyte.learn.memory import keep_freed_memory

BLOCK = 2 << 20
"""Bytes of text read at a time."""
PORTION = 2 << 20
"""Bytes of what is kept that are given at a time, about."""
LONGEST_LINE = 1 << 20

Text = np.ndarray[Any, np.dtype[np.uint8]]
Words = np.ndarray[Any, np.dtype[np.uint64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]

_TAB, _NEWLINE = b"\t\n"


def cut_columns(path: Path, stream: io.BufferedIOBase, width: int, wanted: Sequence[int]) -> Iterator[bytes]:
    """Cut columns out of tab-separated lines, a portion of lines at a time.

    Parameters
    ----------
    path : Path
        What the table is called in messages.
    stream : binary file
        Stands behind the header.
    width : int
        Columns that every line has.
    wanted : sequence of int
        Numbers of the columns to keep, from 0, rising.

    Yields
    ------
    bytes
        What is left of some lines, each with its end.

    Raises
    ------
    DataError
        If a line has more columns or fewer, is too long, or holds binary data; names the row, from 1.
    """
    keep_freed_memory()  # of each block, for the next
    columns = np.array(wanted)
    apart = np.flatnonzero(np.diff(columns) > 1)  # columns beside each other are copied as one
    first, final = columns[[0, *apart + 1]], columns[[*apart, -1]]
    rows, kept, size = 0, list[bytes](), 0
    for text in _whole_lines(path, stream):
        ends, last = _find_cells(path, text, width, rows)
        kept.append(text.tobytes() if len(columns) == width else _cut(text, ends, last, first, final))
        rows, size = rows + len(last), size + len(kept[-1])
        if size >= PORTION:
            yield b"".join(kept)
            kept, size = [], 0
    if kept:
        yield b"".join(kept)


def _find_cells(path: Path, text: Text, width: int, rows: int) -> tuple[_CellEnds, Integers]:
    """Find where cells end, and give the number of each line's last; refuse lines of another width."""
    newlines = text == _NEWLINE
    ends = _CellEnds(newlines | (text == _TAB))
    last = np.arange(1, np.count_nonzero(newlines) + 1) * width - 1
    regular = len(ends) == len(last) * width and newlines[ends[last]].all()
    if not regular or text.min() == 0:
        _refuse_lines(path, text.tobytes(), width, rows)
    return ends, last


class _CellEnds:
    """Where the set bits of a mask are, found one by one: `ends[k]` is the place of the k-th, from 0.

    A place takes as long to find as 120 bytes to list, and few of them are wanted: five in a line of 2,600.
    """

    def __init__(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        packed = np.packbits(mask, bitorder="little")
        self.words = np.concatenate([packed, np.zeros(-len(packed) % 8, np.uint8)]).view(np.uint64)
        self.up_to = np.cumsum(np.bitwise_count(self.words), dtype=np.int64)

    def __len__(self) -> int:
        return int(self.up_to[-1])

    def __getitem__(self, numbers: Integers) -> Integers:
        """Find the word that holds the bit, then the half of the word, the quarter, …"""
        at = np.searchsorted(self.up_to, numbers, side="right")
        word = self.words[at]
        before = self.up_to[at] - np.bitwise_count(word)
        left, places = numbers - before, 64 * at
        for half in (32, 16, 8, 4, 2, 1):
            lower = word & np.uint64((1 << half) - 1)
            count = np.bitwise_count(lower)
            beyond = left >= count
            left = left - count * beyond
            places += half * beyond
            word = np.where(beyond, word >> np.uint64(half), lower)
        return places


def _cut(text: Text, ends: _CellEnds, last: Integers, first: Integers, final: Integers) -> bytes:
    """Copy cells `first` to `final` of each line, and others as well; what ends the last of them ends the line.

    `last` is the number of each line's last cell.
    """
    line = (last - last[0])[:, None]
    begin, stop = (line + first).ravel(), ends[(line + final).ravel()] + 1
    begin = np.where(begin == 0, 0, ends[np.maximum(begin - 1, 0)] + 1)
    length = stop - begin
    until = np.cumsum(length)
    kept = text[np.arange(until[-1]) + np.repeat(stop - until, length)]
    kept[until[len(final) - 1 :: len(final)] - 1] = _NEWLINE
    cut: bytes = kept.tobytes()
    return cut


def _whole_lines(path: Path, stream: io.BufferedIOBase) -> Iterator[Text]:
    """Cut a stream into blocks of whole lines, reading one block ahead; each is valid until the next is asked for.

    Two buffers are read into by turns, since to touch fresh memory costs more than to read. In front of what is
    read there is room for the line that the block before has begun; behind, for the end of the last line.
    """
    buffers = [bytearray(LONGEST_LINE + BLOCK + 1) for _ in range(2)]
    rest = memoryview(b"")
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(_fill, stream, buffers[0])
        while read := coming.result():
            buffer = buffers[0]
            begin, end = LONGEST_LINE - len(rest), LONGEST_LINE + read
            buffer[begin:LONGEST_LINE] = rest
            buffers.reverse()
            coming = reader.submit(_fill, stream, buffers[0])
            stop = buffer.rfind(b"\n", LONGEST_LINE, end) + 1 or begin
            rest = memoryview(buffer)[stop:end]
            if len(rest) > LONGEST_LINE:
                raise DataError(f"{path}: a line of more than {len(rest)} bytes", expected="lines of text")
            yield from _closed(buffer, begin, stop)
    yield from _closed(bytearray(rest) + b"\n", 0, len(rest))


def _fill(stream: io.BufferedIOBase, buffer: bytearray) -> int:
    return stream.readinto(memoryview(buffer)[LONGEST_LINE:-1])


def _closed(buffer: bytearray, begin: int, stop: int) -> Iterator[Text]:
    """Give a part of a buffer as lines, the last one with its end, blank ones behind it left out; or nothing."""
    while stop > begin and buffer[stop - 1] in b"\r\n":
        stop -= 1
    if stop > begin:
        buffer[stop] = _NEWLINE
        yield np.frombuffer(buffer, np.uint8)[begin : stop + 1]


def _refuse_lines(path: Path, text: bytes, width: int, rows: int) -> None:
    """Name the first line that is of another width, which a parser would fill up with missing values, or binary."""
    for number, line in enumerate(text.split(b"\n")[:-1], rows + 1):
        found = line.count(b"\t") + 1
        if found != width:
            raise DataError(
                f"{path}: row {number} has {found} columns",
                expected=f"{width}, as in the header",
                mend="was the file cut short? fetch or copy it again",
            )
        if b"\0" in line:
            raise DataError(f"{path}: row {number} holds binary data", expected="text")
