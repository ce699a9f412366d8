"""Proteins condition what is made of the RNA (FiLM, Perez et al. 2018): more than a product can say, pair by pair."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from ribocyte.learn.recipe import check
from ribocyte.learn.splits import Info
from ribocyte.rna.joint.bank import Bank, BankConfig, make_bank
from ribocyte.rna.joint.trunk import Trunk
from ribocyte.rna.layers import RNA, Affinities, Features
from ribocyte.rna.proteins.sequences import Protein


@dataclass(frozen=True)
class FilmConfig(BankConfig):
    """Trunk and bank (see `BankConfig`), and how they meet.

    Parameters
    ----------
    rank : int
        Numbers in a protein's vector.
    units : int
        Units that each protein scales and shifts before their ReLU; N × P × units numbers in a step.
    """

    rank: int = 128
    units: int = 48

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.rank >= 1, "model.rank", self.rank, "1 or more")
        check(self.units >= 1, "model.units", self.units, "1 or more")


class Film(nn.Module):
    """Units of the RNA, scaled and shifted by each protein, rectified, weighed by each protein."""

    def __init__(self, config: FilmConfig, bank: Bank) -> None:
        super().__init__()
        self.trunk = Trunk(config)
        self.meet = nn.Linear(config.hidden, config.units)
        self.condition = nn.Linear(config.rank, 3 * config.units)
        self.rectify = nn.ReLU()
        self.bank = bank

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity a protein, (N, P)."""
        return self.bind(self.trunk(rna))

    def bind(self, features: Features) -> Affinities:
        """Do so of what the trunk found, (N, hidden)."""
        vectors = self.bank()
        scale, shift, weight = self.condition(vectors[:, 1:]).chunk(3, dim=1)
        units = self.meet(features)[:, None]
        found = self.rectify(units * (1 + scale) + shift)
        product: Tensor = torch.einsum("npu,pu->np", found, weight)
        affinities: Affinities = product + vectors[:, 0]
        return affinities

    def aimed(self, known: Sequence[Protein], proteins: Sequence[Protein]) -> Self:
        """Give the same network for other proteins."""
        other = copy.deepcopy(self)
        other.bank = self.bank.aimed(known, proteins)
        return other


def build(config: FilmConfig, info: Info) -> Film:
    """Build the network for the proteins of `info`, aimed where it says so."""
    return Film(config, make_bank(config, info, config.rank + 1))
