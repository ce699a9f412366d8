"""A whole study at a glance: what is done, running and left. On stderr, as a picture or as lines."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ribocyte.cli import present
from ribocyte.cli.progress import OFTEN, Pace

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ribocyte.learn.jobs import Board

SELDOM = 20.0
"""Seconds between lines where nothing was finished."""
TITLES = {
    "search": "2.1 searches",
    "networks": "2.1 chosen networks",
    "cells": "1   blood cells",
    "attention": "2.2 attention",
    "many": "2.3 many proteins",
    "known": "proteins that trained",
    "cluster": "clusters held out",
    "few-shot": "few measurements",
    "family": "families held out",
}


@contextlib.contextmanager
def watch_study() -> Iterator[Callable[[Board], None]]:
    """Give the callback that shows where a study is."""
    if not sys.stderr.isatty():
        yield StudyLines().report
        return
    from rich.live import Live

    pace, start = Pace(OFTEN), time.monotonic()
    with Live(console=present.messages(), auto_refresh=False) as live:

        def report(board: Board) -> None:
            if pace.due() or not board.running:
                live.update(draw_board(board, time.monotonic() - start), refresh=True)

        yield report


class StudyLines:
    """A line whenever a job is begun or done, and now and then in between."""

    def __init__(self) -> None:
        self.pace, self.start = Pace(SELDOM), time.monotonic()
        self.told: tuple[tuple[str, ...], frozenset[str]] | None = None

    def report(self, board: Board) -> None:
        """Take note of where the study is."""
        now = board.done, frozenset(board.running)
        if now == self.told and not self.pace.due():
            return
        self.told = now
        total = len(board.done) + len(board.running) + len(board.left)
        at = ", ".join(_describe(name, share, board) for name, share in board.running.items())
        passed = present.duration(time.monotonic() - self.start)
        present.say(
            f"{len(board.done)} of {total} done, {len(board.left)} left, {passed}{'; ' if at else ''}{at}"
        )


def draw_board(board: Board, seconds: float) -> RenderableType:
    """Draw one line a group of jobs, and one for each job that runs."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for group, (done, running, left) in _count(board).items():
        total = len(done) + len(running) + len(left)
        finished = len(done) + sum(running.values())
        state = f"{len(done)} of {total} done" + (f", {len(running)} running" if running else "")
        bar = ProgressBar(total=total, completed=finished, width=24)
        table.add_row(Text(TITLES.get(group, group)), bar, Text(state))
        for name, share in running.items():
            table.add_row("", "", Text(f"  {_describe(name, share, board)}", style="dim"))
    table.add_row(Text(f"{present.duration(seconds)} so far", style="dim"))
    return table


def _describe(name: str, share: float, board: Board) -> str:
    """Say how far a job is."""
    progress = board.progress if name == board.mine else None
    if progress is not None:
        return f"{name} epoch {progress.epoch}/{progress.epochs}"
    return f"{name} {100 * share:.0f} %" if share else name


def _count(board: Board) -> Mapping[str, tuple[list[str], dict[str, float], list[str]]]:
    """Sort jobs by their groups, in the order of the questions."""
    found: dict[str, tuple[list[str], dict[str, float], list[str]]] = {}
    named = [name.partition("/")[0] for name in (*board.done, *board.running, *board.left)]
    for group in sorted(set(named), key=lambda g: (list(TITLES).index(g) if g in TITLES else 9, g)):
        found[group] = (
            [name for name in board.done if name.startswith(f"{group}/")],
            {name: share for name, share in board.running.items() if name.startswith(f"{group}/")},
            [name for name in board.left if name.startswith(f"{group}/")],
        )
    return found
