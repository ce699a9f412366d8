"""One trunk, one output a protein: what the proteins share is learned once (after Karin et al. 2021, MultiRBP)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ribocyte.learn.splits import Info
from ribocyte.rna.joint.baselines import Mixture, average_weights, same_weights
from ribocyte.rna.joint.known import KNOWN
from ribocyte.rna.joint.trunk import Trunk, TrunkConfig
from ribocyte.rna.layers import RNA, Affinities, Features
from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.sequences import Protein


@dataclass(frozen=True)
class MultiConfig(TrunkConfig):
    """A shared trunk and a linear output for each protein; see `TrunkConfig`."""


class Multi(nn.Module):
    """A shared trunk and a linear output for each protein. Of proteins it knows no more than that they differ."""

    def __init__(self, config: MultiConfig, proteins: int) -> None:
        super().__init__()
        self.trunk = Trunk(config)
        self.weigh = nn.Linear(config.hidden, proteins)

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity a protein, (N, P)."""
        return self.bind(self.trunk(rna))

    def bind(self, features: Features) -> Affinities:
        """Do so of what the trunk found, (N, hidden)."""
        out: Tensor = self.weigh(features)
        return out

    def only(self, number: int) -> Multi:
        """Give the network of one of its proteins, by its place among them; it can be trained on by itself."""
        other = copy.deepcopy(self)
        with torch.no_grad():
            other.weigh = nn.Linear(self.weigh.in_features, 1)
            other.weigh.weight.copy_(self.weigh.weight[[number]])
            other.weigh.bias.copy_(self.weigh.bias[[number]])
        return other

    def aimed(self, known: Sequence[Protein], proteins: Sequence[Protein]) -> Aimed:
        """Let the known proteins speak for others, weighed by identity; a known one speaks for itself."""
        return Aimed(copy.deepcopy(self), speaking_weights(known, proteins))


class Aimed(Mixture):
    """A `Multi` whose outputs are mixed for other proteins; can be aimed again."""

    network: Multi

    @property
    def trunk(self) -> Trunk:
        """What the network that is mixed reads RNA with."""
        return self.network.trunk

    def bind(self, features: Features) -> Affinities:
        """Predict one affinity a protein, (N, Q), of what the trunk found, (N, hidden)."""
        known = self.network.bind(features)
        return known @ self.weights.T.to(known.dtype)

    def aimed(self, known: Sequence[Protein], proteins: Sequence[Protein]) -> Aimed:
        """Aim the network that is mixed at yet other proteins."""
        return Aimed(copy.deepcopy(self.network), speaking_weights(known, proteins))


def speaking_weights(known: Sequence[Protein], proteins: Sequence[Protein]) -> Tensor:
    """Weigh known proteins for others by identity; one of equal sequence speaks alone."""
    weights = same_weights(proteins, known)
    strange = ~weights.any(dim=1)
    strangers = [protein for protein, alone in zip(proteins, strange.tolist(), strict=True) if alone]
    if strangers:  # only they are aligned
        weights[strange] = average_weights(identity_matrix(strangers, known))
    return weights


def build(config: MultiConfig, info: Info) -> nn.Module:
    """Build the network for the proteins of `info`, aimed where it says so."""
    network = Multi(config, len(info.normalisation.get(KNOWN, info.outputs)))
    if KNOWN not in info.normalisation:
        return network
    return Aimed(network, torch.zeros(len(info.outputs), network.weigh.out_features))
