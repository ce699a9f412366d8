"""Finished runs gathered for a report: those of one recipe together, the best by validation first."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ribocyte import comparisons
from ribocyte.documents.text import as_code
from ribocyte.errors import RunError
from ribocyte.learn import evaluation
from ribocyte.learn.objectives import LOWER_IS_BETTER
from ribocyte.learn.runs import Run


@dataclass(frozen=True)
class Group:
    """One recipe, trained at one seed or several.

    Parameters
    ----------
    name : str
        What it is called.
    runs : tuple of Run
        By ascending seed.
    scores : mapping
        Metric to value, low and high on the test split: of the run, or of the mean over the seeds.
    validation : float
        The metric that ranks, on the validation split at the epochs kept; the mean over the seeds.
    """

    name: str
    runs: tuple[Run, ...]
    scores: Mapping[str, Any]
    validation: float

    @property
    def code(self) -> str:
        """The name as text sets it."""
        return as_code(self.name)

    @property
    def costs(self) -> list[Mapping[str, Any]]:
        """What each run cost."""
        return [run.scores["cost"] for run in self.runs]


def gather_groups(runs: Sequence[Run]) -> tuple[str, list[Group]]:
    """Gather runs that measure the same thing by recipe.

    Returns
    -------
    (str, list of Group)
        The metric that ranks them, and the groups, best by validation first. The metric is the one by which
        the first run chose its epoch; where that is a loss or an error, which may differ from recipe to recipe
        in kind or in scale, it is the first that is better when higher.

    Raises
    ------
    RunError
        If there is no run, one is unfinished or named twice, or they measure different things.
    """
    _check_finished(runs)
    _check_alike(runs)
    chosen, known = runs[0].scores["best"]["metric"], runs[0].scores["test"]
    metric = chosen if chosen in known and chosen not in LOWER_IS_BETTER else _first_metric(known)
    groups = []
    for name, members in comparisons.group_by_seed(runs).items():
        alone = len(members) == 1
        scores = members[0].scores["test"] if alone else evaluation.as_json(comparisons.score_group(members))
        validation = statistics.fmean(read_validation(run, metric) for run in members)
        groups.append(Group(name, members, scores, validation))
    # A network whose answers are constant has no correlation: it comes last.
    groups.sort(
        key=lambda group: -math.inf if math.isnan(group.validation) else group.validation, reverse=True
    )
    return metric, groups


def read_validation(run: Run, metric: str) -> float:
    """Give a metric on the validation split at the epoch that was kept; NaN where it is undefined."""
    history = run.history
    kept = history.filter(history["epoch"] == run.scores["best"]["epoch"])
    value = kept[f"val_{metric}"][0] if len(kept) and f"val_{metric}" in kept.columns else None
    return math.nan if value is None else float(value)


def _first_metric(known: Mapping[str, Any]) -> str:
    return next(name for name in known if name not in LOWER_IS_BETTER)


def _check_finished(runs: Sequence[Run]) -> None:
    if not runs:
        raise RunError("report: no run was named", expected="one or more finished runs")
    for run in runs:
        if not run.finished:
            again = f"ribocyte train {run.path / 'recipe.toml'} --out {run.path} --resume"
            raise RunError(
                f"{run.path}: not finished", expected="finished runs", mend=f"finish it with: {again}"
            )


def _check_alike(runs: Sequence[Run]) -> None:
    """Make sure that the runs' scores are scores of the same thing."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name, run in zip(comparisons.unique_names(runs), runs, strict=True):
        kinds.setdefault(_measured(run), []).append(name)
    if len(kinds) == 1:
        return
    first, second = list(kinds)[:2]
    differing = [f"{one} and {other}" for one, other in zip(first, second, strict=True) if one != other]
    raise RunError(
        f"{kinds[first][0]} and {kinds[second][0]} measure different things and cannot be ranked: "
        f"{', '.join(differing)}",
        expected="runs of the same data, outputs, test rows and protocol",
        mend=f"make a report of each of these: {'; '.join(' '.join(members) for members in kinds.values())}",
    )


def _measured(run: Run) -> tuple[str, ...]:
    """Say what a run's test scores are scores of, so that a difference can be read."""
    scores = run.scores
    outputs = scores["outputs"]
    shown = ", ".join(outputs[:3]) + (f" … ({len(outputs)} outputs)" if len(outputs) > 3 else "")
    return (
        f"outputs {shown}",
        f"protocol {scores['protocol']}",
        f"{scores['rows']['test']:,} test rows",
        f"data {scores['fingerprint'][:12]}",
        "simulations" if scores["simulated"] else "measurements",
    )
