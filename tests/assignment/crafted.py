"""Run folders that hold what a test wants them to hold, without a training."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import toys
from ribocyte import catalog
from ribocyte.cells.bloodmnist import CLASSES
from ribocyte.learn import evaluation
from ribocyte.learn.evaluation import Judged
from ribocyte.learn.objectives import Classification, Regression
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Split

CELLS, PROBES = 160, 160
COST = {
    "parameters": 390_000, "multiply_adds": 5_000_000, "seconds": 60.0, "examples_per_second": 900.0,
    "peak_mb": 800.0, "device": "cpu", "threads": 2, "precision": "32",
}  # fmt: skip


def cell_run(
    path: Path, right: float, *, constant: bool = False, softmax: bool = False, pool: bool = False,
    watched: Mapping[str, Sequence[float]] | None = None, losses: Sequence[float] = (1.0, 0.5, 0.4),
    accuracies: Sequence[float] = (0.5, 0.92, 0.95), seconds: float = 2.0, simulated: bool = False,
    cost: Mapping[str, float] | None = None, value: float | None = None,
) -> Run:  # fmt: skip
    """Write down a classifier that names this share of the cells rightly; the same cells whichever run it is."""
    tables = {
        "data": {"kind": "bloodmnist"},
        "model": {"kind": "cell-cnn", "pool": pool, "softmax": softmax},
        "training": {"epochs": len(losses), "optimizer": "adam", "learning_rate": 1e-3, "batch_size": 64},
    }
    run = Run.create(path, catalog.parse_recipe(tables, path.name).as_tables())
    _write(run, *_judge_cells(right, constant, softmax), CLASSES)
    curves = {
        "train_loss": losses,
        "val_loss": losses,
        "val_accuracy": accuracies,
        "test_accuracy": accuracies,
    }
    history = {**curves, **(watched or {})}
    best = value if value is not None else max(accuracies)
    _finish(run, history, seconds, simulated, CLASSES, "official", best, cost)
    return run


def rna_run(
    path: Path, noise: float, seed: int = 0, *, kind: str = "rna-cnn", experiment: str = "RNCMPT00001",
    constant: bool = False, simulated: bool = False, test_rows: int = PROBES, value: float | None = None,
    loss: str = "mse", **model: Any,
) -> Run:  # fmt: skip
    """Write down a network whose predictions miss the truth by this much noise, of which a part is the seed's own."""
    tables = {
        "data": {"kind": "rnacompete", "experiments": [experiment], "protocol": "assignment"},
        "model": {"kind": kind, **model},
        "objective": {"loss": loss},
        "training": {"seed": seed, "epochs": 3},
    }
    run = Run.create(path, catalog.parse_recipe(tables, path.name).as_tables())
    _write(run, *_judge_probes(noise, seed, constant), (experiment,))
    history = {"train_loss": (0.9, 0.5, 0.4), "val_loss": (0.9, 0.6, 0.7), "val_spearman": (0.4, 0.5, 0.55)}
    best = value if value is not None else 1 - noise / 10
    _finish(run, history, 3.0, simulated, (experiment,), "assignment", best, None, seed, test_rows)
    return run


def svg(path: Path, width: float = 238) -> Path:
    """Write down a figure with nothing in it."""
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 100"><path d="M0 0"/></svg>\n'
    )
    return path


@functools.cache
def _judge_cells(right: float, constant: bool, softmax: bool) -> tuple[torch.Tensor, Split, Judged]:
    truth = torch.arange(CELLS) % len(CLASSES)
    hit = torch.from_numpy(np.random.RandomState(5).permutation(CELLS)) < right * CELLS
    answers = torch.zeros_like(truth) if constant else torch.where(hit, truth, (truth + 1) % len(CLASSES))
    outputs = torch.nn.functional.one_hot(answers, len(CLASSES)).float()
    split = toys.split(toys.numbers(CELLS), truth)
    return outputs, split, evaluation.judge(Classification(probabilities=softmax), outputs, truth)


@functools.cache
def _judge_probes(noise: float, seed: int, constant: bool) -> tuple[torch.Tensor, Split, Judged]:
    draw = torch.Generator().manual_seed(99)
    truth, miss = (torch.randn(PROBES, 1, generator=draw) for _ in range(2))
    own = 0.02 * torch.randn(PROBES, 1, generator=torch.Generator().manual_seed(seed + 1))
    outputs = torch.zeros_like(truth) if constant else truth + noise * miss + own
    split = toys.split(toys.numbers(PROBES), truth)
    return outputs, split, evaluation.judge(Regression(), outputs, truth)


def _write(run: Run, outputs: torch.Tensor, split: Split, judged: Judged, columns: tuple[str, ...]) -> None:
    run.write_predictions(evaluation.prediction_table(outputs, split, columns))
    run.write_resamples(judged.resamples)
    run.write_scores({"test": evaluation.as_json(evaluation.score(judged))})


def _finish(
    run: Run, history: Mapping[str, Sequence[float]], seconds: float, simulated: bool, outputs: tuple[str, ...],
    protocol: str, best: float, cost: Mapping[str, float] | None, seed: int = 0, test_rows: int = CELLS,
) -> None:  # fmt: skip
    epochs = len(history["val_loss"])
    columns = {"epoch": range(1, epochs + 1), **history, "seconds": [seconds] * epochs}
    run.write_history([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
    run.write_scores(
        run.scores
        | {
            "simulated": simulated, "protocol": protocol, "outputs": list(outputs), "epochs": epochs, "seed": seed,
            "rows": {"train": 1000, "val": 100, "test": test_rows},
            "best": {"epoch": epochs, "metric": "any", "value": None if math.isnan(best) else best},
            "cost": {**COST, **(cost or {})},
        }
    )  # fmt: skip
