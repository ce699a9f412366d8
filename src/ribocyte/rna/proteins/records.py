"""Proteins as a model carries them: in its card, one record for each output.

A model that was trained on a compendium holds them in its `Info`, under ``normalisation["proteins"]``, so that it can
be asked who its outputs are, and be aimed at others, without any file beside it. A record is JSON::

    {"name": "RNCMPT00168", "sequence": "MGNN…", "species": "Homo sapiens", "gene": "RBFOX1",
     "domains": [["RRM", 116, 192]], "experiments": ["RNCMPT00168"]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ribocyte.errors import ModelError
from ribocyte.learn.splits import Info
from ribocyte.rna.proteins.sequences import Domain, Protein

PROTEINS = "proteins"
"""Where an info's ``normalisation`` holds the records."""
HOLD_OUT = "hold_out"
"""Where an info's ``normalisation`` says which proteins were held out of the training."""


def describe_protein(protein: Protein) -> dict[str, Any]:
    """Give a protein as JSON values.

    Returns
    -------
    dict
        ``name``, ``sequence``, ``species``, ``gene``, ``domains`` (kind, begin and end of each) and
        ``experiments``.
    """
    return {
        "name": protein.name,
        "sequence": protein.sequence,
        "species": protein.species,
        "gene": protein.gene,
        "domains": [[kind, begin, end] for kind, begin, end in protein.domains],
        "experiments": list(protein.experiments),
    }


def protein_from(record: Mapping[str, Any]) -> Protein:
    """Read back what `describe_protein` gave.

    Raises
    ------
    ModelError
        If it is no such record.
    """
    try:
        return Protein(
            name=str(record["name"]),
            sequence=str(record["sequence"]),
            species=str(record["species"]),
            gene=str(record["gene"]),
            domains=tuple(Domain(str(kind), int(begin), int(end)) for kind, begin, end in record["domains"]),
            experiments=tuple(str(name) for name in record["experiments"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"proteins: a record that is none: {type(error).__name__} {error}",
            expected="name, sequence, species, gene, domains and experiments of each",
        ) from error


def proteins_of(info: Info) -> list[Protein]:
    """Give the proteins of a model's outputs, one for each, in their order.

    Parameters
    ----------
    info : Info
        Of a model, or of splits. Where several outputs are experiments of one construct, they have one protein.

    Raises
    ------
    ModelError
        If it was trained on data that does not say whose intensities they are, or the records do not fit the
        outputs.
    """
    records = info.normalisation.get(PROTEINS)
    if records is None:
        raise ModelError(
            f"{info.source}: which proteins the outputs are is not known",
            expected="a model trained on data of the kind compendium",
            mend='train one with data.kind = "compendium"',
        )
    if not isinstance(records, list | tuple) or len(records) != len(info.outputs):
        raise ModelError(
            f"{info.source}: {len(info.outputs)} outputs, and other proteins",
            expected="a record for each output",
        )
    return [protein_from(record) for record in records]
