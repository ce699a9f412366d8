"""What an article keeps out of its pages: every training, and the recipes in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ribocyte.assignment.phrases import write_number
from ribocyte.documents.document import Section, TableBlock
from ribocyte.documents.text import as_code
from ribocyte.errors import RunError
from ribocyte.learn.runs import Run


def list_trainings(groups: Mapping[str, Sequence[Run]]) -> Section:
    """List every training of several recipes, each scored by the metric that chose its epoch."""
    rows = [
        (
            name,
            str(run.scores["seed"]),
            f"{run.scores['best']['epoch']} of {run.scores['epochs']}",
            write_number(run.scores["best"]["value"], 3),
            write_number(run.scores["test"][run.scores["best"]["metric"]]["value"], 3),
            _write_seconds(run.scores["cost"]["seconds"]),
        )
        for name, runs in groups.items()
        for run in runs
    ]
    metrics = {
        str(run.scores["best"]["metric"]): run.recipe["data"]["kind"]
        for runs in groups.values()
        for run in runs
    }
    judged = " and ".join(f"{metric} ({kind})" for metric, kind in metrics.items())
    table = TableBlock(
        ("network", "seed", "best epoch", "validation", "test", "s"),
        tuple(rows),
        f"Every training: {judged} at the epoch that validation chose, and the time it took.",
        any(run.scores["simulated"] for runs in groups.values() for run in runs),
    )
    return Section("Trainings", tables=(table,))


def list_recipes(runs: Mapping[str, Run]) -> Section:
    """Print the recipes of some runs in full.

    Raises
    ------
    RunError
        If one cannot be read.
    """
    parts = []
    for name, run in runs.items():
        path = run.path / "recipe.toml"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read: {error}") from error
        parts.append(Section(as_code(name), commands=_join_lists(lines)))
    return Section(
        "Recipes",
        ("Complete, with every setting; `ribocyte train RECIPE --out RUN` trains one again.",),
        subsections=tuple(parts),
    )


def _write_seconds(seconds: float) -> str:
    """Write seconds for a column of them: whole ones, a tenth where there are few."""
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}"


def _join_lists(lines: Sequence[str]) -> tuple[str, ...]:
    """Write a recipe's lists in one line each, and leave out empty lines."""
    joined: list[str] = []
    inside = False
    for line in filter(None, (line.rstrip() for line in lines)):
        if inside:
            joined[-1] += line.strip() if line.strip() == "]" else f"{line.strip()} "
        else:
            joined.append(line)
        inside = (inside or line.endswith("= [")) and line.strip() != "]"
    return tuple(line.replace(", ]", "]") for line in joined)
