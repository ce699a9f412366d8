"""One network for all proteins: how fast it trains, in pairs of probe and protein, and what it takes of memory.

    python benchmarks/joint.py [RECIPE ...] [--data DIR] [--rows N] [--threads N]

Trains an epoch of each recipe on the compendium of a data folder and scores it on the validation split, each in a
process of its own; ``--rows`` takes only so many of the training probes. Where no recipe is named, a plain CNN with
an output for each protein. A compendium is made with: ribocyte data simulate compendium --out DIR. JSON on stdout.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PLAIN = {
    "name": "plain",
    "data": {"kind": "compendium"},
    "model": {"kind": "rna-cnn", "detectors": 256},
    "objective": {"loss": "huber"},
    "training": {"batch_size": 512, "learning_rate": 0.004},
}


def measure(recipe: str, data: Path | None, rows: int, threads: int) -> dict[str, Any]:
    """Train one epoch, and give what it took."""
    import torch

    from ribocyte import catalog
    from ribocyte.bench.training import train_once

    torch.set_num_threads(threads)
    tables = PLAIN if recipe == "plain" else catalog.read_recipe(Path(recipe)).as_tables()
    tables = {**tables, "data": {**tables["data"], "probes": rows}}
    tables["training"] = {**tables["training"], "epochs": 1}
    read = catalog.parse_recipe(tables, "plain")
    start = time.perf_counter()
    splits = catalog.load_data(read, data)
    loading = time.perf_counter() - start
    row = train_once(read, splits, read.training)
    probes, proteins = splits.train.targets.shape
    return {
        "recipe": read.name,
        "simulated": splits.info.simulated,
        "probes": probes,
        "proteins": proteins,
        "threads": threads,
        "loading_seconds": round(loading, 1),
        "epoch_seconds": round(row["seconds"], 1),
        "pairs_per_second": round(row["examples_per_second"] * proteins),
        "processor_seconds": round(time.process_time(), 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }


def main() -> None:
    """Measure what was asked for, each in a fresh process: a peak of memory is one of a process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="recipes; a plain CNN by default")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        found = measure(asked.recipes[0], asked.data, asked.rows, asked.threads)
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for recipe in asked.recipes or ["plain"]:
        command = [sys.executable, __file__, recipe, "--only"]
        command += ["--rows", str(asked.rows), "--threads", str(asked.threads)]
        command += ["--data", str(asked.data)] if asked.data else []
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
