"""Formulations that a CPU computes faster than PyTorch's own, for training in mixed precision.

Each gives what PyTorch's own formulation gives, the same values and the same gradients; what is drawn at random is
drawn from the same distribution, but for a probability rounded to 1/256. Under ``precision = "32"``, on a GPU and
outside training PyTorch's own is used.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

LEVELS = 256
"""Values of a random byte: what shares are rounded to."""


def is_quick(inputs: Tensor) -> bool:
    """Say whether these inputs are trained on in mixed precision on a CPU, where the formulations here pay."""
    on_cpu = inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    return on_cpu and torch.is_grad_enabled()


def _as_level(share: float) -> int:
    return min(max(round(share * LEVELS), 1), LEVELS - 1) if share else 0


def draw_mask(shape: torch.Size, share: float, dtype: torch.dtype) -> Tensor:
    """Draw what dropout multiplies with: 0 for a share of the numbers, and for the others what keeps the
    mean, to the rounding of the dtype.

    One random byte a number, eight from each draw of the generator. PyTorch's Bernoulli generator takes
    three times as long (2.5 to 3.8, 12,000 to 61,000 numbers, two threads).

    Parameters
    ----------
    shape : torch.Size
        Of the mask.
    share : float
        Of zeros, 0 to below 1; rounded to a multiple of 1/256, from one of them to all but one.
    dtype : torch.dtype
        Of the mask.
    """
    dropped = _as_level(share)
    count = math.prod(shape)
    draws = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    kept = draws.view(torch.uint8)[:count] >= dropped
    return kept.view(shape).to(dtype).mul_(LEVELS / (LEVELS - dropped))


class Dropout(nn.Dropout):
    """Dropout of single numbers (Srivastava et al. 2014)."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Drop a share of the numbers while training; shape and dtype stay."""
        if not (self.training and 0 < self.p < 1 and is_quick(inputs)):
            return super().forward(inputs)
        return inputs * draw_mask(inputs.shape, self.p, inputs.dtype)


class MapDropout(nn.Dropout2d):
    """Dropout of whole feature maps (Tompson et al. 2015)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Drop a share of the maps (N, C, ...) while training; shape and dtype stay."""
        if not (self.training and 0 < self.p < 1 and is_quick(maps)):
            return super().forward(maps)
        shape = torch.Size((*maps.shape[:2], *(1 for _ in maps.shape[2:])))
        return maps * draw_mask(shape, self.p, maps.dtype)


class _Strongest(torch.autograd.Function):
    """The maximum over positions. Its gradient goes straight where the maximum was, in channels-last order."""

    @staticmethod
    def forward(ctx: FunctionCtx, maps: Tensor) -> Tensor:
        best, at = nn.functional.max_pool2d_with_indices(maps, (1, maps.shape[-1]))
        ctx.save_for_backward(at)
        ctx.length = maps.shape[-1]  # type: ignore[attr-defined]
        return best.flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        (at,) = ctx.saved_tensors  # type: ignore[attr-defined]
        count, channels = gradient.shape
        steps = gradient.new_zeros(count, ctx.length, channels)  # type: ignore[attr-defined]
        steps.scatter_(1, at.view(count, 1, channels), gradient.unsqueeze(1))
        return steps.transpose(1, 2).unsqueeze(2)


class _Turned(torch.autograd.Function):
    """Positions in another order that is its own inverse: the gradient is put in order by the very same rows."""

    @staticmethod
    def forward(ctx: FunctionCtx, steps: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return steps.reshape(-1, steps.shape[-1]).index_select(0, rows).view(steps.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors  # type: ignore[attr-defined]
        turned = gradient.reshape(-1, gradient.shape[-1]).index_select(0, rows)
        return turned.view(gradient.shape), None


def strongest(maps: Tensor) -> Tensor:
    """Take the largest value of each map, (N, C, 1, L) to (N, C), as `max_pool2d` does."""
    return _Strongest.apply(maps)  # type: ignore[no-any-return,no-untyped-call]


def turn(steps: Tensor, order: Tensor) -> Tensor:
    """Put the positions (N, L, C) into an order (N, L) that is its own inverse, as a reversal is."""
    count, length = order.shape
    first = torch.arange(count, device=order.device).unsqueeze(1) * length
    return _Turned.apply(steps, (first + order).flatten())  # type: ignore[no-any-return,no-untyped-call]
