"""Many proteins on the command line: simulated, built, trained in one process and two, scored, predicted."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from command_line import ask, call, refused, start, succeed, write_recipe
from ribocyte.learn.runs import Run

PROTEINS = [first + second + "GCAU" for first in "ACGU" for second in "ACGU"] + [
    "UUUUU",
    "ACUAAY",
    "GGAGGA",
    "CCCC",
]
RECIPE = """
[data]
kind = "compendium"
[model]
kind = "rna-cnn"
detectors = 8
hidden = 8
dropout = 0.0
[objective]
loss = "huber"
[training]
epochs = 2
batch_size = 32
precision = "32"
device = "cpu"
"""


@dataclass(frozen=True)
class World:
    """A small compendium of twenty proteins, and a run on it."""

    root: Path
    data: Path
    recipe: Path
    run: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("compendium")
    data, recipe, run = root / "data", write_recipe(root / "multi.toml", RECIPE), root / "run"
    wanted = [part for protein in PROTEINS for part in ("--protein", protein)]
    said = succeed(
        "data", "simulate", "compendium", "--out", data, "--data", root, "--probes", 400, *wanted,
        "--set", "failed=0.05",
    )  # fmt: skip
    assert "Simulated" in said
    assert "20 experiments of 400 probes" in said
    succeed("train", recipe, "--data", data, "--out", run)
    return World(root, data, recipe, run)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RIBOCYTE_DATA", raising=False)


def test_a_compendium_is_described(world: World) -> None:
    facts = ask("data", "check", "--data", world.data)["compendium"]
    assert facts["simulated"]
    assert facts["experiments"]["count"] == len(PROTEINS)
    assert facts["rows"] == 400
    assert 0.03 < facts["missing"]["total"] / (400 * len(PROTEINS)) < 0.07


def test_a_run_of_many_outputs_says_what_its_intervals_are_over(world: World) -> None:
    scores, each = json.loads((world.run / "scores.json").read_text()), Run(world.run).output_scores
    assert scores["simulated"]
    assert scores["intervals"].startswith("over the 20 outputs")
    assert each is not None
    assert each["output"].to_list() == scores["outputs"] == [f"SIM_{name}" for name in PROTEINS]
    assert each["spearman"].mean() == pytest.approx(scores["test"]["spearman"]["value"])
    assert (each["rows"] < scores["rows"]["test"]).any()


def test_evaluating_and_comparing_agree_with_the_run(world: World) -> None:
    found = ask("evaluate", world.run, "--data", world.data)
    scores = Run(world.run).scores
    assert found["drawn"] == "outputs"
    assert found["scores"] == scores["test"]
    assert len(found["outputs"]) == len(PROTEINS)
    assert "interval, over outputs" in succeed("evaluate", world.run, "--data", world.data)
    other = world.root / "other"
    call("train", world.recipe, "--data", world.data, "--out", other, "--set", "training.seed=1")
    one = ask("compare", world.run, other)["runs"]["other"]["spearman"]
    assert one["first"] == scores["test"]["spearman"]["value"]
    assert one["low"] < one["gain"] < one["high"]


def test_two_processes_learn_what_one_does(world: World, tmp_path: Path) -> None:
    # Each process normalises its half of a batch by itself: that, and nothing else, tells the losses apart. Without
    # batch normalisation they are the same to the sixth digit (tests/learn/test_training.py).
    asked = ["train", world.recipe, "--data", world.data, "--set", "training.epochs=1", "--threads", 1]
    process = start(*asked, "--out", tmp_path / "two", "--devices", 2)
    succeed(*asked, "--out", tmp_path / "one", "--devices", 1)
    said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    one, two = (Run(tmp_path / name).history for name in ("one", "two"))
    for name in ("train_loss", "val_loss"):
        assert two[name].to_list() == pytest.approx(one[name].to_list(), rel=0.05), name


def test_brief_predictions_are_one_column_an_output(world: World, tmp_path: Path) -> None:
    fasta, whole, brief = (tmp_path / name for name in ("r.fa", "whole.parquet", "brief.parquet"))
    fasta.write_text("".join(f">r{at}\nGGACUGCAUGUAAGG{'ACGU' * at}\n" for at in range(20)))
    succeed("predict", world.run, fasta, "--out", whole)
    succeed("predict", world.run, fasta, "--out", brief, "--brief")
    columns = ["name", *(f"SIM_{name}" for name in PROTEINS)]
    found = pl.read_parquet(brief)
    assert found.columns == columns
    assert found.equals(pl.read_parquet(whole).select(columns))


def test_the_table_of_measurements_is_built_into_a_folder(world: World, tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "Probe_Set": ["SetA"] * 10 + ["SetB"] * 10,
            "Probe_ID": [f"R{at}" for at in range(20)],
            "RNA_Seq": ["ACGU" * 8 + "ACGU"[at % 4] * (at % 5) for at in range(20)],
            "RNCMPT00001": [float(at) for at in range(20)],
        }
    )
    source = tmp_path / "rnacompete" / "norm_data.txt.gz"
    source.parent.mkdir()
    source.write_bytes(gzip.compress(table.write_csv(separator="\t").encode()))
    made = ask("data", "build", "--data", tmp_path, "--out", tmp_path / "built")
    assert (made["probes"], made["experiments"], made["simulated"]) == (20, 1, False)
    beside = ask("data", "build", "--data", tmp_path)
    assert Path(beside["path"]) == tmp_path / "rnacompete" / "compendium"
    assert "not an empty folder" in refused("data", "build", "--data", tmp_path)


def test_motifs_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = refused("data", "simulate", "compendium", "--out", out, "--data", tmp_path)
    assert "rnacompete/pwms.hmot: not found" in line
    assert not out.exists()
