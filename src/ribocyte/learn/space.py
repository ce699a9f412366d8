"""What a search may change of a recipe: the ``[tuning]`` table, read and checked against the recipe itself."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from ribocyte.errors import RecipeError, suggest
from ribocyte.learn.recipe import check, parse

Settings = Mapping[str, Any]
"""Values of a recipe by dotted key, such as ``{"training.learning_rate": 0.002}``."""

UNTUNABLE = {
    "model.kind": "one kind of network a search",
    "objective.best": "the metric that decides stays the same for all trials",
    "training.seed": "the best of several seeds is luck, not a setting",
    "training.score_test_each_epoch": "a search never sees the test split",
    "training.precision": "all trials are computed alike",
    "training.device": "all trials are computed alike",
    "training.processes": "all trials are computed alike",
}
"""What a space may not hold, and why."""
CHECKED = 1000
"""A range of whole numbers is tried out value by value up to this many; of others the ends are."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """What one setting may be: a range, or some choices.

    Parameters
    ----------
    low, high : int or float
        The ends of the range; both belong to it.
    step : int or float, optional
        Distance between the values of a range; without it whole numbers go by 1 and others are any.
    scale : {"linear", "log"}
        ``log`` where a factor matters and not a difference, as for learning rates.
    choices : tuple
        Values instead of a range.
    """

    low: float | int | None = None
    high: float | int | None = None
    step: float | int | None = None
    scale: Literal["linear", "log"] = "linear"
    choices: tuple[Any, ...] = ()

    def describe(self) -> str:
        """Write the range or the choices in a few words, such as ``0.0005 to 0.01, log``."""
        if self.choices:
            return " | ".join(map(write_choice, self.choices))
        step = f", step {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{step}{', log' if self.scale == 'log' else ''}"

    def holds(self, value: Any) -> bool:
        """Say whether a value is one of these."""
        if self.choices:
            return value in self.choices
        if self.low is None or self.high is None or not self.low <= value <= self.high:
            return False
        return not self.step or _is_whole((value - self.low) / self.step)

    def refuse_nonsense(self, key: str) -> None:
        """Make sure this is a range or a list of choices that a search can draw from.

        Raises
        ------
        RecipeError
            Naming `key` and what is wrong with it.
        """
        numbers = {
            name: value for name in ("low", "high", "step") if (value := getattr(self, name)) is not None
        }
        for name, number in numbers.items():
            check(math.isfinite(number), f"{key}.{name}", number, "a finite number")
        if self.choices:
            check(not numbers, key, numbers, "either choices, or low and high")
            check(len(self.choices) > 1, f"{key}.choices", list(self.choices), "two or more")
            labels = [write_choice(choice) for choice in self.choices]
            check(len(set(labels)) == len(labels), f"{key}.choices", list(self.choices), "each of them once")
            return
        if self.low is None or self.high is None:
            missing = "low" if self.low is None else "high"
            raise RecipeError(f"{key}.{missing}: missing", expected="low and high, or choices")
        check(self.low < self.high, f"{key}.low", self.low, f"less than high, which is {self.high!r}")
        if self.scale == "log":
            check(self.low > 0, f"{key}.low", self.low, "above 0 on a log scale")
            check(self.step is None, f"{key}.step", self.step, "no step on a log scale")
        if self.step is not None:
            check(self.step > 0, f"{key}.step", self.step, "above 0")
            whole = _is_whole((self.high - self.low) / self.step)
            check(whole, f"{key}.high", self.high, f"a whole number of steps above {self.low!r}")


@dataclasses.dataclass(frozen=True)
class Tuning:
    """How the best settings of a recipe are searched: its ``[tuning]`` table.

    Parameters
    ----------
    space : mapping of str to Parameter
        What may change: dotted key of the recipe, to its values.
    trials : int
        Settings that are tried.
    startup : int
        Trials drawn at random before the sampler learns from them, and before the pruner may stop any.
    warmup : int
        Epochs that every trial is given before the pruner may stop it.
    seed : int
        Of the search; the trainings have their own in ``training.seed``.
    """

    space: Mapping[str, Parameter]
    trials: int = 30
    startup: int = 8
    warmup: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.space:
            raise RecipeError(
                "tuning.space: empty",
                expected='at least one entry, such as "training.learning_rate" = '
                '{ low = 5e-4, high = 1e-2, scale = "log" }',
            )
        check(1 <= self.trials <= 10**5, "tuning.trials", self.trials, "from 1 to 100,000")
        check(1 <= self.startup <= 10**5, "tuning.startup", self.startup, "from 1 to 100,000")
        check(1 <= self.warmup <= 10**6, "tuning.warmup", self.warmup, "from 1 to 1,000,000")
        check(0 <= self.seed < 2**32, "tuning.seed", self.seed, "from 0 to 4294967295")
        for key, parameter in self.space.items():
            parameter.refuse_nonsense(f"tuning.space.{key}")

    def as_table(self) -> dict[str, Any]:
        """Give the same as a TOML table."""
        table = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**table, "space": {key: _written(parameter) for key, parameter in self.space.items()}}


def parse_tuning(table: Mapping[str, Any]) -> Tuning:
    """Read a ``[tuning]`` table on its own; the keys of its space may be quoted or nested.

    Raises
    ------
    RecipeError
        For anything unknown or impossible.
    """
    return parse(Tuning, _with_dotted_keys(table), "tuning")


def fit_tuning(
    table: Mapping[str, Any],
    tables: Mapping[str, Any],
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Tuning:
    """Read the ``[tuning]`` table of a recipe: every key of its space exists, every value can be one of its.

    Parameters
    ----------
    table : mapping
        As for `parse_tuning`.
    tables : mapping
        The complete tables of the recipe.
    complete : callable
        Reads changed tables as a recipe and gives its complete tables; raises RecipeError.

    Returns
    -------
    Tuning
        With each value in the type of the recipe's: 1 becomes 1.0 where a float is meant.

    Raises
    ------
    RecipeError
        For a key the recipe does not have (with the nearest it has) or may not be tuned, and for a value its
        configuration refuses.
    """
    table = _with_dotted_keys(table)
    if isinstance(table, Mapping) and isinstance(table.get("space"), Mapping):
        for key in table["space"]:
            _refuse_untunable(key, tables)
    tuning = parse(Tuning, table, "tuning")

    def settle(key: str, value: Any) -> Any:
        part, name = key.split(".", 1)
        given = int(value) if _meant_whole(tables[part][name], value) else value
        try:
            return complete(with_settings(tables, {key: given}))[part][name]
        except RecipeError as error:
            raise RecipeError(
                f"tuning.space.{key}: {error.problem}", expected=error.expected, mend=error.mend
            ) from error

    space = {key: _settled(parameter, key, settle) for key, parameter in tuning.space.items()}
    return dataclasses.replace(tuning, space=space)


def with_settings(tables: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Put settings into a recipe's tables, which are left as they are."""
    changed = copy.deepcopy(dict(tables))
    for key, value in settings.items():
        part, name = key.split(".", 1)
        changed[part][name] = copy.deepcopy(value)
    return changed


def get_settings(tables: Mapping[str, Any], space: Mapping[str, Parameter]) -> dict[str, Any]:
    """Read from a recipe's tables what a space is about."""
    parts = {key: key.split(".", 1) for key in space}
    return {key: tables[part][name] for key, (part, name) in parts.items()}


def write_choice(choice: Any) -> str:
    """Write a choice as it stands in a recipe; a list as JSON."""
    return choice if isinstance(choice, str) else json.dumps(choice)


def _settled(parameter: Parameter, key: str, settle: Callable[[str, Any], Any]) -> Parameter:
    if parameter.choices:
        return dataclasses.replace(
            parameter, choices=tuple(settle(key, choice) for choice in parameter.choices)
        )
    assert parameter.low is not None
    assert parameter.high is not None
    low, high, step = settle(key, parameter.low), settle(key, parameter.high), parameter.step
    if step is not None:
        whole = isinstance(low, float) or _is_whole(step)
        check(whole, f"tuning.space.{key}.step", step, "a whole number")
        step = type(low)(step)
    if isinstance(low, int):
        between = range(low, high, int(step or 1))
        for value in between if len(between) <= CHECKED else ():
            settle(key, value)
    return dataclasses.replace(parameter, low=low, high=high, step=step)


def _refuse_untunable(key: str, tables: Mapping[str, Any]) -> None:
    part, _, _ = key.partition(".")
    if part == "data":
        raise RecipeError(f"tuning.space.{key}: cannot be tuned", expected="the same data for all trials")
    if key in UNTUNABLE:
        raise RecipeError(f"tuning.space.{key}: cannot be tuned: {UNTUNABLE[key]}")
    parts = ("model", "objective", "training")
    known = [f"{part}.{name}" for part in parts for name in tables[part]]
    if key not in known:
        tunable = [name for name in known if name not in UNTUNABLE]
        raise RecipeError(
            f"tuning.space.{key}: the recipe has no such key",
            expected=f"one of {', '.join(tunable)}",
            mend=suggest(key, tunable),
        )


def _with_dotted_keys(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Flatten the space of a tuning; what ``--set`` nested is put over what the file has quoted."""
    if not isinstance(table, Mapping) or not isinstance(table.get("space"), Mapping):
        return table
    flat: dict[str, Any] = {}
    for key, entry in _entries(table["space"]):
        flat[key] = {**flat[key], **entry} if isinstance(entry, Mapping) and key in flat else entry
    return {**table, "space": flat}


def _entries(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Walk through nested tables down to those that hold values."""
    for key, entry in table.items():
        if isinstance(entry, Mapping) and entry and all(isinstance(v, Mapping) for v in entry.values()):
            yield from _entries(entry, f"{before}{key}.")
        else:
            yield f"{before}{key}", entry


def _written(parameter: Parameter) -> dict[str, Any]:
    table = dataclasses.asdict(parameter)
    if parameter.choices:
        return {"choices": list(parameter.choices)}
    return {key: value for key, value in table.items() if value is not None and key != "choices"}


def _meant_whole(found: Any, value: Any) -> bool:
    """Say whether a range's end was read as a float though the recipe's value is a whole number."""
    whole = isinstance(found, int) and not isinstance(found, bool)
    return whole and isinstance(value, float) and value.is_integer()


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6
