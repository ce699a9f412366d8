"""Questions 1.1 and 1.2: what a softmax before the cross-entropy does, why, and what pooling does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ribocyte.assignment.phrases import count_things, join_words, write_score
from ribocyte.assignment.questions.answer import Answer
from ribocyte.assignment.questions.claims import (
    ACCURACY,
    Claim,
    Expectation,
    capitalise,
    describe_seeds,
    expect,
    tell,
)
from ribocyte.assignment.questions.efficiency import describe_efficiency, describe_overfitting
from ribocyte.assignment.questions.facts import (
    CONSTANT,
    any_simulated,
    best_run,
    count_answers,
    refer,
    show_figures,
)
from ribocyte.assignment.questions.mechanism import (
    describe_collapse,
    describe_gradients,
    describe_gradients_briefly,
)
from ribocyte.assignment.questions.published import ASKED, tabulate_published_cells
from ribocyte.assignment.questions.tables import tabulate_cells
from ribocyte.documents.document import Section
from ribocyte.learn.runs import Run
from ribocyte.pipeline import compare_groups

CELL_RUNS = ("unpooled-logits", "unpooled-softmax", "pooled-logits", "pooled-softmax")
"""The four networks of question 1, in the assignment's order."""

SOFTMAX_UNPOOLED = Expectation(
    "a softmax before the cross-entropy",
    "worse",
    "that loss takes a softmax of its own: given probabilities p in place of logits it grants one class of eight at "
    "most e/(e + 7) = 28 %, and what it sends back to the logits is multiplied by diag(p) − ppᵀ, which vanishes as p "
    "nears a corner, right or wrong",
)
SOFTMAX_POOLED = Expectation(
    "a softmax behind the pooled network", "worse", "its gradient vanishes in the same corners"
)
POOLING_LOGITS = Expectation(
    "pooling",
    "better",
    "a maximum over 2 × 2 pixels forgives small shifts of a cell, and the dense layer is left with few weights to "
    "learn the training pictures by heart with",
)
POOLING_SOFTMAX = Expectation(
    "pooling behind a softmax", "better", "a smaller dense layer is driven into a corner less fast"
)
_CHANGES = (
    (SOFTMAX_UNPOOLED, "unpooled-logits", "unpooled-softmax"),
    (POOLING_LOGITS, "unpooled-logits", "pooled-logits"),
    (POOLING_SOFTMAX, "unpooled-softmax", "pooled-softmax"),
    (SOFTMAX_POOLED, "pooled-logits", "pooled-softmax"),
)
_CURVES = (
    "The networks of question 1 epoch by epoch, on shared axes: training loss, validation accuracy and test accuracy. "
    "Behind a softmax the loss of eight classes cannot fall below 1.27, however sure and right the network is."
)
_HEALTH = (
    "Does the loss still move the network? On the validation cells: length of the gradient at the logits (dashed: of "
    "misclassified cells alone), mean of the largest probability, and share of the commonest answer, which is 1 once a "
    "network has collapsed to one class."
)
_COSTS = (
    "What the networks reach on the test cells, with 95 % intervals, against the time an epoch takes. Where one "
    "network misses five times as much as another, the axis of accuracy stretches towards 1: it follows "
    "log(1 − accuracy)."
)


def answer_pooling_and_softmax(
    runs: Mapping[str, Run], figures: Mapping[str, Path], *, official: bool = False
) -> Answer:
    """Answer questions 1.1 and 1.2, or 1.1 alone where only the networks without pooling are given.

    Parameters
    ----------
    runs : mapping of str to Run
        Finished runs by their names in `CELL_RUNS`: the two without pooling, or all four.
    figures : mapping of str to Path
        SVG files, those there are of ``curves`` (training loss, validation and test accuracy by epoch),
        ``health`` (`learn.plots.plot_health`) and ``costs`` (`learn.plots.plot_costs`).
    official : bool
        Whether the runs learned from the official file (`cells.bloodmnist.inspect` knows): only then may published
        figures be compared with theirs.

    Raises
    ------
    RunError
        If a run is unfinished, or they were not tested on the same cells.
    """
    runs = {name: runs[name] for name in CELL_RUNS if name in runs}
    claims = {
        change: _compare(change, runs[first], runs[second])
        for change, first, second in _CHANGES
        if first in runs and second in runs
    }
    whole, simulated = POOLING_LOGITS in claims, any_simulated(runs.values())
    parts = [_answer_softmax(runs, claims[SOFTMAX_UNPOOLED], figures)]
    parts += [_answer_pooling(runs, claims, figures)] if whole else []
    section = Section(
        heading="Which blood cell is in this picture?",
        paragraphs=(
            f"{_describe_training(runs)} [#cells-results] gives what they reach, [#cells-published] what others did.",
        ),
        tables=(tabulate_cells(runs), tabulate_published_cells(runs, official)),
        simulated=simulated,
        subsections=tuple(parts),
    )
    found = [claims[change] for change in (POOLING_LOGITS, SOFTMAX_UNPOOLED) if change in claims]
    untold = tuple(claim for claim in found if not claim.told)
    return Answer(section, _write_headline(runs, found), tuple(claims.values()), _draw_lesson(claims), untold)


def _compare(change: Expectation, first: Run, second: Run) -> Claim:
    constant = all(count_answers(run).share >= CONSTANT for run in (first, second))
    return Claim(change, compare_groups([first], [second])["accuracy"], ACCURACY, constant=constant)


def _answer_softmax(runs: Mapping[str, Run], claim: Claim, figures: Mapping[str, Path]) -> Section:
    simulated, shown = any_simulated(runs.values()), {"curves": _CURVES, "health": _HEALTH}
    unpooled = {name: run for name, run in runs.items() if name.startswith("unpooled")}
    logits, softmax = unpooled.values()
    return Section(
        heading="Logits or softmax (question 1.1)",
        paragraphs=(
            f"{SOFTMAX_UNPOOLED.sentence(ACCURACY)}",
            f"{claim.sentence()} {refer(figures, 'curves', 'cells', 'the epochs')} {describe_seeds([claim], 'cells')}",
            f"{describe_gradients(logits, softmax, claim)} {refer(figures, 'health', 'cells', 'every epoch')} "
            f"{describe_collapse(unpooled)}",
        ),
        figures=show_figures(figures, shown, "cells", simulated),
        simulated=simulated,
    )


def _answer_pooling(
    runs: Mapping[str, Run], claims: Mapping[Expectation, Claim], figures: Mapping[str, Path]
) -> Section:
    simulated, changes = any_simulated(runs.values()), (POOLING_LOGITS, POOLING_SOFTMAX, SOFTMAX_POOLED)
    plain, pooled = runs["unpooled-logits"], runs["pooled-logits"]
    cost = refer(figures, "costs", "cells", "what they reach for it")
    paragraphs = (
        f"{expect(changes, ACCURACY)} We expected pooling to be cheaper, too, since each maximum leaves a quarter of "
        "the pixels.",
        f"{' '.join(claims[change].sentence() for change in changes)} {describe_overfitting(plain, pooled)}",
        _describe_pooled_softmax(runs, claims[SOFTMAX_POOLED]),
        f"{describe_efficiency(plain, pooled)} {cost}",
    )
    return Section(
        heading="Pooling (question 1.2)",
        paragraphs=tuple(filter(None, paragraphs)),
        figures=show_figures(figures, {"costs": _COSTS}, "cells", simulated),
        simulated=simulated,
    )


def _describe_pooled_softmax(runs: Mapping[str, Run], claim: Claim) -> str:
    """Say why the softmax does what it does to the pooled network, and whether a pooled network collapsed."""
    logits, softmax = runs["pooled-logits"], runs["pooled-softmax"]
    pooled = {"pooled-logits": logits, "pooled-softmax": softmax}
    collapsed = {name: run for name, run in pooled.items() if count_answers(run).share >= CONSTANT}
    said = [describe_gradients_briefly(logits, softmax, claim)]
    said += [describe_collapse(collapsed)] if collapsed else []
    return " ".join(filter(None, said))


def _describe_training(runs: Mapping[str, Run]) -> str:
    """Say what is trained, on what and how; and where that is less than was asked."""
    run = next(iter(runs.values()))
    rows, training, epochs = run.scores["rows"], run.recipe["training"], run.scores["epochs"]
    count = {2: "Two", 4: "Four"}.get(len(runs), str(len(runs)))
    variants = "with logits or a softmax at the end" + (
        ", with or without a 2 × 2 maximum after each convolution" if len(runs) > 2 else ""
    )
    less = (
        ""
        if epochs >= ASKED
        else f" The assignment asks for {ASKED} epochs; what follows holds for {epochs} of them."
    )
    return (
        f"{count} networks learn to name eight kinds of cell from {rows['train']:,} pictures: "
        f"convolutions of 32, 64 and 128 channels (3 × 3, each with a ReLU) and 256 dense units, {variants}. "
        f"{training['optimizer'].capitalize()} at {training['learning_rate']:g}, batches of {training['batch_size']}, "
        f"cross-entropy, {count_things(epochs, 'epoch')}, the same seed and so the same order of batches; "
        f"{rows['val']:,} pictures choose the epoch, {rows['test']:,} others test it.{less}"
    )


def _write_headline(runs: Mapping[str, Run], claims: list[Claim]) -> str:
    best = best_run(runs)
    value, interval = write_score(runs[best].scores["test"]["accuracy"], 1, 100)
    rows = runs[best].scores["rows"]["test"]
    said = join_words(tell(claims), "and")
    found = f"{said}; the" if said else "the"
    return (
        f"On {rows:,} blood cells, {found} best network by validation names {value} % rightly (95 % interval "
        f"{interval})."
    )


def _draw_lesson(claims: Mapping[Expectation, Claim]) -> str:
    """Say what one would do: only where the accuracy says so."""
    said = []
    softmax = [claims[change] for change in (SOFTMAX_UNPOOLED, SOFTMAX_POOLED) if change in claims]
    if any(claim.lesson == "worse" for claim in softmax) and all(
        claim.lesson != "better" for claim in softmax
    ):
        said.append("Cross-entropy wants logits: leave the softmax to it.")
    if POOLING_LOGITS in claims:
        verdict = claims[POOLING_LOGITS].lesson
        said.append(
            {
                "better": "Pooling costs less and gives more: on these pictures there is no reason to do without.",
                "worse": "Pooling trades accuracy for a smaller network here.",
                "no difference": "Pooling is chosen for its cost here, not for its accuracy.",
            }[verdict]
        )
    return " ".join(map(capitalise, said))
