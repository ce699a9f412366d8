"""One task in a fresh process: ``python -m ribocyte.bench.worker TASK SETTINGS OUT``, both of them JSON.

What goes wrong on purpose is written to OUT as ``refused`` and ``exit_code``; nothing is printed.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ribocyte.errors import RibocyteError
from ribocyte.files import write_text

TASKS = {
    "limits": "ribocyte.bench.limits:measure_limits",
    "prepare": "ribocyte.bench.preparing:prepare",
    "train": "ribocyte.bench.training:measure_training",
    "kernels": "ribocyte.bench.training:measure_kernels",
    "load": "ribocyte.bench.applying:measure_loading",
    "mutagenesis": "ribocyte.bench.applying:measure_mutagenesis",
    "differ": "ribocyte.bench.applying:compare_runs",
}
"""Where each task is: it takes the settings as keywords, and gives JSON values."""


def do_task(task: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Do a task here."""
    module, _, name = TASKS[task].partition(":")
    function: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
    return function(**settings)


def main() -> None:
    """Do what the command line says."""
    task, settings, out = sys.argv[1:4]
    try:
        found = do_task(task, json.loads(settings))
    except RibocyteError as error:
        found = {"refused": str(error), "exit_code": error.exit_code}
    write_text(Path(out), json.dumps(found))


if __name__ == "__main__":
    main()
