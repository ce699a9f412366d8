"""What pooling saves, and what it does to overfitting: counted and timed."""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl

from ribocyte.assignment.phrases import (
    join_words,
    write_count,
    write_end,
    write_ratio,
    write_seconds,
)
from ribocyte.assignment.questions.facts import median_seconds
from ribocyte.learn.runs import Run
from ribocyte.pipeline import reach

REACHED = 0.9
"""Validation accuracy whose time is taken."""
ALIKE = 1.1
"""Times and memory that differ by less than this factor are called alike: a busy machine does as much."""
OVERFITTED = 1.2
"""A validation loss this many times its lowest is called overfitting."""


def describe_efficiency(plain: Run, pooled: Run) -> str:
    """Compare the costs of a network with and without pooling: counted ones first, then measured ones."""
    before, after = plain.scores["cost"], pooled.scores["cost"]
    counted = [
        f"{write_count(after[key])} {name} instead of {write_count(before[key])} "
        f"({write_ratio(after[key], before[key])} times fewer)"
        for key, name in (("multiply_adds", "multiply-adds a picture"), ("parameters", "parameters"))
    ]
    times = median_seconds(pooled), median_seconds(plain)
    seconds = _compare("an epoch takes", *times, write_seconds, ("faster", "slower"))
    memory = _compare("memory peaks at", after["peak_mb"], before["peak_mb"], write_memory, ("less", "more"))
    costs = [(cost["multiply_adds"], cost["parameters"], cost["peak_mb"]) for cost in (before, after)]
    cheaper = sum(now < then for then, now in zip(*costs, strict=True)) + (times[0] < times[1])
    judged = (
        "in every count, as we expected"
        if cheaper == 4
        else f"in {cheaper} of 4 counts: not quite as we expected"
    )
    return (
        f"With pooling the network has {join_words(counted, 'and')}. Measured, {seconds}, and {memory}. "
        f"{_describe_time(plain, pooled)} It is the cheaper one {judged}."
    )


def time_to_reach(run: Run) -> float | None:
    """Give the seconds of training until the validation accuracy first reached `REACHED`; None if never."""
    return reach(run.history, "val_accuracy", REACHED)


def describe_overfitting(plain: Run, pooled: Run) -> str:
    """Say where the validation loss of both was lowest, and how far it rose from there."""
    runs = {"without": plain, "with": pooled}
    found = {name: _rise(run.history) for name, run in runs.items()}
    if any(math.isnan(rise) for _, rise in found.values()):
        return ""
    said = [
        f"{name} pooling in epoch {epoch} of {runs[name].history.height} "
        f"({write_end(rise, runs[name].history.height, epoch)})"
        for name, (epoch, rise) in found.items()
    ]
    over = [f"{name} pooling" for name, (_, rise) in found.items() if rise >= OVERFITTED]
    verdict = {
        0: "neither network overfits",
        1: f"{''.join(over)} the network overfits",
        2: "both networks overfit",
    }[len(over)]
    return (
        f"On logits the validation loss is lowest {join_words(said, 'and')}: {verdict}, if a rise by "
        f"{100 * (OVERFITTED - 1):.0f} % is called so."
    )


def _describe_time(plain: Run, pooled: Run) -> str:
    times = {name: time_to_reach(run) for name, run in (("without", plain), ("with", pooled))}
    reached = [f"after {write_seconds(time)} {name}" for name, time in times.items() if time is not None]
    if not reached:
        return f"Neither reached {100 * REACHED:.0f} % validation accuracy."
    never = [f"never {name}" for name, time in times.items() if time is None]
    return (
        f"{100 * REACHED:.0f} % validation accuracy was reached {join_words([*reached, *never], 'and')} it."
    )


def _compare(
    said: str, now: float, before: float, write: Callable[[float], str], names: tuple[str, str]
) -> str:
    """Set a measured cost beside the one before, and say by what factor it is smaller or larger."""
    numbers = f"{said} {write(now)} instead of {write(before)}"
    if max(now, before) < ALIKE * min(now, before):
        return f"{numbers}, which is as much"
    smaller, larger = names
    return (
        f"{numbers} ({write_ratio(now, before)} times {smaller})"
        if now < before
        else f"{numbers} ({write_ratio(before, now)} times {larger})"
    )


def write_memory(megabytes: float) -> str:
    """Write how much memory a process took."""
    return f"{megabytes:,.0f} MB" if megabytes < 2000 else f"{megabytes / 1000:.1f} GB"


def _rise(history: pl.DataFrame) -> tuple[int, float]:
    """Give the epoch of the lowest validation loss, and the last loss over it; NaN where that says nothing."""
    losses = history["val_loss"].cast(pl.Float64, strict=False)
    lowest = losses.min()
    if not isinstance(lowest, float) or not lowest > 0:
        return 0, math.nan
    return int(history["epoch"][int(losses.arg_min() or 0)]), float(losses[-1]) / lowest
