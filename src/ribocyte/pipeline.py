"""From a recipe to a finished run, and from runs to comparisons: what the command line calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ribocyte import catalog
from ribocyte.errors import DataError, RequestError, RunError
from ribocyte.learn import evaluation, measure, plots
from ribocyte.learn.evaluation import Difference, Score
from ribocyte.learn.hardware import leave_processes, make_fabric, settle_precision
from ribocyte.learn.objectives import Objective
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Split, Splits
from ribocyte.learn.training import Progress, fit, ignore, never
from ribocyte.version import VERSION


def train(
    recipe: Recipe,
    out: Path,
    *,
    data: Path | None = None,
    resume: bool = False,
    report: Callable[[Progress], None] = ignore,
    stop: Callable[[], bool] = never,
    checkpoint_seconds: float = 15.0,
) -> Run:
    """Train a recipe into a run's folder and score it on the test split, which nothing before has seen.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    out : Path
        The run's folder.
    data : Path, optional
        A data folder; else the usual search.
    resume : bool
        Go on with the run in `out`, or begin it if there is none. A finished run is given back as it is.
    report, stop, checkpoint_seconds
        As for `ribocyte.learn.training.fit`.

    Raises
    ------
    RunError
        If the folder exists and `resume` is not set, or holds a run of another recipe.
    DataError, RecipeError
        If the data cannot be had, or does not suit the recipe.
    """
    out = Path(out)
    run = _existing_run(out, recipe) if resume else None
    if run is None:
        Run.refuse_existing(out)  # before the data is read
    elif run.finished:
        return run
    splits = catalog.load_data(recipe, data)
    network = catalog.build_network(recipe, splits.info)
    encoding, objective = catalog.make_encoding(recipe, splits.info), cast(Objective, recipe.objective)
    if run is not None:
        recipe = catalog.parse_recipe(run.recipe, recipe.name)
    else:
        settled = settle_precision(recipe.training, network, splits, encoding=encoding, objective=objective)
        recipe = replace(recipe, training=settled)
    fabric = make_fabric(recipe.training)
    if run is None:
        run = Run.create(out, recipe.as_tables()) if fabric.is_global_zero else Run(out)
    card = {
        "version": VERSION,
        "recipe": recipe.as_tables(),
        "data": splits.info.as_json(),
    }
    with run.alone(fabric.is_global_zero), contextlib.ExitStack() as leaving:
        leaving.callback(leave_processes)
        model = fit(
            network,
            splits,
            encoding=encoding,
            objective=objective,
            training=recipe.training,
            run=run,
            card=card,
            augment=catalog.make_augment(recipe),
            report=report,
            stop=stop,
            fabric=fabric,
            checkpoint_seconds=checkpoint_seconds,
        )
        if fabric.is_global_zero:
            predictor = catalog.Predictor(model.network, encoding, model.card, fabric.device)
            _finish(run, predictor, splits, recipe)
    return run


@dataclass(frozen=True)
class Evaluation:
    """A model's scores on a split, and whether it is the data the model was made with."""

    scores: dict[str, Score]
    rows: int
    split: str
    same_data: bool
    simulated: bool
    protocol: str


def evaluate(model: catalog.Predictor, *, data: Path | None = None, split: str = "test") -> Evaluation:
    """Score a model on its data, loaded anew.

    Parameters
    ----------
    model : Predictor
        The model.
    data : Path, optional
        A data folder; else the usual search.
    split : str
        ``train``, ``val`` or ``test``.

    Raises
    ------
    DataError
        If the data has other outputs than the model.
    RequestError
        If there is no such split.
    """
    if split not in ("train", "val", "test"):
        raise RequestError(f"{split}: no such split", expected="train, val or test")
    splits = catalog.load_data(model.recipe, data)
    if splits.info.outputs != model.info.outputs:
        raise DataError(
            f"{splits.info.source}: measures {', '.join(splits.info.outputs[:4])}",
            expected=f"what the model predicts: {', '.join(model.info.outputs[:4])}",
        )
    part: Split = getattr(splits, split)
    scores = evaluation.evaluate(model.recipe.objective, model.outputs(part.inputs), part)
    same = splits.info.fingerprint == model.info.fingerprint
    return Evaluation(scores, len(part), split, same, splits.info.simulated, splits.info.protocol)


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
    first = runs[0]
    table = first.predictions
    outputs, targets = evaluation.from_prediction_table(table)
    found = {}
    for name, run in zip(names[1:], runs[1:], strict=True):
        other = run.predictions
        evaluation.same_rows(table, other, (names[0], name))
        pair = outputs, evaluation.from_prediction_table(other)[0]
        found[name] = evaluation.compare((_objective(first), _objective(run)), pair, targets)
    if figures:
        draw_comparison(dict(zip(names, runs, strict=True)), figures)
    return found


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


def _finish(run: Run, predictor: catalog.Predictor, splits: Splits, recipe: Recipe) -> None:
    """Score the best model on the test split and draw the run; the scores are written last."""
    objective = cast(Objective, recipe.objective)
    outputs = predictor.outputs(splits.test.inputs)
    run.write_predictions(evaluation.prediction_table(outputs, splits.test, splits.info.outputs))
    scores = evaluation.evaluate(objective, outputs, splits.test)
    _draw_run(run, outputs, splits, scores, objective.best)
    run.write_scores(_facts(run, predictor, splits, recipe) | {"test": evaluation.as_json(scores)})


def _facts(run: Run, predictor: catalog.Predictor, splits: Splits, recipe: Recipe) -> dict[str, Any]:
    """Gather what belongs beside a score: on what, by what, at what cost."""
    history = run.history
    example = predictor.encoding.expand(splits.test.inputs[:8].to(predictor.device))
    return {
        "name": recipe.name,
        "version": VERSION,
        "simulated": splits.info.simulated,
        "protocol": splits.info.protocol,
        "outputs": list(splits.info.outputs),
        "rows": {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)},
        "fingerprint": splits.info.fingerprint,
        "seed": recipe.training.seed,
        "epochs": len(history),
        "best": predictor.card["best"],
        "cost": {
            "parameters": measure.parameters(predictor.network),
            "multiply_adds": measure.multiply_adds(predictor.network, example),
            "seconds": history["seconds"].sum(),
            "examples_per_second": history["examples_per_second"].median(),
            "peak_mb": history["peak_mb"].max(),
            "device": str(predictor.device),
            "threads": torch.get_num_threads(),
            "precision": recipe.training.precision,
        },
    }


def _draw_run(run: Run, outputs: Tensor, splits: Splits, scores: dict[str, Score], best: str) -> None:
    simulated, folder = splits.info.simulated, run.path / "figures"
    plots.save_figure(plots.plot_history(run.history, best, simulated=simulated), folder / "history.svg")
    targets = splits.test.targets
    if targets.ndim == 1:
        matrix = evaluation.confusion(outputs, targets)
        figure = plots.plot_confusion(matrix, splits.info.outputs, simulated=simulated)
        plots.save_figure(figure, folder / "confusion.svg")
        return
    shown = {name: scores[name].value for name in ("spearman", "pearson")}
    measured, predicted = targets.flatten().numpy(), outputs.flatten().numpy()
    figure = plots.plot_density(measured, predicted, "intensity (z-score)", shown, simulated=simulated)
    plots.save_figure(figure, folder / "density.svg")


def _existing_run(out: Path, recipe: Recipe) -> Run | None:
    """Take up the run of this recipe in a folder; None where there is none yet."""
    if not (out / "recipe.toml").is_file():
        return None
    run = Run.open(out)
    wanted, found = recipe.as_tables(), run.recipe
    for part, table in wanted.items():
        if part == "name":
            continue
        for key, value in table.items():
            settled = value == "auto" and key == "precision"
            if not settled and found.get(part, {}).get(key) != value:
                raise RunError(
                    f"{out}: was begun with {part}.{key} = {found.get(part, {}).get(key)!r}, now it is {value!r}",
                    expected="the recipe it was begun with",
                    mend=f"resume it with {out / 'recipe.toml'}, or begin a new run with --out",
                )
    return run


def _objective(run: Run) -> Objective:
    return cast(Objective, catalog.parse_recipe(run.recipe, run.name).objective)
