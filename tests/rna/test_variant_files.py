"""Alleles that are none, sites by name, and VCF and BCF files in and out."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam
import pytest

import genomes
from ribocyte.errors import DataError, DiskError, RequestError
from ribocyte.rna.genes import Transcript
from ribocyte.rna.genome import Genome
from ribocyte.rna.variants.alleles import REASONS, Change, Skip, read_allele
from ribocyte.rna.variants.effects import Scorer, measure_effects
from ribocyte.rna.variants.loci import find_locus
from ribocyte.rna.variants.rows import Row, open_rows
from ribocyte.rna.variants.sites import Contributions, Motifs, Namer, Site, name_sites
from ribocyte.rna.variants.verdicts import Verdict
from ribocyte.rna.variants.writing import SUFFIXES, annotate_header, annotate_row, open_writer

SITE = 100
LETTERS = "ACCAACACCA" * 10 + "TGCATGT" + "CCACAACCAC" * 10


@pytest.fixture
def genome(tmp_path: Path) -> Iterator[Genome]:
    contigs = {"chr1": LETTERS, "chrM": "acgtNNRY", "short": "ACG"}
    with Genome(genomes.write_fasta(tmp_path / "g.fa", contigs)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("1", 1, "A", "G"), Change("chr1", 0, 1, "G")),
        (("chr1", 1, "a", "g"), Change("chr1", 0, 1, "G")),
        (("chr1", 101, "TGCATG", "UGCATC"), Change("chr1", 105, 106, "C")),
        (("MT", 4, "T", "TA"), Change("chrM", 4, 4, "A")),
        (("chr1", 1, "M", "G"), Change("chr1", 0, 1, "G")),  # IUPAC: A or C
        (("chr1", 1, "N", "A"), Skip.unchanged),
        (("chr1", 1, "K", "A"), Skip.reference_mismatch),  # G or T
        (("chr1", 1, "C", "A"), Skip.reference_mismatch),
        (("chrM", 5, "N", "A"), Skip.reference_unknown),
        (("chrM", 5, "A", "G"), Skip.reference_unknown),
        (("chrM", 7, "R", "A"), Skip.reference_unknown),
        (("chr1", 1, "A", "R"), Skip.letters),
        (("chr1", 1, "A", "N"), Skip.letters),
        (("chr1", 1, "A?", "C"), Skip.letters),
        (("chr1", 1, "A", "."), Skip.no_alternative),
        (("chr1", 1, "A", "*"), Skip.overlapping_deletion),
        (("chr1", 1, "A", "<DEL>"), Skip.symbolic),
        (("chr1", 1, "A", "<*>"), Skip.symbolic),
        (("chr1", 1, "A", "A[chr2:5["), Skip.breakend),
        (("chr1", 1, "A", "]chr2:5]A"), Skip.breakend),
        (("chr1", 1, "A", ".A"), Skip.breakend),
        (("chr2", 1, "A", "C"), Skip.unknown_contig),
        (("short", 0, "A", "C"), Skip.outside_contig),
        (("short", 3, "GA", "G"), Skip.outside_contig),
        (("short", 3, "G", "GA"), Change("short", 3, 3, "A")),
        (("chr1", 1, "A" * 31, "A"), Skip.too_long),
        (("chr1", 1, "A", "A" * 31), Skip.too_long),
    ],
)
def test_every_allele_is_a_change_or_has_a_reason(
    genome: Genome, row: tuple[str, int, str, str], expected: Change | Skip
) -> None:
    assert read_allele(genome, *row, longest=30) == expected


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == set(Skip)


def sites_of(
    genome: Genome,
    namer: Namer,
    model: object,
    position: int,
    reference: str,
    alternative: str,
    strand: str = "+",
) -> tuple[Site | None, Site | None]:
    change = read_allele(genome, "chr1", position, reference, alternative)
    assert isinstance(change, Change)
    rna = Transcript("", "", "chr1", strand, ((0, len(LETTERS)),))
    locus = find_locus(rna, change, genome, 20)
    assert locus is not None
    (found,) = name_sites(namer, [locus], measure_effects(Scorer(model), [locus]), 20, 0.5)  # type: ignore[arg-type]
    return found


def test_the_lost_or_gained_site_is_the_word_that_the_network_looks_for(genome: Genome) -> None:
    model = genomes.predictor(genomes.Finder("GCAUG"), 20)
    namer = Contributions(Scorer(model))
    lost = Site("GCAUG", SITE + 1)
    for position, reference, alternative in (
        (SITE + 2, "G", "A"),
        (SITE + 4, "A", "C"),
        (SITE + 6, "G", "T"),
        (SITE + 4, "A", "AC"),
        (SITE + 3, "CA", "C"),
        (SITE, "ATGCATGTCC", "A"),
    ):
        assert sites_of(genome, namer, model, position, reference, alternative) == (lost, None)
    assert sites_of(genome, namer, model, SITE + 1, "T", "A") == (None, None)
    # Brought by a replacement, by an insertion on the other strand, and on this one.
    assert sites_of(genome, namer, model, 11, "A", "GCATG") == (None, Site("GCAUG", 10))
    assert sites_of(genome, namer, model, 20, "A", "ACATGC", "-") == (None, Site("GCAUG", 19))
    assert sites_of(genome, namer, model, 20, "A", "AGCATG") == (None, Site("GCAUG", 19))
    # Read backwards, ACCATGCATGT holds GCAUG two letters to the left.
    assert sites_of(genome, namer, model, SITE + 2, "G", "A", "-") == (Site("GCAUG", SITE - 2), None)


def test_a_site_is_named_by_the_motif_that_matches_best(genome: Genome) -> None:
    model = genomes.predictor(genomes.Finder("GCAUG"), 20)
    sure = np.eye(4) * 0.96 + 0.01
    fox, short = sure[[3, 2, 1, 0, 3, 2]], sure[[1, 0, 3]]  # UGCAUG, CAU
    namer = Motifs({"CAU": short, "FOX": fox, "long": np.full((50, 4), 0.25)})
    lost, gained = sites_of(genome, namer, model, SITE + 5, "T", "C")
    assert (str(lost), gained) == ("FOX:UGCAUG", None)
    assert lost == Site("UGCAUG", SITE, "FOX")
    # A motif that is nowhere better than chance names nothing.
    assert sites_of(genome, Motifs({"PolyU": sure[[3] * 6]}), model, SITE + 5, "T", "C") == (None, None)


SAMPLES = [
    (
        "chr1",
        5,
        "rs1",
        "A",
        "G,<DEL>",
        "12.50",
        "PASS",
        "AF=0.10,0.2000;DP=7",
        "GT:GL",
        "0/1:-0.477121255,.,1e-9",
        "./.",
    ),
    ("chr1", 9, ".", "C", "T", ".", ".", ".", "GT", "0|1", "1|1"),
]


@pytest.fixture
def vcf(tmp_path: Path) -> Path:
    return genomes.write_vcf(tmp_path / "in.vcf", SAMPLES, ("one", "two"))


def packed(vcf: Path) -> Path:
    path = vcf.with_suffix(".vcf.gz")
    pysam.tabix_compress(str(vcf), str(path), force=True)
    return path


def rows_of(path: Path) -> list[Row]:
    with open_rows(path) as (_, rows):
        return list(rows)


def test_plain_gzipped_and_bgzipped_files_are_the_same_rows(vcf: Path, tmp_path: Path) -> None:
    zipped = tmp_path / "in.gz"
    zipped.write_bytes(gzip.compress(vcf.read_bytes()))
    rows = rows_of(vcf)
    assert rows[0].alternatives == ("G", "<DEL>")
    assert rows[0].rest == "\tGT:GL\t0/1:-0.477121255,.,1e-9\t./."
    assert [annotate_row(row, [Verdict()] * len(row.alternatives)) for row in rows] == (
        vcf.read_text().splitlines()[-2:]
    )
    assert rows == rows_of(zipped) == rows_of(packed(vcf))


def test_windows_line_ends_and_letters_that_are_no_utf8_are_read(vcf: Path) -> None:
    text = vcf.read_bytes().replace(b"rs1", b"caf\xe9").replace(b"\n", b"\r\n")
    vcf.write_bytes(text)
    assert rows_of(vcf)[0].name.encode("utf-8", "surrogateescape") == b"caf\xe9"


def bcf(path: Path) -> Path:
    header = pysam.VariantHeader()
    header.contigs.add("chr1", 1000)
    header.add_sample("one")
    header.formats.add("GT", 1, "String", "Genotype")
    with pysam.VariantFile(str(path), "wb", header=header) as out:
        for start in (5, 50):
            record = out.new_record(contig="chr1", start=start, alleles=("A", "G", "T"))
            record.samples["one"]["GT"] = (0, 1)
            out.write(record)
    return path


def test_a_bcf_is_rows_as_well(tmp_path: Path) -> None:
    rows = rows_of(bcf(tmp_path / "in.bcf"))
    assert [(row.position, row.alternatives, row.rest) for row in rows] == [
        (6, ("G", "T"), "\tGT\t0/1"),
        (51, ("G", "T"), "\tGT\t0/1"),
    ]


@pytest.mark.parametrize("cut", [28, 40, 100])
@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_a_bgzipped_file_cut_short_is_refused(
    tmp_path: Path, vcf: Path, capfd: pytest.CaptureFixture[str], kind: str, cut: int
) -> None:
    path = packed(vcf) if kind == "vcf" else bcf(tmp_path / "in.bcf")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match="cut short"):
        rows_of(path)
    assert capfd.readouterr().err == ""


def test_a_gzipped_or_damaged_file_is_told_while_it_is_read(vcf: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.gz"
    text = vcf.read_bytes()
    whole = gzip.compress(text + text[text.index(b"chr1") :] * 1000)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cut short"):
        rows_of(path)
    broken = bytearray(bcf(tmp_path / "in.bcf").read_bytes())
    broken[40:60] = bytes(20)
    path.write_bytes(bytes(broken))
    with pytest.raises(DataError, match="damaged"):
        rows_of(path)


COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
START = "##fileformat=VCFv4.2\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("hello\n", "no VCF: it begins with 'hello'"),
        (">chr1\nACGT\n", "no VCF"),
        (START, "ends within its header"),
        (f"{START}chr1\t1\t.\tA\tC\t.\t.\t.\n", "line 2: 'chr1.*where the columns are named"),
        (f"{START}{COLUMNS}\tFORMAT\n", "where the columns are named"),
        (f"{START}{COLUMNS}\nchr1 1 . A C . . .\n", "line 3 has 1 columns"),
        (f"{START}{COLUMNS}\nchr1\t1\t.\tA\tC\t.\t.\n", "line 3 has 7 columns"),
        (f"{START}{COLUMNS}\tFORMAT\ts\nchr1\t1\t.\tA\tC\t.\t.\t.\n", "expected 10"),
        (f"{START}{COLUMNS}\nchr1\tx\t.\tA\tC\t.\t.\t.\n", "line 3: 'chr1', 'x'"),
        (f"{START}{COLUMNS}\nchr1\t{2**31}\t.\tA\tC\t.\t.\t.\n", "line 3: 'chr1', '2147483648'"),
        (f"{START}{COLUMNS}\nchr1\t-4\t.\tA\tC\t.\t.\t.\n", "'-4'"),
        (f"{START}{COLUMNS}\nchr1\t4\t.\t\tC\t.\t.\t.\n", "reference's letters"),
    ],
)
def test_what_is_no_vcf_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "in.vcf"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as error:
        rows_of(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        rows_of(tmp_path / "none.vcf")


def test_a_mismatch_is_a_filter_and_what_an_earlier_run_wrote_is_replaced(vcf: Path) -> None:
    row = rows_of(vcf)[0]
    mismatch = Verdict(skip=Skip.reference_mismatch)
    line = annotate_row(row, [mismatch, Verdict(skip=Skip.symbolic)])
    assert line.split("\t")[6:8] == ["RC_REF", "AF=0.10,0.2000;DP=7;RC_SKIPPED=reference_mismatch,symbolic"]
    again = Row(**{**vars(row), "filters": "q10;RC_REF", "info": line.split("\t")[7]})
    assert annotate_row(again, [Verdict()] * 2).split("\t")[6:8] == ["q10", "AF=0.10,0.2000;DP=7"]
    header = annotate_header(["##fileformat=VCFv4.2", COLUMNS], {"Model": 'the "first"\n\\ model'})
    assert annotate_header(header, {"Model": 'the "first"\n\\ model'}) == header


def row_at(contig: str, position: int) -> Row:
    return Row(contig, position, ".", "A", ("C",), ".", ".", ".", "")


@pytest.mark.parametrize(
    ("places", "is_sorted"),
    [
        ([], True),
        ([("a", 1), ("a", 1), ("a", 7), ("b", 2)], True),
        ([("b", 5), ("a", 1)], True),  # contigs in any order
        ([("a", 2), ("a", 1)], False),
        ([("a", 1), ("b", 1), ("a", 2)], False),
    ],
)
def test_sorted_rows_are_indexed_and_others_are_written_all_the_same(
    tmp_path: Path, places: list[tuple[str, int]], is_sorted: bool
) -> None:
    path = tmp_path / "new" / "out.vcf.gz"
    index = Path(f"{path}.tbi")
    path.parent.mkdir()
    index.write_text("of an older file")
    with open_writer(path) as writer:
        writer.write_header([START.strip(), COLUMNS])
        for place in places:
            row = row_at(*place)
            writer.write(row, annotate_row(row, [Verdict()]))
    assert writer.sorted == writer.indexed == is_sorted
    assert index.exists() == is_sorted
    assert [(row.contig, row.position) for row in rows_of(path)] == places
    assert sorted(path.parent.iterdir()) == ([path, index] if is_sorted else [path])
    if is_sorted and places:
        with pysam.TabixFile(str(path)) as file:
            found = [line.split("\t")[1] for line in file.fetch(places[0][0])]
        assert found == [str(at) for contig, at in places if contig == places[0][0]]


def test_positions_that_tabix_cannot_index_get_the_other_index(tmp_path: Path) -> None:
    path = tmp_path / "out.vcf.gz"
    with open_writer(path) as writer:
        writer.write_header([START.strip(), COLUMNS])
        row = row_at("a", 2**29 + 10)
        writer.write(row, annotate_row(row, [Verdict()]))
    assert Path(f"{path}.csi").exists()
    with pysam.TabixFile(str(path), index=f"{path}.csi") as file:
        assert len(list(file.fetch("a", 2**29, 2**29 + 100))) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_by_others(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    header = annotate_header(["##fileformat=VCFv4.2", "##contig=<ID=a>", COLUMNS], {"Version": "1"})
    with open_writer(path) as writer:
        writer.write_header(header)
        row = row_at("a", 3)
        writer.write(row, annotate_row(row, [Verdict(skip=Skip.letters)]))
    with pysam.VariantFile(str(path)) as file:
        (record,) = file
        assert record.info["RC_SKIPPED"] == ("letters",)
        assert {"RIBOCYTE", "RC_DELTA", "RC_LOST"} <= set(file.header.info)


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.vcf.gz"
    path.write_text("before")

    def fail() -> None:
        with open_writer(path) as writer:
            writer.write_header([COLUMNS])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_rows_that_bcf_cannot_hold_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        with open_writer(tmp_path / "out.bcf") as writer:
            writer.write_header([START.strip(), COLUMNS])
            writer.write(row_at("a", 3), annotate_row(row_at("a", 3), [Verdict()]))

    with pytest.raises(DataError, match="describes all its contigs"):
        write()
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_impossible_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="what format"), open_writer(tmp_path / "out.txt"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="could not be written"), open_writer(tmp_path / "file" / "out.vcf"):
        pass
