"""Scores with intervals, and fair comparisons.

Intervals are percentile bootstraps (Efron 1979): the test rows are drawn with replacement, the metric is
computed again, and the middle 95 % of the results are reported. They say how much a score depends on which
probes or cells happened to be in the test set, not on the seed of the training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import RunError
from ribocyte.learn.objectives import LOWER_IS_BETTER, Objective
from ribocyte.learn.splits import Split

RESAMPLES = 1000


@dataclass(frozen=True)
class Score:
    """A metric with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """How much the second of two runs is better (positive) or worse on one metric, on the same rows.

    Parameters
    ----------
    first, second : float
        The metric of each.
    gain : float
        Second minus first, turned around for errors, so that positive always means the second is better.
    low, high : float
        95 % paired bootstrap interval of the gain.
    verdict : str
        ``better``, ``worse`` or ``no difference``: whether the interval leaves zero out.
    """

    first: float
    second: float
    gain: float
    low: float
    high: float
    verdict: str


def evaluate(
    objective: Objective, outputs: Tensor, split: Split, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Score]:
    """Score outputs against a split.

    Parameters
    ----------
    objective : Objective
        Whose metrics are wanted.
    outputs : Tensor, shape (N, P)
        As `Predictor.outputs` gives them.
    split : Split
        The rows they belong to.
    resamples : int
        Bootstrap resamples.
    seed : int
        Of the resampling.

    Returns
    -------
    dict of str to Score
    """
    predicted, measured = outputs.numpy(), split.targets.numpy()
    values = objective.metrics(predicted, measured)
    drawn = _bootstrap([objective.resampler(predicted, measured)], len(split), resamples, seed)
    return {name: Score(value, *_interval(drawn[name][:, 0])) for name, value in values.items()}


def compare(
    objectives: tuple[Objective, Objective],
    outputs: tuple[Tensor, Tensor],
    targets: Tensor,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Difference]:
    """Compare two models on the same rows by the paired bootstrap.

    Every resample draws the same rows for both, so what both find hard cancels out; two overlapping intervals
    side by side would hide differences that this shows.

    Parameters
    ----------
    objectives : pair of Objective
        How each is judged: they differ where one gives probabilities and the other logits.
    outputs : pair of Tensor, shape (N, P)
        What each predicted.
    targets : Tensor
        What was measured.
    resamples, seed : int
        Of the bootstrap.
    """
    measured = targets.numpy()
    pair = [(objective, output.numpy()) for objective, output in zip(objectives, outputs, strict=True)]
    values = [objective.metrics(output, measured) for objective, output in pair]
    resamplers = [objective.resampler(output, measured) for objective, output in pair]
    drawn = _bootstrap(resamplers, len(measured), resamples, seed)
    found = {}
    for name in values[0]:
        sign = -1.0 if name in LOWER_IS_BETTER else 1.0
        low, high = _interval(sign * (drawn[name][:, 1] - drawn[name][:, 0]))
        gain = sign * (values[1][name] - values[0][name])
        found[name] = Difference(values[0][name], values[1][name], gain, low, high, _verdict(low, high))
    return found


def prediction_table(outputs: Tensor, split: Split, columns: tuple[str, ...]) -> pl.DataFrame:
    """Lay outputs beside what was measured.

    Returns
    -------
    DataFrame
        ``name``; ``measured/X`` (for classes: ``class``, the right one's number); ``predicted/X`` for every
        output X.
    """
    measured = (
        {"class": split.targets.numpy()}
        if split.targets.ndim == 1
        else {f"measured/{name}": split.targets[:, i].numpy() for i, name in enumerate(columns)}
    )
    predicted = {f"predicted/{name}": outputs[:, i].numpy() for i, name in enumerate(columns)}
    return pl.DataFrame({"name": split.names, **measured, **predicted})


def from_prediction_table(table: pl.DataFrame) -> tuple[Tensor, Tensor]:
    """Take outputs (N, P) and targets back out of `prediction_table`."""
    predicted = [name for name in table.columns if name.startswith("predicted/")]
    outputs = torch.from_numpy(table.select(predicted).to_numpy().copy())
    if "class" in table.columns:
        return outputs, torch.from_numpy(table["class"].to_numpy().copy())
    measured = [f"measured/{name.removeprefix('predicted/')}" for name in predicted]
    return outputs, torch.from_numpy(table.select(measured).to_numpy().copy())


def same_rows(first: pl.DataFrame, second: pl.DataFrame, names: tuple[str, str]) -> None:
    """Make sure two prediction tables speak of the same test rows and measurements.

    Raises
    ------
    RunError
        Naming the runs and what differs.
    """
    said = f"{names[0]} and {names[1]} cannot be compared"
    mend = "compare runs of the same data, experiments and protocol"
    if first.columns != second.columns:
        differing = sorted(set(first.columns) ^ set(second.columns))
        raise RunError(f"{said}: their outputs differ ({', '.join(differing[:4])})", mend=mend)
    if not first["name"].equals(second["name"]):
        raise RunError(f"{said}: their test rows differ ({len(first)} and {len(second)})", mend=mend)
    facts = [name for name in first.columns if name == "class" or name.startswith("measured/")]
    if not first.select(facts).equals(second.select(facts)):
        raise RunError(f"{said}: the same rows carry other measurements", mend=mend)


def confusion(outputs: Tensor, targets: Tensor) -> NDArray[np.int64]:
    """Count which class (row) was called which (column): shape (C, C)."""
    classes = outputs.shape[1]
    cell = targets * classes + outputs.argmax(dim=1)
    counts: NDArray[np.int64] = (
        torch.bincount(cell, minlength=classes * classes).view(classes, classes).numpy()
    )
    return counts


def as_json(scores: Mapping[str, Score | Difference]) -> dict[str, Any]:
    """Give scores as JSON values; a metric that is undefined is null."""

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and math.isnan(value) else value

    return {
        name: {key: plain(value) for key, value in asdict(score).items()} for name, score in scores.items()
    }


def _bootstrap(resamplers: list[Any], rows: int, resamples: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Judge every resample by every resampler: metric name to (resamples, resamplers)."""
    random = np.random.default_rng(seed)
    drawn: dict[str, list[list[float]]] = {}
    for _ in range(resamples):
        counts = np.bincount(random.integers(0, rows, rows), minlength=rows)
        judged = [judge(counts) for judge in resamplers]
        for name in judged[0]:
            drawn.setdefault(name, []).append([one[name] for one in judged])
    return {name: np.array(values) for name, values in drawn.items()}


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def _verdict(low: float, high: float) -> str:
    if math.isnan(low) or low <= 0 <= high:
        return "no difference"
    return "better" if low > 0 else "worse"
