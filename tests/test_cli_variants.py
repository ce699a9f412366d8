"""``ribocyte variants`` and ``ribocyte affinities`` as a person meets them, with a network that was never trained."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pysam
import pytest

import genomes
import untrained
from command_line import ask, call, refused, succeed

LETTERS = "".join(random.Random(2).choices("ACGT", k=500))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    info = {"outputs": ["SIM_RBFOX1"], "simulated": True, "normalisation": {"length": 41}}
    return untrained.save(tmp_path_factory.mktemp("model") / "model.safetensors", info=info)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    fasta = genomes.write_fasta(tmp_path / "g.fa", {"chr1": LETTERS})
    different = "A" if LETTERS[99] != "A" else "C"
    rows: list[tuple[object, ...]] = [
        ("1", 100, LETTERS[99], f"{different},*"),
        ("1", 200, "A" if LETTERS[199] != "A" else "C", "G"),
        ("1", 300, LETTERS[299:305], LETTERS[299]),
    ]
    vcf = genomes.write_vcf(tmp_path / "in.vcf", rows)
    return ["--vcf", str(vcf), "--fasta", str(fasta), "--out", str(tmp_path / "out.vcf.gz")]


def test_a_report_says_what_was_done_and_what_was_not(model: Path, files: list[str], tmp_path: Path) -> None:
    result = call("variants", model, *files, "--tsv", tmp_path / "out.tsv")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    said = " ".join(result.stderr.split())
    assert "3 rows, 4 alleles, 2 scored in 4 readings" in said
    assert "1 skipped: REF is not what the genome has there such as 1:200" in said
    assert "1 skipped: ALT is '*': deleted by a variant of another row such as 1:100" in said
    assert "SIMULATED" in said
    assert "many REF are not what the genome has" in said
    assert "largest losses:" in said
    assert len((tmp_path / "out.tsv").read_text().splitlines()) == 1 + 4 + 2
    with pysam.VariantFile(files[-1]) as file:
        assert [record.pos for record in file.fetch("1", 150, 400)] == [200, 300]


def test_the_report_as_json_is_the_same(model: Path, files: list[str]) -> None:
    report = ask("variants", model, *files, "--strand", "+", "--name-from", "0")
    assert (report["rows"], report["scored"], report["readings"], report["indexed"]) == (3, 2, 2, True)
    assert report["skipped"] == {"overlapping_deletion": 1, "reference_mismatch": 1}
    assert report["seconds"] > 0


def test_bfloat16_is_close(model: Path, files: list[str], tmp_path: Path) -> None:
    deltas = []
    for options in ([], ["--bf16"]):
        succeed("variants", model, *files, *options)
        with pysam.VariantFile(files[-1]) as file:
            deltas.append([record.info["RC_DELTA"][0] for record in file if "RC_DELTA" in record.info])
    assert deltas[0] == pytest.approx(deltas[1], abs=0.05)


def test_unsorted_rows_are_told(model: Path, files: list[str]) -> None:
    vcf = Path(files[1])
    lines = vcf.read_text().splitlines()
    vcf.write_text("\n".join([*lines[:-3], *reversed(lines[-3:])]) + "\n")
    result = call("variants", model, *files)
    assert "no index was made" in " ".join(result.stderr.split())
    assert not Path(f"{files[-1]}.tbi").exists()


def test_genes_and_motifs_are_read_from_files(model: Path, files: list[str], tmp_path: Path) -> None:
    gtf = tmp_path / "genes.gtf"
    gtf.write_text(genomes.exon_line("chr1", 50, 400, "-", "T", "GENE") + "\n")
    motifs = tmp_path / "motifs.meme"
    rows = "\n".join(
        " ".join("0.97" if row == column else "0.01" for column in range(4)) for row in (2, 1, 0, 3, 2)
    )
    motifs.write_text(
        "MEME version 5\n\nALPHABET= ACGU\n\nBackground letter frequencies\nA 0.25 C 0.25 G 0.25 U 0.25\n\n"
        f"MOTIF FOX\nletter-probability matrix: alength= 4 w= 5 nsites= 20 E= 0\n{rows}\n"
    )
    report = ask("variants", model, *files, "--gtf", gtf, "--motifs", motifs, "--name-from", "0.0001")
    assert (report["scored"], report["readings"]) == (2, 2)
    with pysam.VariantFile(files[-1]) as file:
        sites = [site for record in file for site in record.info.get("RC_LOST", ())]
    assert all(site == "." or site.startswith("FOX:") for site in sites)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--vcf", "none.vcf"), "none.vcf: cannot be read"),
        (("--fasta", "none.fa"), "none.fa: cannot be read"),
        (("--out", "out.txt"), "what format"),
        (("--gtf", "none.gtf"), "none.gtf: cannot be read"),
        (("--output", "nothing"), "output 'nothing'"),
        (("--longest", "0"), "longest = 0"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    model: Path, files: list[str], tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    value = str(tmp_path / change[1]) if "." in change[1] else change[1]
    assert said in refused("variants", model, *files, change[0], value)
    assert not Path(files[-1]).exists()


def test_affinities_are_a_table_a_figure_or_json(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "figure.svg"
    text = succeed("affinities", model, "--contexts", "3", "--out", out)
    assert "UGCAUGU" in text
    assert "SIMULATED" in text
    assert out.read_text().count("<svg") == 1
    found = ask("affinities", model, "--contexts", 3)
    assert len(found["effects"]) == 7
    assert json.dumps(found["kd"][:1]) == "[0.83]"
    assert -1 <= found["pearson"] <= 1
