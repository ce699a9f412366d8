"""``ribocyte cells``: what a person sees of a folder of photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from command_line import CELL_RECIPE, ask, call, refused, succeed, write_recipe
from ribocyte import Predictor
from ribocyte.cells.smear import SmearConfig, draw_cells, write_bloodmnist


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cells")
    write_bloodmnist(root / "bloodmnist" / "bloodmnist.npz", SmearConfig(train=200, val=60, test=80))
    recipe = write_recipe(root / "cells.toml", CELL_RECIPE)
    succeed("train", recipe, "--out", root / "run", "--data", root)
    return root / "run"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number, pixels in enumerate(draw_cells(np.arange(8), seed=7)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_a_folder_becomes_a_table_and_a_page(run: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = call("cells", run, folder, "--out", out)
    assert result.exit_code == 0, result.output
    assert "SIMULATED" in result.stdout
    assert "basophil" in result.stdout
    assert str(out / "index.html") in result.stdout.replace("\n", "")
    assert len(pl.read_csv(out / "cells.tsv", separator="\t")) == 8
    assert "Where the network looked" in (out / "index.html").read_text()


def test_what_is_left_out_is_said_on_stderr(run: Path, folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    result = call("cells", run, folder, bad, "--out", tmp_path / "out", "--maps", 0)
    assert result.exit_code == 0, result.output
    assert "1 file could not be read" in result.stderr
    assert "Where the network looked" not in (tmp_path / "out" / "index.html").read_text()


def test_the_counts_as_json(run: Path, folder: Path, tmp_path: Path) -> None:
    found = ask("cells", run, folder, "--out", tmp_path / "out", "--level", 0.9, "--maps", 0, "--shown", 3)
    assert sum(found["counts"].values()) == 8
    assert found["level"] == 0.9
    assert found["simulated"] is True
    assert found["files"] == ["cells.tsv", "index.html"]


def test_wrong_requests_are_told_in_a_line(run: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "no such file" in refused("cells", run, tmp_path / "nowhere", "--out", out)
    assert "level 1.5" in refused("cells", run, folder, "--out", out, "--level", 1.5)
    (tmp_path / "empty").mkdir()
    assert "no image" in refused("cells", run, tmp_path / "empty", "--out", out)
    assert "new or empty folder" in refused("cells", run, folder, "--out", folder)
    assert call("cells", run, folder).exit_code == 2
    assert not out.exists()


def test_an_older_model_is_told_how_to_be_calibrated(run: Path, folder: Path, tmp_path: Path) -> None:
    model = Predictor.load(run, device="cpu")
    model.trust = None
    model.save(tmp_path / "older.safetensors")
    line = refused("cells", tmp_path / "older.safetensors", folder, "--out", tmp_path / "out")
    assert "never calibrated" in line
    assert "ribocyte calibrate" in line
