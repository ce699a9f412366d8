"""What can be scanned: sequences of any file, genomes, BED and GTF; and how what is wrong with them is said."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import genomes
from ribocyte.errors import DataError, RequestError
from ribocyte.rna.genome import reverse_complement
from ribocyte.rna.scan import spool
from ribocyte.rna.scan.source import Source
from ribocyte.rna.scan.spool import Spool
from ribocyte.rna.scan.targets import Skips, Target, contig_targets

GENOME = {"1": "ACGTNNacgtACGTTTGGATTACA", "chr2": "GGGTTTAAAC" * 3}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    return genomes.write_fasta(tmp_path / "genome.fa", GENOME)


def targets_of(source: Source, both: bool = False) -> tuple[list[Target], Skips]:
    skips = Skips()
    with source.opened() as letters:
        return source.targets(letters, both, skips), skips


def bed_targets(fasta: Path, text: str, both: bool = False) -> tuple[list[Target], Skips]:
    bed = fasta.with_name("regions.bed")
    bed.write_text(text)
    return targets_of(Source(fasta=fasta, bed=bed), both)


# Sequences


@given(
    st.lists(st.text("ACGUTNacgutn", max_size=70), min_size=1, max_size=5).filter(any),
    st.integers(1, 30),
    st.booleans(),
    st.integers(1, 90),
)
def test_a_spool_gives_the_letters_of_a_fasta_file(
    tmp_path_factory: pytest.TempPathFactory, rna: list[str], width: int, packed: bool, portion: int
) -> None:
    path = genomes.write_fasta(
        tmp_path_factory.mktemp("spool") / "rna.fa", dict(zip("abcde", rna, strict=False)), width
    )
    if packed:
        path = path.with_suffix(".fa.gz")
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "PORTION", portion)
        with Spool(path) as letters:
            assert letters.contigs == {name: len(one) for name, one in zip("abcde", rna, strict=False)}
            for name, one in zip("abcde", rna, strict=False):
                plain = one.upper().replace("T", "U")
                assert letters.fetch(name, 0, len(one)) == plain
                assert letters.fetch(name, len(one) // 3, len(one)) == plain[len(one) // 3 :]
                assert letters.fetch(name, 0, len(one), "-") == reverse_complement(plain)


def test_a_spool_reads_what_else_holds_sequences(tmp_path: Path) -> None:
    table = tmp_path / "rna.tsv"
    table.write_text("name\tsequence\nfirst one\tACGT\nsecond\tGGUU\n")
    with Spool(table) as letters:
        assert letters.contigs == {"first_one": 4, "second": 4}
        assert letters.fetch("second", 0, 4) == "GGUU"
        assert (letters.find("second"), letters.find("third")) == ("second", None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        (">a\n>b\n\n", "no sequence in it"),
        (">a\nACGT\n>b\nAC\n>a\nACGT\n", "two sequences are called 'a'"),
        (">a\nACGT\nACXG\n", "record 'a': 'X' at position 7"),
        (">a\nMKEFL\n", "a protein, perhaps"),
    ],
)
def test_files_that_cannot_be_scanned_are_explained(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "rna.fa"
    path.write_text(text)
    with pytest.raises(DataError, match=problem) as caught:
        Spool(path)
    assert str(path) in str(caught.value)


def test_a_missing_or_broken_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        Spool(tmp_path / "none.fa")
    broken = tmp_path / "rna.fa.gz"
    broken.write_bytes(gzip.compress(b">a\n" + b"ACGT" * 9999)[:-20])
    with pytest.raises(DataError, match=r"rna\.fa\.gz: damaged or cut short"):
        Spool(broken)


def test_records_without_letters_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "rna.fa"
    path.write_text(">a\n>b\nACGT\n>c\n")
    with Spool(path) as letters:
        skips = Skips()
        assert [(one.name, one.strand) for one in contig_targets(letters, True, skips)] == [
            ("b", "+"),
            ("b", "-"),
        ]
        assert (skips.counts, skips.examples) == ({"empty sequence": 2}, {"empty sequence": "a"})


# BED


def test_bed_intervals_are_targets_on_their_strand(fasta: Path) -> None:
    text = "track name=x\n#c\n\nchr1\t2\t9\tone\t0\t-\n2\t0\t30\nchr2\t5\t6\ttwo\t.\t.\textra\n"
    found, skips = bed_targets(fasta, text)
    assert [(one.name, one.contig, one.strand, one.blocks) for one in found] == [
        ("one", "1", "-", ((2, 9),)),
        ("2:1-30", "chr2", "+", ((0, 30),)),
        ("two", "chr2", "+", ((5, 6),)),
        ("two", "chr2", "-", ((5, 6),)),
    ]
    assert skips.counts == {}
    assert len(bed_targets(fasta, text, both=True)[0]) == 6


def test_bed_intervals_that_cannot_be_scanned_are_skipped_and_counted(fasta: Path) -> None:
    text = "chr1 3 3\nchr1 3 3\nchr1 0 25\nchr1 30 40\nchr9 0 5\nchr1 0 24\n"
    found, skips = bed_targets(fasta, text)
    assert [one.name for one in found] == ["chr1:1-24"]
    assert skips.counts == {
        "interval of 0 nt": 2,
        "reaches beyond its contig": 2,
        "contig not in the FASTA": 1,
    }
    assert skips.examples["reaches beyond its contig"] == "chr1:1-25"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("chr1\t5", "line 2 has 2 columns"),
        ("chr1\tstart\tend", "'start' and 'end' are no interval"),
        ("chr1\t-1\t5", "no interval"),
        ("chr1\t1.5\t5", "no interval"),
        ("chr1\t9\t5", "ends at 5, before its start 9"),
        ("chr1\t1\t5\tx\t0\t?", "strand '\\?' in column 6"),
    ],
)
def test_lines_that_are_no_bed_are_refused(fasta: Path, line: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        bed_targets(fasta, f"chr1\t0\t5\n{line}\n")
    assert "regions.bed: line 2" in str(caught.value)


def test_a_bed_file_of_nothing_is_refused(fasta: Path) -> None:
    with pytest.raises(DataError, match="no interval in it"):
        bed_targets(fasta, "#nothing\n")
    with pytest.raises(DataError, match=r"nothing is left to scan: interval of 0 nt: 1, such as chr1:4-3"):
        bed_targets(fasta, "chr1\t3\t3\n")
    bed = fasta.with_name("binary.bed")
    bed.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="binary"):
        targets_of(Source(fasta=fasta, bed=bed))


@given(st.text("ab1\t 0.-\n", max_size=40))
def test_no_text_makes_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    fasta = genomes.write_fasta(tmp_path_factory.mktemp("bed") / "genome.fa", {"a": "ACGT"})
    with contextlib.suppress(DataError):
        assert bed_targets(fasta, text)[0]


# GTF and what is asked for


def test_transcripts_are_targets_and_strange_ones_are_counted(fasta: Path) -> None:
    gtf = fasta.with_name("genes.gtf")
    rows = [
        ("chr1", 1, 4, "-", "t1"),
        ("chr1", 7, 10, "-", "t1"),
        ("2", 20, 31, "+", "t2"),
        ("X", 1, 5, "+", "t3"),
    ]
    gtf.write_text("\n".join(genomes.exon_line(*row, gene="g") for row in rows))
    found, skips = targets_of(Source(fasta=fasta, gtf=gtf))
    assert found == [Target("t1", "1", "-", ((0, 4), (6, 10)), "g")]
    assert skips.counts == {"reaches beyond its contig": 1, "contig not in the FASTA": 1}
    assert skips.examples["contig not in the FASTA"] == "t3 on X"
    with pytest.raises(RequestError, match="a transcript has one strand"):
        targets_of(Source(fasta=fasta, gtf=gtf), both=True)
    gtf.write_text("1\ttest\tgene\t1\t5\t.\t+\t.\tgene_id x;\n")
    with pytest.raises(DataError, match="no exon of a transcript"):
        targets_of(Source(fasta=fasta, gtf=gtf))


def test_requests_that_make_no_sense_are_refused() -> None:
    some = Path("some")
    for given_, problem in (
        ({}, "nothing is given"),
        ({"sequences": some, "fasta": some}, "sequences and --fasta"),
        ({"sequences": some, "bed": some}, "of which genome"),
        ({"fasta": some, "bed": some, "gtf": some}, "which of the two"),
    ):
        with pytest.raises(RequestError, match=problem):
            Source(**given_)
