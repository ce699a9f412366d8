"""Batch normalisation (Ioffe & Szegedy 2015) over whole batches, of which each process may hold a part."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm


class _Sum(torch.autograd.Function):
    """The sum over processes; so is its gradient, since every process's loss depends on it."""

    @staticmethod
    def forward(_ctx: FunctionCtx, part: Tensor) -> Tensor:
        return _add_up(part)

    @staticmethod
    @once_differentiable
    def backward(_ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        return _add_up(gradient)


def _add_up(part: Tensor) -> Tensor:
    total = part.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


def is_shared() -> bool:
    """Say whether several processes train together here."""
    together = distributed.is_available() and distributed.is_initialized()
    return together and distributed.get_world_size() > 1


def _normalise_together(layer: _BatchNorm, inputs: Tensor) -> Tensor:
    """Normalise (N, C, ...) by the statistics of all processes' parts, and move the layer's own towards them."""
    numbers = inputs if inputs.dtype == torch.float64 else inputs.float()
    everywhere = [dim for dim in range(inputs.ndim) if dim != 1]
    shape = [1, -1, *(1 for _ in everywhere[1:])]
    sums = numbers.sum(everywhere)
    size = sums.new_full((1,), inputs.numel() / inputs.shape[1])
    totals = _Sum.apply(torch.cat([sums, size]))  # type: ignore[no-untyped-call]
    count = totals[-1].detach()
    centred = numbers - (totals[:-1] / count).view(shape)
    variance = _Sum.apply(centred.square().sum(everywhere)) / count  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert layer.running_mean is not None
        assert layer.running_var is not None
        assert layer.num_batches_tracked is not None
        assert layer.momentum is not None
        layer.num_batches_tracked.add_(1)
        layer.running_mean.lerp_(totals[:-1] / count, layer.momentum)
        layer.running_var.lerp_(variance * count / (count - 1), layer.momentum)
    scaled: Tensor = centred * (variance + layer.eps).rsqrt().view(shape)
    return (scaled * layer.weight.view(shape) + layer.bias.view(shape)).to(inputs.dtype)


class BatchNorm1d(nn.BatchNorm1d):
    """PyTorch's own, but in training shared among processes the statistics are those of the whole batch."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise (N, C) or (N, C, L); shape and dtype stay."""
        return _normalise_together(self, inputs) if self.training and is_shared() else super().forward(inputs)


class BatchNorm2d(nn.BatchNorm2d):
    """PyTorch's own, but in training shared among processes the statistics are those of the whole batch."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise (N, C, H, W); shape and dtype stay."""
        return _normalise_together(self, inputs) if self.training and is_shared() else super().forward(inputs)
