"""Run a search: take a trial that nobody has, train it, stop it where it is hopeless, until none is left.

Each trial has a slot, the smallest number that no trial before it took. What it tries depends on the trials that
are over and on its slot alone, so a trial that was killed is drawn again as it was, and its training goes on.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from ribocyte.errors import DataError, DiskError, InterruptedRunError, RecipeError, RunError, WorkError
from ribocyte.learn._study import from_labels, make_distributions, make_sampler, open_study, to_labels
from ribocyte.learn.objectives import better
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search, TrialProgress, ignore
from ribocyte.learn.space import get_settings
from ribocyte.learn.splits import Splits
from ribocyte.learn.training import Progress, never

Train = Callable[[Mapping[str, Any], Splits, Run, Callable[[Progress], None], Callable[[], bool]], object]
"""Trains complete recipe tables on splits as a run, by `ribocyte.learn.training.fit`: tables, splits, run, report,
stop."""
OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)


class _Hopeless(Exception):  # noqa: N818 - it ends a trial, and is no error
    """Ends a trial before its time; with a reason where it is not just worse than others."""


def run_search(
    search: Search,
    splits: Splits,
    train: Train,
    *,
    trials: int,
    report: Callable[[TrialProgress], None] = ignore,
    stop: Callable[[], bool] = never,
) -> None:
    """Carry out the trials of a search that no other process has taken.

    Parameters
    ----------
    search : Search
        What is searched, and where.
    splits : Splits
        Without a test split: see `Splits.without_test`.
    train : callable
        Trains a trial.
    trials : int
        How many there are to be in all.
    report, stop : callable
        Told of the progress after every step; asked after every step whether to stop.

    Raises
    ------
    DataError
        If the splits have test rows.
    InterruptedRunError
        If `stop` said so.
    """
    if len(splits.test):
        raise DataError(
            f"{splits.info.source}: a search was handed {len(splits.test)} rows of the test split",
            expected="splits without a test: Splits.without_test()",
        )
    with open_study(search.storage, search.tuning) as study:
        while True:
            with contextlib.ExitStack() as held:
                with search.alone():
                    trial = _take_trial(search, study, trials, report, held)
                if trial is None:
                    break
                trial.carry_out(train, splits, stop)
    with search.alone():
        search.write_results()


def _take_trial(
    search: Search,
    study: optuna.Study,
    trials: int,
    report: Callable[[TrialProgress], None],
    held: contextlib.ExitStack,
) -> _Trial | None:
    """Take the first free slot and hold its folder; None where all are taken. The search must be held."""
    slot = _free_slot(search, study)
    if slot >= trials:
        return None
    tuning = search.tuning
    study.sampler = make_sampler(tuning, slot)
    own = get_settings(search.tables(), tuning.space)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if slot == 0 and not waiting and all(tuning.space[key].holds(value) for key, value in own.items()):
        study.enqueue_trial(to_labels(own))
    asked = study.ask(make_distributions(tuning.space))
    asked.set_user_attr("slot", slot)
    settings = from_labels(asked.params, tuning.space)
    run = _open_run(_folder(search, slot), search.tables(settings))
    held.enter_context(run.alone())
    return _Trial(search, study, asked, slot, trials, settings, run, report, _best_value(study))


def _free_slot(search: Search, study: optuna.Study) -> int:
    """Find the smallest slot that no trial has; those of dead processes are free again."""
    taken = set()
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.RUNNING and not _is_alive(search, trial):
            study.tell(trial.number, state=TrialState.FAIL)
        elif trial.state not in (TrialState.FAIL, TrialState.WAITING):
            taken.add(trial.user_attrs["slot"])
            if trial.state.is_finished():
                _tidy(_folder(search, trial.user_attrs["slot"]))
    return next(slot for slot in itertools.count() if slot not in taken)


def _is_alive(search: Search, trial: FrozenTrial) -> bool:
    """Say whether some process is training a trial: it then holds the trial's folder."""
    slot = trial.user_attrs.get("slot")
    if slot is None or not _folder(search, slot).is_dir():
        return False
    try:
        with Run(_folder(search, slot)).alone():
            return False
    except DiskError:
        raise
    except WorkError:
        return True


def _folder(search: Search, slot: int) -> Path:
    return search.path / "trials" / f"{slot:03d}"


def _open_run(path: Path, tables: dict[str, Any]) -> Run:
    """Take up a trial's run, or begin it; what other settings left in its folder is removed."""
    with contextlib.suppress(RunError):
        if Run.open(path).recipe == tables:
            return Run(path)
    if path.exists():
        shutil.rmtree(path)
    return Run.create(path, tables)


def _tidy(path: Path) -> None:
    """Remove what only a trial that goes on needs: a search keeps settings and histories, not weights."""
    for name in ("last.ckpt", "model.safetensors"):
        (path / name).unlink(missing_ok=True)


def _best_value(study: optuna.Study) -> float | None:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return study.best_value if complete else None


@dataclass
class _Trial:
    """A trial in this process: what it tries, and how well it does."""

    search: Search
    study: optuna.Study
    asked: optuna.Trial
    slot: int
    trials: int
    settings: Mapping[str, Any]
    run: Run
    report: Callable[[TrialProgress], None]
    best: float | None
    metric: str = field(init=False)
    warmup: int = field(init=False)
    epochs: int = field(init=False)
    value: float | None = None
    best_epoch: int | None = None
    rows: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metric, self.warmup = self.search.metric, self.search.tuning.warmup
        self.epochs = self.search.tables(self.settings)["training"]["epochs"]

    def carry_out(self, train: Train, splits: Splits, stop: Callable[[], bool]) -> None:
        """Train it to its end, or to where it is hopeless, and write down what came of it."""
        self._tell("running")
        try:
            for row in (self.run.read_checkpoint() or {"history": []})["history"]:
                self._note(row)  # what a killed process has done of it
            train(self.search.tables(self.settings), splits, self.run, self._follow, stop)
            if self.value is None:
                raise _Hopeless(f"val_{self.metric} was never defined")  # noqa: TRY301
        except (InterruptedRunError, DiskError):
            raise
        except _Hopeless as end:
            self._end(TrialState.PRUNED, str(end))
        except (WorkError, RecipeError) as error:
            self._end(TrialState.PRUNED, error.problem.removeprefix(f"{self.run.path}: "))
        except OUT_OF_MEMORY:
            self._end(TrialState.PRUNED, "not enough memory")
        else:
            self._end(TrialState.COMPLETE)

    def _follow(self, progress: Progress) -> None:
        """Take note of a step or an epoch of the training."""
        if progress.row is not None:
            self._note(progress.row)
        self._tell("running", progress)

    def _note(self, row: dict[str, float]) -> None:
        """Report an epoch to the study; end the trial there if it is worse than the median of the others.

        After its last epoch there is nothing left to save, and a score that is whole is not thrown away.
        """
        self.rows.append(row)
        epoch, value = int(row["epoch"]), row[f"val_{self.metric}"]
        if better(self.metric, value, self.value):
            self.value, self.best_epoch = value, epoch
        if self.value is None and epoch >= self.warmup:
            raise _Hopeless(f"val_{self.metric} is undefined after {epoch} epochs")
        if math.isnan(value):
            return
        with self.search.alone():  # SQLite takes one writer at a time
            self.asked.report(value, epoch)
            if epoch < self.epochs and self.asked.should_prune():
                raise _Hopeless

    def _end(self, state: TrialState, reason: str = "") -> None:
        """Tell the study what came of the trial, and refresh the results in the search's folder."""
        facts = {
            "value": self.value,
            "epochs": len(self.rows),
            "best_epoch": self.best_epoch,
            "seconds": sum(row["seconds"] for row in self.rows),
            "reason": reason,
        }
        with self.search.alone():
            self.asked.set_user_attr("outcome", facts)
            self.study.tell(self.asked, self.value if state == TrialState.COMPLETE else None, state=state)
            _tidy(self.run.path)
            self.best = _best_value(self.study)
            self.search.write_results()
        stopped = "diverged" if reason else "pruned"
        self._tell("complete" if state == TrialState.COMPLETE else stopped)

    def _tell(self, state: str, training: Progress | None = None) -> None:
        self.report(
            TrialProgress(
                slot=self.slot,
                trials=self.trials,
                state=state,
                settings=self.settings,
                training=training,
                epochs=len(self.rows),
                value=self.value,
                best=self.best,
            )
        )
