"""Batches: the whole split lies on the device as compact tensors, and a batch is some of its rows.

Which rows depends on (seed, epoch) alone, so a run can be stopped anywhere and taken up again.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ribocyte.learn.splits import Split

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Changes a batch of network inputs at random, on their device."""


def batch_rows(count: int, batch_size: int, seed: int, epoch: int, smallest: int = 2) -> list[Tensor]:
    """Shuffle row numbers into the batches of an epoch.

    Parameters
    ----------
    count : int
        Rows of the split.
    batch_size : int
        Rows a batch; the last one holds what is left.
    seed, epoch : int
        What the order depends on, and nothing else.
    smallest : int
        A last batch of fewer rows is left out: batch normalisation has no variance of a single row.

    Returns
    -------
    list of Tensor, int64
        Row numbers, on the CPU.
    """
    generator = torch.Generator().manual_seed(mix(seed, epoch))
    batches = list(torch.split(torch.randperm(count, generator=generator), batch_size))
    return batches[:-1] if len(batches[-1]) < smallest else batches


def mix(*numbers: int) -> int:
    """Make one well-mixed 63-bit seed of several small numbers (splitmix64, Steele et al. 2014)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state >> 1


def to_device(split: Split, device: torch.device) -> Split:
    """Move a whole split onto a device."""
    return Split(split.inputs.to(device), split.targets.to(device), split.names)
