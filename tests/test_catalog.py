"""The catalog: every kind can be built, written down, saved and loaded; nothing else can."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

import toys
from binders import KNOWN
from ribocyte import catalog
from ribocyte.catalog import DATA, NETWORKS, Predictor, parse_recipe, read_recipe
from ribocyte.cells.images import CLASSES, CellEncoding
from ribocyte.errors import ModelError, RecipeError
from ribocyte.learn import predictor
from ribocyte.learn.objectives import Classification, Regression
from ribocyte.learn.predictor import read_model
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Info, Split
from ribocyte.rna.proteins.records import describe_protein

OF_DOMAIN = {"rna": "rnacompete", "cells": "bloodmnist"}
INFO = {
    "rna": Info(
        "rnacompete", "norm_data.txt.gz", "f" * 64, "strict", ("RNCMPT00001", "RNCMPT00002"),
        {
            "length": 41, "shift": [1.0, 2.0], "mean": [0.1, 0.2], "std": [1.0, 2.0],
            "proteins": [describe_protein(protein) for protein in KNOWN[:2]],
        },
    ),
    "cells": Info("bloodmnist", "bloodmnist.npz", "f" * 64, "official", CLASSES, CellEncoding().normalisation),
}  # fmt: skip


def tables(kind: str, **model: Any) -> dict[str, Any]:
    return {"data": {"kind": OF_DOMAIN[NETWORKS[kind].domain]}, "model": {"kind": kind, **model}}


def recipe(kind: str, **model: Any) -> Recipe:
    return parse_recipe(tables(kind, **model), "test")


def compact(domain: str, rows: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if domain == "rna":
        return torch.randint(0, 6, (rows, 41), generator=generator, dtype=torch.uint8)
    return torch.randint(0, 256, (rows, 28, 28, 3), generator=generator, dtype=torch.uint8)


def saved(kind: str, path: Path) -> predictor.Predictor:
    made, info = recipe(kind), INFO[NETWORKS[kind].domain]
    card = {"version": "0.1.0", "recipe": made.as_tables(), "data": info.as_json(), "best": {"epoch": 3}}
    model = predictor.Predictor(catalog.build_network(made, info), catalog.make_encoding(made, info), card)
    model.save(path)
    return model


# Everything in it


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_is_built_with_its_defaults_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    model = saved(kind, tmp_path / "model.safetensors")
    domain = NETWORKS[kind].domain
    loaded = Predictor.load(str(tmp_path / "model.safetensors"), device="cpu")
    assert loaded.domain == domain
    assert loaded.info == INFO[domain]
    assert loaded.recipe == parse_recipe(recipe(kind).as_tables(), "model")
    assert loaded.card == model.card
    assert loaded.encoding == model.encoding
    inputs = compact(domain)
    outputs = loaded.outputs(inputs)
    assert outputs.shape == (3, len(INFO[domain].outputs))
    assert torch.equal(outputs, model.outputs(inputs))


def ensemble(kind: str, path: Path, **model: Any) -> predictor.Predictor:
    made, info = (
        parse_recipe({**tables(kind, **model), "training": {"members": 3}}, "test"),
        INFO[NETWORKS[kind].domain],
    )
    card = {"version": "0.1.0", "recipe": made.as_tables(), "data": info.as_json()}
    given = predictor.Predictor(catalog.build_network(made, info), catalog.make_encoding(made, info), card)
    given.save(path)
    return given


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_ensemble_of_every_network_is_built_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    made = ensemble(kind, tmp_path / "m.safetensors")
    loaded, inputs = Predictor.load(tmp_path / "m.safetensors", device="cpu"), compact(NETWORKS[kind].domain)
    assert torch.equal(loaded.outputs(inputs), made.outputs(inputs))
    outputs = loaded.member_outputs(inputs)
    assert outputs.shape == (3, 3, len(loaded.info.outputs))
    alone = predictor.Predictor(catalog.build_network(recipe(kind), loaded.info), loaded.encoding, {})
    torch.testing.assert_close(outputs[0], alone.outputs(inputs))  # begins as the network trained alone
    assert not torch.allclose(outputs[1], outputs[2])


@pytest.mark.parametrize("softmax", [True, False])
def test_an_ensemble_of_classifiers_averages_probabilities(softmax: bool, tmp_path: Path) -> None:
    model = ensemble("cell-cnn", tmp_path / "m.safetensors", softmax=softmax)
    inputs = compact("cells")
    members = model.member_outputs(inputs)
    expected = members if softmax else members.softmax(dim=2)
    table = model.predict(list(inputs.numpy())).select([f"p_{name}" for name in CLASSES])
    np.testing.assert_allclose(table.to_numpy(), expected.mean(dim=0).numpy(), atol=1e-5)


def test_a_model_from_before_there_were_ensembles_is_loaded(tmp_path: Path) -> None:
    model = saved("rna-cnn", tmp_path / "m.safetensors")
    del model.card["recipe"]["training"]["members"]
    model.save(tmp_path / "older.safetensors")
    loaded = Predictor.load(tmp_path / "older.safetensors", device="cpu")
    assert (loaded.recipe.training.members, loaded.trust) == (1, None)
    assert torch.equal(loaded.outputs(compact("rna")), model.outputs(compact("rna")))


def test_an_ensemble_that_lacks_a_member_is_refused(tmp_path: Path) -> None:
    model = ensemble("rna-cnn", tmp_path / "m.safetensors")
    model.card["recipe"]["training"]["members"] = 4
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match=r"m\.safetensors: does not fit"):
        Predictor.load(tmp_path / "m.safetensors")


def test_a_trust_that_is_damaged_is_refused(tmp_path: Path) -> None:
    model, random = saved("rna-cnn", tmp_path / "m.safetensors"), torch.Generator().manual_seed(0)
    rows = Split(compact("rna", 300), torch.randn(300, 2, generator=random), np.array(["p"] * 300))
    model.trust = catalog.TRUST["rna"].calibrate(model, rows)
    model.save(tmp_path / "m.safetensors")
    assert Predictor.load(tmp_path / "m.safetensors").trust is not None
    for damage in ({"level": None}, {}, [], "trust"):
        card = {**read_model(tmp_path / "m.safetensors")[0], "trust": damage}
        state = {name: tensor.clone() for name, tensor in read_model(tmp_path / "m.safetensors")[1].items()}
        text = json.dumps({"format": predictor.FORMAT, **card})
        save_file(state, tmp_path / "damaged.safetensors", metadata={"ribocyte": text})
        with pytest.raises(ModelError, match=r"damaged\.safetensors: does not fit"):
            Predictor.load(tmp_path / "damaged.safetensors")


@pytest.mark.parametrize("kind", NETWORKS)
def test_weights_depend_on_the_seed_alone(kind: str) -> None:
    info, first = INFO[NETWORKS[kind].domain], recipe(kind)
    other = parse_recipe({**tables(kind), "training": {"seed": 1}}, "test")
    state = torch.get_rng_state()
    one = catalog.build_network(first, info).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    assert toys.same_bits(catalog.build_network(first, info).state_dict(), one)
    assert not toys.same_bits(catalog.build_network(other, info).state_dict(), one)


def test_several_experiments_are_several_outputs() -> None:
    network = catalog.build_network(recipe("rna-cnn", detectors=4, hidden=4), INFO["rna"])
    assert network.eval()(torch.rand(5, 4, 41)).shape == (5, 2)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("model", NETWORKS)
def test_a_recipe_of_every_fitting_pair_can_be_written_down_and_read(
    data: str, model: str, tmp_path: Path
) -> None:
    given = {
        "data": {"kind": data, **({"folder": "x"} if data == "cell-folder" else {})},
        "model": {"kind": model},
    }
    if DATA[data].domain != NETWORKS[model].domain:
        with pytest.raises(
            RecipeError, match=rf"model\.kind = '{model}' does not take {data} data"
        ) as caught:
            parse_recipe(given, "x")
        fitting = [kind for kind, known in NETWORKS.items() if known.domain == DATA[data].domain]
        assert caught.value.expected == f"one of {', '.join(fitting)}"
        return
    made = parse_recipe(given, "some name")
    Run.create(tmp_path / "run", made.as_tables())
    assert read_recipe(tmp_path / "run" / "recipe.toml") == made
    assert isinstance(made.objective, Regression if DATA[data].domain == "rna" else Classification)


def test_data_calls_itself_what_the_catalog_calls_it(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("red", "blue"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            pixels = random.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    made = parse_recipe(
        {"data": {"kind": "cell-folder", "folder": "photos", "size": 20}, "model": {"kind": "cell-cnn"}}, "x"
    )
    splits = catalog.load_data(made, tmp_path)
    assert splits.info.kind == made.data_kind
    assert splits.info.kind in DATA
    network = catalog.build_network(made, splits.info)  # of the size of these pictures
    outputs = network(catalog.make_encoding(made, splits.info).expand(splits.train.inputs))
    assert outputs.shape == (len(splits.train), 2)


# What makes a recipe


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("softmax", [True, False])
def test_the_network_decides_whether_outputs_are_probabilities(softmax: bool, written: bool) -> None:
    given = {**tables("cell-cnn", softmax=softmax), "objective": {"probabilities": written, "smoothing": 0.1}}
    made = parse_recipe(given, "x")
    assert made.objective == Classification(smoothing=0.1, probabilities=softmax)
    encoding = catalog.make_encoding(made, INFO["cells"])
    shares = torch.tensor([[0.6, 0.4, 0, 0, 0, 0, 0, 0]])
    table = encoding.decode(shares, torch.tensor([0]))
    assert (table["p_basophil"][0] == pytest.approx(0.6)) is softmax


def test_augmentation_happens_where_the_recipe_asks_for_it() -> None:
    plain = parse_recipe(tables("cell-cnn"), "x")
    assert catalog.make_augment(plain) is None
    assert catalog.make_augment(recipe("rna-cnn")) is None
    given = tables("cell-cnn")
    augment = catalog.make_augment(
        parse_recipe({**given, "data": {**given["data"], "augment": True, "shift": 0}}, "x")
    )
    assert augment is not None
    images = CellEncoding().expand(compact("cells", 40))
    one, again, other = (augment(images, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    for image, view in zip(
        images, one, strict=True
    ):  # without moves, the pixels are the same, turned or flipped
        assert torch.equal(image.flatten(1).sort(dim=1).values, view.flatten(1).sort(dim=1).values)


@pytest.mark.parametrize(
    ("change", "problem", "mend"),
    [
        ({"trainig": {}}, "trainig: unknown table", "did you mean training?"),
        ({"model": {"kind": "rna-ccn"}}, r"model\.kind = 'rna-ccn' is unknown", "did you mean rna-cnn?"),
        ({"data": {"kind": "RNAcompet"}}, r"data\.kind = 'RNAcompet' is unknown", "did you mean rnacompete?"),
        (
            {"model": {"kind": "rna-cnn", "detector": 3}},
            r"model\.detector: unknown key",
            "did you mean model.detectors?",
        ),
        ({"model": {}}, r"model\.kind: missing", ""),
        ({"data": 5}, r"data\.kind: missing", ""),
        ({"data": {"kind": ["rnacompete"]}}, r"data\.kind: missing", ""),
        (
            {"objective": {"best": "spearmann"}},
            r"objective\.best = 'spearmann' is not",
            "did you mean spearman?",
        ),
        ({"objective": {"smoothing": 0.1}}, r"objective\.smoothing: unknown key", ""),
        ({"training": {"epochs": 0}}, r"training\.epochs = 0 is impossible", ""),
        ({"name": ["a"]}, r"name = \['a'\]", ""),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named_with_its_file(
    change: dict[str, Any], problem: str, mend: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=f"^{problem}") as caught:
        parse_recipe({**tables("rna-cnn"), **change}, "x")
    assert caught.value.mend == mend
    run = Run.create(tmp_path / "run", {**tables("rna-cnn"), **change})
    with pytest.raises(RecipeError, match=rf"recipe\.toml: {problem}") as caught:
        read_recipe(run.path / "recipe.toml")
    assert caught.value.mend == mend
    assert "\n" not in str(caught.value)


def test_a_recipe_without_its_parts_is_refused() -> None:
    for part in ("data", "model"):
        given = tables("rna-cnn")
        del given[part]
        with pytest.raises(RecipeError, match=rf"^{part}\.kind: missing; expected one of "):
            parse_recipe(given, "x")


def test_settings_come_on_top_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text('[data]\nkind = "rnacompete"\n[model]\nkind = "rna-cnn"\n')
    made = read_recipe(
        path, ["model.kind=rna-bilstm", "model.state=5", 'data.experiments=["A", "B"]', "training.epochs=2"]
    )
    assert made.name == "small"
    assert (made.model_kind, made.model.state, made.data.experiments, made.training.epochs) == (
        "rna-bilstm", 5, ("A", "B"), 2,
    )  # fmt: skip


keys = st.sampled_from(["name", "data", "model", "objective", "training", "kind", "epochs", "width", "x"])
values = st.one_of(
    st.sampled_from([*DATA, *NETWORKS]),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(string.ascii_letters),
)
nested = st.recursive(
    values, lambda inner: st.dictionaries(keys, inner) | st.lists(inner, max_size=2), max_leaves=8
)


@given(st.dictionaries(keys, nested))
def test_any_tables_give_a_recipe_or_a_recipe_error(given: dict[str, Any]) -> None:
    try:
        made = parse_recipe(given, "x")
    except RecipeError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert parse_recipe(made.as_tables(), "x") == made


# Nothing else is loaded


class Stored(torch.nn.Module):
    """Weights without a network, to write whatever file a test needs."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.weights = weights

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        return self.weights


def change_card(path: Path, **changes: Any) -> None:
    """Rewrite a model file with another card."""
    card, weights = predictor.read_model(path)
    predictor.Predictor(Stored(weights), toys.Numbers(), {**card, **changes}).save(path)


def test_a_model_of_another_version_says_which(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    saved("rna-cnn", path)
    future = {**recipe("rna-cnn").as_tables(), "model": {"kind": "rna-oracle"}}
    change_card(path, recipe=future, version="9.9")
    with pytest.raises(ModelError, match=r"does not fit this version: .*rna-oracle.*found 9\.9"):
        Predictor.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": {}},
        {"recipe": None},
        {"recipe": []},
        {"data": {}},
        {"data": None},
        {"data": {**INFO["rna"].as_json(), "outputs": ["only one"]}},
        {"data": {**INFO["rna"].as_json(), "more": 1}},
        {"data": {**INFO["rna"].as_json(), "normalisation": {"length": "x"}}},
        {"data": {**INFO["rna"].as_json(), "normalisation": None}},
    ],
)
def test_a_card_that_makes_no_sense_is_a_model_error(changes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    saved("rna-cnn", path)
    change_card(path, **changes)
    with pytest.raises(ModelError, match=r"model\.safetensors: ") as caught:
        Predictor.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["one is missing", "one is new", "one has another shape"])
def test_weights_that_do_not_fit_their_recipe_are_a_model_error(change: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    saved("rna-cnn", path)
    card, weights = predictor.read_model(path)
    name = "detect.weight"
    tensor = weights.pop(name)
    if change != "one is missing":
        weights |= {name: tensor, "new": tensor.clone()} if change == "one is new" else {name: tensor[:-1]}
    predictor.Predictor(Stored(weights), toys.Numbers(), card).save(path)
    with pytest.raises(ModelError, match=r"model\.safetensors: does not fit") as caught:
        Predictor.load(path)
    assert "\n" not in str(caught.value)
