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
TRAINING_COLUMNS = ("{task.fields[rate]}", "{task.fields[score]}")


@contextlib.contextmanager
def watch_training(metric: str) -> Iterator[Callable[[Progress], None]]:
    """Give the callback that shows a training; `metric` is the one that decides."""
    if present.is_helper():
        yield lambda _: None
    elif sys.stderr.isatty():
        with make_bar(*TRAINING_COLUMNS) as bar:
            yield TrainingBar(bar, metric).report
    else:
        yield TrainingLines(metric).report


@contextlib.contextmanager
def watch_stages() -> Iterator[Callable[[str, Progress | None], None]]:
    """Give the callback that shows work in named stages, some of which are trainings."""
    stages: dict[str, Callable[[Progress], None]] = {}

    def report(stage: str, progress: Progress | None) -> None:
        if stage not in stages:
            stages[stage] = begin(stage)
        if progress is not None:
            stages[stage](progress)

    if sys.stderr.isatty():
        with make_bar(*TRAINING_COLUMNS) as bar:

            def begin(stage: str) -> Callable[[Progress], None]:
                return TrainingBar(bar, title=stage).report

            yield report
    else:

        def begin(stage: str) -> Callable[[Progress], None]:
            present.say(stage)
            return TrainingLines().report

        yield report


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
def watch_count(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give the callback that counts what is done, of all there is; 0 where that is not known."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    with make_bar("{task.completed:,.0f} " + what) as bar:
        task, shown = bar.add_task("", total=None), Pace(OFTEN)

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

    def __init__(self, bar: Bar, metric: str = "", title: str = "") -> None:
        self.bar, self.metric, self.title, self.pace = bar, metric, title, Pace(OFTEN)
        self.score = ""
        self.task = bar.add_task(title or "starting", total=None, rate="", score="")
        bar.refresh()
        self.begin = (0, 0, time.monotonic())  # epoch, examples, time when its first step was over

    def report(self, progress: Progress) -> None:
        """Take note of a step or an epoch."""
        if progress.row is not None:
            self.score = write_score(progress.row, self.metric)
            self._draw(progress, progress.epoch, progress.row["examples_per_second"])
            return
        if progress.epoch != self.begin[0]:
            self.begin = (progress.epoch, progress.examples, time.monotonic())
        _, before, start = self.begin
        if progress.examples > before and self.pace.due():
            rate = (progress.examples - before) / (time.monotonic() - start)
            self._draw(progress, progress.epoch - 1 + progress.step / progress.steps, rate)

    def _draw(self, progress: Progress, completed: float, rate: float) -> None:
        self.bar.update(
            self.task,
            description=f"{self.title} epoch {progress.epoch}/{progress.epochs}".lstrip(),
            total=progress.epochs,
            completed=completed,
            rate=f"{rate:,.0f} examples/s",
            score=self.score,
            refresh=True,
        )


class TrainingLines:
    """A line an epoch, but not more than one a second; the first and the last are always there."""

    def __init__(self, metric: str = "") -> None:
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
        seconds = (time.monotonic() - start) / (progress.epoch - before) * (progress.epochs - progress.epoch)
        left = f"  {present.duration(seconds)} left" if progress.epoch < progress.epochs else ""
        present.say(
            f"epoch {progress.epoch}/{progress.epochs}  train loss {row['train_loss']:.4f}  "
            f"{write_score(row, self.metric)}  "
            f"{row['examples_per_second']:,.0f} examples/s{left}"
        )


def write_score(row: dict[str, float], metric: str = "") -> str:
    """Write the validation score of an epoch: of this metric, else of the first there is."""
    scores = {name.removeprefix("val_"): value for name, value in row.items() if name.startswith("val_")}
    name = metric or next(name for name in scores if name != "loss")
    return f"val {name} {scores[name]:.4f}"


class DownloadLines:
    """A line every few seconds."""

    def __init__(self, name: str) -> None:
        self.name, self.pace, self.start = name, Pace(10 * SELDOM), time.monotonic()
        self.told = -1

    def report(self, done: int, total: int) -> None:
        """Take note of some bytes."""
        if done == self.told or not (self.pace.due() or done == total):
            return
        self.told = done
        speed = done / max(time.monotonic() - self.start, 1e-3)
        of = f" of {present.megabytes(total)}" if total else ""
        present.say(f"{self.name}: {present.megabytes(done)}{of}, {present.megabytes(speed)}/s")
