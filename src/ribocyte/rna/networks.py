"""Networks that read RNA: each takes (N, 4, L) one-hot and gives (N, P) affinities, one column an experiment.

All of them ignore padding: positions where all four channels are zero never reach a maximum, a mean or the
state of a recurrence, so a probe padded further scores the same. Convolutions run as two-dimensional ones of
height 1, because the channels-last kernels behind those are two to four times as fast on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ribocyte.learn.layout import channels_last
from ribocyte.learn.recipe import check

RNA = Float[Tensor, "batch 4 length"]
Maps = Float[Tensor, "batch channels 1 length"]
Mask = Float[Tensor, "batch 1 1 length"]
Affinities = Float[Tensor, "batch experiments"]


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
    """

    detectors: int = 192
    width: int = 11
    hidden: int = 128
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check(self.detectors >= 1, "model.detectors", self.detectors, "1 or more")
        check(self.width >= 1 and self.width % 2 == 1, "model.width", self.width, "an odd number of nt")
        check(self.hidden >= 1, "model.hidden", self.hidden, "1 or more")
        check(0 <= self.dropout < 1, "model.dropout", self.dropout, "from 0 to below 1")


class CNN(nn.Module):
    """Motif detectors, the strongest match of each, and a dense layer that weighs them.

    The maximum comes straight after the convolution: normalisation and ReLU then act on one number a
    detector instead of one a position, which is most of this network's time.
    """

    def __init__(self, config: CNNConfig, experiments: int) -> None:
        super().__init__()
        self.detect = _convolution(4, config.detectors, config.width)
        self.weigh = nn.Sequential(nn.BatchNorm1d(config.detectors), nn.ReLU())
        self.regress = _regressor(config.detectors, config.hidden, config.dropout, experiments)

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity an experiment."""
        hits = _strongest(self.detect(rna.unsqueeze(2)), _present(rna))
        out: Tensor = self.regress(self.weigh(hits))
        return out


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
    """

    detectors: int = 128
    width: int = 11
    state: int = 96
    stride: int = 2
    hidden: int = 128
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check(self.detectors >= 1, "model.detectors", self.detectors, "1 or more")
        check(self.width >= 1 and self.width % 2 == 1, "model.width", self.width, "an odd number of nt")
        check(self.state >= 1, "model.state", self.state, "1 or more")
        check(self.stride >= 1, "model.stride", self.stride, "1 or more")
        check(self.hidden >= 1, "model.hidden", self.hidden, "1 or more")
        check(0 <= self.dropout < 1, "model.dropout", self.dropout, "from 0 to below 1")


class BiLSTM(nn.Module):
    """Motif detectors read by two LSTMs, one from either end, then pooled over the positions.

    The backward LSTM reads the reversed RNA with its padding still behind it, so neither direction ever
    carries a state that saw padding.
    """

    def __init__(self, config: BiLSTMConfig, experiments: int) -> None:
        super().__init__()
        self.detect = _convolution(4, config.detectors, config.width, bias=False)
        self.normalise = nn.BatchNorm2d(config.detectors)
        self.merge = nn.MaxPool2d((1, config.stride), ceil_mode=True)
        self.read_forward = nn.LSTM(config.detectors, config.state, batch_first=True)
        self.read_backward = nn.LSTM(config.detectors, config.state, batch_first=True)
        self.regress = _regressor(4 * config.state, config.hidden, config.dropout, experiments)

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity an experiment."""
        present = _present(rna)
        hits = self.merge(self.normalise(self.detect(rna.unsqueeze(2))).relu() * present)
        present = self.merge(present)
        steps = hits.squeeze(2).transpose(1, 2)  # (N, L, C), already contiguous in this order
        reverse = _reversal(present)
        ahead, _ = self.read_forward(steps)
        back, _ = self.read_backward(_reorder(steps, reverse))
        states = torch.cat([ahead, _reorder(back, reverse)], dim=-1).transpose(1, 2).unsqueeze(2)
        pooled = torch.cat([_strongest(states, present), _mean(states * present, present)], dim=1)
        out: Tensor = self.regress(pooled)
        return out


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
        self.detect = _convolution(4, config.channels, config.width, bias=False)
        self.normalise = nn.BatchNorm2d(config.channels)
        self.drop = nn.Dropout2d(config.noise)
        self.blocks = nn.ModuleList(
            _DilatedBlock(config.channels, config.dilations, config.noise) for _ in range(config.blocks)
        )
        self.bins = config.bins
        features = (1 + config.bins) * config.channels
        self.regress = _regressor(features, config.hidden, config.dropout, experiments)

    def forward(self, rna: RNA) -> Affinities:
        """Predict one affinity an experiment."""
        present = _present(rna)
        maps = self.drop(self.normalise(self.detect(rna.unsqueeze(2))).relu() * present)
        for block in self.blocks:
            maps = block(maps, present)
        # After a ReLU nothing is below zero, which is what padding holds: it cannot win the maximum.
        out: Tensor = self.regress(torch.cat([_maximum(maps), _binned(maps, self.bins)], dim=1))
        return out


class _DilatedBlock(nn.Module):
    """Convolutions of growing dilation around a skip connection; padding is put back to zero after each."""

    def __init__(self, channels: int, dilations: tuple[int, ...], noise: float) -> None:
        super().__init__()
        self.drop = nn.Dropout2d(noise)
        self.convolve = nn.ModuleList(
            _convolution(channels, channels, 3, dilation=d, bias=False) for d in dilations
        )
        self.normalise = nn.ModuleList(nn.BatchNorm2d(channels) for _ in dilations)

    def forward(self, maps: Maps, present: Mask) -> Maps:
        inner = maps
        last = len(self.convolve) - 1
        for number, (convolve, normalise) in enumerate(zip(self.convolve, self.normalise, strict=True)):
            inner = normalise(convolve(inner))
            if number < last:
                inner = self.drop(inner.relu() * present)
        return (maps + inner).relu() * present


def _convolution(inputs: int, outputs: int, width: int, *, dilation: int = 1, bias: bool = True) -> nn.Conv2d:
    """Convolve along the RNA, as many positions out as in."""
    reach = dilation * (width // 2)
    return channels_last(
        nn.Conv2d(inputs, outputs, (1, width), padding=(0, reach), dilation=(1, dilation), bias=bias)
    )


def _regressor(inputs: int, hidden: int, dropout: float, experiments: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(inputs, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, experiments),
    )


def _present(rna: RNA) -> Mask:
    """1 where there is a nucleotide, 0 where there is padding."""
    return (rna.sum(dim=1) > 0).to(rna.dtype)[:, None, None, :]


def _strongest(maps: Maps, present: Mask) -> Float[Tensor, "batch channels"]:
    """Take the largest value of each map over the nucleotides; padding never wins."""
    return _maximum(maps + ((present - 1) * 1e4).to(maps.dtype))


def _maximum(maps: Maps) -> Float[Tensor, "batch channels"]:
    """Take the largest value of each map (pooling is twice as fast here as `amax`)."""
    return nn.functional.max_pool2d(maps, (1, maps.shape[-1])).flatten(1)


def _mean(maps: Maps, present: Mask) -> Float[Tensor, "batch channels"]:
    """Average each map, zero at padding already, over the nucleotides."""
    return maps.sum(dim=(2, 3)) / present.sum(dim=(2, 3))


def _binned(maps: Maps, bins: int, width: int = 10) -> Float[Tensor, "batch features"]:
    """Average each map over consecutive parts of `width` nt; padding counts as zero, so length is seen too."""
    window = nn.functional.pad(maps, (0, bins * width - maps.shape[-1]))  # cuts where that is negative
    return nn.functional.avg_pool2d(window, (1, width)).flatten(1)


def _reversal(present: Mask) -> Tensor:
    """Positions that turn each RNA around and leave its padding where it is: (N, L) int64."""
    count = present.sum(dim=-1).long().view(-1, 1)
    position = torch.arange(present.shape[-1], device=present.device)
    return torch.where(position < count, count - 1 - position, position)


def _reorder(
    steps: Float[Tensor, "batch length channels"], order: Tensor
) -> Float[Tensor, "batch length channels"]:
    return steps.gather(1, order.unsqueeze(-1).expand_as(steps))
