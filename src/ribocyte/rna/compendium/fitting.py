"""How the simulation was fitted to a measured experiment, so that anyone can fit it again.

The background is regressed on the probes' trimers (Huber's loss, on the logarithm of intensities that are not
strong), then six numbers are sought (Nelder & Mead 1965) that make the simulated intensities have the measured
quantiles, and the agreement of the noisy with the expected that a network reaches on the measured ones.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.rna.compendium.array import (
    Column,
    Conditions,
    add_noise,
    ceiling,
    count_trimers,
    expect,
    standardise,
    sum_sites,
)
from ribocyte.rna.motifs import Motif

QUANTILES = (0.001, 0.01, 0.05, 0.1, 0.25, 0.4, 0.6, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_START = (0.25, 12.0, 5.0, 0.8, 0.2, 0.1)
_AGREEMENT = 4.0
# Weight of a squared difference of correlations beside the mean squared difference of quantiles.


@dataclass(frozen=True, eq=False)
class Fit:
    """What was fitted, and how well.

    Parameters
    ----------
    conditions : Conditions
        The six numbers.
    measured, simulated : numpy array, shape (14,)
        Intensities at `QUANTILES`.
    ceiling : dict
        As `ribocyte.rna.compendium.array.ceiling` gives it.
    intensities : numpy array, shape (N,)
        The simulated experiment, on the same probes.
    """

    conditions: Conditions
    measured: Column
    simulated: Column
    ceiling: dict[str, float]
    intensities: Column


def fit_experiment(
    rna: Tensor, intensities: Column, motif: Motif, spearman: float, pearson: float, seed: int = 0
) -> Fit:
    """Fit the simulation to one measured experiment.

    Parameters
    ----------
    rna : Tensor, uint8, shape (N, L)
        The probes' tokens.
    intensities : numpy array, shape (N,)
        Measured, without NaN.
    motif : Motif
        Its protein's.
    spearman, pearson : float
        What the ceiling should be: a little above what a network reaches on the measured intensities (0.70 and
        0.725 gave `A1CF`, with which a CNN does as well on the simulated as on the measured). The quantiles alone
        cannot tell the background from noise.
    seed : int
        Of the noise.
    """
    from scipy.optimize import minimize

    bound = sum_sites(rna, motif) * motif.kd
    potential = fit_background(rna, intensities, bound)
    measured = np.quantile(intensities, QUANTILES)
    normal = np.random.default_rng(seed).standard_normal((3, len(bound)))

    def simulate(parameters: NDArray[np.float64]) -> tuple[Conditions, Column, dict[str, float]]:
        conditions = Conditions(*np.exp(parameters).tolist())
        background, signal = expect(bound, potential, conditions)
        found = add_noise(background, signal, conditions, normal)
        return conditions, found, ceiling(background + signal, found)

    def mismatch(parameters: NDArray[np.float64]) -> float:
        _, found, agreement = simulate(parameters)
        # On a scale that is linear around 0 and logarithmic in the tail, so that both count.
        differences = np.arcsinh(np.quantile(found, QUANTILES)) - np.arcsinh(measured)
        correlations = (agreement["spearman"] - spearman, agreement["pearson"] - pearson)
        return float(np.square(differences).mean() + _AGREEMENT * np.square(correlations).sum())

    best = minimize(
        mismatch, np.log(_START), method="Nelder-Mead", options={"maxiter": 600, "xatol": 1e-3, "fatol": 1e-6}
    )
    conditions, found, agreement = simulate(best.x)
    return Fit(conditions, measured, np.quantile(found, QUANTILES), agreement, found)


def fit_background(rna: Tensor, intensities: Column, bound: Column) -> Column:
    """Regress the background on trimers and length; its logarithm at each probe, standardised."""
    from sklearn.linear_model import HuberRegressor

    known = np.column_stack([count_trimers(rna), (rna.numpy() < 4).sum(axis=1), bound / (1.0 + bound)])
    centred = known - known.mean(axis=0)
    # What is strong is bound; what is left of the background lies around 0 and above −4.
    logarithms = np.log(np.clip(intensities, -3.5, 8.0) + 4.0)
    weights = HuberRegressor(max_iter=500, alpha=1e-3).fit(centred, logarithms).coef_
    return standardise(centred[:, :-1] @ weights[:-1])


def describe(fit: Fit) -> str:
    """Write the fit as a table: quantiles measured and simulated, then the conditions."""
    rows = zip(QUANTILES, fit.measured, fit.simulated, strict=True)
    lines = [f"{quantile:8.3f} {real:9.3f} {made:9.3f}" for quantile, real, made in rows]
    numbers = ", ".join(f"{number:.4g}" for number in astuple(fit.conditions))
    agreement = ", ".join(f"{name} {value:.3f}" for name, value in fit.ceiling.items())
    return "\n".join(
        ["quantile  measured simulated", *lines, f"conditions {numbers}", f"ceiling {agreement}"]
    )
