"""Networks that read RNA: each takes (N, 4, L) one-hot and gives (N, P) affinities, one column an experiment.

All of them ignore padding: positions where all four channels are zero never reach a maximum, a mean, an
attention or the state of a recurrence, so a probe padded further scores the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ribocyte.learn.normalisation import BatchNorm1d, BatchNorm2d
from ribocyte.learn.quick import MapDropout
from ribocyte.learn.recipe import check
from ribocyte.rna.attention import (
    Attention,
    AttentionPool,
    Share,
    attention_layer,
    attentive,
    check_heads,
    spread,
)
from ribocyte.rna.layers import (
    RNA,
    Affinities,
    Features,
    Maps,
    Mask,
    Maximum,
    Steps,
    as_maps,
    as_steps,
    binned,
    convolution,
    mean,
    present,
    regressor,
    reorder,
    reversal,
    without_padding,
)

MergedSteps = Float[Tensor, "batch merged channels"]
MergedMask = Float[Tensor, "batch 1 1 merged"]


@dataclass(frozen=True)
class CNNConfig:
    """DeepBind-like: detect motifs anywhere, keep the strongest match of each (Alipanahi et al. 2015).

    Parameters
    ----------
    detectors : int
        Motif detectors, each a convolution filter.
    width : int
        Their width in nt; longer than any motif of a single RNA-binding domain.
    hidden : int
        Units of the layer that combines detectors.
    dropout : float
        Share of activations dropped before each dense layer.
    attention : {"none", "self", "pool"}
        What comes between detectors and dense layer: the maximum alone; multi-head self-attention over the
        positions, then the maximum; or attention pooling in the maximum's place.
    heads : int
        Attention heads, among which the detectors are divided; not used without attention.
    """

    detectors: int = 192
    width: int = 11
    hidden: int = 128
    dropout: float = 0.2
    attention: Attention = "none"
    heads: int = 4

    def __post_init__(self) -> None:
        check(self.detectors >= 1, "model.detectors", self.detectors, "1 or more")
        check(self.width >= 1 and self.width % 2 == 1, "model.width", self.width, "an odd number of nt")
        check(self.hidden >= 1, "model.hidden", self.hidden, "1 or more")
        check(0 <= self.dropout < 1, "model.dropout", self.dropout, "from 0 to below 1")
        check_heads(self.heads, self.detectors, "model.detectors", self.attention)


class CNN(nn.Module):
    """Motif detectors, the strongest match of each, and a dense layer that weighs them.

    The maximum comes straight after the convolution: normalisation and ReLU then act on one number a
    detector instead of one a position, which is most of this network's time. With attention they come first,
    since it is the detections that positions tell each other.
    """

    def __init__(self, config: CNNConfig, experiments: int) -> None:
        super().__init__()
        plain = config.attention == "none"
        self.detect = convolution(4, config.detectors, config.width, bias=plain)
        norm = BatchNorm1d(config.detectors) if plain else BatchNorm2d(config.detectors)
        self.weigh = nn.Sequential(norm, nn.ReLU())
        self.attention = attention_layer(config.attention, config.detectors, config.heads)
        self.maximum = Maximum()
        self.regress = regressor(config.detectors, config.hidden, config.dropout, experiments)

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity an experiment."""
        there = present(rna)
        if self.attention is None:
            features = self.weigh(self.maximum(without_padding(self.detect(rna.unsqueeze(2)), there)))
        else:
            features = self._pool(self._read(rna, there), there)
        out: Tensor = self.regress(features)
        return out

    def attend(self, rna: RNA) -> Share:
        """Give the share of attention each nucleotide receives, per head; sums to 1, 0 at padding.

        Self-attention's is the mean over the queries, attention pooling's the weights themselves.

        Raises
        ------
        ModelError
            If the network has no attention.
        """
        there = present(rna)
        return attentive(self.attention).share(self._read(rna, there), there)

    def _read(self, rna: RNA, there: Mask) -> Steps:
        return as_steps(self.weigh(self.detect(rna.unsqueeze(2))) * there)

    def _pool(self, steps: Steps, there: Mask) -> Features:
        """Take each detector's strongest match after self-attention, or let attention itself pool them."""
        found: Tensor = attentive(self.attention)(steps, there)
        if isinstance(self.attention, AttentionPool):
            return found
        strongest: Features = self.maximum(without_padding(as_maps(found), there))
        return strongest


@dataclass(frozen=True)
class BiLSTMConfig:
    """Detect motifs, then read along the RNA in both directions (after Hassanzadeh & Wang 2016, DeeperBind).

    Parameters
    ----------
    detectors : int
        Motif detectors in front of the recurrence.
    width : int
        Their width, nt.
    state : int
        Units of the LSTM in each direction.
    stride : int
        Neighbouring positions merged (by maximum) before the recurrence, which then takes fewer steps.
    hidden : int
        Units of the dense layer.
    dropout : float
        Share of activations dropped before each dense layer.
    attention : {"none", "self", "pool"}
        What comes after the recurrence: maximum and mean alone; multi-head self-attention over the states,
        then maximum and mean; or attention pooling in the place of both.
    heads : int
        Attention heads, among which the ``2 * state`` channels are divided; not used without attention.
    """

    detectors: int = 128
    width: int = 11
    state: int = 96
    stride: int = 2
    hidden: int = 128
    dropout: float = 0.2
    attention: Attention = "none"
    heads: int = 4

    def __post_init__(self) -> None:
        check(self.detectors >= 1, "model.detectors", self.detectors, "1 or more")
        check(self.width >= 1 and self.width % 2 == 1, "model.width", self.width, "an odd number of nt")
        check(self.state >= 1, "model.state", self.state, "1 or more")
        check(self.stride >= 1, "model.stride", self.stride, "1 or more")
        check(self.hidden >= 1, "model.hidden", self.hidden, "1 or more")
        check(0 <= self.dropout < 1, "model.dropout", self.dropout, "from 0 to below 1")
        check_heads(self.heads, 2 * self.state, "2 * model.state", self.attention)


class BiLSTM(nn.Module):
    """Motif detectors read by two LSTMs, one from either end, then pooled over the positions.

    The backward LSTM reads the reversed RNA with its padding still behind it, so neither direction ever
    carries a state that saw padding.
    """

    def __init__(self, config: BiLSTMConfig, experiments: int) -> None:
        super().__init__()
        self.detect = convolution(4, config.detectors, config.width, bias=False)
        self.normalise = BatchNorm2d(config.detectors)
        self.stride = config.stride
        self.rectify = nn.ReLU()
        self.merge = nn.MaxPool2d((1, config.stride), ceil_mode=True)
        self.read_forward = nn.LSTM(config.detectors, config.state, batch_first=True)
        self.read_backward = nn.LSTM(config.detectors, config.state, batch_first=True)
        self.attention = attention_layer(config.attention, 2 * config.state, config.heads)
        self.maximum = Maximum()
        features = (2 if config.attention == "pool" else 4) * config.state
        self.regress = regressor(features, config.hidden, config.dropout, experiments)

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity an experiment."""
        out: Tensor = self.regress(self._pool(*self._read(rna, present(rna))))
        return out

    def attend(self, rna: RNA) -> Share:
        """Give the share of attention each nucleotide receives, per head; sums to 1, 0 at padding.

        Self-attention's is the mean over the queries, attention pooling's the weights themselves. Merged
        positions hand theirs to their nucleotides in equal parts.

        Raises
        ------
        ModelError
            If the network has no attention.
        """
        there = present(rna)
        share = attentive(self.attention).share(*self._read(rna, there))
        return spread(share, there, self.stride)

    def _read(self, rna: RNA, there: Mask) -> tuple[MergedSteps, MergedMask]:
        """Give the states of both LSTMs at every merged position, and which of those hold a nucleotide."""
        hits = self.merge(self.rectify(self.normalise(self.detect(rna.unsqueeze(2)))) * there)
        merged = self.merge(there)
        steps = as_steps(hits)  # already contiguous in this order
        reverse = reversal(merged)
        ahead, _ = self.read_forward(steps)
        back, _ = self.read_backward(reorder(steps, reverse, self.training))
        return torch.cat([ahead, reorder(back, reverse, self.training)], dim=-1), merged

    def _pool(self, steps: Steps, there: Mask) -> Features:
        """Take maximum and mean of each state, after self-attention if any, or let attention itself pool."""
        found: Tensor = steps if self.attention is None else self.attention(steps, there)
        if isinstance(self.attention, AttentionPool):
            return found
        states = as_maps(found)
        strongest = self.maximum(without_padding(states, there))
        return torch.cat([strongest, mean(states * there, there)], dim=1)


@dataclass(frozen=True)
class ResidualConfig:
    """Dilated residual network: a motif and its whole context at once (after Koo et al. 2021, ResidualBind).

    Parameters
    ----------
    channels : int
        Feature maps.
    width : int
        Width of the first convolution, nt.
    dilations : tuple of int
        One three-wide convolution each in every residual block; 1, 2, 4, 8 sees 31 nt around a position.
    blocks : int
        Residual blocks.
    noise : float
        Share of feature maps dropped, whole, after each convolution.
    bins : int
        Parts of 10 nt, from the 5' end, that are averaged on their own: where a site lies matters on the
        array, whose probes are fixed at one end. What lies behind them is read by the maximum alone.
    hidden : int
        Units of the dense layer.
    dropout : float
        Share of activations dropped before each dense layer.
    """

    channels: int = 96
    width: int = 11
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    blocks: int = 1
    noise: float = 0.1
    bins: int = 4
    hidden: int = 256
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check(self.channels >= 1, "model.channels", self.channels, "1 or more")
        check(self.width >= 1 and self.width % 2 == 1, "model.width", self.width, "an odd number of nt")
        check(
            bool(self.dilations) and all(d >= 1 for d in self.dilations),
            "model.dilations",
            self.dilations,
            "a list of numbers, 1 or more each",
        )
        check(self.blocks >= 1, "model.blocks", self.blocks, "1 or more")
        check(0 <= self.noise < 1, "model.noise", self.noise, "from 0 to below 1")
        check(self.bins >= 1, "model.bins", self.bins, "1 or more")
        check(self.hidden >= 1, "model.hidden", self.hidden, "1 or more")
        check(0 <= self.dropout < 1, "model.dropout", self.dropout, "from 0 to below 1")


class Residual(nn.Module):
    """A wide convolution, dilated residual blocks, pooled positions, and a dense layer."""

    def __init__(self, config: ResidualConfig, experiments: int) -> None:
        super().__init__()
        self.detect = convolution(4, config.channels, config.width, bias=False)
        self.normalise = BatchNorm2d(config.channels)
        self.rectify = nn.ReLU()
        self.drop = MapDropout(config.noise)
        self.blocks = nn.ModuleList(
            _DilatedBlock(config.channels, config.dilations, config.noise) for _ in range(config.blocks)
        )
        self.bins, self.maximum = config.bins, Maximum()
        features = (1 + config.bins) * config.channels
        self.regress = regressor(features, config.hidden, config.dropout, experiments)

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity an experiment."""
        there = present(rna)
        maps = self.drop(self.rectify(self.normalise(self.detect(rna.unsqueeze(2)))) * there)
        for block in self.blocks:
            maps = block(maps, there)
        # After a ReLU nothing is below zero, which is what padding holds: it cannot win the maximum.
        out: Tensor = self.regress(torch.cat([self.maximum(maps), binned(maps, self.bins)], dim=1))
        return out


class _DilatedBlock(nn.Module):
    """Convolutions of growing dilation around a skip connection; padding is put back to zero after each."""

    def __init__(self, channels: int, dilations: tuple[int, ...], noise: float) -> None:
        super().__init__()
        self.drop = MapDropout(noise)
        self.convolve = nn.ModuleList(
            convolution(channels, channels, 3, dilation=d, bias=False) for d in dilations
        )
        self.normalise = nn.ModuleList(BatchNorm2d(channels) for _ in dilations)
        self.rectify = nn.ReLU()

    def forward(self, maps: Maps, there: Mask) -> Maps:
        inner = maps
        last = len(self.convolve) - 1
        for number, (convolve, normalise) in enumerate(zip(self.convolve, self.normalise, strict=True)):
            inner = normalise(convolve(inner))
            if number < last:
                inner = self.drop(self.rectify(inner) * there)
        out: Tensor = self.rectify(maps + inner) * there
        return out
