"""Trust on the command line: ensembles, intervals beside predictions, and models that learn it afterwards."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from command_line import CELL_RECIPE, RNA_RECIPE, ask, call, refused, simulate, succeed, write_recipe
from ribocyte import Predictor, catalog
from ribocyte.files import write_text

PROBE = "AGAUUGCAUGUAAGGCUUACGAUUCGAUCA"
NAME = "SIM_RBFOX1"


@dataclass(frozen=True)
class World:
    """A data folder, a recipe and runs of one network and of three together."""

    root: Path
    data: Path
    recipe: Path
    single: Path
    ensemble: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("trust")
    data = simulate(root / "data")
    write_recipe(root / "rna.toml", RNA_RECIPE)
    made = World(root, data, root / "rna.toml", root / "single", root / "ensemble")
    succeed("train", made.recipe, "--out", made.single, "--data", data)
    succeed("train", made.recipe, "--out", made.ensemble, "--data", data, "--members", 3)
    return made


def without_trust(run: Path, out: Path) -> Path:
    """Copy a run as an older version left it: it knew neither trust nor members."""
    shutil.copytree(run, out)
    model = Predictor.load(out, device="cpu")
    model.trust = None
    del model.card["recipe"]["training"]["members"]
    model.save(out / "model.safetensors")
    scores = json.loads((out / "scores.json").read_text())
    del scores["trust"]
    write_text(out / "scores.json", json.dumps(scores))
    recipe = (out / "recipe.toml").read_text()
    write_text(out / "recipe.toml", re.sub(r"members = \d+\n", "", recipe))
    return out


def width(*arguments: object) -> float:
    row = ask("predict", *arguments, PROBE)[0]
    assert row[f"{NAME}_low"] < row[NAME] < row[f"{NAME}_high"]
    return float(row[f"{NAME}_high"] - row[f"{NAME}_low"])


# Ensembles


def test_an_ensemble_is_trained_in_one_run(world: World) -> None:
    single, ensemble = (
        json.loads((run / "scores.json").read_text()) for run in (world.single, world.ensemble)
    )
    for fact in ("parameters", "multiply_adds"):
        assert ensemble["cost"][fact] == 3 * single["cost"][fact]
    assert "members = 3" in (world.ensemble / "recipe.toml").read_text()
    assert len(pl.read_csv(world.ensemble / "history.csv")) == 2


def test_its_first_member_begins_as_the_single_network(world: World) -> None:
    recipe = catalog.read_recipe(world.recipe)
    info = Predictor.load(world.single).info
    single = catalog.build_network(recipe, info).state_dict()
    members = catalog.build_network(
        catalog.read_recipe(world.recipe, ["training.members=3"]), info
    ).state_dict()
    name = next(name for name, tensor in single.items() if tensor.ndim > 1)
    assert single[name].equal(members[f"members.0.{name}"])
    weights = [members[f"members.{number}.{name}"] for number in range(3)]
    assert not any(weights[a].equal(weights[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_an_ensemble_says_how_much_its_members_differ(world: World) -> None:
    row = ask("predict", world.ensemble, PROBE)[0]
    model = Predictor.load(world.ensemble, device="cpu")
    members = model.member_outputs(model.encoding.encode([PROBE])[0])[:, 0, 0].numpy()
    assert len(members) == 3
    assert row[NAME] == pytest.approx(members.mean(), abs=1e-5)
    assert row[f"{NAME}_spread"] == pytest.approx(np.std(members, ddof=1), abs=1e-5)
    assert f"{NAME}_spread" not in ask("predict", world.single, PROBE)[0]


def test_classifiers_are_trained_together_too(world: World, tmp_path: Path) -> None:
    write_recipe(tmp_path / "cells.toml", CELL_RECIPE)
    found = ask(
        "train", tmp_path / "cells.toml", "--out", tmp_path / "run", "--data", world.data, "--members", 2
    )
    again = ask("evaluate", tmp_path / "run", "--data", world.data)
    for name, score in found["test"].items():
        assert again["scores"][name] == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("members", [0, 1000])
def test_an_impossible_number_is_refused(world: World, tmp_path: Path, members: int) -> None:
    for how in (("--members", members), ("--set", f"training.members={members}")):
        said = refused("train", world.recipe, "--out", tmp_path / "run", "--data", world.data, *how)
        assert f"training.members = {members} is impossible; expected from 1 to 100" in said
    assert not (tmp_path / "run").exists()


def test_going_on_with_another_number_is_refused(world: World) -> None:
    said = refused(
        "train", world.recipe, "--out", world.ensemble, "--data", world.data, "--resume", "--members", 5
    )
    assert "was begun with training.members = 3, now it is 5" in said
    said = refused("train", world.recipe, "--out", world.ensemble, "--data", world.data, "--resume")
    assert "was begun with training.members = 3, now it is 1" in said


# Intervals


def test_the_coverage_on_the_test_split_is_told(world: World) -> None:
    trust = json.loads((world.single / "scores.json").read_text())["trust"]
    table = pl.read_parquet(world.single / "predictions.parquet").drop_nans()
    model = Predictor.load(world.single, device="cpu")
    test = catalog.load_data(model.recipe, world.data).test
    said = model.predict(
        ["".join("ACGUN"[token] for token in row if token < 5) for row in test.inputs.tolist()]
    )
    low, high = (
        said[f"{NAME}_{end}"].to_numpy()[~np.isnan(test.targets[:, 0].numpy())] for end in ("low", "high")
    )
    measured = table[f"measured/{NAME}"].to_numpy()
    assert trust["coverage"] == pytest.approx(np.mean((low <= measured) & (measured <= high)), abs=1e-3)
    assert trust["level"] == 0.9
    assert 0.8 < trust["coverage"] < 1
    shown = succeed("evaluate", world.single, "--data", world.data)
    assert re.search(rf"coverage +{trust['coverage']:.4f}", shown)
    assert ask("evaluate", world.single, "--data", world.data)["trust"] == pytest.approx(trust)


def test_other_levels_can_be_asked_for(world: World) -> None:
    widths = [width(world.single, "--level", level) for level in (0.5, 0.9)]
    assert widths[0] < widths[1] == width(world.single)
    for level in ("0.2", "1", "nan"):
        assert "expected a level from 0.5 to 0.99" in refused(
            "predict", world.single, "--level", level, PROBE
        )


def test_too_few_rows_for_a_level_have_no_ends(world: World, tmp_path: Path) -> None:
    few = ("--set", "data.validation=0.02")
    succeed("train", world.recipe, "--out", tmp_path / "run", "--data", world.data, *few)
    row = ask("predict", tmp_path / "run", "--level", 0.99, PROBE)[0]
    assert row[f"{NAME}_low"] is None  # JSON knows no infinity
    assert "-inf" in succeed("predict", tmp_path / "run", "--level", 0.99, PROBE)


# Models of older versions


def test_an_older_model_learns_the_same_afterwards(world: World, tmp_path: Path) -> None:
    old = without_trust(world.single, tmp_path / "old")
    assert f"{NAME}_low" not in ask("predict", old, PROBE)[0]
    assert "ribocyte calibrate" in refused("predict", old, "--level", 0.8, PROBE)
    assert ask("evaluate", old, "--data", world.data)["trust"] is None
    shown = succeed("calibrate", old, "--data", world.data)
    assert "SIMULATED" in shown
    assert re.search(r"calibrated on \d+ validation rows", shown)
    new, whole = Predictor.load(old, device="cpu"), Predictor.load(world.single, device="cpu")
    assert new.predict([PROBE]).equals(whole.predict([PROBE]))
    trusts = [json.loads((run / "scores.json").read_text())["trust"] for run in (old, world.single)]
    assert trusts[0] == pytest.approx(trusts[1])


def test_an_older_ensemble_file_alone_is_calibrated(world: World, tmp_path: Path) -> None:
    model = Predictor.load(world.ensemble, device="cpu")
    model.trust = None
    model.save(tmp_path / "m.safetensors")
    found = ask("calibrate", tmp_path / "m.safetensors", "--data", world.data)
    assert found["added"]
    assert found["trust"] == pytest.approx(json.loads((world.ensemble / "scores.json").read_text())["trust"])
    assert (tmp_path / "m.safetensors").read_bytes() == (world.ensemble / "model.safetensors").read_bytes()


def test_what_is_calibrated_is_left_alone(world: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.single.rglob("*")}
    result = call("calibrate", world.single, "--data", world.root / "nowhere")
    assert result.exit_code == 0
    assert "calibrated already; nothing to do" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in world.single.rglob("*")} == before


def test_an_older_run_is_finished_for_who_goes_on_with_it(world: World, tmp_path: Path) -> None:
    old = without_trust(world.single, tmp_path / "old")
    again = call("train", world.recipe, "--out", old, "--data", world.data, "--resume")
    assert again.exit_code == 0
    assert "finished already" in again.stderr


def test_other_data_is_used_with_a_warning(world: World, tmp_path: Path) -> None:
    succeed(
        "data",
        "simulate",
        "rna",
        "--out",
        tmp_path / "data",
        "--seed",
        7,
        "--set",
        "k=4",
        "--set",
        "copies=4",
    )
    old = without_trust(world.single, tmp_path / "old")
    result = call("calibrate", old, "--data", tmp_path / "data")
    assert result.exit_code == 0
    assert result.stderr.startswith("ribocyte: warning: this is not the data")
    assert "trust" not in json.loads((old / "scores.json").read_text())
    other, whole = Predictor.load(old, device="cpu"), Predictor.load(world.single, device="cpu")
    assert not other.predict([PROBE]).equals(whole.predict([PROBE]))
    succeed("calibrate", old, "--data", world.data, "--again")
    assert Predictor.load(old, device="cpu").predict([PROBE]).equals(whole.predict([PROBE]))


def test_what_cannot_be_calibrated_is_refused(world: World, tmp_path: Path) -> None:
    old = without_trust(world.single, tmp_path / "old")
    before = (old / "model.safetensors").read_bytes()
    assert "not found" in refused("calibrate", old, "--data", tmp_path)
    assert "cannot be read" in refused("calibrate", tmp_path / "none", "--data", world.data)
    (old / "scores.json").unlink()
    assert "expected a finished run" in refused("calibrate", old, "--data", world.data)
    assert (old / "model.safetensors").read_bytes() == before
