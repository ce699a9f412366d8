"""From a recipe to a finished run, and from runs to comparisons: what the command line calls."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor

import ribocyte
from ribocyte import catalog
from ribocyte.cells.images import CLASSES, CellEncoding, list_images, read_image
from ribocyte.errors import DataError, RequestError, RunError
from ribocyte.learn import evaluation, measure, plots
from ribocyte.learn.evaluation import Difference, Score
from ribocyte.learn.objectives import Objective
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Info, Split, Splits
from ribocyte.learn.training import Progress, fit, ignore, make_fabric, never, settle_precision
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.sequences import read_sequences


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
    if not resume:
        Run.refuse_existing(out)  # before the data is read
    splits = catalog.load_data(recipe, data)
    network = catalog.build_network(recipe, splits.info)
    encoding, objective = catalog.make_encoding(recipe, splits.info), cast(Objective, recipe.objective)
    run = _existing_run(out, recipe) if resume else None
    if run is not None:
        recipe = catalog.parse_recipe(run.recipe, recipe.name)
        if run.finished:
            return run
    else:
        settled = settle_precision(recipe.training, network, splits, encoding=encoding, objective=objective)
        recipe = replace(recipe, training=settled)
    fabric = make_fabric(recipe.training)
    if run is None:
        run = Run.create(out, recipe.as_tables()) if fabric.is_global_zero else Run(out)
    card = {
        "version": ribocyte.__version__,
        "recipe": recipe.as_tables(),
        "data": splits.info.as_json(),
    }
    with run.alone(fabric.is_global_zero):
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
    """
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


LARGEST_PORTION = 4 << 20
"""Letters, or bytes of pictures, predicted at a time."""


def read_inputs(
    model: catalog.Predictor,
    inputs: Sequence[str],
    stdin: IO[bytes] | None = None,
    skip: Callable[[DataError], None] | None = None,
) -> Iterator[tuple[str, Any]]:
    """Read what people want predictions for, one at a time.

    Parameters
    ----------
    model : Predictor
        Decides what inputs are.
    inputs : sequence of str
        RNA: files of sequences (see `ribocyte.rna.sequences`), sequences themselves where there is no such
        file, or ``-`` for `stdin`. Cells: image files, and folders with images at any depth.
    stdin : binary file, optional
        What ``-`` stands for.
    skip : callable, optional
        Told of each image that cannot be read, which then is left out; such an image is an error otherwise.

    Yields
    ------
    (str, str or numpy array)
        A name, and a raw input for `predict`.

    Raises
    ------
    DataError
        Naming the file, and the line where there are lines.
    RequestError
        If `skip` is given for RNA.
    """
    if isinstance(model.encoding, CellEncoding):
        return _read_cells(model.encoding, inputs, skip)
    if skip:
        raise RequestError("--skip-bad: this model reads RNA", expected="a model that reads images")
    return _read_rna(inputs, stdin)


def predict(model: catalog.Predictor, inputs: Iterable[tuple[str, Any]]) -> Iterator[pl.DataFrame]:
    """Predict for a stream of named inputs in flat memory.

    Yields
    ------
    DataFrame
        A row for each input, in order: ``name``, and the columns of the encoding's ``decode``.
    """
    for portion in _portions(inputs):
        names = pl.Series("name", [name for name, _ in portion], dtype=pl.String)
        yield model.predict(raw for _, raw in portion).insert_column(0, names)


@dataclass(frozen=True)
class KindFacts:
    """A kind of data or network in the catalog, and its settings with their defaults (None: must be given)."""

    kind: str
    domain: str
    about: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class NetworkFacts(KindFacts):
    """A kind of network, and what it costs by default, for one experiment or for eight classes."""

    parameters: int
    multiply_adds: int


def describe_data() -> list[KindFacts]:
    """List every kind of data there is."""
    return [
        KindFacts(kind, known.domain, known.about, _defaults(known.config))
        for kind, known in catalog.DATA.items()
    ]


def describe_networks() -> list[NetworkFacts]:
    """List every kind of network there is."""
    rna, cells = RNAEncoding(), CellEncoding()
    blank = np.zeros((cells.size, cells.size, 3), dtype=np.uint8)
    examples = {
        "rna": (rna.expand(rna.encode(["A" * rna.length])[0]), ("experiment",), {"length": rna.length}),
        "cells": (cells.expand(cells.encode([blank])[0]), CLASSES, cells.normalisation),
    }
    found = []
    for kind, known in catalog.NETWORKS.items():
        example, outputs, normalisation = examples[known.domain]
        network = known.build(known.config(), Info(kind, "", "", "", outputs, normalisation))
        cost = measure.parameters(network), measure.multiply_adds(network, example)
        found.append(NetworkFacts(kind, known.domain, known.about, _defaults(known.config), *cost))
    return found


def _read_rna(inputs: Sequence[str], stdin: IO[bytes] | None) -> Iterator[tuple[str, str]]:
    for given in inputs:
        there = os.path.exists(given)  # noqa: PTH110 - a long sequence is no possible path: Path.exists fails
        if given == "-" and stdin is not None:
            yield from _read_stdin(stdin)
        elif there:
            yield from read_sequences(given)
        elif set(given.upper()) <= set("ACGUTN"):
            yield given, given
        else:
            raise DataError(
                f"{given}: no such file, and no RNA", expected="a file, or the letters A, C, G, U, N"
            )


def _read_stdin(stdin: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Read sequences from a pipe, by way of a file: their kind is told by looking at them twice."""
    with tempfile.TemporaryDirectory(prefix="ribocyte-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(stdin, file)
        try:
            yield from read_sequences(path)
        except DataError as error:
            problem = error.problem.replace(str(path), "standard input")
            raise DataError(problem, expected=error.expected, mend=error.mend) from error


def _read_cells(
    encoding: CellEncoding, inputs: Sequence[str], skip: Callable[[DataError], None] | None
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    count = 0
    for path in (path for given in inputs for path in _image_files(Path(given))):
        try:
            pixels = read_image(path, encoding.size, encoding.crop, encoding.resample)
        except DataError as error:
            if skip is None:
                raise
            skip(error)
        else:
            count += 1
            yield str(path), pixels
    if not count:
        raise DataError(f"{', '.join(inputs)}: no image that can be read")


def _image_files(given: Path) -> list[Path]:
    if not given.is_dir():
        return [given]
    found = list_images(given)
    if not found:
        raise DataError(f"{given}: no image in the folder", expected="files .jpg, .png or .tif")
    return found


def _portions(inputs: Iterable[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    """Cut a stream into lists of at most 4096 inputs, and only so many letters or bytes."""
    portion, size = list[tuple[str, Any]](), 0
    for name, raw in inputs:
        portion.append((name, raw))
        size += len(raw) if isinstance(raw, str) else raw.nbytes
        if len(portion) == 4096 or size >= LARGEST_PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _defaults(config: type) -> dict[str, Any]:
    """Give a configuration's keys and defaults; None where there is no default."""
    return {
        field.name: None if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(config)
    }


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
        "version": ribocyte.__version__,
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
