"""Loading, mutating and comparing as this package does them, each in a fresh process."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
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

CACHE_VARIABLE = "XDG_CACHE_HOME"
"""Where the cache is looked for first, on Linux."""


def measure_loading(table: str, experiment: str, cold: bool) -> dict[str, Any]:
    """Load one experiment's three splits.

    Parameters
    ----------
    table : str
        The file.
    experiment : str
        Its column.
    cold : bool
        As if the file had never been seen by this package: with an empty cache, which is removed again. The system
        may hold the file itself in memory, as it does for the peer.

    Returns
    -------
    dict
        ``seconds``, without imports, and ``demand``: cold, the bytes of the file; else those of the splits.
    """
    recipe = catalog.read_recipe(Path("rna/cnn"), [f'data.experiments=["{experiment}"]'])
    with _empty_cache() if cold else contextlib.nullcontext():
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
        and each of its three mutants a position, which may be computed in either precision.
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
        "simulated": predictor.info.simulated,
        "demand": asdict(Demand(passes * each, 0, "any")),
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


@contextlib.contextmanager
def _empty_cache() -> Iterator[None]:
    """Let this process have a cache of its own, and remove it."""
    with tempfile.TemporaryDirectory(prefix="ribocyte-bench-") as folder:
        before = os.environ.get(CACHE_VARIABLE)
        os.environ[CACHE_VARIABLE] = folder
        try:
            yield
        finally:
            os.environ.pop(CACHE_VARIABLE)
            if before is not None:
                os.environ[CACHE_VARIABLE] = before


def _bytes(split: Split) -> int:
    return split.inputs.nbytes + split.targets.nbytes + split.names.nbytes
