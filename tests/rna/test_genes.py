"""Transcripts: spliced letters and positions by hand and by brute force; GTF files, good and bad."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import genomes
from ribocyte.errors import DataError
from ribocyte.rna.genes import BIN, Transcript, TranscriptIndex, read_gtf
from ribocyte.rna.genome import Genome, reverse_complement


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    edges = sorted(draw(st.sets(st.integers(0, 60), min_size=2, max_size=8)))
    edges = edges[: len(edges) // 2 * 2]
    exons = tuple(zip(edges[::2], edges[1::2], strict=True))
    return Transcript("t", "g", "c", draw(st.sampled_from("+-")), exons)


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    letters = "".join(random.Random(0).choices("ACGT", k=60))
    return Genome(genomes.write_fasta(tmp_path_factory.mktemp("genome") / "g.fa", {"c": letters}))


def test_splicing_by_hand(tmp_path: Path) -> None:
    #         0123456789
    letters = "AACCGGTTAC"
    with Genome(genomes.write_fasta(tmp_path / "g.fa", {"c": letters})) as small:
        forward = Transcript("t", "g", "c", "+", ((1, 3), (6, 9)))
        backward = Transcript("t", "g", "c", "-", ((1, 3), (6, 9)))
        assert (forward.spliced(small), backward.spliced(small)) == ("ACUUA", "UAAGU")
    assert [forward.to_genome(at) for at in range(5)] == [1, 2, 6, 7, 8]
    assert [backward.to_genome(at) for at in range(5)] == [8, 7, 6, 2, 1]
    assert backward.to_rna(8) == 0
    assert backward.to_rna(4) is None


@given(transcripts())
def test_every_stretch_and_position_agrees_with_the_list_of_exonic_positions(one: Transcript) -> None:
    positions = [at for start, end in one.exons for at in range(start, end)]
    positions = positions if one.strand == "+" else positions[::-1]
    assert len(one) == len(positions)
    assert [one.to_genome(at) for at in range(len(one))] == positions
    where = {position: at for at, position in enumerate(positions)}
    assert [one.to_rna(position) for position in range(61)] == [where.get(position) for position in range(61)]


@given(one=transcripts(), cut=st.tuples(st.integers(0, 60), st.integers(0, 60)))
def test_a_stretch_is_that_of_the_whole_spliced_rna(
    genome: Genome, one: Transcript, cut: tuple[int, int]
) -> None:
    ordered = "".join(genome.fetch("c", *exon) for exon in one.exons)
    whole = ordered if one.strand == "+" else reverse_complement(ordered)
    start, end = sorted(min(edge, len(one)) for edge in cut)
    assert one.spliced(genome) == whole
    assert one.fetch(genome, start, end) == whole[start:end]


@pytest.mark.parametrize(
    ("strand", "exons"),
    [
        (".", ((0, 1),)),
        ("+", ()),
        ("+", ((3, 3),)),
        ("+", ((5, 9), (1, 3))),
        ("+", ((1, 5), (4, 8))),
        ("-", ((-1, 3),)),
    ],
)
def test_impossible_transcripts_are_refused(strand: str, exons: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(DataError, match="transcript 't'"):
        Transcript("t", "g", "c", strand, exons)


def test_positions_outside_are_refused(genome: Genome) -> None:
    one = Transcript("t", "g", "c", "+", ((2, 5),))
    with pytest.raises(DataError, match="position 3"):
        one.to_genome(3)
    with pytest.raises(DataError, match="0-4"):
        one.fetch(genome, 0, 4)


GTF = """#!genome-build test
chr1\thand\tgene\t11\t60\t.\t+\t.\tgene_id "ENSG1"; gene_name "ONE";
chr1\thand\ttranscript\t11\t60\t.\t+\t.\tgene_id "ENSG1"; transcript_id "T1"; gene_name "ONE";
chr1\thand\texon\t41\t60\t.\t+\t.\tgene_id "ENSG1"; transcript_id "T1"; gene_name "ONE"; exon_number 2;
chr1\thand\texon\t11\t20\t.\t+\t.\tgene_id "ENSG1"; transcript_id "T1"; gene_name "ONE"; exon_number 1;
chr1\thand\texon\t15\t25\t.\t+\t.\tgene_id "ENSG1"; transcript_id "T1"; gene_name "ONE";
chr1\thand\tCDS\t15\t25\t.\t+\t0\tgene_id "ENSG1"; transcript_id "T1"; gene_name "ONE";
chrX\thand\texon\t1\t5\t.\t-\t.\tgene_id "ENSG2"; transcript_id "T2";
chrY\thand\texon\t1\t5\t.\t-\t.\tgene_id "ENSG2"; transcript_id "T2";
chrY\thand\texon\t1\t5\t.\t-\t.\tgene_id "ENSG3";
"""


@pytest.mark.parametrize("packed", [False, True])
def test_a_gtf_is_read_whatever_the_order_of_its_exons(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "genes.gtf"
    path.write_bytes(gzip.compress(GTF.encode()) if packed else GTF.encode())
    assert read_gtf(path) == [
        Transcript("T1", "ONE", "chr1", "+", ((10, 25), (40, 60))),
        Transcript("T2", "ENSG2", "chrX", "-", ((0, 5),)),
        Transcript("T2", "ENSG2", "chrY", "-", ((0, 5),)),
    ]


EXON = "c\th\texon\t{}\t{}\t.\t{}\t.\t{}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no exon of a transcript"),
        (GTF.replace("exon", "CDS"), "no exon of a transcript"),
        (EXON.format(1, 5, "+", 'gene_id "G";'), "no exon of a transcript"),
        (EXON.format(1, 5, "+", "ID=exon1;Parent=mRNA1"), "gffread"),
        ("c\th\texon\t1\t5\n", "line 1 has 5 columns"),
        (GTF + EXON.format(5, 1, "+", 'transcript_id "T";'), "line 11: an exon from '5' to '1'"),
        (EXON.format(0, 4, "+", 'transcript_id "T";'), "counted from 1"),
        (EXON.format("x", 4, "+", 'transcript_id "T";'), "an exon from 'x'"),
        (EXON.format(1, 4, ".", 'transcript_id "T";'), r"strand '\.'"),
    ],
)
def test_what_is_no_gtf_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "genes.gtf"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_gtf(path)


def test_a_binary_or_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "genes.gtf"
    path.write_bytes(b"\xff\xfe\x00\x01\n")
    with pytest.raises(DataError, match="binary"):
        read_gtf(path)
    path.write_bytes(gzip.compress(GTF.encode() * 100)[:-20])
    with pytest.raises(DataError, match="cut short"):
        read_gtf(path)


def test_the_index_finds_what_overlaps_across_bins_and_by_other_names(tmp_path: Path) -> None:
    length = 3 * BIN
    with Genome(genomes.write_fasta(tmp_path / "g.fa", {"1": "A" * length}, width=5000)) as large:
        long = Transcript("long", "g", "chr1", "+", ((10, 20), (2 * BIN, 2 * BIN + 5)))
        short = Transcript("short", "g", "1", "-", ((BIN, BIN + 3),))
        beyond = Transcript("beyond", "g", "1", "-", ((length - 1, length + 1),))
        elsewhere = Transcript("elsewhere", "g", "7", "-", ((0, 5),))
        index = TranscriptIndex([long, short, beyond, elsewhere], large)
    names = [
        [one.name for one in index.overlapping("1", *span)] for span in ((BIN, BIN + 1), (0, length), (0, 10))
    ]
    assert names == [["long", "short"], ["long", "short"], []]
    assert index.overlapping("1", 2 * BIN + 4, 2 * BIN + 9)[0].contig == "1"
    assert index.unknown == {"1": 1, "7": 1}
