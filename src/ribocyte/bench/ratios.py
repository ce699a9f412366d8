"""The arithmetic of benchmarks: ratios of neighbours, their interval, shares of a limit, and how cost grows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 10_000
FEWEST = 5
"""Repetitions that have an interval."""


@dataclass(frozen=True)
class Ratio:
    """How many times faster one side is than another.

    Parameters
    ----------
    median : float
        Of the ratios of neighbours.
    low, high : float
        The 95 % interval of the median, by the bootstrap over repetitions. Fewer than five have none (NaN): theirs
        would hold the truth in 54 to 87 % of experiments, that of five in 92 %.
    each : tuple of float
        The ratios themselves, in the order they were measured.
    """

    median: float
    low: float
    high: float
    each: tuple[float, ...]


def compare_sides(ours: Sequence[float], others: Sequence[float], seed: int = 0) -> Ratio:
    """Compare two sides that were measured in turn.

    Parameters
    ----------
    ours, others : sequence of float
        Seconds for the same work, repetition by repetition. What disturbs the machine for a while disturbs
        both neighbours, so each is compared with its own.
    seed : int
        Of the bootstrap.
    """
    each = [other / own for own, other in zip(ours, others, strict=True)]
    low = high = math.nan
    if len(each) >= FEWEST:
        drawn = np.random.default_rng(seed).choice(each, size=(RESAMPLES, len(each)))
        low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return Ratio(statistics.median(each), float(low), float(high), tuple(each))


@dataclass(frozen=True)
class Demand:
    """What an item of a work asks of any machine, at the very least.

    Parameters
    ----------
    multiply_adds : float
        Of its matrix products and convolutions. A training step counts three times the forward pass (forward,
        gradient of the inputs, gradient of the weights) less the gradient of what the network is given.
    bytes : float
        That must pass between processor and memory. Training: all weights and both of Adam's moments read and
        written, and the gradients read, once a step, 4 bytes each. Reading a file: its bytes.
    precision : str
        ``32``, ``bf16``, or ``any``: in which the products may be computed.
    """

    multiply_adds: float
    bytes: float
    precision: str = "32"


def least_seconds(demand: Demand, limits: Mapping[str, float]) -> float:
    """Give the least time an item can take: the longer of computing it and moving its bytes, perfectly overlapped.

    Parameters
    ----------
    demand : Demand
        Of an item.
    limits : mapping
        As `ribocyte.bench.limits.measure_limits` gives them.
    """
    precisions = ("32", "bf16") if demand.precision == "any" else (demand.precision,)
    rate = max(limits[f"multiply_adds_{precision}"] for precision in precisions)
    computing = demand.multiply_adds / rate
    return max(computing, demand.bytes / limits["bytes"])


@dataclass(frozen=True)
class Growth:
    """How cost grows with a size.

    Parameters
    ----------
    constant : float
        What the smallest work there is costs, measured: next to the fixed part.
    slope : float
        Of log(cost − constant) against log(size − smallest): 1 is a straight line. NaN for fewer than two sizes
        that cost more.
    knee : float
        The size at which what grows has reached the fixed part, by interpolation along the fitted line; NaN where
        there is no line.
    """

    constant: float
    slope: float
    knee: float


def fit_growth(
    sizes: Sequence[float], costs: Sequence[float], constant: float, smallest: float = 0
) -> Growth:
    """Fit a power law to what cost has above its constant, by least squares on logarithms.

    Parameters
    ----------
    sizes, costs : sequence of float
        Above 0, paired.
    constant : float
        What the smallest work costs. Costs within a tenth of it say nothing of growth and are left out.
    smallest : float
        The size of that work: sizes count from there, so that a straight line is found to be one.
    """
    above = [
        (size - smallest, cost - constant)
        for size, cost in zip(sizes, costs, strict=True)
        if cost > 1.1 * constant and size > smallest
    ]
    if len({size for size, _ in above}) < 2:
        return Growth(constant, math.nan, math.nan)
    x, y = np.log(np.array(above)).T
    slope, intercept = np.polyfit(x, y, 1)
    knee = math.exp((math.log(constant) - intercept) / slope) if constant > 0 and slope > 0 else math.nan
    return Growth(constant, float(slope), knee)


def plain(value: Any) -> Any:
    """Make JSON of nested values: what is no finite number becomes null."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
