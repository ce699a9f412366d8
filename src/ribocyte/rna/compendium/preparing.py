"""Data folders with a compendium in them: of the official table, or simulated; with the proteins beside it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ribocyte.errors import DataError, nearest
from ribocyte.files import atomic_write, find, locate
from ribocyte.learn.recipe import check as check_value
from ribocyte.rna import assay
from ribocyte.rna.compendium.config import (
    FOLDER,
    CompendiumConfig,
    find_constructs,
    find_folder,
    open_compendium,
)
from ribocyte.rna.compendium.simulation import DESIGN, MOTIFS, SimulationConfig, read_design, simulate
from ribocyte.rna.compendium.store import Compendium
from ribocyte.rna.compendium.writing import Report, build
from ribocyte.rna.experiments import METADATA
from ribocyte.rna.motifs import Motif, find_motif, read_hmot
from ribocyte.rna.proteins.constructs import CONSTRUCTS, find_proteins
from ribocyte.rna.rnacompete import NORM_DATA, find_table
from ribocyte.rna.table import PROBE_COLUMNS, check_probes

LAST_OF_2013 = 300
"""Experiments are numbered: those of Ray et al. 2013, which the official table has, below this."""
EVERYTHING = "all"


def build_folder(
    out: Path | None = None, root: Path | None = None, report: Report | None = None
) -> Compendium:
    """Build the compendium of the official table, into a data folder.

    Parameters
    ----------
    out : Path, optional
        The data folder; where not given, the compendium comes to lie beside the table.
    root : Path, optional
        Where the table is: a data folder, or the table itself; the usual folders where not given.
    report : callable, optional
        Told of the rows read.

    Raises
    ------
    DataError, DiskError, RequestError
        As `ribocyte.rna.compendium.build` does.
    """
    table = find_table(root)
    made = build(table, out / FOLDER if out else table.parent / Path(FOLDER).name, report=report)
    if out:
        _bring_proteins(out, table.parent)
    return made


def simulate_folder(
    out: Path,
    experiments: Sequence[str] = (),
    config: SimulationConfig | None = None,
    *,
    probes: int = 0,
    root: Path | None = None,
    report: Report | None = None,
) -> Compendium:
    """Simulate a compendium into a data folder.

    Parameters
    ----------
    out : Path
        The data folder: receives ``rnacompete/compendium/``, and ``constructs.tsv`` where that is found.
    experiments : sequence of str
        Whose motifs: ids (``RNCMPT00168``) of the file of measured motifs, ``all`` of them, built-in motifs and
        consensus sequences. Where none is named, the 244 of Ray et al. 2013.
    config : SimulationConfig, optional
        How.
    probes : int
        How many of the array's probes, evenly taken; 0 for all.
    root : Path, optional
        A data folder with the array's design and the motifs; the usual folders where not given. Without a design
        and without a table the array is one of our own (`ribocyte.rna.assay.design_probes`): every 7-mer 16 times.
    report : callable, optional
        Told of the experiments simulated.

    Raises
    ------
    DataError
        If the motifs are wanted and not found, or a name is not among them.
    RecipeError
        If the number of probes is impossible.
    """
    motifs = find_motifs(experiments, root)
    made = simulate(out / FOLDER, thin_design(find_design(root), probes), motifs, config, report)
    constructs = find(CONSTRUCTS, root)
    if constructs is not None:
        _bring_proteins(out, constructs.parent)
    return made


def find_motifs(wanted: Sequence[str], root: Path | None = None) -> list[Motif]:
    """Find motifs by experiment, name or consensus; see `simulate_folder`."""
    if wanted and all(not name.startswith("RNCMPT") and name != EVERYTHING for name in wanted):
        return [find_motif(name) for name in wanted]
    path = locate(MOTIFS, root)
    matrices = read_hmot(path)
    if not wanted:
        wanted = [name for name in matrices if name < f"RNCMPT{LAST_OF_2013:05d}"] or list(matrices)
    elif EVERYTHING in wanted:
        wanted = list(matrices)
    return [_find_motif(name, matrices, path) for name in wanted]


def find_design(root: Path | None = None) -> pl.DataFrame:
    """Find the probes of the array: its design, else those of the official table, else an array of our own."""
    path = find(DESIGN, root) or find(NORM_DATA, root)
    if path is not None:
        return read_design(path)
    sets, rna = assay.design_probes(assay.AssayConfig())
    names = [f"RNA_{number:06d}" for number in range(1, len(rna) + 1)]
    return check_probes(Path("design"), pl.DataFrame({"Probe_Set": sets, "Probe_ID": names, "RNA_Seq": rna}))


def thin_design(design: pl.DataFrame, probes: int) -> pl.DataFrame:
    """Keep some of an array's probes, evenly taken; 0 keeps all."""
    if not probes:
        return design
    check_value(20 <= probes <= design.height, "probes", probes, f"0 for all, or from 20 to {design.height}")
    rows = np.linspace(0, design.height - 1, probes).round().astype(np.int64)
    return check_probes(Path("design"), design[rows].select(PROBE_COLUMNS))


def check(root: Path | None = None) -> dict[str, Any]:
    """Report what a compendium holds.

    Parameters
    ----------
    root : Path, optional
        A data folder, or the compendium's own; the usual folders where not given.

    Returns
    -------
    dict of JSON values
        ``folder``, ``simulated``, ``rows``; ``sets``; ``experiments`` (``count``, ``first``); ``proteins``
        (different ones; null where not known); ``missing`` (``total``, ``most``: the ten experiments with most);
        ``precision``; of a simulation ``ceiling``: the mean of how well the expectation agrees with the measured.

    Raises
    ------
    DataError
        If there is none, or it is damaged.
    """
    compendium = open_compendium(root)
    constructs = find_constructs(CompendiumConfig(), compendium, root)
    proteins = len(set(find_proteins(compendium.experiments, constructs))) if constructs else None
    missing = np.zeros(len(compendium.experiments), dtype=np.int64)
    for at in range(0, len(compendium), 8192):
        missing += np.isnan(compendium.intensities[at : at + 8192]).sum(axis=0)
    most = np.argsort(-missing, kind="stable")[:10]
    facts = {
        "folder": str(compendium.path),
        "simulated": compendium.simulated,
        "rows": len(compendium),
        "sets": {"SetA": int((~compendium.in_test).sum()), "SetB": int(compendium.in_test.sum())},
        "experiments": {
            "count": len(compendium.experiments),
            "first": list(compendium.experiments[:10]),
        },
        "proteins": proteins,
        "missing": {
            "total": int(missing.sum()),
            "most": {compendium.experiments[at]: int(missing[at]) for at in most},
        },
        "precision": compendium.facts.get("precision", {}),
    }
    drawn = compendium.facts.get("drawn", [])
    if drawn:
        facts["ceiling"] = {
            name: float(np.mean([one["ceiling"][name] for one in drawn])) for name in drawn[0]["ceiling"]
        }
    return facts


def is_there(root: Path | None = None) -> bool:
    """Say whether a data folder holds a built compendium."""
    return find_folder(root) is not None


def _find_motif(name: str, matrices: Mapping[str, Any], path: Path) -> Motif:
    if name in matrices:
        return Motif.from_pwm(name, matrices[name], source=path.name)
    if not name.startswith("RNCMPT"):
        return find_motif(name)
    near = nearest(name, matrices, 1)
    raise DataError(
        f"{path}: no motif {name!r}",
        expected=f"one of {len(matrices)}",
        mend=f"did you mean {near[0]}?" if near else "",
    )


def _bring_proteins(out: Path, folder: Path) -> None:
    """Copy the files that say which protein an experiment is of: a data folder that is named is the only one read."""
    for source in (CONSTRUCTS, METADATA):
        there, wanted = folder / Path(source.name).name, out / source.name
        if there.is_file() and not wanted.exists():
            with there.open("rb") as read, atomic_write(wanted) as stream:
                shutil.copyfileobj(read, stream)
