"""Targets from annotation: the intervals of a BED file, the transcripts of a GTF file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from ribocyte.errors import DataError
from ribocyte.files import open_unpacked
from ribocyte.rna.genes import Transcript
from ribocyte.rna.scan.targets import Letters, Skips, Target

UNKNOWN_CONTIG = "contig not in the FASTA"
BEYOND = "reaches beyond its contig"
EMPTY = "interval of 0 nt"


def read_bed(path: Path, letters: Letters, both: bool, skips: Skips) -> list[Target]:
    """Read the intervals of a BED file as targets.

    Columns: contig, start (from 0), end (not included) and, where they are there, a name, a score that is not
    used, and the strand: ``+``, ``-``, or ``.`` for an interval of no strand, which is scanned on both.

    Parameters
    ----------
    path : Path
        BED3 to BED12, gzipped or not; columns from the seventh on are not used. Lines ``#``, ``track`` and
        ``browser`` are passed over.
    letters : Letters
        What the contigs are; ``chr1`` is found where they say ``1``.
    both : bool
        Scan both strands, whatever the file says. An interval without a strand column is ``+`` otherwise.
    skips : Skips
        Told of intervals of 0 nt, beyond the end of their contig, or on a contig that is not there.

    Raises
    ------
    DataError
        For a line with too few columns, or no numbers, or another strand; names the line.
    """
    found = list[Target]()
    for where, columns in _bed_rows(path):
        start, end = _interval(where, columns)
        given = columns[5] if len(columns) > 5 else "+"
        if given not in ("+", "-", "."):
            raise DataError(f"{where}: strand {given!r} in column 6", expected="+, - or .")
        contig, called = letters.find(columns[0]), f"{columns[0]}:{start + 1}-{end}"
        reason = _reason_to_skip(letters, contig, start, end)
        if reason or contig is None:
            skips.add(reason, called)
            continue
        name = columns[3] if len(columns) > 3 and columns[3] not in ("", ".") else called
        strands = "+-" if both or given == "." else given
        found += [Target(name, contig, strand, ((start, end),)) for strand in strands]
    if not found and not skips.counts:
        raise DataError(f"{path}: no interval in it", expected="one line or more of BED")
    return found


def transcript_targets(transcripts: Iterable[Transcript], letters: Letters, skips: Skips) -> list[Target]:
    """Give spliced transcripts as targets; those on unknown contigs, or beyond their ends, are skipped."""
    found = list[Target]()
    for one in transcripts:
        contig = letters.find(one.contig)
        reason = _reason_to_skip(letters, contig, one.exons[0][0], one.exons[-1][1])
        if reason or contig is None:
            skips.add(reason, f"{one.name} on {one.contig}")
        else:
            found.append(Target(one.name, contig, one.strand, one.exons, one.gene))
    return found


def _reason_to_skip(letters: Letters, contig: str | None, start: int, end: int) -> str:
    if contig is None:
        return UNKNOWN_CONTIG
    if start == end:
        return EMPTY
    return BEYOND if end > letters.contigs[contig] else ""


def _bed_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Give each row's place and columns."""
    try:
        with open_unpacked(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig") as text:
            for number, line in enumerate(text, 1):
                if not line.strip() or line.startswith(("#", "track", "browser")):
                    continue
                # BED is separated by tabs, and by blanks where nobody looked; then a name cannot hold one.
                yield f"{path}: line {number}", line.rstrip("\r\n").split("\t" if "\t" in line else None)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: binary, or not UTF-8", expected="BED, as text") from error


def _interval(where: str, columns: list[str]) -> tuple[int, int]:
    if len(columns) < 3:
        raise DataError(f"{where} has {len(columns)} columns", expected="contig, start and end at least")
    if not all(column.isascii() and column.isdigit() for column in columns[1:3]):
        raise DataError(
            f"{where}: {columns[1]!r} and {columns[2]!r} are no interval",
            expected="start and end as whole numbers, counted from 0",
        )
    start, end = int(columns[1]), int(columns[2])
    if end < start:
        raise DataError(
            f"{where}: the interval ends at {end}, before its start {start}", expected="start < end"
        )
    return start, end
