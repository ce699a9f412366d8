"""Who is predicted for: the nearest known protein of each, and whether it has a domain that binds RNA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.domains import build_profiles, recognise_domains
from ribocyte.rna.proteins.sequences import Protein

NO_DOMAIN = "no RNA-binding domain recognised"
"""The warning of a protein that may bind no RNA at all."""


@dataclass(frozen=True)
class Subject:
    """A protein that is predicted for, and what is known of its relatives.

    Parameters
    ----------
    name : str
        What it is called.
    identity : float
        To the nearest known protein, from 0 to 1.
    nearest : str
        The gene of that, or its name where it has none.
    known : int
        The number, among the known, of one with the same sequence; -1 where there is none.
    recognised : bool
        Whether it has a domain that binds RNA.
    """

    name: str
    identity: float
    nearest: str
    known: int
    recognised: bool

    @property
    def warning(self) -> str:
        """What a person must be told beside any number; empty where there is nothing."""
        return "" if self.recognised else NO_DOMAIN


def look_into(proteins: Sequence[Protein], known: Sequence[Protein]) -> tuple[Subject, ...]:
    """Find the nearest known protein of each, and whether it has a domain that binds RNA.

    A known protein with the same sequence is the nearest. Of `proteins` without domains these are looked for, by
    profiles of the known ones'.
    """
    proteins = list(proteins)
    identities = identity_matrix(proteins, list(known))
    places = {protein.sequence: number for number, protein in reversed(list(enumerate(known)))}
    bare = [protein for protein in proteins if not protein.domains]
    found = recognise_domains(bare, _profiles(tuple(known))) if bare and _have_domains(known) else []
    binding = {protein.sequence for protein, domains in zip(bare, found, strict=False) if domains}
    subjects = []
    for protein, row in zip(proteins, identities, strict=True):
        place = places.get(protein.sequence, -1)
        nearest = known[place if place >= 0 else int(row.argmax())]
        subjects.append(
            Subject(
                name=protein.name,
                identity=1.0 if place >= 0 else float(row.max()),
                nearest=nearest.gene or nearest.name,
                known=place,
                recognised=bool(protein.domains) or place >= 0 or protein.sequence in binding,
            )
        )
    return tuple(subjects)


def _have_domains(known: Sequence[Protein]) -> bool:
    return any(protein.domains for protein in known)


@lru_cache(maxsize=4)
def _profiles(known: tuple[Protein, ...]) -> Any:
    return build_profiles(known)
