"""All experiments, or those of some proteins, as data of a recipe: ``data.kind = "compendium"``.

A joint network is judged by proteins it has not seen, so the proteins held out are decided here, together with the
probes: their columns are in no split. Experiments made with one construct always go together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ribocyte.errors import DataError, DiskError, RecipeError, RequestError, nearest, suggest
from ribocyte.files import cache_directory, data_directories, find
from ribocyte.learn.recipe import check
from ribocyte.learn.splits import Splits
from ribocyte.rna.compendium.store import FACTS, Compendium, load_splits
from ribocyte.rna.compendium.writing import Report, build
from ribocyte.rna.experiments import METADATA
from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.clusters import (
    THRESHOLD,
    Mask,
    check_unseen,
    find_clusters,
    hold_family_out,
    hold_out,
    make_folds,
)
from ribocyte.rna.proteins.constructs import CONSTRUCTS, SIMULATED, find_proteins, read_constructs
from ribocyte.rna.proteins.records import HOLD_OUT, PROTEINS, describe_protein
from ribocyte.rna.proteins.sequences import Protein, read_proteins
from ribocyte.rna.protocols import Protocol
from ribocyte.rna.rnacompete import find_table

FOLDER = "rnacompete/compendium"
"""Where a data folder holds a compendium."""
WAYS = ("none", "cluster", "cluster:EXPERIMENT", "protein:EXPERIMENT", "family:KIND")
"""How proteins can be held out."""

Constructs = Mapping[str, Protein]


@dataclass(frozen=True)
class CompendiumConfig:
    """Which experiments and probes, and which proteins are held out.

    Parameters
    ----------
    experiments : tuple of str
        By id (``RNCMPT00168``; of a simulation also ``SIM_RNCMPT00168``), or by gene, which means all its
        experiments. All where none is named.
    protocol : {"strict", "assignment"}
        How probes are split and intensities scaled; see `ribocyte.rna.protocols`.
    validation : float
        Fraction of Set A that validates.
    probes : int
        How many of the training probes are trained on, drawn by the seed; 0 is all. Fewer are a part of more.
        Intensities are then scaled by these alone. Validation and test stay whole.
    hold_out : str
        Proteins that are left out of all splits: ``none``; ``cluster``, one of `folds` folds of whole clusters;
        ``cluster:RNCMPT00168``, the cluster of that experiment's protein; ``protein:RNCMPT00168``, that protein
        alone; ``family:KH``, every protein with such a domain. Instead of an id a gene may stand.
    folds, fold : int
        How many folds there are, and which is held out, from 0.
    identity : float
        Above it two proteins are in one cluster.
    seed : int
        Of the folds, and of the probes drawn.
    force : bool
        Allow a test protein that equals a training protein in all that binds.
    proteins : str
        A file that says which protein each experiment is of: FASTA with the experiments' names, or a table as
        ``constructs.tsv``. Empty is ``constructs.tsv`` or the workbook, where the data lies.
    """

    experiments: tuple[str, ...] = ()
    protocol: Protocol = "strict"
    validation: float = 0.2
    probes: int = 0
    hold_out: str = "none"
    folds: int = 5
    fold: int = 0
    identity: float = THRESHOLD
    seed: int = 0
    force: bool = False
    proteins: str = ""

    def __post_init__(self) -> None:
        once = all(self.experiments) and len(set(self.experiments)) == len(self.experiments)
        check(once, "data.experiments", self.experiments, "each experiment once")
        check(0 < self.validation < 1, "data.validation", self.validation, "above 0 and below 1")
        check(self.probes == 0 or self.probes >= 2, "data.probes", self.probes, "0 for all, or 2 or more")
        check(0 <= self.identity <= 1, "data.identity", self.identity, "from 0 to 1")
        check(self.folds >= 2, "data.folds", self.folds, "2 or more: one is held out, the others train")
        check(0 <= self.fold < self.folds, "data.fold", self.fold, f"from 0 to {self.folds - 1}")
        check(0 <= self.seed < 2**32, "data.seed", self.seed, "from 0 to 4294967295")
        way, colon, named = self.hold_out.partition(":")
        if (
            way not in ("none", "cluster")
            if not colon
            else way not in ("cluster", "protein", "family") or not named
        ):
            raise RecipeError(
                f"data.hold_out = {self.hold_out!r} is no way to hold proteins out",
                expected=f"one of {', '.join(WAYS)}",
                mend=suggest(way, ("none", "cluster", "protein:", "family:")),
            )


def load(config: CompendiumConfig, root: Path | None = None) -> Splits:
    """Load the experiments to train on as three splits, with their proteins.

    Parameters
    ----------
    config : CompendiumConfig
        What to load.
    root : Path, optional
        A data folder, a compendium's own folder, or a table; the usual folders where not given. See
        `open_compendium`.

    Returns
    -------
    Splits
        As `load_splits` gives them. The info's ``normalisation`` also holds ``proteins``, a record for each output
        (`ribocyte.rna.proteins.records`), and ``hold_out``: how, and the experiments to ``test`` on. There are no
        proteins where the data has none that belong to its experiments; then none can be held out.

    Raises
    ------
    DataError, RecipeError
        If something is not found or does not fit; if nothing is left to train on, or to test.
    """
    compendium = open_compendium(root)
    constructs = find_constructs(config, compendium, root)
    train, test = held_out(config, compendium, constructs)
    splits = load_splits(
        compendium,
        train,
        config.protocol,
        config.validation,
        probes=config.probes,
        seed=config.seed,
    )
    known: dict[str, Any] = {HOLD_OUT: _describe_hold_out(config, test)}
    if constructs:
        known[PROTEINS] = [describe_protein(protein) for protein in find_proteins(train, constructs)]
    normalisation = {**splits.info.normalisation, **known}
    return replace(splits, info=replace(splits.info, normalisation=normalisation))


def held_out(
    config: CompendiumConfig, compendium: Compendium, constructs: Constructs
) -> tuple[list[str], list[str]]:
    """Divide the experiments into those to train on and those to test.

    Parameters
    ----------
    config : CompendiumConfig
        Which experiments, and which of their proteins are held out.
    compendium : Compendium
        Which experiments there are.
    constructs : mapping of str to Protein
        The protein of each, as `find_constructs` gives them; may be empty where nothing is held out.

    Returns
    -------
    (list of str, list of str)
        Experiments, in the order of the compendium or as they were asked for. An experiment whose protein has the
        same sequence as another's is on its side.

    Raises
    ------
    DataError
        If nothing is left to train on, or to test; if a protein to test is the same as one to train on in all that
        binds, and that is not forced; if an experiment or its protein is not known.
    RecipeError
        If there are more folds than clusters.
    RequestError
        If the extra [bio] is needed to compare proteins and is not there.
    """
    chosen = choose_experiments(config.experiments, compendium, constructs)
    if config.hold_out == "none":
        return chosen, []
    if not constructs:
        raise DataError(
            f"{compendium.path}: hold_out = {config.hold_out!r}, and its proteins are not known",
            expected=f"{CONSTRUCTS.name} in the data folder",
            mend="name a FASTA file of them with data.proteins",
        )
    owners = dict(zip(chosen, find_proteins(chosen, constructs), strict=True))
    proteins = list(dict.fromkeys(owners.values()))
    tested = _divide(config, owners, compendium, constructs)
    if tested.all():
        raise DataError(
            f"data.hold_out = {config.hold_out!r}: it leaves none of the {len(proteins)} proteins to train on",
            expected="one or more that are not held out",
            mend="take more data.experiments in, or hold fewer out",
        )
    out = {protein for protein, leaves in zip(proteins, tested, strict=True) if leaves}
    check_unseen(
        [one for one in proteins if one not in out], [one for one in proteins if one in out], config.force
    )
    return [name for name in chosen if owners[name] not in out], [
        name for name in chosen if owners[name] in out
    ]


def choose_experiments(wanted: Sequence[str], compendium: Compendium, constructs: Constructs) -> list[str]:
    """Find the experiments that are meant by ids or genes; all of them where none is named.

    Raises
    ------
    DataError
        If a name means none; names the nearest that does.
    """
    if not wanted:
        return list(compendium.experiments)
    found = [name for one in wanted for name in _experiments_of(one, compendium, constructs)]
    return list(dict.fromkeys(found))


def open_compendium(root: Path | None = None, report: Report | None = None) -> Compendium:
    """Open the compendium of a data folder; build it in the user's cache where there is only a table.

    Parameters
    ----------
    root : Path, optional
        A data folder with ``rnacompete/compendium/`` or the official table, such a folder itself, or such a
        table; the usual data folders where not given. The folder goes before the table.
    report : callable, optional
        Told of the rows read, where it is built.

    Raises
    ------
    DataError
        If there is neither, or it is damaged.
    DiskError
        If the cache cannot be written.
    """
    folder = find_folder(root)
    if folder is not None:
        return Compendium.open(folder)
    return _build_once(find_table(root), report)


def find_folder(root: Path | None = None) -> Path | None:
    """Find a compendium's folder, as `open_compendium` does; None where there is none."""
    places = [] if root is None else [root]
    for _, folder in data_directories(root):
        places += [folder / FOLDER, folder / Path(FOLDER).name]
    return next((place for place in places if (place / FACTS).is_file()), None)


def find_constructs(config: CompendiumConfig, compendium: Compendium, root: Path | None = None) -> Constructs:
    """Find the protein of each experiment.

    Returns
    -------
    mapping of str to Protein
        By experiment. Empty where no file is found, or the usual one has none of the compendium's experiments: it
        is a table of somebody's own.

    Raises
    ------
    DataError
        If the file that was named is not there, or a file cannot be read.
    """
    if config.proteins:
        return _read_named(config.proteins, root)
    # Beside a table or a compendium that was named itself, as in a data folder.
    alone = root is not None and (root.is_file() or (root / FACTS).is_file())
    folder = root.parent if root is not None and alone else root
    path = find(CONSTRUCTS, folder) or find(METADATA, folder)
    if path is None:
        return {}
    known = read_constructs(path)
    ours = any(name.removeprefix(SIMULATED) in known for name in compendium.experiments)
    return known if ours else {}


def _divide(
    config: CompendiumConfig, owners: Constructs, compendium: Compendium, constructs: Constructs
) -> Mask:
    """Say which of the different proteins of some experiments are held out."""
    proteins = list(dict.fromkeys(owners.values()))
    way, _, named = config.hold_out.partition(":")
    if way == "family":
        return hold_family_out(_with_domains(proteins, config.hold_out), named)[1]
    numbers = (
        find_clusters(identity_matrix(proteins, proteins), config.identity) if way == "cluster" else None
    )
    if not named:
        assert numbers is not None
        return hold_out(make_folds(numbers, config.folds, config.seed), [config.fold])[1]
    meant = {owners[name] for name in _experiments_of(named, compendium, constructs) if name in owners}
    places = [at for at, protein in enumerate(proteins) if protein in meant]
    if not places:
        raise DataError(
            f"data.hold_out = {config.hold_out!r}: not among the {len(owners)} experiments chosen",
            expected="one of data.experiments",
        )
    if numbers is None:
        numbers = np.arange(len(proteins))
    test: Mask = np.isin(numbers, numbers[places])
    return test


def _with_domains(proteins: Sequence[Protein], way: str) -> Sequence[Protein]:
    if not any(protein.domains for protein in proteins):
        raise DataError(
            f"data.hold_out = {way!r}: no protein's domains are known",
            expected=f"{CONSTRUCTS.name}, which has them",
            mend="hold clusters out instead",
        )
    return proteins


def _experiments_of(wanted: str, compendium: Compendium, constructs: Constructs) -> list[str]:
    """Find the experiments an id or a gene means."""
    for name in (wanted, SIMULATED + wanted):
        if name in compendium.experiments:
            return [name]
    genes = {
        name: constructs[name.removeprefix(SIMULATED)].gene
        for name in compendium.experiments
        if name.removeprefix(SIMULATED) in constructs
    }
    found = [name for name, gene in genes.items() if gene.casefold() == wanted.casefold()]
    if not found:
        near = nearest(wanted, [*compendium.experiments, *dict.fromkeys(genes.values())], 1)
        raise DataError(
            f"{compendium.path}: no experiment, and no gene of one, is called {wanted!r}",
            expected=f"one of {len(compendium.experiments)} experiments",
            mend=f"did you mean {near[0]}?" if near else "",
        )
    return found


def _describe_hold_out(config: CompendiumConfig, test: Sequence[str]) -> dict[str, Any]:
    """Say how proteins were held out, as JSON values."""
    if config.hold_out == "none":
        return {"how": "none", "test": []}
    parts = (
        {"folds": config.folds, "fold": config.fold, "seed": config.seed}
        if config.hold_out == "cluster"
        else {}
    )
    threshold = {"identity": config.identity} if config.hold_out.startswith("cluster") else {}
    return {"how": config.hold_out, **parts, **threshold, "forced": config.force, "test": list(test)}


def _read_named(name: str, root: Path | None) -> Constructs:
    """Read the proteins of a file that was named: as a path, or in a data folder."""
    places = [Path(name).expanduser(), *(folder / name for _, folder in data_directories(root))]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DataError(
            f"data.proteins = {name!r}: no such file",
            expected="FASTA with the experiments' names, or a table as constructs.tsv",
        )
    with path.open("rb") as stream:
        fasta = stream.read(1) in (b">", b"\x1f")
    if not fasta:
        return read_constructs(path)
    read = {protein.name.removeprefix(SIMULATED): protein for protein in read_proteins(path)}
    shared: dict[str, list[str]] = {}
    for experiment, protein in read.items():
        shared.setdefault(protein.sequence, []).append(experiment)
    owners = {
        sequence: replace(read[names[0]], name=names[0], experiments=tuple(names))
        for sequence, names in shared.items()
    }
    return {experiment: owners[protein.sequence] for experiment, protein in read.items()}


def _build_once(table: Path, report: Report | None) -> Compendium:
    """Build a table's compendium in the cache, or open the one of exactly this file."""
    state = table.stat()
    identity = f"{table.resolve()}|{state.st_size}|{state.st_mtime_ns}|1"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
    folder = cache_directory() / "compendium" / digest / table.name
    if not (folder / FACTS).is_file():
        try:
            return build(table, folder, report=report)
        except (DiskError, RequestError):
            if not (folder / FACTS).is_file():  # else another process was faster
                raise
    return Compendium.open(folder)
