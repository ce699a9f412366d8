"""``ribocyte tune``: a recipe and what may change of it in, the recipe with the best settings out."""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribocyte.cli import options, present
from ribocyte.cli.guard import StopRequest
from ribocyte.cli.progress import OFTEN, Pace, make_bar
from ribocyte.errors import InterruptedRunError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from ribocyte.learn.searches import Search, TrialProgress

SHOWN = 5
"""Trials in the table at the end."""


def tune(
    recipe: Annotated[Path, typer.Argument(help="A recipe with a [tuning] table.", show_default=False)],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, as in training.epochs=5."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The search's folder.", show_default="searches/NAME OF THE RECIPE"),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all.", show_default="as the recipe says")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in the folder; begin it if there is none.")
    ] = False,
    data: options.Data = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor threads.", show_default="as many as cores")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Search the best settings of a recipe.

    What may change is in its [tuning.space]. Settings are drawn by TPE, hopeless trials are stopped early, and
    the validation split decides: the test split is not even loaded into the search.

    Ctrl-C keeps everything and says how to go on. Give the same command with --resume in several terminals,
    and the processes share the trials.
    """
    import torch

    from ribocyte import catalog, tuning

    wanted = catalog.read_recipe(recipe, settings or [])
    folder = out or Path("searches") / wanted.name
    if threads is not None:
        torch.set_num_threads(threads)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its announcements are not ours
    with StopRequest() as stop, watch_search(wanted.objective.best) as report:
        try:
            search = tuning.tune(
                wanted, folder, data=data, trials=trials, resume=resume, report=report, stop=stop
            )
        except KeyboardInterrupt as error:
            raise _interrupted(f"{folder}: stopped at once", folder, data, trials, threads) from error
        except InterruptedRunError as error:
            raise _interrupted(error.problem, folder, data, trials, threads) from error
    if as_json:
        present.show_json(describe_search(search))
    else:
        show_search(search, wanted.name)


@contextlib.contextmanager
def watch_search(metric: str) -> Iterator[Callable[[TrialProgress], None]]:
    """Give the callback that shows a search: a line a trial, and on a terminal a bar below them."""
    if not sys.stderr.isatty():
        yield TrialLines(metric).report
        return
    with make_bar("{task.fields[score]}") as bar:
        lines, drawn = TrialLines(metric), SearchBar(bar, metric)

        def report(progress: TrialProgress) -> None:
            lines.report(progress)
            drawn.report(progress)

        yield report


class TrialLines:
    """A line for every trial that is over."""

    def __init__(self, metric: str) -> None:
        self.metric, self.start = metric, time.monotonic()

    def report(self, progress: TrialProgress) -> None:
        """Take note of a step, an epoch, or the beginning or end of a trial."""
        if progress.state == "running":
            self.start = time.monotonic() if progress.training is None else self.start
            return
        stopped = "" if progress.state == "complete" else f" after epoch {progress.epochs}"
        present.say(
            f"trial {progress.slot + 1}/{progress.trials}  {progress.state}{stopped}  "
            f"val {self.metric} {present.number(progress.value)}  best {present.number(progress.best)}  "
            f"{present.duration(time.monotonic() - self.start)}  {write_settings(progress.settings)}"
        )


class SearchBar:
    """A bar over all trials, with the best score so far."""

    def __init__(self, bar: Bar, metric: str) -> None:
        self.bar, self.metric, self.pace = bar, metric, Pace(OFTEN)
        self.task = bar.add_task("starting", total=None, score="")
        bar.refresh()

    def report(self, progress: TrialProgress) -> None:
        """Take note of a step, an epoch, or the beginning or end of a trial."""
        training = progress.training
        if training is not None and not self.pace.due():
            return
        share, epoch = 0.0 if progress.state == "running" else 1.0, ""
        if training is not None:
            done = training.epoch if training.row is not None else training.epoch - 1
            share = (done + (training.step / training.steps if training.steps else 0)) / training.epochs
            epoch = f" epoch {training.epoch}/{training.epochs}"
        best = "" if progress.best is None else f"best val {self.metric} {progress.best:.4f}"
        self.bar.update(
            self.task,
            description=f"trial {progress.slot + 1}/{progress.trials}{epoch}",
            total=progress.trials,
            completed=progress.slot + share,
            score=best,
            refresh=True,
        )


def describe_search(search: Search) -> dict[str, Any]:
    """Gather what came of a search, for ``--json``."""
    trials = search.trials
    complete = "complete" in trials["state"]
    return {
        "search": search.path,
        "finished": search.finished,
        "metric": search.metric,
        "simulated": search.simulated,
        "best": search.best if complete else None,
        "best_value": search.best_value if complete else None,
        "best_recipe": search.best_recipe if complete else None,
        "importance": search.importance(),
        "space": {name: parameter.describe() for name, parameter in search.space.items()},
        "trials": trials.to_dicts(),
        "reasons": search.reasons,
        "storage": search.storage,
    }


def show_search(search: Search, name: str) -> None:
    """Print the best trials, what mattered, where the chosen recipe is and what to do with it."""
    trials = search.trials
    if search.simulated:
        present.show(present.SIMULATED)
    complete = trials.filter(trials["state"] == "complete")
    best = complete.sort("value", "slot", descending=[not search.lower_is_better, False]).head(SHOWN)
    rows = [
        (
            str(row["slot"] + 1),
            present.number(row["value"]),
            f"{row['best_epoch']} of {row['epochs']}",
            *(_brief(row[key]) for key in search.names),
        )
        for row in best.to_dicts()
    ]
    header = ("trial", f"val {search.metric}", "best epoch", *(_last(key) for key in search.names))
    present.show_table(header, rows, numbers=range(len(header)))
    present.show()
    present.show_facts(_facts(search))
    if complete.is_empty():
        present.warn(f"{search.path}: no trial ran to its end: lower the learning rates of the space")
        return
    run = present.quoted(Path("runs") / f"{name}-tuned")
    present.show()
    present.show(f"Next: ribocyte train {present.quoted(search.best_recipe)} --out {run}")


def write_settings(settings: Mapping[str, Any]) -> str:
    """Write settings in a line, each by the last part of its key."""
    return ", ".join(f"{_last(key)} {_brief(value)}" for key, value in settings.items())


def _facts(search: Search) -> dict[str, str]:
    states = search.trials["state"].to_list()
    counts = {state: states.count(state) for state in ("complete", "pruned", "diverged") if state in states}
    left = "" if search.finished else f"; {search.asked - len(states)} not over yet, in other processes"
    shares = ", ".join(f"{_last(key)} {share:.0%}" for key, share in search.importance().items())
    facts = {
        "search": str(search.path),
        "trials": f"{len(states)}: {present.outline(counts)}{left}",
        "importance": shares or "undefined: too few complete trials, or all alike",
    }
    if search.best_recipe.is_file():
        facts["best recipe"] = str(search.best_recipe)
    return facts | {"look at it": shlex.join(["optuna-dashboard", f"sqlite:///{search.storage}"])}


def _interrupted(
    problem: str, folder: Path, data: Path | None, trials: int | None, threads: int | None
) -> InterruptedRunError:
    """Say how to go on, with everything that was asked for on the command line."""
    recipe = folder / "search.toml"
    if not recipe.is_file():
        return InterruptedRunError(problem, mend="nothing was begun yet")
    again: list[str] = ["ribocyte", "tune", str(recipe), "--out", str(folder), "--resume"]
    again += ["--trials", str(trials)] if trials else []
    again += ["--data", str(data)] if data else []
    again += ["--threads", str(threads)] if threads else []
    return InterruptedRunError(problem, mend=f"go on with: {shlex.join(again)}")


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _brief(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
