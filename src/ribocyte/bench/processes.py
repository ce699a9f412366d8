"""Run a command as a process of its own, and tell what it took."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ribocyte.errors import RequestError, WorkError

LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Finished:
    """What a process took and said.

    Parameters
    ----------
    seconds : float
        From its start to its end, the start of Python and its imports included.
    peak_mb : float
        The largest its memory ever was, MB (10^6 bytes); of the largest of its processes where it started others.
    output : str
        What it wrote to stdout.
    """

    seconds: float
    peak_mb: float
    output: str


def run_process(
    command: Sequence[str], called: str, environment: Mapping[str, str] | None = None
) -> Finished:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    called : str
        What an error calls it.
    environment : mapping, optional
        Added to this process's.

    Raises
    ------
    WorkError
        If it ends otherwise than with 0; says the last line of its stderr.
    """
    with tempfile.TemporaryDirectory(prefix="ribocyte-bench-") as folder:
        took, output, messages = (Path(folder) / name for name in ("took", "output", "messages"))
        with output.open("wb") as stdout, messages.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCHER), str(took), *command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # so that it can be ended with all that it started
            )
            try:
                process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
        if not took.is_file():
            raise WorkError(f"{called}: {_last_line(messages.read_bytes(), process.returncode)}")
        found = json.loads(took.read_text())
        if found["code"]:
            raise WorkError(f"{called}: {_last_line(messages.read_bytes(), found['code'])}")
        return Finished(found["seconds"], found["peak_mb"], output.read_text(errors="replace"))


def run_task(task: str, settings: Mapping[str, Any], called: str) -> dict[str, Any]:
    """Have a fresh process do a task of `ribocyte.bench.worker`; give what it found.

    ``peak_mb`` and ``process_seconds``, of the process as a whole, are added to it.

    Raises
    ------
    RequestError
        If the task refuses the settings.
    WorkError
        If it fails.
    """
    with tempfile.TemporaryDirectory(prefix="ribocyte-bench-") as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, "-m", "ribocyte.bench.worker", task, json.dumps(settings), str(out)]
        finished = run_process(command, called)
        found: dict[str, Any] = json.loads(out.read_text())
    if "refused" in found:
        kind = RequestError if found["exit_code"] == RequestError.exit_code else WorkError
        raise kind(found["refused"])
    return {**found, "peak_mb": finished.peak_mb, "process_seconds": finished.seconds}


def run_command(*arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
    """Run ``ribocyte`` as a user does."""
    command = [sys.executable, "-m", "ribocyte", *arguments]
    return run_process(command, f"ribocyte {arguments[0]}", environment)


def read_line(finished: Finished, called: str, *keys: str) -> dict[str, Any]:
    """Read the JSON line a peer ends with.

    Raises
    ------
    WorkError
        If there is none, or it lacks one of the keys as a number above 0.
    """
    lines = finished.output.strip().splitlines()
    try:
        found = json.loads(lines[-1])
        numbers = {key: float(found[key]) for key in keys}
    except (IndexError, ValueError, KeyError, TypeError):
        numbers = {}
    if not numbers or not all(math.isfinite(number) and number > 0 for number in numbers.values()):
        raise WorkError(
            f"{called}: said {lines[-1][:80] if lines else 'nothing'!r}",
            expected=f"a JSON line with {', '.join(keys)}, as numbers above 0",
        )
    return numbers


def _last_line(messages: bytes, code: int) -> str:
    lines = [line.strip() for line in messages.decode(errors="replace").splitlines() if line.strip()]
    ended = f"killed by signal {-code}" if code < 0 else f"ended with {code}"
    return f"{ended}: {lines[-1].removeprefix('ribocyte: error: ')}" if lines else ended
