"""How time and memory grow with the size of the work: from its smallest, which is the fixed cost, up."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ribocyte.bench.machine import count_cores, describe_machine
from ribocyte.bench.processes import run_command, run_task
from ribocyte.bench.ratios import Growth, fit_growth, plain
from ribocyte.bench.works import Bench
from ribocyte.errors import RequestError, suggest
from ribocyte.files import write_text

PROBES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
PROTEINS = (1, 4, 16, 61, 244)
LENGTHS = (30, 100, 300, 1_000, 3_000, 10_000)
SCANNED = 200
"""Sequences that are scanned, of every length."""
FEWEST = 64
"""Probes of the smallest training: its time is the start's."""
RESULTS, TABLE, FIGURE = "growth.json", "growth.tsv", "growth.svg"

Report = Callable[[str, int], None]
"""Called with an axis and a size before each measurement."""


@dataclass(frozen=True)
class Point:
    """What one size took: seconds and MB, each the median over repetitions."""

    size: int
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Axis:
    """What grows.

    Parameters
    ----------
    name, about : str
        What it is called, and what is measured at each size.
    unit : str
        Of the sizes.
    sizes : tuple of int
        Ascending.
    smallest : int
        The size whose cost is taken for the fixed part; 0 where nothing is fixed.
    measure : callable
        Gives the seconds and the peak, MB, of a size in a fresh process.
    """

    name: str
    about: str
    unit: str
    sizes: tuple[int, ...]
    smallest: int
    measure: Callable[[Bench, int], tuple[float, float]]


@dataclass(frozen=True)
class Grown:
    """An axis as measured.

    Parameters
    ----------
    name, about, unit : str
        As `Axis` has them.
    points : tuple of Point
        Of its sizes.
    seconds, peak_mb : Growth
        How time and memory grow.
    """

    name: str
    about: str
    unit: str
    points: tuple[Point, ...]
    seconds: Growth
    peak_mb: Growth


def measure_growth(
    names: Sequence[str], bench: Bench, repetitions: int, out: Path, report: Report, largest: int = 0
) -> list[Grown]:
    """Measure axes, and write ``growth.json``, ``growth.tsv`` and ``growth.svg``.

    Parameters
    ----------
    names : sequence of str
        Of `AXES`; all where none is named.
    bench : Bench
        Where what is made is kept.
    repetitions : int
        How often each size is measured.
    out : Path
        A folder. What was measured so far is in it at any time.
    report : callable
        Told of each measurement before it begins.
    largest : int
        Leave larger sizes out; 0 takes all.

    Raises
    ------
    RequestError
        If there is no such axis, or nothing would be measured.
    WorkError
        If a measurement fails.
    """
    from ribocyte.bench.drawing import draw_growth, save_figure

    if repetitions < 1:
        raise RequestError(f"--repetitions {repetitions}: nothing would be measured", expected="1 or more")
    for name in names:
        if name not in AXES:
            raise RequestError(
                f"{name}: nothing that grows", expected=f"one of {', '.join(AXES)}", mend=suggest(name, AXES)
            )
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / TABLE, _tabulate([]))  # if that cannot be written, nothing need be measured
    grown: list[Grown] = []
    for name in dict.fromkeys(names or AXES):
        grown.append(measure_axis(AXES[name], bench, repetitions, report, largest))
        machine = describe_machine()
        axes = {one.name: {**asdict(one), "caption": caption(one)} for one in grown}
        write_text(out / RESULTS, json.dumps(plain({"machine": machine, "axes": axes}), indent=2) + "\n")
        write_text(out / TABLE, _tabulate(grown))
        save_figure(draw_growth(grown), out / FIGURE)
    return grown


def measure_axis(axis: Axis, bench: Bench, repetitions: int, report: Report, largest: int = 0) -> Grown:
    """Measure every size of an axis, the smallest first."""
    sizes = [size for size in axis.sizes if not largest or size <= largest] or [axis.sizes[0]]
    measured: dict[int, Point] = {}
    if axis.smallest:
        axis.measure(
            bench, axis.smallest
        )  # warms up files and caches: what is fixed is measured warm, as all is
    for size in dict.fromkeys([axis.smallest, *sizes] if axis.smallest else sizes):
        readings = []
        for _ in range(repetitions):
            report(axis.name, size)
            readings.append(axis.measure(bench, size))
        times, peaks = zip(*readings, strict=True)
        measured[size] = Point(size, statistics.median(times), statistics.median(peaks))
    points = tuple(measured[size] for size in sizes)
    fixed = measured[axis.smallest] if axis.smallest else Point(0, 0.0, 0.0)
    seconds = fit_growth(sizes, [point.seconds for point in points], fixed.seconds, fixed.size)
    memory = fit_growth(sizes, [point.peak_mb for point in points], fixed.peak_mb, fixed.size)
    return Grown(axis.name, axis.about, axis.unit, points, seconds, memory)


def caption(grown: Grown) -> str:
    """Say in a line how an axis grows, and where its fixed cost ends."""
    time = _describe(grown.seconds, [point.seconds for point in grown.points], "s")
    memory = _describe(grown.peak_mb, [point.peak_mb for point in grown.points], "MB")
    return f"{grown.about}: time {time}; memory {memory}"


def _describe(growth: Growth, costs: Sequence[float], unit: str) -> str:
    if math.isnan(growth.slope):
        return f"stays between {min(costs):,.3g} and {max(costs):,.3g} {unit}"
    fixed = f" above {growth.constant:,.3g} {unit} that are fixed" if growth.constant else ""
    until = "" if math.isnan(growth.knee) else f", which are most of it below a size of {growth.knee:,.0f}"
    return f"grows with the power {growth.slope:.2f}{fixed}{until}"


def _tabulate(grown: Sequence[Grown]) -> str:
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(("axis", "unit", "size", "seconds", "peak_mb"))
    for one in grown:
        table.writerows(
            (one.name, one.unit, p.size, f"{p.seconds:.4g}", f"{p.peak_mb:.1f}") for p in one.points
        )
    return text.getvalue()


def _predict(bench: Bench, size: int) -> tuple[float, float]:
    model, fasta = bench.need("model")["path"], bench.need("rnas", count=size)["path"]
    finished = run_command("predict", model, fasta, "--out", str(bench.folder / "predicted.tsv"))
    return finished.seconds, finished.peak_mb


def _train_probes(_: Bench, size: int) -> tuple[float, float]:
    return _train_made("rna/cnn", {"probes": size, "proteins": 1})


def _train_proteins(bench: Bench, size: int) -> tuple[float, float]:
    return _train_made("rna/joint-multi", {"probes": bench.size.pairs_probes, "proteins": size})


def _train_made(recipe: str, made: Mapping[str, int]) -> tuple[float, float]:
    asked: dict[str, Any] = {"recipe": recipe, "made": made, "epochs": 1}
    found = run_task("train", asked, f"training {recipe}")
    return found["process_seconds"], found["peak_mb"]


def _scan(bench: Bench, size: int) -> tuple[float, float]:
    model = bench.need("model")["path"]
    fasta = bench.need("rnas", count=SCANNED, length=size)["path"]
    with tempfile.TemporaryDirectory(prefix="ribocyte-bench-") as folder:
        finished = run_command("scan", model, fasta, "--no-tracks", "--out", f"{folder}/scan")
    return finished.seconds, finished.peak_mb


def _share_training(bench: Bench, size: int) -> tuple[float, float]:
    """Train with so many processes of one thread each; the time of the second epoch, without the start."""
    table = bench.need("table")
    changes = ["training.epochs=2", f"training.processes={size}", "training.precision=32"]
    changes.append("training.device=cpu")
    changes.append(f'data.experiments=["{table["experiment"]}"]')
    settings = [part for change in changes for part in ("--set", change)]
    data = ["--data", table["data"]] if table["data"] else []
    with tempfile.TemporaryDirectory(prefix="ribocyte-bench-") as folder:
        run = Path(folder) / "run"
        finished = run_command(
            "train", "rna/cnn", *settings, *data, "--out", str(run), environment={"OMP_NUM_THREADS": "1"}
        )
        with (run / "history.csv").open(newline="") as history:
            row = list(csv.DictReader(history))[-1]
    return float(row["seconds"]), finished.peak_mb


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("predicting", "RNAs predicted by ribocyte predict", "RNAs", PROBES, 1, _predict),
        Axis("training", "an epoch of the RNA CNN", "probes", PROBES, FEWEST, _train_probes),
        Axis(
            "proteins", "an epoch of one network for many proteins", "proteins", PROTEINS, 1, _train_proteins
        ),
        Axis("scanning", f"{SCANNED} transcripts scanned", "nt each", LENGTHS, LENGTHS[0], _scan),
        Axis(
            "workers",
            "an epoch shared by processes of one thread each",
            "processes",
            tuple(sorted({1, 2, count_cores()})),
            0,
            _share_training,
        ),
    )
}
"""In the order they are measured and drawn."""
