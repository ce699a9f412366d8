"""``ribocyte data``: what is found where, how to get it, what it holds, and a stand-in without any download."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribocyte import files
from ribocyte.cli import options, present
from ribocyte.cli.progress import watch_count, watch_download
from ribocyte.errors import DataError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable


class Domain(StrEnum):
    """What can be simulated."""

    rna = "rna"
    compendium = "compendium"
    cells = "cells"


@dataclass(frozen=True)
class Collection:
    """Data by the name people use: its files, how to check it, and whether it is there."""

    sources: tuple[files.Source, ...]
    check: Callable[[Path | None], dict[str, Any]]
    is_there: Callable[[Path | None], bool]


def status(data: options.Data = None, as_json: options.Json = False) -> None:
    """Show what is found where.

    And how to get what is not.
    """
    folders = [
        {"name": name, "folder": str(folder), "exists": folder.is_dir()}
        for name, folder in files.data_directories(data)
    ]
    sources = [source for collection in _collections().values() for source in collection.sources]
    found = [_find(source, data) for source in dict.fromkeys(sources)]
    if as_json:
        present.show_json({"folders": folders, "files": found})
        return
    present.show("Looked in, first wins:")
    for folder in folders:
        present.show(f"    {folder['name']}: {folder['folder']}{'' if folder['exists'] else ' (not there)'}")
    for file in found:
        present.show(f"{file['name']}: {file['about']}")
        present.show(f"    {_where(file)}")


def fetch(
    name: Annotated[
        str, typer.Argument(help="rnacompete, compendium, bloodmnist, or all.", show_default=False)
    ],
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Download from the official address.

    A download that breaks leaves nothing behind; a file that is there already is checked and kept.
    """
    chosen = _choose(name)
    folder = files.data_directories(data)[0][1]
    fetched = []
    for source in dict.fromkeys(source for collection in chosen.values() for source in collection.sources):
        if source.url:
            fetched.append(_fetch(source, folder))
        elif files.find(source, folder) is None:
            present.say(
                f"{source.name}: no address to fetch it from; place it by hand at {folder / source.name} "
                f"({source.about})"
            )
    if as_json:
        present.show_json(fetched)
        return
    for file in fetched:
        present.show(f"{file['path']}: {file['how']}")
        if file["sha256"]:
            present.show(f"    SHA-256 {file['sha256']}")


def check(
    name: Annotated[
        str,
        typer.Argument(
            help="rnacompete, compendium, bloodmnist, all, or a folder of CLASS/ images.",
            show_default="all that is found",
        ),
    ] = "",
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Report what data holds.

    Rows, lengths, missing values, repeats, leakage across splits, counts of classes.
    """
    facts = _check(name, data)
    if not facts:
        looked = ", ".join(str(folder) for _, folder in files.data_directories(data))
        raise DataError(
            f"{looked}: no data found",
            expected=f"one of {', '.join(_collections())}",
            mend="get it with: ribocyte data fetch all, or make it with: ribocyte data simulate rna --out DIR",
        )
    if as_json:
        present.show_json(facts)
        return
    for key, found in facts.items():
        present.show(f"{key}: {present.SIMULATED}" if found.get("simulated") else key)
        present.show_facts({f"    {fact}": line for fact, line in present.report_lines(found).items()})


def simulate(
    domain: Annotated[Domain, typer.Argument(help="What to simulate.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A data folder to make.", show_default=False)],
    proteins: Annotated[
        list[str] | None,
        typer.Option(
            "--protein",
            metavar="NAME",
            help="RNA: a protein with a known motif, or a consensus such as UGUANAUA; may be repeated. Compendium: "
            "also an experiment whose motif was measured, such as RNCMPT00168, or all 420.",
            show_default="RBFOX1; compendium: the 244 of Ray et al. 2013",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The one source of randomness.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the simulation, as in noise=0.2 or train=500."
        ),
    ] = None,
    probes: Annotated[
        int, typer.Option(min=0, help="Compendium: how many probes of the array, evenly taken; 0 for all.")
    ] = 0,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Make simulated data, no download.

    It is written in the official formats and says in every file that it is simulated. A compendium, of many
    proteins, is made of the real array's design and of measured motifs, which are looked for in the data folder.
    """
    if domain is Domain.compendium:
        _simulate_compendium(out, proteins or [], [f"seed={seed}", *(settings or [])], probes, data, as_json)
        return
    collection = _collections()["rnacompete" if domain is Domain.rna else "bloodmnist"]
    path = out / collection.sources[0].name
    if files.find(collection.sources[0], out):
        raise DataError(f"{path}: exists already", expected="a new folder", mend="choose another with --out")
    changes = [f"seed={seed}", *(settings or [])]
    if domain is Domain.rna:
        columns = _simulate_rna(path, proteins or ["RBFOX1"], changes)
        recipe, change = "recipes/rna/cnn.toml", f" {_ask_for(columns)}"
    else:
        _simulate_cells(path, proteins, changes)
        recipe, change = "recipes/cells/pooled-logits.toml", ""
    if as_json:
        present.show_json({"path": path, "simulated": True, "recipe": recipe})
        return
    present.show(f"Simulated: {path}")
    present.show(f"Next: ribocyte train {recipe} --data {present.quoted(out)}{change}")


def build(
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A data folder to make.", show_default="beside the table"),
    ] = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Build the compendium of the official table.

    All its experiments as arrays that are mapped into memory, in a fifth of the space. Training does the same where
    it has to, into the user's cache.
    """
    from ribocyte.rna.compendium.preparing import build_folder

    with watch_count("rows") as report:
        made = build_folder(out, data, report)
    _show_compendium(made.path, len(made), len(made.experiments), made.simulated, out or data, as_json)


def _simulate_compendium(
    out: Path, proteins: list[str], changes: list[str], probes: int, data: Path | None, as_json: bool
) -> None:
    from ribocyte.learn.recipe import override, parse
    from ribocyte.rna.compendium import SimulationConfig
    from ribocyte.rna.compendium.preparing import simulate_folder

    config = parse(SimulationConfig, override({}, changes), "simulation")
    with watch_count("experiments") as report:
        made = simulate_folder(out, proteins, config, probes=probes, root=data, report=report)
    _show_compendium(made.path, len(made), len(made.experiments), True, out, as_json)


def _show_compendium(
    path: Path, probes: int, experiments: int, simulated: bool, data: Path | None, as_json: bool
) -> None:
    if as_json:
        present.show_json(
            {"path": path, "simulated": simulated, "probes": probes, "experiments": experiments}
        )
        return
    said = "Simulated" if simulated else "Built"
    present.show(f"{said}: {path}, {experiments:,} experiments of {probes:,} probes")
    where = f" --data {present.quoted(data)}" if data else ""
    present.show(f"Next: ribocyte train recipes/rna/joint-multi.toml{where}")


def _check(name: str, data: Path | None) -> dict[str, dict[str, Any]]:
    """Check data by its name, a folder of photographs by its path, or all that is found."""
    from ribocyte.cells.bloodmnist import check_folder

    known = _collections()
    if not name:
        known = {key: found for key, found in known.items() if found.is_there(data)}
    elif name not in (*known, "all"):
        # As a recipe's data.folder, it may lie in a data folder.
        candidates = [Path(name), *(folder / name for _, folder in files.data_directories(data))]
        for folder in filter(Path.is_dir, candidates):
            return {str(folder): check_folder(folder)}
        known = _choose(name, ", or a folder of CLASS/ images")
    elif name != "all":
        known = _choose(name)
    return {key: collection.check(data) for key, collection in known.items()}


def _collections() -> dict[str, Collection]:
    from ribocyte.cells import bloodmnist
    from ribocyte.rna import rnacompete
    from ribocyte.rna.compendium import preparing
    from ribocyte.rna.compendium.simulation import DESIGN, MOTIFS
    from ribocyte.rna.proteins.constructs import CONSTRUCTS

    def holds(source: files.Source) -> Callable[[Path | None], bool]:
        return lambda data: files.find(source, data) is not None

    official = rnacompete.NORM_DATA, rnacompete.METADATA
    return {
        "rnacompete": Collection(official, rnacompete.check, holds(rnacompete.NORM_DATA)),
        "compendium": Collection(
            (*official, CONSTRUCTS, MOTIFS, DESIGN), preparing.check, preparing.is_there
        ),
        "bloodmnist": Collection((bloodmnist.BLOODMNIST,), bloodmnist.check, holds(bloodmnist.BLOODMNIST)),
    }


def _choose(name: str, others: str = "") -> dict[str, Collection]:
    known = _collections()
    if name == "all":
        return known
    if name not in known:
        raise DataError(
            f"{name}: no such data",
            expected=f"one of {', '.join(known)}, all{others}",
            mend=suggest(name, known),
        )
    return {name: known[name]}


def _find(source: files.Source, data: Path | None) -> dict[str, Any]:
    path = files.find(source, data)
    facts = {"name": source.name, "about": source.about, "url": source.url}
    if path is None:
        by_hand = f"by hand: place it at {files.data_directories(data)[0][1] / source.name}"
        fetched = f"with: ribocyte data fetch {Path(source.name).parts[0]}"
        return facts | {"path": None, "get": fetched if source.url else by_hand}
    inside = [name for name, folder in files.data_directories(data) if path.is_relative_to(folder)]
    return facts | {"path": str(path), "bytes": path.stat().st_size, "found_by": inside[0]}


def _where(file: dict[str, Any]) -> str:
    if file["path"] is None:
        return f"not found; get it {file['get']}"
    return f"{file['path']} ({present.megabytes(file['bytes'])}, by {file['found_by']})"


def _fetch(source: files.Source, folder: Path) -> dict[str, Any]:
    found = files.find(source, folder)
    if found is not None and found != folder / source.name:
        return {"path": found, "how": "there already, under another name; left as it is", "sha256": None}
    with watch_download(Path(source.name).name) as progress:
        path, digest = files.fetch(source, folder, progress)
    how = "fetched" if found is None else "there already, and verified"
    return {"path": path, "how": how, "sha256": digest}


def _simulate_rna(path: Path, proteins: list[str], changes: list[str]) -> list[str]:
    """Write the table; give its experiments."""
    from ribocyte.learn.recipe import override, parse
    from ribocyte.rna import assay
    from ribocyte.rna.motifs import find_motif

    motifs = [find_motif(protein) for protein in proteins]
    assay.write_experiment(path.parent, motifs, parse(assay.AssayConfig, override({}, changes), "assay"))
    return [assay.STAMP + motif.name for motif in motifs]


def _ask_for(experiments: list[str]) -> str:
    from ribocyte.rna.experiments import write_setting

    return f"--set data.experiments={experiments[0]}" if len(experiments) == 1 else write_setting(experiments)


def _simulate_cells(path: Path, proteins: list[str] | None, changes: list[str]) -> None:
    from ribocyte.cells.smear import SmearConfig, write_bloodmnist
    from ribocyte.errors import RequestError
    from ribocyte.learn.recipe import override, parse

    if proteins:
        raise RequestError("--protein: cells bind none", expected="it with: ribocyte data simulate rna")
    write_bloodmnist(path, parse(SmearConfig, override({}, changes), "smear"))
