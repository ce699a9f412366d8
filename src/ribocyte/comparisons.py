"""Which of several runs is better, over test rows and over seeds, and what it cost to get there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from ribocyte import catalog
from ribocyte.errors import DataError, RunError
from ribocyte.learn import evaluation, plots
from ribocyte.learn.evaluation import Difference, Judged, Score
from ribocyte.learn.objectives import LOWER_IS_BETTER, Objective
from ribocyte.learn.runs import Run


def compare(runs: Sequence[Run], figures: Path | None = None) -> dict[str, dict[str, Difference]]:
    """Compare finished runs with the first of them, on the same test rows, by the paired bootstrap.

    Parameters
    ----------
    runs : sequence of Run
        Two or more.
    figures : Path, optional
        A folder that receives ``curves.svg`` and ``losses.svg``: all runs on shared axes.

    Returns
    -------
    dict
        Name of each run but the first, to metric, to `Difference`.

    Raises
    ------
    RunError
        If fewer than two are given, one is unfinished, or they measure different things.
    """
    if len(runs) < 2:
        raise RunError("compare: one run alone cannot be compared", expected="two or more runs")
    names = unique_names(runs)
    first, *others = _judge_runs(runs, names)
    found = {name: evaluation.differ(first, other) for name, other in zip(names[1:], others, strict=True)}
    if figures:
        draw_comparison(dict(zip(names, runs, strict=True)), figures)
    return found


def compare_groups(first: Sequence[Run], second: Sequence[Run]) -> dict[str, Difference]:
    """Compare two recipes, each trained at several seeds, on the same test rows.

    The gain is the difference of the means over the seeds. Its 95 % interval comes from drawing the test rows,
    the same for all runs, and on each side the seeds, together; `ribocyte.learn.evaluation.average_seeds` says
    how few seeds are accounted for. A side of one run says nothing about its seeds: what they would change
    there is missing from the interval.

    Parameters
    ----------
    first, second : sequence of Run
        Each the runs of one recipe at different seeds. The numbers of seeds may differ.

    Returns
    -------
    dict
        Metric to `Difference`; its `first` and `second` are the means.

    Raises
    ------
    RunError
        If a side is empty, has the same seed twice or an unfinished run, or the runs measure different things.
    """
    for side, group in (("first", first), ("second", second)):
        _check_group(group, f"the {side} group")
    judged = _judge_runs([*first, *second], [str(run.path) for run in (*first, *second)])
    freedom, random = len(judged) - 2, np.random.default_rng(0)
    sides = judged[: len(first)], judged[len(first) :]
    one, other = (evaluation.average_seeds(side, freedom, random) for side in sides)
    return evaluation.differ(one, other)


def score_group(runs: Sequence[Run]) -> dict[str, Score]:
    """Score a recipe trained at several seeds: the mean over the seeds, the interval over rows and seeds.

    Parameters and errors are those of one side of `compare_groups`. With two seeds the interval is very wide,
    as it must be; take three or more.
    """
    _check_group(runs, "the group")
    judged = _judge_runs(runs, [str(run.path) for run in runs])
    return evaluation.score(evaluation.average_seeds(judged, len(runs) - 1, np.random.default_rng(0)))


def group_by_seed(runs: Sequence[Run]) -> dict[str, tuple[Run, ...]]:
    """Gather the runs whose recipes are equal but for ``training.seed`` and the name.

    Returns
    -------
    dict
        Groups in the order of their first runs, each by ascending seed. A group is called what its recipe is
        called, without the seed at the end where all names end in theirs; where two groups would be called
        the same, all are called after the folder of their first run. A recipe whose precision was ``auto``
        records what it settled on, so that seeds which settled differently are different groups.
    """
    gathered: dict[str, list[Run]] = {}
    for run in runs:
        gathered.setdefault(_recipe_but_seed(run), []).append(run)
    groups = [tuple(sorted(group, key=_seed)) for group in gathered.values()]
    firsts = [group[0] for group in groups]
    names = [_name_group(group) for group in groups]
    if len(set(names)) < len(names):
        names = unique_names(firsts)
    return dict(zip(names, groups, strict=True))


def reach(history: pl.DataFrame, column: str, level: float) -> float | None:
    """Give the seconds of training until a column first reached a level; None if it never did.

    Parameters
    ----------
    history : DataFrame
        A run's. The time is the sum of ``seconds`` up to and including the epoch.
    column : str
        Such as ``val_accuracy``. A loss or an error has reached a level once it is as low.
    level : float
        The level.

    Raises
    ------
    DataError
        If there is no such column.
    """
    for needed in (column, "seconds"):
        if needed not in history.columns:
            raise DataError(f"history: no column {needed!r}", expected=f"one of {', '.join(history.columns)}")
    values = history[column].cast(pl.Float64, strict=False).fill_nan(None)
    lower = column.partition("_")[2] in LOWER_IS_BETTER
    there = (values <= level if lower else values >= level).fill_null(value=False)
    if not there.any():
        return None
    return float(history["seconds"].cum_sum()[int(there.arg_max() or 0)])


def draw_comparison(runs: Mapping[str, Run], folder: Path) -> list[Path]:
    """Draw several runs on shared axes: ``curves.svg`` (loss and metrics) and ``losses.svg``.

    Returns
    -------
    list of Path
        What was written.
    """
    histories = {name: run.history for name, run in runs.items()}
    simulated = any(run.scores["simulated"] for run in runs.values())
    metric = _objective(next(iter(runs.values()))).best
    columns = ["train_loss", f"val_{metric}"]
    if any(f"test_{metric}" in history.columns for history in histories.values()):
        columns.append(f"test_{metric}")
    drawn = {
        folder / "curves.svg": plots.plot_comparison(histories, columns, simulated=simulated),
        folder / "losses.svg": plots.plot_losses(histories, simulated=simulated),
    }
    for path, figure in drawn.items():
        plots.save_figure(figure, path)
    return list(drawn)


def unique_names(runs: Sequence[Run]) -> list[str]:
    """Name runs by their folders, with as many parents as it takes to tell them apart."""
    paths = [run.path.resolve() for run in runs]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise RunError(f"{paths[0]}: the same run is named twice", expected="different runs")


def _judge_runs(runs: Sequence[Run], names: Sequence[str]) -> list[Judged]:
    """Judge runs by their predictions of the same test rows, with paired resamples."""
    first = runs[0].predictions
    for run, name in zip(
        runs[1:], names[1:], strict=True
    ):  # a table at a time: of many outputs each is large
        evaluation.same_rows(first, run.predictions, (names[0], name))
    return [_judge_run(run, run.predictions) for run in runs]


def _judge_run(run: Run, table: pl.DataFrame) -> Judged:
    """Take the resamples kept in the run; a run of an older version has none, or other ones: draw them."""
    objective = _objective(run)
    each = run.output_scores
    if each is not None and len(each) >= evaluation.MANY:
        return evaluation.judge_outputs(each)
    outputs, targets = evaluation.from_prediction_table(table)
    kept = run.resamples
    if kept is None or not evaluation.are_resamples_of(kept, objective, outputs, targets):
        return evaluation.judge(objective, outputs, targets)
    return Judged(objective.metrics(outputs.numpy(), targets.numpy()), kept)


def _check_group(runs: Sequence[Run], called: str) -> None:
    if not runs:
        raise RunError(f"{called}: has no run", expected="one or more seeds of one recipe")
    for run in runs:
        if not run.finished:
            raise RunError(
                f"{run.path}: not finished",
                expected="finished runs",
                mend=f"finish it with: ribocyte train {run.path / 'recipe.toml'} --out {run.path} --resume",
            )
    seeds: dict[Any, Run] = {}
    for run in runs:
        seed = _seed(run)
        if seed in seeds:
            raise RunError(
                f"{run.path}: has seed {seed}, as {seeds[seed].path} has",
                expected="a different seed for each",
            )
        seeds[seed] = run


def _seed(run: Run) -> int:
    return int(run.recipe["training"]["seed"])


def _name_group(group: Sequence[Run]) -> str:
    names = [str(run.recipe.get("name", run.name)) for run in group]
    bare = {name.removesuffix(f"-{_seed(run)}") for name, run in zip(names, group, strict=True)}
    return bare.pop() if len(bare) == 1 else names[0]


def _recipe_but_seed(run: Run) -> str:
    tables = run.recipe
    training = {key: value for key, value in tables.get("training", {}).items() if key != "seed"}
    rest = {part: table for part, table in tables.items() if part not in ("name", "training")}
    return json.dumps({**rest, "training": training}, sort_keys=True, default=str)


def _objective(run: Run) -> Objective:
    return cast(Objective, catalog.parse_recipe(run.recipe, run.name).objective)
