"""From the REF and ALT of a VCF row to a change of the genome, or to the reason why there is none to score."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ribocyte.rna.genome import Genome
from ribocyte.rna.motifs import IUPAC

LONGEST = 10_000
"""Nucleotides that an allele may have by default."""

_BASES = re.compile("[ACGTUacgtu]+")
_RNA = str.maketrans("Tt", "UU")


class Skip(StrEnum):
    """Why an allele is not scored."""

    no_alternative = "no_alternative"
    overlapping_deletion = "overlapping_deletion"
    symbolic = "symbolic"
    breakend = "breakend"
    letters = "letters"
    too_long = "too_long"
    unknown_contig = "unknown_contig"
    outside_contig = "outside_contig"
    reference_mismatch = "reference_mismatch"
    reference_unknown = "reference_unknown"
    unchanged = "unchanged"
    intergenic = "intergenic"
    nothing_left = "nothing_left"


REASONS: Mapping[Skip, str] = MappingProxyType(
    {
        Skip.no_alternative: "ALT is '.': nothing differs from the reference",
        Skip.overlapping_deletion: "ALT is '*': deleted by a variant of another row",
        Skip.symbolic: "ALT is symbolic, such as <DEL>: no letters to read",
        Skip.breakend: "ALT is a breakend: what lies beyond it is not told",
        Skip.letters: "ALT has letters other than A, C, G, T, or REF others than IUPAC's",
        Skip.too_long: "REF or ALT is longer than asked for",
        Skip.unknown_contig: "the genome has no such contig",
        Skip.outside_contig: "REF reaches beyond the contig",
        Skip.reference_mismatch: "REF is not what the genome has there",
        Skip.reference_unknown: "the genome has N where REF lies",
        Skip.unchanged: "ALT is the same as REF",
        Skip.intergenic: "no gene lies there",
        Skip.nothing_left: "nothing of the RNA is left",
    }
)
"""What each reason means, in words."""


@dataclass(frozen=True)
class Change:
    """A stretch of the genome replaced by other letters, written as short and as far left as possible.

    Parameters
    ----------
    contig : str
        As the genome calls it.
    start, stop : int
        What is removed: 0-based, half-open; empty for an insertion.
    inserted : str
        RNA letters A, C, G, U of the forward strand; empty for a deletion.
    """

    contig: str
    start: int
    stop: int
    inserted: str

    def touched(self, length: int) -> tuple[int, int]:
        """Give the nucleotides concerned: those removed; for an insertion its neighbours in a contig of `length`."""
        if self.start < self.stop:
            return self.start, self.stop
        return max(self.start - 1, 0), min(self.start + 1, length)


def read_allele(
    genome: Genome, contig: str, position: int, reference: str, alternative: str, longest: int = LONGEST
) -> Change | Skip:
    """Turn one ALT of a VCF row into a change of the genome.

    REF must be what the genome has there. An IUPAC letter in it stands for any of its bases, as some callers
    write what an older genome had; then the genome's own base is what is read.

    Parameters
    ----------
    genome : Genome
    contig : str
        ``chr1`` and ``1``, ``chrM`` and ``MT`` are the same.
    position : int
        Of REF's first letter, counted from 1.
    reference, alternative : str
        Upper or lower case; U is T.
    longest : int
        Alleles longer than this are skipped: every nucleotide of an allele makes windows to be scored.

    Returns
    -------
    Change or Skip
    """
    if (kind := _recognise(alternative)) is not None:
        return kind
    if not _BASES.fullmatch(alternative) or not set(reference.upper()) <= IUPAC.keys():
        return Skip.letters
    if max(len(reference), len(alternative)) > longest:
        return Skip.too_long
    known = genome.find(contig)
    if known is None:
        return Skip.unknown_contig
    start, stop = position - 1, position - 1 + len(reference)
    if not 0 <= start < stop <= genome.contigs[known]:
        return Skip.outside_contig
    actual = genome.fetch(known, start, stop)
    if (wrong := _compare(reference.upper(), actual)) is not None:
        return wrong
    return trim(known, start, actual, alternative.upper().translate(_RNA))


def trim(contig: str, start: int, reference: str, alternative: str) -> Change | Skip:
    """Take away what both alleles end with, then what both begin with.

    What is left of an insertion or deletion in a repeat is its leftmost place, as in a normalised VCF (Tan et al.
    2015), as far as the row itself shows the repeat.
    """
    if reference == alternative:
        return Skip.unchanged
    ends = count_common(reference[::-1], alternative[::-1])
    reference, alternative = reference[: len(reference) - ends], alternative[: len(alternative) - ends]
    begins = count_common(reference, alternative)
    return Change(contig, start + begins, start + len(reference), alternative[begins:])


def count_common(one: str, other: str) -> int:
    """Count the letters with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(one), len(other)))


def _recognise(alternative: str) -> Skip | None:
    """Tell an ALT that is no letters by how it is written (VCF 4.3, 1.6.1)."""
    if alternative in ("", "."):
        return Skip.no_alternative
    if alternative == "*":
        return Skip.overlapping_deletion
    if alternative.startswith("<"):
        return Skip.symbolic
    if "[" in alternative or "]" in alternative or "." in (alternative[0], alternative[-1]):
        return Skip.breakend
    return None


def _compare(reference: str, actual: str) -> Skip | None:
    pairs = list(zip(reference, actual, strict=True))
    if any(base != "N" and base not in IUPAC[letter] for letter, base in pairs):
        return Skip.reference_mismatch
    return Skip.reference_unknown if "N" in actual else None
