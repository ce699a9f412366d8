"""A search's storage: all that is said to Optuna about spaces, samplers and studies is said here."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import polars as pl
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from ribocyte.errors import RunError
from ribocyte.learn.batches import mix
from ribocyte.learn.space import Parameter, Tuning, write_choice

FEWEST, FEWEST_PER_SETTING = 10, 2
"""Complete trials, in all and for each setting, below which nothing is said about importance."""
PATIENCE = 60.0
"""Seconds to wait for another process, such as a dashboard, that is reading the storage."""


@dataclass(frozen=True)
class Outcome:
    """A trial that is over; see `ribocyte.learn.searches.Search.trials` for the columns it becomes."""

    slot: int
    state: str
    value: float | None
    epochs: int
    best_epoch: int | None
    seconds: float
    reason: str
    labels: Mapping[str, Any]
    settings: Mapping[str, Any]


@contextlib.contextmanager
def open_study(path: Path, tuning: Tuning | None = None) -> Iterator[optuna.Study]:
    """Open the study of a storage; with its pruner where trials are to be run.

    Raises
    ------
    RunError
        If the storage is damaged, is none, or cannot be written.
    """
    pruner: optuna.pruners.BasePruner | None = None
    if tuning is not None:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=tuning.startup, n_warmup_steps=tuning.warmup)
    with _storage(path, thorough=tuning is not None) as storage:
        try:
            study = optuna.load_study(study_name=None, storage=storage, pruner=pruner)
        except (KeyError, ValueError) as error:
            raise RunError(
                f"{path}: holds none or several studies", expected="the storage of one search"
            ) from error
        yield study


def create_study(path: Path, name: str, *, lower_is_better: bool) -> None:
    """Make a new storage with an empty study in it; what a killed process left of one is replaced."""
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()
    directions = optuna.study.StudyDirection
    direction = directions.MINIMIZE if lower_is_better else directions.MAXIMIZE
    with _storage(path, thorough=True) as storage:
        optuna.create_study(study_name=name, storage=storage, direction=direction)


def make_sampler(tuning: Tuning, slot: int) -> optuna.samplers.BaseSampler:
    """Make the sampler of one trial, so that what it draws depends on the trials before and the slot alone."""
    return optuna.samplers.TPESampler(
        n_startup_trials=tuning.startup,
        multivariate=True,  # learning rate and batch size do not act apart
        constant_liar=True,  # settings that others try at this moment are no news
        seed=mix(tuning.seed, slot) % 2**32,
    )


def make_distributions(space: Mapping[str, Parameter]) -> dict[str, BaseDistribution]:
    """Say in Optuna's words what a space holds."""
    return {key: _distribution(parameter) for key, parameter in space.items()}


def to_labels(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write settings as Optuna stores them: lists as text."""
    return {key: _label(value) for key, value in settings.items()}


def from_labels(labels: Mapping[str, Any], space: Mapping[str, Parameter]) -> dict[str, Any]:
    """Read back what `to_labels` wrote, in the order of the space."""
    return {key: _unlabelled(labels[key], parameter) for key, parameter in space.items()}


def read_outcomes(path: Path, space: Mapping[str, Parameter]) -> list[Outcome]:
    """Read the trials that are over, in order of slots."""
    with open_study(path) as study:
        over = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return sorted((_outcome(trial, space) for trial in over), key=lambda outcome: outcome.slot)


def assess_importance(path: Path, seed: int) -> dict[str, float]:
    """Give each setting's share of the score's variance by fANOVA; empty where that is undefined.

    The forest of fANOVA splits any handful of trials into shares that sum to 1, and says nothing by them: so too
    few trials count as undefined.
    """
    with open_study(path) as study:
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        settings = max((len(trial.params) for trial in complete), default=0)
        few = len(complete) < max(FEWEST, FEWEST_PER_SETTING * settings)
        if few or len({trial.value for trial in complete}) == 1:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    defined = all(math.isfinite(share) for share in shares.values())
    return {name: float(share) for name, share in shares.items()} if defined else {}


def tabulate(outcomes: Sequence[Outcome], names: Sequence[str]) -> pl.DataFrame:
    """Write outcomes down as `ribocyte.learn.searches.Search.trials` promises."""
    fixed = {
        "slot": pl.Int64,
        "state": pl.String,
        "value": pl.Float64,
        "epochs": pl.Int64,
        "best_epoch": pl.Int64,
        "seconds": pl.Float64,
    }
    known = {name: [getattr(outcome, name) for outcome in outcomes] for name in fixed}
    tried = {name: [outcome.labels[name] for outcome in outcomes] for name in names}
    return pl.DataFrame({**known, **tried}, schema_overrides=fixed)


@contextlib.contextmanager
def _storage(path: Path, *, thorough: bool) -> Iterator[optuna.storages.RDBStorage]:
    """Open a storage and close it again, with Optuna's log kept back meanwhile: we report, and we raise.

    To read, it is taken as it is: to make sure of its tables costs Optuna a good tenth of a second.
    """
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    storage = None
    try:
        waiting = {"connect_args": {"timeout": PATIENCE}}
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{path}",
            engine_kwargs=waiting,
            skip_compatibility_check=not thorough,
            skip_table_creation=not thorough,
        )
        yield storage
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ or error
        raise RunError(
            f"{path}: cannot be used: {str(cause).splitlines()[0]}",
            expected="the storage of a search, on a disk with free space",
        ) from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()
        optuna.logging.set_verbosity(level)


def _distribution(parameter: Parameter) -> BaseDistribution:
    if parameter.choices:
        return CategoricalDistribution([_label(choice) for choice in parameter.choices])
    low, high, step, log = parameter.low, parameter.high, parameter.step, parameter.scale == "log"
    assert low is not None
    assert high is not None
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=int(step or 1))
    return FloatDistribution(low, high, log=log, step=step)


def _label(value: Any) -> Any:
    return write_choice(value) if isinstance(value, list | tuple) else value


def _unlabelled(label: Any, parameter: Parameter) -> Any:
    if parameter.choices:
        return next(choice for choice in parameter.choices if _label(choice) == label)
    return round(label, 10) if parameter.step and isinstance(label, float) else label


def _outcome(trial: FrozenTrial, space: Mapping[str, Parameter]) -> Outcome:
    facts = trial.user_attrs["outcome"]
    stopped = "diverged" if facts["reason"] else "pruned"
    return Outcome(
        slot=trial.user_attrs["slot"],
        state="complete" if trial.state == TrialState.COMPLETE else stopped,
        value=facts["value"],
        epochs=facts["epochs"],
        best_epoch=facts["best_epoch"],
        seconds=facts["seconds"],
        reason=facts["reason"],
        labels=to_labels(from_labels(trial.params, space)),
        settings=from_labels(trial.params, space),
    )
