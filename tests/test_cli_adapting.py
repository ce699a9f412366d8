"""``ribocyte adapt`` as a person meets it, and what other commands make of the folder it writes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

import binders
import newcomer
import untrained
from command_line import ask, call, refused, succeed

OTHERS = newcomer.draw_rnas(120, seed=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("adapt")
    newcomer.joint(members=2).save(made / "joint.safetensors")
    binders.write_fasta(made / "protein.fa", {"newcomer": binders.draw(150, 77)})
    binders.write_fasta(made / "others.fa", {f"r{n}": rna for n, rna in enumerate(OTHERS)})
    rnas = newcomer.draw_rnas(120, seed=2)
    newcomer.write_table(made / "measured.tsv", rnas, newcomer.measure(rnas))
    succeed(*asked(made), "--out", made / "new")
    return made


def asked(folder: Path, table: str = "measured.tsv", protein: str = "protein.fa") -> tuple[object, ...]:
    files = ("--protein", folder / protein, "--measured", folder / table)
    return ("adapt", folder / "joint.safetensors", *files)


def test_it_is_told_what_was_done_and_how_good_that_is(folder: Path, tmp_path: Path) -> None:
    shown = succeed(*asked(folder), "--out", tmp_path / "new")
    for said in (
        "SIMULATED",
        "newcomer: adapted to 120 measured RNAs",
        "Scale: intensities, clipped at",
        "Share of what is predicted from the protein's sequence:",
        "E3            STAR",
        "of these RNAs, each left out",
        "spearman",
        f"ribocyte predict {tmp_path / 'new'} RNA",
    ):
        assert said in shown
    result = call(*asked(folder), "--out", tmp_path / "again")
    assert "newcomer: no RNA-binding domain recognised" in " ".join(result.stderr.split())
    found = ask(*asked(folder), "--out", tmp_path / "json")
    assert found["rnas"] == 120
    assert found["scores"]["spearman"]["low"] > 0.5
    assert found["simulated"] is True
    same = tmp_path / "json" / "model.safetensors"
    assert same.read_bytes() == (tmp_path / "new" / "model.safetensors").read_bytes()


def test_other_commands_take_the_folder_as_a_model(folder: Path, tmp_path: Path) -> None:
    new = folder / "new"
    table = pl.read_csv(io.StringIO(succeed("predict", new, folder / "others.fa")), separator="\t")
    assert spearmanr(table["newcomer"], newcomer.measure(OTHERS, noise=0.0)).statistic > 0.8
    assert {"newcomer_intensity", "newcomer_low", "newcomer_high", "newcomer_spread"} <= set(table.columns)
    quick = ("--input", folder / "others.fa", "--methods", "kmers", "--top", 1, "--attributed", 10)
    found = ask("motifs", new, *quick, "--contexts", "random", "--out", tmp_path / "motifs")
    assert found["motifs"]
    assert found["simulated"] is True
    sites = ("--no-tracks", "--null", 2000, "--fpr", 0.01)
    succeed("scan", new, folder / "others.fa", "--out", tmp_path / "scan", *sites)
    assert (tmp_path / "scan" / "sites.bed").is_file()
    assert "## Adaptation" in succeed("card", new)
    succeed("export", new, "--onnx", tmp_path / "new.onnx")
    assert [one["protein"] for one in ask("proteins", "list", "--model", new)] == ["E1", "E2", "E3", "E4"]


def test_without_a_sequence_the_known_proteins_speak(folder: Path, tmp_path: Path) -> None:
    line = ("adapt", folder / "joint.safetensors", "--measured", folder / "measured.tsv")
    shown = succeed(*line, "--out", tmp_path / "new")
    assert "measured: adapted to 120" in shown
    assert "the mean over the known proteins" in shown
    table = pl.read_csv(
        io.StringIO(succeed("predict", tmp_path / "new", folder / "others.fa")), separator="\t"
    )
    assert spearmanr(table["measured"], newcomer.measure(OTHERS, noise=0.0)).statistic > 0.8


def test_too_few_to_be_judged_is_said(folder: Path, tmp_path: Path) -> None:
    rnas = newcomer.draw_rnas(6, seed=8)
    newcomer.write_table(folder / "few.tsv", rnas, newcomer.measure(rnas))
    result = call(*asked(folder, "few.tsv"), "--out", tmp_path / "new")
    assert result.exit_code == 0
    assert "too few RNAs to tell how good it is" in " ".join(result.stderr.split())


def test_measurements_that_are_noise_are_called_so(folder: Path, tmp_path: Path) -> None:
    rnas = newcomer.draw_rnas(80, seed=9)
    newcomer.write_table(folder / "noise.tsv", rnas, np.random.default_rng(1).uniform(1, 9, size=80))
    result = call(*asked(folder, "noise.tsv"), "--out", tmp_path / "new")
    assert result.exit_code == 0
    assert "do not show that the model predicts anything" in " ".join(result.stderr.split())


def test_what_cannot_be_done_is_refused_in_a_line(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "not an empty folder" in refused(*asked(folder), "--out", folder / "new")
    binders.write_fasta(folder / "two.fa", [binders.RELATIVE, binders.STRANGER])
    assert "2 proteins" in refused(*asked(folder, protein="two.fa"), "--out", out)
    binders.write_fasta(folder / "known.fa", [binders.WHOLE])
    assert "trained on this protein, as E3" in refused(*asked(folder, protein="known.fa"), "--out", out)
    assert "did you mean intensity" in refused(*asked(folder), "--value-column", "intensities", "--out", out)
    lines = (folder / "measured.tsv").read_text().splitlines()
    (folder / "bad.tsv").write_text("\n".join([*lines[:5], lines[5].split("\t")[0] + "\tstrong", *lines[6:]]))
    assert "line 6: 'strong'" in refused(*asked(folder, "bad.tsv"), "--out", out)
    (folder / "long.tsv").write_text("\n".join([*lines, "A" * 50 + "\t3"]))
    assert "line 122: an RNA of 50 nt" in refused(*asked(folder, "long.tsv"), "--out", out)
    (folder / "three.tsv").write_text("\n".join(lines[:4]))
    assert "3 different RNAs" in refused(*asked(folder, "three.tsv"), "--out", out)
    files = ("--protein", folder / "protein.fa", "--measured", folder / "measured.tsv", "--out", out)
    for kind, said in (("rna-cnn", "does not know the sequence"), ("cell-cnn", "images of cells")):
        single = untrained.save(tmp_path / f"{kind}.safetensors", kind)
        assert said in refused("adapt", single, *files)
    assert "adapted to newcomer already" in refused("adapt", folder / "new", *files)
    assert "speaks of no other" in refused(
        "bind", folder / "new", "--protein", folder / "two.fa", "--rna", folder / "others.fa"
    )
    assert not out.exists()
