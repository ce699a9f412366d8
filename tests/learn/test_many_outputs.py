"""Models of many outputs: the bootstrap draws outputs, tables stay small, and comparisons are paired."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ribocyte.learn import evaluation
from ribocyte.learn.evaluation import MANY
from ribocyte.learn.objectives import Regression
from ribocyte.learn.splits import Split

ROWS = 60


def measured(outputs: int, noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Give predictions whose error grows from the first output to the last, and what was measured, with gaps."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randn(ROWS, outputs, generator=generator)
    said = targets + noise * torch.linspace(0.2, 2, outputs) * torch.randn(ROWS, outputs, generator=generator)
    targets[torch.rand(targets.shape, generator=generator) < 0.05] = math.nan
    return said, targets


def test_intervals_of_many_outputs_are_over_outputs() -> None:
    said, targets = measured(MANY, 1.0)
    judged = evaluation.judge(Regression(), said, targets, resamples=300, seed=4)
    each = [Regression().metrics(said[:, [at]].numpy(), targets[:, [at]].numpy()) for at in range(MANY)]
    rho = np.array([one["spearman"] for one in each])
    assert judged.values["spearman"] == pytest.approx(rho.mean())
    random = np.random.default_rng(4)
    drawn = [rho[random.integers(0, MANY, MANY)].mean() for _ in range(300)]
    np.testing.assert_allclose(judged.resamples["spearman"].to_numpy(), drawn, rtol=1e-12)


def test_fewer_outputs_are_judged_over_the_rows_as_ever() -> None:
    said, targets = measured(MANY - 1, 1.0)
    judged = evaluation.judge(Regression(), said, targets, resamples=5)
    metrics = Regression().resampler(said.numpy(), targets.numpy())
    random = np.random.default_rng(0)
    counts = [np.bincount(random.integers(0, ROWS, ROWS), minlength=ROWS) for _ in range(5)]
    assert judged.resamples["mse"].to_list() == [metrics(one)["mse"] for one in counts]


def test_an_output_that_is_undefined_counts_for_nothing() -> None:
    said, targets = measured(MANY, 1.0)
    said[:, 3] = 0.0
    judged = evaluation.judge(Regression(), said, targets, resamples=50)
    defined = [at for at in range(MANY) if at != 3]
    alone = Regression().metrics(said[:, defined].numpy(), targets[:, defined].numpy())
    assert judged.values["spearman"] == pytest.approx(alone["spearman"])
    assert not judged.resamples["spearman"].is_nan().any()
    table = evaluation.output_table(judged, targets, [f"P{at}" for at in range(MANY)])
    assert table is not None
    assert table["spearman"].null_count() == 1


def test_two_models_are_compared_over_the_same_outputs() -> None:
    objective, (good, targets), (bad, _) = Regression(), measured(MANY, 0.5), measured(MANY, 2.0)
    found = evaluation.compare((objective, objective), (bad, good), targets)
    assert found["spearman"].verdict == found["mse"].verdict == "better"
    same = evaluation.compare((objective, objective), (good, good), targets)["spearman"]
    assert (same.low, same.high, same.verdict) == (0.0, 0.0, "no difference")


def test_scores_are_repeated_from_the_table_of_outputs() -> None:
    said, targets = measured(MANY, 1.0)
    said[:, 0] = 1.0
    judged = evaluation.judge(Regression(), said, targets)
    table = evaluation.output_table(judged, targets, [f"P{at}" for at in range(MANY)])
    assert table is not None
    again = evaluation.judge_outputs(table)
    assert again.values == judged.values
    assert again.resamples.equals(judged.resamples)


def test_a_single_output_has_no_table() -> None:
    said, targets = measured(1, 1.0)
    judged = evaluation.judge(Regression(), said, targets, resamples=5)
    assert evaluation.output_table(judged, targets, ["P"]) is None


@pytest.mark.parametrize("outputs", [MANY - 1, MANY])
def test_the_table_of_predictions_comes_back(outputs: int) -> None:
    said, targets = measured(outputs, 1.0)
    names = tuple(f"P{at}" for at in range(outputs))
    split = Split(torch.zeros(ROWS, 1), targets, np.array([str(at) for at in range(ROWS)]))
    table = evaluation.prediction_table(said, split, names)
    back = evaluation.from_prediction_table(table)
    tolerance = 2e-3 if outputs == MANY else 0.0
    for found, given in zip(back, (said, targets), strict=True):
        torch.testing.assert_close(found.float(), given, rtol=tolerance, atol=0, equal_nan=True)
