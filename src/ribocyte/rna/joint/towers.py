"""Two towers, one for RNA and one for proteins, that meet in a matrix product: all probes by all proteins at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from ribocyte.learn.recipe import check
from ribocyte.learn.splits import Info
from ribocyte.rna.joint.bank import Bank, BankConfig, make_bank
from ribocyte.rna.joint.trunk import Trunk
from ribocyte.rna.layers import RNA, Affinities, Features
from ribocyte.rna.proteins.sequences import Protein


@dataclass(frozen=True)
class TowersConfig(BankConfig):
    """Trunk and bank (see `BankConfig`), and how they meet.

    Parameters
    ----------
    rank : int
        Numbers in the vectors of RNA and of proteins, whose product is the affinity.
    """

    rank: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.rank >= 1, "model.rank", self.rank, "1 or more")


class Towers(nn.Module):
    """The RNA's vector, each number gated by the rest of the RNA, times the protein's, plus a bias of the protein's."""

    def __init__(self, config: TowersConfig, bank: Bank) -> None:
        super().__init__()
        self.trunk = Trunk(config)
        self.meet = nn.Sequential(nn.Linear(config.hidden, 2 * config.rank), nn.GLU(dim=1))
        self.bank = bank

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity a protein, (N, P)."""
        return self.bind(self.trunk(rna))

    def bind(self, features: Features) -> Affinities:
        """Do so of what the trunk found, (N, hidden)."""
        vectors = self.bank()
        product: Tensor = self.meet(features) @ vectors[:, 1:].T
        affinities: Affinities = product + vectors[:, 0]
        return affinities

    def aimed(self, known: Sequence[Protein], proteins: Sequence[Protein]) -> Self:
        """Give the same network for other proteins."""
        other = copy.deepcopy(self)
        other.bank = self.bank.aimed(known, proteins)
        return other


def build(config: TowersConfig, info: Info) -> Towers:
    """Build the network for the proteins of `info`, aimed where it says so."""
    return Towers(config, make_bank(config, info, config.rank + 1))
