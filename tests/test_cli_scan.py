"""``ribocyte scan`` as a person meets it: the files, what it says, and how wrong requests are answered."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import genomes
import untrained
from command_line import ask, call, refused, succeed

EXPERIMENT = untrained.EXPERIMENTS[0]
QUICK = ("--null", 2000, "--fpr", 0.01)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained.save(
        tmp_path_factory.mktemp("model") / "model.safetensors",
        info={"outputs": [EXPERIMENT], "normalisation": {"length": 41}, "simulated": True},
    )


@pytest.fixture(scope="module")
def transcripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    contigs = {f"tx{number}": "".join(random.Random(number).choices("ACGT", k=600)) for number in range(4)}
    contigs |= {"short": "gcaTGca", "unknown": "N" * 80 + contigs["tx0"]}
    path = genomes.write_fasta(tmp_path_factory.mktemp("rna") / "rna.fa", contigs)
    path.write_text(path.read_text() + ">empty\n")
    return path


def test_a_scan_writes_files_and_says_what_it_did(tmp_path: Path, model: Path, transcripts: Path) -> None:
    out = tmp_path / "out"
    result = call("scan", model, transcripts, "--out", out, "--accessibility", "--plot", "tx1", *QUICK)
    assert result.exit_code == 0, result.output
    assert "SIMULATED" in result.stdout
    assert "6 sequences" in result.stdout
    assert "Mb/s" in result.stdout
    assert "skipped: 1, empty sequence, such as empty" in result.stderr
    assert "windows with too many N" in result.stderr
    files = ["sites.bed", "sites.tsv", "summary.json", "track.plus.bedgraph", "track.plus.bw", "track.svg"]
    assert sorted(path.name for path in out.iterdir()) == files
    assert all(str(out / name) in result.stdout for name in files)


def test_json_holds_the_summary(tmp_path: Path, model: Path, transcripts: Path) -> None:
    found = ask(
        "scan", model, transcripts, "--out", tmp_path / "out", "--both-strands", "--no-tracks", *QUICK
    )
    assert found["skipped"] == {"empty sequence": 1}
    assert found["targets"] == 12
    assert found["settings"]["stride"] == 10
    assert found["files"] == ["sites.bed", "sites.tsv", "summary.json"]
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert written == {key: value for key, value in found.items() if key != "out"}


def test_genomes_are_scanned_where_an_annotation_says(tmp_path: Path, model: Path, transcripts: Path) -> None:
    bed, gtf, genome = tmp_path / "regions.bed", tmp_path / "genes.gtf", tmp_path / "genome.fa"
    genome.write_text(transcripts.read_text().replace(">empty\n", ""))
    bed.write_text("tx0\t10\t300\tone\t0\t-\n")
    gtf.write_text(
        "\n".join(genomes.exon_line("tx2", *exon, "+", "rna", "gene") for exon in ((1, 90), (200, 400)))
    )
    whole = ("scan", model, "--fasta", genome, "--no-tracks", *QUICK, "--out")
    assert ask(*whole, tmp_path / "a", "--bed", bed)["nucleotides"] == 290
    assert ask(*whole, tmp_path / "b", "--gtf", gtf)["nucleotides"] == 291
    assert ask(*whole, tmp_path / "c")["nucleotides"] == 4 * 600 + 7 + 680


def test_wrong_requests_are_explained_in_a_line(tmp_path: Path, model: Path, transcripts: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "nothing is given" in refused("scan", model, *out)
    assert "of which genome" in refused("scan", model, transcripts, "--bed", transcripts, *out)
    assert "no such file" in refused("scan", model, tmp_path / "none.fa", *out)
    assert "fpr = 2" in refused("scan", model, transcripts, "--fpr", 2, *out)
    assert "cannot tell a rate so small" in refused("scan", model, transcripts, "--null", 100, *out)
    assert "nothing of that name" in refused("scan", model, transcripts, "--plot", "gene", *out)
    assert "not an empty folder" in refused("scan", model, transcripts, "--out", tmp_path.parent)
    cells = untrained.save(tmp_path / "cells.safetensors", "cell-cnn")
    assert "reads images of cells" in refused("scan", cells, transcripts, *out)
    twice = tmp_path / "twice.fa"
    twice.write_text(">a\nACGU\n>a\nACGU\n")
    assert "two sequences are called 'a'" in refused("scan", model, twice, *out)
    assert not (tmp_path / "out").exists()
    assert call("scan", model, transcripts).exit_code == 2  # --out is missing


def test_help_says_what_a_site_is() -> None:
    assert "A site is a run of overlapping windows" in " ".join(succeed("scan", "--help").split())
