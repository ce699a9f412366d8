"""Runs compared over rows and over seeds: what is kept is what would be drawn, and what differs is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import toys
from ribocyte import catalog, comparisons, pipeline
from ribocyte.errors import DataError, RunError
from ribocyte.learn import evaluation
from ribocyte.learn.objectives import Regression
from ribocyte.learn.runs import Run

ROWS = 200


def make_run(
    path: Path, noise: float, seed: int = 0, *, name: str = "cnn", kept: bool = True, rows: int = ROWS,
    finished: bool = True, **model: Any,
) -> Run:  # fmt: skip
    """Write down a run whose predictions miss the truth by so much, without training one."""
    tables = {
        "data": {"kind": "rnacompete", "experiments": ["SIM"]},
        "model": {"kind": "rna-cnn", **model},
        "training": {"seed": seed},
    }
    run = Run.create(path, catalog.parse_recipe(tables, name).as_tables())
    truth = torch.randn(rows, 1, generator=torch.Generator().manual_seed(99))
    outputs = truth + noise * torch.randn(rows, 1, generator=torch.Generator().manual_seed(seed + 1))
    split = toys.split(toys.numbers(rows), truth)
    run.write_predictions(evaluation.prediction_table(outputs, split, ("SIM",)))
    judged = evaluation.judge(Regression(), outputs, truth)
    if kept:
        run.write_resamples(judged.resamples)
    if finished:
        run.write_scores({"simulated": True, "test": evaluation.as_json(evaluation.score(judged))})
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    """Give three seeds of a better and of a worse recipe, which no test may change."""
    root = tmp_path_factory.mktemp("runs")
    return {
        name: [make_run(root / f"{name}-{seed}", noise, seed, name=name, width=width) for seed in range(3)]
        for name, noise, width in (("worse", 1.2, 7), ("better", 0.8, 9))
    }


# What is kept


def test_kept_resamples_give_what_drawing_them_gives(runs: dict[str, list[Run]], tmp_path: Path) -> None:
    kept = [runs["worse"][0], runs["better"][0]]
    bare = [
        make_run(tmp_path / "worse-0", 1.2, 0, kept=False),
        make_run(tmp_path / "better-0", 0.8, 0, kept=False),
    ]
    found = comparisons.compare(kept)["better-0"]
    assert found == comparisons.compare(bare)["better-0"]
    tables = [evaluation.from_prediction_table(run.predictions) for run in kept]
    objectives, outputs = (Regression(), Regression()), (tables[0][0], tables[1][0])
    assert found == evaluation.compare(objectives, outputs, tables[0][1])
    assert all(not (run.path / "resamples.parquet").exists() for run in bare)


def test_resamples_of_other_predictions_are_not_believed(tmp_path: Path) -> None:
    one, other = make_run(tmp_path / "one", 1.2), make_run(tmp_path / "other", 0.8)
    expected = comparisons.compare([one, other])["other"]
    assert one.resamples is not None
    other.write_resamples(one.resamples)
    assert comparisons.compare([one, other])["other"] == expected


def test_damaged_resamples_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 1.0)
    path = run.path / "resamples.parquet"
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(DataError, match=r"resamples\.parquet: damaged.*remove it"):
        comparisons.score_group([run])


# Over seeds


def test_the_gain_of_a_group_is_that_of_the_means(runs: dict[str, list[Run]]) -> None:
    found = comparisons.compare_groups(runs["worse"], runs["better"])
    for metric, difference in found.items():
        means = [
            np.mean([run.scores["test"][metric]["value"] for run in runs[name]])
            for name in ("worse", "better")
        ]
        assert [difference.first, difference.second] == pytest.approx(means)
        sign = -1 if metric == "mse" else 1
        assert difference.gain == pytest.approx(sign * (means[1] - means[0]))
        assert difference.low < difference.gain < difference.high
        assert difference.verdict == "better"
    assert found == comparisons.compare_groups(runs["worse"], runs["better"])


def test_groups_of_one_are_compared_as_two_runs(runs: dict[str, list[Run]]) -> None:
    one, other = runs["worse"][1], runs["better"][2]
    assert comparisons.compare_groups([one], [other]) == comparisons.compare([one, other])["better-2"]


def test_a_group_is_no_better_than_itself(runs: dict[str, list[Run]]) -> None:
    for difference in comparisons.compare_groups(runs["worse"], runs["worse"]).values():
        assert difference.gain == 0
        assert difference.verdict == "no difference"


def test_seeds_that_vary_widen_what_the_rows_alone_would_say(tmp_path: Path) -> None:
    noises = [0.5, 1.0, 2.0]
    wild = [make_run(tmp_path / f"wild-{seed}", noise, seed) for seed, noise in enumerate(noises)]
    alike = [make_run(tmp_path / f"alike-{seed}", 1.0, seed) for seed in range(3)]
    wide, narrow = (comparisons.score_group(group)["spearman"] for group in (wild, alike))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert wide.low < wide.value < wide.high
    alone = comparisons.score_group(alike[:1])["spearman"]
    told = alike[0].scores["test"]["spearman"]
    assert (alone.value, alone.low, alone.high) == (told["value"], told["low"], told["high"])


def test_two_seeds_that_differ_widely_are_scored_within_what_the_metric_can_be(tmp_path: Path) -> None:
    wild = [make_run(tmp_path / f"wild-{seed}", noise, seed) for seed, noise in enumerate((0.2, 30.0))]
    scores = comparisons.score_group(wild)
    assert (scores["spearman"].low, scores["spearman"].high) == (-1, 1)
    assert scores["mse"].low == 0
    calm = [make_run(tmp_path / f"calm-{seed}", 0.2, seed) for seed in range(2)]
    assert comparisons.compare_groups(wild, calm)["mse"].low < -scores["mse"].value


def test_what_is_no_group_is_refused(runs: dict[str, list[Run]], tmp_path: Path) -> None:
    good = runs["worse"]
    with pytest.raises(RunError, match="the second group: has no run"):
        comparisons.compare_groups(good, [])
    with pytest.raises(RunError, match="the group: has no run"):
        comparisons.score_group([])
    with pytest.raises(RunError, match=r"worse-0: has seed 0, as .*worse-0 has; expected a different seed"):
        comparisons.score_group([good[0], good[0]])
    other = make_run(tmp_path / "other", 1.0, 5, rows=ROWS - 1)
    with pytest.raises(RunError, match=r"worse-0 and .*other cannot be compared: their test rows differ"):
        comparisons.score_group([*good, other])
    with pytest.raises(RunError, match="their test rows differ"):
        comparisons.compare_groups(good, [other])
    half = make_run(tmp_path / "half", 1.0, 7, finished=False)
    with pytest.raises(RunError, match=r"half: not finished; .*finish it with: ribocyte train .* --resume"):
        comparisons.compare_groups([*good, half], good)


# Which runs belong together


def test_runs_are_grouped_by_all_of_their_recipe_but_the_seed(tmp_path: Path) -> None:
    plan = [("a", "small", 1, 7), ("b", "large", 0, 9), ("c", "small again", 0, 7), ("d", "large", 2, 9)]
    made = [
        make_run(tmp_path / folder, 1.0, seed, name=name, width=width, finished=False)
        for folder, name, seed, width in plan
    ]
    groups = comparisons.group_by_seed(made)
    assert {name: [run.path.name for run in group] for name, group in groups.items()} == {
        "small again": ["c", "a"],
        "large": ["b", "d"],
    }


def test_a_seed_at_the_end_of_the_name_is_not_the_groups(runs: dict[str, list[Run]], tmp_path: Path) -> None:
    numbered = [
        make_run(tmp_path / f"{seed}", 1.0, seed, name=f"lstm-{seed}", finished=False) for seed in (1, 2)
    ]
    groups = comparisons.group_by_seed([*runs["better"], *numbered])
    assert {name: len(group) for name, group in groups.items()} == {"better": 3, "lstm": 2}


def test_groups_of_one_name_are_called_after_their_folders(tmp_path: Path) -> None:
    made = [
        make_run(tmp_path / folder / "run", 1.0, seed, name="same", width=width, finished=False)
        for folder, seed, width in (("x", 0, 7), ("y", 0, 9), ("z", 1, 7))
    ]
    groups = comparisons.group_by_seed(made)
    assert list(groups) == ["x/run", "y/run"]
    assert [len(group) for group in groups.values()] == [2, 1]
    assert comparisons.group_by_seed([]) == {}


# How long it took


def history(**columns: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"epoch": [1, 2, 3, 4], "seconds": [10.0, 1.0, 2.0, 3.0], **columns})


def test_a_level_is_reached_at_the_end_of_its_epoch() -> None:
    table = history(val_accuracy=[0.5, 0.91, 0.4, 0.95], val_loss=[2.0, 1.5, 0.5, 0.7])
    assert comparisons.reach(table, "val_accuracy", 0.9) == 11
    assert comparisons.reach(table, "val_accuracy", 0.91) == 11
    assert comparisons.reach(table, "val_accuracy", 0.92) == 16
    assert comparisons.reach(table, "val_accuracy", 0.1) == 10
    assert comparisons.reach(table, "val_accuracy", 0.96) is None
    assert comparisons.reach(table, "val_loss", 0.6) == 13


def test_what_was_not_recorded_reaches_nothing() -> None:
    table = history(val_spearman=[None, math.nan, 0.6, math.nan])
    assert comparisons.reach(table, "val_spearman", 0.5) == 13
    assert comparisons.reach(table, "val_spearman", 0.7) is None
    assert comparisons.reach(table.clear(), "val_spearman", 0.7) is None
    with pytest.raises(DataError, match="no column 'val_f1'; expected one of epoch, seconds, val_spearman"):
        comparisons.reach(table, "val_f1", 0.5)


# Names


def test_the_pipeline_gives_the_comparisons_on() -> None:
    for name in ("compare", "compare_groups", "score_group", "group_by_seed", "reach", "unique_names"):
        assert getattr(pipeline, name) is getattr(comparisons, name)


def test_runs_are_named_with_as_much_as_tells_them_apart(tmp_path: Path) -> None:
    a, b, c = (toys.run(tmp_path / name) for name in ("x/run", "y/run", "z/other"))
    assert comparisons.unique_names([a, c]) == ["run", "other"]
    assert comparisons.unique_names([a, b]) == ["x/run", "y/run"]
