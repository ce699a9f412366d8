"""Intervals that hold the truth as often as they say: split conformal prediction for measured values.

On rows that a network was not fitted to, each residual is divided by how far off the network usually is where
it says what it says there. A quantile of these scores, taken a little higher than the empirical one, bounds the
score of a further row with the probability asked for, if that row is drawn as these were, whatever the network
and the noise are (Vovk et al. 2005; Lei et al. 2018; for the scores: Papadopoulos et al. 2002, Romano et al.
2019).

Why the prediction and not the spread of an ensemble says how far off the network usually is: RNAcompete's noise
grows with the intensity. On A1CF, with five CNNs, intervals of one width for all, meant to hold 90 %, held 62 %
of the tenth of the test probes that was predicted highest; scaled by the prediction, 87 %; scaled by the spread
and a floor, 91 to 79 % there, the larger the floor the less, and 74 to 84 % of the fifth in which the members
agree most. Beside the prediction the spread told nothing more: fitted to the residuals together with it, its
weight was 0.05.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import RequestError

LEVELS = range(500, 991)
"""Thousandths: intervals can be had for every level from 50 % to 99 %."""
FEWEST = 200
"""Rows from which on half of them is spent on the scale; with fewer, all residuals count alike."""
ROWS_A_POINT, MOST_POINTS = 75, 20
"""Of the scale, which is drawn through mean residuals."""
SEED = 0
"""Which rows the scale is made of never depends on a run."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Intervals:
    """How wide each output's interval is, at any level, by what the network says.

    The half width for output p at a prediction f is ``quantiles[p] * scale[p](f)``; the scale is linear between
    the points (`centres`, `sizes`) and constant beyond them.

    Parameters
    ----------
    centres, sizes : Tensor, float32, shape (P, K)
        Predictions, ascending, and the mean residual there.
    quantiles : Tensor, float32, shape (P, 491)
        Of the scores, for each of `LEVELS`; infinite where there were too few rows for the level.
    rows : Tensor, int64, shape (P,)
        How many scores the quantiles are of.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.
    """

    centres: Tensor
    sizes: Tensor
    quantiles: Tensor
    rows: Tensor

    def __post_init__(self) -> None:
        outputs = len(self.rows)
        fits = self.centres.shape == self.sizes.shape == (outputs, self.centres.shape[-1])
        if not fits or self.quantiles.shape != (outputs, len(LEVELS)):
            raise ValueError("the tables of the intervals do not fit each other")

    @classmethod
    def fit(cls, outputs: Tensor, targets: Tensor) -> Self:
        """Calibrate on rows that the network was not fitted to.

        Half of the rows, drawn by a fixed seed, make the scale; the others the quantiles, which therefore owe
        nothing to their own residuals.

        Parameters
        ----------
        outputs, targets : Tensor, shape (N, P)
            What the network said and what was measured; NaN where it was not, which counts for nothing.
        """
        columns = [
            _calibrate(said[~measured.isnan()].double().numpy(), measured[~measured.isnan()].double().numpy())
            for said, measured in zip(outputs.T, targets.T, strict=True)
        ]
        points = max((len(centres) for centres, _, _ in columns), default=1)
        return cls(
            centres=_stack([_lengthened(centres, points) for centres, _, _ in columns], points),
            sizes=_stack([_lengthened(sizes, points) for _, sizes, _ in columns], points),
            quantiles=_stack([quantiles(scores) for _, _, scores in columns], len(LEVELS)),
            rows=torch.tensor([len(scores) for _, _, scores in columns], dtype=torch.int64),
        )

    def half_widths(self, outputs: Tensor, level: float) -> Tensor:
        """Give half the width of every prediction's interval, which lies evenly about it.

        Parameters
        ----------
        outputs : Tensor, shape (N, P)
            Predictions.
        level : float
            Share of the truths that the intervals are to hold, from 0.5 to 0.99.

        Returns
        -------
        Tensor, float32, shape (N, P)
            Infinite where too few rows were there to calibrate on for the level.

        Raises
        ------
        RequestError
            If the level is out of range.
        """
        factors = self.quantiles[:, _place(level)].double()
        # An output at a time: of many outputs all scales at once would be several times what is asked for.
        half = torch.empty(len(self.rows), len(outputs))
        for number, (said, centres, sizes) in enumerate(
            zip(outputs.T, self.centres, self.sizes, strict=True)
        ):
            scale = np.interp(said.double().numpy(), centres.double().numpy(), sizes.double().numpy())
            half[number] = torch.from_numpy(scale).float().double() * factors[number]
        return half.T


@dataclass(frozen=True)
class Coverage:
    """Which share of the truths intervals held, with the 95 % interval of that share."""

    value: float
    low: float
    high: float


def quantiles(scores: Floats) -> Floats:
    """Give the conformal quantile of scores (n,) for each of `LEVELS`, ascending.

    That of level a is the score of rank ceil((n + 1) a), and infinite where n is smaller than that.
    """
    ranks = np.array([-(-(len(scores) + 1) * thousandths // 1000) for thousandths in LEVELS])
    found: Floats = np.append(np.sort(scores), np.inf)[np.minimum(ranks - 1, len(scores))]
    return found


def coverage(held: Tensor, measured: Tensor) -> Coverage:
    """Measure which share of the truths lay in their intervals.

    Parameters
    ----------
    held, measured : Tensor, bool, shape (N, P)
        Whether each truth lay in its interval, and whether there was one.

    Returns
    -------
    Coverage
        The share is over all that was measured. Its interval is that of Clopper & Pearson (1934) for as many
        trials as there are rows with anything measured: the measurements of a row may be wrong together.
        All NaN where nothing was measured.
    """
    from scipy.stats import beta

    rows = int(measured.any(dim=1).sum())
    if not rows:
        return Coverage(np.nan, np.nan, np.nan)
    share = int((held & measured).sum()) / int(measured.sum())
    hits = share * rows
    low = float(beta.ppf(0.025, hits, rows - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(0.975, hits + 1, rows - hits)) if hits < rows else 1.0
    return Coverage(share, low, high)


def check_level(level: float) -> None:
    """Refuse a level that no intervals are kept for.

    Raises
    ------
    RequestError
        If it is not from 0.5 to 0.99.
    """
    _place(level)


def _calibrate(said: Floats, measured: Floats) -> tuple[Floats, Floats, Floats]:
    """Give the points of one output's scale, and the scores of the rows that the scale was not made of."""
    residuals = np.abs(measured - said)
    if len(said) < FEWEST:
        return np.zeros(1), np.ones(1), residuals
    order = np.random.default_rng(SEED).permutation(len(said))
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    centres, sizes = _scale(said[first], residuals[first])
    return centres, sizes, residuals[second] / np.interp(said[second], centres, sizes)


def _scale(said: Floats, residuals: Floats) -> tuple[Floats, Floats]:
    """Average residuals over neighbours by prediction: predictions, ascending, and the mean residual there."""
    points = min(MOST_POINTS, max(1, len(said) // ROWS_A_POINT))
    groups = np.array_split(np.argsort(said, kind="stable"), points)
    centres, at = np.unique([said[group].mean() for group in groups], return_index=True)
    sizes = np.array([residuals[group].mean() for group in groups])[at]
    least = 1e-3 * residuals.mean() or 1.0  # no scale is zero; and one that was right everywhere has any
    return centres, np.maximum(sizes, least)


def _place(level: float) -> int:
    """Find the level, or the next higher one that is kept."""
    thousandths = int(np.ceil(round(level * 1000, 6))) if np.isfinite(level) else -1
    if thousandths not in LEVELS:
        raise RequestError(f"level {level:g}: no intervals for it", expected="a level from 0.5 to 0.99")
    return LEVELS.index(thousandths)


def _lengthened(values: Floats, length: int) -> Floats:
    """Repeat the last value up to a length."""
    return np.pad(values, (0, length - len(values)), mode="edge")


def _stack(columns: list[Any], length: int) -> Tensor:
    return torch.from_numpy(np.array(columns, dtype=np.float32).reshape(len(columns), length))
