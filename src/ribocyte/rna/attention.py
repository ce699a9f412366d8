"""Attention over the positions of an RNA: every position looks at every other, or learned queries look at all.

Padding is never looked at, and positions say where they are by their distance alone, so an RNA padded further
is attended to the same way.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ribocyte.errors import ModelError
from ribocyte.learn.recipe import check
from ribocyte.rna.layers import RNA, Features, Mask, Steps

Attention = Literal["none", "self", "pool"]
"""No attention, every position to every other ("self"), or learned queries to every position ("pool")."""
FARTHEST = 20
"""Distance in positions from which on all are as far: half a probe of the array."""
_NEVER = -1e4  # a score whose weight is exactly 0 in every precision, and still a number

Share = Float[Tensor, "batch heads length"]
Heads = Float[Tensor, "batch heads length each"]
Weights = Float[Tensor, "batch heads length length"]


@runtime_checkable
class Attentive(Protocol):
    """A network that says where it looked."""

    def attend(self, rna: RNA) -> Share:
        """Give the share of attention each nucleotide receives, per head; sums to 1, 0 at padding."""
        ...


class SelfAttention(nn.Module):
    """Multi-head self-attention with a residual around it (Vaswani et al. 2017; pre-norm, Xiong et al. 2020).

    A learned number per head and distance is added to every score, as Shaw et al. 2018 and Raffel et al. 2020
    do: a head can look three positions downstream, wherever the RNA begins and ends.

    Parameters
    ----------
    width : int
        Channels in and out, whatever the number of heads.
    heads : int
        Heads; each has ``width / heads`` channels.
    farthest : int
        Distance from which on all positions are as far.
    """

    def __init__(self, width: int, heads: int, farthest: int = FARTHEST) -> None:
        super().__init__()
        self.heads, self.farthest = heads, farthest
        self.normalise = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.combine = nn.Linear(width, width)
        self.distance = nn.Parameter(torch.zeros(heads, 2 * farthest + 1))

    def forward(self, steps: Steps, there: Mask) -> Steps:
        """Add to each position what it finds at the others."""
        queries, keys, values = self._project(steps)
        found = self._weights(queries, keys, there).to(values.dtype) @ values
        out: Tensor = steps + self.combine(found.transpose(1, 2).flatten(2))
        return out

    def share(self, steps: Steps, there: Mask) -> Share:
        """Give how much attention each position receives: the mean over the queries that are present."""
        queries, keys, _ = self._project(steps)
        asked = there.transpose(-2, -1)
        weights = self._weights(queries, keys, there) * (asked * there)
        return weights.sum(dim=2) / asked.sum(dim=2).clamp(min=1)

    def _project(self, steps: Steps) -> tuple[Heads, Heads, Heads]:
        """Make queries, keys and values."""
        parts = self.project(self.normalise(steps))
        parts = parts.view(*steps.shape[:2], 3, self.heads, steps.shape[2] // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        return queries, keys, values

    def _weights(self, queries: Heads, keys: Heads, there: Mask) -> Weights:
        """Say how much each position takes of every other.

        In so many steps because a CPU trains through them one and a half times as fast in bfloat16 as through
        `scaled_dot_product_attention`, whose learned bias rules the fused kernels out, and who wants to know
        where a network looked needs the weights anyway. The bias keeps the softmax in full precision.
        """
        scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
        return (scores + self._bias(there)).softmax(dim=-1)

    def _bias(self, there: Mask) -> Weights:
        """Score each pair by its distance; what is padding is out of reach."""
        position = torch.arange(there.shape[-1], device=there.device)
        apart = (position[None, :] - position[:, None]).clamp(-self.farthest, self.farthest)
        return self.distance[:, apart + self.farthest] + (1 - there) * _NEVER


class AttentionPool(nn.Module):
    """Attention pooling: each learned query takes a weighted mean of its own share of the channels.

    It takes the place of the maximum and the mean instead of standing beside them: all that the network makes of
    an RNA has then passed through these weights, and they can be read as what it looked at. Keys of their own
    would add nothing, since a learned query of keys that are linear in the positions is a linear score again.

    Parameters
    ----------
    width : int
        Channels in and features out, whatever the number of heads.
    heads : int
        Learned queries.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Parameter(torch.randn(heads, width) / math.sqrt(width))

    def forward(self, steps: Steps, there: Mask) -> Features:
        """Pool the positions of each RNA into one row of features."""
        weights = self.share(steps, there)
        values = steps.reshape(*steps.shape[:2], self.heads, -1)
        return torch.einsum("nhl,nlhd->nhd", weights.to(values.dtype), values).flatten(1)

    def share(self, steps: Steps, there: Mask) -> Share:
        """Give the weight each position has in each query's mean."""
        scores = (steps @ self.queries.T).transpose(1, 2)
        weights: Tensor = (scores + (1 - there.squeeze(1)) * _NEVER).softmax(dim=-1)
        return weights * there.squeeze(1)


def attention_layer(attention: Attention, width: int, heads: int) -> SelfAttention | AttentionPool | None:
    """Make the layer a configuration asks for, None where it asks for none."""
    if attention == "self":
        return SelfAttention(width, heads)
    return AttentionPool(width, heads) if attention == "pool" else None


def attentive(layer: SelfAttention | AttentionPool | None) -> SelfAttention | AttentionPool:
    """Give the attention of a network that has one.

    Raises
    ------
    ModelError
        If it has none; names the setting that would give it some.
    """
    if layer is None:
        raise ModelError(
            "model.attention = 'none': this network attends to nothing",
            expected="a network trained with model.attention = 'self' or 'pool', or a transformer",
        )
    return layer


def spread(share: Float[Tensor, "batch heads merged"], there: Mask, stride: int) -> Share:
    """Hand the share of merged positions to their nucleotides in equal parts; `there` tells of nucleotides."""
    there = there.squeeze(1)
    length = there.shape[-1]
    whole = nn.functional.pad(there, (0, -length % stride))
    each = share / whole.reshape(len(there), 1, -1, stride).sum(dim=-1).clamp(min=1)
    return each.repeat_interleave(stride, dim=-1)[..., :length] * there


def check_heads(heads: int, width: int, width_is: str, attention: Attention = "self") -> None:
    """Refuse a number of heads among which a width cannot be divided.

    Raises
    ------
    RecipeError
        Naming the numbers that can be.
    """
    fitting = [str(count) for count in range(1, width + 1) if width % count == 0]
    check(
        heads >= 1 and (attention == "none" or width % heads == 0),
        "model.heads",
        heads,
        f"a number that divides {width_is} = {width}: {', '.join(fitting)}",
    )
