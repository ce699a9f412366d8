"""Work that is done in parts, each once, by as many processes as come: what is done, running and left.

A job leaves its result in files. It is done when they are there, whoever made them, so a study goes on where it
was killed, and several processes that are given the same jobs share them: each takes one that nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ribocyte.errors import InterruptedRunError, WorkError
from ribocyte.learn.training import Progress, never

Work = Callable[[Callable[[Progress], None], Callable[[], bool]], None]
"""Takes a callback for the progress of its training, and one that says whether to stop."""


def nothing_known() -> float:
    """Tell nothing of how much of a job is done."""
    return 0.0


@dataclass(frozen=True)
class Job:
    """One part of the work.

    Parameters
    ----------
    name : str
        Unique, such as ``cells/pooled-logits``; what stands before the slash groups them for display.
    done : callable
        Whether its result is there. Looks at files only, quickly.
    work : callable
        Makes the result, or goes on making it. Called by one process at a time.
    needs : tuple of str
        Jobs that must be done before.
    share : callable, optional
        How much of it is done, from 0 to 1, as far as its files tell.
    """

    name: str
    done: Callable[[], bool]
    work: Work
    needs: tuple[str, ...] = ()
    share: Callable[[], float] = nothing_known


@dataclass(frozen=True)
class Board:
    """Where all the jobs are.

    Parameters
    ----------
    done, left : tuple of str
        Names of jobs.
    running : dict of str to float
        Name of each job at work, here or in another process, and how much of it is done.
    mine : str
        The one this process is at; empty while it waits for others.
    progress : Progress or None
        Where the training of this process is.
    """

    done: tuple[str, ...]
    running: dict[str, float]
    left: tuple[str, ...]
    mine: str = ""
    progress: Progress | None = None


def ignore(_: Board) -> None:
    """Report to nobody."""


def run_jobs(
    jobs: Sequence[Job],
    locks: Path,
    *,
    report: Callable[[Board], None] = ignore,
    stop: Callable[[], bool] = never,
    wait: float = 0.5,
    look: float = 1.0,
) -> None:
    """Do all jobs that are not done, in order, together with whoever else is at them; return when all are done.

    Parameters
    ----------
    jobs : sequence of Job
        In the order they should be done; what a job needs stands before it.
    locks : Path
        A folder of the work's own, for one empty file a job.
    report, stop : callable
        Told where everything is; asked whether to stop.
    wait, look : float
        Seconds between looks at jobs that others hold, and between looks at the files while working.

    Raises
    ------
    InterruptedRunError
        If `stop` said so.
    WorkError
        If a job ended without its result.
    """
    while True:
        done = {job.name for job in jobs if job.done()}
        if len(done) == len(jobs):
            report(look_at(jobs, locks))
            return
        ready = [job for job in jobs if job.name not in done and done.issuperset(job.needs)]
        if not any(_do(job, jobs, locks, report, stop, look) for job in ready):
            report(look_at(jobs, locks))
            if stop():
                raise InterruptedRunError(f"{locks.parent}: stopped")
            time.sleep(wait)


def look_at(jobs: Sequence[Job], locks: Path, mine: str = "", progress: Progress | None = None) -> Board:
    """See where all the jobs are, from their files."""
    done = tuple(job.name for job in jobs if job.done())
    others = [job for job in jobs if job.name not in done]
    running = {job.name: job.share() for job in others if job.name == mine or _is_held(locks, job.name)}
    left = tuple(job.name for job in others if job.name not in running)
    return Board(done, running, left, mine, progress)


def _do(
    job: Job,
    jobs: Sequence[Job],
    locks: Path,
    report: Callable[[Board], None],
    stop: Callable[[], bool],
    look: float,
) -> bool:
    """Do a job unless another process holds it; say whether it was done here."""
    with hold(locks, job.name) as mine:
        if not mine:
            return False
        if job.done():  # by another process, since we looked
            return True
        board, seen = look_at(jobs, locks, job.name), time.monotonic()
        report(board)

        def tell(progress: Progress) -> None:
            nonlocal board, seen
            if time.monotonic() - seen >= look:
                board, seen = look_at(jobs, locks, job.name), time.monotonic()
            report(Board(board.done, board.running, board.left, job.name, progress))

        job.work(tell, stop)
        if not job.done():
            raise WorkError(f"{job.name}: ended without its result")
    return True


@contextlib.contextmanager
def hold(locks: Path, name: str, *, wait: bool = False) -> Iterator[bool]:
    """Hold what goes by a name, against all other processes; gives False where another holds it.

    Parameters
    ----------
    locks : Path
        A folder for one empty file a name; made when missing.
    name : str
        Such as a job's.
    wait : bool
        Wait until the other lets go.
    """
    locks.mkdir(parents=True, exist_ok=True)
    with _lock_file(locks, name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def _is_held(locks: Path, name: str) -> bool:
    """Say whether another process is at a job."""
    path = _lock_file(locks, name)
    if not path.is_file():
        return False
    with path.open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock_file(locks: Path, name: str) -> Path:
    return locks / (name.replace("/", "--") + ".lock")
