"""What work costs, against counts made by hand."""

from __future__ import annotations

import mmap
import resource
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import toys
from ribocyte.learn import measure


def test_parameters_are_counted_by_hand() -> None:
    network = nn.Sequential(nn.Conv1d(4, 6, 5), nn.BatchNorm1d(6), nn.Linear(3, 2, bias=False))
    assert measure.parameters(network) == (4 * 5 * 6 + 6) + (6 + 6) + 6


def test_frozen_weights_are_not_learned() -> None:
    network = nn.Linear(3, 2)
    network.bias.requires_grad_(False)
    assert measure.parameters(network) == 6


def test_multiply_adds_of_dense_and_convolution_are_counted_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 8 * 8, 7))
    by_hand = 8 * 8 * 5 * 3 * 3 * 3 + 5 * 8 * 8 * 7
    for rows in (1, 4):  # per example: the number of examples divides out
        assert measure.multiply_adds(network, torch.rand(rows, 3, 8, 8)) == by_hand


class Reader(nn.Module):
    def __init__(self, bidirectional: bool) -> None:
        super().__init__()
        self.read = nn.LSTM(3, 5, batch_first=True, bidirectional=bidirectional)
        self.answer = nn.Linear(10 if bidirectional else 5, 2)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        states, _ = self.read(steps)
        out: torch.Tensor = self.answer(states[:, -1])
        return out


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_multiply_adds_of_an_lstm_are_counted_by_hand(directions: int, dtype: torch.dtype) -> None:
    network = Reader(bidirectional=directions == 2).to(dtype)
    gates, steps = 4, 11
    by_hand = steps * directions * gates * 5 * (3 + 5) + directions * 5 * 2
    assert measure.multiply_adds(network, torch.rand(4, steps, 3, dtype=dtype)) == by_hand


@pytest.mark.parametrize("training", [True, False])
def test_counting_leaves_the_network_as_it_was(training: bool) -> None:
    network = toys.Deep().train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    measure.multiply_adds(network, torch.rand(4, 3))
    assert network.training is training
    assert all(module.training is training for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_peak_memory_sees_what_was_used_in_its_period() -> None:
    memory = measure.PeakMemory(torch.device("cpu"))
    memory.reset()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    used = pages * resource.getpagesize() / 1e6
    with mmap.mmap(-1, 100_000_000) as block:  # not malloc, which may have 100 MB at hand
        block.write(b"1" * 100_000_000)
    assert memory.read() > used + 80


def compute(seconds: float) -> None:
    """Keep the processor busy."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_pieces_of_work_are_timed_in_turn_and_a_disturbance_is_ignored() -> None:
    calls: list[str] = []

    def short() -> None:
        calls.append("short")
        compute(0.05 if len(calls) == 5 else 0.001)

    def long() -> None:
        calls.append("long")
        time.sleep(0.05)  # others have the processor: not our time
        compute(0.01)

    quick, slow = measure.fastest_seconds([short, long], 3, torch.device("cpu"))
    assert quick < slow < 0.04
    assert calls == ["short", "long"] * 4  # one round to warm up
