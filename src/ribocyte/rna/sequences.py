"""Read RNA sequences from the files people have, one at a time: FASTA, tables, plain lines; gzipped or not.

The kind is told by the file's extension and, where that says nothing, by its first line:

========================================  =====================================================================
``.fa .fasta .fna .ffn``                  FASTA: a record's name is the first word after ``>``
``.tsv .tab .csv``                        table with a header
``.parquet``                              table
anything else, or none                    FASTA if it begins with ``>``; a table if its first line names a
                                          sequence column; else one sequence per line
========================================  =====================================================================

A table's sequences are in the column ``RNA_Seq``, ``sequence``, ``seq`` or ``rna``; its names, where there are any, in
``Probe_ID``, ``name`` or ``id``. Upper and lower case are the same in columns and in letters, and T is read as U.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from ribocyte.errors import DataError, nearest
from ribocyte.files import open_unpacked

SEQUENCE_COLUMNS = ("rna_seq", "sequence", "seq", "rna")
NAME_COLUMNS = ("probe_id", "name", "id")
FASTA = {".fa", ".fasta", ".fna", ".ffn"}
TABLES = {".tsv", ".tab", ".csv"}
PARQUET = {".parquet", ".pq"}

_CAPITAL_RNA = str.maketrans("acgutnT", "ACGUUNU")
_STRANGE = re.compile("[^ACGUN]")
_PARQUET_ROWS = 65_536

BLOCK = 1 << 20
"""Letters of FASTA read at a time."""
LARGEST_BLOCK = 16 << 20
"""Longer records, of genomes, are read line by line: fewer copies of them lie in memory."""

Lines = Iterator[tuple[int, str]]
"""Line numbers from 1, and lines without their ends."""
Record = tuple[str, str, str]
"""Where it is, its name, its letters as they are written."""


def read_sequences(source: Path | str) -> Iterator[tuple[str, str]]:
    """Read sequences one at a time, in flat memory.

    Parameters
    ----------
    source : Path or str
        A file; see the module for the kinds.

    Yields
    ------
    (str, str)
        The sequence's name (``sequence_1``, ``sequence_2``, … where the file has none), and its letters A, C, G,
        U, N, in capitals.

    Raises
    ------
    DataError
        If the file is missing, empty, damaged or binary, a table without a column of sequences, or a sequence is
        empty or has another letter; names the file and the line.
    """
    path = Path(source)
    records = _checked(path, _read_parquet(path)) if is_parquet(path) else _read_text(path)
    number = 0
    for number, (name, rna) in enumerate(records, 1):
        yield name or f"sequence_{number}", rna
    if not number:
        raise DataError(f"{path}: no sequence in it", expected="one sequence or more")


def _checked(path: Path, records: Iterator[Record]) -> Iterator[tuple[str, str]]:
    """Give names and RNA, once each proved to be RNA."""
    return ((name, check_rna(path, where, letters)) for where, name, letters in records)


def check_rna(path: Path, where: str, letters: str) -> str:
    """Write a sequence as RNA in capitals, or refuse it.

    Raises
    ------
    DataError
        If it is empty, or has a letter outside A, C, G, U, T, N; names the file and `where` in it the sequence is.
    """
    rna = letters.translate(_CAPITAL_RNA)
    if not rna:
        raise DataError(f"{path}: {where}: the sequence is empty", expected="at least one of A, C, G, U, N")
    strange = _STRANGE.search(rna)
    if strange is not None:
        raise DataError(
            f"{path}: {where}: {strange[0]!r} at position {strange.start() + 1} of the sequence",
            expected="the letters A, C, G, U (or T) and N",
            mend="a protein, perhaps?" if set(rna.upper()) & set("EFILPQ") else "",
        )
    return rna


def _read_text(path: Path) -> Iterator[tuple[str, str]]:
    with open_text(path) as stream:
        first = next(((number, line) for number, line in enumerate(stream, 1) if line.strip()), None)
        if first is None:
            raise DataError(f"{path}: empty", expected="FASTA, a table, or one sequence per line")
        number, line = first
        if _is_fasta(path, line):
            yield from _read_fasta(path, stream, number, line)
        else:
            read = _read_table if _is_table(path, line) else _read_lines
            lines = enumerate(itertools.chain([line], stream), number)
            yield from _checked(path, read(path, ((at, text.rstrip("\r\n")) for at, text in lines)))


def _is_fasta(path: Path, first: str) -> bool:
    return _extension(path) in FASTA or (_extension(path) not in TABLES and first.startswith(">"))


def _is_table(path: Path, first: str) -> bool:
    found = _extension(path) in TABLES or "\t" in first
    return found or find_column(_cells(first.rstrip("\r\n")), SEQUENCE_COLUMNS) is not None


def _read_fasta(path: Path, stream: TextIO, number: int, first: str) -> Iterator[tuple[str, str]]:
    """Read records a block at a time; where one is not plain RNA, line by line, to say what it is."""
    for block in _whole_records(stream, first):
        plain = _read_plain(block) if len(block) < LARGEST_BLOCK else None
        if plain is None:
            lines = enumerate(io.StringIO(block), number)
            yield from _checked(path, _read_records(path, ((at, line.rstrip("\n")) for at, line in lines)))
        else:
            yield from zip(*plain, strict=True)
        number += block.count("\n")


def _whole_records(stream: TextIO, begun: str) -> Iterator[str]:
    parts = [begun]
    while text := stream.read(BLOCK):
        end = text.rfind("\n>") + 1
        if end:
            yield "".join([*parts, text[:end]])
            parts = []
        parts.append(text[end:])
    yield "".join(parts)


def _read_plain(block: str) -> tuple[list[str], list[str]] | None:
    """Give names and RNA of whole records; None unless there is RNA, and nothing else, below every header.

    No tuple is made of each: Python would look through all it holds, PyTorch included, every so many of them.
    """
    records = block.removeprefix(">").split("\n>")
    ends = [record.find("\n") for record in records]
    if not block.startswith(">") or min(ends) < 0:
        return None
    letters = "\0".join([record[end:] for record, end in zip(records, ends, strict=True)])
    rna = letters.replace("\n", "").upper().replace("T", "U").split("\0")
    if not all(rna) or "".join(rna).encode().translate(None, b"ACGUN") or len(rna) != len(records):
        return None
    heads = [record[:end] for record, end in zip(records, ends, strict=True)]
    if "\n".join(heads).split() != heads:  # some are more than one word, or none
        heads = [next(iter(head.split()), "") for head in heads]
    return heads, rna


def _read_records(path: Path, lines: Lines) -> Iterator[Record]:
    name, start, parts = "", 0, list[str]()
    for number, line in lines:
        if line.startswith(">"):
            if start:
                yield _fasta_record(path, start, name, parts)
            name, start, parts = next(iter(line[1:].split()), ""), number, []
        elif line.strip() and not start:
            raise DataError(
                f"{path}: line {number}: {line[:30]!r} before any header",
                expected="FASTA, which begins with '>'",
            )
        elif line.strip():
            parts.append(line.strip())
    yield _fasta_record(path, start, name, parts)


def _fasta_record(path: Path, line: int, name: str, parts: list[str]) -> Record:
    if not parts:
        raise DataError(
            f"{path}: line {line}: record {name!r} has no sequence", expected="letters below the header"
        )
    return f"line {line}, record {name!r}", name, "".join(parts)


def _read_table(path: Path, lines: Lines) -> Iterator[Record]:
    columns, rows = split_table(path, lines)
    sequence = _sequence_column(path, columns)
    name = find_column(columns, NAME_COLUMNS)
    for number, row in rows:
        yield f"line {number}", row[name].strip() if name is not None else "", row[sequence].strip()


def split_table(path: Path, lines: Lines) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Split the lines of a table into cells, by the tab, comma or semicolon that its header has.

    Parameters
    ----------
    path : Path
        What the table is called in messages.
    lines : iterator of (int, str)
        Numbers of the lines, and the lines without their ends; the header first.

    Returns
    -------
    (list of str, iterator of (int, list of str))
        The columns; and of each row that is not blank the number of its line, and its cells.

    Raises
    ------
    DataError
        If a row has more cells than the header, or fewer; while it is read.
    """
    number, header = next(lines)
    return _cells(header), _split_rows(path, lines, number, header)


def _split_rows(path: Path, lines: Lines, number: int, header: str) -> Iterator[tuple[int, list[str]]]:
    # The reader takes lines one by one, so `place` is that of the row it gives last.
    place, width = [number], len(_cells(header))
    rows = csv.reader(_remember(lines, place), delimiter=_delimiter(header))
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != width:
                raise DataError(
                    f"{path}: line {place[0]} has {len(row)} columns",
                    expected=f"{width}, as in the header",
                )
            yield place[0], row
    except csv.Error as error:
        raise DataError(
            f"{path}: line {place[0]}: {error}", expected="a table", mend="give long sequences as FASTA"
        ) from error


def _remember(lines: Lines, place: list[int]) -> Iterator[str]:
    for number, line in lines:
        place[0] = number
        yield line


def _read_lines(path: Path, lines: Lines) -> Iterator[Record]:  # noqa: ARG001 - as the other readers
    for number, line in lines:
        if line.strip():
            yield f"line {number}", "", line.strip()


def _read_parquet(path: Path) -> Iterator[Record]:
    import polars as pl

    try:
        table = pl.scan_parquet(path)
        columns = table.collect_schema().names()
        sequence, name = _sequence_column(path, columns), find_column(columns, NAME_COLUMNS)
        names = pl.lit("") if name is None else pl.col(columns[name]).cast(pl.String).fill_null("")
        wanted = table.select(
            names.alias("name"), pl.col(columns[sequence]).cast(pl.String).fill_null("").alias("rna")
        )
        for start in itertools.count(0, _PARQUET_ROWS):
            rows = wanted.slice(start, _PARQUET_ROWS).collect()
            for number, (called, rna) in enumerate(rows.iter_rows(), start + 1):
                yield f"row {number}", called, rna.strip()
            if rows.height < _PARQUET_ROWS:
                return
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path}: damaged or no Parquet file: {reason}", expected="a whole Parquet file"
        ) from error


def _sequence_column(path: Path, columns: Sequence[str]) -> int:
    at = find_column(columns, SEQUENCE_COLUMNS)
    if at is None:
        near = [near for wanted in ("RNA_Seq", "sequence") for near in nearest(wanted, columns, 1)]
        shown = ", ".join(columns[:10]) + (", …" if len(columns) > 10 else "")
        raise DataError(
            f"{path}: no column of sequences among {shown}",
            expected="a column RNA_Seq, sequence, seq or rna",
            mend=f"rename {near[0]!r}?" if near else "",
        )
    return at


def find_column(columns: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Find the first of the wanted names, in small letters, among columns; None where none is there."""
    lower = [column.casefold() for column in columns]
    return next((lower.index(name) for name in wanted if name in lower), None)


def _cells(header: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([header], delimiter=_delimiter(header)), [])]


def _delimiter(header: str) -> str:
    return next((mark for mark in ("\t", ",", ";") if mark in header), ",")


def _extension(path: Path) -> str:
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return bare.suffix.lower()


def is_parquet(path: Path) -> bool:
    """Say whether a file is a Parquet table, by its extension or, where that says nothing, its first bytes.

    Raises
    ------
    DataError
        If it is empty or cannot be read.
    """
    if _extension(path) in PARQUET:
        _head(path)
        return True
    return _extension(path) not in FASTA | TABLES and _head(path).startswith(b"PAR1")


def _head(path: Path) -> bytes:
    """Give a file's first bytes, or say why there are none."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file", expected="a file of RNA sequences") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        raise DataError(f"{path}: empty", expected="FASTA, a table, or one sequence per line")
    return head


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a plain or gzipped text file, and say what is wrong with it in our words.

    Raises
    ------
    DataError
        If it cannot be read, is empty, binary, damaged, or not UTF-8.
    """
    _head(path)
    try:
        with open_unpacked(path) as stream:
            if b"\0" in stream.peek(8192)[:8192]:
                raise DataError(
                    f"{path}: binary", expected="FASTA, a table, or one sequence per line, as text"
                )
            with io.TextIOWrapper(stream, encoding="utf-8-sig") as text:
                yield text
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: binary, or not UTF-8: {error.reason}", expected="text") from error
