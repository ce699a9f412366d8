"""Which proteins have been measured: list them, search them, and find those most like others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import polars as pl

from ribocyte.errors import DataError, ModelError, RequestError, suggest
from ribocyte.files import data_directories, find
from ribocyte.learn.predictor import read_model
from ribocyte.learn.splits import Info
from ribocyte.rna.experiments import METADATA
from ribocyte.rna.joint.known import known_proteins
from ribocyte.rna.joint.subjects import find_kin
from ribocyte.rna.proteins.constructs import CONSTRUCTS, distinct, read_constructs
from ribocyte.rna.proteins.records import PROTEINS
from ribocyte.rna.proteins.sequences import Domain, Protein

SCHEMA = {
    "protein": pl.String,
    "gene": pl.String,
    "species": pl.String,
    "residues": pl.Int64,
    "domains": pl.String,
    "experiments": pl.String,
}
"""Columns of a table of proteins."""
_NEAREST = {
    "query": pl.String,
    "query_domains": pl.String,
    "rank": pl.Int64,
    "identity": pl.Float32,
    "coverage": pl.Float32,
}


@dataclass(frozen=True)
class Collection:
    """Proteins that were measured, and where that is said.

    Parameters
    ----------
    source : str
        The file, or the model.
    proteins : tuple of Protein
        Each different one once.
    """

    source: str
    proteins: tuple[Protein, ...]

    @property
    def table(self) -> pl.DataFrame:
        """A row for each: see `tabulate_proteins`."""
        return tabulate_proteins(self.proteins)


def measured_proteins(data: Path | None = None) -> Collection:
    """Read the proteins of the RNAcompete experiments from a data folder.

    Parameters
    ----------
    data : Path, optional
        A data folder; else the usual search. The table of constructs, which knows the domains, goes before the
        workbook of Ray et al. 2013, which does not.

    Raises
    ------
    DataError
        If neither file is there, or it is not what it should be.
    """
    path = find(CONSTRUCTS, data) or find(METADATA, data)
    if path is None:
        looked = ", ".join(f"{directory} ({name})" for name, directory in data_directories(data))
        raise DataError(
            f"{CONSTRUCTS.name}: not found in {looked}, nor is {METADATA.name}",
            expected=CONSTRUCTS.about,
            mend=f"place it at {data_directories(data)[0][1] / CONSTRUCTS.name}, from {CONSTRUCTS.url}",
        )
    return Collection(path.name, tuple(distinct(read_constructs(path))))


def model_proteins(model: Path) -> Collection:
    """Read the proteins that a model was trained on.

    Parameters
    ----------
    model : Path
        A run's folder, or a model file.

    Raises
    ------
    ModelError
        If it is no model of ours, or does not know whose intensities it was trained on.
    """
    card, _ = read_model(Path(model))
    try:
        info = Info.from_json(card["data"])
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"{model}: does not say what it was trained on: {error}", expected="the file as it was saved"
        ) from error
    if PROTEINS not in info.normalisation:
        raise ModelError(
            f"{model}: learned from {info.kind}, and does not know the sequence of any protein",
            expected="a joint model, trained on data of the kind compendium",
            mend="ribocyte train rna/joint-towers",
        )
    return Collection(str(model), tuple(dict.fromkeys(known_proteins(info))))


def search_proteins(
    collection: Collection, text: str = "", species: str = "", domain: str = ""
) -> Collection:
    """Find proteins by what they are called, where they come from, and how they bind.

    Upper and lower case are the same.

    Parameters
    ----------
    collection : Collection
        Where to look.
    text : str
        Part of a gene's or an experiment's name, of a species, or of a kind of domain.
    species, domain : str
        Part of the species; part of a kind of domain. All that are given must hold.

    Raises
    ------
    RequestError
        If there is none.
    """
    kept = tuple(
        protein
        for protein in collection.proteins
        if _holds(text, (protein.name, protein.gene, protein.species, *protein.experiments, *_kinds(protein)))
        and _holds(species, (protein.species,))
        and _holds(domain, _kinds(protein))
    )
    if not kept:
        raise _nothing_like(collection, {"name": text, "species": species, "domain": domain})
    return replace(collection, proteins=kept)


def nearest_proteins(queries: Sequence[Protein], collection: Collection, count: int = 5) -> pl.DataFrame:
    """Find the measured proteins that others are most like.

    Parameters
    ----------
    queries : sequence of Protein
        What is asked about; domains are recognised where they are not known.
    collection : Collection
        Where to look.
    count : int
        How many to give for each.

    Returns
    -------
    DataFrame
        A row for each query and each of the `count` most alike: ``query``; ``query_domains``, empty where none
        was recognised; ``rank`` from 1, the same protein first; ``identity`` of the binding regions from 0 to 1
        (`ribocyte.rna.proteins.alignment`); ``coverage``, the length of the shorter region over that of the
        longer; the columns of `tabulate_proteins`, of the measured one; and ``query_warning``, null where there
        is nothing to warn of.

    Raises
    ------
    RequestError
        If `count` is impossible, there is nothing to compare with, or the extra [bio] is not installed.
    """
    if count < 1:
        raise RequestError(f"count = {count}", expected="1 or more")
    if not collection.proteins:
        raise RequestError(f"{collection.source}: no protein to compare with", expected="one or more")
    found = find_kin(queries, collection.proteins)
    rows = [
        (kin.protein.name, write_domains(kin.protein.domains), rank, kin.identities[at], kin.coverages[at])
        for kin in found
        for rank, at in enumerate(kin.order[:count], 1)
    ]
    asked = pl.DataFrame(rows, schema=_NEAREST, orient="row")
    order = [int(at) for kin in found for at in kin.order[:count]]
    warnings = ["; ".join(kin.warnings) or None for kin in found for _ in kin.order[:count]]
    return pl.concat([asked, collection.table[order]], how="horizontal").with_columns(
        pl.Series("query_warning", warnings, dtype=pl.String)
    )


def tabulate_proteins(proteins: Sequence[Protein]) -> pl.DataFrame:
    """Lay proteins out as a table.

    Returns
    -------
    DataFrame
        A row for each: ``protein`` (its name), ``gene``, ``species``, ``residues``, ``domains`` (such as
        ``RRM ×3``), ``experiments`` made with it.
    """
    rows = [
        (
            protein.name,
            protein.gene,
            protein.species,
            len(protein),
            write_domains(protein.domains),
            ", ".join(protein.experiments),
        )
        for protein in proteins
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def write_domains(domains: Sequence[Domain]) -> str:
    """Write domains in the order of the sequence, such as ``RRM ×2, KH``; empty where there is none."""
    runs = [(kind, len(list(group))) for kind, group in groupby(domain.kind for domain in domains)]
    return ", ".join(f"{kind} ×{count}" if count > 1 else kind for kind, count in runs)


def _kinds(protein: Protein) -> tuple[str, ...]:
    return tuple(domain.kind for domain in protein.domains)


def _holds(wanted: str, texts: Sequence[str]) -> bool:
    asked = wanted.casefold()
    return not asked or any(asked in text.casefold() for text in texts)


def _nothing_like(collection: Collection, asked: dict[str, str]) -> RequestError:
    """Say what was not found, and what is close."""
    said = " and ".join(f"{what} {value!r}" for what, value in asked.items() if value)
    proteins = collection.proteins
    names = {
        "name": [text for protein in proteins for text in (protein.gene, protein.name) if text],
        "species": [protein.species for protein in proteins if protein.species],
        "domain": [kind for protein in proteins for kind in _kinds(protein)],
    }
    near = (suggest(value, names[what]) for what, value in asked.items() if value)
    return RequestError(
        f"{collection.source}: no protein with {said}",
        expected=f"something that one of its {len(proteins)} proteins has",
        mend=next(filter(None, near), "list them with: ribocyte proteins list"),
    )
