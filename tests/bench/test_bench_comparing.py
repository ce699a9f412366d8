"""Works measured in turn with real processes, and what is told of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ribocyte.bench.comparing import compare_works, measure_work
from ribocyte.bench.peers import CELLS, LOAD, find_peers
from ribocyte.bench.processes import read_line, run_process, run_task
from ribocyte.bench.ratios import Demand
from ribocyte.bench.sizes import BenchSize, parse_size
from ribocyte.bench.works import WORKS, Bench, Reading, Side, Work, choose_works
from ribocyte.errors import DiskError, RequestError, WorkError

PRINTING = "import json, sys; print('warming up'); print(json.dumps({'seconds': float(sys.argv[1])}))"


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", *arguments]


def side(name: str, log: list[str], seconds: float, **facts: object) -> Side:
    """A side that takes no time to speak of and says that it took some."""

    def measure() -> Reading:
        log.append(name)
        finished = run_process(python(PRINTING, str(seconds)), name)
        return Reading(read_line(finished, name, "seconds")["seconds"], finished.peak_mb, facts)

    return Side(name, measure)


def test_sides_alternate_and_are_compared_with_ours() -> None:
    log: list[str] = []
    demand = {"multiply_adds": 1e9, "bytes": 1.0, "precision": "32"}
    sides = [side("ours", log, 2.0, demand=demand), side("slow", log, 6.0), side("quick", log, 1.0)]
    done = measure_work(Work("made", "made", lambda _: sides), sides, 2, lambda *_: None)
    assert log == ["ours", "slow", "quick"] * 2
    assert [found.ratio.median for found in done.sides if found.ratio] == [3.0, 0.5]
    assert done.share({"multiply_adds_32": 1e9, "bytes": 1e9}) == 0.5
    assert all(reading.peak_mb > 1 for found in done.sides for reading in found.readings)


def test_memory_is_that_of_the_process_and_not_of_the_one_that_asked() -> None:
    held = bytearray(200_000_000)
    small = run_process(python("pass"), "small")
    large = run_process(python("bytearray(100_000_000)"), "large")
    assert held
    assert small.peak_mb < 50
    assert 100 < large.peak_mb < 150


@pytest.mark.parametrize("said", ["NaN", "Infinity", "0", "-4", "null", '"fast"'])
def test_a_peer_is_not_believed_what_cannot_be(said: str) -> None:
    finished = run_process(python("import sys; print(sys.argv[1])", f'{{"seconds": {said}}}'), "peer")
    with pytest.raises(WorkError, match="as numbers above 0"):
        read_line(finished, "peer", "seconds")


def test_whoever_is_stopped_takes_what_it_started_along(tmp_path: Path) -> None:
    begun, alive = tmp_path / "begun", tmp_path / "alive"
    inner = f"import time; open({str(begun)!r}, 'w'); time.sleep(3); open({str(alive)!r}, 'w')"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    asked = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "  # it may be ignored here
        "from ribocyte.bench.processes import run_process; run_process(sys.argv[1:], 'work')"
    )
    process = subprocess.Popen([sys.executable, "-c", asked, sys.executable, "-c", outer])
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.wait()
    time.sleep(3.5)
    assert not alive.exists()


def test_results_are_json_values() -> None:
    log = list[str]()
    work = Work("made", "made work", lambda _: [], "things")
    done = measure_work(work, [side("ours", log, 1.0), side("peer", log, 4.0)], 1, lambda *_: None)
    found = json.loads(json.dumps(done.as_json({}), allow_nan=False))
    assert found["sides"][1]["ratio"] == {"median": 4.0, "low": None, "high": None, "each": [4.0]}
    assert found["sides"][1]["seconds"] == [4.0]
    assert found["share_of_limit"] is None


def test_a_crashing_peer_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / CELLS).write_text("raise ValueError('no cells here')\n")
    known = {"cells {}": {"path": "cells.npz", "data": None}}
    bench = Bench(tmp_path, BenchSize(), find_peers(tmp_path), prepared=known)
    _, peer = WORKS["cells-pooled"].sides(bench)
    with pytest.raises(WorkError, match=r"^cells_skeleton\.py: ended with 1: ValueError: no cells here$"):
        peer.measure()


def test_a_place_that_cannot_be_written_is_found_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    work = Work("made", "made", lambda _: pytest.fail("began"))
    with pytest.raises(DiskError, match=r"bench\.json: could not be written"):
        compare_works(
            [work],
            Bench(tmp_path, BenchSize(), find_peers()),
            1,
            tmp_path / "file" / "bench.json",
            lambda *_: None,
        )


def test_a_crash_is_told_by_its_last_line() -> None:
    with pytest.raises(WorkError, match="made: ended with 1: ValueError: no"):
        run_process(python("print('fine so far'); raise ValueError('no')"), "made")
    with pytest.raises(WorkError, match="made: killed by signal 9"):
        run_process(python("import os; os.kill(os.getpid(), 9)"), "made")


@pytest.mark.parametrize("said", ["print('hello')", "print('{\"other\": 1}')", "pass"])
def test_a_peer_that_says_something_else_is_refused(said: str) -> None:
    with pytest.raises(WorkError, match=rf"{LOAD}: said .*expected a JSON line with seconds"):
        read_line(run_process(python(said), LOAD), LOAD, "seconds")


def test_what_a_task_refuses_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such recipe"):
        run_task("train", {"recipe": "rna/cn"}, "train")


def test_works_are_chosen_by_name() -> None:
    assert [work.name for work in choose_works(["start", "help", "start"], WORKS)] == ["start", "help"]
    assert len(choose_works([], WORKS)) == len(WORKS)
    with pytest.raises(RequestError, match=r"cells-poled: no such work; .*did you mean cells-pooled\?"):
        choose_works(["cells-poled"], WORKS)


def test_sizes_are_set_by_name() -> None:
    assert parse_size(["steps=3", "rnas = 7"]) == BenchSize(steps=3, rnas=7)
    for wrong, told in (
        ("step=3", r"no such size.*did you mean steps\?"),
        ("steps", "no number"),
        ("steps=many", "no number"),
        ("steps=0", r"bench\.steps = 0 is impossible; expected 1 or more"),
    ):
        with pytest.raises(RequestError, match=told):
            parse_size([wrong])


def test_a_demand_travels_as_json() -> None:
    assert Demand(**json.loads(json.dumps({"multiply_adds": 1, "bytes": 2, "precision": "bf16"}))).bytes == 2
