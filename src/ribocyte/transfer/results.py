"""What a protocol found: averages over proteins, paired differences, and whether they show what they should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ribocyte.transfer.scoring import METRICS
from ribocyte.transfer.statistics import Mean, as_json, average

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Means = Mapping[str, Mapping[str, Mean]]
"""By method and metric."""


@dataclass(frozen=True)
class Difference:
    """How much one method is better than another on the same proteins; positive where the first is.

    Parameters
    ----------
    first, second : str
        Methods.
    metric : str
        One of `METRICS`.
    mean : Mean
        Of the paired differences.
    """

    first: str
    second: str
    metric: str
    mean: Mean


@dataclass(frozen=True)
class Claim:
    """Something the study was to show.

    Parameters
    ----------
    text : str
        What.
    holds : bool
        Whether it does.
    found : str
        The numbers.
    """

    text: str
    holds: bool
    found: str


@dataclass(frozen=True)
class Drawing:
    """A figure, its file's name without the suffix, and what it shows."""

    name: str
    figure: Figure
    caption: str


@dataclass(frozen=True)
class Results:
    """All that a protocol found.

    Parameters
    ----------
    protocol : str
        Which.
    heading : str
        Its name for people.
    design : tuple of str
        How it was done: paragraphs.
    table : DataFrame
        A row for each experiment and method.
    means : mapping
        By method and metric.
    differences : tuple of Difference
        That were asked for.
    claims : tuple of Claim
        What was to be shown.
    drawings : tuple of Drawing
        Figures.
    more : mapping
        Everything else, JSON values.
    notes : tuple of str
        What else is to be said: paragraphs.
    """

    protocol: str
    heading: str
    design: tuple[str, ...]
    table: pl.DataFrame
    means: Means
    differences: tuple[Difference, ...]
    claims: tuple[Claim, ...]
    drawings: tuple[Drawing, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give all but the table and the figures as JSON values."""
        return {
            "claims": [{"claim": c.text, "holds": c.holds, "found": c.found} for c in self.claims],
            "design": list(self.design),
            "means": {
                method: {metric: as_json(mean) for metric, mean in row.items()}
                for method, row in self.means.items()
            },
            "differences": [
                {
                    "first": d.first,
                    "second": d.second,
                    "metric": d.metric,
                    **as_json(d.mean),
                    "verdict": d.mean.verdict,
                }
                for d in self.differences
            ],
            **self.more,
        }


def average_methods(table: pl.DataFrame, methods: Sequence[str]) -> Means:
    """Average every metric of some methods over proteins."""
    return {
        method: {metric: _average(table.filter(pl.col("method") == method), metric) for metric in METRICS}
        for method in methods
    }


def differ(table: pl.DataFrame, first: str, second: str, metric: str = "spearman") -> Difference:
    """Average what one method is better by than another, experiment by experiment; only those that both have."""
    pair = pair_methods(table, first, second, metric)
    gains = (pair["first"] - pair["second"]).to_numpy()
    mean = average(gains, pair["protein"].to_numpy(), pair["cluster"].to_numpy())
    return Difference(first, second, metric, mean)


def pair_methods(table: pl.DataFrame, first: str, second: str, metric: str = "spearman") -> pl.DataFrame:
    """Lay two methods side by side: a row for each experiment that both have, values ``first`` and ``second``."""
    one, other = (table.filter(pl.col("method") == method) for method in (first, second))
    named = other.select("experiment", pl.col(metric).alias("second"))
    return one.with_columns(pl.col(metric).alias("first")).join(named, on="experiment", maintain_order="left")


def say(mean: Mean, sign: str = "") -> str:
    """Write a mean and its interval."""
    if np.isnan(mean.value):
        return "undefined"
    if np.isnan(mean.low):
        return f"{mean.value:{sign}.3f}"
    return f"{mean.value:{sign}.3f} [{mean.low:{sign}.3f}, {mean.high:{sign}.3f}]"


def _average(rows: pl.DataFrame, metric: str) -> Mean:
    values = rows[metric].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return average(values, rows["protein"].to_numpy(), rows["cluster"].to_numpy())
