"""What must be beaten: a protein is said to bind what its known relatives bind.

Each baseline is a matrix of weights (Q, K): how much each of K known proteins counts for each of Q asked about. It
mixes whatever is known of the K: the outputs of a network (`Mixture`), or measured profiles (`mix_profiles`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from ribocyte.learn.recipe import check
from ribocyte.rna.layers import RNA, Affinities
from ribocyte.rna.proteins.alignment import Identities
from ribocyte.rna.proteins.sequences import Protein

Weights = Float[Tensor, "asked known"]

SHARPNESS = 22.0
"""A known protein of 0.045 more identity counts e times as much. On the simulated compendium of 420 experiments, with
clusters held out, 20 to 25 gave the best Spearman, 0.306, 10 gave 0.262 and 40 gave 0.282."""
TOP = 1000
"""Known proteins that count in an average, the most alike: in effect all. With 20 the Spearman was 0.292."""


class Mixture(nn.Module):
    """A network's outputs for known proteins, mixed into outputs for others.

    Parameters
    ----------
    network : nn.Module
        Takes (N, 4, L), gives (N, K): one column a known protein.
    weights : Tensor, float32, shape (Q, K)
        How much each known protein counts for each one asked about; rows sum to 1.
    """

    def __init__(self, network: nn.Module, weights: Weights) -> None:
        super().__init__()
        self.network = network
        self.weights: Tensor
        self.register_buffer("weights", weights.detach().clone().float())

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity a protein that is asked about, (N, Q)."""
        known: Tensor = self.network(rna)
        return known @ self.weights.T.to(known.dtype)


def nearest_weights(identities: Identities) -> Weights:
    """Let the most alike known protein speak alone; of several as alike, each its part.

    Parameters
    ----------
    identities : numpy array, float32, shape (Q, K)
        As `ribocyte.rna.proteins.alignment.identity_matrix` gives them: asked about, known.

    Returns
    -------
    Tensor, float32, shape (Q, K)
        Rows sum to 1.
    """
    found = _checked(identities)
    best = (found == found.max(dim=1, keepdim=True).values).double()
    return (best / best.sum(dim=1, keepdim=True)).float()


def average_weights(identities: Identities, sharpness: float = SHARPNESS, top: int = TOP) -> Weights:
    """Weigh known proteins by ``exp(sharpness · identity)``, the most alike only (after Sasse et al. 2025, SimBind).

    Parameters
    ----------
    identities : numpy array, float32, shape (Q, K)
        As for `nearest_weights`.
    sharpness : float
        0 weighs all alike; the larger, the more does the nearest speak alone.
    top : int
        How many count.
    """
    check(sharpness >= 0, "sharpness", sharpness, "0 or more")
    check(top >= 1, "top", top, "1 or more")
    found = _checked(identities)
    least = found.topk(min(top, found.shape[1]), dim=1).values[:, -1:]
    weights: Tensor = (found * sharpness).masked_fill(found < least, -torch.inf).softmax(dim=1)
    return weights.float()


def mean_weights(identities: Identities) -> Weights:
    """Let all known proteins speak alike, whoever is asked about: what can be said without a sequence."""
    found = _checked(identities)
    return torch.full(found.shape, 1 / found.shape[1])


BASELINES: Mapping[str, Callable[[Identities], Weights]] = {
    "nearest": nearest_weights,
    "average": average_weights,
    "mean": mean_weights,
}
"""By name: how identities become weights."""


def same_weights(proteins: Sequence[Protein], known: Sequence[Protein]) -> Weights:
    """Let a known protein speak for itself, all its experiments alike; rows of zeros for others."""
    same = torch.tensor([[one.sequence == other.sequence for other in known] for one in proteins])
    return same.float() / same.sum(dim=1, keepdim=True).clamp(min=1)


def mix_profiles(weights: Weights, profiles: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mix measured profiles; where a spot failed, the other known proteins speak in its place.

    Parameters
    ----------
    weights : Tensor, float32, shape (Q, K)
        As the functions above give them.
    profiles : numpy array, shape (N, K)
        Intensities or z-scores of known proteins, NaN where missing.

    Returns
    -------
    numpy array, float32, shape (N, Q)
        NaN where no protein that counts was measured.
    """
    table = weights.double().numpy()
    measured = ~np.isnan(profiles)
    total = np.where(measured, profiles, 0.0) @ table.T
    counted = measured.astype(np.float64) @ table.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mixed: NDArray[np.float32] = np.where(counted > 0, total / counted, np.nan).astype(np.float32)
    return mixed


def _checked(identities: Identities) -> Tensor:
    shape = identities.shape
    check(len(shape) == 2 and shape[1] >= 1, "identities' shape", shape, "(Q, K), K of 1 or more")
    return torch.from_numpy(np.asarray(identities, dtype=np.float64))
