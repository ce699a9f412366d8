"""A protein's measured probes, in a table of one's own: which RNAs, and how strongly each was bound.

A table has a header and a row for each probe: TSV, CSV (also with semicolons) or Parquet, gzipped or not. Columns
beside the two that are read may hold anything.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ribocyte.errors import DataError, RequestError, suggest
from ribocyte.rna.protocols import EPSILON, Floats, Scale
from ribocyte.rna.sequences import (
    SEQUENCE_COLUMNS,
    check_rna,
    find_column,
    is_parquet,
    open_text,
    split_table,
)

VALUE_COLUMNS = ("intensity", "value", "measured", "signal")
"""Columns that hold measurements, where none is named."""
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "."})
"""How it is written that a spot failed; upper and lower case are the same."""

Values = Literal["intensity", "log", "zscore"]
"""What measurements are: raw intensities of an array, their logarithms, or z-scores of those."""
Row = tuple[str, str, str]
"""Where it is, RNA, measurement; as they are written."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class MeasuredProbes:
    """RNAs and what was measured of them.

    Parameters
    ----------
    source : str
        Name of the file.
    rnas : tuple of str
        A, C, G, U, N, in capitals.
    values : float64 array, shape (N,)
        Finite, of those RNAs.
    missing : int
        Rows of the table that have no measurement, and are left out.
    """

    source: str
    rnas: tuple[str, ...]
    values: Floats
    missing: int = 0


def read_measured(
    path: Path | str, rna_column: str = "", value_column: str = "", longest: int = 0
) -> MeasuredProbes:
    """Read measured probes from a table.

    Parameters
    ----------
    path : Path or str
        The file; see the module.
    rna_column : str
        Where the RNAs are; else the first of ``RNA_Seq``, ``sequence``, ``seq`` and ``rna`` that is there. Upper
        and lower case are the same.
    value_column : str
        Where the measurements are; else the first of `VALUE_COLUMNS`. NaN, NA and nothing are no measurement.
    longest : int
        Nucleotides that an RNA may have; 0 is any number.

    Raises
    ------
    DataError
        If the file cannot be read or is no table; if a column is not there; if a measurement is no number; if an
        RNA that was measured is none, or too long. Names the file, and the line or row.
    """
    path = Path(path)
    rnas, values, missing = list[str](), list[float](), 0
    for where, rna, value in _read_rows(path, rna_column, value_column):
        number = _read_number(path, where, value)
        if math.isnan(number):
            missing += 1
            continue
        rnas.append(_read_rna(path, where, rna, longest))
        values.append(number)
    return MeasuredProbes(path.name, tuple(rnas), np.array(values, dtype=np.float64), missing)


def pair_measured(rnas: Sequence[str], values: Sequence[float] | Floats) -> MeasuredProbes:
    """Put RNAs and their measurements together; those that are NaN are left out.

    Raises
    ------
    RequestError
        If there are not as many of one as of the other.
    DataError
        If a measurement is infinite.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if isinstance(rnas, str) or numbers.shape != (len(rnas),):
        raise RequestError(
            f"measurements: {numbers.size:,} of {1 if isinstance(rnas, str) else len(rnas):,} RNAs",
            expected="a list of RNAs, and a number for each",
        )
    if np.isinf(numbers).any():
        raise DataError(
            f"measurement {int(np.isinf(numbers).argmax()) + 1} is infinite", expected="a number, or NaN"
        )
    there = ~np.isnan(numbers)
    kept = tuple(rna for rna, kept in zip(rnas, there, strict=True) if kept)
    return MeasuredProbes("", kept, numbers[there], int((~there).sum()))


def scale_values(values: Floats, kind: Values) -> tuple[Floats, Scale | None]:
    """Put measurements on the scale that networks are trained on: the z-score of log intensity.

    Parameters
    ----------
    values : float64 array, shape (N,)
        Finite.
    kind : {"intensity", "log", "zscore"}
        Raw intensities are clipped, shifted above 0 where one is not, their logarithms taken and z-scored, by
        statistics of these values alone (`ribocyte.rna.protocols.Scale`). Logarithms, of any base, are z-scored.
        z-scores stay as they are.

    Returns
    -------
    (float64 array, Scale or None)
        The z-scores; and, of raw intensities, how they were made.

    Raises
    ------
    DataError
        If all are equal.
    """
    scale = Scale.measure(values) if kind == "intensity" else None
    spread = scale.std if scale is not None else float(values.std())
    if not spread > 1e-9 * max(1.0, float(np.abs(values).max())):
        raise DataError(
            f"measurements: all {len(values)} are {values[0]:g}", expected="values that differ between RNAs"
        )
    if scale is not None:
        return scale.apply(values).astype(np.float64), scale
    scores: Floats = values if kind == "zscore" else (values - values.mean()) / (spread + EPSILON)
    return scores, None


def merge_repeats(rnas: Sequence[str], scores: Floats) -> tuple[list[str], Floats]:
    """Average what was measured of the same RNA more than once.

    Returns
    -------
    (list of str, float64 array)
        Each RNA once, in the order in which they come first, and the mean of its scores.
    """
    places = {rna: place for place, rna in enumerate(dict.fromkeys(rnas))}
    owner = np.array([places[rna] for rna in rnas], dtype=np.int64)
    return list(places), np.bincount(owner, weights=scores) / np.bincount(owner)


def _read_rows(path: Path, rna_column: str, value_column: str) -> Iterator[Row]:
    if is_parquet(path):
        yield from _read_parquet(path, rna_column, value_column)
        return
    with open_text(path) as stream:
        lines = ((number, line.rstrip("\r\n")) for number, line in enumerate(stream, 1))
        first = next((line for line in lines if line[1].strip()), None)
        if first is None:
            raise DataError(f"{path}: empty", expected="a table with a header")
        columns, rows = split_table(path, itertools.chain([first], lines))
        rna, value = _choose_columns(path, columns, rna_column, value_column)
        for number, row in rows:
            yield f"line {number}", row[rna].strip(), row[value].strip()


def _read_parquet(path: Path, rna_column: str, value_column: str) -> Iterator[Row]:
    import polars as pl

    try:
        columns = pl.read_parquet_schema(path)
        names = list(columns)
        wanted = [names[at] for at in _choose_columns(path, names, rna_column, value_column)]
        table = pl.read_parquet(path, columns=list(dict.fromkeys(wanted)))
        cells = [table[name].cast(pl.String).fill_null("") for name in wanted]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path}: damaged or no Parquet file: {str(error).splitlines()[0]}",
            expected="a whole Parquet file",
        ) from error
    for number, (rna, value) in enumerate(zip(*cells, strict=True), 1):
        yield f"row {number}", rna.strip(), value.strip()


def _choose_columns(path: Path, columns: Sequence[str], rna: str, value: str) -> tuple[int, int]:
    """Give the numbers of the columns of RNAs and of measurements."""
    return (
        _choose_column(path, columns, rna, SEQUENCE_COLUMNS, "RNAs", "--rna-column"),
        _choose_column(path, columns, value, VALUE_COLUMNS, "measurements", "--value-column"),
    )


def _choose_column(
    path: Path, columns: Sequence[str], wanted: str, usual: Sequence[str], what: str, option: str
) -> int:
    at = find_column(columns, [wanted.casefold()] if wanted else usual)
    if at is not None:
        return at
    shown = ", ".join(columns[:10]) + (", …" if len(columns) > 10 else "")
    near = suggest(wanted, columns) if wanted else ""
    raise DataError(
        f"{path}: no column {wanted!r} among {shown}"
        if wanted
        else f"{path}: no column of {what} among {shown}",
        expected=f"a column of {what}" if wanted else f"one called {', '.join(usual)}",
        mend=near or f"name it with {option}",
    )


def _read_number(path: Path, where: str, text: str) -> float:
    if text.casefold() in MISSING:
        return math.nan
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(number):
        raise DataError(
            f"{path}: {where}: {text[:30]!r} is no measurement",
            expected="a number such as 1234.5, or NA where a spot failed",
            mend="write decimals with a point" if re.fullmatch(r"[-+]?[\d.]*,\d+", text) else "",
        )
    return number


def _read_rna(path: Path, where: str, letters: str, longest: int) -> str:
    rna = check_rna(path, where, letters)
    if longest and len(rna) > longest:
        raise DataError(
            f"{path}: {where}: an RNA of {len(rna)} nt",
            expected=f"at most {longest}, what the model reads at once",
        )
    return rna


def describe_scale(kind: Values, scale: Scale | None) -> str:
    """Say in words how measurements became z-scores."""
    if scale is None:
        return {"log": "logarithms, z-scored", "zscore": "z-scores, taken as they are"}[kind]
    shifted = f", shifted by {scale.shift:.4g}" if scale.shift else ""
    return f"intensities, clipped at {scale.clip:.4g}{shifted}, their logarithms z-scored"


def scale_table(scale: Scale | None) -> dict[str, Any]:
    """Give a scale as a model's info holds those of its outputs: a list of one for each statistic."""
    if scale is None:
        return {}
    return {name: [getattr(scale, name)] for name in ("clip", "floor", "shift", "mean", "std")}
