"""A search on a network that learns in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import toys
from ribocyte.learn.definition import Definition
from ribocyte.learn.objectives import Regression
from ribocyte.learn.recipe import Training, as_table, parse
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search, TrialProgress, ignore
from ribocyte.learn.space import Parameter, Tuning
from ribocyte.learn.splits import Splits
from ribocyte.learn.training import Progress, fit, never
from ribocyte.learn.tuning import run_search

SPACE = {
    "training.learning_rate": Parameter(1e-5, 0.3, scale="log"),
    "training.batch_size": Parameter(choices=(16, 32)),
    "training.weight_decay": Parameter(0.0, 0.5, 0.1),
}
TRIALS = 8
SPLITS = toys.regression((64, 48, 32)).without_test()


def definition(space: Mapping[str, Parameter] = SPACE, best: str = "spearman", **training: Any) -> Definition:
    tables = {
        "name": "toy",
        "objective": {"best": best},
        "training": as_table(toys.training(**{"epochs": 5, "weight_decay": 0.0, **training})),
    }
    tuning = Tuning(space, trials=TRIALS, startup=3, warmup=2)
    data = {"source": "toys.py", "fingerprint": SPLITS.info.fingerprint, "simulated": True}
    return Definition(tables, tuning, best, data, "1")


def train(
    tables: Mapping[str, Any],
    splits: Splits,
    run: Run,
    report: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> None:
    fit(
        toys.Deep(),
        splits,
        encoding=toys.Numbers(),
        objective=parse(Regression, tables["objective"], "objective"),
        training=parse(Training, tables["training"], "training"),
        run=run,
        card={},
        report=report,
        stop=stop,
        checkpoint_seconds=0.0,
    )


def search_in(
    path: Path,
    wanted: Definition | None = None,
    *,
    trials: int = TRIALS,
    report: Callable[[TrialProgress], None] = ignore,
    stop: Callable[[], bool] = never,
) -> Search:
    search = Search.create(path, wanted or definition())
    search.ask_for(trials)
    run_search(search, SPLITS, train, trials=trials, report=report, stop=stop)
    return search


def end_of(search: Search) -> list[dict[str, Any]]:
    """Give all of a search that must not depend on when it was interrupted, or by whom."""
    rows = search.trials.drop("seconds").to_dicts()
    for row in rows:
        run = Run.open(search.path / "trials" / f"{row['slot']:03d}")
        row["recipe"] = run.recipe
        row["history"] = run.history.drop(toys.TIMES).to_dicts()
    return rows


def stop_after(steps: int) -> Callable[[], bool]:
    """Ask to stop after so many steps."""
    calls: list[int] = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) >= steps

    return stop
