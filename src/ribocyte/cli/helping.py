"""Several processes at one study: the same command again, silently, until the one that was given ends."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ribocyte.cli import present

PARENT = "RIBOCYTE_STUDY_PARENT"
"""Set in the processes that help with a study: the process they help."""


def default_workers() -> int:
    """One process a core; with a GPU, one."""
    import torch

    return 1 if torch.cuda.is_available() else len(os.sched_getaffinity(0))


def divide_threads(workers: int) -> None:
    """Leave each process its share of the cores, so that none waits for another."""
    import torch

    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // workers))


@contextlib.contextmanager
def run_helpers(count: int, out: Path) -> Iterator[None]:
    """Have other processes work on the same study meanwhile: the same command, silently."""
    command = [sys.executable, "-m", "ribocyte", *sys.argv[1:]]
    helpers, logs = [], out / "locks"
    logs.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        with (logs / f"helper-{number + 1}.log").open("w") as log:
            helpers.append(
                subprocess.Popen(
                    command, env={**os.environ, PARENT: str(os.getpid())}, stdout=log, stderr=log
                )
            )
    try:
        yield
    finally:
        for number, helper in enumerate(helpers):
            if helper.poll():  # the work it left was done here
                said = logs / f"helper-{number + 1}.log"
                present.warn(f"a process that helped ended with {helper.returncode}; what it said: {said}")
            helper.terminate()
        for helper in helpers:
            helper.wait()


def stop_with_parent(stop: Callable[[], bool], helping: str | None) -> Callable[[], bool]:
    """Have a helper stop when the process it helps is gone."""
    if helping is None:
        return stop
    return lambda: stop() or os.getppid() != int(helping)
