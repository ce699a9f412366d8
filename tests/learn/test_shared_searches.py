"""A search stopped, killed, and shared by several processes: always the same trials, each done once."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
from pathlib import Path
from typing import Any

import pytest

import toys
from ribocyte.errors import InterruptedRunError
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search, TrialProgress
from searching import SPLITS, TRIALS, end_of, search_in, stop_after, train


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Give a search that ran without a pause, which no test may change."""
    return search_in(tmp_path_factory.mktemp("search") / "whole")


def test_a_search_prolonged_and_stopped_anywhere_ends_in_the_same_trials(
    whole: Search, tmp_path: Path
) -> None:
    search = search_in(tmp_path / "search", trials=2)
    assert (search.finished, len(search.trials)) == (True, 2)
    search.ask_for(TRIALS)
    assert not search.finished
    for steps in (1, 3, 13, 29):
        with pytest.raises(InterruptedRunError):
            search_in(tmp_path / "search", stop=stop_after(steps))
        assert not Search.open(tmp_path / "search").finished
    again = search_in(tmp_path / "search")
    assert toys.same_bits(end_of(again), end_of(whole))
    assert again.importance() == whole.importance()


def test_what_another_setting_left_in_a_folder_is_not_gone_on_with(whole: Search, tmp_path: Path) -> None:
    other = whole.tables({"training.learning_rate": 0.123})
    run = Run.create(tmp_path / "search" / "trials" / "001", other)
    with pytest.raises(InterruptedRunError):
        train(other, SPLITS, run, lambda _: None, stop_after(7))
    assert toys.same_bits(end_of(search_in(tmp_path / "search", trials=2)), end_of(whole)[:2])


PROCESSES = multiprocessing.get_context("forkserver")  # each a fresh process; the imports are done once
PROCESSES.set_forkserver_preload(["scipy.stats", "alembic.script", "searching", "pytest"])


def search_in_process(path: Path, slots: Path) -> None:
    told: set[int] = set()

    def report(progress: TrialProgress) -> None:
        if progress.state != "running":
            told.add(progress.slot)
            slots.write_text(json.dumps(sorted(told)))

    search_in(path, report=report)


def start(path: Path, slots: Path) -> Any:
    process = PROCESSES.Process(target=search_in_process, args=(path, slots))
    process.start()
    return process


def test_a_search_killed_at_any_moment_ends_in_the_same_trials(whole: Search, tmp_path: Path) -> None:
    moments, kills, slots = random.Random(), 0, tmp_path / "slots"
    for _ in range(5):
        process = start(tmp_path / "search", slots)
        process.join(moments.uniform(0.3, 2.0))
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        kills += process.exitcode != 0
    process = start(tmp_path / "search", slots)
    process.join()
    assert process.exitcode == 0
    assert kills
    assert toys.same_bits(end_of(Search.open(tmp_path / "search")), end_of(whole))


def test_several_processes_share_the_trials_of_a_search(tmp_path: Path) -> None:
    processes = [start(tmp_path / "search", tmp_path / f"slots {number}") for number in range(2)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    done = [json.loads((tmp_path / f"slots {number}").read_text()) for number in range(2)]
    assert sorted(done[0] + done[1]) == list(range(TRIALS))
    assert all(done)
    search = Search.open(tmp_path / "search")
    assert search.finished
    for row in end_of(search):
        assert len(row["history"]) == row["epochs"]
