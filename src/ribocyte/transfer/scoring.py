"""Predictions against what was measured, a row for each experiment and method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from ribocyte.rna.protocols import Scale

Floats = NDArray[np.floating]
METRICS = ("spearman", "spearman_clipped", "pearson", "pearson_raw", "pearson_clipped")
"""Ranks against raw and clipped intensities; Pearson's r against targets, and raw and clipped intensities."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One experiment's measurements on some probes.

    Parameters
    ----------
    experiment : str
        Which.
    intensities : numpy array, shape (N,)
        Raw; NaN where the spot failed.
    scale : Scale
        Of its training probes: targets are z-scores of the clipped intensities' logarithm by it.
    """

    experiment: str
    intensities: Floats
    scale: Scale

    @property
    def targets(self) -> NDArray[np.float32]:
        """The same as a network sees them."""
        return self.scale.apply(self.intensities.astype(np.float64))


def score_methods(
    predictions: Mapping[str, Floats], measured: Sequence[Measured], spread: float
) -> pl.DataFrame:
    """Score several methods on the same experiments and probes.

    Parameters
    ----------
    predictions : mapping of str to numpy array, shape (N, E)
        By method: z-scores, a column for each experiment.
    measured : sequence of Measured
        What was measured, in the columns' order.
    spread : float
        Standard deviation of a logarithm of intensity that turns a z-score back into an intensity: for a protein
        that nobody measured its own is not known, so that one is taken for all.

    Returns
    -------
    DataFrame
        ``experiment``, ``method``, ``rows`` and `METRICS`; null where undefined.
    """
    rows = []
    for number, experiment in enumerate(measured):
        known = ~np.isnan(experiment.intensities)
        raw = experiment.intensities[known].astype(np.float64)
        truths = {
            "raw": raw,
            "clipped": np.minimum(raw, experiment.scale.clip),
            "targets": experiment.targets[known].astype(np.float64),
        }
        ranks = {name: rankdata(truths[name]) for name in ("raw", "clipped")}
        for method, columns in predictions.items():
            said = columns[known, number].astype(np.float64)
            rank, intensity = rankdata(said), np.exp(said * spread)
            values = (
                correlate(rank, ranks["raw"]),
                correlate(rank, ranks["clipped"]),
                correlate(said, truths["targets"]),
                correlate(intensity, truths["raw"]),
                correlate(intensity, truths["clipped"]),
            )
            rows.append((experiment.experiment, method, len(raw), *values))
    schema = {"experiment": pl.String, "method": pl.String, "rows": pl.Int64}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(METRICS, pl.Float64), orient="row").with_columns(
        pl.col(METRICS).fill_nan(None)
    )


def correlate(one: Floats, other: Floats) -> float:
    """Give Pearson's r; NaN where a side is constant or there are fewer than two rows."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    return float(np.corrcoef(one, other)[0, 1])
