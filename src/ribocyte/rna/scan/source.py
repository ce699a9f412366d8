"""What a person points a scan at: a file of sequences, or a genome, whole or where an annotation says."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ribocyte.errors import DataError, RequestError
from ribocyte.rna.genes import read_gtf
from ribocyte.rna.genome import Genome
from ribocyte.rna.scan.annotation import read_bed, transcript_targets
from ribocyte.rna.scan.spool import Spool
from ribocyte.rna.scan.targets import Letters, Skips, Target, contig_targets


@dataclass(frozen=True)
class Source:
    """What to scan: a file of sequences, or a genome, whole or where an annotation says.

    Parameters
    ----------
    sequences : Path, optional
        FASTA or any file of sequences, gzipped or not: see `ribocyte.rna.scan.spool.Spool`.
    fasta : Path, optional
        A genome: see `ribocyte.rna.genome.Genome`.
    bed, gtf : Path, optional
        Which intervals of the genome, or whose spliced transcripts.
    """

    sequences: Path | None = None
    fasta: Path | None = None
    bed: Path | None = None
    gtf: Path | None = None

    def __post_init__(self) -> None:
        if (self.sequences is None) == (self.fasta is None):
            raise RequestError(
                "what to scan: sequences and --fasta" if self.fasta else "what to scan: nothing is given",
                expected="a file of sequences, or a genome with --fasta",
            )
        if (self.bed or self.gtf) and self.fasta is None:
            raise RequestError(
                f"{self.bed or self.gtf}: of which genome?", expected="--fasta GENOME instead of sequences"
            )
        if self.bed and self.gtf:
            raise RequestError("--bed and --gtf: which of the two?", expected="one of them")

    @contextlib.contextmanager
    def opened(self) -> Iterator[Letters]:
        """Open the letters."""
        if self.sequences is not None:
            with Spool(self.sequences) as spool:
                yield spool
        elif self.fasta is not None:
            with Genome(self.fasta) as genome:
                yield genome

    def targets(self, letters: Letters, both: bool, skips: Skips) -> list[Target]:
        """Give what is to be scanned.

        Raises
        ------
        DataError
            If nothing is.
        """
        if self.gtf and both:
            raise RequestError(
                "--both-strands: a transcript has one strand", mend="leave it out, or use --bed"
            )
        if self.gtf:
            found = transcript_targets(read_gtf(self.gtf), letters, skips)
        elif self.bed:
            found = read_bed(self.bed, letters, both, skips)
        else:
            found = contig_targets(letters, both, skips)
        if not found:
            why = ", ".join(f"{reason}: {count:,}" for reason, count in skips.counts.items())
            example = next(iter(skips.examples.values()), "")
            raise DataError(
                f"{self.bed or self.gtf or self.fasta or self.sequences}: nothing is left to scan: {why}, "
                f"such as {example}",
                expected=f"contigs such as {', '.join(itertools.islice(letters.contigs, 3))}",
            )
        return found
