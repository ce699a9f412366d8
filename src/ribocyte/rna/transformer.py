"""A transformer that reads RNA: motif detectors first, then encoder blocks in which positions tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ribocyte.learn.normalisation import BatchNorm2d
from ribocyte.learn.quick import MapDropout
from ribocyte.learn.recipe import check
from ribocyte.rna.attention import SelfAttention, Share, check_heads
from ribocyte.rna.layers import (
    RNA,
    Affinities,
    Mask,
    Maximum,
    Steps,
    as_maps,
    as_steps,
    binned,
    convolution,
    present,
    regressor,
    without_padding,
)


@dataclass(frozen=True)
class TransformerConfig:
    """Encoder blocks over motif detectors (after Vaswani et al. 2017; pre-norm, Xiong et al. 2020).

    Parameters
    ----------
    width : int
        Channels at every position, whatever the number of heads.
    stem : int
        Width in nt of the convolution in front: attention over single letters would have to find k-mers first.
    layers : int
        Encoder blocks.
    heads : int
        Attention heads in each, among which the channels are divided.
    feedforward : int
        Units of the layer between two attentions.
    noise : float
        Share of channels dropped, whole, after the stem and in every block: as good against overfitting as
        dropping single activations, and a fraction of its time on a CPU.
    bins : int
        Parts of 10 nt, from the 5' end, that are averaged on their own: where a site lies matters on the
        array, whose probes are fixed at one end. What lies behind them is read by the maximum alone.
    hidden : int
        Units of the dense layer.
    dropout : float
        Share of activations dropped before each dense layer.
    """

    width: int = 96
    stem: int = 11
    layers: int = 2
    heads: int = 4
    feedforward: int = 192
    noise: float = 0.1
    bins: int = 4
    hidden: int = 128
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check(self.width >= 1, "model.width", self.width, "1 or more")
        check(self.stem >= 1 and self.stem % 2 == 1, "model.stem", self.stem, "an odd number of nt")
        check(self.layers >= 1, "model.layers", self.layers, "1 or more")
        check_heads(self.heads, self.width, "model.width")
        check(self.feedforward >= 1, "model.feedforward", self.feedforward, "1 or more")
        check(0 <= self.noise < 1, "model.noise", self.noise, "from 0 to below 1")
        check(self.bins >= 1, "model.bins", self.bins, "1 or more")
        check(self.hidden >= 1, "model.hidden", self.hidden, "1 or more")
        check(0 <= self.dropout < 1, "model.dropout", self.dropout, "from 0 to below 1")


class Transformer(nn.Module):
    """A convolutional stem, encoder blocks, pooled positions, and a dense layer."""

    def __init__(self, config: TransformerConfig, experiments: int) -> None:
        super().__init__()
        self.detect = convolution(4, config.width, config.stem, bias=False)
        self.normalise = BatchNorm2d(config.width)
        self.rectify = nn.ReLU()
        self.drop = MapDropout(config.noise)
        self.blocks = nn.ModuleList(EncoderBlock(config) for _ in range(config.layers))
        self.finish = nn.LayerNorm(config.width)
        self.bins, self.maximum = config.bins, Maximum()
        self.regress = regressor((1 + config.bins) * config.width, config.hidden, config.dropout, experiments)

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity an experiment."""
        there = present(rna)
        steps = self._read(rna, there)
        for block in self.blocks:
            steps = block(steps, there)
        maps = as_maps(self.finish(steps))
        strongest = self.maximum(without_padding(maps, there))
        out: Tensor = self.regress(torch.cat([strongest, binned(maps * there, self.bins)], dim=1))
        return out

    def attend(self, rna: RNA) -> Share:
        """Give the share of attention each nucleotide receives in the last block, per head: mean over queries.

        Sums to 1 over an RNA's nucleotides, exactly 0 at padding.
        """
        there = present(rna)
        steps = self._read(rna, there)
        *before, last = self.blocks
        for block in before:
            steps = block(steps, there)
        return cast(EncoderBlock, last).attention.share(steps, there)

    def _read(self, rna: RNA, there: Mask) -> Steps:
        return as_steps(self.drop(self.normalise(self.detect(rna.unsqueeze(2))).relu()) * there)


class EncoderBlock(nn.Module):
    """Self-attention between positions, then a dense layer within each; both add to what was there."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads)
        self.think = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, config.feedforward),
            nn.ReLU(),
            nn.Linear(config.feedforward, config.width),
        )
        self.drop = nn.Dropout1d(config.noise)

    def forward(self, steps: Steps, there: Mask) -> Steps:
        """Give the positions with what attention and thought added."""
        steps = self.attention(steps, there)
        thought = self.drop(self.think(steps).transpose(1, 2)).transpose(1, 2)
        out: Tensor = steps + thought
        return out
