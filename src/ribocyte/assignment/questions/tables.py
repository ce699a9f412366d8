"""Tables that the questions share the making of: costs, scores with intervals, effects and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ribocyte.assignment.phrases import (
    write_count,
    write_device,
    write_range,
    write_score,
    write_seconds,
    write_short,
)
from ribocyte.assignment.questions.claims import Claim
from ribocyte.assignment.questions.efficiency import REACHED, time_to_reach, write_memory
from ribocyte.assignment.questions.facts import any_simulated, median_seconds, write_best_epoch
from ribocyte.documents.document import TableBlock
from ribocyte.learn.evaluation import Score
from ribocyte.learn.runs import Run


def tabulate_cells(runs: Mapping[str, Run]) -> TableBlock:
    """Set effectiveness and efficiency of the networks of question 1 side by side."""
    rows = []
    for name, run in runs.items():
        scores, cost = run.scores, run.scores["cost"]
        accuracy, interval = write_score(scores["test"]["accuracy"], 1, 100)
        balanced, _ = write_score(scores["test"]["balanced_accuracy"], 1, 100)
        time = time_to_reach(run)
        rows.append(
            (
                name,
                accuracy,
                interval,
                balanced,
                write_best_epoch(run),
                write_count(cost["parameters"]),
                write_count(cost["multiply_adds"]),
                write_short(median_seconds(run), 3),
                write_memory(cost["peak_mb"]),
                write_seconds(time) if time is not None else "never",
            )
        )
    return TableBlock(
        (
            "network",
            "accuracy, %",
            "95 % interval",
            "balanced, %",
            "best epoch",
            "parameters",
            "multiply-adds",
            "s per epoch",
            "memory",
            f"{100 * REACHED:.0f} % val. after",
        ),
        tuple(rows),
        "Effectiveness and efficiency of the networks of question 1. Accuracy on the test cells at the epoch with "
        "the best validation accuracy, with bootstrap intervals over these cells; balanced: averaged over classes. "
        "Multiply-adds of one forward pass of a picture; median time of an epoch with its scoring; peak memory of the "
        "process; training time until the validation accuracy reached "
        f"{100 * REACHED:.0f} %. Device: {write_device(next(iter(runs.values())).scores['cost'])}.",
        any_simulated(runs.values()),
        wide=True,
        label="cells-results",
    )


def tabulate_groups(
    groups: Mapping[str, Sequence[Run]],
    scores: Mapping[str, Mapping[str, Score]],
    claims: Mapping[str, Claim],
    caption: str,
    label: str,
) -> TableBlock:
    """Set networks trained from several seeds side by side, with what each gains over the first of them.

    Parameters
    ----------
    groups : mapping of str to sequence of Run
        Runs of each network, by what it is called; the first is compared with.
    scores : mapping of str to mapping of str to Score
        Of each group: test Spearman, Pearson and squared error.
    claims : mapping of str to Claim
        Of each group but the first.
    caption, label : str
        Of the table.
    """
    rows = []
    for name, runs in groups.items():
        cost, claim = runs[0].scores["cost"], claims.get(name)
        rows.append(
            (
                name,
                str(len(runs)),
                write_interval(scores[name]["spearman"]),
                *(write_score(as_values(scores[name][metric]))[0] for metric in ("pearson", "mse")),
                claim.measure.write(claim.difference.gain, "+") if claim and claim.defined else "—",
                _write_interval_of(claim),
                claim.agreement if claim else "—",
                write_count(cost["parameters"]),
                write_short(median_seconds(runs[0]), 3),
            )
        )
    first = next(iter(groups))
    return TableBlock(
        (
            "network",
            "seeds",
            "Spearman ρ",
            "Pearson r",
            "squared error",
            f"ρ over {first}",
            "95 % interval",
            "agreement",
            "parameters",
            "s per epoch",
        ),
        tuple(rows),
        caption,
        any_simulated(run for runs in groups.values() for run in runs),
        wide=True,
        label=label,
    )


def write_interval(score: Score) -> str:
    """Write a score and its interval in one cell; a dash where it is undefined."""
    value, interval = write_score(as_values(score))
    return value if interval == "—" else f"{value} ({interval})"


def as_values(score: Score) -> dict[str, Any]:
    """Give a score as the file of a run writes it: what is undefined is None."""
    parts = {"value": score.value, "low": score.low, "high": score.high}
    return {name: None if value != value else value for name, value in parts.items()}


def _write_interval_of(claim: Claim | None) -> str:
    if claim is None or not claim.defined:
        return "—"
    scale, digits = claim.measure.scale, claim.measure.digits
    return write_range(scale * claim.difference.low, scale * claim.difference.high, digits, "+")
