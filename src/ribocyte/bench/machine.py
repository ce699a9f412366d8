"""What a benchmark ran on: part of its result, since only what ran side by side compares."""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from ribocyte.version import VERSION


def describe_machine() -> dict[str, Any]:
    """Describe machine and libraries as JSON values."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "ribocyte": VERSION,
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": name_processor(),
        "cores": count_cores(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def count_cores() -> int:
    """Count the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def name_processor() -> str:
    """Give the processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def is_busy(machine: dict[str, Any]) -> bool:
    """Say whether others were at work when the machine was described: more than a quarter of a core."""
    return bool(machine["load_average"] > 0.25 * machine["cores"])
