"""Simulated data for the whole assignment, laid out as a data folder of real files is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ribocyte.cells.bloodmnist import BLOODMNIST
from ribocyte.cells.smear import SmearConfig, write_bloodmnist
from ribocyte.errors import DataError
from ribocyte.files import sha256, write_text
from ribocyte.rna.assay import AssayConfig, write_experiment
from ribocyte.rna.motifs import known_motifs
from ribocyte.rna.rnacompete import NORM_DATA

PROTEIN = "RBFOX1"


def simulate_data(folder: Path, smear: SmearConfig, assay: AssayConfig) -> Path:
    """Write both simulated data sets, unless they are there and whole.

    Returns
    -------
    Path
        The folder, laid out as a data folder.
    """
    files = [folder / BLOODMNIST.name, folder / NORM_DATA.name]
    stamp = folder / "simulation.json"
    if _hash_files(files) != read_json(stamp).get("sha256"):
        write_bloodmnist(files[0], smear)
        write_experiment(files[1].parent, [known_motifs()[PROTEIN]], assay)
        what = "SIMULATED by ribocyte.assignment: no measurements"
        write_text(stamp, json.dumps({"what": what, "sha256": _hash_files(files)}, indent=1) + "\n")
    return folder


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; nothing where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _hash_files(files: list[Path]) -> dict[str, str]:
    """Hash the files that can be read."""
    found = {}
    for path in files:
        try:
            found[path.name] = sha256(path)
        except DataError:
            continue
    return found
