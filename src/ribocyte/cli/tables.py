"""How commands write large tables: as TSV, JSON or Parquet, a portion at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ribocyte.errors import RequestError
from ribocyte.files import atomic_write

if TYPE_CHECKING:
    import polars as pl


WRITTEN_TOGETHER = 1 << 20
"""Bytes of a table, as it lies in memory, that are written to a Parquet file at a time, about."""


class Format(StrEnum):
    """How a table is written."""

    tsv = "tsv"
    json = "json"
    parquet = "parquet"


def settle_format(wanted: Format | None, out: Path | None) -> Format:
    """Give the format that was asked for, or that the name of the file tells."""
    by_name = out.suffix[1:].lower() if out else "tsv"
    if wanted is None and by_name not in list(Format):
        raise RequestError(
            f"{out}: what format?",
            expected="a name that ends in .tsv, .json or .parquet",
            mend="or say it with --format",
        )
    form = wanted or Format(by_name)
    if form is Format.parquet and out is None:
        raise RequestError("--format parquet: is no text", expected="a file to write", mend="add --out FILE")
    return form


def refuse_to_replace(out: Path | None, inputs: Sequence[str]) -> None:
    """Refuse to write over an input."""
    for given in inputs:  # a long sequence is no possible path: Path.exists fails on it
        if out and out.exists() and os.path.exists(given) and out.samefile(given):  # noqa: PTH110
            raise RequestError(f"{out}: is an input as well", expected="another file to write")


@contextlib.contextmanager
def open_output(out: Path | None) -> Iterator[IO[bytes]]:
    """Open a file that appears whole or not at all; standard output where there is none."""
    if out is None:
        yield sys.stdout.buffer
        return
    with atomic_write(out) as stream:
        yield stream


def counted(frames: Iterator[pl.DataFrame], count: Callable[[int], None]) -> Iterator[pl.DataFrame]:
    """Tell how many rows are written."""
    done = 0
    for frame in frames:
        yield frame
        done += frame.height
        count(done)


def _write_tsv(frames: Iterator[pl.DataFrame], stream: IO[bytes]) -> None:
    for number, frame in enumerate(frames):
        stream.write(frame.write_csv(separator="\t", include_header=number == 0).encode())


def _write_json(frames: Iterator[pl.DataFrame], stream: IO[bytes]) -> None:
    """Write one array of records, a record a line, as they come."""
    before = "[\n"
    for frame in frames:
        stream.write((before + frame.write_ndjson().rstrip("\n").replace("\n", ",\n")).encode())
        before = ",\n"
    stream.write(b"\n]\n" if before == ",\n" else b"[]\n")


def _write_parquet(frames: Iterator[pl.DataFrame], stream: IO[bytes]) -> None:
    """Write Parquet in flat memory: the frames go to files, which polars streams into one."""
    import polars as pl

    with tempfile.TemporaryDirectory(prefix="ribocyte-") as folder:
        for number, frame in enumerate(_gathered(frames)):
            frame.write_parquet(Path(folder) / f"{number:08d}.parquet")
        whole = Path(folder) / "whole"
        pl.scan_parquet(Path(folder) / "*.parquet").sink_parquet(whole)
        with whole.open("rb") as written:
            shutil.copyfileobj(written, stream)


def _gathered(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Put small frames together: a file of one row takes two thirds as long as one of 4,096."""
    import polars as pl

    gathered, size = list[pl.DataFrame](), 0.0
    for frame in frames:
        gathered.append(frame)
        size += frame.estimated_size()
        if size >= WRITTEN_TOGETHER:
            yield pl.concat(gathered)
            gathered, size = [], 0.0
    if gathered:
        yield pl.concat(gathered)


WRITERS = {Format.tsv: _write_tsv, Format.json: _write_json, Format.parquet: _write_parquet}
