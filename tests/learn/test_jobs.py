"""Jobs are done once, in an order that suits them, by however many processes come."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from ribocyte.errors import InterruptedRunError, WorkError
from ribocyte.learn.jobs import Board, Job, look_at, run_jobs
from ribocyte.learn.training import Progress


def write_job(folder: Path, name: str, needs: tuple[str, ...] = (), seconds: float = 0.0) -> Job:
    """Make a job that notes in a file who did it, and what was there when it began."""
    result = folder / name.replace("/", "-")

    def work(report: object, stop: object) -> None:
        with result.with_suffix(".begun").open("a") as begun:
            begun.write(f"{os.getpid()}\n")
        time.sleep(seconds)
        result.write_text(" ".join(sorted(path.name for path in folder.glob("*") if not path.suffix)))

    return Job(name, result.is_file, work, needs)


def chain(folder: Path, seconds: float = 0.0) -> list[Job]:
    return [
        write_job(folder, "a/one", seconds=seconds),
        write_job(folder, "a/two", seconds=seconds),
        write_job(folder, "b/sum", ("a/one", "a/two"), seconds),
    ]


def begun(folder: Path) -> list[str]:
    return [line for path in sorted(folder.glob("*.begun")) for line in path.read_text().split()]


def test_jobs_are_done_in_order_and_once(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    boards: list[Board] = []
    for _ in range(2):
        run_jobs(chain(tmp_path / "out"), tmp_path / "locks", report=boards.append)
    assert (tmp_path / "out" / "b-sum").read_text() == "a-one a-two"
    assert len(begun(tmp_path / "out")) == 3
    first, last = boards[0], boards[-1]
    assert first == Board((), {"a/one": 0.0}, ("a/two", "b/sum"), "a/one")
    assert last == Board(("a/one", "a/two", "b/sum"), {}, ())


def test_what_a_job_needs_comes_first_whatever_the_order(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run_jobs(chain(tmp_path / "out")[::-1], tmp_path / "locks")
    assert (tmp_path / "out" / "b-sum").read_text() == "a-one a-two"


def work_in(folder: Path, locks: Path) -> None:
    run_jobs(chain(folder, seconds=0.4), locks, wait=0.02)


def test_two_processes_share_the_jobs_and_do_none_twice(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=work_in, args=(tmp_path / "out", tmp_path / "locks")) for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    who = begun(tmp_path / "out")
    assert len(who) == 3
    assert len(set(who)) == 2


def test_a_killed_process_leaves_its_job_to_others(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    process = multiprocessing.get_context("fork").Process(
        target=run_jobs, args=([write_job(tmp_path / "out", "a/one", seconds=60)], tmp_path / "locks")
    )
    process.start()
    while not (tmp_path / "out" / "a-one.begun").is_file():
        time.sleep(0.01)
    jobs = [write_job(tmp_path / "out", "a/one")]
    assert look_at(jobs, tmp_path / "locks") == Board((), {"a/one": 0.0}, ())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert look_at(jobs, tmp_path / "locks") == Board((), {}, ("a/one",))
    run_jobs(jobs, tmp_path / "locks")
    assert len(begun(tmp_path / "out")) == 2


def test_a_job_without_result_is_an_error_and_not_a_loop(tmp_path: Path) -> None:
    nothing = Job("a/nothing", lambda: False, lambda report, stop: None)
    with pytest.raises(WorkError, match="a/nothing: ended without its result"):
        run_jobs([nothing], tmp_path / "locks")


def test_a_wish_to_stop_reaches_the_job_and_the_wait(tmp_path: Path) -> None:
    def work(report: object, stop: object) -> None:
        assert callable(stop)
        if stop():
            raise InterruptedRunError("stopped in the middle")

    with pytest.raises(InterruptedRunError, match="in the middle"):
        run_jobs([Job("a/long", lambda: False, work)], tmp_path / "locks", stop=lambda: True)
    waiting = Job("b/never", lambda: False, work, needs=("a/unknown",))
    with pytest.raises(InterruptedRunError, match="stopped"):
        run_jobs([waiting], tmp_path / "locks", stop=lambda: True)


def test_progress_of_a_training_is_passed_on(tmp_path: Path) -> None:
    progress, result = Progress(1, 2, 3, 4, 5), tmp_path / "result"

    def work(report: object, stop: object) -> None:
        assert callable(report)
        report(progress)
        result.touch()

    boards: list[Board] = []
    job = Job("a/train", result.is_file, work, share=lambda: 0.25)
    run_jobs([job], tmp_path / "locks", report=boards.append)
    assert Board((), {"a/train": 0.25}, (), "a/train", progress) in boards
