"""Which column of the table is meant: experiments by id, or by the protein's name through the workbook."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ribocyte.errors import DataError, nearest
from ribocyte.files import Source, find
from ribocyte.rna.table import PROBE_COLUMNS, read_header

METADATA = Source(
    name="rnacompete/metadata.xlsx",
    url="",
    about="names and constructs of the 244 experiments (Ray et al. 2013, supplementary data)",
)
SHEET = "Master List--Plasmid Info"


def resolve_experiments(wanted: Sequence[str], path: Path, root: Path | None = None) -> list[str]:
    """Find the columns that are meant by ids or by names of proteins.

    A column of the table is always taken by its name. Any other name is looked up in the workbook of metadata,
    where upper and lower case are the same.

    Raises
    ------
    DataError
        If a name is unknown, means several experiments, or one that is not in this table; lists the candidates.
    """
    present = [name for name in read_header(path) if name not in PROBE_COLUMNS]
    found = [name if name in present else _resolve_name(name, present, path, root) for name in wanted]
    for number, name in enumerate(found):
        if name in found[:number]:
            raise DataError(
                f"data.experiments: {wanted[found.index(name)]!r} and {wanted[number]!r} are both {name}",
                expected="each experiment once",
            )
    return found


def write_setting(names: Sequence[str]) -> str:
    """Write how experiments are asked for on the command line, quoted for the shell."""
    listed = json.dumps(list(names), ensure_ascii=False)
    return "--set " + shlex.quote(f"data.experiments={listed}")


def read_metadata(path: Path) -> pl.DataFrame:
    """Read which protein each experiment is of.

    Returns
    -------
    DataFrame
        Columns ``Motif_ID`` (the experiment), ``Protein_name``, ``Species``, all String.

    Raises
    ------
    DataError
        If the file is no workbook, or lacks the sheet or one of the columns.
    """
    import fastexcel

    try:
        sheet = fastexcel.read_excel(path).load_sheet(
            SHEET, use_columns=["Motif_ID", "Protein_name", "Species"], dtypes="string"
        )
    except fastexcel.FastExcelError as error:
        raise DataError(
            f"{path}: {str(error).splitlines()[0]}",
            expected=f"an .xlsx workbook with the sheet {SHEET!r}, columns Motif_ID, Protein_name, Species",
            mend="name experiments by their ids, such as RNCMPT00168, to do without it",
        ) from error
    return sheet.to_polars().drop_nulls("Motif_ID")


def _resolve_name(wanted: str, present: list[str], path: Path, root: Path | None) -> str:
    """Find the one column a protein's name means, or list what it could mean."""
    workbook = find(METADATA, root.parent if root is not None and root.is_file() else root)
    if workbook is None:
        raise DataError(
            f"{path}: experiment {wanted!r} is not in the table",
            expected=_choices(wanted, present),
            mend=_how_several(wanted)
            or f"to ask by a protein's name, place the workbook at {path.parent / Path(METADATA.name).name}",
        )
    known = read_metadata(workbook)
    asked = wanted.casefold()
    meant = known.filter(
        (pl.col("Protein_name").str.to_lowercase() == asked)
        | (pl.col("Motif_ID").str.to_lowercase() == asked)
    )
    if meant.height == 1 and meant["Motif_ID"][0] in present:
        return str(meant["Motif_ID"][0])
    if meant.height:
        raise _not_one(wanted, meant, present, path)
    raise DataError(
        f"{path}: experiment {wanted!r} is neither in the table nor a protein in {workbook.name}",
        expected=_choices(wanted, present),
        mend=_how_several(wanted) or _suggest(wanted, known["Protein_name"].drop_nulls().to_list()),
    )


def _not_one(wanted: str, meant: pl.DataFrame, present: list[str], path: Path) -> DataError:
    candidates = [
        f"{experiment} ({protein}, {str(species).replace('_', ' ')}; "
        f"{'in' if experiment in present else 'not in'} this table)"
        for experiment, protein, species in meant.iter_rows()
    ]
    if meant.height == 1:
        return DataError(
            f"{path}: {wanted!r} is {candidates[0]}",
            expected=_choices(wanted, present),
            mend="get the full table with: ribocyte data fetch rnacompete",
        )
    return DataError(
        f"{path}: {wanted!r} means {meant.height} experiments: {', '.join(candidates)}",
        expected="one experiment",
        mend="ask by id, such as data.experiments=" + _first_present(meant["Motif_ID"].to_list(), present),
    )


def _first_present(candidates: list[str], present: list[str]) -> str:
    return next((name for name in candidates if name in present), candidates[0])


def _choices(wanted: str, present: list[str]) -> str:
    near = nearest(wanted, present) or present[:3]
    return f"one of {len(present)} columns such as {', '.join(near)}" if near else "a table with experiments"


def _how_several(wanted: str) -> str:
    """Say how several are written, where one name looks like several, such as ``[A]`` or ``A,B``."""
    names = [name for name in re.split(r"[\[\](),;\s\"']+", wanted) if name]
    return f"several are written {write_setting(names)}" if names not in ([], [wanted]) else ""


def _suggest(wanted: str, proteins: list[str]) -> str:
    near = nearest(wanted, proteins)
    return f"did you mean {' or '.join(near)}?" if near else ""
