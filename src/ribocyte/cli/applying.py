"""``ribocyte predict`` and ``ribocyte models``: what a model says of new inputs, and what models there are."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from ribocyte.cli import options, present
from ribocyte.cli.progress import watch_predictions
from ribocyte.errors import RequestError
from ribocyte.files import atomic_write

if TYPE_CHECKING:
    import polars as pl

    from ribocyte.catalog import Predictor


class Format(StrEnum):
    """How predictions are written."""

    tsv = "tsv"
    json = "json"
    parquet = "parquet"


def predict(
    model: options.Model,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT…",
            help="RNA: sequences, or files of them (FASTA, TSV, CSV, Parquet, plain lines; gzipped or not), "
            "- for standard input. Cells: image files, and folders of them.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write here, whole or not at all; .tsv, .json or .parquet. A file that is there is replaced.",
            show_default="standard output",
        ),
    ] = None,
    wanted: Annotated[
        Format | None, typer.Option("--format", help="How.", show_default="by --out, else tsv")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images that cannot be read, and say which.")
    ] = False,
    level: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How many of the truths the intervals (RNA) or sets of classes (cells) are to hold.",
            show_default="0.9 for RNA, 0.95 for cells",
        ),
    ] = None,
) -> None:
    """Predict for new inputs.

    One row each, its name first. RNA longer than the network's window is read in overlapping windows; the best
    one counts, and the columns say which it was.
    """
    from ribocyte import predictions
    from ribocyte.catalog import Predictor

    form = _settle_format(Format.json if as_json else wanted, out)
    _refuse_to_replace(out, [str(model), *inputs])
    predictor = Predictor.load(model)
    if level is not None:
        _trust_at(predictor, level, model)
    skip = (lambda error: present.warn(f"left out: {error}")) if skip_bad else None
    rows = predictions.read_inputs(predictor, inputs, sys.stdin.buffer, skip)
    with watch_predictions(bool(out) or not sys.stdout.isatty()) as count, _opened(out) as stream:
        WRITERS[form](_counted(predictions.predict(predictor, rows), count), stream)


def models(as_json: options.Json = False) -> None:
    """List what can be built.

    Networks, and what they can learn from, with every setting that a recipe can change. Parameters and
    multiply-adds are those of the default setting for one experiment, or eight classes of cells.
    """
    from ribocyte import inventory

    networks, data = inventory.describe_networks(), inventory.describe_data()
    if as_json:
        present.show_json({"models": list(map(asdict, networks)), "data": list(map(asdict, data))})
        return
    for network in networks:
        present.show(f"{network.kind}: {network.about}")
        size = f"{network.parameters:,} parameters, {network.multiply_adds:,} multiply-adds an example"
        _show_indented({"size": size, "[model]": _settings(network.settings)})
    for kind in data:
        present.show(f"{kind.kind}: {kind.about}")
        _show_indented({"[data]": _settings(kind.settings)})


def _trust_at(predictor: Predictor, level: float, model: Path) -> None:
    if predictor.trust is None:
        raise RequestError(
            "--level: the model was never calibrated",
            expected="a model that knows how far to trust it",
            mend=f"ribocyte calibrate {present.quoted(model)}",
        )
    predictor.trust = predictor.trust.at(level)


def _settle_format(wanted: Format | None, out: Path | None) -> Format:
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


def _refuse_to_replace(out: Path | None, inputs: list[str]) -> None:
    for given in inputs:  # a long sequence is no possible path: Path.exists fails on it
        if out and out.exists() and os.path.exists(given) and out.samefile(given):  # noqa: PTH110
            raise RequestError(f"{out}: is an input as well", expected="another file to write")


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[IO[bytes]]:
    if out is None:
        yield sys.stdout.buffer
        return
    with atomic_write(out) as stream:
        yield stream


def _counted(frames: Iterator[pl.DataFrame], count: Callable[[int], None]) -> Iterator[pl.DataFrame]:
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
        for number, frame in enumerate(frames):
            frame.write_parquet(Path(folder) / f"{number:08d}.parquet")
        whole = Path(folder) / "whole"
        pl.scan_parquet(Path(folder) / "*.parquet").sink_parquet(whole)
        with whole.open("rb") as written:
            shutil.copyfileobj(written, stream)


WRITERS = {Format.tsv: _write_tsv, Format.json: _write_json, Format.parquet: _write_parquet}


def _settings(settings: dict[str, Any]) -> str:
    """Write settings as a recipe has them; JSON is TOML for such values."""
    written = (
        f"{key} = {json.dumps(value)}" if value is not None else f"{key} (required)"
        for key, value in settings.items()
    )
    return ", ".join(written)


def _show_indented(facts: dict[str, str]) -> None:
    for name, value in facts.items():
        present.show(f"    {name}: {value}")
