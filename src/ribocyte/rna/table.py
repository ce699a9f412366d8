"""The RNAcompete table: a few of its many columns, read in flat memory, and kept for an immediate second time.

The official table is 600 MB of text with 247 columns, of which a run needs four. Those are cut out of it
(`ribocyte.rna.columns`) and parsed by polars. What was read is kept in the user's cache directory, as the numbers
that a run needs, one file for the probes and one for each experiment, under a name made of the table's path, size
and time of change: a table that changes is read anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import mmap
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import polars as pl

from ribocyte.errors import DataError, DiskError, nearest
from ribocyte.files import atomic_write, cache_directory, open_unpacked
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.columns import LONGEST_LINE, cut_columns
from ribocyte.rna.protocols import Booleans, Floats, Integers

PROBE_COLUMNS = ("Probe_Set", "Probe_ID", "RNA_Seq")
SETS = ("SetA", "SetB")
FIRST_ROW = "First_Row"
"""Column added to the probes: the row number, from 0, where this probe's sequence first occurs."""

STRANGE = "[^ACGUN]"
SLICE = 1 << 15
"""Rows that are Python's texts at the same time."""
MISSING = ["NaN", "nan", "NA", ""]
"""What a spot that failed is written as."""


Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Table:
    """The probes and some experiments, row by row in the file's order.

    Parameters
    ----------
    is_test : bool array, shape (N,)
        True for Set B.
    names : str array, shape (N,)
        The Probe_IDs.
    rna : uint8 array, shape (N, L)
        Tokens as `ribocyte.rna.alphabet.tokens` gives them; L is the longest probe's length.
    first_row : int64 array, shape (N,)
        The row, from 0, where a probe's sequence first occurs.
    intensities : mapping of float64 arrays, shape (N,)
        Each experiment's, NaN where the spot failed.
    """

    is_test: Booleans
    names: np.ndarray[Any, np.dtype[np.str_]]
    rna: np.ndarray[Any, np.dtype[np.uint8]]
    first_row: Integers
    intensities: Mapping[str, Floats]


def read_table(path: Path, experiments: Sequence[str]) -> Table:
    """Read the probes and some experiments, from the cache where it has them.

    Parameters
    ----------
    path : Path
        A tab-separated table with a header, plain or gzipped.
    experiments : sequence of str
        Columns of intensities; must be in the header.

    Raises
    ------
    DataError
        If the file cannot be read, is damaged, or holds what no such table can hold; names the row.
    """
    cache = _Cache.of(path)
    probes = cache.read("probes", 4)
    kept = {name: cache.read(_experiment_file(name), 1) for name in experiments}
    missing = [name for name, column in kept.items() if column is None]
    if probes is None or missing:
        fresh = pl.concat(list(stream_table(path, missing)))
        probes = _compact(check_probes(path, fresh.select(PROBE_COLUMNS)))
        cache.write("probes", probes)
        for name in missing:
            column = kept[name] = [fresh[name].to_numpy()]
            cache.write(_experiment_file(name), column)
    is_test, names, rna, first_row = probes
    intensities = {name: column[0] for name, column in kept.items() if column is not None}
    return Table(is_test, _as_text(names), rna, first_row.astype(np.int64), intensities)


def read_header(path: Path) -> tuple[str, ...]:
    """Read the names of a table's columns.

    Raises
    ------
    DataError
        If the file is empty or no such table, lacks one of the probes' columns, or names a column twice.
    """
    with open_unpacked(path) as stream:
        line = stream.readline(LONGEST_LINE)
    if not line.strip():
        raise DataError(f"{path}: empty", expected="a header and a row for each probe", mend="fetch it again")
    if b"\0" in line or len(line) == LONGEST_LINE:
        raise DataError(f"{path}: binary, no table of text", expected="norm_data.txt or norm_data.txt.gz")
    names = tuple(line.decode("utf-8-sig", "replace").rstrip("\r\n").split("\t"))
    for wanted in PROBE_COLUMNS:
        if wanted not in names:
            near = nearest(wanted, names, 1)
            raise DataError(
                f"{path}: no column {wanted!r} in the header",
                expected=f"tab-separated columns {', '.join(PROBE_COLUMNS)}, then one for each experiment",
                mend=f"the nearest column is {near[0]!r}: is that the one to rename?" if near else "",
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"{path}: column {twice!r} is there {names.count(twice)} times", expected="every column once"
        )
    return names


def stream_table(path: Path, experiments: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Read the probes' columns and some experiments a block of rows at a time, past the cache.

    Returns
    -------
    iterator of DataFrame
        The probes' columns as they are written, each experiment as Float64; in the file's order.

    Raises
    ------
    DataError
        If the file is damaged, a line has too few or too many columns, or an intensity is no number.
    """
    names = read_header(path)
    wanted = (*PROBE_COLUMNS, *experiments)
    columns = sorted(map(names.index, wanted))
    rows = 0
    with open_unpacked(path) as stream:
        stream.readline(LONGEST_LINE)
        for cells in cut_columns(path, stream, len(names), columns):
            text = _parse_cells(path, cells, [names[column] for column in columns], rows).select(wanted)
            yield _as_numbers(path, text, experiments, rows)
            rows += text.height
    if not rows:
        raise DataError(
            f"{path}: a header and no rows", expected="a row for each probe", mend="fetch it again"
        )


def check_probes(path: Path, probes: pl.DataFrame) -> pl.DataFrame:
    """Check and tidy the probes' columns: known sets, upper-case RNA, repeats found.

    Returns
    -------
    DataFrame
        The same rows with RNA in capitals, U for T, and the column ``First_Row``.

    Raises
    ------
    DataError
        For the first row with another set, without a name, or with another letter; or a set without rows.
    """
    rna = probes["RNA_Seq"]
    plain = not rna.str.contains(STRANGE).any()
    if not plain:
        rna = rna.str.to_uppercase().str.replace_all("T", "U", literal=True)
    sets = probes["Probe_Set"]
    _refuse_row(path, sets, sets.is_in(SETS).fill_null(False), "Probe_Set", "SetA or SetB")
    _refuse_row(
        path, probes["Probe_ID"], probes["Probe_ID"].is_not_null(), "Probe_ID", "a name for every probe"
    )
    _refuse_row(path, rna, rna.is_not_null(), "RNA_Seq", "a sequence")
    if not plain:
        strange = rna.str.extract(f"({STRANGE})")
        _refuse_row(
            path, strange, strange.is_null(), "a letter of RNA_Seq", "the letters A, C, G, U (or T) and N"
        )
    for name in SETS:
        if name not in sets:
            raise DataError(
                f"{path}: no probe of {name}",
                expected="both halves of the array: Set A to train, Set B to test",
            )
    return probes.with_columns(rna, pl.Series(FIRST_ROW, _first_rows(rna), dtype=pl.UInt32))


def _first_rows(rna: pl.Series) -> Integers:
    """Give the row where each sequence first occurs.

    Hashes are compared in the place of sequences, which takes a quarter of the memory, and other hashes if ever two
    sequences had the same.
    """
    seed = 0
    while True:
        _, first, group = np.unique(rna.hash(seed).to_numpy(), return_index=True, return_inverse=True)
        rows: Integers = first[group]
        if (rna == rna.gather(rows)).all():
            return rows
        seed += 1


def _refuse_row(path: Path, column: pl.Series, right: pl.Series, what: str, expected: str) -> None:
    """Name the first row that is not right, counted from 1 after the header."""
    at = (~right).arg_max()
    if at is not None and not right[at]:
        raise DataError(f"{path}: row {at + 1}: {what} is {column[at]!r}", expected=expected)


def _compact(probes: pl.DataFrame) -> list[Array]:
    """Give the probes as the arrays of a `Table`, in short lists: a text of Python's takes 60 bytes and more."""
    longest = int(probes["RNA_Seq"].str.len_bytes().to_numpy().max())
    parts = [
        (_shortest(part["Probe_ID"].to_list()), tokens(part["RNA_Seq"].to_list(), longest).numpy())
        for part in probes.select("Probe_ID", "RNA_Seq").iter_slices(SLICE)
    ]
    names, rna = zip(*parts, strict=True)
    is_test = (probes["Probe_Set"] == "SetB").to_numpy()
    return [is_test, np.concatenate(names), np.concatenate(rna), probes[FIRST_ROW].to_numpy()]


def _shortest(texts: list[str]) -> Array:
    """Make an array of texts, a byte a letter where that will do, and not four."""
    try:
        return np.array(texts, dtype=np.bytes_)
    except UnicodeEncodeError:
        return np.array(texts)


def _as_text(names: Array) -> np.ndarray[Any, np.dtype[np.str_]]:
    """Undo `_shortest`; fifty times as fast as NumPy's own conversion."""
    if names.dtype.kind == "U":
        return names
    return names.view(np.uint8).astype(np.uint32).view(f"U{names.itemsize}")


def _parse_cells(path: Path, cells: bytes, names: Sequence[str], rows_before: int) -> pl.DataFrame:
    try:
        return pl.read_csv(
            cells,
            has_header=False,
            separator="\t",
            quote_char=None,
            schema=dict.fromkeys(names, pl.String),
            null_values=MISSING,
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path}: after row {rows_before}: {reason}", expected="tab-separated text"
        ) from error


def _as_numbers(path: Path, text: pl.DataFrame, experiments: Sequence[str], rows_before: int) -> pl.DataFrame:
    """Read the experiments' intensities as numbers; a failed spot is NaN."""
    numbers = text.with_columns(pl.col(experiments).cast(pl.Float64, strict=False))
    for name in experiments:
        column = numbers[name]
        if column.null_count() > text[name].null_count() or column.is_infinite().any():
            wrong = text[name].is_not_null() & (column.is_null() | column.is_infinite())
            at = wrong.arg_max() or 0
            raise DataError(
                f"{path}: row {rows_before + at + 1}: {name} is {text[name][at]!r}",
                expected="a number, or NaN where the spot failed",
            )
    return numbers.with_columns(pl.col(experiments).fill_null(float("nan")))


def _view_array(content: mmap.mmap) -> Array:
    """Give the array that `np.save` wrote where a file stands; nothing is read before it is used."""
    np.lib.format.read_magic(content)
    shape, _, kind = np.lib.format.read_array_header_1_0(content)
    array = np.frombuffer(content, kind, math.prod(shape), content.tell()).reshape(shape)
    content.seek(array.nbytes, os.SEEK_CUR)
    return array


def _experiment_file(name: str) -> str:
    return "experiment-" + quote(name, safe="")


@dataclass(frozen=True)
class _Cache:
    """Arrays of one table in the user's cache directory. It may fail at any time and is then as if not there."""

    directory: Path

    @classmethod
    def of(cls, path: Path) -> _Cache:
        try:
            state = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        identity = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}|2"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
        return cls(cache_directory() / "rnacompete" / digest)

    def read(self, name: str, count: int) -> list[Array] | None:
        """Give so many kept arrays, or None if they are missing or not exactly what was written."""
        try:
            with (self.directory / name).open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # there is none, or nothing in it
            return None
        # Arrays have no checksum of their own, and a damaged sequence would still be a sequence.
        if len(content) < 4 or zlib.crc32(memoryview(content)[:-4]) != int.from_bytes(content[-4:]):
            return None
        return [_view_array(content) for _ in range(count)]

    def write(self, name: str, arrays: Sequence[Array]) -> None:
        """Keep arrays; a disk that is full or read-only costs the next load its speed, nothing else."""
        content = io.BytesIO()
        for array in arrays:
            np.save(content, array, allow_pickle=False)
        with contextlib.suppress(DiskError), atomic_write(self.directory / name) as stream:
            stream.write(content.getbuffer())
            stream.write(zlib.crc32(content.getbuffer()).to_bytes(4))
