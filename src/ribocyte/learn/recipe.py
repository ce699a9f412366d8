"""Recipes: frozen dataclasses read from TOML tables, with errors that name the key and the nearest right one."""

from __future__ import annotations

import copy
import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from ribocyte.errors import RecipeError, suggest

if TYPE_CHECKING:
    from ribocyte.learn.space import Tuning

Config = TypeVar("Config")


@dataclasses.dataclass(frozen=True)
class Training:
    """How a network is trained. The defaults train every network of this package to a sensible result.

    Parameters
    ----------
    epochs : int
        Passes over the training split.
    batch_size : int
        Examples a step.
    optimizer : {"adamw", "adam", "sgd"}
        AdamW (Loshchilov & Hutter 2019), Adam (Kingma & Ba 2015), SGD with Nesterov momentum 0.9.
    learning_rate : float
        The rate, or its peak where the schedule changes it.
    weight_decay : float
        Applied to weights of two or more dimensions, never to biases and normalisation.
    schedule : {"one-cycle", "constant"}
        One-cycle (Smith & Topin 2018): a linear rise over the first quarter, then a cosine to zero.
    average : float
        Decay of an exponential moving average of the weights, which then is what is scored and saved;
        0 keeps the weights themselves.
    clip : float
        Largest gradient norm; 0 leaves gradients alone.
    patience : int
        Stop after this many epochs without a better validation score; 0 never stops early.
    seed : int
        The one source of randomness: weights, batch order, dropout, augmentation.
    score_test_each_epoch : bool
        Score the test split after every epoch, as the assignment's first question plots it. Nothing is ever
        chosen by it.
    precision : {"auto", "32", "bf16"}
        ``auto`` times a few steps of the network itself in both and takes bf16 where it is faster by a tenth;
        the run's recipe records the choice. Name one where two runs must agree bit for bit. ``32`` is float32 by
        PyTorch's own formulations throughout; with bf16 come the quicker ones of `ribocyte.learn.quick`.
        Several processes do not measure: they take bf16 on a GPU and 32 on a CPU.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU where there is one.
    processes : int
        Processes that share every batch (data parallel); each sees its part.
    members : int
        Networks that are trained together, as a deep ensemble: of the same configuration, on the same batches,
        each from initial weights of its own. What the model says then is their mean.
    """

    epochs: int = 30
    batch_size: int = 128
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    average: float = 0.0
    clip: float = 0.0
    patience: int = 0
    seed: int = 0
    score_test_each_epoch: bool = False
    precision: Literal["auto", "32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: int = 1
    members: int = 1

    def __post_init__(self) -> None:
        check(1 <= self.epochs <= 10**6, "training.epochs", self.epochs, "from 1 to 1,000,000")
        check(2 <= self.batch_size <= 10**7, "training.batch_size", self.batch_size, "from 2 to 10,000,000")
        check(
            0 < self.learning_rate < 100,
            "training.learning_rate",
            self.learning_rate,
            "above 0 and below 100",
        )
        check(0 <= self.weight_decay < math.inf, "training.weight_decay", self.weight_decay, "0 or more")
        check(0 <= self.average < 1, "training.average", self.average, "from 0 to below 1")
        check(0 <= self.clip < math.inf, "training.clip", self.clip, "0 or more")
        check(self.patience >= 0, "training.patience", self.patience, "0 or more")
        check(0 <= self.seed < 2**32, "training.seed", self.seed, "from 0 to 4294967295")
        check(self.processes >= 1, "training.processes", self.processes, "1 or more")
        check(
            2 * self.processes <= self.batch_size,
            "training.processes",
            self.processes,
            "no more than half of training.batch_size",
        )
        check(1 <= self.members <= 100, "training.members", self.members, "from 1 to 100")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What to train: four tables and a name, and perhaps how better settings are searched.

    Parameters
    ----------
    name : str
        What a run of it is called.
    data_kind, model_kind : str
        Names in the catalog.
    data, model : dataclass
        Their configurations.
    objective : dataclass
        What is minimised and what decides "best".
    training : Training
        How.
    tuning : Tuning, optional
        How better settings are searched. No part of what a run is: `as_tables` leaves it out.
    """

    name: str
    data_kind: str
    data: Any
    model_kind: str
    model: Any
    objective: Any
    training: Training
    tuning: Tuning | None = None

    def as_tables(self) -> dict[str, Any]:
        """Give the recipe as TOML tables, complete: every default is spelled out."""
        return {
            "name": self.name,
            "data": {"kind": self.data_kind, **as_table(self.data)},
            "model": {"kind": self.model_kind, **as_table(self.model)},
            "objective": as_table(self.objective),
            "training": as_table(self.training),
        }


def check(true: bool, key: str, value: object, expected: str) -> None:
    """Refuse an impossible value.

    Raises
    ------
    RecipeError
        If `true` is false; names the key, the value and what was expected.
    """
    if not true:
        raise RecipeError(f"{key} = {value!r} is impossible", expected=expected)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    RecipeError
        If the file is missing, is not text, or is not TOML; the line is named.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise RecipeError(
            f"{path}: no such recipe", mend="the repository's recipes/ holds ready ones"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from error


def override(tables: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Apply ``--set key=value`` settings to a recipe's tables.

    Parameters
    ----------
    tables : mapping
        A recipe as read from TOML; left as it is.
    settings : sequence of str
        Such as ``training.epochs=5``; the value is read as TOML, and as a string where it is not TOML.

    Raises
    ------
    RecipeError
        If a setting has no ``=`` or its key leads through something that is no table.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(tables))
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise RecipeError(
                f"--set {setting!r} is no setting", expected="key=value, such as training.epochs=5"
            )
        *parents, last = (part.strip() for part in key.split("."))
        table = changed
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise RecipeError(f"--set {setting!r}: {parent} is a value, not a table")
        table[last] = _toml_value(text.strip())
    return changed


def parse(config: type[Config], table: Mapping[str, Any], where: str) -> Config:
    """Make a frozen dataclass from a TOML table, refusing what does not fit.

    Parameters
    ----------
    config : type
        A dataclass whose fields are int, float, bool, str, Literal, tuples or tables of these, or such dataclasses.
    table : mapping
        The values; a missing key takes the field's default.
    where : str
        How the table is named in errors, such as ``training``.

    Raises
    ------
    RecipeError
        For an unknown key (with the nearest known one), a missing key without default, or a value of another
        type.
    """
    if not isinstance(table, Mapping):
        raise RecipeError(f"{where} = {table!r}", expected=f"a table [{where}]")
    hints = typing.get_type_hints(config)
    known = [f.name for f in dataclasses.fields(config) if f.init]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise RecipeError(
                f"{where}.{key}: unknown key",
                expected=f"one of {', '.join(known)}",
                mend=suggest(key, known, f"{where}."),
            )
    values = {key: _convert(hints[key], value, f"{where}.{key}") for key, value in table.items()}
    missing = [
        f.name
        for f in dataclasses.fields(config)  # type: ignore[arg-type]
        if f.name not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecipeError(f"{where}.{missing[0]}: missing", expected=f"a value for {', '.join(missing)}")
    return config(**values)


def as_table(config: Any) -> dict[str, Any]:
    """Give a dataclass as a TOML table: every key, tuples as lists, None left out."""
    table = dataclasses.asdict(config)
    return {key: list(v) if isinstance(v, tuple) else v for key, v in table.items() if v is not None}


def _convert(hint: Any, value: Any, key: str) -> Any:
    """Take a TOML value for an annotated field, or say what was expected."""
    origin = get_origin(hint)
    if origin is Literal:
        choices = {str(choice): choice for choice in get_args(hint)}
        if isinstance(value, bool) or str(value) not in choices:  # 32 is as good as "32"
            raise RecipeError(
                f"{key} = {value!r} is not a choice",
                expected=f"one of {', '.join(choices)}",
                mend=suggest(str(value), choices),
            )
        return choices[str(value)]
    if origin is tuple:
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert(get_args(hint)[0], item, key) for item in values)
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise RecipeError(f"{key} = {value!r}", expected=f"a table [{key}]")
        return {name: _convert(get_args(hint)[1], item, f"{key}.{name}") for name, item in value.items()}
    if origin is types.UnionType:
        inner = [option for option in get_args(hint) if option is not type(None)]
        return value if value is None or type(value) in inner else _convert(inner[0], value, key)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return parse(typing.cast(type, hint), value, key)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # --set name=7
    if type(value) is not hint:
        raise RecipeError(f"{key} = {value!r}", expected=f"a value of type {getattr(hint, '__name__', hint)}")
    return value


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
