"""In which RNAs a change is read.

Without genes, the genome is read: its forward strand, its reverse strand or both. With genes, a change is read on
the strand of every gene that it lies in:

- in the **pre-mRNA**, introns included: from the first to the last nucleotide of the gene's transcripts that overlap
  the change;
- in each **mature** transcript as well where one exon holds all of the change and the windows that cover it differ
  from the pre-mRNA's, because they reach over a splice junction or the transcript's end. Transcripts whose windows
  are the same are one reading. A change that reaches over an exon's edge has no mature reading: what would be
  spliced is not known.

An insertion lies in an exon if both its neighbours do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ribocyte.rna.genes import Span, Transcript, TranscriptIndex
from ribocyte.rna.genome import Genome
from ribocyte.rna.variants.alleles import Change, Skip
from ribocyte.rna.variants.loci import Locus, find_locus


class Kind(StrEnum):
    """Which RNA is read."""

    genome = "genome"
    pre_mrna = "pre-mRNA"
    mature = "mature"


class Region(StrEnum):
    """Where in a gene a change lies; of several transcripts the first of these that is true of any."""

    exon = "exon"
    edge = "edge"  # of an exon, or of the gene: what is touched lies on both sides
    intron = "intron"
    intergenic = "intergenic"
    unknown = "unknown"  # no genes were given


@dataclass(frozen=True)
class Reading:
    """A change as one RNA has it.

    Parameters
    ----------
    kind : Kind
    region : Region
    gene : str
        Empty where none lies there, or none were given.
    transcripts : tuple of str
        Those whose reading this is: for the pre-mRNA all that overlap the change.
    strand : str
        ``+`` or ``-``.
    locus : Locus
    """

    kind: Kind
    region: Region
    gene: str
    transcripts: tuple[str, ...]
    strand: str
    locus: Locus


@dataclass(frozen=True)
class Reader:
    """Finds the RNAs in which changes are read.

    Parameters
    ----------
    genome : Genome
    length : int
        Of the network's windows, in nt.
    genes : TranscriptIndex, optional
        Where genes lie; without it, the genome itself is read.
    strands : str
        Strands to read where no gene says: ``+-``, ``+`` or ``-``.
    intergenic : bool
        Read changes outside of genes too.
    """

    genome: Genome
    length: int
    genes: TranscriptIndex | None = None
    strands: str = "+-"
    intergenic: bool = False

    def read(self, change: Change) -> list[Reading] | Skip:
        """Find the readings of a change; at least one, or the reason why there is none."""
        if self.genes is None:
            return self._read_genome(change, Region.unknown) or Skip.nothing_left
        touched = change.touched(self.genome.contigs[change.contig])
        overlapping = self.genes.overlapping(change.contig, *touched)
        if not overlapping:
            found = self._read_genome(change, Region.intergenic) if self.intergenic else None
            return Skip.intergenic if found is None else found or Skip.nothing_left
        genes: dict[tuple[str, str], list[Transcript]] = {}
        for one in overlapping:
            genes.setdefault((one.gene, one.strand), []).append(one)
        readings = [reading for one in genes.values() for reading in self._read_gene(change, touched, one)]
        return readings or Skip.nothing_left

    def _read_genome(self, change: Change, region: Region) -> list[Reading]:
        whole = (0, self.genome.contigs[change.contig])
        readings = []
        for strand in self.strands:
            rna = Transcript("", "", change.contig, strand, (whole,))
            if (locus := find_locus(rna, change, self.genome, self.length)) is not None:
                readings.append(Reading(Kind.genome, region, "", (), strand, locus))
        return readings

    def _read_gene(self, change: Change, touched: Span, transcripts: Sequence[Transcript]) -> list[Reading]:
        """Read a change in the pre-mRNA of a gene, and in those mature transcripts that read otherwise."""
        one = transcripts[0]
        # A deletion of the gene's end is still read, so the pre-mRNA holds all that is touched.
        low = min(touched[0], *(each.span[0] for each in transcripts))
        high = max(touched[1], *(each.span[1] for each in transcripts))
        precursor = Transcript("", one.gene, one.contig, one.strand, ((low, high),))
        regions = [find_region(each, touched) for each in transcripts]
        readings = []
        if (locus := find_locus(precursor, change, self.genome, self.length)) is not None:
            region = min(regions, key=list(Region).index)
            names = tuple(each.name for each in transcripts)
            readings.append(Reading(Kind.pre_mrna, region, one.gene, names, one.strand, locus))
        for each, region in zip(transcripts, regions, strict=True):
            if region is Region.exon:
                self._add_mature(readings, change, each)
        return readings

    def _add_mature(self, readings: list[Reading], change: Change, transcript: Transcript) -> None:
        locus = find_locus(transcript, change, self.genome, self.length)
        if locus is None:
            return
        for number, known in enumerate(readings):
            if locus.reads_like(known.locus):
                if known.kind is Kind.mature:
                    readings[number] = replace(known, transcripts=(*known.transcripts, transcript.name))
                return
        gene, names = transcript.gene, (transcript.name,)
        readings.append(Reading(Kind.mature, Region.exon, gene, names, transcript.strand, locus))


def find_region(transcript: Transcript, touched: Span) -> Region:
    """Tell where in a transcript the touched nucleotides lie."""
    start, stop = touched
    if any(low <= start and stop <= high for low, high in transcript.exons):
        return Region.exon
    inside = transcript.span[0] <= start and stop <= transcript.span[1]
    apart = all(stop <= low or high <= start for low, high in transcript.exons)
    return Region.intron if inside and apart else Region.edge
