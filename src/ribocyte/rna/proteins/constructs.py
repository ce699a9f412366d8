"""The proteins of the RNAcompete experiments: which construct was on the array, and which were the same.

Two files tell. The table of the Morris lab has 420 experiments (244 of Ray et al. 2013, 176 of Sasse et al. 2025)
with the boundaries of the domains; the workbook of Ray et al. 2013 has 244, without. Several experiments may have
been made with one construct: the 244 hold 219 different ones. The two files give 25 of the 244 a little differently
(a first methionine more or less, another isoform), so an identity between the files may be below 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from ribocyte.errors import DataError, nearest
from ribocyte.files import Source
from ribocyte.rna.experiments import SHEET
from ribocyte.rna.proteins.sequences import Domain, Protein, check_residues

CONSTRUCTS = Source(
    name="rnacompete/constructs.tsv",
    url="https://raw.githubusercontent.com/morrislab/jple/"
    "a913f008819d035b1b981275064d452466ade64c/data/raw/rnacompete_metadata_eupri.tsv",
    about="protein constructs of 420 RNAcompete experiments, with their domains (morrislab/jple, BSD-3)",
)
SIMULATED = "SIM_"
"""What an experiment's name begins with when its intensities are simulated; the protein is real."""

KINDS: Mapping[str, str] = {
    "RRMs_3D_hmm_extended": "RRM",
    "RRM_1": "RRM",
    "KH_1": "KH",
    "SAM_1": "SAM",
    "Zn_ribbon_RanBP": "zf-RanBP",
    "zf-RanBP": "zf-RanBP",
}
"""Short names of domains that the table names by profile; any other name stays as it is."""

_TABLE_COLUMNS = (
    "rnacompete_id",
    "gene_name",
    "tax_name",
    "construct_aa_seq",
    "construct_domains",
    "construct_domain_boundaries",
)
_WORKBOOK_COLUMNS = ("Motif_ID", "Protein_name", "Species", "Construct_AA_seq")
_WORKBOOK_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class _Row:
    where: str
    experiment: str
    gene: str
    species: str
    letters: str
    kinds: str = ""
    boundaries: str = ""


def read_constructs(path: Path | str) -> dict[str, Protein]:
    """Read which protein each experiment was made with.

    Parameters
    ----------
    path : Path or str
        The tab-separated table of constructs, or the workbook of Ray et al. 2013; the content decides which.
        The workbook's cells hold line numbers from a sequence database in one place; digits are dropped there.

    Returns
    -------
    dict of str to Protein
        By experiment, in the file's order. Experiments with equal sequences share one `Protein`, named after
        the first of them, whose `experiments` lists them all.

    Raises
    ------
    DataError
        If the file is neither, lacks a column, or holds a sequence or domain that cannot be; names the row.
    """
    path = Path(path)
    found: dict[str, Protein] = {}
    for row in _read_workbook(path) if _is_workbook(path) else _read_table(path):
        sequence = check_residues(row.letters, f"{row.where}, {row.experiment}")
        domains = _parse_domains(row)
        if row.experiment in found and found[row.experiment].sequence != sequence:
            raise DataError(
                f"{row.where}: experiment {row.experiment} is there with another construct already",
                expected="one construct an experiment",
            )
        found[row.experiment] = Protein(row.experiment, sequence, row.species, row.gene, domains)
    if not found:
        raise DataError(f"{path}: no construct in it", expected="a row for each experiment")
    return _share(found)


def distinct(constructs: Mapping[str, Protein]) -> list[Protein]:
    """List the different proteins among the experiments', in the order of first appearance."""
    return list(dict.fromkeys(constructs.values()))


def find_proteins(experiments: Sequence[str], constructs: Mapping[str, Protein]) -> list[Protein]:
    """Find the protein of each experiment of a table; a simulated one's is that of the real one it imitates.

    Raises
    ------
    DataError
        If an experiment has no construct; names the nearest that has.
    """
    return [_find_protein(name, constructs) for name in experiments]


def _find_protein(experiment: str, constructs: Mapping[str, Protein]) -> Protein:
    real = experiment.removeprefix(SIMULATED)
    if real not in constructs:
        near = nearest(real, constructs, 1)
        raise DataError(
            f"{experiment}: its protein is not known",
            expected=f"one of the {len(constructs)} experiments whose constructs are",
            mend=f"did you mean {near[0]}?" if near else "",
        )
    return constructs[real]


def _share(found: Mapping[str, Protein]) -> dict[str, Protein]:
    """Let experiments with one sequence share one protein, which knows them all."""
    owners: dict[str, list[str]] = {}
    for experiment, protein in found.items():
        owners.setdefault(protein.sequence, []).append(experiment)
    shared = {
        sequence: replace(found[names[0]], experiments=tuple(names)) for sequence, names in owners.items()
    }
    return {experiment: shared[protein.sequence] for experiment, protein in found.items()}


def _is_workbook(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_WORKBOOK_MAGIC)) == _WORKBOOK_MAGIC
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", expected=CONSTRUCTS.about) from error


def _read_table(path: Path) -> Iterator[_Row]:
    try:
        table = pl.read_csv(path, separator="\t", quote_char=None, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path}: {str(error).splitlines()[0]}", expected="a tab-separated table of constructs"
        ) from error
    for wanted in _TABLE_COLUMNS:
        if wanted not in table.columns:
            near = nearest(wanted, table.columns, 1)
            raise DataError(
                f"{path}: no column {wanted!r}",
                expected=f"columns {', '.join(_TABLE_COLUMNS)}",
                mend=f"the nearest is {near[0]!r}: is that the one to rename?" if near else "",
            )
    for number, cells in enumerate(table.select(_TABLE_COLUMNS).iter_rows(), 1):
        if cells[0]:
            yield _Row(f"{path}: row {number}", *(cell or "" for cell in cells))


def _read_workbook(path: Path) -> Iterator[_Row]:
    import fastexcel

    try:
        sheet = fastexcel.read_excel(path).load_sheet(
            SHEET, use_columns=list(_WORKBOOK_COLUMNS), dtypes="string"
        )
    except fastexcel.FastExcelError as error:
        raise DataError(
            f"{path}: {str(error).splitlines()[0]}",
            expected=f"an .xlsx workbook with the sheet {SHEET!r}, columns {', '.join(_WORKBOOK_COLUMNS)}",
        ) from error
    for number, cells in enumerate(sheet.to_polars().select(_WORKBOOK_COLUMNS).iter_rows(), 2):
        experiment, gene, species, letters = (cell or "" for cell in cells)
        if experiment:
            kept = "".join(letter for letter in letters if not (letter.isdigit() or letter.isspace()))
            yield _Row(f"{path}: row {number}", experiment, gene, species.replace("_", " "), kept)


def _parse_domains(row: _Row) -> tuple[Domain, ...]:
    """Read ``A;B`` and ``4;79;83;158``: kinds, and a begin and an end for each, from 0, the end left out."""
    kinds, numbers = _split(row.kinds), _split(row.boundaries)
    if len(numbers) != 2 * len(kinds) or not all(number.isdecimal() for number in numbers):
        raise DataError(
            f"{row.where}: {row.experiment} has {len(kinds)} domains and the boundaries {row.boundaries!r}",
            expected="two whole numbers for each domain, separated by ';'",
        )
    bounds = [int(number) for number in numbers]
    ends = zip(kinds, bounds[::2], bounds[1::2], strict=True)
    return tuple(Domain(KINDS.get(kind, kind), begin, end) for kind, begin, end in ends)


def _split(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]
