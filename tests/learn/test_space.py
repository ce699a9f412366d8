"""What a search may change: how it is written, what is refused and how that is said, and that nothing is lost."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ribocyte.catalog import parse_recipe
from ribocyte.errors import RecipeError
from ribocyte.learn.recipe import Recipe, override
from ribocyte.learn.space import Parameter, Tuning, get_settings, parse_tuning, with_settings

BASE: dict[str, Any] = {"data": {"kind": "rnacompete"}, "model": {"kind": "rna-cnn"}}
RATE = {"low": 1e-4, "high": 1e-2, "scale": "log"}


def recipe(space: Any, **tuning: Any) -> Recipe:
    return parse_recipe({**BASE, "tuning": {"space": space, **tuning}}, "x")


def parameter(key: str, table: Any) -> Parameter:
    tuning = recipe({key: table}).tuning
    assert tuning is not None
    return tuning.space[key]


def refusal(space: Any, **tuning: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        recipe(space, **tuning)
    return str(caught.value)


# Read


def test_a_space_is_read_in_the_types_of_the_recipe() -> None:
    rate = parameter("training.weight_decay", {"low": 0, "high": 1, "step": 1})
    assert [type(value) for value in (rate.low, rate.high, rate.step)] == [float, float, float]
    width = parameter("model.width", {"low": 5.0, "high": 11, "step": 2.0})
    assert [type(value) for value in (width.low, width.high, width.step)] == [int, int, int]
    share = parameter("model.dropout", {"choices": [0, 0.5]})
    assert [type(value) for value in share.choices] == [float, float]
    assert parameter("objective.loss", {"choices": ["mse", "huber"]}).choices == ("mse", "huber")


def test_keys_may_be_quoted_nested_or_set_on_the_command_line() -> None:
    quoted = {
        "tuning": {"space": {"training.learning_rate": RATE, "model.dropout": {"low": 0.0, "high": 0.5}}}
    }
    nested = tomllib.loads(
        '[tuning.space]\ntraining.learning_rate = { low = 1e-4, high = 1e-2, scale = "log" }\n'
        "[tuning.space.model]\ndropout = { low = 0.0, high = 0.5 }\n"
    )
    one, other = (parse_recipe({**BASE, **tables}, "x").tuning for tables in (quoted, nested))
    assert one == other
    changed = override(
        {**BASE, **quoted}, ["tuning.space.training.learning_rate.low=2e-4", "tuning.trials=7"]
    )
    tuning = parse_recipe(changed, "x").tuning
    assert tuning is not None
    assert (tuning.trials, tuning.space["training.learning_rate"].low) == (7, 2e-4)
    assert tuning.space["training.learning_rate"].high == 1e-2


def test_a_run_is_of_one_setting_and_knows_nothing_of_the_search() -> None:
    tuned = recipe({"training.learning_rate": RATE})
    assert tuned.as_tables() == parse_recipe(BASE, "x").as_tables()
    assert parse_recipe(BASE, "x").tuning is None


@pytest.mark.parametrize(
    ("table", "said", "inside", "outside"),
    [
        (
            {"low": 5e-4, "high": 0.01, "scale": "log"},
            "0.0005 to 0.01, log",
            [5e-4, 2e-3, 0.01],
            [4e-4, 0.011],
        ),
        ({"low": 0.0, "high": 0.5, "step": 0.1}, "0 to 0.5, step 0.1", [0.0, 0.3, 0.5], [0.25, 0.6, -0.1]),
        ({"low": 5, "high": 11, "step": 2}, "5 to 11, step 2", [5, 9, 11], [6, 13]),
        ({"choices": [64, 128]}, "64 | 128", [64, 128], [96]),
        ({"choices": [[1, 2], [1, 2, 4]]}, "[1, 2] | [1, 2, 4]", [[1, 2]], [[1], 1]),
    ],
)
def test_a_parameter_says_what_it_holds(
    table: dict[str, Any], said: str, inside: list[Any], outside: list[Any]
) -> None:
    known = parse_tuning({"space": {"a.b": table}}).space["a.b"]
    assert known.describe() == said
    assert all(known.holds(value) for value in inside)
    assert not any(known.holds(value) for value in outside)


def test_settings_go_in_and_come_out_again() -> None:
    tables = parse_recipe(BASE, "x").as_tables()
    settings = {"model.width": 9, "training.learning_rate": 0.5}
    changed = with_settings(tables, settings)
    assert get_settings(changed, dict.fromkeys(settings, Parameter(1, 2))) == settings
    assert changed["model"]["width"] == 9
    assert tables == parse_recipe(BASE, "x").as_tables()


# Refused


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "tuning.space: empty; expected at least one"),
        (5, r"tuning.space = 5; expected a table"),
        ({"model.width": 5}, "tuning.space.model.width = 5; expected a table"),
        (
            {"model.width": {"low": 5}},
            "tuning.space.model.width.high: missing; expected low and high, or choices",
        ),
        ({"model.width": {"lo": 5}}, "tuning.space.model.width.lo: unknown key; .*did you mean .*width.low"),
        (
            {"model.width": {"low": 9, "high": 5}},
            "model.width.low = 9 is impossible; expected less than high",
        ),
        (
            {"model.width": {"low": 5, "high": 5}},
            "model.width.low = 5 is impossible; expected less than high",
        ),
        (
            {"model.dropout": {"low": 0.0, "high": 0.5, "scale": "log"}},
            "dropout.low = 0.0 .*above 0 on a log",
        ),
        ({"model.dropout": {"low": 0.1, "high": 0.5, "step": 0.1, "scale": "log"}}, "step = 0.1 .*no step"),
        (
            {"model.dropout": {"low": 0.0, "high": 0.5, "step": 0.2}},
            "dropout.high = 0.5 .*whole number of steps",
        ),
        ({"model.dropout": {"low": 0.0, "high": 0.5, "step": 0.0}}, "dropout.step = 0.0 .*above 0"),
        ({"model.dropout": {"low": 0.0, "high": float("nan")}}, "dropout.high = nan .*a finite number"),
        ({"model.dropout": {"low": 0.0, "high": 0.5, "scale": "lin"}}, "scale = 'lin' .*did you mean linear"),
        ({"model.dropout": {"choices": [0.1]}}, r"dropout.choices = \[0.1\] .*two or more"),
        ({"model.dropout": {"choices": [0.1, 0.1]}}, "each of them once"),
        ({"model.dropout": {"choices": [0.1, 0.2], "low": 0.1}}, "either choices, or low and high"),
        ({"model.detector": {"choices": [1, 2]}}, "no such key; .*did you mean model.detectors?"),
        ({"detectors": {"choices": [1, 2]}}, "detectors: the recipe has no such key"),
        ({"mode.width": {"choices": [5, 7]}}, "did you mean model.width?"),
        ({"model.width": {"low": 5, "high": 9}}, "tuning.space.model.width: model.width = 6 .*an odd number"),
        ({"model.width": {"low": 5.5, "high": 9.5}}, "model.width = 5.5; expected a value of type int"),
        ({"model.detectors": {"low": 8, "high": 16, "step": 0.5}}, "detectors.step = 0.5 .*whole number"),
        ({"model.dropout": {"low": 0.0, "high": 1.0}}, "model.dropout = 1.0 is impossible"),
        ({"model.dropout": {"choices": ["much", "little"]}}, "model.dropout = 'much'; expected .*float"),
        ({"training.optimizer": {"choices": ["adam", "adaw"]}}, "adaw.*did you mean adamw?"),
        ({"training.optimizer": {"low": 1, "high": 2}}, "training.optimizer = 1 is not a choice"),
        ({"training.score_test_each_epoch": {"choices": [True, False]}}, "never sees the test split"),
        ({"training.seed": {"low": 0, "high": 9}}, "training.seed: cannot be tuned: .*luck"),
        ({"training.device": {"choices": ["cpu", "cuda"]}}, "cannot be tuned"),
        ({"objective.best": {"choices": ["mse", "pearson"]}}, "cannot be tuned"),
        ({"model.kind": {"choices": ["rna-cnn", "rna-bilstm"]}}, "cannot be tuned"),
        ({"data.protocol": {"choices": ["strict", "assignment"]}}, "cannot be tuned; expected the same data"),
    ],
)
def test_an_impossible_space_is_refused_by_key(space: Any, said: str) -> None:
    import re

    assert re.search(said, refusal(space)), refusal(space)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trials", 0),
        ("startup", 0),
        ("warmup", 0),
        ("seed", -1),
        ("seed", 2**32),
        ("trial", 5),
        ("trials", "5"),
    ],
)
def test_an_impossible_search_is_refused_by_key(key: str, value: Any) -> None:
    assert refusal({"model.dropout": {"low": 0.0, "high": 0.5}}, **{key: value}).startswith(f"tuning.{key}")


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"tuning = 5; expected a table \[tuning\]"):
        parse_recipe({**BASE, "tuning": 5}, "x")
    with pytest.raises(RecipeError, match=r"tuning\.space: missing"):
        parse_recipe({**BASE, "tuning": {"trials": 5}}, "x")


# Round trips

numbers = st.floats(1e-6, 1e6)
ranges = st.tuples(numbers, numbers).map(sorted).filter(lambda pair: pair[0] < pair[1])
parameters = st.one_of(
    st.builds(lambda pair, scale: Parameter(*pair, scale=scale), ranges, st.sampled_from(["linear", "log"])),
    st.builds(
        lambda low, step, count: Parameter(low, low + step * count, step),
        st.integers(-99, 99),
        st.integers(1, 9),
        st.integers(1, 9),
    ),
    st.lists(st.integers() | st.text() | st.booleans(), min_size=2, unique_by=str).map(
        lambda choices: Parameter(choices=tuple(choices))
    ),
)
spaces = st.dictionaries(st.from_regex(r"[a-z]{1,5}\.[a-z_]{1,8}", fullmatch=True), parameters, min_size=1)
tunings = st.builds(
    Tuning, spaces, st.integers(1, 99), st.integers(1, 99), st.integers(1, 99), st.integers(0, 2**32 - 1)
)


@given(tunings)
def test_a_tuning_survives_toml(tuning: Tuning) -> None:
    assert parse_tuning(tomllib.loads(tomli_w.dumps(tuning.as_table()))) == tuning


anything = st.one_of(
    st.integers(),
    st.text(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers() | st.text() | st.floats() | st.booleans(), max_size=3),
)
tables = st.dictionaries(st.sampled_from(["low", "high", "step", "scale", "choices", "x"]), anything)


@given(st.dictionaries(st.sampled_from(["model.width", "training.learning_rate", "a"]), tables | anything))
def test_anything_gives_a_tuning_or_a_recipe_error_that_begins_with_the_key(space: dict[str, Any]) -> None:
    try:
        recipe(space)
    except RecipeError as error:
        assert str(error).startswith("tuning.space")  # noqa: PT017 - either outcome is right
