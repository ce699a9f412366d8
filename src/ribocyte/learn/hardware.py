"""What a training runs on: device, precision, processes, and the random state of each."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator
from dataclasses import replace

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision
from torch import Tensor, nn

from ribocyte.errors import RecipeError
from ribocyte.learn.measure import fastest_seconds
from ribocyte.learn.memory import keep_freed_memory
from ribocyte.learn.objectives import Objective
from ribocyte.learn.predictor import Encoding
from ribocyte.learn.recipe import Training
from ribocyte.learn.splits import Splits


def make_fabric(training: Training) -> Fabric:
    """Set up device, precision and processes as a recipe asks, and start the processes.

    Several processes are several copies of the calling program, each training on its part of every batch.
    """
    accelerator = _accelerator(training.device)
    room = torch.cuda.device_count() if accelerator == "cuda" else os.cpu_count() or 1
    if training.processes > room:
        raise RecipeError(
            f"training.processes = {training.processes} is more than this machine has room for",
            expected=f"at most {room}: one a {'GPU' if accelerator == 'cuda' else 'core'}",
        )
    if accelerator == "cpu":
        keep_freed_memory()
    fabric = Fabric(
        accelerator=accelerator,
        devices=training.processes,
        strategy="ddp" if training.processes > 1 else "auto",
        plugins=_precision(training),
    )
    fabric.launch()
    return fabric


def settle_precision(
    training: Training, network: nn.Module, splits: Splits, *, encoding: Encoding, objective: Objective
) -> Training:
    """Replace ``precision = "auto"`` by what is faster here, measured on a few steps of a copy of the network."""
    if training.precision != "auto":
        return training
    if training.processes > 1:
        return replace(training, precision="bf16" if _accelerator(training.device) == "cuda" else "32")
    device = torch.device("cuda" if _accelerator(training.device) == "cuda" else "cpu")
    rows = torch.arange(min(training.batch_size, len(splits.train)))
    inputs, targets = splits.train.inputs[rows].to(device), splits.train.targets[rows].to(device)
    trial = copy.deepcopy(network).to(device).train()

    def step(bf16: bool) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            outputs = trial(encoding.expand(inputs))
        objective.total_loss(outputs.float(), targets).backward()  # type: ignore[no-untyped-call]

    with own_randomness(device):
        full, half = fastest_seconds([lambda: step(False), lambda: step(True)], 7, device)
    return replace(training, precision="bf16" if half < 0.9 * full else "32")


def leave_processes() -> None:
    """Take leave of the other processes, where there are any."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _precision(training: Training) -> Precision:
    """Make Fabric's precision plugin ourselves: by name, Fabric would announce it in the log."""
    if training.precision == "bf16":
        return MixedPrecision("bf16-mixed", _accelerator(training.device))
    return Precision()


def _accelerator(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise RecipeError("training.device = 'cuda': no GPU that PyTorch can use", expected="auto or cpu")
    return device


def default_generator(device: torch.device) -> torch.Generator:
    """Give the device's own generator, so that one saved state covers dropout and augmentation."""
    if device.type == "cuda":
        generator: torch.Generator = torch.cuda.default_generators[device.index or 0]
        return generator
    return torch.default_generator


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Give the state of every generator a training on this device draws from."""
    state = {"cpu": torch.get_rng_state()}
    return {**state, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Go back to what `random_state` gave."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


@contextlib.contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Leave the caller's random state as it was found."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def multiplies_bf16() -> bool:
    """Say whether this machine multiplies bf16 faster than float32: a GPU, or a CPU with AVX-512 BF16 or AMX."""
    if torch.cuda.is_available():
        return True
    if not hasattr(torch.cpu, "get_capabilities"):  # older PyTorch does not tell
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
