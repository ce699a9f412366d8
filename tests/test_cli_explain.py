"""``ribocyte explain`` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import untrained
from command_line import ask, call, refused, succeed

EXPERIMENT = untrained.EXPERIMENTS[0]
RNA = "ACGUGCAUGAUCGUAGCUAGCU"


@pytest.fixture(scope="module")
def rna(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained.save(tmp_path_factory.mktemp("rna") / "model.safetensors", "rna-residual")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained.save(tmp_path_factory.mktemp("cells") / "model.safetensors", "cell-residual")


def test_sequences_are_explained_and_the_result_is_told(rna: Path, tmp_path: Path) -> None:
    fasta = tmp_path / "rna.fa"
    fasta.write_text(f">one\n{RNA}\n>two\nNNNN\n>three\n{RNA.replace('U', 'T').lower()}\n")
    told = succeed("explain", rna, fasta, RNA, "--out", tmp_path / "why", "--output", EXPERIMENT)
    lines = told.splitlines()
    assert lines[0].split() == ["sequence", "prediction", "site", "nt", "contribution"]
    assert {line.split()[0] for line in lines[1:4]} == {"one", "three", RNA}
    assert f"mutagenesis, {EXPERIMENT}: 4 given, 3 explained, 1 left out (only N)" in told
    assert lines[-1] == f"Read {tmp_path / 'why' / 'index.html'}"
    assert (tmp_path / "why" / "index.html").is_file()


def test_standard_input_and_json(rna: Path, tmp_path: Path) -> None:
    asked = call(
        "explain", rna, "-", "--out", tmp_path / "why", "--output", EXPERIMENT, "--top", 1,
        "--method", "deep-lift-shap", "--json", stdin=f">a\n{RNA}\n>b\nGGGG\n".encode(),
    )  # fmt: skip
    assert asked.exit_code == 0, asked.output
    told = json.loads(asked.stdout)
    assert (told["method"], told["given"], told["explained"]) == ("deep-lift-shap", 2, 1)
    assert told["largest_delta"] < 1e-4
    assert told["out"] == str(tmp_path / "why")


def test_pictures_are_explained(cells: Path, tmp_path: Path) -> None:
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (60, 50, 3), dtype=np.uint8)
        (tmp_path / "cells").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "cells" / f"{number}.png")
    told = ask("explain", cells, tmp_path / "cells", "--out", tmp_path / "why", "--output", "monocyte")
    assert (told["method"], told["output"], told["explained"]) == ("grad-cam", "monocyte", 2)
    assert {row["explained"] for row in told["strongest"]} == {"monocyte"}
    assert told["files"] == ["index.html", "maps.npz", "maps.svg"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((RNA, "--output", "RNCMPT00186"), "did you mean RNCMPT00168?"),
        ((RNA,), "output: the model has 2, and none is named"),
        (("NNNN", "--output", EXPERIMENT), "inputs: only N"),
        (("protein.fa", "--output", EXPERIMENT), "protein.fa: no such file, and no RNA"),
        ((RNA, "--output", EXPERIMENT, "--method", "attention"), "Residual attends to nothing"),
        ((RNA, "--output", EXPERIMENT, "--method", "occlusion"), "this model reads RNA"),
        ((RNA, "--output", EXPERIMENT, "--seed", "-1"), "--seed -1; expected 0 or more"),
    ],
)
def test_bad_requests_are_told_in_one_line(
    rna: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert said in refused("explain", rna, *arguments, "--out", tmp_path / "why")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_and_a_full_folder_are_refused(rna: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.fa").touch()
    out = tmp_path / "why"
    line = refused("explain", rna, tmp_path / "empty.fa", "--out", out, "--output", EXPERIMENT)
    assert f"{tmp_path / 'empty.fa'}: empty" in line
    line = refused("explain", rna, RNA, "--out", tmp_path, "--output", EXPERIMENT)
    assert f"{tmp_path}: exists and is not an empty folder" in line
    assert [path.name for path in tmp_path.iterdir()] == ["empty.fa"]
