"""Averages over proteins, with intervals that know that relatives are alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

RESAMPLES = 2000
SEED = 0


@dataclass(frozen=True)
class Mean:
    """A mean over proteins with its 95 % bootstrap interval (Efron 1979).

    Parameters
    ----------
    value : float
        The mean; each protein counts the same, however many experiments were made with it.
    low, high : float
        Whole clusters of relatives were drawn with replacement; NaN where there are fewer than two.
    low_proteins, high_proteins : float
        Proteins were drawn, as if relatives were independent: narrower.
    proteins, clusters : int
        How many there were.
    """

    value: float
    low: float
    high: float
    low_proteins: float
    high_proteins: float
    proteins: int
    clusters: int

    @property
    def verdict(self) -> str:
        """Of a difference: ``better``, ``worse`` or ``no difference``, by the interval over clusters."""
        if math.isnan(self.low) or self.low <= 0 <= self.high:
            return "no difference"
        return "better" if self.low > 0 else "worse"


def average(values: Floats, proteins: Labels, clusters: Labels) -> Mean:
    """Average a quantity over proteins.

    Parameters
    ----------
    values : numpy array, shape (E,)
        One for each experiment; NaN is left out. A paired difference is averaged as it is: of differences.
    proteins, clusters : numpy array, int64, shape (E,)
        Which protein, and which cluster of relatives, each experiment belongs to.
    """
    known = ~np.isnan(values)
    values, proteins, clusters = values[known], proteins[known], clusters[known]
    if not len(values):
        return Mean(math.nan, math.nan, math.nan, math.nan, math.nan, 0, 0)
    names, first, place = np.unique(proteins, return_index=True, return_inverse=True)
    means = np.bincount(place, values) / np.bincount(place)
    groups = clusters[first]
    by_cluster = _interval(means, groups)
    by_protein = _interval(means, np.arange(len(names)))
    return Mean(float(means.mean()), *by_cluster, *by_protein, len(names), len(np.unique(groups)))


def as_json(mean: Mean) -> dict[str, float | int | None]:
    """Give a mean as JSON values; what is undefined is null."""
    plain: Mapping[str, float | int] = {name: getattr(mean, name) for name in Mean.__dataclass_fields__}
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in plain.items()
    }


def _interval(means: Floats, groups: Labels) -> tuple[float, float]:
    """Draw whole groups with replacement, and give the middle 95 % of the means."""
    _, place = np.unique(groups, return_inverse=True)
    count = place.max() + 1
    if count < 2:
        return math.nan, math.nan
    totals, sizes = np.bincount(place, means), np.bincount(place).astype(np.float64)
    drawn = np.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))
    results = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(results, [2.5, 97.5])
    return float(low), float(high)
