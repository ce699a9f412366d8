"""What the hardware can do at most: matrix products and copies of memory, timed on the machine at hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

SIDE = {"cpu": 1536, "cuda": 8192}
"""Of the square matrices that are multiplied."""
COPIED = {"cpu": 1 << 28, "cuda": 1 << 30}
"""Bytes that are copied: more than any cache holds."""


def measure_limits(repetitions: int = 10) -> dict[str, Any]:
    """Time products of two square matrices and copies of a large block, on the GPU where there is one.

    The best of the repetitions counts: whatever else the machine does can only slow them.

    Returns
    -------
    dict
        ``multiply_adds_32`` and ``multiply_adds_bf16``, a second; ``bytes``, read and written together, a second;
        ``device``, its ``name``, and ``threads``.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    side = SIDE[device.type]
    products = {}
    for precision, dtype in (("32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        seconds = _fastest(lambda a=a, b=b: torch.mm(a, b), repetitions, device)  # type: ignore[misc]
        products[f"multiply_adds_{precision}"] = side**3 / seconds
    source = torch.zeros(COPIED[device.type] // 4, device=device)
    target = torch.empty_like(source)
    seconds = _fastest(lambda: target.copy_(source), repetitions, device)
    return {
        **products,
        "bytes": 2 * COPIED[device.type] / seconds,
        "device": device.type,
        "name": torch.cuda.get_device_name(device) if device.type == "cuda" else "",
        "threads": torch.get_num_threads(),
    }


def _fastest(work: Callable[[], object], repetitions: int, device: torch.device) -> float:
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times)
