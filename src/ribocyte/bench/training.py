"""A training as this package does it, in a fresh process: how fast it goes and what it asks of any machine."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ribocyte import catalog
from ribocyte.bench.ratios import Demand
from ribocyte.learn import measure
from ribocyte.learn.hardware import settle_precision
from ribocyte.learn.recipe import Recipe, Training
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Info, Split, Splits
from ribocyte.learn.training import fit
from ribocyte.rna.alphabet import LETTERS

JUDGED = 64
"""Rows of validation and test that are kept: what is measured is training."""
MOMENTS = 7
"""Numbers a weight moves in a step of Adam: weight, gradient and two moments read, weight and moments written."""


def measure_training(
    recipe: str,
    settings: Sequence[str] = (),
    rows: int = 0,
    data: str | None = None,
    made: Mapping[str, int] | None = None,
    epochs: int = 2,
) -> dict[str, Any]:
    """Train some epochs with a recipe, as ``ribocyte train`` would, and tell how fast the last one was.

    Parameters
    ----------
    recipe, settings
        As for ``ribocyte train``.
    rows : int
        So many training rows; 0 is all.
    data : str, optional
        A data folder, or a table; else the usual search.
    made : mapping, optional
        ``probes`` and ``proteins`` of random numbers to train on instead: time does not depend on their values.
    epochs : int
        How many. The first warms up whatever has to.

    Returns
    -------
    dict
        ``examples`` an epoch, ``outputs``, ``seconds`` and ``examples_per_second`` of the last epoch's steps,
        ``precision`` and ``device`` they ran in, ``simulated``, and ``demand`` of an example.
    """
    read, splits, training = _prepare(recipe, settings, rows, data, made, epochs)
    network = catalog.build_network(read, splits.info)
    encoding, objective = catalog.make_encoding(read, splits.info), read.objective
    training = settle_precision(training, network, splits, encoding=encoding, objective=objective)
    row = train_once(read, splits, training)
    examples = encoding.expand(splits.train.inputs[: min(8, len(splits.train))])
    return {
        "simulated": splits.info.simulated,
        "examples": len(splits.train),
        "outputs": len(splits.info.outputs),
        "seconds": len(splits.train) / row["examples_per_second"],
        "examples_per_second": row["examples_per_second"],
        "precision": training.precision,
        "device": "cuda" if torch.cuda.is_available() and training.device != "cpu" else "cpu",
        "demand": asdict(count_demand(network, examples, training)),
    }


def measure_kernels(
    recipe: str,
    settings: Sequence[str] = (),
    rows: int = 0,
    data: str | None = None,
    made: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Train an epoch under the profiler, and tell how long the GPU's kernels ran.

    Parameters are those of `measure_training`.

    Returns
    -------
    dict
        ``kernel_seconds`` an example. Beside the seconds of an example without the profiler it says what share of
        the time the GPU was at work.
    """
    read, splits, training = _prepare(recipe, settings, rows, data, made, 1)
    network, encoding = catalog.build_network(read, splits.info), catalog.make_encoding(read, splits.info)
    training = settle_precision(training, network, splits, encoding=encoding, objective=read.objective)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        train_once(read, splits, training)
    microseconds = sum(event.self_device_time_total for event in seen.key_averages())
    return {"kernel_seconds": microseconds / 1e6 / len(splits.train)}


def count_demand(network: nn.Module, inputs: Tensor, training: Training) -> Demand:
    """Count what a training example asks of any machine; see `Demand`.

    Parameters
    ----------
    network : nn.Module
        What is trained.
    inputs : Tensor, shape (N, ...)
        A few of the examples, as the network takes them.
    training : Training
        Its batches share the traffic of the optimiser.
    """
    products = 3 * measure.multiply_adds(network, inputs) - _unneeded_gradients(network, inputs)
    numbers = MOMENTS + (2 if training.average else 0)  # the average is read and written too
    traffic = 4 * numbers * measure.parameters(network) / training.batch_size
    return Demand(products, traffic, training.precision)


@torch.enable_grad()
def _unneeded_gradients(network: nn.Module, inputs: Tensor) -> float:
    """Count the multiply-adds of gradients that nobody asks for: of what the first layers are given."""
    counts: list[float] = []

    def count(layer: nn.Module, given: tuple[Tensor, ...], outputs: Tensor) -> None:
        if not given[0].requires_grad:
            weight = layer.weight
            assert isinstance(weight, Tensor)
            counts.append(outputs.numel() / len(weight) * weight.numel() / len(inputs))

    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, kinds)]
    was_training = network.training
    network.eval()
    try:
        network(inputs)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return sum(counts)


def make_splits(probes: int, proteins: int, length: int = 41, seed: int = 0) -> Splits:
    """Make splits of random probes and random intensities."""
    random = np.random.default_rng(seed)

    def draw(rows: int) -> Split:
        tokens = torch.from_numpy(random.integers(0, len(LETTERS), (rows, length), dtype=np.uint8))
        targets = torch.from_numpy(random.standard_normal((rows, proteins), dtype=np.float32))
        return Split(tokens, targets, np.char.mod("%d", np.arange(rows)))

    names = tuple(f"MADE{number:05d}" for number in range(1, proteins + 1))
    scales = {"shift": [0.0] * proteins, "mean": [0.0] * proteins, "std": [1.0] * proteins}
    normalisation = {"alphabet": LETTERS, "length": length, **scales}
    info = Info("rnacompete", "made", "", "strict", names, normalisation, simulated=True)
    return Splits(draw(probes), draw(JUDGED), draw(JUDGED), info).stamped()


def _prepare(
    recipe: str,
    settings: Sequence[str],
    rows: int,
    data: str | None,
    made: Mapping[str, int] | None,
    epochs: int,
) -> tuple[Recipe, Splits, Training]:
    read = catalog.read_recipe(Path(recipe), settings)
    splits = make_splits(**made) if made else catalog.load_data(read, Path(data) if data else None)
    train = splits.train[:rows] if rows else splits.train
    splits = Splits(train, splits.val[:JUDGED], splits.test[:JUDGED], splits.info)
    return read, splits, replace(read.training, epochs=epochs, score_test_each_epoch=False)


def train_once(read: Recipe, splits: Splits, training: Training) -> dict[str, float]:
    """Train in a folder that is gone afterwards; give the last row of the history.

    Parameters
    ----------
    read : Recipe
        Network, encoding and objective.
    splits : Splits
        What is trained on, and judged.
    training : Training
        How.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", read.as_tables())
        fit(
            catalog.build_network(read, splits.info),
            splits,
            encoding=catalog.make_encoding(read, splits.info),
            objective=read.objective,
            training=training,
            run=run,
            card={},
            augment=catalog.make_augment(read),
        )
        row: dict[str, float] = run.history.row(-1, named=True)
        return row
