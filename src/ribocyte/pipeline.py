"""From a recipe to a finished run, and from runs to comparisons: what the command line calls.

The comparisons themselves are in `ribocyte.comparisons` and are given on from here.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ribocyte import catalog
from ribocyte.comparisons import (
    compare,
    compare_groups,
    draw_comparison,
    group_by_seed,
    reach,
    score_group,
    unique_names,
)
from ribocyte.errors import DataError, RequestError, RunError
from ribocyte.learn import evaluation, measure, plots
from ribocyte.learn.evaluation import Score
from ribocyte.learn.hardware import leave_processes, make_fabric, settle_precision
from ribocyte.learn.objectives import Objective
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Split, Splits
from ribocyte.learn.training import Progress, fit, ignore, never
from ribocyte.rna.proteins.records import HOLD_OUT
from ribocyte.version import VERSION

DRAWN = 1_000_000
"""Points of a density at most, evenly taken of all."""

__all__ = [
    "Calibration",
    "Evaluation",
    "calibrate",
    "compare",
    "compare_groups",
    "draw_comparison",
    "evaluate",
    "group_by_seed",
    "reach",
    "score_group",
    "train",
    "unique_names",
]


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
    """A model's scores on a split, and whether it is the data the model was made with.

    ``drawn`` says what the intervals are over, ``rows`` or ``outputs``; ``outputs`` has the metrics of each output by
    name, where there are several.
    """

    scores: dict[str, Score]
    rows: int
    split: str
    same_data: bool
    simulated: bool
    protocol: str
    trust: dict[str, float | None] | None = None
    drawn: str = "rows"
    outputs: dict[str, dict[str, Any]] | None = None


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
    splits = _load_data_of(model, data)
    part: Split = getattr(splits, split)
    judged = evaluation.judge(model.recipe.objective, model.outputs(part.inputs), part.targets)
    each = evaluation.output_table(judged, part.targets, model.info.outputs)
    return Evaluation(
        scores=evaluation.score(judged),
        rows=len(part),
        split=split,
        same_data=splits.info.fingerprint == model.info.fingerprint,
        simulated=splits.info.simulated,
        protocol=splits.info.protocol,
        trust=_measure_trust(model, part),
        drawn="outputs" if evaluation.draws_outputs(part.targets) else "rows",
        outputs=None if each is None else {row.pop("output"): row for row in each.iter_rows(named=True)},
    )


@dataclass(frozen=True)
class Calibration:
    """What calibrating a model did: whether it had been calibrated before, and what the test split says of it.

    Parameters
    ----------
    added : bool
        False where the model was calibrated already; nothing else is known then.
    trust : dict
        As the trust's ``measure`` gives it on the test split; null where undefined.
    rows : int
        Of the validation split, which it was calibrated on.
    same_data, simulated : bool
        Whether it is the data that the model was made with, and whether a simulator's.
    """

    added: bool
    trust: dict[str, float | None] | None = None
    rows: int = 0
    same_data: bool = True
    simulated: bool = False


def calibrate(path: Path, *, data: Path | None = None, again: bool = False) -> Calibration:
    """Add to a model, in place, how far to trust it, where it does not know yet.

    Training does the same at its end; models of older versions have none.

    Parameters
    ----------
    path : Path
        A finished run's folder, whose scores are told as well, or a model file.
    data : Path, optional
        A data folder; else the usual search.
    again : bool
        Calibrate anew what was calibrated already.

    Raises
    ------
    DataError
        If the data has other outputs than the model.
    RunError
        If the run is not finished: its training will calibrate the model.
    """
    path = Path(path)
    run = Run(path) if (path / "recipe.toml").is_file() else None
    file = path / "model.safetensors" if path.is_dir() else path
    if run is not None:
        _ = run.scores  # says so where the run is not finished
    model = catalog.Predictor.load(file)
    if model.trust is not None and not again:
        return Calibration(added=False)
    splits = _load_data_of(model, data)
    same = splits.info.fingerprint == model.info.fingerprint
    model.trust = catalog.calibrate_trust(model, splits.val)
    measured = _measure_trust(model, splits.test)
    with run.alone() if run is not None else contextlib.nullcontext():
        if run is not None and same:  # scores are of the run's own test split
            run.write_scores(run.scores | {"trust": measured})
        model.save(file)  # last: a model without trust can be calibrated again
    return Calibration(True, measured, len(splits.val), same, splits.info.simulated)


def _load_data_of(model: catalog.Predictor, data: Path | None) -> Splits:
    """Load what a model was made with, or what else is found in its place."""
    splits = catalog.load_data(model.recipe, data)
    if splits.info.outputs != model.info.outputs:
        raise DataError(
            f"{splits.info.source}: measures {', '.join(splits.info.outputs[:4])}",
            expected=f"what the model predicts: {', '.join(model.info.outputs[:4])}",
        )
    return splits


def _measure_trust(model: catalog.Predictor, split: Split) -> dict[str, float | None] | None:
    """Measure a model's trust as JSON values; None where it has none."""
    if model.trust is None:
        return None
    measured = model.trust.measure(model, split)
    return {name: value if math.isfinite(value) else None for name, value in measured.items()}


def _finish(run: Run, predictor: catalog.Predictor, splits: Splits, recipe: Recipe) -> None:
    """Calibrate the best model, score it on the test split and draw the run; the scores are written last."""
    objective = cast(Objective, recipe.objective)
    predictor.trust = catalog.calibrate_trust(predictor, splits.val)
    predictor.save(run.model)
    outputs = predictor.outputs(splits.test.inputs)
    run.write_predictions(evaluation.prediction_table(outputs, splits.test, splits.info.outputs))
    judged = evaluation.judge(objective, outputs, splits.test.targets)
    run.write_resamples(judged.resamples)
    each = evaluation.output_table(judged, splits.test.targets, splits.info.outputs)
    if each is not None:
        run.write_output_scores(each)
    scores = evaluation.score(judged)
    _draw_run(run, outputs, splits, scores, objective.best)
    facts = _facts(run, predictor, splits, recipe)
    if evaluation.draws_outputs(splits.test.targets):
        facts["intervals"] = (
            f"over the {len(splits.info.outputs)} outputs, which are in outputs.tsv one by one"
        )
    if hold_out := splits.info.normalisation.get(HOLD_OUT):
        facts["hold_out"] = hold_out
    trust = _measure_trust(predictor, splits.test)
    run.write_scores({**facts, "test": evaluation.as_json(scores), "trust": trust})


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
    every = _step(targets)
    measured, predicted = targets.flatten()[::every].numpy(), outputs.flatten()[::every].numpy()
    figure = plots.plot_density(measured, predicted, "intensity (z-score)", shown, simulated=simulated)
    plots.save_figure(figure, folder / "density.svg")


def _step(targets: Tensor) -> int:
    """Say that every so manieth value is drawn: of 244 outputs there are 30 million, and all would take a minute."""
    every = -(-targets.numel() // DRAWN)
    while math.gcd(every, targets.shape[1]) > 1 < every:  # so that all outputs have their share
        every += 1
    return every


def _existing_run(out: Path, recipe: Recipe) -> Run | None:
    """Take up the run of this recipe in a folder; None where there is none yet."""
    if not (out / "recipe.toml").is_file():
        return None
    run = Run.open(out)
    wanted = recipe.as_tables()
    # With the defaults of what the version that began it did not know.
    found = catalog.parse_recipe(run.recipe, recipe.name).as_tables()
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
