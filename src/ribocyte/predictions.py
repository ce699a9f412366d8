"""From what people have, files and sequences and photographs, to a stream of predictions in flat memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl
import torch

from ribocyte.catalog import Predictor
from ribocyte.cells.images import SUFFIXES, CellEncoding, list_images, read_image
from ribocyte.errors import DataError, RequestError
from ribocyte.rna.encoding import best_windows
from ribocyte.rna.sequences import read_sequences

LARGEST_PORTION = 4 << 20
"""Letters, or bytes of pictures, predicted at a time."""


def read_inputs(
    model: Predictor,
    inputs: Sequence[str],
    stdin: IO[bytes] | None = None,
    skip: Callable[[DataError], None] | None = None,
) -> Iterator[tuple[str, Any]]:
    """Read what people want predictions for, one at a time.

    Parameters
    ----------
    model : Predictor
        Decides what inputs are.
    inputs : sequence of str
        RNA: files of sequences (see `ribocyte.rna.sequences`), sequences themselves where there is no such
        file, or ``-`` for `stdin`. Cells: image files, and folders with images at any depth.
    stdin : binary file, optional
        What ``-`` stands for.
    skip : callable, optional
        Told of each image that cannot be read, which then is left out; such an image is an error otherwise.

    Yields
    ------
    (str, str or numpy array)
        A name, and a raw input for `predict`.

    Raises
    ------
    DataError
        Naming the file, and the line where there are lines.
    RequestError
        If `skip` is given for RNA.
    """
    if isinstance(model.encoding, CellEncoding):
        return _read_cells(model.encoding, inputs, skip)
    if skip:
        raise RequestError("--skip-bad: this model reads RNA", expected="a model that reads images")
    return _read_rna(inputs, stdin)


def predict(
    model: Predictor, inputs: Iterable[tuple[str, Any]], *, brief: bool = False
) -> Iterator[pl.DataFrame]:
    """Predict for a stream of named inputs in flat memory.

    Parameters
    ----------
    model : Predictor
        The model.
    inputs : iterable of (str, raw input)
        As `read_inputs` gives them.
    brief : bool
        For RNA: one column for each output, its prediction, instead of five or six. Of a million RNAs and 244
        proteins that is 1 GB and not 7.

    Yields
    ------
    DataFrame
        A row for each input, in order: ``name``, and the columns of the encoding's ``decode``.

    Raises
    ------
    RequestError
        If it is to be brief and the model reads images.
    """
    if brief and isinstance(model.encoding, CellEncoding):
        raise RequestError("--brief: this model reads images", expected="a model that reads RNA")
    for names, raw in _portions(inputs):
        table = _predict_outputs(model, raw) if brief else model.predict(raw)
        yield table.insert_column(0, pl.Series("name", names, dtype=pl.String))


def _predict_outputs(model: Predictor, raw: Sequence[str]) -> pl.DataFrame:
    """Predict without anything beside the prediction."""
    tokens, owner = model.encoding.encode(raw)
    best, _ = best_windows(model.outputs(tokens), owner, torch.bincount(owner))
    return pl.DataFrame({name: best[:, number].numpy() for number, name in enumerate(model.info.outputs)})


def _read_rna(inputs: Sequence[str], stdin: IO[bytes] | None) -> Iterator[tuple[str, str]]:
    for given in inputs:
        there = os.path.exists(given)  # noqa: PTH110 - a long sequence is no possible path: Path.exists fails
        if given == "-" and stdin is not None:
            yield from _read_stdin(stdin)
        elif there:
            _refuse_pictures(Path(given))
            yield from read_sequences(given)
        elif set(given.upper()) <= set("ACGUTN"):
            yield given, given
        else:
            raise DataError(
                f"{given}: no such file, and no RNA", expected="a file, or the letters A, C, G, U, N"
            )


def _refuse_pictures(path: Path) -> None:
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        raise DataError(
            f"{path}: {'a folder' if path.is_dir() else 'an image'}, and this model reads RNA sequences",
            expected="files of sequences (FASTA, TSV, CSV, Parquet, plain lines), or sequences themselves",
        )


def _read_stdin(stdin: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Read sequences from a pipe, by way of a file: their kind is told by looking at them twice."""
    with tempfile.TemporaryDirectory(prefix="ribocyte-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(stdin, file)
        try:
            yield from read_sequences(path)
        except DataError as error:
            problem = error.problem.replace(str(path), "standard input")
            raise DataError(problem, expected=error.expected, mend=error.mend) from error


def _read_cells(
    encoding: CellEncoding, inputs: Sequence[str], skip: Callable[[DataError], None] | None
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    count = 0
    for path in (path for given in inputs for path in _image_files(Path(given))):
        try:
            pixels = read_image(path, encoding.size, encoding.crop, encoding.resample)
        except DataError as error:
            _refuse_sequences(path)
            if skip is None:
                raise
            skip(error)
        else:
            count += 1
            yield os.fsencode(path).decode(errors="replace"), pixels  # a name may be no UTF-8
    if not count:
        raise DataError(f"{', '.join(inputs)}: no image that can be read")


def _refuse_sequences(path: Path) -> None:
    """Say so where what is no image is RNA: a wrong request, not a bad image that may be left out."""
    found = "" if path.suffix.lower() in SUFFIXES else _recognise_rna(path)
    if found:
        raise DataError(
            f"{path}: {found}, and this model reads images of cells",
            expected="JPEG, PNG or TIFF files, or folders of them",
        )


def _recognise_rna(path: Path) -> str:
    if not os.path.exists(path):  # noqa: PTH110 - as in _read_rna
        if str(path) == "-":
            return "standard input"
        return "RNA" if set(str(path).upper()) <= set("ACGUTN") else ""
    try:
        next(read_sequences(path))
    except DataError:
        return ""
    return "RNA sequences"


def _image_files(given: Path) -> list[Path]:
    if not os.path.isdir(given):  # noqa: PTH112 - as in _read_rna
        return [given]
    found = list_images(given)
    if not found:
        raise DataError(f"{given}: no image in the folder", expected="files .jpg, .png or .tif")
    return found


def _portions(inputs: Iterable[tuple[str, Any]]) -> Iterator[tuple[list[str], list[Any]]]:
    """Cut a stream into names and inputs, at most 4096 of them, and only so many letters or bytes."""
    names, portion, size = list[str](), list[Any](), 0
    for name, raw in inputs:
        names.append(name)
        portion.append(raw)
        size += len(raw) if isinstance(raw, str) else raw.nbytes
        if len(portion) == 4096 or size >= LARGEST_PORTION:
            yield names, portion
            names, portion, size = [], [], 0
    if portion:
        yield names, portion
