"""Read proteins by convolution over the residues that bind, with the kind of domain marked at each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ribocyte.rna.proteins.sequences import RESIDUES, Domain, Protein

Residues = UInt8[Tensor, "proteins 2 length"]
Keys = Float[Tensor, "proteins key"]

LONGEST = 1024
"""Residues that are read of a protein; the domains of the largest construct have 420."""
FAMILIES = ("RRM", "KH", "zf-CCCH", "zf-CCHC", "zf-RanBP", "PUF", "CSD", "SAM", "S1")
"""Kinds of domain that are told apart; numbered variants of a kind are one."""
ABSENT, UNKNOWN, OTHER = 0, 1 + len(RESIDUES), 1 + len(FAMILIES)
_CODES = {letter: 1 + number for number, letter in enumerate(RESIDUES)} | {"U": 1 + RESIDUES.index("C")}


class ResidueReader(nn.Module):
    """One convolution over the residues; the strongest match and the mean of each map make the key.

    Parameters
    ----------
    key : int
        Numbers in a key.
    dropout : float
        Share of the maps dropped, whole.
    channels, width : int
        Feature maps, and residues each sees.
    """

    kept = False
    """Features follow from the sequences: they need not be kept with the weights."""

    def __init__(self, key: int, dropout: float, channels: int = 64, width: int = 5) -> None:
        super().__init__()
        self.letters = nn.Embedding(UNKNOWN + 1, 12, padding_idx=ABSENT)
        self.kinds = nn.Embedding(OTHER + 1, 12)
        self.convolve = nn.Conv1d(12, channels, width, padding=width // 2)
        self.rectify, self.drop = nn.ReLU(), nn.Dropout(dropout)
        self.key = nn.Linear(2 * channels, key, bias=False)
        nn.init.normal_(self.key.weight, std=0.33)

    def features(self, proteins: Sequence[Protein]) -> Residues:
        """Write the domains end to end as numbers, or the first residues where no domain is known.

        Returns
        -------
        Tensor, uint8, shape (P, 2, L)
            Amino acids, 1 to 20 in the order of `RESIDUES`, 21 for any other, 0 behind the last; and the kind
            of domain each is in, 1 + its place in `FAMILIES`, 10 for another kind, 0 for none.
        """
        rows = [_write(protein) for protein in proteins]
        table = torch.zeros(len(rows), 2, max(row.shape[1] for row in rows), dtype=torch.uint8)
        for place, row in zip(table, rows, strict=True):
            place[:, : row.shape[1]] = row
        return table

    def forward(self, features: Residues) -> Keys:
        """Give the key of each protein, (P, key)."""
        letters, kinds = features.int().unbind(dim=1)
        there = (letters != ABSENT)[:, None]
        steps = self.letters(letters) + self.kinds(kinds)
        maps = self.rectify(self.convolve(steps.transpose(1, 2) * there)) * there
        mean = maps.sum(dim=2) / there.sum(dim=2).clamp(min=1)
        keys: Tensor = self.key(self.drop(torch.cat([maps.amax(dim=2), mean], dim=1)))
        return keys


def _write(protein: Protein) -> Tensor:
    """Write one protein, (2, L)."""
    parts = protein.domains or (Domain("", 0, len(protein)),)
    letters = [
        _CODES.get(letter, UNKNOWN) for part in parts for letter in protein.sequence[part.begin : part.end]
    ]
    kinds = [_number(part.kind) for part in parts for _ in range(part.begin, part.end)]
    return torch.tensor([letters, kinds], dtype=torch.uint8)[:, :LONGEST]


def _number(kind: str) -> int:
    family = kind.partition("_")[0]
    if not family:
        return 0
    return 1 + FAMILIES.index(family) if family in FAMILIES else OTHER
