"""What the questions read out of finished runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ribocyte.documents._figures import read_svg
from ribocyte.documents.document import FigureBlock
from ribocyte.learn.evaluation import from_prediction_table
from ribocyte.learn.runs import Run

CONSTANT = 0.95
"""A network that gives this share of the cells the same name counts as collapsed."""
PROTEINS = {"RNCMPT00168": "RBFOX1", "RNCMPT00001": "A1CF"}
"""The experiments that are known by name here."""
_COLUMN = 300.0  # points; a wider figure stands across both columns


@dataclass(frozen=True)
class Answers:
    """How often a classifier gave its commonest answer, and which answers it never gave."""

    commonest: str
    share: float
    never: tuple[str, ...]


def best_run(runs: Mapping[str, Run]) -> str:
    """Name the run with the best validation score; the test split has no say in it."""
    return max(runs, key=lambda name: float(runs[name].scores["best"]["value"]))


def count_answers(run: Run) -> Answers:
    """Count what a classifier answers on the test split, whatever would have been right."""
    names = run.scores["outputs"]
    outputs, _ = from_prediction_table(run.predictions)
    counts = outputs.argmax(dim=1).bincount(minlength=len(names))
    never = tuple(name for name, count in zip(names, counts.tolist(), strict=True) if not count)
    return Answers(names[int(counts.argmax())], int(counts.max()) / int(counts.sum()), never)


def median_seconds(run: Run) -> float:
    """Give the median time of an epoch: a machine that paused once does not count."""
    return float(run.history["seconds"].median())  # type: ignore[arg-type]  # a column of numbers


def last_value(run: Run, column: str) -> float:
    """Give what the history holds of a column in its last epoch; NaN where it holds nothing."""
    history = run.history
    if column not in history.columns or not history.height:
        return math.nan
    value = history[column][-1]
    return math.nan if value is None else float(value)


def collapse_epoch(run: Run) -> int | None:
    """Give the epoch from which a classifier answered (nearly) always the same until the end; None if it did not."""
    history = run.history
    if "commonest" not in history.columns:
        return None
    since = None
    for epoch, share in history.select("epoch", "commonest").iter_rows():
        if share is None or not share >= CONSTANT:
            since = None
        elif since is None:
            since = int(epoch)
    return since


def write_best_epoch(run: Run) -> str:
    """Write which epoch was kept, of how many: ``37 of 200``."""
    scores = run.scores
    return f"{scores['best']['epoch']} of {scores['epochs']}"


def any_simulated(runs: Iterable[Run]) -> bool:
    """Say whether any of the runs learned from simulated data."""
    return any(run.scores["simulated"] for run in runs)


def show_figures(
    figures: Mapping[str, Path], captions: Mapping[str, str], prefix: str, simulated: bool
) -> tuple[FigureBlock, ...]:
    """Make blocks of those figures that there are, in the order of the captions.

    Parameters
    ----------
    figures : mapping of str to Path
        SVG files by name; what has no caption is not shown.
    captions : mapping of str to str
        By the same names.
    prefix : str
        Put before a name, with a hyphen, to make its label.
    simulated : bool
        Whether they show simulated data.
    """
    return tuple(
        FigureBlock(
            figures[name],
            caption,
            simulated,
            wide=read_svg(figures[name])[1] > _COLUMN,
            label=f"{prefix}-{name}",
        )
        for name, caption in captions.items()
        if name in figures
    )


def refer(figures: Mapping[str, Path], name: str, prefix: str, shows: str) -> str:
    """Refer to a figure by a sentence, if it is there; else say nothing."""
    return f"[#{prefix}-{name}] shows {shows}." if name in figures else ""


def name_protein(run: Run) -> str:
    """Name the protein a run of question 2 learned: ``RBFOX1``, or the experiment where it is not known here."""
    experiment = str(run.scores["outputs"][0])
    return PROTEINS.get(experiment, experiment.removeprefix("SIM_"))
