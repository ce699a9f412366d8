"""What is known of an allele in the end: its effect in every reading, or why there is none; and how that is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ribocyte.rna.variants.alleles import Skip
from ribocyte.rna.variants.effects import Effect
from ribocyte.rna.variants.readings import Reading
from ribocyte.rna.variants.rows import Row
from ribocyte.rna.variants.sites import Site


@dataclass(frozen=True)
class Scored:
    """The effect of an allele in one reading, and the sites it takes and brings."""

    reading: Reading
    effect: Effect
    lost: Site | None = None
    gained: Site | None = None

    @property
    def loss_position(self) -> int | None:
        """Give the leftmost nucleotide, from 1, of the window of the largest loss; None where nothing is lost."""
        locus, begin = self.reading.locus, self.effect.losing
        if not self.effect.loss < 0:
            return None
        return locus.place(begin, min(begin + locus.length, len(locus.before))) + 1

    @property
    def gain_position(self) -> int | None:
        """Give the leftmost nucleotide, from 1, of the window of the largest gain; None where nothing is gained."""
        locus, begin = self.reading.locus, self.effect.gaining
        if not self.effect.gain > 0:
            return None
        return locus.place(begin, min(begin + locus.length, len(locus.after)), after=True) + 1


@dataclass(frozen=True)
class Verdict:
    """What is known of one allele: why it was skipped, or its effects, one a reading."""

    skip: Skip | None = None
    scored: tuple[Scored, ...] = ()

    @property
    def strongest(self) -> Scored | None:
        """Give the reading in which the effect is largest, loss or gain; the first of several as large."""
        return max(self.scored, key=lambda one: abs(one.effect.delta), default=None)


TABLE: Mapping[str, str] = MappingProxyType(
    {
        "contig": "as the VCF calls it",
        "position": "of REF's first letter, from 1",
        "id": "the row's ID",
        "ref": "REF",
        "alt": "one ALT",
        "skipped": "why the allele is not scored; else empty",
        "reading": "genome, pre-mRNA or mature",
        "gene": "whose RNA is read",
        "transcripts": "those with this reading, separated by commas",
        "region": "exon, edge (of an exon or gene), intron, intergenic, unknown",
        "strand": "of the RNA",
        "windows": "compared, before and after together",
        "windows_with_n": "those of them that hold N, which counts as a quarter of each base",
        "before": "best window before",
        "after": "best window after",
        "delta": "after less before: the effect",
        "loss": "largest fall of a window",
        "loss_position": "leftmost nucleotide of that window in the genome, from 1",
        "gain": "largest rise of a window",
        "gain_position": "leftmost nucleotide of that window in the genome, from 1",
        "lost": "site that is lost",
        "lost_position": "its leftmost nucleotide in the genome, from 1",
        "gained": "site that is gained",
        "gained_position": "its leftmost nucleotide in the genome, from 1",
        "summary": "lost and gained sites in words",
    }
)
"""The columns of the table, and what they hold; a row is a reading of an allele, or an allele that is skipped."""


def tabulate(row: Row, verdicts: tuple[Verdict, ...]) -> Iterator[tuple[str, ...]]:
    """Write what is known of a row's alleles as rows of the table."""
    for alternative, verdict in zip(row.alternatives, verdicts, strict=True):
        start = (row.contig, str(row.position), row.name, row.reference, alternative)
        if verdict.skip is not None:
            yield (*start, verdict.skip.value, *[""] * (len(TABLE) - len(start) - 1))
        for one in verdict.scored:
            where = write_reading(one, separator=",")
            yield (*start, "", *where, *write_effect(one), summarise(row.contig, one))


def write_reading(one: Scored, separator: str) -> tuple[str, ...]:
    """Write what was read: reading, gene, transcripts, region, strand."""
    reading = one.reading
    names = separator.join(reading.transcripts)
    return reading.kind.value, reading.gene, names, reading.region.value, reading.strand


def write_effect(one: Scored) -> tuple[str, ...]:
    """Write the numbers and sites of a reading, as the table's columns from ``windows`` to ``gained_position``."""
    effect = one.effect
    numbers = (effect.windows, effect.unknown)
    scores = (effect.before, effect.after, effect.delta)
    return (
        *map(str, numbers),
        *map(write_score, scores),
        *(write_score(effect.loss), _position(one.loss_position)),
        *(write_score(effect.gain), _position(one.gain_position)),
        *_site(one.lost),
        *_site(one.gained),
    )


def summarise(contig: str, one: Scored) -> str:
    """Name the lost and gained sites, such as ``lost GCAUG at chr1:123``; empty where there is none."""
    sites = (("lost", one.lost), ("gained", one.gained))
    return ", ".join(f"{what} {site} at {contig}:{site.position + 1}" for what, site in sites if site)


def write_score(value: float) -> str:
    """Write a score or a difference; empty where it is no number."""
    return f"{value + 0.0:.4f}".replace("-0.0000", "0.0000") if math.isfinite(value) else ""


def _position(position: int | None) -> str:
    return "" if position is None else str(position)


def _site(site: Site | None) -> tuple[str, str]:
    return ("", "") if site is None else (str(site), str(site.position + 1))
