"""Measure works: all sides in turn, in fresh processes, beside what the hardware can do at most."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ribocyte.bench.machine import describe_machine
from ribocyte.bench.processes import run_task
from ribocyte.bench.ratios import Demand, Ratio, compare_sides, least_seconds, plain
from ribocyte.bench.works import Bench, Reading, Side, Work
from ribocyte.files import write_text

FORMAT = 1
LONG = 60.0
"""Seconds after which the machine may have become another: its limits are measured at the end too."""
Report = Callable[[str, str, int], None]
"""Called with a work, a side and the repetition (from 1) before each measurement."""


@dataclass(frozen=True)
class SideResult:
    """What a side of a work took.

    Parameters
    ----------
    name, about : str
        As `Side` has them.
    readings : tuple of Reading
        Repetition by repetition.
    ratio : Ratio or None
        How many times faster this package is; None for the package itself.
    """

    name: str
    about: str
    readings: tuple[Reading, ...]
    ratio: Ratio | None = None

    @property
    def seconds(self) -> float:
        """Of an item, the median."""
        return statistics.median(reading.seconds for reading in self.readings)

    @property
    def peak_mb(self) -> float:
        """Memory, the median of the peaks."""
        return statistics.median(reading.peak_mb for reading in self.readings)


@dataclass(frozen=True)
class WorkResult:
    """What a work took on all sides, this package's first.

    Parameters
    ----------
    name, about, unit : str
        As `Work` has them.
    simulated : bool
        Whether it was done on made data.
    sides : tuple of SideResult
        This package, then its peers.
    facts : mapping
        Precision, device and ``demand`` of an item; on a GPU the ``kernel_seconds`` of one, and their share of its
        time, ``utilisation``.
    """

    name: str
    about: str
    unit: str
    simulated: bool
    sides: tuple[SideResult, ...]
    facts: Mapping[str, Any]

    def share(self, limits: Mapping[str, Any]) -> float | None:
        """Give the least time that an item can take here over the time it took; None where nothing is counted."""
        if "demand" not in self.facts:
            return None
        return least_seconds(Demand(**self.facts["demand"]), limits) / self.sides[0].seconds

    def as_json(self, limits: Mapping[str, Any]) -> dict[str, Any]:
        """Give everything that was measured as JSON values; seconds are those of an item."""
        return {
            "about": self.about,
            "item": self.unit,
            "simulated": self.simulated,
            "share_of_limit": self.share(limits),
            **self.facts,
            "sides": [
                {
                    "name": side.name,
                    "about": side.about,
                    "seconds": [reading.seconds for reading in side.readings],
                    "median_seconds": side.seconds,
                    "peaks_mb": [reading.peak_mb for reading in side.readings],
                    "peak_mb": side.peak_mb,
                    "ratio": None if side.ratio is None else plain(asdict(side.ratio)),
                }
                for side in self.sides
            ],
        }


@dataclass(frozen=True)
class Results:
    """What a run of the benchmarks found.

    Parameters
    ----------
    machine : mapping
        See `ribocyte.bench.machine.describe_machine`.
    limits : mapping
        See `ribocyte.bench.limits.measure_limits`; of a long run, the best of its beginning and end.
    settings : mapping
        How often and how large.
    works : tuple of WorkResult
        So far.
    """

    machine: Mapping[str, Any]
    limits: Mapping[str, Any]
    settings: Mapping[str, Any]
    works: tuple[WorkResult, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return {
            "format": FORMAT,
            "machine": self.machine,
            "limits": self.limits,
            "settings": self.settings,
            "works": {work.name: work.as_json(self.limits) for work in self.works},
        }


def compare_works(
    works: Sequence[Work], bench: Bench, repetitions: int, out: Path, report: Report
) -> Results:
    """Measure works one after the other, and write what was found after each: a stop loses the last one only.

    Parameters
    ----------
    works : sequence of Work
        What to measure.
    bench : Bench
        Where and how large.
    repetitions : int
        How often; every repetition measures each side once.
    out : Path
        The JSON file.
    report : callable
        Told of each measurement before it begins.

    Raises
    ------
    WorkError
        If a side fails.
    DataError, RequestError
        If what a work needs cannot be had.
    DiskError
        If `out` cannot be written: found before anything is measured.
    """
    settings = {"repetitions": repetitions, **asdict(bench.size)}
    results = Results(describe_machine(), {}, settings)
    _refuse_unwritable(out)
    start = time.monotonic()
    results = replace(results, limits=find_limits())
    for work in works:
        report(work.name, "preparing", 0)
        done = measure_work(work, work.sides(bench), repetitions, report)
        results = replace(results, works=(*results.works, done))
        _write(results, out)
    if time.monotonic() - start > LONG:
        results = replace(results, limits=_better(results.limits, find_limits()))
        _write(results, out)
    return results


def find_limits() -> dict[str, Any]:
    """Measure what the hardware can do at most, in a fresh process; see `ribocyte.bench.limits.measure_limits`."""
    found = run_task("limits", {}, "the hardware's limits")
    return {key: value for key, value in found.items() if key not in ("peak_mb", "process_seconds")}


def measure_work(work: Work, sides: Sequence[Side], repetitions: int, report: Report) -> WorkResult:
    """Measure all sides of a work in turn."""
    readings: list[list[Reading]] = [[] for _ in sides]
    for repetition in range(1, repetitions + 1):
        for side, found in zip(sides, readings, strict=True):
            report(work.name, side.name, repetition)
            found.append(side.measure())
    ours = [reading.seconds for reading in readings[0]]
    results = [SideResult(sides[0].name, sides[0].about, tuple(readings[0]))]
    for side, found in zip(sides[1:], readings[1:], strict=True):
        ratio = compare_sides(ours, [reading.seconds for reading in found]) if side.compared else None
        results.append(SideResult(side.name, side.about, tuple(found), ratio))
    facts = readings[0][0].facts
    told = {key: facts[key] for key in ("device", "precision", "demand") if key in facts}
    if sides[0].kernels and told.get("device") == "cuda":
        report(work.name, "kernels", 0)
        told["kernel_seconds"] = sides[0].kernels()
        told["utilisation"] = told["kernel_seconds"] / results[0].seconds
    simulated = bool(facts.get("simulated"))
    return WorkResult(work.name, work.about, work.unit, simulated, tuple(results), told)


def _better(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Take the better of two measurements of the limits: what else the machine does can only lower them."""
    numbers = {key for key, value in first.items() if isinstance(value, float)}
    return {key: max(value, second[key]) if key in numbers else value for key, value in first.items()}


def _refuse_unwritable(path: Path) -> None:
    """Find out whether a file can be written, and leave what is in it."""
    write_text(path, path.read_text(encoding="utf-8") if path.is_file() else "{}\n")


def _write(results: Results, path: Path) -> None:
    write_text(path, json.dumps(results.as_json(), indent=2) + "\n")
