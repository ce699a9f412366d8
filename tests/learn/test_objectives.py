"""Losses against sums made by hand, metrics against scipy and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score
from torch import Tensor, nn

from ribocyte.learn.objectives import Classification, Regression, better

NAN = math.nan
LOSSES = ["mse", "huber", "log-cosh"]


def draw(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


# Regression


def test_losses_of_three_values_are_those_made_by_hand() -> None:
    outputs, targets = torch.tensor([[1.0], [5.0], [0.5]]), torch.tensor([[3.0], [NAN], [0.25]])
    by_hand = {
        "mse": 4 + 0.0625,
        "huber": (2 - 0.5) + 0.0625 / 2,
        "log-cosh": math.log(math.cosh(2)) + math.log(math.cosh(0.25)),
    }
    for loss, expected in by_hand.items():
        objective = Regression(loss=loss)  # type: ignore[arg-type]
        assert float(objective.total_loss(outputs, targets)) == pytest.approx(expected, rel=1e-6)
        assert float(objective.count(targets)) == 2


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_torchs_over_the_values_present(loss: str) -> None:
    outputs, targets = 3 * draw(50, 4), 3 * draw(50, 4, seed=1)
    hidden = draw(50, 4, seed=2) > 0.5
    present = ~hidden
    expected = {
        "mse": nn.functional.mse_loss(outputs[present], targets[present], reduction="sum"),
        "huber": nn.functional.huber_loss(outputs[present], targets[present], reduction="sum"),
        "log-cosh": (outputs[present] - targets[present]).double().cosh().log().sum().float(),
    }[loss]
    total = Regression(loss=loss).total_loss(outputs, targets.masked_fill(hidden, NAN))  # type: ignore[arg-type]
    torch.testing.assert_close(total, expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_missing_values_pull_at_nothing(loss: str) -> None:
    outputs, targets = draw(6, 3).requires_grad_(), draw(6, 3, seed=1)
    targets[2] = NAN
    targets[4, 1] = NAN
    Regression(loss=loss).total_loss(outputs, targets).backward()  # type: ignore[arg-type]
    assert outputs.grad is not None
    assert torch.equal(outputs.grad == 0, targets.isnan())
    assert outputs.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_finite_differences(loss: str) -> None:
    objective = Regression(loss=loss)  # type: ignore[arg-type]
    outputs, targets = (2 * draw(5, 2)).double().requires_grad_(), (2 * draw(5, 2, seed=1)).double()
    assert torch.autograd.gradcheck(lambda given: objective.total_loss(given, targets), (outputs,))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_any_value_costs_nothing(loss: str) -> None:
    objective = Regression(loss=loss)  # type: ignore[arg-type]
    nothing = torch.full((4, 2), NAN)
    assert float(objective.total_loss(draw(4, 2), nothing)) == 0
    assert float(objective.count(nothing)) == 0


@pytest.mark.parametrize("loss", ["huber", "log-cosh"])
def test_large_errors_neither_overflow_nor_dominate(loss: str) -> None:
    outputs = torch.tensor([[1e6]], requires_grad=True)
    total = Regression(loss=loss).total_loss(outputs, torch.zeros(1, 1))  # type: ignore[arg-type]
    total.backward()
    assert total.isfinite()
    assert outputs.grad is not None
    assert float(outputs.grad) == pytest.approx(1.0)


small = st.integers(-3, 3).map(float)


@given(
    arrays.arrays(np.float32, (9, 2), elements=small),
    arrays.arrays(np.float32, (9, 2), elements=small | st.just(NAN)),
)
def test_regression_metrics_are_scipys_on_the_measured_rows(outputs: np.ndarray, targets: np.ndarray) -> None:
    found = Regression().metrics_per_output(outputs, targets)
    for column in range(2):
        here = ~np.isnan(targets[:, column])
        p, m = outputs[here, column].astype(float), targets[here, column].astype(float)
        varied = len(set(p)) > 1 and len(set(m)) > 1
        assert found["spearman"][column] == pytest.approx(
            spearmanr(p, m).statistic if varied else NAN, nan_ok=True
        )
        assert found["pearson"][column] == pytest.approx(
            pearsonr(p, m).statistic if varied else NAN, nan_ok=True
        )
        expected = sum((a - b) ** 2 for a, b in zip(p, m, strict=True)) / len(p) if len(p) else NAN
        assert found["mse"][column] == pytest.approx(expected, nan_ok=True)


def test_several_experiments_count_the_same_however_many_spots_failed() -> None:
    outputs, targets = draw(40, 3).numpy(), draw(40, 3, seed=1).numpy()
    targets[5:, 1] = NAN
    each = Regression().metrics_per_output(outputs, targets)
    for name, value in Regression().metrics(outputs, targets).items():
        assert value == pytest.approx(sum(each[name]) / 3)


def test_an_experiment_without_measurements_does_not_spoil_the_mean() -> None:
    outputs, targets = draw(40, 2).numpy(), draw(40, 2, seed=1).numpy()
    targets[:, 1] = NAN
    assert Regression().metrics(outputs, targets) == Regression().metrics(outputs[:, :1], targets[:, :1])


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e-3, 1e30])
def test_a_constant_prediction_has_no_correlation(constant: float) -> None:
    outputs, targets = np.full((30, 1), constant, dtype=np.float32), draw(30, 1).numpy()
    found = Regression().metrics(outputs, targets)
    assert math.isnan(found["spearman"])
    assert math.isnan(found["pearson"])
    assert found["mse"] > 0


# Classification


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_the_one_made_by_hand(smoothing: float) -> None:
    outputs, targets = draw(20, 5), torch.arange(20) % 5
    objective = Classification(smoothing=smoothing)
    wanted = np.eye(5)[targets.numpy()] * (1 - smoothing) + smoothing / 5
    shares = np.exp(outputs.numpy()) / np.exp(outputs.numpy()).sum(axis=1, keepdims=True)
    assert float(objective.total_loss(outputs, targets)) == pytest.approx(
        -(wanted * np.log(shares)).sum(), rel=1e-5
    )
    if not smoothing:
        mean = float(objective.total_loss(outputs, targets) / objective.count(targets))
        assert mean == pytest.approx(log_loss(targets.numpy(), shares), rel=1e-5)


@given(st.integers(0, 500), st.integers(2, 5))
def test_classification_metrics_are_scikit_learns(seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    targets = np.append(np.arange(classes), random.integers(0, classes, 25))
    logits = random.normal(size=(len(targets), classes)).astype(np.float32)
    shares = np.exp(logits.astype(np.float64))
    shares /= shares.sum(axis=1, keepdims=True)
    found = Classification().metrics(logits, targets)
    assert found["accuracy"] == accuracy_score(targets, logits.argmax(1))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(targets, logits.argmax(1)))
    if classes > 2:
        auc = roc_auc_score(targets, shares, multi_class="ovr", average="macro")
        assert found["macro_auc"] == pytest.approx(auc)
    else:
        assert found["macro_auc"] == pytest.approx(roc_auc_score(targets, shares[:, 1]))


def test_probabilities_are_not_put_through_a_softmax_again() -> None:
    random = np.random.default_rng(3)
    targets = np.arange(30) % 3
    shares = random.dirichlet(np.ones(3), 30).astype(np.float64)
    found = Classification(probabilities=True).metrics(shares, targets)
    assert found["macro_auc"] == pytest.approx(
        roc_auc_score(targets, shares, multi_class="ovr", average="macro")
    )


def test_the_assignments_experiment_takes_cross_entropy_of_probabilities() -> None:
    shares, targets = draw(6, 3).softmax(dim=1), torch.arange(6) % 3
    loss = Classification(probabilities=True).total_loss(shares, targets)
    torch.testing.assert_close(loss, nn.functional.cross_entropy(shares, targets, reduction="sum"))


def test_an_absent_class_counts_for_nothing() -> None:
    targets = np.array([0, 0, 1, 1, 1, 0])  # class 2 is known to the network, but not among the cells
    logits = np.array([[2, 1, 0], [0, 1, 2], [0, 3, 1], [1, 2, 0], [2, 1, 0], [1, 0, 0]], dtype=np.float32)
    found = Classification().metrics(logits, targets)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    auc = [roc_auc_score(targets == c, shares[:, c]) for c in (0, 1)]
    assert found["macro_auc"] == pytest.approx(np.mean(auc))


def test_a_single_class_has_no_auc() -> None:
    found = Classification().metrics(draw(5, 3).numpy(), np.ones(5, dtype=np.int64))
    assert math.isnan(found["macro_auc"])
    assert found["accuracy"] == found["balanced_accuracy"]


# What is watched


def gradient_by_autograd(logits: Tensor, targets: Tensor, objective: Classification) -> Tensor:
    logits = logits.clone().requires_grad_()
    outputs = logits.softmax(dim=1) if objective.probabilities else logits
    objective.total_loss(outputs, targets).backward()
    assert logits.grad is not None
    return logits.grad


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@given(st.integers(0, 1000), st.sampled_from([0.01, 1.0, 8.0, 25.0]))
def test_the_gradient_at_the_logits_is_autograds(
    probabilities: bool, smoothing: float, seed: int, scale: float
) -> None:
    objective = Classification(smoothing=smoothing, probabilities=probabilities)
    logits, targets = scale * draw(12, 5, seed).double(), torch.arange(12) % 5
    outputs = logits.softmax(dim=1) if probabilities else logits
    expected = gradient_by_autograd(logits, targets, objective)
    torch.testing.assert_close(objective.logit_gradient(outputs, targets), expected, rtol=1e-9, atol=1e-14)
    found, lengths = objective.watch(outputs, targets), expected.norm(dim=1)
    wrong = lengths[logits.argmax(1) != targets]
    assert found["logit_gradient"] == pytest.approx(float(lengths.mean()), rel=1e-9, abs=1e-14)
    assert found["wrong_gradient"] == pytest.approx(float(wrong.mean()), rel=1e-9, abs=1e-14, nan_ok=True)
    assert found["saturation"] == pytest.approx(float(logits.softmax(1).amax(1).mean()))


def test_a_saturated_softmax_is_seen_to_pull_at_nothing_even_where_it_is_wrong() -> None:
    logits, targets = 40 * torch.eye(3)[torch.zeros(6, dtype=torch.long)], torch.arange(6) % 3
    frozen = Classification(probabilities=True).watch(logits.softmax(1), targets)  # in float32, as trained
    assert 0 < frozen["wrong_gradient"] < 1e-15
    assert frozen["saturation"] == pytest.approx(1)
    assert frozen["commonest"] == 1
    moving = Classification().watch(logits, targets)
    assert moving["wrong_gradient"] == pytest.approx(math.sqrt(2))  # the same answers still pull with logits


def test_the_commonest_answer_is_counted_and_no_mistake_is_no_number() -> None:
    outputs = torch.eye(4)[[0, 0, 0, 1, 2]]
    found = Classification().watch(outputs, torch.tensor([0, 0, 0, 1, 2]))
    assert found["commonest"] == pytest.approx(3 / 5)
    assert math.isnan(found["wrong_gradient"])


def test_the_spread_tells_a_constant_prediction() -> None:
    targets = draw(30, 2)
    assert Regression().watch(torch.full((30, 2), 0.3), targets)["spread"] == pytest.approx(0, abs=1e-6)
    targets[:5, 1] = NAN
    outputs = torch.stack([3 * targets[:, 0], targets[:, 1].nan_to_num(9.0) * 0.5], dim=1)
    assert Regression().watch(outputs, targets)["spread"] == pytest.approx((3 + 0.5) / 2, rel=1e-6)
    assert math.isnan(Regression().watch(outputs, torch.ones(30, 2))["spread"])
    assert math.isnan(Regression().watch(outputs, torch.full((30, 2), NAN))["spread"])


# What decides "best"


def test_higher_is_better_but_for_errors() -> None:
    assert better("spearman", 0.5, 0.4)
    assert not better("spearman", 0.4, 0.4)
    assert better("mse", 0.4, 0.5)
    assert not better("mse", 0.5, 0.4)
    assert better("loss", 0.4, 0.5)


@pytest.mark.parametrize("metric", ["spearman", "mse", "loss", "accuracy"])
def test_what_is_undefined_never_wins_and_always_loses(metric: str) -> None:
    assert not better(metric, NAN, 0.1)
    assert not better(metric, NAN, None)
    assert better(metric, 0.1, None)
    assert better(metric, 0.1, NAN)
