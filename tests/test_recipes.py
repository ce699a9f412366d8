"""The recipes that come with the package say what they are meant to say, and work."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import pytest
import torch

from ribocyte import catalog
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.space import get_settings, parse_tuning
from ribocyte.learn.splits import Splits

RECIPES = sorted((Path(__file__).parent.parent / "recipes").rglob("*.toml"))
every_recipe = pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")


def read(name: str) -> Recipe:
    return catalog.read_recipe(next(path for path in RECIPES if str(path).endswith(f"{name}.toml")))


def test_there_are_recipes_for_both_questions() -> None:
    names = {f"{path.parent.name}/{path.stem}" for path in RECIPES}
    four = {f"cells/{pool}-{end}" for pool in ("pooled", "unpooled") for end in ("logits", "softmax")}
    assert names >= four | {"cells/residual", "rna/cnn", "rna/bilstm", "rna/residual"}


@every_recipe
def test_every_recipe_is_understood(path: Path) -> None:
    recipe = catalog.read_recipe(path)
    assert recipe.name == path.stem
    assert catalog.DATA[recipe.data_kind].domain == path.parent.name
    written = tomllib.loads(path.read_text())
    complete = recipe.as_tables()
    tuning = written.pop("tuning", None)
    assert recipe.tuning == (tuning and parse_tuning(tuning))
    for part, table in written.items():
        for key, value in table.items():
            assert complete[part][key] == value


@every_recipe
def test_what_a_recipe_trains_is_where_its_search_begins(path: Path) -> None:
    recipe = catalog.read_recipe(path)
    if recipe.tuning:
        own = get_settings(recipe.as_tables(), recipe.tuning.space)
        assert all(recipe.tuning.space[key].holds(value) for key, value in own.items())
        assert recipe.tuning.startup < recipe.tuning.trials
        assert recipe.tuning.warmup < recipe.training.epochs


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("softmax", [True, False])
def test_the_assignments_recipes_are_as_it_demands(pool: bool, softmax: bool) -> None:
    recipe = read(f"cells/{'pooled' if pool else 'unpooled'}-{'softmax' if softmax else 'logits'}")
    assert (recipe.model.pool, recipe.model.softmax) == (pool, softmax)
    training = recipe.training
    assert (training.optimizer, training.learning_rate, training.batch_size) == ("adam", 1e-3, 64)
    assert (training.epochs, training.schedule, training.weight_decay) == (200, "constant", 0.0)
    assert training.score_test_each_epoch
    assert training.patience == 0
    assert not recipe.data.augment
    assert recipe.objective.best == "accuracy"
    assert recipe.objective.smoothing == 0


@cache
def load(kind: str, data: object, root: Path) -> Splits:
    return catalog.DATA[kind].load(data, root)


@pytest.mark.real_data
@every_recipe
def test_every_recipe_takes_a_step_on_real_data(path: Path, data_root: Path) -> None:
    recipe = catalog.read_recipe(path)
    splits = load(recipe.data_kind, recipe.data, data_root)
    network = catalog.build_network(recipe, splits.info)
    encoding = catalog.make_encoding(recipe, splits.info)
    inputs, targets = encoding.expand(splits.train.inputs[:8]), splits.train.targets[:8]
    augment = catalog.make_augment(recipe)
    inputs = augment(inputs, torch.Generator().manual_seed(0)) if augment else inputs
    recipe.objective.total_loss(network(inputs), targets).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert not splits.info.simulated
