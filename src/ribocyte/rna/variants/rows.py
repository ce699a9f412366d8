"""VCF and BCF, read row by row as text: what is not ours to change goes out as it came in, letter by letter."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ribocyte.errors import DataError
from ribocyte.extras import need
from ribocyte.files import open_unpacked
from ribocyte.rna.genome import quiet_htslib

LAST = 2**31 - 1
"""Largest position: it has 32 bits in BCF and in indices."""
COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_EXPECTED = "a VCF or BCF file, bgzipped or not"


@dataclass(frozen=True)
class Row:
    """A row of a VCF.

    Parameters
    ----------
    contig : str
    position : int
        From 1; 0 is the telomere before the contig.
    name : str
        The ID column.
    reference : str
    alternatives : tuple of str
        One or more; ``.`` where the row has none.
    quality, filters, info : str
        Columns as they are.
    rest : str
        FORMAT and samples as they are, with the tab in front; empty where there are none.
    """

    contig: str
    position: int
    name: str
    reference: str
    alternatives: tuple[str, ...]
    quality: str
    filters: str
    info: str
    rest: str


@contextlib.contextmanager
def open_rows(path: Path | str) -> Iterator[tuple[list[str], Iterator[Row]]]:
    """Open a VCF, plain, gzipped or bgzipped, or a BCF; its content decides which it is.

    Yields
    ------
    header : list of str
        Lines as they are; the last is that of the columns.
    rows : iterator of Row
        In the order of the file, in flat memory.

    Raises
    ------
    DataError
        If the file cannot be read or is no VCF; at any time while it is read, if it is damaged, cut short, or a
        row is none. Names the file and the line.
    """
    path = Path(path)
    _refuse_empty(path)
    with open_unpacked(path) as stream:
        beginning = stream.peek(5)[:5]
        if beginning[:3] != b"BCF":
            lines = (line.decode("utf-8", "surrogateescape") for line in stream)
            header, number = _read_header(path, lines)
            yield header, _read_rows(path, lines, number, header[-1].count("\t") + 1)
            return
    with _open_bcf(path) as (header, records):
        yield header, _read_rows(path, records, len(header), header[-1].count("\t") + 1)


def _refuse_empty(path: Path) -> None:
    if path.is_file() and not path.stat().st_size:
        raise DataError(f"{path}: empty", expected=_EXPECTED)


def _read_header(path: Path, lines: Iterator[str]) -> tuple[list[str], int]:
    """Read up to the line of the columns; give the header's lines and how many were read."""
    header: list[str] = []
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r\n")
        if number == 1 and not line.startswith("##fileformat=VCF"):
            raise DataError(f"{path}: no VCF: it begins with {line[:30]!r}", expected=_EXPECTED)
        if line.startswith("##"):
            header.append(line)
            continue
        columns = tuple(line.split("\t"))
        if columns[:8] != COLUMNS or len(columns) == 9:
            raise DataError(
                f"{path}: line {number}: {line[:40]!r} where the columns are named",
                expected="\\t".join(COLUMNS) + ", then none or FORMAT and samples",
            )
        return [*header, line], number
    raise DataError(f"{path}: ends within its header", expected="a line that begins with #CHROM")


def _read_rows(path: Path, lines: Iterator[str], before: int, columns: int) -> Iterator[Row]:
    for number, raw in enumerate(lines, before + 1):
        line = raw.rstrip("\r\n")
        if line:
            yield _read_row(path, number, line, columns)


def _read_row(path: Path, number: int, line: str, columns: int) -> Row:
    if line.count("\t") + 1 != columns:
        raise DataError(
            f"{path}: line {number} has {line.count(chr(9)) + 1} columns",
            expected=f"{columns}, separated by tabs, as in the header",
        )
    contig, position, name, reference, alternatives, quality, filters, info, *rest = line.split("\t", 8)
    digits = position.isascii() and position.isdecimal()
    counted = digits and len(position) <= len(str(LAST)) and int(position) <= LAST
    if not (counted and contig and reference):
        raise DataError(
            f"{path}: line {number}: {contig!r}, {position!r}, …, {reference[:20]!r}",
            expected="a contig, a position counted from 1, and the reference's letters",
        )
    alleles = tuple(alternatives.split(","))
    tail = f"\t{rest[0]}" if rest else ""
    return Row(contig, int(position), name, reference, alleles, quality, filters, info, tail)


@contextlib.contextmanager
def _open_bcf(path: Path) -> Iterator[tuple[list[str], Iterator[str]]]:
    pysam = need("pysam", "bio", "reading BCF")
    with quiet_htslib(pysam), contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(pysam.VariantFile(str(path)))
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error
        yield str(file.header).splitlines(), _spell_bcf(path, file)


def _spell_bcf(path: Path, file: Iterator[object]) -> Iterator[str]:
    try:
        for record in file:
            yield str(record)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: damaged or cut short: {error}", expected="a whole BCF file")
