"""How long work shows that it goes on: a bar on a terminal, plain lines elsewhere. All of it on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ribocyte.cli import present

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from ribocyte.files import Progress as Bytes
    from ribocyte.learn.training import Progress

SELDOM = 1.0
"""Seconds between plain lines, at least."""
OFTEN = 0.25
"""Seconds between pictures of a bar, at least."""


@contextlib.contextmanager
def watch_training(metric: str) -> Iterator[Callable[[Progress], None]]:
    """Give the callback that shows a training; `metric` is the one that decides."""
    if present.is_helper():
        yield lambda _: None
    elif sys.stderr.isatty():
        with make_bar("{task.fields[rate]}", "{task.fields[score]}") as bar:
            yield TrainingBar(bar, metric).report
    else:
        yield TrainingLines(metric).report


@contextlib.contextmanager
def watch_download(name: str) -> Iterator[Bytes]:
    """Give the callback that shows a download."""
    if not sys.stderr.isatty():
        yield DownloadLines(name).report
        return
    from rich.progress import DownloadColumn, TransferSpeedColumn

    with make_bar(DownloadColumn(), TransferSpeedColumn()) as bar:
        task, shown = bar.add_task(name, total=None), Pace(OFTEN)

        def report(done: int, total: int) -> None:
            if shown.due() or done == total:
                bar.update(task, completed=done, total=total or None, refresh=True)

        yield report


@contextlib.contextmanager
def watch_predictions(shown: bool) -> Iterator[Callable[[int], None]]:
    """Give the callback that counts predictions, where that does not disturb them."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _: None
        return
    with make_bar("{task.completed:,.0f} done", "{task.fields[rate]}") as bar:
        task, start = bar.add_task("predicting", total=None, rate=""), time.monotonic()

        def report(done: int) -> None:
            rate = f"{done / (time.monotonic() - start):,.0f}/s"
            bar.update(task, completed=done, rate=rate, refresh=True)

        yield report


def make_bar(*columns: object) -> Bar:
    """Make a bar that is drawn only when it is told to: no thread of its own disturbs the work."""
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    shown = [column if isinstance(column, ProgressColumn) else TextColumn(str(column)) for column in columns]
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        *shown,
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=present.messages(),
        auto_refresh=False,
        speed_estimate_period=300,
    )


class Pace:
    """Says when it is time to show something again."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.last = seconds, float("-inf")

    def due(self) -> bool:
        """Say whether it is, and begin to wait anew if so."""
        now = time.monotonic()
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True


class TrainingBar:
    """A bar over all epochs with this epoch's throughput and the last validation score."""

    def __init__(self, bar: Bar, metric: str) -> None:
        self.bar, self.metric, self.pace = bar, metric, Pace(OFTEN)
        self.task = bar.add_task("starting", total=None, rate="", score="")
        self.begin = (0, 0, time.monotonic())  # epoch, examples, time when its first step was over

    def report(self, progress: Progress) -> None:
        """Take note of a step or an epoch."""
        if progress.row is not None:
            score = f"val {self.metric} {progress.row[f'val_{self.metric}']:.4f}"
            self.bar.update(self.task, completed=progress.epoch, score=score, refresh=True)
            return
        if progress.epoch != self.begin[0]:
            self.begin = (progress.epoch, progress.examples, time.monotonic())
        if self.pace.due():
            self.bar.update(
                self.task,
                description=f"epoch {progress.epoch}/{progress.epochs}",
                total=progress.epochs,
                completed=progress.epoch - 1 + progress.step / progress.steps,
                rate=self._rate(progress.examples),
                refresh=True,
            )

    def _rate(self, examples: int) -> str:
        _, before, start = self.begin
        seconds = time.monotonic() - start
        return f"{(examples - before) / seconds:,.0f} examples/s" if examples > before else ""


class TrainingLines:
    """A line an epoch, but not more than one a second; the first and the last are always there."""

    def __init__(self, metric: str) -> None:
        self.metric, self.pace = metric, Pace(SELDOM)
        self.begin: tuple[int, float] | None = None  # the epoch we came in at, and when

    def report(self, progress: Progress) -> None:
        """Take note of a step or an epoch."""
        if self.begin is None:
            self.begin = (progress.epoch - 1, time.monotonic())
        row = progress.row
        if row is None or not (self.pace.due() or progress.epoch == progress.epochs):
            return
        before, start = self.begin
        left = (time.monotonic() - start) / (progress.epoch - before) * (progress.epochs - progress.epoch)
        present.say(
            f"epoch {progress.epoch}/{progress.epochs}  train loss {row['train_loss']:.4f}  "
            f"val {self.metric} {row[f'val_{self.metric}']:.4f}  "
            f"{row['examples_per_second']:,.0f} examples/s  {present.duration(left)} left"
        )


class DownloadLines:
    """A line every few seconds."""

    def __init__(self, name: str) -> None:
        self.name, self.pace, self.start = name, Pace(10 * SELDOM), time.monotonic()

    def report(self, done: int, total: int) -> None:
        """Take note of some bytes."""
        if not (self.pace.due() or done == total):
            return
        speed = done / max(time.monotonic() - self.start, 1e-3)
        of = f" of {present.megabytes(total)}" if total else ""
        present.say(f"{self.name}: {present.megabytes(done)}{of}, {present.megabytes(speed)}/s")
