"""What a network is trained for: a loss, the metrics that judge it, and which of them decides "best"."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from ribocyte.learn.ranks import RankedColumn, weighted_correlation
from ribocyte.learn.recipe import check

Array = NDArray[Any]
LOWER_IS_BETTER = frozenset({"mse", "loss"})
Resampler = Callable[[NDArray[np.int64]], dict[str, float]]
"""The metrics of a resample, given how often each row was drawn."""


class Objective(Protocol):
    """What `fit` and `evaluate` ask of an objective."""

    @property
    def best(self) -> str:
        """Name of the metric that decides which epoch is kept."""
        ...

    def total_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum the loss over all measurements present: a float32 scalar on the same device."""
        ...

    def count(self, targets: Tensor) -> Tensor:
        """Count the measurements present: a float32 scalar on the same device."""
        ...

    def metrics(self, outputs: Array, targets: Array) -> dict[str, float]:
        """Judge outputs (N, P) against targets; NaN where a metric is undefined."""
        ...

    def resampler(self, outputs: Array, targets: Array) -> Resampler:
        """Prepare the metrics of resampled rows, for the bootstrap."""
        ...

    def watch(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Tell how well the network is, which is no score and decides nothing; NaN where undefined."""
        ...


@dataclass(frozen=True)
class Regression:
    """Predict measured values; missing ones (NaN) count for nothing.

    Parameters
    ----------
    loss : {"mse", "huber", "log-cosh"}
        Squared error, Huber's with threshold 1, or log(cosh(error)); each averaged over the values present.
    best : {"spearman", "pearson", "mse"}
        The deciding metric, averaged over the output columns. Spearman by default: the rank of an intensity
        is more trustworthy than its value.
    """

    loss: Literal["mse", "huber", "log-cosh"] = "mse"
    best: Literal["spearman", "pearson", "mse"] = "spearman"

    def total_loss(
        self, outputs: Float[Tensor, "batch outputs"], targets: Float[Tensor, "batch outputs"]
    ) -> Tensor:
        """Sum the loss over the values present."""
        error = torch.where(targets.isnan(), 0.0, outputs - targets)
        if self.loss == "mse":
            each = error.square()
        elif self.loss == "huber":
            size = error.abs()
            each = size.clamp(max=1) * (size - 0.5 * size.clamp(max=1))
        else:
            size = error.abs()
            each = size + nn.functional.softplus(-2 * size) - math.log(2)
        return each.sum()

    def count(self, targets: Float[Tensor, "batch outputs"]) -> Tensor:
        """Count the values present."""
        return (~targets.isnan()).sum().float()

    def metrics(self, outputs: Array, targets: Array) -> dict[str, float]:
        """Give Spearman's rho (average ranks on ties), Pearson's r and the mean squared error.

        Each is computed per column over its measured rows and averaged over the columns where it is defined.
        """
        return average_outputs(self.metrics_per_output(outputs, targets))

    def metrics_per_output(self, outputs: Array, targets: Array) -> dict[str, list[float]]:
        """Give the same metrics for every output column."""
        from scipy.stats import ConstantInputWarning, pearsonr, spearmanr

        found: dict[str, list[float]] = {"spearman": [], "pearson": [], "mse": []}
        for predicted, measured in zip(outputs.T, targets.T, strict=True):
            here = ~np.isnan(measured)
            p, m = predicted[here].astype(np.float64), measured[here].astype(np.float64)
            found["mse"].append(float(np.mean((p - m) ** 2)) if len(p) else math.nan)
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", ConstantInputWarning
                )  # a constant prediction has no rank: NaN
                found["spearman"].append(float(spearmanr(p, m).statistic) if len(p) > 1 else math.nan)
                found["pearson"].append(float(pearsonr(p, m).statistic) if len(p) > 1 else math.nan)
        return found

    def resampler(self, outputs: Array, targets: Array) -> Resampler:
        """Sort every column once, so that a resample costs a few passes instead of a sort."""
        columns = []
        for predicted, measured in zip(outputs.T, targets.T, strict=True):
            here = np.flatnonzero(~np.isnan(measured))
            p, m = predicted[here].astype(np.float64), measured[here].astype(np.float64)
            columns.append((here, p, m, RankedColumn(p), RankedColumn(m)))

        def judge(counts: NDArray[np.int64]) -> dict[str, float]:
            rho, r, mse = [], [], []
            for here, p, m, p_order, m_order in columns:
                weights = counts[here].astype(np.float64)
                rho.append(weighted_correlation(p_order.ranks(weights), m_order.ranks(weights), weights))
                r.append(weighted_correlation(p, m, weights))
                mse.append(float(np.average((p - m) ** 2, weights=weights)) if weights.any() else math.nan)
            return {"spearman": _mean_defined(rho), "pearson": _mean_defined(r), "mse": _mean_defined(mse)}

        return judge

    def watch(
        self, outputs: Float[Tensor, "batch outputs"], targets: Float[Tensor, "batch outputs"]
    ) -> dict[str, float]:
        """Tell whether the predictions vary at all.

        Returns
        -------
        dict
            ``spread``: standard deviation of the outputs over that of the targets, on the rows measured,
            averaged over the columns. 0 is a constant prediction; a perfect one has 1.
        """
        ratios = []
        for predicted, measured in zip(outputs.double().T, targets.double().T, strict=True):
            here = ~measured.isnan()
            if int(here.sum()) < 2:
                continue
            varied = float(measured[here].std())
            ratios.append(float(predicted[here].std()) / varied if varied else math.nan)
        return {"spread": _mean_defined(ratios)}


@dataclass(frozen=True)
class Classification:
    """Name the class of each input.

    Parameters
    ----------
    smoothing : float
        Share of each target spread evenly over all classes (Szegedy et al. 2016).
    best : {"accuracy", "balanced_accuracy", "macro_auc", "loss"}
        The deciding metric.
    probabilities : bool
        True where the network's outputs are probabilities already (it ends in a softmax). The loss then still
        is PyTorch's cross-entropy of them *as if* they were logits: that is the assignment's experiment.
    """

    smoothing: float = 0.0
    best: Literal["accuracy", "balanced_accuracy", "macro_auc", "loss"] = "accuracy"
    probabilities: bool = False

    def __post_init__(self) -> None:
        check(0 <= self.smoothing < 1, "objective.smoothing", self.smoothing, "from 0 to below 1")

    def total_loss(self, outputs: Float[Tensor, "batch classes"], targets: Int[Tensor, " batch"]) -> Tensor:
        """Sum the cross-entropy over the batch."""
        return nn.functional.cross_entropy(outputs, targets, label_smoothing=self.smoothing, reduction="sum")

    def count(self, targets: Int[Tensor, " batch"]) -> Tensor:
        """Count the inputs."""
        return targets.new_tensor(targets.shape[0]).float()

    def metrics(self, outputs: Array, targets: Array) -> dict[str, float]:
        """Give accuracy, accuracy averaged over the classes present, and one-against-rest AUC averaged over them."""
        from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

        chosen, probability = outputs.argmax(1), self._probability(outputs)
        present = np.unique(targets)
        auc = [
            roc_auc_score(targets == c, probability[:, c]) if len(present) > 1 else math.nan
            for c in present.tolist()
        ]
        return {
            "accuracy": float(accuracy_score(targets, chosen)),
            "balanced_accuracy": float(
                recall_score(targets, chosen, labels=present, average="macro", zero_division=0.0)
            ),
            "macro_auc": float(np.mean(auc)),
        }

    def resampler(self, outputs: Array, targets: Array) -> Resampler:
        """Sort each class's probability once, so that a resample costs a few passes instead of a sort."""
        hit, probability = outputs.argmax(1) == targets, self._probability(outputs)
        orders = [RankedColumn(column) for column in probability.T]
        classes = outputs.shape[1]

        def judge(counts: NDArray[np.int64]) -> dict[str, float]:
            weights = counts.astype(np.float64)
            size = np.bincount(targets, weights, minlength=classes)
            right = np.bincount(targets, weights * hit, minlength=classes)
            seen = size > 0
            auc = [
                order.area_under_roc(targets == c, weights)
                for c, order in enumerate(orders)
                if seen[c] and size[c] < weights.sum()
            ]
            return {
                "accuracy": float(right.sum() / weights.sum()),
                "balanced_accuracy": float(np.mean(right[seen] / size[seen])),
                "macro_auc": float(np.mean(auc)) if auc else math.nan,
            }

        return judge

    def watch(
        self, outputs: Float[Tensor, "batch classes"], targets: Int[Tensor, " batch"]
    ) -> dict[str, float]:
        """Tell whether the loss still moves the network, and whether it has more than one answer.

        Returns
        -------
        dict
            ``logit_gradient``: length (L2) of the gradient of a cell's loss at the logits, averaged over the
            cells. ``wrong_gradient``: over the misclassified cells alone, NaN where there are none.
            ``saturation``: the largest probability, averaged over the cells. ``commonest``: share of the
            most frequent answer; 1 is a network that has collapsed to one class.
        """
        answers = outputs.argmax(dim=1)
        lengths = self.logit_gradient(outputs, targets).norm(dim=1)
        values = outputs.double()
        largest = (values if self.probabilities else values.softmax(dim=1)).amax(dim=1)
        return {
            "logit_gradient": float(lengths.mean()),
            "wrong_gradient": float(lengths[answers != targets].mean()),  # of nothing: NaN
            "saturation": float(largest.mean()),
            "commonest": float(answers.bincount().max() / len(answers)),
        }

    def logit_gradient(
        self, outputs: Float[Tensor, "batch classes"], targets: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch classes"]:
        """Give the gradient of each input's loss at the logits, in closed form and in float64.

        Of logits z with the wanted shares t it is softmax(z) − t. Where the network ends in a softmax,
        the outputs p take the place of the logits in the loss, and the gradient g = softmax(p) − t goes back
        through that softmax: (diag(p) − p pᵀ) g, which vanishes as p nears a corner, right or wrong.
        """
        values = outputs.double()
        wanted = nn.functional.one_hot(targets.long(), values.shape[1]).double()
        wanted = wanted * (1 - self.smoothing) + self.smoothing / values.shape[1]
        gradient = values.softmax(dim=1) - wanted
        if not self.probabilities:
            return gradient
        shares = values / values.sum(dim=1, keepdim=True)  # float32 shares miss a sum of 1 by 1e-7, and we
        return shares * (gradient - (shares * gradient).sum(dim=1, keepdim=True))  # look at less than that

    def _probability(self, outputs: Array) -> NDArray[np.float64]:
        from scipy.special import softmax

        values = outputs.astype(np.float64)
        return values if self.probabilities else softmax(values, axis=1)


def better(metric: str, new: float, old: float | None) -> bool:
    """Say whether a metric improved; NaN never does, and anything else beats nothing and NaN."""
    if math.isnan(new):
        return False
    return old is None or math.isnan(old) or (new < old if metric in LOWER_IS_BETTER else new > old)


def average_outputs(columns: Mapping[str, list[float]]) -> dict[str, float]:
    """Average each metric over the outputs where it is defined; NaN where it is for none."""
    return {name: _mean_defined(values) for name, values in columns.items()}


def _mean_defined(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan
