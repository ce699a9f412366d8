"""A search on a network that learns in milliseconds: shared, stopped, killed, and always the same."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
import pytest

import toys
from ribocyte.errors import DataError, RunError
from ribocyte.learn._study import make_distributions, open_study
from ribocyte.learn.definition import find_difference
from ribocyte.learn.objectives import Regression
from ribocyte.learn.recipe import Training, parse
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search, TrialProgress
from ribocyte.learn.space import Parameter
from ribocyte.learn.splits import Splits
from ribocyte.learn.training import fit
from ribocyte.learn.tuning import run_search
from searching import SPACE, SPLITS, TRIALS, definition, search_in, train


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Give a search that ran without a pause, which no test may change."""
    return search_in(tmp_path_factory.mktemp("search") / "whole")


# What a search holds


def test_the_first_trial_is_the_recipe_itself(whole: Search) -> None:
    first = whole.trials.row(0, named=True)
    assert {key: first[key] for key in SPACE} == {
        "training.learning_rate": 1e-3,
        "training.batch_size": 16,
        "training.weight_decay": 0.0,
    }
    assert Run.open(whole.path / "trials" / "000").recipe == whole.tables()


def test_a_recipe_outside_its_own_space_is_not_tried(tmp_path: Path) -> None:
    search = search_in(tmp_path / "search", definition(learning_rate=1.0), trials=1)
    assert search.trials["training.learning_rate"][0] <= 0.3


def test_every_trial_is_told_as_its_history_has_it(whole: Search) -> None:
    trials = whole.trials
    assert trials.columns[:6] == ["slot", "state", "value", "epochs", "best_epoch", "seconds"]
    assert trials.columns[6:] == whole.names == list(SPACE)
    assert trials["slot"].to_list() == list(range(TRIALS))
    assert whole.finished
    for row in trials.to_dicts():
        run = Run.open(whole.path / "trials" / f"{row['slot']:03d}")
        scores = run.history["val_spearman"].to_numpy()
        assert row["value"] == np.nanmax(scores)
        assert row["best_epoch"] == np.nanargmax(scores) + 1
        assert row["epochs"] == len(scores)
        assert row["seconds"] == pytest.approx(run.history["seconds"].sum())
        for key, value in ((key, row[key]) for key in SPACE):
            assert run.recipe["training"][key.removeprefix("training.")] == value
            assert SPACE[key].holds(value)
        assert {file.name for file in run.path.iterdir()} == {"recipe.toml", "history.csv", ".lock"}


def test_what_is_drawn_follows_the_space(tmp_path: Path) -> None:
    space = {
        "training.clip": Parameter(0.0, 0.3, 0.1),
        "training.schedule": Parameter(choices=("constant", "one-cycle")),
        "training.epochs": Parameter(1, 3),
        "training.batch_size": Parameter(8, 32, scale="log"),
        "model.dilations": Parameter(choices=([1, 2], [1, 2, 4])),
    }
    plain = definition(space, epochs=1)
    tables = {**plain.recipe, "model": {"dilations": [1, 2]}}
    search = search_in(tmp_path / "search", replace(plain, recipe=tables), trials=6)
    trials = search.trials
    assert set(trials["training.clip"]) <= {0.0, 0.1, 0.2, 0.3}
    assert set(trials["training.schedule"]) == {"constant", "one-cycle"}
    assert set(trials["training.epochs"]) <= {1, 2, 3}
    assert trials["training.batch_size"].is_between(8, 32).all()
    assert len(set(trials["training.batch_size"])) > 3
    assert set(trials["model.dilations"]) == {"[1, 2]", "[1, 2, 4]"}  # a list is written as text
    assert search.best["model.dilations"] in space["model.dilations"].choices
    assert search.tables(search.best)["model"]["dilations"] == search.best["model.dilations"]


def test_the_best_trial_is_the_best_of_those_that_ran_to_their_end(whole: Search) -> None:
    complete = [row for row in whole.trials.to_dicts() if row["state"] == "complete"]
    best = max(complete, key=lambda row: row["value"])
    assert whole.best == {key: best[key] for key in SPACE}
    assert whole.best_value == best["value"]
    slot = f"{best['slot']:03d}"
    assert (whole.path / "best.toml").read_bytes() == (
        whole.path / "trials" / slot / "recipe.toml"
    ).read_bytes()
    assert pl.read_csv(whole.path / "trials.csv").equals(whole.trials)


def test_of_an_error_less_is_better(tmp_path: Path) -> None:
    search = search_in(tmp_path / "search", definition(best="mse"), trials=3)
    assert search.lower_is_better
    assert search.best_value == search.trials["value"].min()
    assert search.trials["value"][0] == Run.open(search.path / "trials" / "000").history["val_mse"].min()
    assert search.importance() == {}  # of three trials nothing can be said


def try_out(search: Search, count: int, score: Callable[[float], float]) -> None:
    """Add complete trials, scored by their learning rate, without training them."""
    space, random = make_distributions(search.space), optuna.samplers.RandomSampler(seed=0)
    with open_study(search.storage, search.tuning) as study:
        study.sampler = random
        for _ in range(count):
            trial = study.ask(space)
            study.tell(trial, score(trial.params["training.learning_rate"]))


def test_importance_finds_what_matters_and_is_the_same_each_time(tmp_path: Path) -> None:
    search = Search.create(tmp_path / "search", definition())
    try_out(search, 9, math.log)
    assert search.importance() == {}  # too few to tell
    try_out(search, 1, math.log)
    shares = search.importance()
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) == set(SPACE)
    assert next(iter(shares)) == "training.learning_rate"
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert shares == search.importance()


def test_importance_takes_two_complete_trials_for_each_setting(tmp_path: Path) -> None:
    more = {f"training.{name}": Parameter(0.5, 2.0) for name in ("clip", "average", "warmth")}
    search = Search.create(tmp_path / "search", definition({**SPACE, **more}))
    try_out(search, 11, math.log)
    assert search.importance() == {}
    try_out(search, 1, math.log)
    assert set(search.importance()) == {*SPACE, *more}


def test_importance_is_left_open_where_all_trials_score_the_same(tmp_path: Path) -> None:
    search = Search.create(tmp_path / "search", definition())
    try_out(search, 12, lambda _: 0.5)
    assert search.importance() == {}


def test_the_storage_is_optunas_own(whole: Search) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{whole.storage}")
    study = optuna.load_study(study_name="toy", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    for trial, row in zip(study.trials, whole.trials.to_dicts(), strict=True):
        assert trial.params == pytest.approx({key: row[key] for key in SPACE}, rel=1e-12)
    assert study.best_value == whole.best_value
    reported = Run.open(whole.path / "trials" / "000").history["val_spearman"].to_list()
    assert list(study.trials[0].intermediate_values.values()) == reported
    storage.engine.dispose()


def test_progress_tells_of_every_trial_and_every_epoch_and_optuna_is_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[TrialProgress] = []
    before = optuna.logging.get_verbosity()
    search = search_in(tmp_path / "search", trials=4, report=told.append)
    search.importance()
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("optuna").level == before
    ends = [progress for progress in told if progress.state != "running"]
    assert [(end.slot, end.state, end.value, end.epochs) for end in ends] == [
        (row["slot"], row["state"], row["value"], row["epochs"]) for row in search.trials.to_dicts()
    ]
    assert ends[-1].best == search.best_value
    assert all(progress.trials == 4 for progress in told)
    rows = [p for p in told if p.slot == 0 and p.training is not None and p.training.row is not None]
    assert [p.epochs for p in rows] == [1, 2, 3, 4, 5]


# Hopeless trials


def test_a_trial_worse_than_the_median_of_those_before_is_stopped_and_no_other(whole: Search) -> None:
    pruned, before = 0, []
    for row in whole.trials.to_dicts():
        scores = Run.open(whole.path / "trials" / f"{row['slot']:03d}").history["val_spearman"].to_numpy()
        stopped = None
        for epoch in range(
            2, 5
        ):  # two of warm-up, three trials of it; after the fifth there is nothing to stop
            if (
                epoch <= len(scores)
                and len(before) >= 3
                and scores[:epoch].max() < np.median([other[epoch - 1] for other in before])
            ):
                stopped = epoch
                break
        assert row["state"] == ("complete" if stopped is None else "pruned")
        assert row["epochs"] == (5 if stopped is None else stopped)
        pruned += stopped is not None
        before += [scores] if stopped is None else []
    assert pruned


def test_a_trial_that_was_trained_to_its_end_is_complete_however_bad(tmp_path: Path) -> None:
    wanted = definition(epochs=2)  # as long as the warm-up: the last epoch is the first that could stop it
    wanted = replace(wanted, tuning=replace(wanted.tuning, startup=1))
    search = search_in(tmp_path / "search", wanted, trials=5)
    assert search.trials["epochs"].to_list() == [2] * 5
    assert search.trials["state"].to_list() == ["complete"] * 5


def test_a_bad_learning_rate_is_stopped_early(whole: Search) -> None:
    stopped = whole.trials.filter(pl.col("state") == "pruned")
    assert stopped["training.learning_rate"].max() < whole.best["training.learning_rate"]
    assert (stopped["epochs"] < 5).any()


def test_a_trial_that_diverges_is_told_once_with_its_reason(tmp_path: Path) -> None:
    space = {"training.learning_rate": Parameter(choices=(0.01, 99.0))}
    wanted = definition(space, learning_rate=99.0, optimizer="sgd", epochs=8, schedule="constant")
    search = search_in(tmp_path / "search", wanted, trials=3)
    assert search.finished
    states = dict(zip(search.trials["training.learning_rate"], search.trials["state"], strict=True))
    assert states[99.0] == "diverged"
    assert states[0.01] == "complete"
    assert search.reasons[0].startswith(("the loss is no finite number", "an output is no finite number"))
    assert search.best == {"training.learning_rate": 0.01}
    with open_study(search.storage) as study:
        assert len(study.trials) == 3


def test_a_trial_whose_score_is_never_defined_is_given_up_after_the_warm_up(tmp_path: Path) -> None:
    space = {"training.learning_rate": Parameter(choices=(0.01, 1e-60))}

    def still(tables: Mapping[str, Any], splits: Splits, run: Run, *rest: Any) -> None:
        report, stop = rest
        options = {"encoding": toys.Numbers(), "objective": Regression(), "run": run, "card": {}}
        training = parse(Training, tables["training"], "training")
        fit(toys.Dense(), splits, **options, training=training, report=report, stop=stop)  # type: ignore[arg-type]

    search = Search.create(tmp_path / "search", definition(space, learning_rate=1e-60, average=0.0))
    run_search(search, SPLITS, still, trials=1)
    assert search.trials.row(0, named=True)["state"] == "diverged"
    assert search.trials.row(0, named=True)["epochs"] == 2
    assert search.reasons == {0: "val_spearman is undefined after 2 epochs"}
    with pytest.raises(RunError, match="no trial has run to its end yet"):
        _ = search.best
    assert not search.best_recipe.exists()


# Refused


def test_a_test_split_is_refused(tmp_path: Path) -> None:
    search = Search.create(tmp_path / "search", definition())
    with pytest.raises(DataError, match="handed 32 rows of the test split"):
        run_search(search, toys.regression(), train, trials=1)
    assert not (tmp_path / "search" / "trials").exists()


def test_a_folder_without_a_search_is_refused_with_the_command_that_begins_one(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"no search in it; .*begin one with: ribocyte tune RECIPE --out .*none"
    ):
        Search.open(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="exists already, and is no search"):
        Search.create(tmp_path, definition())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_storage_that_is_gone_or_damaged_is_said(tmp_path: Path) -> None:
    search = search_in(tmp_path / "search", trials=1)
    search.storage.write_bytes(b"no database" * 100)
    with pytest.raises(RunError, match=r"search\.db: cannot be used: .*not a database"):
        _ = search.trials
    search.storage.unlink()
    with pytest.raises(RunError, match=r"search\.db: not there.*begin it anew with: ribocyte tune"):
        Search.open(tmp_path / "search")
    (search.path / "search.json").write_text("{")
    with pytest.raises(RunError, match=r"search\.json: cannot be read"):
        _ = search.metric


def test_what_a_killed_beginning_left_is_begun_anew(tmp_path: Path) -> None:
    search = search_in(tmp_path / "search", trials=1)
    (search.path / "search.json").unlink()  # it is written last
    assert search_in(tmp_path / "search", trials=1).finished


@pytest.mark.parametrize(
    ("key", "then", "now", "other"),
    [
        ("version", "'1'", "'2'", lambda d: {**d, "version": "2"}),
        ("metric", "'spearman'", "'mse'", lambda d: {**d, "metric": "mse"}),
        ("data.source", "'toys.py'", "'x'", lambda d: {**d, "data": {**d["data"], "source": "x"}}),
        ("tuning.warmup", "2", "3", lambda d: {**d, "tuning": {**d["tuning"], "warmup": 3}}),
        (
            "tuning.space.training.batch_size.choices",
            "[16, 32]",
            "nothing",
            lambda d: {
                **d,
                "tuning": {**d["tuning"], "space": {k: d["tuning"]["space"][k] for k in list(SPACE)[::2]}},
            },
        ),
    ],
)
def test_another_search_is_told_by_what_differs(
    key: str, then: str, now: str, other: Callable[[dict[str, Any]], dict[str, Any]], whole: Search
) -> None:
    assert find_difference(definition().as_json(), other(definition().as_json())) == (key, then, now)
    with pytest.raises(RunError, match=r"was begun with .* = .*, now it is .*search\.toml --out .* --resume"):
        whole.refuse_change(other(definition().as_json()))


def test_a_longer_search_under_another_name_is_the_same_search(whole: Search) -> None:
    same = definition().as_json()
    same["recipe"] = {**same["recipe"], "name": "other"}
    same["tuning"] = {**same["tuning"], "trials": 99}
    whole.refuse_change(same)
    whole.refuse_change({"tuning": same["tuning"]})
