"""Recipes: what is refused and how it is said, what settings do, and that nothing is lost on the way."""

from __future__ import annotations

import copy
import dataclasses
import tomllib
from pathlib import Path
from typing import Any, Literal

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ribocyte.errors import RecipeError
from ribocyte.learn.objectives import Classification, Regression
from ribocyte.learn.recipe import Training, as_table, check, override, parse, read_toml


@dataclasses.dataclass(frozen=True)
class Inner:
    depth: int = 2


@dataclasses.dataclass(frozen=True)
class Everything:
    """One field of every type that a configuration may have."""

    needed: str
    count: int = 1
    share: float = 0.5
    switch: bool = False
    choice: Literal["left", "right"] = "left"
    names: tuple[str, ...] = ("a",)
    sizes: tuple[int, ...] = (1, 2)
    maybe: int | None = None
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("key", "meant"),
    [("learning_rat", "learning_rate"), ("epoch", "epochs"), ("Batch_Size", "batch_size"), ("sead", "seed")],
)
def test_a_misspelt_key_is_refused_with_the_nearest_one(key: str, meant: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(Training, {key: 1}, "training")
    assert f"training.{key}" in caught.value.problem
    assert caught.value.mend == f"did you mean training.{meant}?"


def test_a_key_that_resembles_none_gets_the_list_of_all() -> None:
    with pytest.raises(RecipeError) as caught:
        parse(Training, {"xyzzy": 1}, "training")
    assert all(field.name in caught.value.expected for field in dataclasses.fields(Training))
    assert not caught.value.mend


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("epochs", -3),
        ("batch_size", 0),
        ("batch_size", 1),  # batch normalisation has no variance of a single row
        ("learning_rate", 0.0),
        ("learning_rate", -1e-3),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("weight_decay", -0.1),
        ("weight_decay", float("nan")),
        ("weight_decay", float("inf")),
        ("average", 1.0),
        ("average", -0.1),
        ("clip", -1.0),
        ("patience", -1),
        ("seed", -1),
        ("seed", 2**32),
        ("processes", 0),
    ],
)
def test_an_impossible_value_is_refused_by_key_and_value(key: str, value: float) -> None:
    with pytest.raises(RecipeError, match=rf"^training\.{key} = .*impossible.*expected "):
        parse(Training, {key: value}, "training")


def test_more_processes_than_pairs_of_rows_in_a_batch_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"training\.processes"):
        parse(Training, {"processes": 4, "batch_size": 7}, "training")


def test_what_is_checked_in_a_file_is_checked_in_python_too() -> None:
    with pytest.raises(RecipeError, match=r"objective\.smoothing = 1\.0"):
        Classification(smoothing=1.0)
    with pytest.raises(RecipeError, match=r"^model\.width = 4 is impossible; expected an odd"):
        check(False, "model.width", 4, "an odd number of nt")


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("count", "3", "int"),
        ("count", 3.0, "int"),
        ("count", True, "int"),
        ("share", "half", "float"),
        ("share", True, "float"),
        ("switch", 1, "bool"),
        ("needed", True, "str"),
        ("names", ["a", True], "str"),
        ("sizes", [1, "2"], "int"),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_type_expected(
    key: str, value: object, kind: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(Everything, {"needed": "x", key: value}, "model")
    assert caught.value.problem.startswith(f"model.{key} = ")
    assert kind in caught.value.expected


def test_types_that_mean_the_same_are_taken() -> None:
    taken = parse(
        Everything, {"needed": "x", "share": 1, "names": "one", "maybe": 4, "inner": {"depth": 7}}, "model"
    )
    assert taken == Everything("x", share=1.0, names=("one",), maybe=4, inner=Inner(7))
    assert type(taken.share) is float


def test_a_name_may_be_a_number() -> None:
    assert parse(Everything, override({}, ["needed=7"]), "model").needed == "7"


def test_a_choice_that_does_not_exist_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(RecipeError) as caught:
        parse(Training, {"optimizer": "adamW2"}, "training")
    assert caught.value.expected == "one of adamw, adam, sgd"
    assert caught.value.mend == "did you mean adamw?"


def test_precision_32_may_be_written_as_the_number_it_is() -> None:
    assert parse(Training, override({}, ["precision=32"]), "training").precision == "32"


@pytest.mark.parametrize("device", ["gpu", "tpu", "cpu:7", ""])
def test_a_device_that_does_not_exist_is_refused(device: str) -> None:
    with pytest.raises(RecipeError, match=r"training\.device"):
        parse(Training, {"device": device}, "training")


def test_a_missing_value_without_default_is_named() -> None:
    with pytest.raises(RecipeError, match=r"^model\.needed: missing"):
        parse(Everything, {}, "model")


@pytest.mark.parametrize("table", [5, "text", [1], None])
def test_a_value_where_a_table_belongs_is_refused(table: Any) -> None:
    with pytest.raises(RecipeError, match=r"expected a table \[training\]"):
        parse(Training, table, "training")


def test_an_error_in_an_inner_table_names_the_whole_way() -> None:
    with pytest.raises(RecipeError, match=r"^model\.inner\.dept: unknown key"):
        parse(Everything, {"needed": "x", "inner": {"dept": 1}}, "model")


# Settings


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("training.epochs=5", {"training": {"epochs": 5}}),
        ("training.epochs = 5", {"training": {"epochs": 5}}),
        ("training.learning_rate=1e-2", {"training": {"learning_rate": 0.01}}),
        ("data.augment=true", {"data": {"augment": True}}),
        ("data.experiments=RNCMPT00001", {"data": {"experiments": "RNCMPT00001"}}),
        ('data.experiments=["A", "B"]', {"data": {"experiments": ["A", "B"]}}),
        ("model.widths=[8, 16]", {"model": {"widths": [8, 16]}}),
        ('model.kind="rna-cnn"', {"model": {"kind": "rna-cnn"}}),
        ("name=a = b", {"name": "a = b"}),
        ("a.b.c.d=1", {"a": {"b": {"c": {"d": 1}}}}),
        ("data.folder=/some where/x", {"data": {"folder": "/some where/x"}}),
    ],
)
def test_a_setting_is_read_as_toml_or_else_as_text(setting: str, expected: dict[str, Any]) -> None:
    assert override({}, [setting]) == expected


def test_settings_add_to_what_is_there_and_the_last_one_wins() -> None:
    tables = {"training": {"epochs": 3, "seed": 1}, "model": {"kind": "rna-cnn"}}
    changed = override(tables, ["training.epochs=5", "model.width=9", "training.epochs=7"])
    assert changed == {"training": {"epochs": 7, "seed": 1}, "model": {"kind": "rna-cnn", "width": 9}}


def test_settings_leave_the_tables_given_as_they_were() -> None:
    tables = {"training": {"epochs": 3}, "a": {"b": {"c": 1}}}
    before = copy.deepcopy(tables)
    override(tables, ["training.epochs=5", "a.b.c=2", "new.x=1"])
    assert tables == before


@pytest.mark.parametrize("setting", ["training.epochs", "", "=5", "  =5"])
def test_what_is_no_setting_is_refused(setting: str) -> None:
    with pytest.raises(RecipeError, match="expected key=value"):
        override({}, [setting])


def test_a_setting_that_leads_through_a_value_is_refused() -> None:
    with pytest.raises(RecipeError, match="epochs is a value, not a table"):
        override({"training": {"epochs": 3}}, ["training.epochs.many=5"])


# Files


def test_an_error_of_toml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[data]\nkind = "x"\n[training]\nepochs = = 3\n')
    with pytest.raises(RecipeError, match=r"bad\.toml: not valid TOML.*line 4"):
        read_toml(path)


def test_a_file_that_is_missing_binary_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml: no such recipe"):
        read_toml(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\x80\x02\xff\xfe")
    with pytest.raises(RecipeError, match=r"binary\.toml: cannot be read as text"):
        read_toml(tmp_path / "binary.toml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_toml(tmp_path)


# Round trips

trainings = st.builds(
    Training,
    epochs=st.integers(1, 10**6),
    batch_size=st.integers(8, 4096),
    optimizer=st.sampled_from(["adamw", "adam", "sgd"]),
    learning_rate=st.floats(1e-8, 99.0),
    weight_decay=st.floats(0, 10),
    schedule=st.sampled_from(["one-cycle", "constant"]),
    average=st.floats(0, 0.9999),
    clip=st.floats(0, 100),
    patience=st.integers(0, 1000),
    seed=st.integers(0, 2**32 - 1),
    score_test_each_epoch=st.booleans(),
    precision=st.sampled_from(["auto", "32", "bf16"]),
    device=st.sampled_from(["auto", "cpu"]),
    processes=st.integers(1, 4),
)
objectives = st.one_of(
    st.builds(
        Regression,
        loss=st.sampled_from(["mse", "huber", "log-cosh"]),
        best=st.sampled_from(["spearman", "pearson", "mse"]),
    ),
    st.builds(Classification, smoothing=st.floats(0, 0.99), probabilities=st.booleans()),
)


@given(st.one_of(trainings, objectives))
def test_a_configuration_survives_toml(config: Any) -> None:
    text = tomli_w.dumps(as_table(config))
    assert parse(type(config), tomllib.loads(text), "x") == config


@given(
    st.builds(
        Everything,
        needed=st.text(),
        count=st.integers(-(2**63), 2**63 - 1),
        share=st.floats(allow_nan=False),
        switch=st.booleans(),
        choice=st.sampled_from(["left", "right"]),
        names=st.lists(st.text(), min_size=1).map(tuple),
        sizes=st.lists(st.integers(0, 99)).map(tuple),
        maybe=st.none() | st.integers(0, 9),
        inner=st.builds(Inner, depth=st.integers(0, 9)),
    )
)
def test_every_type_of_value_survives_toml(config: Everything) -> None:
    assert parse(Everything, tomllib.loads(tomli_w.dumps(as_table(config))), "x") == config


anything = st.one_of(st.integers(), st.text(), st.floats(), st.booleans(), st.lists(st.integers()))


@given(st.dictionaries(st.sampled_from([f.name for f in dataclasses.fields(Training)]), anything))
def test_any_values_give_a_training_or_a_recipe_error(table: dict[str, Any]) -> None:
    try:
        said = str(parse(Training, table, "training"))
    except RecipeError as error:
        said = str(error)
    assert said.startswith(("Training(", "training."))
