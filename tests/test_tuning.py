"""From a recipe with a space to the recipe with the best settings, and never a look at the test split."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ribocyte import catalog, pipeline
from ribocyte.errors import InterruptedRunError, RecipeError, RunError
from ribocyte.learn.recipe import Recipe, override
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search
from ribocyte.rna.assay import AssayConfig, write_experiment
from ribocyte.rna.motifs import find_motif
from ribocyte.tuning import chosen_recipe, tune
from searching import stop_after

RNA: dict[str, Any] = {
    "data": {"kind": "rnacompete", "experiments": ["SIM_RBFOX1"]},
    "model": {"kind": "rna-cnn", "detectors": 8, "hidden": 8, "width": 7},
    "training": {"epochs": 2, "batch_size": 64, "device": "cpu", "precision": "32"},
    "tuning": {
        "trials": 3,
        "startup": 2,
        "warmup": 1,
        "space": {
            "training.learning_rate": {"low": 1e-4, "high": 0.02, "scale": "log"},
            "model.detectors": {"choices": [8, 12]},
            "model.width": {"low": 5, "high": 9, "step": 2},
            "model.dropout": {"low": 0.0, "high": 0.4, "step": 0.2},
        },
    },
}


def recipe(*settings: str) -> Recipe:
    return catalog.parse_recipe(override(RNA, settings), "rna")


def simulate(root: Path, seed: int = 0) -> Path:
    write_experiment(root / "rnacompete", [find_motif("RBFOX1")], AssayConfig(k=5, copies=5, seed=seed))
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder with a simulated experiment."""
    return simulate(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Give a finished search, which no test may change."""
    return tune(recipe(), tmp_path_factory.mktemp("search") / "rna", data=root)


def test_the_chosen_recipe_can_be_trained_and_scores_as_its_trial_did(
    finished: Search, root: Path, tmp_path: Path
) -> None:
    chosen = chosen_recipe(finished)
    assert catalog.read_recipe(finished.path / "best.toml") == chosen
    tables = chosen.as_tables()
    for key, value in finished.best.items():
        part, name = key.split(".")
        assert tables[part][name] == value
    assert chosen.tuning is None
    run = pipeline.train(chosen, tmp_path / "run", data=root)
    assert run.scores["best"]["value"] == finished.best_value
    assert run.scores["test"]


def test_the_search_can_be_gone_on_with_from_its_own_folder(finished: Search) -> None:
    again = catalog.read_recipe(finished.path / "search.toml")
    assert again == recipe()
    assert tune(again, finished.path, resume=True).trials.equals(finished.trials)


def test_a_finished_search_is_given_back_without_its_data(finished: Search, tmp_path: Path) -> None:
    again = tune(recipe(), finished.path, data=tmp_path, resume=True, stop=lambda: pytest.fail("took a step"))
    assert again.trials.equals(finished.trials)


def test_a_search_stopped_says_how_to_go_on_and_ends_in_the_same_trials(
    finished: Search, root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "search"
    with pytest.raises(InterruptedRunError, match=rf"ribocyte tune {out}/search\.toml --out {out} --resume"):
        tune(recipe(), out, data=root, resume=True, stop=stop_after(5))
    assert tune(recipe(), out, data=root, trials=1, resume=True).finished
    again = tune(recipe(), out, data=root, resume=True)
    assert again.finished
    assert again.trials.drop("seconds").equals(finished.trials.drop("seconds"))
    assert (out / "best.toml").read_bytes() == (finished.path / "best.toml").read_bytes()


def test_the_outcome_is_the_same_with_garbage_for_a_test_split(
    finished: Search, root: Path, tmp_path: Path
) -> None:
    name, noise = "rnacompete/norm_data.txt.gz", random.Random(0)
    (tmp_path / "rnacompete").mkdir()
    changed = 0
    with gzip.open(root / name, "rt") as source, gzip.open(tmp_path / name, "wt") as target:
        for line in source:
            fields = line.rstrip("\n").split("\t")
            if fields[0] == "SetB":
                fields[3:] = [str(noise.uniform(-1e3, 1e3)) for _ in fields[3:]]
                changed += 1
            target.write("\t".join(fields) + "\n")
    for other in (root / "rnacompete").iterdir():
        if not (tmp_path / "rnacompete" / other.name).exists():
            shutil.copy(other, tmp_path / "rnacompete")
    assert changed
    one, other_splits = (catalog.load_data(recipe(), folder) for folder in (root, tmp_path))
    assert one.info.fingerprint != other_splits.info.fingerprint
    search = tune(recipe(), tmp_path / "search", data=tmp_path)
    assert search.trials.drop("seconds").equals(finished.trials.drop("seconds"))
    assert search.best == finished.best
    for slot in ("000", "001", "002"):
        scored = Run(search.path / "trials" / slot).history.columns
        assert not [column for column in scored if column.startswith("test_")]


def test_precision_is_settled_once_for_all_trials(root: Path, tmp_path: Path) -> None:
    wanted = recipe("training.precision=auto", "training.epochs=1", "tuning.trials=2")
    search = tune(wanted, tmp_path / "search", data=root)
    settled = search.tables()["training"]["precision"]
    assert settled in {"32", "bf16"}
    for slot in ("000", "001"):
        assert Run(search.path / "trials" / slot).recipe["training"]["precision"] == settled
    assert tune(wanted, tmp_path / "search", data=root, trials=3, resume=True).finished
    assert chosen_recipe(search).training.precision == settled


# Refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["training.score_test_each_epoch=true"], "score_test_each_epoch = True.*never sees the test split"),
        (["training.processes=2"], "training.processes = 2.*give the same command several times"),
    ],
)
def test_what_cannot_be_tuned_is_refused(change: list[str], said: str, root: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said):
        tune(recipe(*change), tmp_path / "search", data=root)
    assert not (tmp_path / "search").exists()


def test_a_recipe_without_a_space_is_refused(root: Path, tmp_path: Path) -> None:
    plain = catalog.parse_recipe({key: table for key, table in RNA.items() if key != "tuning"}, "rna")
    with pytest.raises(RecipeError, match=r"rna: has no \[tuning\] table"):
        tune(plain, tmp_path / "search", data=root)
    with pytest.raises(RecipeError, match="trials = 0 is impossible"):
        tune(recipe(), tmp_path / "search", data=root, trials=0)


def test_a_search_is_gone_on_with_only_where_that_was_asked(finished: Search, root: Path) -> None:
    with pytest.raises(RunError, match=r"holds a search already; .*--resume"):
        tune(recipe(), finished.path, data=root)


def test_a_folder_of_something_else_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for resume in (True, False):
        with pytest.raises(RunError, match="exists already, and is no search"):
            tune(recipe(), tmp_path, data=root, resume=resume)


def gone_storage(search: Search) -> None:
    search.storage.unlink()


def another_version(search: Search) -> None:
    facts = search.path / "search.json"
    facts.write_text(facts.read_text().replace('"version": "', '"version": "9.'))


@pytest.mark.parametrize(
    ("change", "settings", "said"),
    [
        (gone_storage, (), r"search\.db: not there: .*begin it anew with: ribocyte tune .*search\.toml"),
        (another_version, (), r"was begun with version = '9\..*, now it is "),
        (None, ("model.hidden=9",), "was begun with recipe.model.hidden = 8, now it is 9"),
        (None, ("tuning.seed=1",), "was begun with tuning.seed = 0, now it is 1"),
        (None, ("tuning.space.model.width.high=7",), "tuning.space.model.width.high = 9, now it is 7"),
        (None, ("tuning.space.model.hidden.choices=[8, 16]",), "model.hidden.choices = nothing, now it is"),
    ],
)
def test_another_search_than_was_begun_is_refused_naming_what_differs(
    change: Callable[[Search], None] | None,
    settings: tuple[str, ...],
    said: str,
    finished: Search,
    root: Path,
    tmp_path: Path,
) -> None:
    copy = Search(shutil.copytree(finished.path, tmp_path / "copy"))
    if change:
        change(copy)
    with pytest.raises(RunError, match=said):
        tune(recipe(*settings), copy.path, data=root, trials=9, resume=True)


def test_other_data_than_was_begun_on_is_refused(finished: Search, tmp_path: Path) -> None:
    copy = shutil.copytree(finished.path, tmp_path / "copy")
    other = simulate(tmp_path / "data", seed=5)
    with pytest.raises(RunError, match=r"was begun with data\.fingerprint = '.*…, now it is '.*…"):
        tune(recipe(), copy, data=other, trials=9, resume=True)
