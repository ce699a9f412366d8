"""``ribocyte tune`` as a person meets it."""

from __future__ import annotations

import json
import math
import shlex
import signal
import sqlite3
from pathlib import Path

import pytest

from command_line import ask, call, refused, simulate, start, succeed, write_recipe
from ribocyte.learn.searches import Search

RECIPE = """
[data]
kind = "rnacompete"
experiments = ["SIM_RBFOX1"]
[model]
kind = "rna-cnn"
detectors = 8
hidden = 8
[training]
epochs = 2
precision = "32"
device = "cpu"
[tuning]
trials = 5
startup = 4
warmup = 1
[tuning.space]
"training.learning_rate" = { low = 1e-4, high = 0.02, scale = "log" }
"model.width" = { low = 5, high = 9, step = 2 }
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a tiny data folder."""
    return simulate(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a recipe with a space."""
    return write_recipe(tmp_path_factory.mktemp("recipes") / "tiny.toml", RECIPE)


@pytest.fixture(scope="module")
def searched(data: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Give a finished search, made by the command."""
    out = tmp_path_factory.mktemp("searches") / "a folder"
    facts = ask("tune", recipe, "--out", out, "--data", data)
    assert facts["search"] == str(out)
    assert facts["finished"]
    return Search.open(out)


def test_the_result_as_json_is_that_of_the_folder(searched: Search, recipe: Path) -> None:
    facts = ask("tune", recipe, "--out", searched.path, "--resume")
    assert facts["best"] == searched.best
    assert facts["best_value"] == searched.best_value
    assert facts["trials"] == json.loads(json.dumps(searched.trials.to_dicts()))
    assert facts["importance"] == searched.importance()
    assert facts["space"] == {
        "training.learning_rate": "0.0001 to 0.02, log",
        "model.width": "5 to 9, step 2",
    }
    assert facts["simulated"]


def test_the_result_shows_the_best_trials_and_what_to_do_with_them(
    searched: Search, recipe: Path, data: Path, tmp_path: Path
) -> None:
    shown = succeed("tune", recipe, "--out", searched.path, "--resume")
    lines = shown.splitlines()
    assert lines[0].startswith("SIMULATED")
    assert lines[1].split() == ["trial", "val", "spearman", "best", "epoch", "learning_rate", "width"]
    scores = [float(line.split()[1]) for line in lines[2 : lines.index("")]]
    complete = searched.trials.filter(searched.trials["state"] == "complete")["value"]
    assert scores == [round(value, 4) for value in complete.sort(descending=True)[:5]]
    assert str(searched.best_recipe) in shown
    look = next(line for line in lines if line.startswith("look at it")).split(maxsplit=3)[3]
    assert shlex.split(look) == ["optuna-dashboard", f"sqlite:///{searched.storage}"]
    words = shlex.split(lines[-1].removeprefix("Next: ribocyte "))
    assert words[:2] == ["train", str(searched.best_recipe)]
    run = ask(*words[:2], "--out", tmp_path / "run", "--data", data)
    assert math.isclose(run["best"]["value"], searched.best_value)


def test_progress_is_a_line_a_trial(data: Path, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    settings = ("--trials", 2, "--set", "training.epochs=1")
    result = call("tune", recipe, "--out", out, "--data", data, *settings)
    assert result.exit_code == 0
    search = Search.open(out)
    lines = result.stderr.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [["trial 1/2", "complete"], ["trial 2/2", "complete"]]
    for line, row in zip(lines, search.trials.to_dicts(), strict=True):
        assert f"val spearman {row['value']:.4f}" in line
        assert f"width {row['model.width']}" in line
    assert "undefined" in succeed("tune", recipe, "--out", out, "--resume", *settings)  # the importance


def test_a_search_stopped_goes_on_with_the_command_it_names(
    searched: Search, data: Path, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "search"
    process = start("tune", recipe, "--out", out, "--data", data, "--set", "training.epochs=2")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("trial 1/5")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    if process.returncode != 0:  # unless it was done before
        assert process.returncode == 1
        command = said.splitlines()[-1].partition("go on with: ribocyte ")[2]
        assert f"--data {shlex.quote(str(data))}" in command
        succeed(*shlex.split(command))
    assert Search.open(out).trials.drop("seconds").equals(searched.trials.drop("seconds"))


def test_bad_input_is_refused_in_one_line(searched: Search, data: Path, recipe: Path, tmp_path: Path) -> None:
    out, here = tmp_path / "search", ("--data", data)
    assert "no such recipe" in refused("tune", tmp_path / "none.toml")
    assert "holds a search already" in refused("tune", recipe, "--out", searched.path, *here)
    other = ("--set", "training.seed=3")
    assert "training.seed = 0, now it is 3" in refused(
        "tune", recipe, "--out", searched.path, "--resume", *other
    )
    wrong = ("--set", "tuning.space.model.widht.low=5")
    assert "did you mean model.width?" in refused("tune", recipe, "--out", out, *here, *wrong)
    plain = write_recipe(tmp_path / "plain.toml", RECIPE.partition("[tuning]")[0])
    assert "has no [tuning] table" in refused("tune", plain, "--out", out, *here)
    tested = ("--set", "training.score_test_each_epoch=true")
    assert "never sees the test split" in refused("tune", recipe, "--out", out, *here, *tested)
    assert not out.exists()
    assert "not found" in refused("tune", recipe, "--out", out, "--data", tmp_path)
    assert call("tune", recipe, "--trials", 0).exit_code == 2
    occupied = tmp_path / "file"
    occupied.write_text("mine")
    for folder in (occupied, tmp_path):
        assert "is no search" in refused("tune", recipe, "--out", folder, "--resume", *here)


def test_a_lost_or_damaged_storage_is_refused_with_the_command_that_begins_another(
    data: Path, recipe: Path, tmp_path: Path
) -> None:
    out, settings = tmp_path / "search", ("--data", data, "--trials", 1, "--set", "training.epochs=1")
    succeed("tune", recipe, "--out", out, *settings)
    with sqlite3.connect(out / "search.db") as storage:
        storage.execute("DROP TABLE trials")
    storage.close()
    assert "search.db: cannot be used: " in refused("tune", recipe, "--out", out, "--resume", *settings)
    (out / "search.db").unlink()
    said = refused("tune", recipe, "--out", out, "--resume", *settings)
    assert f"begin it anew with: ribocyte tune {out}/search.toml" in said
