"""What all proteins share: a reading of the RNA, made once however many proteins are asked about."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ribocyte.learn.normalisation import BatchNorm1d, BatchNorm2d
from ribocyte.learn.quick import Dropout
from ribocyte.learn.recipe import check
from ribocyte.rna.layers import RNA, Features, Maximum, binned, convolution, present


@dataclass(frozen=True)
class TrunkConfig:
    """Motif detectors of several widths side by side (after Karin et al. 2021, MultiRBP), pooled and combined.

    Parameters
    ----------
    widths : tuple of int
        Widths of the detectors, nt; the motifs of different proteins are not equally long.
    detectors : int
        Detectors of each width.
    bins : int
        Parts of 10 nt, from the 5' end, that are averaged on their own: where a site lies matters on the array.
    hidden : int
        Units that combine them: what the proteins share.
    dropout : float
        Share of activations dropped before and after those.
    """

    widths: tuple[int, ...] = (5, 7, 9, 11)
    detectors: int = 64
    bins: int = 4
    hidden: int = 512
    dropout: float = 0.2

    def __post_init__(self) -> None:
        right = bool(self.widths) and all(width >= 1 and width % 2 == 1 for width in self.widths)
        check(right, "model.widths", self.widths, "a list of odd numbers of nt")
        check(self.detectors >= 1, "model.detectors", self.detectors, "1 or more")
        check(self.bins >= 1, "model.bins", self.bins, "1 or more")
        check(self.hidden >= 1, "model.hidden", self.hidden, "1 or more")
        check(0 <= self.dropout < 1, "model.dropout", self.dropout, "from 0 to below 1")


class Trunk(nn.Module):
    """Detect motifs, keep the strongest match of each and its mean in each part of the RNA, combine."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        maps = len(config.widths) * config.detectors
        self.detect = nn.ModuleList(
            convolution(4, config.detectors, width, bias=False) for width in config.widths
        )
        self.normalise = BatchNorm2d(maps)
        self.rectify = nn.ReLU()
        self.bins, self.maximum = config.bins, Maximum()
        self.combine = nn.Sequential(
            Dropout(config.dropout),
            nn.Linear((1 + config.bins) * maps, config.hidden, bias=False),
            BatchNorm1d(config.hidden),
            nn.ReLU(),
            Dropout(config.dropout),
        )

    def forward(self, rna: RNA) -> Features:
        """Read RNA, (N, 4, L), into (N, hidden)."""
        columns = rna.unsqueeze(2)
        found = torch.cat([detect(columns) for detect in self.detect], dim=1)
        # After a ReLU nothing is below zero, which is what padding is put to: it cannot win the maximum.
        maps = self.rectify(self.normalise(found)) * present(rna)
        out: Tensor = self.combine(torch.cat([self.maximum(maps), binned(maps, self.bins)], dim=1))
        return out
