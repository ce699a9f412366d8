"""How cost grows: axes measured with real processes, fitted, told and drawn."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from ribocyte.bench.drawing import draw_growth
from ribocyte.bench.growth import AXES, Axis, Grown, Point, caption, measure_axis, measure_growth
from ribocyte.bench.peers import find_peers
from ribocyte.bench.ratios import fit_growth
from ribocyte.bench.sizes import BenchSize
from ribocyte.bench.works import Bench
from ribocyte.errors import RequestError

SIZES = (10, 100, 1000)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, BenchSize(pairs_probes=100), find_peers())


def grown(name: str, power: float, fixed: float) -> Grown:
    points = tuple(Point(size, fixed + 0.01 * size**power, 300.0) for size in SIZES)
    times, peaks = [point.seconds for point in points], [point.peak_mb for point in points]
    return Grown(
        name, "made work", "things", points, fit_growth(SIZES, times, fixed), fit_growth(SIZES, peaks, 300.0)
    )


def test_an_axis_is_measured_from_its_smallest_size(bench: Bench) -> None:
    asked = []

    def cost(_: Bench, size: int) -> tuple[float, float]:
        asked.append(size)
        return 1.0 + 0.5 * size, 100.0

    axis = Axis("made", "made work", "things", SIZES, 1, cost)
    found = measure_axis(axis, bench, 2, lambda *_: None, largest=500)
    assert asked == [1, 1, 1, 10, 10, 100, 100]  # once to warm up
    assert [point.size for point in found.points] == [10, 100]
    assert found.seconds.constant == 1.5
    assert math.isnan(found.peak_mb.slope)


def test_a_caption_says_what_grows_and_what_is_fixed() -> None:
    told = caption(grown("made", 1.0, 2.0))
    assert "power 1.00 above 2 s that are fixed, which are most of it below a size of 200" in told
    assert "memory stays between 300 and 300 MB" in told


def test_the_figure_has_time_and_memory_of_every_axis() -> None:
    figure = draw_growth([grown("one", 1.0, 2.0), grown("two", 2.0, 0.0)])
    assert len(figure.axes) == 4
    assert all(panel.get_xscale() == panel.get_yscale() == "log" for panel in figure.axes)
    said = {text.get_text() for panel in figure.axes for text in panel.texts}
    assert {"power 1.00", "power 2.00", "hardly grows"} <= said


def test_a_real_axis_is_written(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "grown"
    measure_growth(["proteins"], bench, 1, out, lambda *_: None, largest=1)
    found = json.loads((out / "growth.json").read_text())["axes"]["proteins"]
    assert found["points"][0]["size"] == 1
    assert found["points"][0]["seconds"] > 0.1
    assert found["points"][0]["peak_mb"] > 50
    with (out / "growth.tsv").open(newline="") as table:
        (row,) = csv.DictReader(table, delimiter="\t")
    assert (row["axis"], row["size"]) == ("proteins", "1")
    assert (out / "growth.svg").read_bytes().startswith(b"<?xml")


def test_what_does_not_grow_is_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"protein: nothing that grows.*did you mean proteins"):
        measure_growth(["protein"], bench, 1, tmp_path, lambda *_: None)
    with pytest.raises(RequestError, match="--repetitions 0"):
        measure_growth([], bench, 0, tmp_path, lambda *_: None)
    assert list(AXES) == ["predicting", "training", "proteins", "scanning", "workers"]
