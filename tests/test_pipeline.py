"""From a recipe to a run that can be scored, compared, used, and killed at any moment."""

from __future__ import annotations

import json
import math
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

import toys
from ribocyte import catalog, pipeline
from ribocyte.catalog import Predictor
from ribocyte.cells.smear import SmearConfig, write_bloodmnist
from ribocyte.errors import DataError, InterruptedRunError, RunError
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.runs import Run
from ribocyte.rna.assay import AssayConfig, write_experiment
from ribocyte.rna.motifs import find_motif

RNA: dict[str, Any] = {
    "data": {"kind": "rnacompete", "experiments": ["SIM_RBFOX1"]},
    "model": {"kind": "rna-cnn", "detectors": 16, "hidden": 8, "width": 7},
    "training": {"epochs": 5, "batch_size": 32, "device": "cpu", "precision": "32", "average": 0.9},
}
CELLS: dict[str, Any] = {
    "data": {"kind": "bloodmnist", "augment": True},
    "model": {"kind": "cell-residual", "widths": [4, 8], "blocks": 1, "dropout": 0.2},
    "training": {"epochs": 2, "batch_size": 32, "device": "cpu", "precision": "32", "average": 0.9},
}


def rna(**training: Any) -> Recipe:
    return catalog.parse_recipe({**RNA, "training": {**RNA["training"], **training}}, "rna")


def cells(**training: Any) -> Recipe:
    return catalog.parse_recipe({**CELLS, "training": {**CELLS["training"], **training}}, "cells")


def simulate(root: Path, seed: int = 0, motif: str = "RBFOX1") -> Path:
    write_experiment(root / "rnacompete", [find_motif(motif)], AssayConfig(k=5, copies=10, seed=seed))
    write_bloodmnist(
        root / "bloodmnist" / "bloodmnist.npz", SmearConfig(train=144, val=40, test=56, seed=seed)
    )
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder with a simulated experiment and a simulated smear."""
    return simulate(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a finished RNA run, which no test may change."""
    return pipeline.train(rna(), tmp_path_factory.mktemp("runs") / "rna", data=root)


@pytest.fixture(scope="module")
def finished_cells(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a finished run on cells, which no test may change."""
    return pipeline.train(cells(), tmp_path_factory.mktemp("runs") / "cells", data=root)


def stop_after(steps: int) -> Callable[[], bool]:
    calls: list[int] = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) >= steps

    return stop


# What a run holds


def test_a_run_holds_all_it_promises(finished: Run, finished_cells: Run) -> None:
    common = {
        "recipe.toml",
        "history.csv",
        "last.ckpt",
        "model.safetensors",
        "predictions.parquet",
        "resamples.parquet",
        "scores.json",
    }
    for run, figures in ((finished, {"history", "density"}), (finished_cells, {"history", "confusion"})):
        there = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
        assert there - {".lock"} == common | {f"figures/{name}.svg" for name in figures}
        assert run.finished
        for figure in figures:
            assert "SIMULATED" in (run.path / "figures" / f"{figure}.svg").read_text().upper()


def test_the_scores_are_those_of_the_predictions_computed_elsewhere(finished: Run) -> None:
    table = finished.predictions.filter(pl.col("measured/SIM_RBFOX1").is_not_nan())
    measured, predicted = table["measured/SIM_RBFOX1"].to_numpy(), table["predicted/SIM_RBFOX1"].to_numpy()
    scores = finished.scores["test"]
    assert scores["spearman"]["value"] == pytest.approx(spearmanr(predicted, measured).statistic)
    assert scores["pearson"]["value"] == pytest.approx(pearsonr(predicted, measured).statistic, rel=1e-5)
    assert scores["mse"]["value"] == pytest.approx(((predicted - measured) ** 2).mean(), rel=1e-5)
    assert set(scores) == {"spearman", "pearson", "mse"}
    kept = finished.resamples
    assert kept is not None
    for name, score in scores.items():
        assert score["low"] < score["value"] < score["high"]
        low, high = kept[name].quantile(0.025, "linear"), kept[name].quantile(0.975, "linear")
        assert (low, high) == (pytest.approx(score["low"]), pytest.approx(score["high"]))


def test_the_scores_tell_what_belongs_beside_them(finished: Run, root: Path) -> None:
    scores = json.loads((finished.path / "scores.json").read_text(), parse_constant=pytest.fail)
    splits = catalog.load_data(rna(), root)
    assert scores["simulated"] is True
    assert scores["protocol"] == "strict"
    assert scores["outputs"] == ["SIM_RBFOX1"]
    assert scores["fingerprint"] == splits.info.fingerprint
    assert scores["rows"] == {name: len(getattr(splits, name)) for name in ("train", "val", "test")}
    assert scores["epochs"] == len(finished.history) == 5
    best = finished.history.row(scores["best"]["epoch"] - 1, named=True)
    assert scores["best"] == {"epoch": best["epoch"], "metric": "spearman", "value": best["val_spearman"]}
    assert best["val_spearman"] == finished.history["val_spearman"].max()
    detectors, width, hidden = 16, 7, 8
    assert scores["cost"]["multiply_adds"] == 41 * 4 * width * detectors + detectors * hidden + hidden
    assert scores["cost"]["seconds"] == pytest.approx(finished.history["seconds"].sum())


def test_a_runs_recipe_is_complete_and_gives_the_same_run(finished: Run, root: Path, tmp_path: Path) -> None:
    tables = tomllib.loads((finished.path / "recipe.toml").read_text())
    assert set(tables["training"]) == set(catalog.parse_recipe(RNA, "x").as_tables()["training"])
    again = pipeline.train(catalog.read_recipe(finished.path / "recipe.toml"), tmp_path / "again", data=root)
    one, other = toys.end_of(finished.path), toys.end_of(again.path)
    assert toys.same_bits(one["state"], other["state"])
    assert again.predictions.equals(finished.predictions)
    assert again.scores["test"] == finished.scores["test"]
    assert again.model.read_bytes() == finished.model.read_bytes()


def test_automatic_precision_is_settled_in_the_recipe(root: Path, tmp_path: Path) -> None:
    run = pipeline.train(rna(precision="auto", epochs=1), tmp_path / "run", data=root)
    settled = run.recipe["training"]["precision"]
    assert settled in {"32", "bf16"}
    assert run.scores["cost"]["precision"] == settled
    again = pipeline.train(rna(precision="auto", epochs=1), run.path, data=root, resume=True)
    assert again.recipe["training"]["precision"] == settled


# Where a run goes


def test_a_folder_that_exists_is_refused_before_the_data_is_read(finished: Run, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}
    with pytest.raises(RunError, match="exists already"):
        pipeline.train(rna(), finished.path, data=tmp_path / "no data here")
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")} == before


def test_data_that_is_not_there_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not found"):
        pipeline.train(rna(), tmp_path / "run", data=tmp_path)
    assert not (tmp_path / "run").exists()


def test_an_empty_folder_may_receive_a_run(root: Path, tmp_path: Path) -> None:
    assert pipeline.train(rna(epochs=1), tmp_path, data=root).finished


def test_going_on_with_nothing_is_a_beginning(root: Path, tmp_path: Path) -> None:
    assert pipeline.train(rna(epochs=1), tmp_path / "new", data=root, resume=True).finished


def test_going_on_where_a_kill_left_only_crumbs(root: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".recipe.toml.x7.part").write_text('name = "hal')  # killed while beginning
    assert pipeline.train(rna(epochs=1), tmp_path / "run", data=root, resume=True).finished
    assert not list((tmp_path / "run").glob(".*.part"))


def test_a_finished_run_is_given_back_untouched(finished: Run, root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}
    again = pipeline.train(
        rna(), finished.path, data=root, resume=True, stop=lambda: pytest.fail("took a step")
    )
    assert again.scores == finished.scores
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")} == before


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("training", "learning_rate", 0.5),
        ("training", "epochs", 6),
        ("model", "detectors", 17),
        ("data", "validation", 0.3),
    ],
)
def test_going_on_with_another_recipe_is_refused_by_key(
    finished: Run, root: Path, part: str, key: str, value: float
) -> None:
    other = catalog.parse_recipe({**RNA, part: {**RNA[part], key: value}}, "rna")
    with pytest.raises(RunError, match=rf"was begun with {part}\.{key} = .*, now it is {value}"):
        pipeline.train(other, finished.path, data=root, resume=True)


def test_going_on_with_other_data_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        pipeline.train(rna(), tmp_path / "run", data=root, stop=stop_after(3))
    with pytest.raises(RunError, match="was begun on other data"):
        pipeline.train(rna(), tmp_path / "run", data=simulate(tmp_path / "data", seed=5), resume=True)


# Killed, stopped, and gone on


def same_run(one: Run, other: Run) -> None:
    """Compare all of two runs that is not time."""
    first, second = toys.end_of(one.path), toys.end_of(other.path)
    for part in first:
        assert toys.same_bits(first[part], second[part]), part
    assert one.model.read_bytes() == other.model.read_bytes()
    assert one.predictions.equals(other.predictions)
    assert one.resamples is not None
    assert one.resamples.equals(other.resamples)
    assert one.scores["test"] == other.scores["test"]
    assert one.scores["trust"] == other.scores["trust"]
    assert not list(other.path.glob(".*.part"))


@pytest.mark.parametrize("kind", ["rna", "cells"])
def test_a_run_stopped_in_mid_epoch_ends_in_the_same_bits(
    kind: str, root: Path, finished: Run, finished_cells: Run, tmp_path: Path
) -> None:
    whole, recipe = (finished, rna()) if kind == "rna" else (finished_cells, cells())
    for steps in (2, 5):
        with pytest.raises(InterruptedRunError, match="--resume"):
            pipeline.train(recipe, tmp_path / "run", data=root, resume=True, stop=stop_after(steps))
        assert not Run.open(tmp_path / "run").finished
    same_run(whole, pipeline.train(recipe, tmp_path / "run", data=root, resume=True))


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "rna-cnn", "detectors": 16, "hidden": 8, "width": 7, "dropout": 0.3},
        {"kind": "rna-bilstm", "detectors": 8, "state": 8, "hidden": 8, "width": 7, "dropout": 0.3},
        {"kind": "rna-residual", "channels": 8, "hidden": 8, "width": 7, "noise": 0.2, "dropout": 0.3},
    ],
    ids=lambda model: str(model["kind"]),
)
def test_a_run_in_mixed_precision_stopped_ends_in_the_same_bits(
    model: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    # bf16 is slow where the hardware lacks it, but works everywhere, and turns on what is only quick there.
    tables = {**RNA, "model": model, "training": {**RNA["training"], "epochs": 2, "precision": "bf16"}}
    recipe = catalog.parse_recipe(tables, "mixed")
    whole = pipeline.train(recipe, tmp_path / "whole", data=root)
    with pytest.raises(InterruptedRunError):
        pipeline.train(recipe, tmp_path / "run", data=root, stop=stop_after(3))
    same_run(whole, pipeline.train(recipe, tmp_path / "run", data=root, resume=True))


@pytest.mark.parametrize("killed", ["before it was calibrated", "before the scores were written"])
def test_a_run_killed_at_its_very_end_ends_in_the_same_bits(
    killed: str, finished: Run, root: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    (tmp_path / "run" / "scores.json").unlink()
    if killed == "before it was calibrated":
        model = Predictor.load(tmp_path / "run", device="cpu")
        model.trust = None
        model.save(tmp_path / "run" / "model.safetensors")
    again = pipeline.train(rna(), tmp_path / "run", data=root, resume=True)
    same_run(finished, again)
    assert again.scores["trust"] == finished.scores["trust"]


LONGER = rna(epochs=12)


def train_in_process(out: Path, root: Path) -> None:
    torch.set_num_threads(1)
    pipeline.train(LONGER, out, data=root, resume=True, checkpoint_seconds=0.0)


def test_a_run_killed_at_any_moment_ends_in_the_same_bits(root: Path, tmp_path: Path) -> None:
    processes = multiprocessing.get_context("forkserver")  # each a fresh process; the imports are done once
    processes.set_forkserver_preload(["ribocyte.pipeline", "ribocyte.learn.plots", "scipy.stats", "pytest"])

    def start(out: Path) -> multiprocessing.process.BaseProcess:
        process = processes.Process(target=train_in_process, args=(out, root))
        process.start()
        return process

    start(tmp_path / "warm up").join()
    begun = time.monotonic()
    start(tmp_path / "from the beginning").join()
    duration = time.monotonic() - begun
    whole = pipeline.train(LONGER, tmp_path / "whole", data=root)  # in this process, saved once
    kills, moments = 0, random.Random()
    for attempt in range(3):
        out = tmp_path / f"killed {attempt}"
        for _ in range(6):
            process = start(out)
            process.join(moments.uniform(0.2, 0.9) * duration)
            process.kill()
            process.join()
            assert process.exitcode in (0, -signal.SIGKILL)
            kills += process.exitcode != 0
            if Run(out).finished:
                break
        process = start(out)
        process.join()
        assert process.exitcode == 0
        same_run(whole, Run.open(out))
        if kills >= 4:
            break
    assert kills


SEVERAL = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from ribocyte import catalog, pipeline
recipe = catalog.read_recipe(Path(sys.argv[1]), ["training.processes=2"])
pipeline.train(recipe, Path(sys.argv[2]), data=Path(sys.argv[3]))
"""


def test_two_processes_train_the_assignments_network_as_one_does(root: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[data]\nkind = "bloodmnist"\n[model]\nkind = "cell-cnn"\n'
        "[training]\nepochs = 2\nbatch_size = 48\ndevice = 'cpu'\nprecision = '32'\n"
    )
    one = pipeline.train(catalog.read_recipe(recipe), tmp_path / "one", data=root)
    (tmp_path / "several.py").write_text(SEVERAL)
    command = [tmp_path / "several.py", recipe, tmp_path / "two", root]
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    two = Run.open(tmp_path / "two")
    assert two.finished
    for name in ("train_loss", "val_loss"):
        assert two.history[name].to_list() == pytest.approx(one.history[name].to_list(), rel=1e-4)


# Using it


def test_a_trained_model_is_used_on_new_rna(finished: Run) -> None:
    model = Predictor.load(finished.path)
    assert model.domain == "rna"
    table = model.predict(["UGCAUGUUUUACGGAGAGCAUGCAUGC", "tgcatgttttacggagagcatgcatgc", "A" * 200])
    scores = table["SIM_RBFOX1"].to_list()
    assert len(table) == 3
    assert scores[0] == pytest.approx(scores[1])
    assert all(map(math.isfinite, scores))


def test_a_loaded_model_predicts_what_its_run_wrote_down(
    finished: Run, finished_cells: Run, root: Path
) -> None:
    for run, recipe in ((finished, rna()), (finished_cells, cells())):
        test = catalog.load_data(recipe, root).test
        outputs = Predictor.load(run.path, device="cpu").outputs(test.inputs)
        predicted = run.predictions.select(pl.col("^predicted/.*$")).to_numpy()
        torch.testing.assert_close(outputs, torch.from_numpy(predicted.copy()), rtol=1e-5, atol=1e-6)
        assert run.predictions["name"].to_list() == test.names.tolist()


def test_evaluating_a_model_gives_its_runs_scores(finished: Run, finished_cells: Run, root: Path) -> None:
    for run in (finished, finished_cells):
        found = pipeline.evaluate(Predictor.load(run.path, device="cpu"), data=root)
        assert (found.split, found.simulated, found.same_data) == ("test", True, True)
        assert found.rows == run.scores["rows"]["test"]
        for name, score in run.scores["test"].items():
            given = found.scores[name]
            assert [given.value, given.low, given.high] == pytest.approx(
                [score[k] for k in ("value", "low", "high")]
            )


def test_evaluating_on_validation_gives_the_best_score(finished: Run, root: Path) -> None:
    found = pipeline.evaluate(Predictor.load(finished.path, device="cpu"), data=root, split="val")
    assert found.scores["spearman"].value == pytest.approx(finished.scores["best"]["value"], abs=1e-4)


def test_other_data_is_told_from_the_models_own(finished: Run, finished_cells: Run, tmp_path: Path) -> None:
    other = simulate(tmp_path, seed=9)
    assert not pipeline.evaluate(Predictor.load(finished.path), data=other).same_data
    assert not pipeline.evaluate(Predictor.load(finished_cells.path), data=other).same_data


# Comparing


@pytest.fixture(scope="module")
def untrained(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a run that has learned next to nothing."""
    return pipeline.train(
        rna(epochs=1, learning_rate=1e-7), tmp_path_factory.mktemp("runs") / "untrained", data=root
    )


def test_two_runs_are_compared_on_the_same_probes(finished: Run, untrained: Run, tmp_path: Path) -> None:
    found = pipeline.compare([untrained, finished], tmp_path / "figures")
    assert list(found) == ["rna"]
    for metric, difference in found["rna"].items():
        assert difference.first == pytest.approx(untrained.scores["test"][metric]["value"])
        assert difference.second == pytest.approx(finished.scores["test"][metric]["value"])
    assert found["rna"]["mse"].verdict == "better"
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["curves.svg", "losses.svg"]


def test_a_run_and_its_copy_do_not_differ(finished: Run, root: Path, tmp_path: Path) -> None:
    copy = pipeline.train(rna(), tmp_path / "copy", data=root)
    for difference in pipeline.compare([finished, copy])["copy"].values():
        assert (difference.gain, difference.verdict) == (0, "no difference")


def test_what_cannot_be_compared_is_refused(
    finished: Run, finished_cells: Run, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="one run alone"):
        pipeline.compare([finished])
    with pytest.raises(RunError, match="named twice"):
        pipeline.compare([finished, Run.open(finished.path)])
    with pytest.raises(RunError, match="rna and cells cannot be compared: their outputs differ"):
        pipeline.compare([finished, finished_cells])
    with pytest.raises(InterruptedRunError):
        pipeline.train(rna(), tmp_path / "unfinished", data=root, stop=stop_after(1))
    with pytest.raises(RunError, match=r"unfinished/predictions\.parquet: not there"):
        pipeline.compare([finished, Run.open(tmp_path / "unfinished")])
