"""What mutations cost, and whether those that cost most hit a motif."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import PADDING
from ribocyte.rna.attribution import mutagenesis
from ribocyte.rna.discovery.motif import CORE_BITS, Array, Probes, information

Positions = NDArray[np.int64]
_LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True, eq=False)
class Mutants:
    """Sequences, and what every single substitution does to them.

    Parameters
    ----------
    tokens : Tensor, uint8, shape (M, L)
        The sequences.
    effects : Tensor, float32, shape (M, 4, L)
        Mutant minus original; see `ribocyte.rna.attribution.mutagenesis`.
    """

    tokens: Tensor
    effects: Tensor

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Hits:
    """How often the mutation that costs most hits a motif's best site in the sequence.

    Parameters
    ----------
    mutation : str
        Such as ``substitution``.
    share : float
        Of the sequences in which the costliest mutation touches the site.
    chance : float
        The share that mutations at random places would give.
    sequences : int
        How many sequences have a site.
    """

    mutation: str
    share: float
    chance: float
    sequences: int


def mutate(model: Predictor, probes: Probes, count: int = 500, output: int = 0) -> Mutants:
    """Try every substitution in the sequences that a model predicts to be bound best.

    Parameters
    ----------
    model : Predictor
        Reads RNA.
    probes : Probes
        Sequences and predictions of this output.
    count : int
        How many sequences to take at most.
    output : int
        Which of the network's outputs.
    """
    tokens = probes.tokens[torch.from_numpy(probes.strongest(count))]
    return Mutants(tokens, mutagenesis(model, tokens, output))


def delete(tokens: Tensor, start: int, width: int) -> Tensor:
    """Cut `width` nucleotides out of each sequence (N, L); what follows moves up, and padding fills the end."""
    rest = torch.cat([tokens[:, :start], tokens[:, start + width :]], dim=1)
    return torch.nn.functional.pad(rest, (0, width), value=PADDING)


def hit_by_substitutions(pwm: Array, mutants: Mutants) -> Hits:
    """Count in how many sequences the costliest substitution lies in the best site of a motif."""
    costs = mutants.effects.amin(dim=1).double().numpy()
    return _count_hits("substitution", pwm, mutants.tokens, costs, width=1)


def hit_by_deletions(model: Predictor, pwm: Array, tokens: Tensor, width: int = 5, output: int = 0) -> Hits:
    """Count in how many sequences the costliest deletion of `width` nucleotides overlaps the best site of a motif."""
    before = model.outputs(tokens)[:, output]
    starts = range(tokens.shape[1] - width + 1)
    costs = torch.stack(
        [model.outputs(delete(tokens, start, width))[:, output] - before for start in starts], dim=1
    )
    whole = (tokens.unfold(1, width, 1) != PADDING).all(dim=2)
    return _count_hits(
        f"deletion of {width} nt", pwm, tokens, costs.masked_fill(~whole, torch.inf).double().numpy(), width
    )


def best_sites(pwm: Array, tokens: Tensor) -> tuple[Positions, int]:
    """Find where each sequence fits a motif's core best.

    The core reaches from the first to the last column that tells `CORE_BITS`.

    Returns
    -------
    starts : numpy array, int64, shape (N,)
        From 0; -1 where no whole window of A, C, G, U fits.
    width : int
        Of the core, nt.
    """
    telling = np.flatnonzero(information(pwm) >= CORE_BITS)
    core = pwm[telling[0] : telling[-1] + 1] if len(telling) else pwm
    weights = np.log(core.clip(min=_LEAST_PROBABILITY))
    columns = np.column_stack([weights, np.full((len(core), 2), -np.inf)])  # N and padding
    rows = tokens.cpu().numpy()
    count = rows.shape[1] - len(core) + 1
    if count < 1:
        return np.full(len(rows), -1), len(core)
    fits = sum(columns[at][rows[:, at : at + count]] for at in range(len(core)))
    return np.where(np.isfinite(fits.max(axis=1)), fits.argmax(axis=1), -1), len(core)


def _count_hits(mutation: str, pwm: Array, tokens: Tensor, costs: Array, width: int) -> Hits:
    """Compare the place of the lowest cost (N, places), where `width` nucleotides change, with the best site."""
    sites, core = best_sites(pwm, tokens)
    there = sites >= 0
    if not there.any():
        return Hits(mutation, np.nan, np.nan, 0)
    starts, costs = sites[there, None], costs[there]
    places = np.arange(costs.shape[1])
    touching = (places > starts - width) & (places < starts + core)
    possible = np.isfinite(costs) & (tokens[torch.from_numpy(there)][:, : costs.shape[1]] != PADDING).numpy()
    worst = np.where(possible, costs, np.inf).argmin(axis=1)
    chance = (touching & possible).sum(axis=1) / np.maximum(possible.sum(axis=1), 1)
    share = touching[np.arange(len(worst)), worst].mean()
    return Hits(mutation, float(share), float(chance.mean()), int(there.sum()))
