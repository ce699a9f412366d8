"""How weights move: the optimiser, its learning rate, the clipping of gradients, the average of weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ribocyte.learn.recipe import Training


def make_optimizer(network: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Make the optimiser; only weights of two or more dimensions decay."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if training.optimizer == "adam":
        return torch.optim.Adam(groups, lr=training.learning_rate, fused=True)
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=training.learning_rate, momentum=0.9, nesterov=True, fused=True)


def rate(training: Training, step: int, steps: int) -> float:
    """Give the learning rate of a step (from 0) out of all steps of the training."""
    if training.schedule == "constant":
        return training.learning_rate
    position, rise = step / steps, 0.25
    if position < rise:
        return training.learning_rate * (0.04 + 0.96 * position / rise)
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * (position - rise) / (1 - rise)))


def clip_gradients(members: Sequence[nn.Module], largest: float) -> None:
    """Shorten the gradient of each member that is longer than `largest` (L2) to that length.

    Fabric would clip what the optimiser holds: all members by their common length. No precision that it is
    used with here scales gradients.
    """
    for member in members:
        nn.utils.clip_grad_norm_(member.parameters(), largest)


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move averaged weights and statistics towards the network's; whole numbers are taken over."""
    pairs = list(zip(average.state_dict().values(), network.state_dict().values(), strict=True))
    means = [pair for pair in pairs if pair[0].is_floating_point()]
    get_ema_multi_avg_fn(decay)([mean for mean, _ in means], [now for _, now in means], 0)  # type: ignore[no-untyped-call]
    for kept, now in pairs:
        if not kept.is_floating_point():
            kept.copy_(now)
