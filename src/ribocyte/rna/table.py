"""The RNAcompete table: a few of its many columns, read in flat memory, and kept for an immediate second time.

The official table is 600 MB of text with 247 columns, of which a run needs four. It is read in blocks of whole
lines, each parsed by polars for the asked columns only, while the next block is read (and unpacked) ahead. What
was read is kept in the user's cache directory, one file for the probes and one for each experiment, under a name
made of the table's path, size and time of change: a table that changes is read anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl

from ribocyte.errors import DataError, DiskError, nearest
from ribocyte.files import atomic_write, cache_directory, open_unpacked

PROBE_COLUMNS = ("Probe_Set", "Probe_ID", "RNA_Seq")
SETS = ("SetA", "SetB")
FIRST_ROW = "First_Row"
"""Column added to the probes: the row number, from 0, where this probe's sequence first occurs."""

BLOCK = 4 << 20
"""Bytes of text at a time. Measured on the full size: 8 MB read a tenth faster and take 15 MB more."""
LONGEST_LINE = 1 << 20
MISSING = ["NaN", "nan", "NA", ""]
"""What a spot that failed is written as."""


def read_table(path: Path, experiments: Sequence[str]) -> pl.DataFrame:
    """Read the probes and some experiments, from the cache where it has them.

    Parameters
    ----------
    path : Path
        A tab-separated table with a header, plain or gzipped.
    experiments : sequence of str
        Columns of intensities; must be in the header.

    Returns
    -------
    DataFrame, one row per probe in the file's order
        ``Probe_Set`` (SetA, SetB), ``Probe_ID``, ``RNA_Seq`` (upper case, U for T; letters A, C, G, U, N),
        ``First_Row`` (UInt32, where the sequence first occurs), and each experiment as Float64, NaN where the
        spot failed.

    Raises
    ------
    DataError
        If the file cannot be read, is damaged, or holds what no such table can hold; names the row.
    """
    cache = _Cache.of(path)
    probes, kept = cache.read("probes"), {name: cache.read(_experiment_file(name)) for name in experiments}
    missing = [name for name, column in kept.items() if column is None]
    if probes is None or missing:
        fresh = pl.concat(list(stream_table(path, missing))).rechunk()
        probes = check_probes(path, fresh.select(PROBE_COLUMNS))
        cache.write("probes", probes)
        for name in missing:
            kept[name] = fresh.select(name)
            cache.write(_experiment_file(name), fresh.select(name))
    return pl.concat([probes, *(column for column in kept.values() if column is not None)], how="horizontal")


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
    rows = 0
    with open_unpacked(path) as stream:
        stream.readline(LONGEST_LINE)
        for block in _whole_lines(path, stream):
            _check_widths(path, block, len(names), rows)
            text = _parse_block(path, block, names, (*PROBE_COLUMNS, *experiments), rows)
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
    rna = probes["RNA_Seq"].str.to_uppercase().str.replace_all("T", "U", literal=True)
    sets = probes["Probe_Set"]
    _refuse_row(path, sets, sets.is_in(SETS).fill_null(False), "Probe_Set", "SetA or SetB")
    _refuse_row(
        path, probes["Probe_ID"], probes["Probe_ID"].is_not_null(), "Probe_ID", "a name for every probe"
    )
    _refuse_row(path, rna, rna.is_not_null(), "RNA_Seq", "a sequence")
    strange = rna.str.extract("([^ACGUN])")
    _refuse_row(
        path, strange, strange.is_null(), "a letter of RNA_Seq", "the letters A, C, G, U (or T) and N"
    )
    for name in SETS:
        if name not in sets:
            raise DataError(
                f"{path}: no probe of {name}",
                expected="both halves of the array: Set A to train, Set B to test",
            )
    numbered = probes.with_columns(rna, pl.int_range(pl.len(), dtype=pl.UInt32).alias(FIRST_ROW))
    return numbered.with_columns(pl.col(FIRST_ROW).min().over("RNA_Seq"))


def _refuse_row(path: Path, column: pl.Series, right: pl.Series, what: str, expected: str) -> None:
    """Name the first row that is not right, counted from 1 after the header."""
    at = (~right).arg_max()
    if at is not None and not right[at]:
        raise DataError(f"{path}: row {at + 1}: {what} is {column[at]!r}", expected=expected)


def _whole_lines(path: Path, stream: io.BufferedIOBase) -> Iterator[bytes]:
    """Cut a stream into blocks of whole lines, without the last line's end, reading one block ahead."""
    rest = b""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(stream.read, BLOCK)
        while block := coming.result():
            coming = reader.submit(stream.read, BLOCK)
            end = block.rfind(b"\n") + 1
            if end:
                if lines := (rest + block[: end - 1]).rstrip(b"\r\n"):
                    yield lines
                rest = block[end:]
            elif len(rest) > LONGEST_LINE:
                raise DataError(f"{path}: a line of more than {len(rest)} bytes", expected="lines of text")
            else:
                rest += block
    if rest := rest.rstrip(b"\r\n"):
        yield rest


def _check_widths(path: Path, block: bytes, columns: int, rows_before: int) -> None:
    """Refuse lines of another width, which a parser would fill up with missing values."""
    text = np.frombuffer(block, dtype=np.uint8)
    lines = np.count_nonzero(text == ord("\n")) + 1
    if np.count_nonzero(text == ord("\t")) == lines * (columns - 1) and b"\0" not in block:
        return
    for number, line in enumerate(block.split(b"\n"), rows_before + 1):
        width = line.count(b"\t") + 1
        if width != columns:
            raise DataError(
                f"{path}: row {number} has {width} columns",
                expected=f"{columns}, as in the header",
                mend="was the file cut short? fetch or copy it again",
            )
        if b"\0" in line:
            raise DataError(f"{path}: row {number} holds binary data", expected="text")


def _parse_block(
    path: Path, block: bytes, names: Sequence[str], wanted: Sequence[str], rows_before: int
) -> pl.DataFrame:
    try:
        return pl.read_csv(
            block,
            has_header=False,
            separator="\t",
            quote_char=None,
            schema=dict.fromkeys(names, pl.String),
            columns=sorted(map(names.index, wanted)),
            null_values=MISSING,
        ).select(wanted)
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


def _experiment_file(name: str) -> str:
    return "experiment-" + quote(name, safe="")


@dataclass(frozen=True)
class _Cache:
    """Columns of one table in the user's cache directory. It may fail at any time and is then as if not there."""

    directory: Path

    @classmethod
    def of(cls, path: Path) -> _Cache:
        try:
            state = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        identity = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}|1"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
        return cls(cache_directory() / "rnacompete" / digest)

    def read(self, name: str) -> pl.DataFrame | None:
        """Give a kept frame, or None if it is missing or not exactly what was written."""
        try:
            content = (self.directory / name).read_bytes()
        except OSError:
            return None
        checksum, frame = content[:4], content[4:]
        # Arrow has no checksum of its own, and a damaged sequence would still be a sequence.
        if len(checksum) < 4 or zlib.crc32(frame) != int.from_bytes(checksum):
            return None
        return pl.read_ipc(io.BytesIO(frame))

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Keep a frame; a disk that is full or read-only costs the next load its speed, nothing else."""
        content = io.BytesIO()
        frame.write_ipc(content)
        with contextlib.suppress(DiskError), atomic_write(self.directory / name) as stream:
            stream.write(zlib.crc32(content.getvalue()).to_bytes(4) + content.getvalue())
