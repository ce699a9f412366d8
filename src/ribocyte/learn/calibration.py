"""Probabilities that mean what they say, and sets of classes that hold the truth as often as they are asked to.

A network that says 0.9 is right nine times in ten only by luck. On rows that it was not fitted to, one number,
the temperature, is found that its logits are divided by (Guo et al. 2017): the order of the classes stays what
it was, only the confidence changes. A conformal set then is every class that is not less plausible than the
truth usually is (Vovk et al. 2005; Sadinle et al. 2019); it may hold one class, several or none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import RequestError
from ribocyte.learn.evaluation import RESAMPLES, Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 15
"""Of the calibration error, as in Guo et al. (2017)."""
COLDEST, HOTTEST = 0.02, 50.0
"""Between these a temperature is looked for: with no mistake among the rows, the best would be zero."""
OWN = 5
"""A class has a threshold of its own where at least so many of its rows are expected beyond it."""
PENALTY, FREE = 0.01, 2
"""Of RAPS: what each class beyond the first few costs, and how many are free (Angelopoulos et al. 2021)."""

Method = Literal["lac", "aps", "raps"]
Floats = NDArray[np.float64]


def as_logits(outputs: Tensor, probabilities: bool) -> Tensor:
    """Give a classifier's outputs as logits; of probabilities, (N, C), these are the logarithms.

    Returns
    -------
    Tensor, float64, shape (N, C), on the CPU
    """
    values = outputs.detach().cpu()
    return (
        values.double().clamp(min=torch.finfo(torch.float32).tiny).log() if probabilities else values.double()
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature at which the softmax of logits / temperature gives the labels the highest likelihood.

    Parameters
    ----------
    logits : Tensor, float, shape (N, C)
        Of rows that the network was not fitted to; at least one.
    labels : Tensor, int64, shape (N,)
        The true classes.

    Returns
    -------
    float
        From 0.02 to 50. Above 1 the network was too sure of itself, below 1 not sure enough.
    """
    from scipy.optimize import minimize_scalar

    # The mean log likelihood is concave in 1 / temperature: there is one best, and the search finds it.
    found = minimize_scalar(
        lambda cold: negative_log_likelihood((logits.double() * cold).softmax(dim=1), labels),
        bounds=(1 / HOTTEST, 1 / COLDEST),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(1 / found.x)


def negative_log_likelihood(probabilities: Tensor, labels: Tensor) -> float:
    """Average −log of the probability (N, C) that the true class was given."""
    given = probabilities.double().gather(1, labels.long()[:, None])
    return float(-given.clamp(min=torch.finfo(torch.float64).tiny).log().mean())


def reliability(
    probabilities: Tensor, labels: Tensor, bins: int = BINS, *, equal_mass: bool = False
) -> pl.DataFrame:
    """Count how often a classifier is right where it is how sure of itself.

    Parameters
    ----------
    probabilities : Tensor, float, shape (N, C)
        What each row's classes were given. The largest is the confidence, and its class the answer.
    labels : Tensor, int64, shape (N,)
        The true classes.
    bins : int
        Parts of the confidences: of one width, the i-th holding those above (i − 1) / bins and up to i / bins;
        or, if `equal_mass`, of one number of rows, up to one.
    equal_mass : bool
        See `bins`.

    Returns
    -------
    DataFrame
        A row for each bin that is not empty, by rising confidence: ``rows``, how many there are;
        ``confidence``, the mean; ``accuracy``, the share of right answers.
    """
    sure, right = _answers(probabilities, labels)
    table = pl.DataFrame({"bin": _bins(sure, bins, equal_mass), "sure": sure, "right": right})
    grouped = table.group_by("bin").agg(
        rows=pl.len(), confidence=pl.col("sure").mean(), accuracy=pl.col("right").mean()
    )
    return grouped.sort("bin").drop("bin")


def calibration_error(
    probabilities: Tensor, labels: Tensor, bins: int = BINS, *, equal_mass: bool = False
) -> float:
    """Give the expected calibration error: |accuracy − confidence| of each bin, averaged over the rows.

    Parameters and bins are those of `reliability` (Naeini et al. 2015; of equal mass: Nixon et al. 2019). Of few
    rows it is too high, by chance alone. NaN of none.
    """
    table = reliability(probabilities, labels, bins, equal_mass=equal_mass)
    gaps = np.abs(table["accuracy"].to_numpy() - table["confidence"].to_numpy())
    return float(np.average(gaps, weights=table["rows"].to_numpy())) if len(table) else math.nan


def score_calibration(
    probabilities: Tensor,
    labels: Tensor,
    bins: int = BINS,
    *,
    equal_mass: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Score:
    """Give the expected calibration error with the middle 95 % of what resampled rows have (Efron 1979).

    Resampling adds chance of its own to an error that chance can only raise: the interval errs upwards, and a
    very small error may lie below it.
    """
    sure, right = _answers(probabilities, labels)
    place, gaps = _bins(sure, bins, equal_mass), right - sure
    random = np.random.default_rng(seed)
    found = []
    for _ in range(resamples if len(sure) else 0):
        drawn = random.integers(0, len(sure), len(sure))
        found.append(np.abs(np.bincount(place[drawn], gaps[drawn], minlength=bins)).sum() / len(sure))
    low, high = np.percentile(found, [2.5, 97.5]) if found else (math.nan, math.nan)
    value = calibration_error(probabilities, labels, bins, equal_mass=equal_mass)
    return Score(value, float(low), float(high))


def conformal_quantile(scores: Floats, level: float) -> float:
    """Give the score of rank ⌈(n + 1) level⌉ among n: a further one is no higher with at least that probability.

    Infinite where there are too few for the level (n < level / (1 − level)).
    """
    rank = math.ceil(round((len(scores) + 1) * level, 9))  # 10 × 0.9 is a little more than 9 in binary
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def strangeness(probabilities: Tensor, method: Method = "lac", draws: Tensor | None = None) -> Tensor:
    """Say how implausible each class is for each row: the score that conformal sets are cut by.

    Parameters
    ----------
    probabilities : Tensor, float, shape (N, C)
        Calibrated or not.
    method : {"lac", "aps", "raps"}
        ``lac``: 1 − probability (Sadinle et al. 2019). ``aps``: the probability of the class and of all that are
        more probable (Romano et al. 2020). ``raps``: the same, and 0.01 for each class after the second
        (Angelopoulos et al. 2021).
    draws : Tensor, float, shape (N,), optional
        Numbers from 0 to 1: which part of its own probability APS and RAPS leave out of a class's score. Without
        it, none: their sets then are larger than they need be, but never differ from one time to the next.

    Returns
    -------
    Tensor, float64, shape (N, C)
    """
    shares = probabilities.double()
    if method == "lac":
        return 1 - shares
    ordered, classes = shares.sort(dim=1, descending=True, stable=True)
    sums = ordered.cumsum(dim=1)
    if draws is not None:
        sums = sums - draws.double()[:, None] * ordered
    if method == "raps":
        sums = sums + PENALTY * (torch.arange(1, shares.shape[1] + 1) - FREE).clamp(min=0)
    return torch.empty_like(sums).scatter_(1, classes, sums)


@dataclass(frozen=True, eq=False)
class ConformalSets:
    """Sets of classes that hold the true one with a probability asked for.

    They do so if a further row is drawn as the calibration's rows were, whatever the network is. What holds for
    all rows on average need not hold for each class: with `by_class`, each class that has rows enough keeps its
    own threshold and so its own promise; the rare ones share one (clustered classes: Ding et al. 2023).

    Of BloodMNIST's networks, at 95 %: one threshold for all covered the worst class to 86 to 89 %, thresholds by
    class to 91 to 92 %, with 0.02 to 0.04 classes more in a set. APS and RAPS, which the literature prefers,
    needed 1.5 to 5 classes where LAC needs one; with random draws they are as small, but say another thing of
    the same picture each time.

    Parameters
    ----------
    scores : Tensor, float64, shape (N,)
        The strangeness of the true class, for each row that was calibrated on.
    labels : Tensor, int64, shape (N,)
        The true classes.
    classes : int
        How many there are.
    method : {"lac", "aps", "raps"}
        See `strangeness`.
    by_class : bool
        Whether classes with rows enough have thresholds of their own.
    """

    scores: Tensor
    labels: Tensor
    classes: int
    method: Method = "lac"
    by_class: bool = True

    def __post_init__(self) -> None:
        fits = self.scores.ndim == 1 and self.scores.shape == self.labels.shape
        if not fits or (
            len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.classes
        ):
            raise ValueError("the scores and labels of the sets do not fit each other")

    @classmethod
    def fit(
        cls, probabilities: Tensor, labels: Tensor, method: Method = "lac", *, by_class: bool = True
    ) -> Self:
        """Calibrate on rows that the network was not fitted to: probabilities (N, C), and labels (N,)."""
        truth = strangeness(probabilities, method).gather(1, labels.long()[:, None])[:, 0]
        return cls(truth, labels.long(), probabilities.shape[1], method, by_class)

    def thresholds(self, level: float) -> Tensor:
        """Give the highest score at which each class still is in the set.

        Parameters
        ----------
        level : float
            Share of the truths that the sets are to hold, above 0 and below 1.

        Returns
        -------
        Tensor, float64, shape (C,)
            Infinite for classes of which too few rows were seen: they are in every set.

        Raises
        ------
        RequestError
            If the level is out of range.
        """
        check_level(level)
        counts = self.labels.bincount(minlength=self.classes)
        own = (counts >= OWN / (1 - level)) if self.by_class else torch.zeros_like(counts, dtype=torch.bool)
        shared = conformal_quantile(self.scores[~own[self.labels]].numpy(), level)
        found = torch.full((self.classes,), shared, dtype=torch.float64)
        for number in own.nonzero().flatten().tolist():
            found[number] = conformal_quantile(self.scores[self.labels == number].numpy(), level)
        return found

    def sets(self, probabilities: Tensor, level: float) -> Tensor:
        """Give the set of each row, (N, C) bool, at a level as for `thresholds`.

        With thresholds by class a set may hold others and lack the most probable class, whose rows usually are
        surer (7 and 9 of BloodMNIST's 3,421 at 95 %). Adding it would hold more than was asked for: of a weak
        network 87 % in the place of 80 %.
        """
        return strangeness(probabilities, self.method) <= self.thresholds(level)


def check_level(level: float) -> None:
    """Refuse what is no share of the truths.

    Raises
    ------
    RequestError
        If the level is not above 0 and below 1.
    """
    if not 0 < level < 1:
        raise RequestError(
            f"level {level:g}: no share of the truths", expected="above 0 and below 1, such as 0.95"
        )


def plot_reliability(
    answers: Mapping[str, tuple[Tensor, Tensor]], bins: int = BINS, *, simulated: bool = False
) -> Figure:
    """Draw how often classifiers are right against how sure they are, over how many rows are how sure.

    Parameters
    ----------
    answers : mapping of str to (Tensor, Tensor)
        For each name its probabilities (N, C) and the true classes (N,).
    bins : int
        Of one width.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One column wide, with the 95 % interval of each bin's accuracy (Clopper & Pearson 1934).
    """
    from ribocyte.learn.plots import COLUMN, blank_figure, house_style

    with house_style():
        figure = blank_figure(COLUMN, 3.3, simulated)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color="#767676", linewidth=0.6, zorder=1)
        for number, (name, (probabilities, labels)) in enumerate(answers.items()):
            error = calibration_error(probabilities, labels, bins)
            table = reliability(probabilities, labels, bins)
            _draw_reliability(above, below, table, f"{name}: error {error:.3f}", number)
        above.set(ylabel="right answers", xlim=(0, 1.02), ylim=(0, 1.02))
        below.set(xlabel="probability of the answer", ylabel="rows", yscale="log")
        above.legend(loc="lower right")
    return figure


def _draw_reliability(above: Axes, below: Axes, table: pl.DataFrame, label: str, number: int) -> None:
    from scipy.stats import binomtest

    colour, marker = (("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "^"), ("#cc79a7", "D"))[number % 4]
    rows, share = table["rows"].to_numpy(), table["accuracy"].to_numpy()
    chance = [binomtest(round(s * n), n).proportion_ci() for s, n in zip(share, rows.tolist(), strict=True)]
    low, high = np.array([(found.low, found.high) for found in chance]).reshape(-1, 2).T
    above.errorbar(
        table["confidence"],
        share,
        yerr=np.clip(np.stack([share - low, high - share]), 0, None),
        color=colour,
        marker=marker,
        linewidth=1.0,
        elinewidth=0.5,
        label=label.replace("$", r"\$"),
    )
    below.plot(table["confidence"], rows, color=colour, marker=marker, linestyle="none")


def _answers(probabilities: Tensor, labels: Tensor) -> tuple[Floats, Floats]:
    """Give each row's confidence, and 1 where its answer is right, else 0."""
    sure, answer = probabilities.double().cpu().max(dim=1)
    return sure.numpy(), (answer == labels.cpu()).double().numpy()


def _bins(sure: Floats, bins: int, equal_mass: bool) -> NDArray[np.int64]:
    """Give the bin of each confidence, from 0."""
    if not equal_mass:
        place: NDArray[np.int64] = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
        return place
    place = np.empty(len(sure), dtype=np.int64)
    for number, rows in enumerate(np.array_split(np.argsort(sure, kind="stable"), bins)):
        place[rows] = number
    return place
