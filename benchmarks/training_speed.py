"""Training throughput: this package's loop against the loop a user would otherwise write, in turn, on one machine.

    python benchmarks/training_speed.py [cells-pooled cells-unpooled rna-cnn rna-bilstm rna-residual] [--data DIR]

The plain loop is PyTorch as its tutorials teach it: a Dataset that prepares one example at a time, a DataLoader,
float32, Adam, batch 64, the loss read back after every step. Both see the same rows. Each measurement is a fresh
process; the two alternate; the table shows medians and the median ratio of neighbours. JSON on stdout.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

RECIPES = {
    "cells-pooled": ("recipes/cells/pooled-logits.toml", 6400),
    "cells-unpooled": ("recipes/cells/unpooled-logits.toml", 1280),
    "rna-cnn": ("recipes/rna/cnn.toml", 24000),
    "rna-bilstm": ("recipes/rna/bilstm.toml", 6400),
    "rna-residual": ("recipes/rna/residual.toml", 12800),
}


def measure_ours(work: str, data: Path | None) -> float:
    """Train two epochs on some rows with the recipe; give examples per second of the second."""
    from ribocyte import catalog
    from ribocyte.learn.runs import Run
    from ribocyte.learn.splits import Splits
    from ribocyte.learn.training import fit

    file, rows = RECIPES[work]
    recipe = catalog.read_recipe(Path(__file__).parents[1] / file)
    training = replace(recipe.training, epochs=2, score_test_each_epoch=False)
    splits = catalog.load_data(recipe, data)
    splits = Splits(splits.train[:rows], splits.val[:64], splits.test[:64], splits.info)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", recipe.as_tables())
        fit(
            catalog.build_network(recipe, splits.info),
            splits,
            encoding=catalog.make_encoding(recipe, splits.info),
            objective=recipe.objective,
            training=training,
            run=run,
            card={},
            augment=catalog.make_augment(recipe),
        )
        return float(run.history["examples_per_second"][1])


def measure_plain(work: str, data: Path | None) -> float:
    """Train the plain network with the plain loop on the same rows; give examples per second after a warm-up."""
    import torch
    from plain import CellRows, RNARows, cell_network, rna_network
    from torch import nn

    from ribocyte import catalog

    file, rows = RECIPES[work]
    split = catalog.load_data(catalog.read_recipe(Path(__file__).parents[1] / file), data).train[:rows]
    domain, kind = work.split("-")
    examples = CellRows(split) if domain == "cells" else RNARows(split)
    network = cell_network(pool=kind == "pooled") if domain == "cells" else rna_network(kind)
    criterion = nn.CrossEntropyLoss() if domain == "cells" else nn.MSELoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(examples, batch_size=64, shuffle=True)
    start, seen = 0.0, 0
    for step, (inputs, targets) in enumerate(loader):
        if step == 5:
            start, seen = time.perf_counter(), 0
        optimizer.zero_grad()
        loss = criterion(network(inputs), targets)
        loss.backward()
        optimizer.step()
        loss.item()
        seen += len(inputs)
    return seen / (time.perf_counter() - start)


def compare(work: str, data: Path | None, repetitions: int) -> dict[str, object]:
    """Alternate the two in fresh processes."""
    found: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(repetitions):
        for side in found:
            command = [sys.executable, __file__, work, "--only", side]
            command += ["--data", str(data)] if data else []
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[side].append(float(done.stdout))
    ratios = [a / b for a, b in zip(found["ours"], found["plain"], strict=True)]
    return {
        "work": work,
        "ours_per_second": round(statistics.median(found["ours"])),
        "plain_per_second": round(statistics.median(found["plain"])),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in sorted(ratios)],
    }


def main() -> None:
    """Measure what was asked for, or everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "work", nargs="*", metavar="WORK", help=f"any of {', '.join(RECIPES)}; all by default"
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", choices=["ours", "plain"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        measure = measure_ours if asked.only == "ours" else measure_plain
        sys.stdout.write(f"{measure(asked.work[0], asked.data)}\n")
        return
    unknown = set(asked.work) - set(RECIPES)
    if unknown:
        parser.error(f"no such work: {', '.join(sorted(unknown))}; choose from {', '.join(RECIPES)}")
    for work in asked.work or RECIPES:
        sys.stdout.write(json.dumps(compare(work, asked.data, asked.repetitions)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
