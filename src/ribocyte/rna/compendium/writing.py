"""How a compendium is written: from a table of measurements, in flat memory, and whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ribocyte.errors import DataError
from ribocyte.files import new_folder, write_text
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.compendium.store import FACTS, Compendium
from ribocyte.rna.protocols import Floats
from ribocyte.rna.rnacompete import is_simulated
from ribocyte.rna.table import FIRST_ROW, PROBE_COLUMNS, check_probes, read_header, stream_table
from ribocyte.version import VERSION

Precision = Literal["float16", "float32"]
Report = Callable[[int, int], None]
"""Called with what is done and what there is in all; 0 where that is not known."""
LENGTH = 41
"""Longest probe of the array, in nt."""


def build(
    table: Path,
    directory: Path,
    *,
    experiments: Sequence[str] = (),
    precision: Precision = "float16",
    report: Report | None = None,
) -> Compendium:
    """Read a whole table of measurements into a folder, a block of rows at a time.

    Parameters
    ----------
    table : Path
        The official ``norm_data.txt``, gzipped or not, or any table of its kind.
    directory : Path
        A new or empty folder; it appears whole, or not at all.
    experiments : sequence of str
        Columns to keep; all where none is named.
    precision : {"float16", "float32"}
        See the module.
    report : callable, optional
        Called with (rows so far, 0).

    Raises
    ------
    DataError
        For the first thing in the table that is wrong, an intensity too large for the precision, or a folder
        that holds something.
    DiskError
        If it cannot be written.
    """
    chosen = tuple(experiments) or tuple(name for name in read_header(table) if name not in PROBE_COLUMNS)
    with new_folder(directory) as folder:
        blocks, rounding, rows = [], Rounding(precision), 0
        with _RowWriter(folder / "intensities.npy", len(chosen), precision) as writer:
            for block in stream_table(table, chosen):
                values = block.select(chosen).to_numpy()
                writer.write(rounding.round(values, f"{table}: after row {rows}"))
                blocks.append(block.select(PROBE_COLUMNS))
                rows += block.height
                if report is not None:
                    report(rows, 0)
        probes = check_probes(table, pl.concat(blocks))
        write_probes(folder, probes, table)
        facts = {"source": table.name, "simulated": is_simulated(probes["Probe_ID"])}
        write_facts(folder, {**facts, "experiments": list(chosen), "precision": rounding.describe()})
    return Compendium.open(directory)


def write_probes(folder: Path, probes: pl.DataFrame, source: Path) -> None:
    """Write what is known of the probes: all arrays but the intensities.

    Parameters
    ----------
    folder : Path
        Where to.
    probes : DataFrame
        As `ribocyte.rna.table.check_probes` gives it.
    source : Path
        What an error names.
    """
    longest = int(probes["RNA_Seq"].str.len_bytes().max() or 0)  # type: ignore[arg-type]
    if longest > LENGTH:
        raise DataError(f"{source}: a probe of {longest} nt", expected=f"at most {LENGTH}")
    arrays = {
        "tokens": tokens(probes["RNA_Seq"].to_list(), LENGTH).numpy(),
        "names": np.array([name.encode() for name in probes["Probe_ID"]], dtype=np.bytes_),
        "in_test": (probes["Probe_Set"] == "SetB").to_numpy(),
        "first_row": probes[FIRST_ROW].to_numpy(),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write what is known of a compendium beside its arrays."""
    write_text(folder / FACTS, json.dumps({"version": VERSION, **facts}, indent=1) + "\n")


class Rounding:
    """Round intensities to the precision they are kept in, and remember by how much."""

    def __init__(self, precision: Precision) -> None:
        self.precision, self.squares, self.largest, self.count = precision, 0.0, 0.0, 0

    def round(self, values: Floats, where: str) -> NDArray[Any]:
        """Round; a value beyond the range is refused."""
        limit = float(np.finfo(self.precision).max)
        over = np.abs(values) > limit
        if over.any():
            raise DataError(
                f"{where}: the intensity {values[over][0]:g}",
                expected=f"within ±{limit:g}, the range of {self.precision}",
                mend="keep them in float32" if self.precision == "float16" else "",
            )
        rounded = values.astype(self.precision)
        known = ~np.isnan(values)
        error = np.abs(rounded[known].astype(np.float64) - values[known])
        self.squares += float(np.square(error).sum())
        self.largest = max(self.largest, float(error.max(initial=0.0)))
        self.count += error.size
        return rounded

    def describe(self) -> dict[str, Any]:
        """Give what rounding changed, as JSON values, in units of intensity."""
        rms = (self.squares / self.count) ** 0.5 if self.count else 0.0
        return {"dtype": self.precision, "rms_error": rms, "largest_error": self.largest}


class _RowWriter:
    """Write an .npy file a block of rows at a time: how many there will be is not known before the end."""

    def __init__(self, path: Path, columns: int, dtype: str) -> None:
        self.path, self.columns, self.dtype, self.rows = path, columns, np.dtype(dtype), 0

    def __enter__(self) -> _RowWriter:
        self.stream: IO[bytes] = self.path.open("wb")
        self._write_header()
        return self

    def write(self, block: NDArray[Any]) -> None:
        self.stream.write(np.ascontiguousarray(block, dtype=self.dtype).data)
        self.rows += len(block)

    def __exit__(self, *failure: object) -> None:
        # numpy leaves room in the header for the number of rows to grow, so this one is as long as the first.
        self.stream.seek(0)
        self._write_header()
        self.stream.close()

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.rows, self.columns),
        }
        np.lib.format.write_array_header_1_0(self.stream, header)
