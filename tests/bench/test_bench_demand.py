"""What a training example asks of any machine, and a training as it is measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ribocyte.bench.training import count_demand, make_splits, measure_training
from ribocyte.learn.recipe import Training

RECIPE = """
[data]
kind = "rnacompete"
experiments = ["MADE00001"]
[model]
kind = "rna-cnn"
detectors = 8
hidden = 4
[training]
batch_size = 32
precision = "32"
device = "cpu"
"""


def test_a_step_is_three_passes_less_the_first_gradient() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4 * 4, 5))
    demand = count_demand(network, torch.zeros(2, 3, 4, 4), Training(batch_size=10, precision="bf16"))
    convolution, dense = 16 * 8 * 3 * 9, 8 * 16 * 5
    assert demand.multiply_adds == 2 * convolution + 3 * dense
    weights = 8 * 27 + 8 + 5 * 128 + 5
    assert demand.bytes == pytest.approx(28 * weights / 10)
    assert demand.precision == "bf16"


def test_an_average_of_the_weights_is_moved_too() -> None:
    network = nn.Linear(10, 10, bias=False)
    plain = count_demand(network, torch.zeros(2, 10), Training(batch_size=2))
    averaged = count_demand(network, torch.zeros(2, 10), Training(batch_size=2, average=0.9))
    assert plain.multiply_adds == averaged.multiply_adds == 2 * 100
    assert (plain.bytes, averaged.bytes) == (28 * 100 / 2, 36 * 100 / 2)


def test_made_splits_are_the_same_every_time() -> None:
    first, second = make_splits(100, 3), make_splits(100, 3)
    assert first.info.fingerprint == second.info.fingerprint
    assert first.train.inputs.shape == (100, 41)
    assert first.train.targets.shape == (100, 3)
    assert first.info.simulated


def test_a_training_tells_what_it_did(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    found = measure_training(str(recipe), made={"probes": 320, "proteins": 1}, rows=256)
    assert found["examples"] == 256
    assert found["seconds"] == pytest.approx(256 / found["examples_per_second"])
    assert found["precision"] == "32"
    products = 41 * 8 * 4 * 11, 8 * 4 + 4 * 1
    assert found["demand"]["multiply_adds"] == 2 * products[0] + 3 * products[1]
