"""Networks and data small enough to check by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from ribocyte.learn.predictor import read_model
from ribocyte.learn.recipe import Training
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Info, Split, Splits

OUTPUTS = ("sum",)


class Linear(nn.Module):
    """Affinity = sum of the chosen weights: (N, 4, L) one-hot to (N, 1)."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights.clone())

    def forward(self, rna: Tensor) -> Tensor:
        return (rna * self.weights).sum(dim=(1, 2)).unsqueeze(1)


class Dense(nn.Module):
    """y = W x + b, beginning at zero: (N, F) to (N, P)."""

    def __init__(self, features: int = 3, outputs: int = 1) -> None:
        super().__init__()
        self.layer = nn.Linear(features, outputs)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.layer(inputs)
        return out


class Deep(nn.Module):
    """All that makes resuming hard: batch normalisation, dropout, two kinds of parameters; (N, F) to (N, P)."""

    def __init__(self, features: int = 3, outputs: int = 1, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Linear(features, 8, bias=False),
                nn.BatchNorm1d(8),
                nn.ReLU(),
                nn.Dropout(0.3),
                nn.Linear(8, outputs),
            )

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.layers(inputs)
        return out


class Numbers:
    """Lists of bytes and their outputs; an `Encoding`. A byte b is the input b / 8."""

    def __init__(self, outputs: Sequence[str] = OUTPUTS) -> None:
        self.names = tuple(outputs)

    def encode(self, raw: Sequence[Any]) -> tuple[Tensor, Tensor]:
        return torch.tensor(list(raw), dtype=torch.uint8), torch.arange(len(raw))

    def expand(self, compact: Tensor) -> Tensor:
        return compact.float() / 8

    def decode(self, outputs: Tensor, owner: Tensor) -> pl.DataFrame:
        return pl.DataFrame({name: outputs[:, i].numpy() for i, name in enumerate(self.names)})


def numbers(count: int, features: int = 3, seed: int = 0) -> Tensor:
    """Draw bytes from 0 to 15, (N, F)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(16, (count, features), generator=generator, dtype=torch.uint8)


def split(inputs: Tensor, targets: Tensor, name: str = "row") -> Split:
    names = np.array([f"{name}/{row}" for row in range(len(inputs))], dtype=np.str_)
    return Split(inputs, targets, names)


def regression(rows: tuple[int, int, int] = (96, 32, 32), outputs: int = 1, seed: int = 0) -> Splits:
    """Make splits whose targets are exactly linear: output p is (p + 1) (x1 + 2 x2 − x3) − 0.5, x as in `Numbers`."""
    parts = []
    for number, count in enumerate(rows):
        inputs = numbers(count, seed=10 * seed + number)
        weights = torch.tensor([1.0, 2.0, -1.0])[:, None] * torch.arange(1.0, outputs + 1)
        parts.append(split(inputs, inputs.float() / 8 @ weights - 0.5))
    names = tuple(OUTPUTS[0] if outputs == 1 else f"y{i}" for i in range(outputs))
    return Splits(*parts, Info("toy", "toys.py", "", "exact", names, simulated=True)).stamped()


def classification(rows: tuple[int, int, int] = (96, 32, 32), seed: int = 0) -> Splits:
    """Make splits of three classes: which of the three numbers is the largest."""
    parts = []
    for number, count in enumerate(rows):
        inputs = numbers(count, seed=10 * seed + number)
        parts.append(split(inputs, inputs.long().argmax(dim=1)))
    return Splits(*parts, Info("toy", "toys.py", "", "exact", ("a", "b", "c"), simulated=True)).stamped()


def run(path: Path) -> Run:
    """Begin a run of no recipe in a new folder."""
    return Run.create(path, {"name": path.name})


def training(**settings: Any) -> Training:
    """Give training settings for a CPU in float32, with what a test asks for on top."""
    return Training(**{"epochs": 3, "batch_size": 16, "precision": "32", "device": "cpu", **settings})


TIMES = {"seconds", "examples_per_second", "peak_mb"}
"""Columns of a history that no two runs share."""


def same_bits(one: Any, other: Any) -> bool:
    """Compare nested values, tensors bit for bit, NaN equal to NaN."""
    if isinstance(one, Tensor):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and one.numpy().tobytes() == other.numpy().tobytes()
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_bits(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_bits, one, other))
    return one == other or (one != one and other != other)


def end_of(path: Path) -> dict[str, Any]:
    """Give all of a run that must not depend on when it was interrupted."""
    run = Run.open(path)
    state = run.read_checkpoint()
    assert state is not None
    state["history"] = [{k: v for k, v in row.items() if k not in TIMES} for row in state["history"]]
    del state["spent"]
    card, weights = read_model(path)
    history = run.history.drop(TIMES)
    return {"state": state, "card": card, "weights": weights, "history": history.to_dict(as_series=False)}
