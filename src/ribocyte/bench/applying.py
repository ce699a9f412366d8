"""Loading, mutating and comparing as this package does them, each in a fresh process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ribocyte import catalog, comparisons
from ribocyte.bench.ratios import Demand
from ribocyte.learn import measure
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Split
from ribocyte.rna.attribution import mutagenesis
from ribocyte.rna.sequences import read_sequences


def measure_loading(table: str, experiment: str, cold: bool) -> dict[str, Any]:
    """Load one experiment's three splits.

    Parameters
    ----------
    table : str
        The file.
    experiment : str
        Its column.
    cold : bool
        As if the file had never been seen: its time of change is set anew, which makes what was kept of it useless.

    Returns
    -------
    dict
        ``seconds``, without imports, and ``demand``: cold, the bytes of the file; else those of the splits.
    """
    if cold:
        Path(table).touch()
    recipe = catalog.read_recipe(Path("rna/cnn"), [f'data.experiments=["{experiment}"]'])
    start = time.perf_counter()
    splits = catalog.load_data(recipe, Path(table))
    seconds = time.perf_counter() - start
    kept = sum(map(_bytes, (splits.train, splits.val, splits.test)))
    return {
        "seconds": seconds,
        "simulated": True,
        "demand": asdict(Demand(0, Path(table).stat().st_size if cold else kept)),
    }


def measure_mutagenesis(model: str, fasta: str, probes: int) -> dict[str, Any]:
    """Try every substitution in some probes.

    Returns
    -------
    dict
        ``seconds``, without imports and loading, ``device``, and ``demand`` of a probe: a forward pass for itself
        and each of its three mutants a position, which may be computed in bf16.
    """
    predictor = catalog.Predictor.load(model)
    rnas = [rna for _, rna in read_sequences(fasta)][:probes]
    tokens, _ = predictor.encoding.encode(rnas)
    start = time.perf_counter()
    mutagenesis(predictor, tokens)
    seconds = time.perf_counter() - start
    passes = sum(3 * len(rna) + 1 for rna in rnas) / len(rnas)
    each = measure.multiply_adds(
        predictor.network, predictor.encoding.expand(tokens[:4].to(predictor.device))
    )
    return {
        "seconds": seconds,
        "device": str(predictor.device),
        "demand": asdict(Demand(passes * each, 0, "bf16")),
    }


def compare_runs(first: Sequence[str], second: Sequence[str]) -> dict[str, Any]:
    """Compare two groups of runs by the paired bootstrap over rows and seeds.

    Returns
    -------
    dict
        Metric to ``first``, ``second``, ``gain`` (second − first), ``low`` and ``high``.
    """
    groups = [[Run.open(path) for path in side] for side in (first, second)]
    found = comparisons.compare_groups(*groups)
    return {metric: asdict(difference) for metric, difference in found.items()}


def _bytes(split: Split) -> int:
    return split.inputs.nbytes + split.targets.nbytes + split.names.nbytes
