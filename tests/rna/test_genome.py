"""Genomes in FASTA files: letters, strands, names of contigs, indexes, and files that are none."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pysam
import pytest

import genomes
from ribocyte.errors import DataError
from ribocyte.rna.genome import Genome, reverse_complement

CONTIGS = {"chr1": "ACGTNNacgtRYACGTTTGGA", "2": "GGGTTTAAAC", "chrM": "ACCA"}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    return genomes.write_fasta(tmp_path / "genome.fa", CONTIGS, width=7)


def pack(path: Path) -> Path:
    packed = path.with_suffix(".fa.gz")
    pysam.tabix_compress(str(path), str(packed), force=True)
    return packed


@pytest.mark.parametrize("packed", [False, True])
def test_every_stretch_is_what_the_file_has_as_rna(fasta: Path, packed: bool) -> None:
    whole = "ACGUNNACGUNNACGUUUGGA"
    with Genome(pack(fasta) if packed else fasta) as genome:
        assert genome.contigs == {"chr1": 21, "2": 10, "chrM": 4}
        for start in range(22):
            for end in range(start, 22):
                assert genome.fetch("chr1", start, end) == whole[start:end]
        assert genome.fetch("2", 0, 10, "-") == "GUUUAAACCC"


def test_the_reverse_complement_of_the_reverse_complement_is_the_rna() -> None:
    assert reverse_complement("ACGUN") == "NACGU"
    assert reverse_complement(reverse_complement("AACGGUUUN")) == "AACGGUUUN"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("chr1", "chr1"),
        ("1", "chr1"),
        ("CHR1", "chr1"),
        ("chr2", "2"),
        ("MT", "chrM"),
        ("M", "chrM"),
        ("3", None),
    ],
)
def test_contigs_are_found_by_their_other_names(fasta: Path, asked: str, found: str | None) -> None:
    with Genome(fasta) as genome:
        assert genome.find(asked) == found


def test_where_two_contigs_would_fit_none_is_guessed(tmp_path: Path) -> None:
    with Genome(genomes.write_fasta(tmp_path / "g.fa", {"chrM": "AC", "MT": "ACG"})) as genome:
        assert genome.find("MT") == "MT"
        assert genome.find("M") is None


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (4, 3), (0, 22)])
def test_a_stretch_beyond_the_contig_is_refused(fasta: Path, start: int, end: int) -> None:
    with Genome(fasta) as genome, pytest.raises(DataError, match="not within the contig"):
        genome.fetch("chr1", start, end)


def test_a_missing_contig_names_the_nearest(fasta: Path) -> None:
    with Genome(fasta) as genome, pytest.raises(DataError, match="such as chr1"):
        genome.fetch("chr11", 0, 1)


def test_a_contig_without_letters_is_left_out(tmp_path: Path) -> None:
    with Genome(genomes.write_fasta(tmp_path / "g.fa", {"a": "ACGT", "empty": "", "b": "GG"})) as genome:
        assert genome.contigs == {"a": 4, "b": 2}
        assert genome.find("empty") is None
        assert genome.fetch("a", 2, 2) == ""


def test_an_index_older_than_the_file_is_made_anew(tmp_path: Path) -> None:
    path = genomes.write_fasta(tmp_path / "g.fa", {"a": "ACGT"})
    with Genome(path) as genome:
        assert genome.contigs == {"a": 4}
    genomes.write_fasta(path, {"b": "GGGGGG"})
    os.utime(f"{path}.fai", (1, 1))
    with Genome(path) as genome:
        assert genome.fetch("b", 0, 6) == "GGGGGG"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["g.fa", "g.fa.fai"]


def test_where_nothing_can_be_written_the_index_is_made_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, scratch = tmp_path / "shared", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    # A name so long that no temporary name fits beside it: this fails for root, too.
    path = genomes.write_fasta(folder / f"{'g' * 247}.fa", {"a": "ACGT"})
    with Genome(path) as genome:
        assert genome.fetch("a", 0, 4) == "ACGU"
    assert list(folder.iterdir()) == [path]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"hello\nworld\n", "no FASTA"),
        (b">a\nACGT\nAC\nACGTA\n", "uneven length"),
        (b">a\n", "cannot be indexed|no contig"),
        (gzip.compress(b">a\nACGT\n"), "bgzip"),
        (random.Random(0).randbytes(500), "no FASTA"),
    ],
    ids=["empty", "text", "ragged", "header alone", "gzip", "noise"],
)
def test_what_is_no_genome_is_refused_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    path = tmp_path / "g.fa"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        Genome(path)
    assert str(path) in str(error.value)
    assert capfd.readouterr().err == ""


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        Genome(tmp_path / "none.fa")


@pytest.mark.parametrize("left", [40_000, -28], ids=["within a block", "between blocks"])
def test_a_bgzipped_genome_cut_short_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], left: int
) -> None:
    letters = "".join(random.Random(1).choices("ACGT", k=300_000))
    packed = pack(genomes.write_fasta(tmp_path / "g.fa", {"a": letters}))
    packed.write_bytes(packed.read_bytes()[:left])
    with pytest.raises(DataError, match="cut short"):
        Genome(packed)
    assert capfd.readouterr().err == ""


def test_a_genome_cut_short_after_it_was_indexed_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = genomes.write_fasta(tmp_path / "g.fa", {"a": "ACGT" * 5000})
    Genome(path).close()
    path.write_bytes(path.read_bytes()[:9000])
    os.utime(f"{path}.fai", (2**32, 2**32))
    with Genome(path) as genome, pytest.raises(DataError, match="damaged, or not what its index says"):
        genome.fetch("a", 15_000, 15_100)
