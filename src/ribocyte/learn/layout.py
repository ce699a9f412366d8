"""How networks lie in memory."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


def channels_last(layer: Layer) -> Layer:
    """Lay convolution weights out with channels next to each other, which CPU and GPU kernels prefer."""
    return layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
