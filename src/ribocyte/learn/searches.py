"""A search for the best settings of a recipe: everything about it, in one folder.

===============  =============================================================================
``search.json``  what is searched: base recipe, space, metric, data, version; written last, once
``search.toml``  the same recipe with its ``[tuning]`` table: what to give to ``ribocyte tune``
``search.db``    every trial: an SQLite storage of Optuna, which optuna-dashboard opens
``trials/NNN``   a run a trial: its recipe and its history
``trials.csv``   the trials that are over
``best.toml``    the complete recipe of the best of them, ready for ``ribocyte train``
===============  =============================================================================
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import tomli_w

from ribocyte.errors import DiskError, RunError
from ribocyte.files import atomic_write, write_text
from ribocyte.learn.definition import Definition, find_difference
from ribocyte.learn.objectives import LOWER_IS_BETTER
from ribocyte.learn.space import Parameter, Tuning, parse_tuning, with_settings
from ribocyte.learn.training import Progress

if TYPE_CHECKING:
    from ribocyte.learn._study import Outcome


@dataclass(frozen=True)
class TrialProgress:
    """Where a search is; given to the callback after every step of a training, and as a trial ends.

    Parameters
    ----------
    slot : int
        The trial, counted from 0.
    trials : int
        Trials in all.
    state : {"running", "complete", "pruned", "diverged"}
        Of the trial: it goes on, ran to its end, was stopped as hopeless, or failed to learn at all.
    settings : mapping
        What it tries, by dotted key.
    training : Progress or None
        Where its training is; None as it begins and as it ends.
    epochs : int
        Epochs it has trained.
    value : float or None
        Its best validation score so far.
    best : float or None
        The best of all complete trials so far.
    """

    slot: int
    trials: int
    state: str
    settings: Mapping[str, Any]
    training: Progress | None
    epochs: int
    value: float | None
    best: float | None


def ignore(_: TrialProgress) -> None:
    """Report to nobody."""


class Search:
    """A handle on a search's folder; holds nothing that is not in the folder.

    Parameters
    ----------
    path : Path
        The folder. Use `create` or `open` to be sure of its state.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Take up an existing search.

        Raises
        ------
        RunError
            If the folder holds no search, or its storage is gone.
        """
        search = cls(path)
        if not search.begun:
            raise RunError(
                f"{search.path}: no search in it",
                expected="a folder made by: ribocyte tune",
                mend=f"begin one with: ribocyte tune RECIPE --out {search.path}",
            )
        if not search.storage.is_file():
            raise RunError(
                f"{search.storage}: not there: the trials of this search are lost",
                mend=f"begin it anew with: ribocyte tune {search.path / 'search.toml'} --out NEW-FOLDER",
            )
        return search

    @classmethod
    def create(cls, path: Path | str, definition: Definition) -> Self:
        """Begin a search in a new folder, or take up the one another process just began there.

        Raises
        ------
        RunError
            If the folder holds anything else, or another search.
        """
        from ribocyte.learn._study import create_study

        search = cls(path)
        search.refuse_others()
        with search.alone():
            if not search.begun:
                tables = {**definition.recipe, "tuning": definition.tuning.as_table()}
                create_study(
                    search.storage,
                    definition.recipe["name"],
                    lower_is_better=definition.metric in LOWER_IS_BETTER,
                )
                write_text(search.path / "search.toml", tomli_w.dumps(tables))
                search._write(definition.as_json() | {"trials": definition.tuning.trials})
        search.refuse_change(definition.as_json())
        return search

    @property
    def begun(self) -> bool:
        """Whether there is a search in the folder."""
        return (self.path / "search.json").is_file()

    @property
    def storage(self) -> Path:
        """Path of Optuna's storage: ``optuna-dashboard sqlite:///PATH``."""
        return self.path / "search.db"

    @property
    def best_recipe(self) -> Path:
        """Path of the recipe with the best settings; there once a trial has run to its end."""
        return self.path / "best.toml"

    def refuse_others(self) -> None:
        """Make sure a search can begin in the folder: it is not there, or holds nothing else.

        Raises
        ------
        RunError
            If it holds something that is not the beginning of a search.
        """
        ours = ("search.", ".", "trials", "best.toml")
        if self.begun or not self.path.exists():
            return
        if not self.path.is_dir() or not all(f.name.startswith(ours) for f in self.path.iterdir()):
            raise RunError(
                f"{self.path}: exists already, and is no search",
                expected="a new folder",
                mend="choose another with --out",
            )

    def refuse_change(self, wanted: Mapping[str, Any]) -> None:
        """Make sure the search is the one that is wanted; only the number of trials may be another.

        Parameters
        ----------
        wanted : mapping
            What `Definition.as_json` gives, or some of it.

        Raises
        ------
        RunError
            Naming the first thing that differs, what it was and what it is now.
        """
        difference = find_difference(self._facts, wanted)
        if difference:
            key, then, now = difference
            raise RunError(
                f"{self.path}: was begun with {key} = {then}, now it is {now}",
                expected="the recipe, data and version it was begun with",
                mend=f"go on with: ribocyte tune {self.path / 'search.toml'} --out {self.path} --resume, "
                "or begin a new search with --out",
            )

    @property
    def asked(self) -> int:
        """How many trials were last asked for."""
        return int(self._facts["trials"])

    def ask_for(self, trials: int) -> None:
        """Write down how many trials are wanted now."""
        with self.alone():
            if trials != self.asked:
                self._write(self._facts | {"trials": trials})

    @property
    def finished(self) -> bool:
        """Whether as many trials are over as were asked for."""
        return len(self._outcomes()) >= self.asked

    @property
    def metric(self) -> str:
        """The validation metric that decides, such as ``spearman``."""
        return str(self._facts["metric"])

    @property
    def lower_is_better(self) -> bool:
        """Whether a lower value of the metric is the better one."""
        return self.metric in LOWER_IS_BETTER

    @property
    def tuning(self) -> Tuning:
        """How the search is made."""
        return parse_tuning(self._facts["tuning"])

    @property
    def space(self) -> Mapping[str, Parameter]:
        """What each setting may be, by dotted key."""
        return self.tuning.space

    @property
    def names(self) -> list[str]:
        """Dotted keys of the settings that are searched."""
        return list(self.space)

    @property
    def simulated(self) -> bool:
        """Whether the data comes from a simulator."""
        return bool(self._facts["data"]["simulated"])

    def tables(self, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Give the complete tables of the base recipe, with these settings put in."""
        return with_settings(self._facts["recipe"], settings or {})

    @property
    def trials(self) -> pl.DataFrame:
        """The trials that are over, in order.

        Returns
        -------
        DataFrame
            ``slot`` (from 0), ``state`` (``complete``, ``pruned``, ``diverged``), ``value`` (best validation
            score; null where it has none), ``epochs`` (trained), ``best_epoch``, ``seconds`` (of training), and
            a column for each name in `names`; choices that are lists are written as text.
        """
        from ribocyte.learn._study import tabulate

        return tabulate(self._outcomes(), self.names)

    @property
    def reasons(self) -> dict[int, str]:
        """Why trials diverged, by slot."""
        return {outcome.slot: outcome.reason for outcome in self._outcomes() if outcome.reason}

    @property
    def best(self) -> dict[str, Any]:
        """Settings of the best complete trial, by dotted key.

        Raises
        ------
        RunError
            If no trial has run to its end.
        """
        return dict(self._best_of(self._outcomes()).settings)

    @property
    def best_value(self) -> float:
        """Validation score of the best complete trial.

        Raises
        ------
        RunError
            If no trial has run to its end.
        """
        value = self._best_of(self._outcomes()).value
        assert value is not None
        return value

    def importance(self) -> dict[str, float]:
        """Say how much of the score's variance each setting explains: fANOVA (Hutter et al. 2014).

        Returns
        -------
        dict
            Name to share, the largest first, summing to 1; empty with fewer than ten complete trials, or
            fewer than two for each setting, or where all of them score the same.
        """
        from ribocyte.learn._study import assess_importance

        return assess_importance(self.storage, self.tuning.seed)

    def write_results(self) -> None:
        """Write ``trials.csv`` and ``best.toml`` as the storage has them now."""
        from ribocyte.learn._study import tabulate

        outcomes = self._outcomes()
        with atomic_write(self.path / "trials.csv") as stream:
            tabulate(outcomes, self.names).write_csv(stream)
        if any(outcome.state == "complete" for outcome in outcomes):
            chosen = self.tables(self._best_of(outcomes).settings)
            write_text(self.best_recipe, tomli_w.dumps(chosen))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder while deciding something; other processes of the same search wait meanwhile.

        Raises
        ------
        DiskError
            If nothing can be written there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("w")
        except OSError as error:
            raise DiskError(
                f"{self.path}: cannot be written in: {error.strerror}",
                mend="choose a folder you can write to",
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _outcomes(self) -> list[Outcome]:
        from ribocyte.learn._study import read_outcomes

        return read_outcomes(self.storage, self.space)

    def _best_of(self, outcomes: Sequence[Outcome]) -> Outcome:
        complete = [outcome for outcome in outcomes if outcome.state == "complete"]
        if not complete:
            raise RunError(
                f"{self.path}: no trial has run to its end yet",
                mend=f"go on with: ribocyte tune {self.path / 'search.toml'} --out {self.path} --resume",
            )
        sign = 1 if self.lower_is_better else -1
        return min(complete, key=lambda outcome: sign * (outcome.value or 0.0))

    @property
    def _facts(self) -> dict[str, Any]:
        path = self.path / "search.json"
        try:
            facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read: {error}") from error
        return facts

    def _write(self, facts: Mapping[str, Any]) -> None:
        write_text(self.path / "search.json", json.dumps(facts, indent=2) + "\n")
