"""Variants scored from files: every number against brute force, rows in order, and nothing scored in silence."""

from __future__ import annotations

import csv
import random
from dataclasses import asdict
from pathlib import Path

import pysam
import pytest
import torch

import genomes
from ribocyte.applications.affinities import check_affinities, plot_affinities
from ribocyte.applications.variants import (
    VariantFiles,
    VariantReport,
    VariantSettings,
    annotate_variants,
)
from ribocyte.errors import DataError, RequestError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.genome import reverse_complement
from ribocyte.rna.variants import batches

LENGTH = 12
CONTIGS = {name: "".join(random.Random(name).choices("ACGT", k=400)) for name in ("chr1", "chr2")}
MODEL = genomes.weigher(LENGTH)
TABLE_NUMBERS = ("before", "after", "delta", "loss", "gain")


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    return genomes.write_fasta(tmp_path / "genome.fa", CONTIGS)


def draw_rows(count: int, seed: int = 0) -> list[tuple[object, ...]]:
    """Draw substitutions, insertions and deletions with one to three ALTs, sorted."""
    chance, rows = random.Random(seed), []
    for _ in range(count):
        contig, position = chance.choice(list(CONTIGS)), chance.randint(1, 395)
        reference = CONTIGS[contig][position - 1 : position - 1 + chance.choice([1, 1, 1, 3])]
        different = [alt for alt in ("A", "C", "G", "T", "ACG", "TT", "GCATGCC") if alt != reference]
        rows.append((contig, position, reference, ",".join(chance.sample(different, chance.randint(1, 3)))))
    return sorted(rows)


def run(
    tmp_path: Path, fasta: Path, rows: list[tuple[object, ...]], model: Predictor = MODEL, **options: object
) -> tuple[VariantReport, list[dict[str, str]], list[pysam.VariantRecord]]:
    vcf = genomes.write_vcf(tmp_path / "in.vcf", rows)
    gtf = options.pop("gtf", None)
    files = VariantFiles(vcf, fasta, tmp_path / "out.vcf.gz", gtf=gtf, tsv=tmp_path / "out.tsv")  # type: ignore[arg-type]
    report = annotate_variants(model, files, VariantSettings(**options), name="toy")  # type: ignore[arg-type]
    with (tmp_path / "out.tsv").open() as stream:
        table = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    with pysam.VariantFile(str(files.out)) as file:
        return report, table, list(file)


def delta(row: dict[str, str]) -> float:
    """Compute the effect of a substitution: the best of the windows that cover it, after and before."""
    letters, at = CONTIGS[row["contig"]], int(row["position"]) - 1
    best = []
    for base in (row["ref"], row["alt"]):
        rna = (letters[:at] + base + letters[at + 1 :]).replace("T", "U")
        first, last = max(at - LENGTH + 1, 0), min(at, len(rna) - LENGTH)
        windows = [rna[start : start + LENGTH] for start in range(first, last + 1)]
        windows = windows if row["strand"] == "+" else list(map(reverse_complement, windows))
        best.append(max(genomes.score(MODEL, window) for window in windows))
    return best[1] - best[0]


def test_substitutions_of_both_strands_agree_with_brute_force(tmp_path: Path, fasta: Path) -> None:
    rows = [
        row
        for row in draw_rows(120)
        if all(len(alt) == len(str(row[2])) == 1 for alt in str(row[3]).split(","))
    ]
    report, table, records = run(tmp_path, fasta, rows)
    assert [int(row["position"]) for row in table[::2]] == [
        row[1] for row in rows for _ in str(row[3]).split(",")
    ]
    for row in table:
        assert float(row["delta"]) == pytest.approx(delta(row), abs=2e-4)
        assert float(row["delta"]) == pytest.approx(float(row["after"]) - float(row["before"]), abs=2e-4)
    assert (report.rows, report.scored, report.readings) == (len(rows), len(table) // 2, len(table))
    # The fields of an ALT are those of the strand with the larger effect.
    numbers = iter(table)
    for record in records:
        for strands in [(next(numbers), next(numbers)) for _ in record.alts or ()]:
            strongest = max(strands, key=lambda row: abs(float(row["delta"])))
            at = (record.alts or ()).index(strongest["alt"])
            assert record.info["RC_DELTA"][at] == pytest.approx(float(strongest["delta"]))
            assert record.info["RC_STRAND"][at] == strongest["strand"]


def test_the_result_does_not_depend_on_how_rows_are_batched(
    tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = draw_rows(60)
    _, together, _ = run(tmp_path, fasta, rows)
    monkeypatch.setattr(batches, "WINDOWS_TOGETHER", 1)
    _, single, _ = run(tmp_path, fasta, rows)
    assert len(together) == len(single) > 100
    for one, other in zip(together, single, strict=True):
        for key in one:
            if key in TABLE_NUMBERS:
                assert float(one[key]) == pytest.approx(float(other[key]), abs=2e-4)
        assert (one["alt"], one["strand"], one["windows"]) == (
            other["alt"],
            other["strand"],
            other["windows"],
        )


def test_only_the_strand_asked_for_is_read(tmp_path: Path, fasta: Path) -> None:
    rows = draw_rows(10)
    _, both, _ = run(tmp_path, fasta, rows)
    _, minus, _ = run(tmp_path, fasta, rows, strand="-")
    assert {row["strand"] for row in minus} == {"-"}
    assert minus == [row for row in both if row["strand"] == "-"]


def test_planted_sites_that_variants_break_are_the_largest_losses_and_are_named(tmp_path: Path) -> None:
    chance = random.Random(7)
    letters = list("".join(chance.choices("ACT", k=3000)))  # no G: no site but those planted
    rows: list[tuple[object, ...]] = []
    broken = {}
    for number, at in enumerate(range(100, 2900, 200)):
        forward = number % 2 == 0
        letters[at : at + 5] = "GCATG" if forward else "CATGC"
        place = at + chance.randrange(5)
        rows.append(("c", place + 1, letters[place], "A" if letters[place] != "A" else "C"))
        broken[place + 1] = ("+" if forward else "-", at + 1)
        rows.append(("c", at + 101, letters[at + 100], "A" if letters[at + 100] != "A" else "C"))
    fasta = genomes.write_fasta(tmp_path / "g.fa", {"c": "".join(letters)})
    finder = genomes.predictor(genomes.Finder("GCAUG"), 41)
    report, table, records = run(tmp_path, fasta, rows, finder)
    losses = {int(row["position"]): row for row in table if float(row["delta"]) < 0}
    assert losses.keys() == broken.keys()
    for position, row in losses.items():
        strand, site = broken[position]
        assert (row["strand"], row["lost"], int(row["lost_position"])) == (strand, "GCAUG", site)
        assert row["summary"] == f"lost GCAUG at c:{site}"
        assert int(row["loss_position"]) <= site <= int(row["loss_position"]) + 41 - 5
    by_loss = sorted(records, key=lambda record: record.info["RC_DELTA"][0])
    assert {record.pos for record in by_loss[: len(broken)]} == set(broken)
    assert by_loss[0].info["RC_LOST"][0].startswith("GCAUG@")
    assert len(report.losses) == 10
    assert report.losses[0]["site"].startswith("lost GCAUG at c:")


def test_what_cannot_be_scored_is_kept_counted_and_said_why(tmp_path: Path, fasta: Path) -> None:
    first = CONTIGS["chr1"][0]
    wrong = "A" if first != "A" else "C"
    rows: list[tuple[object, ...]] = [
        ("1", 1, first, f"{'G' if first != 'G' else 'T'},*,<DEL>"),
        ("1", 1, wrong, "G"),
        ("1", 2, CONTIGS["chr1"][1].lower(), "."),
        ("chr9", 5, "A", "C"),
    ]
    report, table, records = run(tmp_path, fasta, rows)
    assert report.skipped == {
        "overlapping_deletion": 1, "symbolic": 1, "reference_mismatch": 1, "no_alternative": 1, "unknown_contig": 1,
    }  # fmt: skip
    assert report.scored + sum(report.skipped.values()) == report.alleles == 6
    assert report.examples["reference_mismatch"] == f"1:1 {wrong}>G"
    assert len(records) == report.rows == 4
    assert records[0].info["RC_SKIPPED"] == (".", "overlapping_deletion", "symbolic")
    assert records[0].info["RC_DELTA"][1:] == (None, None)
    assert (list(records[1].filter), "RC_DELTA" in records[1].info) == (["RC_REF"], False)
    assert [row["skipped"] for row in table if row["skipped"]] == [
        "overlapping_deletion", "symbolic", "reference_mismatch", "no_alternative", "unknown_contig",
    ]  # fmt: skip
    assert all(not row["delta"] for row in table if row["skipped"])


def test_windows_that_hold_n_are_scored_and_counted(tmp_path: Path) -> None:
    fasta = genomes.write_fasta(tmp_path / "g.fa", {"c": "ACGTAACCNNNN" + "ACGT" * 10})
    report, table, _ = run(tmp_path, fasta, [("c", 4, "T", "A"), ("c", 40, "T", "A"), ("c", 9, "N", "A")])
    # All windows that cover position 4 but the first four hold N; RNA 3′ of it on one strand, 5′ on the other.
    assert [(row["windows"], row["windows_with_n"]) for row in table[:4]] == [
        ("8", "8"), ("8", "8"), ("24", "0"), ("24", "0"),
    ]  # fmt: skip
    assert (report.unknown, report.skipped) == (1, {"reference_unknown": 1})


def test_long_deletions_are_scored_and_longer_ones_skipped(tmp_path: Path, fasta: Path) -> None:
    letters = CONTIGS["chr1"]
    # Such an end that the deletion can be written in one place only.
    stop = next(at for at in range(150, 200) if letters[at] != letters[50] and letters[at - 1] != letters[49])
    rows: list[tuple[object, ...]] = [("chr1", 50, letters[49:stop], letters[49])]
    report, table, _ = run(tmp_path, fasta, rows)
    assert report.scored == 1
    assert float(table[0]["delta"]) == pytest.approx(delta_of_deletion(50, stop), abs=2e-4)
    report, _, _ = run(tmp_path, fasta, rows, longest=100)
    assert report.skipped == {"too_long": 1}


def delta_of_deletion(start: int, stop: int) -> float:
    rna = CONTIGS["chr1"].replace("T", "U")
    before = [genomes.score(MODEL, rna[at : at + LENGTH]) for at in range(start - LENGTH + 1, stop)]
    joined = rna[start - LENGTH + 1 : start] + rna[stop : stop + LENGTH - 1]
    after = [genomes.score(MODEL, joined[at : at + LENGTH]) for at in range(LENGTH - 1)]
    return max(after) - max(before)


def test_genes_decide_strand_and_reading(tmp_path: Path, fasta: Path) -> None:
    gtf = tmp_path / "genes.gtf"
    exons = [
        ("1", 101, 150, "-", "T1", "GENE"),
        ("1", 201, 250, "-", "T1", "GENE"),
        ("7", 1, 9, "+", "T7", "FAR"),
    ]
    gtf.write_text("\n".join(genomes.exon_line(*exon) for exon in exons) + "\n")
    letters = CONTIGS["chr1"]
    changes = [(at, "A" if letters[at - 1] != "A" else "C") for at in (50, 148, 175, 225)]
    rows: list[tuple[object, ...]] = [("chr1", at, letters[at - 1], alt) for at, alt in changes]
    report, table, records = run(tmp_path, fasta, rows, gtf=gtf)
    assert [(row["position"], row["reading"], row["region"], row["transcripts"]) for row in table] == [
        ("50", "", "", ""),
        ("148", "pre-mRNA", "exon", "T1"),
        ("148", "mature", "exon", "T1"),
        ("175", "pre-mRNA", "intron", "T1"),
        ("225", "pre-mRNA", "exon", "T1"),
    ]
    assert (table[0]["skipped"], report.skipped) == ("intergenic", {"intergenic": 1})
    assert {row["strand"] for row in table[1:]} == {"-"}
    assert report.transcripts_left_out == {"7": 1}
    assert len(records[1].info["RIBOCYTE"]) == 2
    # The mature RNA has the next exon behind the junction.
    joined = reverse_complement((letters[100:150] + letters[200:250]).replace("T", "U"))
    at = 50 + 2
    changed = joined[:at] + reverse_complement(changes[1][1].replace("T", "U")) + joined[at + 1 :]
    best = [
        max(genomes.score(MODEL, rna[start : start + LENGTH]) for start in range(at - LENGTH + 1, at + 1))
        for rna in (joined, changed)
    ]
    assert float(table[2]["delta"]) == pytest.approx(best[1] - best[0], abs=2e-4)


def test_names_with_special_letters_are_written_so_that_others_can_read_them(
    tmp_path: Path, fasta: Path
) -> None:
    gtf = tmp_path / "genes.gtf"
    gtf.write_text(genomes.exon_line("chr1", 1, 400, "+", "T|1,a", "G;x=1 %") + "\n")
    rows = [row for row in draw_rows(5, seed=1) if row[0] == "chr1"]
    _, table, records = run(tmp_path, fasta, rows, gtf=gtf)
    assert table[0]["gene"] == "G;x=1 %"
    assert records[0].info["RIBOCYTE"][0].split("|")[2:4] == ["G%3Bx%3D1%20%25", "T%7C1%2Ca"]


def test_genes_of_another_genome_are_refused(tmp_path: Path, fasta: Path) -> None:
    gtf = tmp_path / "genes.gtf"
    gtf.write_text(genomes.exon_line("scaffold9", 1, 400, "+", "T", "G") + "\n")
    with pytest.raises(DataError, match="none of its 1 transcripts lies on the genome"):
        run(tmp_path, fasta, [], gtf=gtf)


def test_an_empty_vcf_gives_an_empty_one_with_our_header(tmp_path: Path, fasta: Path) -> None:
    report, table, records = run(tmp_path, fasta, [])
    assert (report.rows, table, records) == (0, [], [])
    assert (tmp_path / "out.vcf.gz.tbi").exists()


def test_rows_out_of_order_keep_their_order_and_get_no_index(tmp_path: Path, fasta: Path) -> None:
    rows = draw_rows(20)[::-1]
    report, _, records = run(tmp_path, fasta, rows)
    assert [(record.chrom, record.pos) for record in records] == [row[:2] for row in rows]
    assert (report.sorted, report.indexed, (tmp_path / "out.vcf.gz.tbi").exists()) == (False, False, False)


def test_other_fields_go_out_letter_by_letter(tmp_path: Path, fasta: Path) -> None:
    letter = CONTIGS["chr1"][4]
    row = (
        "chr1",
        5,
        "rs1;rs2",
        letter,
        "T" if letter != "T" else "A",
        "12.50",
        "PASS",
        "AF=0.10;DB",
        "GT:GL",
        "0/1:-0.477121255,1e-9",
        ".",
    )
    vcf = genomes.write_vcf(tmp_path / "in.vcf", [row], ("one", "two"))
    files = VariantFiles(vcf, fasta, tmp_path / "out.vcf")
    annotate_variants(MODEL, files)
    before, after = vcf.read_text().splitlines(), files.out.read_text().splitlines()
    assert after[: len(genomes.HEADER)] == before[: len(genomes.HEADER)]
    old, new = before[-1].split("\t"), after[-1].split("\t")
    assert new[7].startswith("AF=0.10;DB;RC_DELTA=")
    assert [*new[:7], *new[8:]] == [*old[:7], *old[8:]]
    # Annotating what is annotated changes nothing.
    again = VariantFiles(files.out, fasta, tmp_path / "again.vcf")
    annotate_variants(MODEL, again)
    assert again.out.read_text() == files.out.read_text()


def test_the_header_says_what_made_the_numbers(tmp_path: Path, fasta: Path) -> None:
    run(tmp_path, fasta, [])
    with pysam.VariantFile(str(tmp_path / "out.vcf.gz")) as file:
        (made,) = [dict(line.items()) for line in file.header.records if line.key == "ribocyte"]
        assert (made["Model"], made["Experiment"], made["Simulated"]) == ('"toy"', '"SIM"', '"yes"')
        assert file.header.info["RC_DELTA"].number == "A"
        assert all(field.description for field in file.header.info.values())


@pytest.mark.parametrize(("asked", "scale"), [("one", 1.0), ("two", -2.0)])
def test_the_output_asked_for_is_scored(tmp_path: Path, fasta: Path, asked: str, scale: float) -> None:
    class Two(torch.nn.Module):
        def forward(self, rna: torch.Tensor) -> torch.Tensor:
            both: torch.Tensor = MODEL.network(rna) * torch.tensor([[1.0, -2.0]])
            return both

    rows = draw_rows(10)
    _, single, _ = run(tmp_path, fasta, rows)
    _, table, _ = run(tmp_path, fasta, rows, genomes.predictor(Two(), LENGTH, "one", "two"), output=asked)
    if scale > 0:
        assert [row["delta"] for row in table] == [row["delta"] for row in single]
    else:
        assert [row["delta"] for row in table] != [row["delta"] for row in single]
    with pytest.raises(RequestError, match="one, two"):
        run(tmp_path, fasta, rows, genomes.predictor(Two(), LENGTH, "one", "two"), output="three")


@pytest.mark.parametrize("wrong", [{"strand": "x"}, {"longest": 0}, {"named": -1.0}])
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RequestError, match=next(iter(wrong))):
        VariantSettings(**wrong)  # type: ignore[arg-type]


def test_an_input_is_never_written_over(tmp_path: Path, fasta: Path) -> None:
    vcf = genomes.write_vcf(tmp_path / "in.vcf", [])
    with pytest.raises(RequestError, match="is an input as well"):
        VariantFiles(vcf, fasta, vcf)
    with pytest.raises(RequestError, match="both --out and --tsv"):
        VariantFiles(vcf, fasta, tmp_path / "out.vcf", tsv=tmp_path / "out.vcf")


def test_a_model_that_reads_cells_is_refused(tmp_path: Path, fasta: Path) -> None:
    import toys

    cells = Predictor(toys.Dense(), toys.Numbers(), MODEL.card)
    with pytest.raises(RequestError, match="reads RNA"):
        run(tmp_path, fasta, [], cells)


def test_a_failure_while_reading_leaves_nothing(tmp_path: Path, fasta: Path) -> None:
    vcf = genomes.write_vcf(tmp_path / "in.vcf", [*draw_rows(5), ("chr1", "x", "A", "C")])
    files = VariantFiles(vcf, fasta, tmp_path / "new" / "out.vcf.gz", tsv=tmp_path / "new" / "out.tsv")
    with pytest.raises(DataError, match="line 10"):
        annotate_variants(MODEL, files)
    assert list((tmp_path / "new").iterdir()) == []


def test_affinities_of_a_network_that_knows_them_are_in_line() -> None:
    from test_affinities import BestSite

    test = check_affinities(genomes.predictor(BestSite(-1.0), 41), contexts=10)
    assert (test.pearson, test.spearman) == pytest.approx((-1.0, -1.0))
    assert (test.effects[0], test.simulated, len(test.rnas)) == (0.0, True, 7)
    figure = plot_affinities(test)
    texts = {text.get_text() for panel in figure.axes for text in panel.texts} | {
        text.get_text() for text in figure.texts
    }
    assert set(test.rnas) | {"SIMULATED"} <= texts
    assert asdict(test)["kd"][0] == 0.83
