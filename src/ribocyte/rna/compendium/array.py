"""What a spot on the simulated array shines: its background, what is bound to it, and the noise.

A spot shines with ``(B + contrast · occupancy · S) · N + F``:

- occupancy: the motif's, at a concentration (`ribocyte.rna.motifs.occupancy`);
- B, the background: ``exp(background · potential)``, where the potential has mean 0 and standard deviation 1;
- S, N, F: log-normal scatter of the bound signal, log-normal noise of everything, normal noise of the scanner.

The median is subtracted and the result divided by 1.4826 times the median absolute deviation.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.learn.recipe import check
from ribocyte.rna.alphabet import LETTERS
from ribocyte.rna.kmers import windows
from ribocyte.rna.motifs import Array, Motif, association
from ribocyte.rna.protocols import CLIP_PERCENTILE, Scale

TRIMERS = 4**3
_ROWS = 8192
# Probes whose sites are summed together: what is worked on stays in the processor's cache.

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Conditions:
    """How strongly a protein is seen on the array, and how noisily; see the module for the formula.

    Parameters
    ----------
    background : float
        Standard deviation over probes of the logarithm of the background.
    contrast : float
        Signal of a fully occupied probe, in units of the background.
    concentration : float
        Free protein, in units of the motif's dissociation constant.
    scatter : float
        Standard deviation of the logarithm of what a bound probe shines more or less than others as occupied.
    noise : float
        Standard deviation of the logarithm of the noise of everything.
    floor : float
        Standard deviation of the scanner's noise, in units of the background.
    """

    background: float
    contrast: float
    concentration: float
    scatter: float
    noise: float
    floor: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            check(0 < value < 1e6, f"conditions.{field.name}", value, "above 0")


A1CF = Conditions(background=0.767, contrast=14.9, concentration=20.2, scatter=1.06, noise=0.495, floor=0.641)
"""Fitted to the 60,000 measured intensities of A1CF (RNCMPT00001) by `ribocyte.rna.compendium.fitting`.

Quantiles, measured and simulated: 0.001 −2.22 −2.12, 0.01 −1.66 −1.66, 0.1 −1.00 −1.00, 0.25 −0.60 −0.57, 0.75 0.83
0.89, 0.9 2.23 2.50, 0.95 4.1 4.4, 0.99 13.5 12.5, 0.999 41.6 44.1. A network of ``recipes/rna/cnn.toml`` trained on the
same probes reaches a Spearman of 0.657 (Pearson 0.720, squared error 0.485) on the measured and of 0.654 (0.724, 0.478)
on the simulated."""


def expect(bound: Column, potential: Column, conditions: Conditions) -> tuple[Column, Column]:
    """Give what each probe shines without noise: its background, and its bound protein.

    Parameters
    ----------
    bound : numpy array, shape (N,)
        Sum of a probe's sites, each relative to the best there is (the association constant times kd).
    potential : numpy array, shape (N,)
        Logarithm of the background, standardised.
    conditions : Conditions
        The experiment's.
    """
    z = conditions.concentration * bound
    return np.exp(conditions.background * potential), conditions.contrast * z / (1.0 + z)


def add_noise(
    background: Column, signal: Column, conditions: Conditions, normal: NDArray[np.float64]
) -> Column:
    """Measure what `expect` gave, and centre and scale it as published intensities are.

    Parameters
    ----------
    background, signal : numpy array, shape (N,)
        Without noise.
    conditions : Conditions
        The experiment's.
    normal : numpy array, shape (3, N)
        Standard normal numbers: for the scatter, the noise and the floor.
    """
    # The scatter's mean is 1, so that what is expected stays what is expected.
    scatter = np.exp(conditions.scatter * normal[0] - conditions.scatter**2 / 2)
    shine = (background + signal * scatter) * np.exp(conditions.noise * normal[1])
    shine += conditions.floor * normal[2]
    centred = shine - np.median(shine)
    intensities: Column = centred / (1.4826 * np.median(np.abs(centred)))
    return intensities


def ceiling(expected: Column, intensities: Column) -> dict[str, float]:
    """Compare what is expected with what is measured: no network can do better, but by chance.

    Returns
    -------
    dict
        ``spearman``; ``pearson`` between the logarithm and targets as both protocols make them;
        ``pearson_clipped`` between the values themselves, clipped at the 99.95th percentile.
    """
    from scipy.stats import spearmanr

    targets = Scale.measure(intensities).apply(intensities)
    return {
        "spearman": float(spearmanr(expected, intensities).statistic),
        "pearson": float(np.corrcoef(np.log(expected), targets.astype(np.float64))[0, 1]),
        "pearson_clipped": float(np.corrcoef(_clip(expected), _clip(intensities))[0, 1]),
    }


def _clip(values: Column) -> Column:
    return np.minimum(values, np.percentile(values, CLIP_PERCENTILE))


def sum_sites(rna: Tensor, motif: Motif) -> Column:
    """Sum the association constants of all sites of each probe; `association`, some probes at a time."""
    parts = [association(rna[at : at + _ROWS], motif) for at in range(0, len(rna), _ROWS)]
    return np.concatenate(parts) if parts else np.zeros(0)


def count_trimers(rna: Tensor) -> NDArray[np.float32]:
    """Count each of the 64 trimers in each probe, shape (N, 64); those with N or padding are none."""
    counts = np.zeros((len(rna), TRIMERS), dtype=np.float32)
    for at in range(0, len(rna), _ROWS):
        found = windows(rna[at : at + _ROWS].numpy(), 3)
        rows, _ = np.nonzero(found >= 0)
        flat = np.bincount(rows * TRIMERS + found[found >= 0], minlength=len(found) * TRIMERS)
        counts[at : at + len(found)] = flat.reshape(len(found), -1)
    return counts


def trimer_affinity(motif: Motif) -> Array:
    """Give the logarithm of a motif's affinity for each trimer, wherever in the motif it lies best on average.

    Returns
    -------
    numpy array, float64, shape (64,)
        In the order AAA, AAC, … UUU; of mean 0 and length 1. Of a motif shorter than a trimer, positions beyond
        its end prefer nothing.
    """
    weights = np.exp(-motif.energies)
    weights /= weights.mean(axis=1, keepdims=True)
    if len(weights) < 3:
        weights = np.concatenate([weights, np.ones((3 - len(weights), len(LETTERS)))])
    places = [np.einsum("a,b,c->abc", *weights[at : at + 3]) for at in range(len(weights) - 3 + 1)]
    affinity = np.log(np.mean(places, axis=0)).ravel()
    affinity -= affinity.mean()
    length = np.linalg.norm(affinity)
    scaled: Array = affinity / (length or 1.0)
    return scaled


def standardise(values: NDArray[Any]) -> Column:
    """Subtract the mean and divide by the standard deviation, where there is one."""
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    standardised: Column = centred / (centred.std() or 1.0)
    return standardised
