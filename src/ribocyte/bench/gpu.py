"""Whole trainings on a GPU, end to end as a user runs them: the assignment's four CNNs, and an array of full size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ribocyte.bench.comparing import find_limits
from ribocyte.bench.machine import describe_machine
from ribocyte.bench.processes import run_command
from ribocyte.bench.works import Bench
from ribocyte.errors import RequestError
from ribocyte.files import write_text

CELLS = tuple(f"{pool}-{output}" for pool in ("unpooled", "pooled") for output in ("softmax", "logits"))
RESULTS = "gpu.json"


def measure_trainings(bench: Bench, out: Path, report: Callable[[str], None]) -> dict[str, Any]:
    """Train the assignment's four CNNs for their 200 epochs, and the residual network on an array of full size.

    The array is a made one of 241,357 probes, as many as RBFOX1's: time does not depend on the values.

    Parameters
    ----------
    bench : Bench
        Where the data is.
    out : Path
        A new folder for the runs, and ``gpu.json``.
    report : callable
        Told of each training before it begins.

    Returns
    -------
    dict
        ``machine``, ``limits``, and for each training its ``seconds`` from the command to its end, those of its
        epochs, ``examples_per_second``, the test score and ``peak_mb`` of the GPU.

    Raises
    ------
    RequestError
        If PyTorch can use no GPU.
    """
    limits = find_limits()
    if limits["device"] != "cuda":
        raise RequestError(
            "bench gpu: no GPU that PyTorch can use", expected="one", mend="without: ribocyte bench"
        )
    cells = bench.need("cells")["data"]
    table = bench.need("official", rows=bench.size.table_rows, experiments=1)
    experiment = ["--set", f'data.experiments=["{table["experiment"]}"]']
    commands = {name: ["train", f"cells/{name}", *(["--data", cells] if cells else [])] for name in CELLS}
    commands["full-array"] = ["train", "rna/residual", "--data", table["path"], *experiment]
    found: dict[str, Any] = {"machine": describe_machine(), "limits": limits, "trainings": {}}
    for name, command in commands.items():
        report(name)
        finished = run_command(*command, "--out", str(out / name))
        scores = json.loads((out / name / "scores.json").read_text())
        metric = scores["best"]["metric"]
        found["trainings"][name] = {
            "seconds": finished.seconds,
            "epochs": scores["epochs"],
            "epoch_seconds": scores["cost"]["seconds"],
            "examples_per_second": scores["cost"]["examples_per_second"],
            "peak_mb": scores["cost"]["peak_mb"],
            "metric": metric,
            "test": scores["test"][metric]["value"],
        }
        write_text(out / RESULTS, json.dumps(found, indent=2) + "\n")
    return found
