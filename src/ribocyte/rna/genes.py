"""Transcripts: where in the genome their exons lie, and how positions in one become positions in the other."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ribocyte.errors import DataError
from ribocyte.files import open_unpacked
from ribocyte.rna.genome import Genome

BIN = 1 << 15
"""Nucleotides of genome whose transcripts are listed together."""

Span = tuple[int, int]
"""A stretch: 0-based, half-open."""

_ATTRIBUTE = re.compile(r'\b(gene_name|gene_id|transcript_id)\s+(?:"([^"]*)"|([^";\s]+))')


@dataclass(frozen=True)
class Transcript:
    """RNA that is cut from the genome: one exon or more, on one strand.

    Parameters
    ----------
    name, gene : str
        What the annotation calls them.
    contig : str
        Where it lies.
    strand : str
        ``+`` or ``-``.
    exons : tuple of (int, int)
        Ascending and apart, whatever the strand; 0-based, half-open, on the forward strand.

    Raises
    ------
    DataError
        If the strand is none, or the exons are missing, empty or not in order.
    """

    name: str
    gene: str
    contig: str
    strand: str
    exons: tuple[Span, ...]

    def __post_init__(self) -> None:
        if self.strand not in ("+", "-"):
            raise DataError(f"transcript {self.name!r}: strand {self.strand!r}", expected="+ or -")
        edges = list(itertools.chain.from_iterable(self.exons))
        ordered = all(a < b for a, b in self.exons) and all(a <= b for a, b in itertools.pairwise(edges))
        if not edges or not ordered or edges[0] < 0:
            raise DataError(
                f"transcript {self.name!r}: exons {self.exons[:4]}",
                expected="one or more, ascending, each longer than 0 nt and not within another",
            )

    def __len__(self) -> int:
        """Length of the spliced RNA in nt."""
        return self._ends[-1]

    @property
    def span(self) -> Span:
        """From the first exon's first nucleotide to the last one's end."""
        return self.exons[0][0], self.exons[-1][1]

    def spliced(self, genome: Genome) -> str:
        """Give the whole RNA, 5′ to 3′, without introns."""
        return self.fetch(genome, 0, len(self))

    def fetch(self, genome: Genome, start: int, end: int) -> str:
        """Give a stretch of the spliced RNA: letters A, C, G, U, N; only its own exons are read.

        Parameters
        ----------
        genome : Genome
            It must call the contig as the transcript does.
        start, end : int
            0-based, half-open, counted from the RNA's 5′ end.

        Raises
        ------
        DataError
            If the stretch is not within the RNA.
        """
        if not 0 <= start <= end <= len(self):
            raise DataError(f"transcript {self.name!r}: {start}-{end}", expected=f"within 0-{len(self)}")
        ordered = self._ordered
        parts = []
        for number in range(bisect.bisect_right(self._ends, start), len(ordered)):
            offset = self._ends[number] - (ordered[number][1] - ordered[number][0])
            if offset >= end:
                break
            parts.append(self._cut(genome, ordered[number], max(start - offset, 0), end - offset))
        return "".join(parts)

    def to_genome(self, position: int) -> int:
        """Turn a position in the spliced RNA into one in the genome; both count from 0.

        Raises
        ------
        DataError
            If the RNA has no such position.
        """
        if not 0 <= position < len(self):
            raise DataError(
                f"transcript {self.name!r}: position {position}", expected=f"from 0 to {len(self) - 1}"
            )
        number = bisect.bisect_right(self._ends, position)
        start, end = self._ordered[number]
        left = self._ends[number] - position  # nucleotides from here to the exon's 3′ end, itself included
        return end - left if self.strand == "+" else start + left - 1

    def to_rna(self, position: int) -> int | None:
        """Turn a position in the genome into one in the spliced RNA; None where no exon holds it."""
        at = bisect.bisect_right(self.exons, position, key=lambda exon: exon[0]) - 1
        if at < 0 or position >= self.exons[at][1]:
            return None
        start, end = self.exons[at]
        number = at if self.strand == "+" else len(self.exons) - 1 - at
        return self._ends[number] - (end - position if self.strand == "+" else position - start + 1)

    @cached_property
    def _ordered(self) -> tuple[Span, ...]:
        """Exons as the RNA has them, 5′ to 3′."""
        return self.exons if self.strand == "+" else self.exons[::-1]

    @cached_property
    def _ends(self) -> list[int]:
        """Where each exon ends in the RNA, 5′ to 3′."""
        return list(itertools.accumulate(end - start for start, end in self._ordered))

    def _cut(self, genome: Genome, exon: Span, start: int, end: int) -> str:
        """Fetch from `start` to `end`, or to its 3′ end, of one exon; counted along the RNA."""
        low, high = exon
        if self.strand == "+":
            return genome.fetch(self.contig, low + start, min(low + end, high), "+")
        return genome.fetch(self.contig, max(high - end, low), high - start, "-")


def read_gtf(path: Path | str) -> list[Transcript]:
    """Read the transcripts of a GTF file, gzipped or not: its ``exon`` lines, grouped by ``transcript_id``.

    Parameters
    ----------
    path : Path or str
        As GENCODE, Ensembl and RefSeq publish them.

    Returns
    -------
    list of Transcript
        In the order of the file. The gene is its ``gene_name``, else its ``gene_id``. A ``transcript_id`` that
        is there on two contigs or strands (genes on both X and Y) is two transcripts; exons that overlap are one.

    Raises
    ------
    DataError
        If the file cannot be read, is no GTF, or has no exon with a transcript; names the file and the line.
    """
    path = Path(path)
    genes: dict[tuple[str, str, str], str] = {}
    exons: dict[tuple[str, str, str], list[Span]] = {}
    for contig, strand, span, name, gene in _read_exons(path):
        key = contig, strand, name
        genes.setdefault(key, gene)
        exons.setdefault(key, []).append(span)
    if not exons:
        raise DataError(
            f"{path}: no exon of a transcript in it",
            expected='lines of the feature exon with transcript_id "…"',
            mend="a GFF3 file becomes GTF with: gffread -T",
        )
    return [
        Transcript(name, genes[contig, strand, name], contig, strand, _merge(spans))
        for (contig, strand, name), spans in exons.items()
    ]


class TranscriptIndex:
    """Finds the transcripts that overlap a stretch of the genome.

    Parameters
    ----------
    transcripts : iterable of Transcript
        All of them.
    genome : Genome
        Transcripts are filed under its names of contigs.

    Attributes
    ----------
    unknown : dict of str to int
        How many transcripts lie on each contig that the genome lacks, or reach beyond a contig's end.
    """

    def __init__(self, transcripts: Iterable[Transcript], genome: Genome) -> None:
        self.unknown: dict[str, int] = {}
        self._bins: dict[tuple[str, int], list[Transcript]] = {}
        for one in transcripts:
            contig = genome.find(one.contig)
            start, end = one.span
            if contig is None or end > genome.contigs[contig]:
                self.unknown[one.contig] = self.unknown.get(one.contig, 0) + 1
                continue
            if contig != one.contig:
                one = Transcript(one.name, one.gene, contig, one.strand, one.exons)
            for number in range(start // BIN, (end - 1) // BIN + 1):
                self._bins.setdefault((contig, number), []).append(one)

    def __bool__(self) -> bool:
        """Say whether any transcript lies on the genome."""
        return bool(self._bins)

    def overlapping(self, contig: str, start: int, end: int) -> list[Transcript]:
        """List the transcripts, introns included, that share a nucleotide with a stretch; as the file orders them."""
        found: dict[int, Transcript] = {}
        for number in range(start // BIN, (max(end, start + 1) - 1) // BIN + 1):
            for one in self._bins.get((contig, number), ()):
                low, high = one.span
                if low < end and start < high:
                    found[id(one)] = one
        return list(found.values())


def _read_exons(path: Path) -> Iterator[tuple[str, str, Span, str, str]]:
    """Give contig, strand, stretch, transcript and gene of every exon that has a transcript."""
    for number, line in enumerate(_read_lines(path), 1):
        if line.startswith("#") or not line.strip():
            continue
        columns = line.rstrip("\r\n").split("\t")
        if len(columns) < 9:
            raise DataError(
                f"{path}: line {number} has {len(columns)} columns", expected="GTF: 9, separated by tabs"
            )
        if columns[2] != "exon":
            continue
        known = {key: quoted or bare for key, quoted, bare in _ATTRIBUTE.findall(columns[8])}
        if name := known.get("transcript_id", ""):
            gene = known.get("gene_name") or known.get("gene_id", "")
            yield columns[0], _strand(path, number, columns[6]), _span(path, number, columns), name, gene


def _read_lines(path: Path) -> Iterator[str]:
    try:
        with open_unpacked(path) as stream:
            for line in stream:
                yield line.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: binary, or not UTF-8", expected="GTF, as text") from error


def _strand(path: Path, number: int, strand: str) -> str:
    if strand not in ("+", "-"):
        raise DataError(
            f"{path}: line {number}: an exon on the strand {strand!r}",
            expected="+ or -",
            mend="leave out transcripts whose strand is not known",
        )
    return strand


def _span(path: Path, number: int, columns: Sequence[str]) -> Span:
    first, last = columns[3:5]
    if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise DataError(
            f"{path}: line {number}: an exon from {first!r} to {last!r}",
            expected="two positions, counted from 1, the first not beyond the second",
        )
    return int(first) - 1, int(last)


def _merge(spans: list[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return tuple(merged)
