"""The two questions of the demo, answered from finished runs as sections of a page.

Every sentence is composed from the runs' numbers, and claims a difference only where the paired bootstrap does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from ribocyte import catalog, pipeline
from ribocyte.assignment.phrases import (
    count_things,
    describe_effect,
    join_words,
    write_count,
    write_device,
    write_number,
    write_range,
    write_score,
)
from ribocyte.assignment.questions.cells import CELL_RUNS
from ribocyte.assignment.questions.facts import (
    CONSTANT,
    Answers,
    any_simulated,
    best_run,
    count_answers,
    median_seconds,
    write_best_epoch,
)
from ribocyte.documents.document import FigureBlock, Section, TableBlock
from ribocyte.learn.evaluation import Difference, Score
from ribocyte.learn.runs import Run
from ribocyte.rna.affinities import AffinityRanking

_EFFECTS = (
    ("pooling, on logits", "unpooled-logits", "pooled-logits"),
    ("pooling, behind a softmax", "unpooled-softmax", "pooled-softmax"),
    ("a softmax, without pooling", "unpooled-logits", "unpooled-softmax"),
    ("a softmax, with pooling", "pooled-logits", "pooled-softmax"),
)


def answer_cells(
    runs: Mapping[str, Run], curves: Path, losses: Path, confusion: Path
) -> tuple[Section, Section]:
    """Answer question 1: what pooling and a softmax do to the assignment's network.

    Parameters
    ----------
    runs : mapping of str to Run
        The four finished runs by their names, which are `CELL_RUNS`.
    curves, losses, confusion : Path
        Figures: losses and accuracies of the four on shared axes, training against validation loss, and the
        confusion matrix of `best_run`.

    Returns
    -------
    (Section, Section)
        What the networks reach, and what pooling and a softmax change.

    Raises
    ------
    RunError
        If a run is unfinished, or they were not tested on the same cells.
    """
    runs = {name: runs[name] for name in CELL_RUNS}
    simulated = any_simulated(runs.values())
    effects = {name: _compare(runs[first], runs[second])["accuracy"] for name, first, second in _EFFECTS}
    answers = {name: count_answers(run) for name, run in runs.items()}
    floor = math.log(1 + (len(runs[CELL_RUNS[0]].scores["outputs"]) - 1) / math.e)
    shown = (
        FigureBlock(
            curves,
            "The four networks epoch by epoch: (a) training loss, (b) validation accuracy, (c) test accuracy. Behind "
            f"a softmax the loss cannot fall below {floor:.2f}: cross-entropy takes the probabilities for logits, and "
            "between 0 and 1 these cannot differ more.",
            simulated,
        ),
        FigureBlock(losses, "Training and validation loss of the four networks, epoch by epoch.", simulated),
        FigureBlock(
            confusion,
            f"Confusion matrix of `{best_run(runs)}`, the best by validation accuracy, on the test cells.",
            simulated,
        ),
    )
    reached = Section(
        heading="Question 1: which blood cell is in this picture?",
        paragraphs=(_describe_cell_training(runs[CELL_RUNS[0]]),),
        tables=(_tabulate_accuracy(runs, answers, simulated),),
        figures=shown,
        simulated=simulated,
    )
    changed = Section(
        heading="What pooling and a softmax change",
        paragraphs=(
            _describe_pooling(effects, runs),
            _describe_softmax(effects, answers),
            *([_warn_of_miniature(runs[CELL_RUNS[0]])] if simulated else []),
        ),
        tables=(_tabulate_effects(effects, simulated), _tabulate_cost(runs, "pictures", simulated)),
        simulated=simulated,
    )
    return reached, changed


def answer_rna(
    runs: Mapping[str, Run],
    rankings: Mapping[str, AffinityRanking],
    losses: Path,
    density: Path,
    reference: Score | None = None,
) -> tuple[Section, Section]:
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

    Returns
    -------
    (Section, Section)
        What the networks reach, and how they rank the known affinities.

    Raises
    ------
    RunError
        If a run is unfinished, or they were not tested on the same probes.
    """
    (first, second), simulated = runs, any_simulated(runs.values())
    differences = _compare(runs[first], runs[second])
    shown = (
        FigureBlock(losses, "Training and validation loss of both networks, epoch by epoch.", simulated),
        FigureBlock(
            density,
            f"Predicted against measured intensities of Set B for `{best_run(runs)}`, the better by its validation "
            "score.",
            simulated,
        ),
    )
    reached = Section(
        heading="Question 2: how strongly does RBFOX1 bind this RNA?",
        paragraphs=(
            _describe_rna_training(runs),
            _describe_correlations(first, second, differences, reference),
        ),
        tables=(
            _tabulate_correlations(runs, reference, simulated),
            _tabulate_cost(runs, "probes", simulated),
        ),
        figures=shown,
        simulated=simulated,
    )
    known = Section(
        heading="Do they know the biochemistry?",
        paragraphs=(_describe_affinities(rankings, simulated),),
        tables=(_tabulate_affinities(rankings, simulated),),
        simulated=simulated,
    )
    return reached, known


def _compare(first: Run, second: Run) -> dict[str, Difference]:
    return next(iter(pipeline.compare([first, second]).values()))


def _describe_cell_training(run: Run) -> str:
    rows, training = run.scores["rows"], run.recipe["training"]
    return (
        f"The assignment's network, three convolutions and two dense layers, learns from {rows['train']:,} pictures "
        f"to name eight kinds of cell: with and without a 2 × 2 maximum after each convolution, and with and without "
        f"a softmax in front of the cross-entropy, which takes one of its own. {training['optimizer'].capitalize()} "
        f"at {training['learning_rate']:g}, batches of {training['batch_size']}, "
        f"{count_things(training['epochs'], 'epoch')}; the epoch with the best accuracy on {rows['val']:,} validation "
        f"pictures is tested on {rows['test']:,} others."
    )


def _describe_pooling(effects: Mapping[str, Difference], runs: Mapping[str, Run]) -> str:
    plain, pooled = runs["unpooled-logits"], runs["pooled-logits"]
    lighter, smaller = (
        plain.scores["cost"][name] / pooled.scores["cost"][name] for name in ("multiply_adds", "parameters")
    )
    logits, softmax = (
        describe_effect("pooling", effects[name])
        for name in ("pooling, on logits", "pooling, behind a softmax")
    )
    return (
        f"Pooling and test accuracy: on logits, {logits}; behind a softmax, {softmax}. What it saves is certain: "
        f"{lighter:.0f} times fewer multiply-adds a picture and {smaller:.0f} times fewer parameters. An epoch "
        f"without pooling took {median_seconds(plain) / median_seconds(pooled):.1f} times as long here."
    )


def _describe_softmax(effects: Mapping[str, Difference], answers: Mapping[str, Answers]) -> str:
    plain, pooled = (
        describe_effect("a softmax", effects[name])
        for name in ("a softmax, without pooling", "a softmax, with pooling")
    )
    said = f"Softmax and test accuracy: without pooling, {plain}; with pooling, {pooled}."
    return f"{said} {_describe_collapse(answers)}"


def _describe_collapse(answers: Mapping[str, Answers]) -> str:
    """Say which networks give everything the same name, and which never give some name."""
    said = []
    for name, answer in answers.items():
        if answer.share >= CONSTANT:
            said.append(
                f"`{name}` collapsed: it calls {100 * answer.share:.0f} % of the test cells {answer.commonest}, "
                "whatever they are."
            )
        elif answer.never:
            said.append(f"`{name}` never answers {join_words(answer.never, 'or')}.")
    if not any(answer.share >= CONSTANT for answer in answers.values()):
        said.append("None of the four collapsed to a constant answer.")
    return " ".join(said)


def _warn_of_miniature(run: Run) -> str:
    scores = run.scores
    return (
        f"All this holds for {count_things(scores['epochs'], 'epoch')} on {scores['rows']['train']:,} drawn cells. "
        "Photographs and 200 epochs may say otherwise."
    )


def _describe_rna_training(runs: Mapping[str, Run]) -> str:
    run = next(iter(runs.values()))
    scores, rows = run.scores, run.scores["rows"]
    epochs = count_things(run.recipe["training"]["epochs"], "epoch")
    networks = "; ".join(
        f"`{name}`: {catalog.NETWORKS[run.recipe['model']['kind']].about}" for name, run in runs.items()
    )
    judge = scores["best"]["metric"]
    why = "" if judge == "spearman" else ": most probes hold no site, and their ranks are noise"
    return (
        f"Two networks learn `{scores['outputs'][0]}` from {rows['train']:,} probes of an RNAcompete array's Set A "
        f"in {epochs}, under the protocol `{scores['protocol']}`; {rows['val']:,} others validate, the "
        f"{rows['test']:,} probes of Set B test. {networks}. The epoch kept has the best validation "
        f"{judge.capitalize()}{why}."
    )


def _describe_correlations(
    first: str, second: str, differences: Mapping[str, Difference], reference: Score | None
) -> str:
    change = f"going from `{first}` to `{second}`"
    clauses = [
        f"{metric.capitalize()}: {describe_effect(change, differences[metric], percent=False)}."
        for metric in ("spearman", "pearson")
    ]
    if reference is not None:
        clauses.append(
            "The yardstick is what the simulator itself knows: its occupancies, free of noise, reach a Spearman of "
            f"{reference.value:.3f} ({write_range(reference.low, reference.high, 3)}) with the noisy intensities."
        )
    return " ".join(clauses)


def _describe_affinities(rankings: Mapping[str, AffinityRanking], simulated: bool) -> str:
    found = join_words(
        [f"{write_number(ranking.spearman, 2)} for `{name}`" for name, ranking in rankings.items()], "and"
    )
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


def _tabulate_accuracy(
    runs: Mapping[str, Run], answers: Mapping[str, Answers], simulated: bool
) -> TableBlock:
    rows = []
    for name, run in runs.items():
        scores, answer = run.scores, answers[name]
        accuracy, interval = write_score(scores["test"]["accuracy"], 1, 100)
        balanced, _ = write_score(scores["test"]["balanced_accuracy"], 1, 100)
        given = len(scores["outputs"]) - len(answer.never)
        rows.append(
            (
                name,
                accuracy,
                interval,
                balanced,
                write_best_epoch(run),
                f"{given} of {len(scores['outputs'])}",
            )
        )
    return TableBlock(
        ("network", "test accuracy, %", "95 % interval", "balanced, %", "best epoch", "classes ever named"),
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
                write_number(100 * effect.gain, 1, "+"),
                write_range(100 * effect.low, 100 * effect.high, 1, "+"),
                effect.verdict,
            )
            for name, effect in effects.items()
        ),
        "What pooling and a softmax change in test accuracy: a paired bootstrap, both networks judged on the same "
        "cells in every resample.",
        simulated,
    )


def _tabulate_cost(runs: Mapping[str, Run], examples: str, simulated: bool) -> TableBlock:
    rows = []
    for name, run in runs.items():
        cost = run.scores["cost"]
        rows.append(
            (
                name,
                write_count(cost["parameters"]),
                write_count(cost["multiply_adds"]),
                f"{median_seconds(run):.2f}",
                f"{cost['examples_per_second']:,.0f}",
                f"{cost['peak_mb']:,.0f}",
            )
        )
    return TableBlock(
        ("network", "parameters", "multiply-adds", "s per epoch", f"{examples} per s", "peak memory, MB"),
        tuple(rows),
        "What the networks cost. Multiply-adds: of one forward pass per input. Times: medians over epochs, an epoch "
        f"with its scoring, {examples} per second in training alone. Memory: of the whole process. Device: "
        f"{write_device(next(iter(runs.values())).scores['cost'])}.",
        simulated,
    )


def _tabulate_correlations(runs: Mapping[str, Run], reference: Score | None, simulated: bool) -> TableBlock:
    rows: list[tuple[str, ...]] = []
    for name, run in runs.items():
        test = run.scores["test"]
        written = ["{} ({})".format(*write_score(test[metric])) for metric in ("spearman", "pearson", "mse")]
        rows.append((name, *written, write_best_epoch(run)))
    if reference is not None:
        value = f"{reference.value:.3f} ({write_range(reference.low, reference.high, 3)})"
        rows.append(("noise-free truth", value, "—", "—", "—"))
    return TableBlock(
        ("network", "Spearman ρ", "Pearson r", "squared error", "best epoch"),
        tuple(rows),
        "What the networks reach on Set B, with 95 % bootstrap intervals over its probes.",
        simulated,
    )


def _tabulate_affinities(rankings: Mapping[str, AffinityRanking], simulated: bool) -> TableBlock:
    first = next(iter(rankings.values()))
    rows = [
        (rna, f"{kd:g}", *(write_number(ranking.predicted[at], 2) for ranking in rankings.values()))
        for at, (rna, kd) in enumerate(zip(first.rnas, first.kd, strict=True))
    ]
    total = tuple(write_number(ranking.spearman, 3) for ranking in rankings.values())
    return TableBlock(
        ("RNA", "measured Kd, nM", *rankings),
        (*rows, ("Spearman ρ with −log Kd", "—", *total)),
        "RBFOX1's seven measured RNAs, strongest first, and what each network predicts for them: the mean z-score "
        f"of log intensity over random contexts.{' The constants alone are measured.' if simulated else ''}",
        simulated,
    )
