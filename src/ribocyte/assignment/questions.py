"""The assignment's two questions, answered from finished runs as sections of a page.

Every sentence is composed from the runs' numbers, and claims a difference only where the paired bootstrap does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ribocyte import pipeline
from ribocyte.assignment.page import FigureBlock, Section, TableBlock
from ribocyte.learn.evaluation import Difference, Score, from_prediction_table
from ribocyte.learn.runs import Run
from ribocyte.rna.affinities import AffinityRanking

CELL_RUNS = ("unpooled-logits", "unpooled-softmax", "pooled-logits", "pooled-softmax")
"""The four networks of question 1, in the assignment's order."""
CONSTANT = 0.95
"""A network that gives this share of the cells the same name counts as collapsed."""

_EFFECTS = (
    ("pooling, on logits", "unpooled-logits", "pooled-logits"),
    ("pooling, behind a softmax", "unpooled-softmax", "pooled-softmax"),
    ("a softmax, without pooling", "unpooled-logits", "unpooled-softmax"),
    ("a softmax, with pooling", "pooled-logits", "pooled-softmax"),
)


@dataclass(frozen=True)
class Answers:
    """How often a classifier gave its commonest answer, and which answers it never gave."""

    commonest: str
    share: float
    never: tuple[str, ...]


def answer_cells(runs: Mapping[str, Run], curves: Path, confusion: Path) -> Section:
    """Answer question 1: what pooling and a softmax do to the assignment's network.

    Parameters
    ----------
    runs : mapping of str to Run
        The four finished runs by their names, which are `CELL_RUNS`.
    curves, confusion : Path
        Figures: the four runs on shared axes, and the confusion matrix of `best_run`.

    Raises
    ------
    RunError
        If a run is unfinished, or they were not tested on the same cells.
    """
    runs = {name: runs[name] for name in CELL_RUNS}
    scores = {name: run.scores for name, run in runs.items()}
    simulated = any(score["simulated"] for score in scores.values())
    effects = {
        name: _compare(runs[first], runs[second])["accuracy"] for name, first, second in _EFFECTS
    }
    best = best_run(runs)
    return Section(
        heading="Question 1: which blood cell is in this picture?",
        paragraphs=(
            _describe_cell_training(runs[CELL_RUNS[0]]),
            _describe_pooling(effects, scores),
            _describe_softmax(effects, {name: count_answers(run) for name, run in runs.items()}),
        ),
        tables=(
            _tabulate_accuracy(runs, simulated),
            _tabulate_effects(effects, simulated),
            _tabulate_cost(runs, simulated),
        ),
        figures=(
            FigureBlock(
                curves,
                "The four networks epoch by epoch: (a) training loss, (b) validation accuracy, (c) test accuracy. "
                "The loss of a network that ends in a softmax has a floor of about 1.27 with eight classes: "
                "cross-entropy takes its probabilities for logits, and between 0 and 1 those cannot differ more.",
                simulated,
            ),
            FigureBlock(
                confusion,
                f"Confusion matrix of {best}, the network with the best validation accuracy, on the test cells.",
                simulated,
            ),
        ),
        simulated=simulated,
    )


def answer_rna(
    runs: Mapping[str, Run],
    rankings: Mapping[str, AffinityRanking],
    losses: Path,
    density: Path,
    reference: Score | None = None,
) -> Section:
    """Answer question 2: how well two networks predict what binds, and whether they know the biochemistry.

    Parameters
    ----------
    runs : mapping of str to Run
        Two finished runs on the same probes, by their names.
    rankings : mapping of str to AffinityRanking
        What each network predicts for the seven RNAs of known affinity.
    losses, density : Path
        Figures: the losses of both on shared axes, and predicted against measured for `best_run`.
    reference : Score, optional
        Spearman's rho of the noise-free truth with the test intensities, where it is known.

    Raises
    ------
    RunError
        If a run is unfinished, or they were not tested on the same probes.
    """
    (first, second), simulated = runs, any(run.scores["simulated"] for run in runs.values())
    best, differences = best_run(runs), _compare(runs[first], runs[second])
    return Section(
        heading="Question 2: how strongly does RBFOX1 bind this RNA?",
        paragraphs=(
            _describe_rna_training(runs[first]),
            _describe_ranking(first, second, differences, reference),
            _describe_affinities(rankings, simulated),
        ),
        tables=(
            _tabulate_correlations(runs, reference, simulated),
            _tabulate_affinities(rankings, simulated),
        ),
        figures=(
            FigureBlock(losses, "Training and validation loss of both networks, epoch by epoch.", simulated),
            FigureBlock(
                density,
                f"Predicted against measured intensities of Set B for {best}, the network with the better "
                "validation score.",
                simulated,
            ),
        ),
        simulated=simulated,
    )


def best_run(runs: Mapping[str, Run]) -> str:
    """Name the run with the best validation score; the test split has no say in it."""
    return max(runs, key=lambda name: float(runs[name].scores["best"]["value"]))


def count_answers(run: Run) -> Answers:
    """Count what a classifier answers on the test split, whatever would have been right."""
    names = run.scores["outputs"]
    outputs, _ = from_prediction_table(run.predictions)
    counts = outputs.argmax(dim=1).bincount(minlength=len(names))
    never = tuple(name for name, count in zip(names, counts.tolist(), strict=True) if not count)
    return Answers(names[int(counts.argmax())], float(counts.max() / counts.sum()), never)


def describe_effect(subject: str, difference: Difference, unit: str = "points", scale: float = 100.0) -> str:
    """Say what a comparison shows, and no more.

    Parameters
    ----------
    subject : str
        What distinguishes the second run from the first, such as ``pooling``.
    difference : Difference
        Of an accuracy or a correlation.
    unit, scale : str and float
        What a difference is multiplied by, and called then.

    Returns
    -------
    str
        A clause without its full stop.
    """
    if math.isnan(difference.gain):
        return f"{subject} cannot be judged, as one of the two networks gives a constant answer"
    size = f"{abs(difference.gain) * scale:.{_digits(scale)}f}{' ' + unit if unit else ''}"
    between = f"95 % interval {_range(difference.low * scale, difference.high * scale, _digits(scale), '+')}"
    if difference.verdict == "no difference":
        way = "up" if difference.gain > 0 else "down"
        moved = f"{way} {size}" if difference.gain else "none at all"
        return f"{subject} makes no difference that this test can tell ({moved}, {between})"
    change = "raises it" if difference.verdict == "better" else "lowers it"
    return f"{subject} {change} by {size} ({between})"


def write_score(score: Mapping[str, Any] | None, digits: int = 3, scale: float = 1.0) -> tuple[str, str]:
    """Write a score and its 95 % interval for two cells of a table; dashes where it is undefined."""
    if score is None or score["value"] is None:
        return "—", "—"
    value = f"{score['value'] * scale:.{digits}f}"
    if score["low"] is None:
        return value, "—"
    return value, _range(score["low"] * scale, score["high"] * scale, digits)


def write_count(count: float) -> str:
    """Write a large number so that it can be compared at a glance."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}" if count < 1000 * size else f"{count / size:,.0f} {letter}"
    return f"{count:.0f}"


def _compare(first: Run, second: Run) -> dict[str, Difference]:
    return next(iter(pipeline.compare([first, second]).values()))


def _describe_cell_training(run: Run) -> str:
    rows, training = run.scores["rows"], run.recipe["training"]
    return (
        f"The assignment's network, three convolutions and two dense layers, learns from {rows['train']:,} pictures "
        f"to name eight kinds of cell: with and without a 2 × 2 maximum after each convolution, and with and without "
        f"a softmax in front of the cross-entropy, which takes one of its own. {training['optimizer'].capitalize()} "
        f"at {training['learning_rate']:g}, batches of {training['batch_size']}, {training['epochs']} epochs; the "
        f"epoch with the best accuracy on {rows['val']:,} validation pictures is tested on {rows['test']:,} others."
    )


def _describe_pooling(effects: Mapping[str, Difference], scores: Mapping[str, Any]) -> str:
    plain, pooled = scores["unpooled-logits"], scores["pooled-logits"]
    lighter, smaller, faster = (
        plain["cost"][name] / pooled["cost"][name] for name in ("multiply_adds", "parameters", "seconds")
    )
    speed = faster * pooled["epochs"] / plain["epochs"]
    return (
        f"Pooling and test accuracy: on logits, {describe_effect('pooling', effects['pooling, on logits'])}; behind "
        f"a softmax, {describe_effect('pooling', effects['pooling, behind a softmax'])}. What it saves is certain: "
        f"{lighter:.0f} times fewer multiply-adds a picture, {smaller:.0f} times fewer parameters; an epoch "
        f"took {f'{speed:.0f} times' if speed >= 1.5 else 'about'} as long without it."
    )


def _describe_softmax(effects: Mapping[str, Difference], answers: Mapping[str, Answers]) -> str:
    without = describe_effect("a softmax", effects["a softmax, without pooling"])
    pooled = describe_effect("a softmax", effects["a softmax, with pooling"])
    return (
        f"Softmax and test accuracy: without pooling, {without}; with pooling, {pooled}. "
        + _describe_collapse(answers)
    )


def _describe_collapse(answers: Mapping[str, Answers]) -> str:
    """Say which networks give everything the same name, and which never give some name."""
    said = []
    for name, answer in answers.items():
        if answer.share >= CONSTANT:
            said.append(
                f"{name} collapsed: it calls {100 * answer.share:.0f} % of the test cells {answer.commonest}, "
                "whatever they are."
            )
        elif answer.never:
            said.append(f"{name} never answers {_join(answer.never, 'or')}.")
    if not any(answer.share >= CONSTANT for answer in answers.values()):
        said.append("None of the four collapsed to a constant answer.")
    return " ".join(said)


def _describe_rna_training(run: Run) -> str:
    scores, training = run.scores, run.recipe["training"]
    rows = scores["rows"]
    return (
        f"Two networks learn {scores['outputs'][0]} from {rows['train']:,} probes of an RNAcompete array's Set A "
        f"in {training['epochs']} epochs, under the protocol `{scores['protocol']}`; {rows['val']:,} others "
        f"validate and the {rows['test']:,} probes of Set B test. One detects motifs and keeps the strongest match "
        f"of each, the other reads every motif within its context. Most probes hold no site and differ by noise "
        f"alone, so the epoch kept is the one with the best validation {scores['best']['metric'].capitalize()}."
    )


def _describe_ranking(
    first: str, second: str, differences: Mapping[str, Difference], reference: Score | None
) -> str:
    clauses = "; ".join(
        f"{metric.capitalize()}: {describe_effect(f'{second} in place of {first}', differences[metric], '', 1.0)}"
        for metric in ("spearman", "pearson")
    )
    if reference is None:
        return f"{clauses}."
    return (
        f"{clauses}. The yardstick is what the simulator itself knows: its occupancies, free of noise, reach a "
        f"Spearman of {reference.value:.3f} ({_range(reference.low, reference.high, 3)}) with the noisy intensities."
    )


def _describe_affinities(rankings: Mapping[str, AffinityRanking], simulated: bool) -> str:
    found = _join([f"{ranking.spearman:.2f} for {name}" for name, ranking in rankings.items()], "and")
    told = (
        "The experiment was simulated from these very constants, so this shows that the networks find what was "
        "put there, not that they know RBFOX1."
        if simulated
        else "The constants are no part of RNAcompete: this is a test by independent biochemistry."
    )
    return (
        "Seven RNAs have dissociation constants measured with the protein itself (Auweter et al. 2006). Put into "
        "random probes that bind nowhere else, do the networks rank them alike? Spearman between the mean "
        f"prediction and −log Kd is {found}. {told}"
    )


def _tabulate_accuracy(runs: Mapping[str, Run], simulated: bool) -> TableBlock:
    rows = []
    for name, run in runs.items():
        scores, answers = run.scores, count_answers(run)
        accuracy, interval = write_score(scores["test"]["accuracy"], 1, 100)
        balanced, _ = write_score(scores["test"]["balanced_accuracy"], 1, 100)
        best = f"{scores['best']['epoch']} of {scores['epochs']}"
        rows.append((name, accuracy, interval, balanced, best, f"{answers.commonest}, {100 * answers.share:.0f} %"))
    return TableBlock(
        ("network", "test accuracy, %", "95 % interval", "balanced, %", "best epoch", "commonest answer"),
        tuple(rows),
        "What the four networks reach on the test cells. Intervals are bootstraps over these cells; each network was "
        "trained once, so they do not cover what another seed would change.",
        simulated,
    )


def _tabulate_effects(effects: Mapping[str, Difference], simulated: bool) -> TableBlock:
    return TableBlock(
        ("effect of", "accuracy, points", "95 % interval", "verdict"),
        tuple(
            (
                name,
                f"{100 * effect.gain:+.1f}".replace("-", "−"),
                _range(100 * effect.low, 100 * effect.high, 1, "+"),
                effect.verdict,
            )
            for name, effect in effects.items()
        ),
        "What pooling and a softmax change in test accuracy: a paired bootstrap, both networks judged on the same "
        "cells in every resample.",
        simulated,
    )


def _tabulate_cost(runs: Mapping[str, Run], simulated: bool) -> TableBlock:
    rows = []
    for name, run in runs.items():
        cost, history = run.scores["cost"], run.history
        rows.append(
            (
                name,
                write_count(cost["parameters"]),
                write_count(cost["multiply_adds"]),
                f"{history['seconds'].median():.2f}",
                f"{cost['examples_per_second']:,.0f}",
                f"{cost['peak_mb']:,.0f}",
            )
        )
    cost = next(iter(runs.values())).scores["cost"]
    return TableBlock(
        ("network", "parameters", "multiply-adds", "s per epoch", "pictures per s", "peak memory, MB"),
        tuple(rows),
        "What they cost: multiply-adds of one picture's forward pass; medians over epochs, an epoch including its "
        f"validation and test scores; memory of the whole process. {cost['device']}, {cost['threads']} "
        f"thread{'s' if cost['threads'] > 1 else ''}, {_precision(cost['precision'])}.",
        simulated,
    )


def _tabulate_correlations(runs: Mapping[str, Run], reference: Score | None, simulated: bool) -> TableBlock:
    rows: list[tuple[str, ...]] = []
    for name, run in runs.items():
        scores = run.scores
        written = [" ".join(_bracket(*write_score(scores["test"][m]))) for m in ("spearman", "pearson", "mse")]
        cost = scores["cost"]
        best = f"{scores['best']['epoch']} of {scores['epochs']}"
        rows.append((name, *written, best, write_count(cost["parameters"]), write_count(cost["multiply_adds"])))
    if reference is not None:
        value = f"{reference.value:.3f} ({_range(reference.low, reference.high, 3)})"
        rows.append(("noise-free truth", value, "—", "—", "—", "—", "—"))
    return TableBlock(
        ("network", "Spearman ρ", "Pearson r", "squared error", "best epoch", "parameters", "multiply-adds"),
        tuple(rows),
        "What the networks reach on Set B, with 95 % bootstrap intervals over its probes, and what they cost.",
        simulated,
    )


def _tabulate_affinities(rankings: Mapping[str, AffinityRanking], simulated: bool) -> TableBlock:
    first = next(iter(rankings.values()))
    rows = [
        (rna, f"{kd:g}", *(f"{ranking.predicted[at]:.2f}".replace("-", "−") for ranking in rankings.values()))
        for at, (rna, kd) in enumerate(zip(first.rnas, first.kd, strict=True))
    ]
    total = tuple(f"{ranking.spearman:.3f}".replace("-", "−") for ranking in rankings.values())
    return TableBlock(
        ("RNA", "measured Kd, nM", *rankings),
        (*rows, ("Spearman ρ with −log Kd", "—", *total)),
        "RBFOX1's seven measured RNAs, strongest first, and what each network predicts for them: the mean z-score "
        "of log intensity over random contexts. The constants are measurements, the predictions are the networks'.",
        simulated,
    )


def _bracket(value: str, interval: str) -> tuple[str, ...]:
    return (value,) if interval == "—" else (value, f"({interval})")


def _range(low: float, high: float, digits: int, sign: str = "") -> str:
    return f"{low:{sign}.{digits}f} to {high:{sign}.{digits}f}".replace("-", "−")


def _digits(scale: float) -> int:
    return 1 if scale >= 100 else 3


def _join(words: list[str] | tuple[str, ...], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _precision(name: str) -> str:
    return "float32" if name == "32" else name
