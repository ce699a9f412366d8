"""What work costs: time, memory, parameters, multiply-adds."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(network: nn.Module) -> int:
    """Count the numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


@torch.enable_grad()  # the counter follows gradients of parameters that a layer gives as they are
def multiply_adds(network: nn.Module, inputs: Tensor) -> int:
    """Count the multiply-adds of one forward pass per example, by PyTorch's own counter (two FLOPs each).

    Convolutions and matrix products are counted; so are LSTMs, whose products the counter does not see, from
    their sizes. Element-wise work is not.

    Parameters
    ----------
    network : nn.Module
        Put back into its mode afterwards.
    inputs : Tensor, shape (N, ...)
        What the network takes; N divides out.
    """
    was_training = network.training
    counter = FlopCounterMode(display=False)
    before = extra = 0

    def remember(*_: object) -> None:
        nonlocal before
        before = counter.get_total_flops()

    def count_recurrence(layer: nn.Module, given: tuple[Tensor, ...], _: object) -> None:
        nonlocal extra
        assert isinstance(layer, nn.LSTM)
        if counter.get_total_flops() > before:
            return  # run as plain matrix products, which were seen
        directions = 2 if layer.bidirectional else 1
        steps = given[0].shape[0] * given[0].shape[1]
        extra += steps * directions * 4 * layer.hidden_size * (layer.input_size + layer.hidden_size)

    recurrent = [layer for layer in network.modules() if isinstance(layer, nn.LSTM)]
    hooks = [layer.register_forward_pre_hook(remember) for layer in recurrent]
    hooks += [layer.register_forward_hook(count_recurrence) for layer in recurrent]
    network.eval()
    try:
        with counter:
            network(inputs)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return (int(counter.get_total_flops()) // 2 + extra) // len(inputs)


class PeakMemory:
    """Peak memory since the last reset, in MB: the GPU's where training runs there, else this process's.

    Where the kernel does not let a process reset its own peak, the peak since the process began is given.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def reset(self) -> None:
        """Begin a new period."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return

    def read(self) -> float:
        """Give the peak of this period, MB."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 1e6
        try:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return float(line.split()[1]) / 1e3
        except OSError:
            pass
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def fastest_seconds(
    works: Sequence[Callable[[], object]], repetitions: int, device: torch.device
) -> list[float]:
    """Time pieces of work in turn; the fastest repetition of each.

    On a CPU the time that this process itself spent there is counted, which other processes hardly disturb.
    """
    clock = time.perf_counter if device.type == "cuda" else time.process_time

    def timed(work: Callable[[], object]) -> float:
        start = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock() - start

    rounds = [[timed(work) for work in works] for _ in range(repetitions + 1)]
    return [min(times) for times in zip(*rounds[1:], strict=True)]  # the first round warms up
