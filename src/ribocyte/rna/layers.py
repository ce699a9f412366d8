"""Parts that RNA networks share: convolution along the RNA, pooling that leaves padding out, the dense end.

Convolutions run as two-dimensional ones of height 1, because the channels-last kernels behind those are two to
four times as fast on a CPU.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ribocyte.learn.layout import channels_last
from ribocyte.learn.normalisation import BatchNorm1d
from ribocyte.learn.quick import Dropout, is_quick, strongest, turn

RNA = Float[Tensor, "batch 4 length"]
Maps = Float[Tensor, "batch channels 1 length"]
Mask = Float[Tensor, "batch 1 1 length"]
Steps = Float[Tensor, "batch length channels"]
Affinities = Float[Tensor, "batch experiments"]
Features = Float[Tensor, "batch features"]


def convolution(inputs: int, outputs: int, width: int, *, dilation: int = 1, bias: bool = True) -> nn.Conv2d:
    """Convolve along the RNA, as many positions out as in."""
    reach = dilation * (width // 2)
    return channels_last(
        nn.Conv2d(inputs, outputs, (1, width), padding=(0, reach), dilation=(1, dilation), bias=bias)
    )


def regressor(inputs: int, hidden: int, dropout: float, experiments: int) -> nn.Sequential:
    """Weigh pooled features: one hidden layer, then one affinity an experiment."""
    return nn.Sequential(
        Dropout(dropout),
        nn.Linear(inputs, hidden, bias=False),
        BatchNorm1d(hidden),
        nn.ReLU(),
        Dropout(dropout),
        nn.Linear(hidden, experiments),
    )


def present(rna: RNA) -> Mask:
    """Give 1 where there is a nucleotide, 0 where there is padding."""
    return (rna.sum(dim=1) > 0).to(rna.dtype)[:, None, None, :]


def as_steps(maps: Maps) -> Steps:
    """Read maps position by position; nothing is copied."""
    return maps.squeeze(2).transpose(1, 2)


def as_maps(steps: Steps) -> Maps:
    """Read positions map by map; nothing is copied."""
    return steps.transpose(1, 2).unsqueeze(2)


class Maximum(nn.Module):
    """The largest value of each map; a module, so that DeepLIFT can attach its rule to it.

    Pooling is twice as fast here as `amax`.
    """

    def forward(self, maps: Maps) -> Features:
        """Take it over all positions; see `without_padding` for those to be left out."""
        if self.training and is_quick(maps):
            return strongest(maps)
        return nn.functional.max_pool2d(maps, (1, maps.shape[-1])).flatten(1)


def without_padding(maps: Maps, there: Mask) -> Maps:
    """Lower the maps so far at padding that it never is a maximum."""
    return maps + ((there - 1) * 1e4).to(maps.dtype)


def mean(maps: Maps, there: Mask) -> Features:
    """Average each map, zero at padding already, over the nucleotides; zero where there are none."""
    return maps.sum(dim=(2, 3)) / there.sum(dim=(2, 3)).clamp(min=1)


def binned(maps: Maps, bins: int, width: int = 10) -> Features:
    """Average each map over consecutive parts of `width` nt; padding counts as zero, so length is seen too."""
    window = nn.functional.pad(maps, (0, bins * width - maps.shape[-1]))  # cuts where that is negative
    return nn.functional.avg_pool2d(window, (1, width)).flatten(1)


def reversal(there: Mask) -> Int64[Tensor, "batch length"]:
    """Give the positions that turn each RNA around and leave its padding where it is."""
    count = there.sum(dim=-1).long().view(-1, 1)
    position = torch.arange(there.shape[-1], device=there.device)
    return torch.where(position < count, count - 1 - position, position)


def reorder(steps: Steps, order: Int64[Tensor, "batch length"], training: bool = False) -> Steps:
    """Put the positions of each RNA into the order that `reversal` gives."""
    if training and is_quick(steps):
        return turn(steps, order)
    return steps.gather(1, order.unsqueeze(-1).expand_as(steps))
