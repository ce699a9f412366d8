"""What is scanned: stretches of RNA on contigs, in one piece or spliced, each read in its own direction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

Blocks = tuple[tuple[int, int], ...]
"""Intervals of a contig, 0-based and half-open, ascending, none touching the next."""


class Letters(Protocol):
    """Where letters come from: a `ribocyte.rna.genome.Genome`, or sequences kept on disk."""

    @property
    def contigs(self) -> Mapping[str, int]:
        """Names and lengths in nt, in the order of the file."""
        ...

    def find(self, contig: str) -> str | None:
        """Give the name that a contig has here, None where there is none."""
        ...

    def fetch(self, contig: str, start: int, end: int, strand: str = "+") -> str:
        """Read RNA letters, ACGUN, of an interval (0-based, half-open) in the direction of its strand."""
        ...


@dataclass(frozen=True)
class Target:
    """A stretch of RNA to scan. Its own positions count from 0 at its 5' end.

    Parameters
    ----------
    name : str
        Of the sequence, the region or the transcript.
    contig : str
        Where it lies.
    strand : str
        ``+`` or ``-``.
    blocks : tuple of (int, int)
        Its exons, or the one interval that it is; ascending on the contig, 0-based, half-open.
    gene : str
        Of a transcript.
    """

    name: str
    contig: str
    strand: str
    blocks: Blocks
    gene: str = ""

    @cached_property
    def length(self) -> int:
        """Nucleotides."""
        return sum(end - start for start, end in self.blocks)

    @property
    def start(self) -> int:
        """First nucleotide on the contig, from 0."""
        return self.blocks[0][0]

    @property
    def end(self) -> int:
        """Where it ends on the contig."""
        return self.blocks[-1][1]

    @property
    def whole(self) -> bool:
        """Whether it is one interval."""
        return len(self.blocks) == 1

    def lift(self, start: int, end: int) -> Blocks:
        """Give the intervals of the contig, ascending, that positions `start` to `end` of the target are."""
        if self.strand == "-":
            start, end = self.length - end, self.length - start
        found, before = list[tuple[int, int]](), 0
        for low, high in self.blocks:
            first, last = max(start - before, 0), min(end - before, high - low)
            if first < last:
                found.append((low + first, low + last))
            before += high - low
        return tuple(found)

    def read(self, letters: Letters, start: int, end: int) -> str:
        """Read the target's RNA from `start` to `end`, 5' to 3'; what lies beyond its ends is left out."""
        blocks = self.lift(max(start, 0), min(end, self.length))
        ordered = blocks if self.strand == "+" else blocks[::-1]
        return "".join(letters.fetch(self.contig, low, high, self.strand) for low, high in ordered)


@dataclass(frozen=True)
class Locus:
    """Targets of one strand that overlap on the contig, and share the nucleotides of a track."""

    contig: str
    strand: str
    targets: tuple[Target, ...]

    @property
    def start(self) -> int:
        """Where the first begins on the contig."""
        return self.targets[0].start

    @property
    def end(self) -> int:
        """Where the last ends on the contig."""
        return max(target.end for target in self.targets)

    @property
    def streams(self) -> bool:
        """Whether it is one interval, whose track can be written as it comes."""
        return len(self.targets) == 1 and self.targets[0].whole


@dataclass
class Skips:
    """What was left out: how many for which reason, and the first of each."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, example: str) -> None:
        """Count one."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.examples.setdefault(reason, example)


def contig_targets(letters: Letters, both: bool, skips: Skips) -> list[Target]:
    """Give every contig as a target, or two where both strands are asked for; empty ones are skipped."""
    found = list[Target]()
    for contig, length in letters.contigs.items():
        if length == 0:
            skips.add("empty sequence", contig)
            continue
        found += [Target(contig, contig, strand, ((0, length),)) for strand in ("+-" if both else "+")]
    return found


def arrange(targets: Iterable[Target], letters: Letters) -> dict[str, list[Locus]]:
    """Order targets along the contigs, strand by strand, those that overlap together.

    Returns
    -------
    dict of str to list of Locus
        For each strand that has any, ``+`` first.
    """
    order = {contig: number for number, contig in enumerate(letters.contigs)}
    ranked = sorted(targets, key=lambda one: (order[one.contig], one.start, one.end, one.name))
    by_strand = {strand: [one for one in ranked if one.strand == strand] for strand in "+-"}
    return {strand: _cluster(several) for strand, several in by_strand.items() if several}


def _cluster(ranked: Sequence[Target]) -> list[Locus]:
    groups, end = list[list[Target]](), 0
    for target in ranked:
        if groups and groups[-1][0].contig == target.contig and target.start < end:
            groups[-1].append(target)
            end = max(end, target.end)
        else:
            groups.append([target])
            end = target.end
    return [Locus(group[0].contig, group[0].strand, tuple(group)) for group in groups]
