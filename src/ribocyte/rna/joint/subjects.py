"""Who is predicted for: the known proteins each is most like, whether it is one of them, and what is doubtful.

Trust rests on a protein's likeness to the known ones (`ribocyte.rna.proteins.alignment.likeness_matrix`), and not on
its identity to the nearest: by that, half a domain is as close as the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ribocyte.rna.proteins.alignment import coverage_matrix, identity_matrix, region
from ribocyte.rna.proteins.clusters import THRESHOLD
from ribocyte.rna.proteins.domains import with_domains
from ribocyte.rna.proteins.doubts import find_doubts
from ribocyte.rna.proteins.sequences import Protein

NO_DOMAIN = "no RNA-binding domain recognised"
"""The warning of a protein that may bind no RNA at all, or by what no known protein has."""
NOT_SOUGHT = "domains not looked for: the model knows none"
COVERED = 0.8
"""Coverage below which a relative's identity does not say enough. Where the regions' lengths differed by more, networks
reached a lower Spearman at the same identity (see `ribocyte.rna.proteins.alignment`)."""
_SAME_FROM = 0.9
# Identity below which two proteins are not looked at closely: domains may be recognised a few residues wider or
# narrower than they were annotated.


@dataclass(frozen=True, eq=False)
class Kinship:
    """A protein and its relatives among known ones.

    Parameters
    ----------
    protein : Protein
        With the domains that were recognised.
    order : numpy array, int64, shape (K,)
        The known proteins, nearest first: by identity, and by coverage where that is the same. One that is the
        same protein comes first.
    identities, coverages : numpy array, float64, shape (K,)
        To each known protein, in the order of these; 1 to the same protein.
    same : int
        The number of the known protein that this is, -1 where it is none: see `find_kin`.
    warnings : tuple of str
        What a person must be told beside any number.
    """

    protein: Protein
    order: NDArray[np.int64]
    identities: NDArray[np.float64]
    coverages: NDArray[np.float64]
    same: int
    warnings: tuple[str, ...]

    @property
    def likeness(self) -> float:
        """Share of the longer region that is the same, of the known protein where that is largest."""
        return float((self.identities * self.coverages).max())


@dataclass(frozen=True)
class Subject:
    """A protein that is predicted for, as the trust keeps it.

    Parameters
    ----------
    name : str
        What it is called.
    identity, coverage : float
        To the nearest known protein, from 0 to 1.
    likeness : float
        To the known protein where it is largest; what is learned of trust depends on it.
    nearest : str
        The gene of the nearest, or its name where it has none.
    known : int
        The number, among the known, of one with the same sequence; -1 where there is none.
    recognised : bool
        False where domains that bind RNA were looked for, and it has none.
    warning : str
        What a person must be told beside any number; empty where there is nothing.
    """

    name: str
    identity: float
    coverage: float
    likeness: float
    nearest: str
    known: int
    recognised: bool
    warning: str = ""

    @classmethod
    def from_facts(cls, values: Sequence[Any]) -> Subject:
        """Take up what `facts` gave, or the five values that models before coverage was looked at have."""
        if len(values) > 5:
            return cls(*values)
        name, identity, nearest, known, recognised = values
        warning = "" if recognised else NO_DOMAIN
        return cls(name, identity, 1.0, identity, nearest, known, recognised, warning)

    def facts(self) -> list[Any]:
        """Give the values as JSON has them."""
        return [
            self.name,
            self.identity,
            self.coverage,
            self.likeness,
            self.nearest,
            self.known,
            self.recognised,
            self.warning,
        ]


def look_into(proteins: Sequence[Protein], known: Sequence[Protein]) -> tuple[Subject, ...]:
    """Find out of each protein what trust depends on.

    A protein is a known one here where the sequences are equal, as networks that are aimed have it: of one that only
    shares the binding region they infer what it binds.

    Raises
    ------
    RequestError
        If the extra [bio] is not installed.
    """
    sought = _have_domains(known)
    subjects = []
    for kin in find_kin(proteins, known):
        at = int(kin.order[0])
        own = kin.same >= 0 and kin.protein.sequence == known[kin.same].sequence
        subjects.append(
            Subject(
                name=kin.protein.name,
                identity=float(kin.identities[at]),
                coverage=float(kin.coverages[at]),
                likeness=kin.likeness,
                nearest=known[at].gene or known[at].name,
                known=kin.same if own else -1,
                recognised=bool(kin.protein.domains) or kin.same >= 0 or not sought,
                warning="; ".join(kin.warnings),
            )
        )
    return tuple(subjects)


def find_kin(proteins: Sequence[Protein], known: Sequence[Protein]) -> list[Kinship]:
    """Recognise domains in proteins, and compare them with known ones.

    A protein is the same as the first known one that has its sequence; else that has its binding region; else as
    the nearest that has as many domains, all of which it holds in their order: domains may be recognised a little
    wider than they were annotated.

    Parameters
    ----------
    proteins : sequence of Protein
        As a FASTA file gives them, or with their domains.
    known : sequence of Protein
        One or more.

    Raises
    ------
    RequestError
        If the extra [bio] is not installed.
    """
    found = with_domains(proteins, known)
    identities = identity_matrix(found, known).astype(np.float64)
    coverages = coverage_matrix(found, known).astype(np.float64)
    sequences = {protein.sequence: number for number, protein in reversed(list(enumerate(known)))}
    regions = {region(protein): number for number, protein in reversed(list(enumerate(known)))}
    sought, kin = _have_domains(known), []
    for protein, identity, coverage in zip(found, identities, coverages, strict=True):
        order = np.lexsort((-coverage, -identity))
        same = sequences.get(protein.sequence, regions.get(region(protein), -1))
        if same < 0:
            same = next((int(at) for at in order if _holds_domains(protein, known[at], identity[at])), -1)
        if same >= 0:
            identity[same] = coverage[same] = 1.0
            order = np.concatenate([[same], order[order != same]])
        warnings = [*find_doubts(protein.sequence)]
        if same < 0 and not protein.domains:
            warnings.append(NO_DOMAIN if sought else NOT_SOUGHT)
        elif same < 0:
            warnings += _question_coverage(protein, known[order[0]], identity[order[0]], coverage[order[0]])
        kin.append(Kinship(protein, order, identity, coverage, same, tuple(warnings)))
    return kin


def _holds_domains(query: Protein, known: Protein, identity: float) -> bool:
    """Say whether a protein has the binding region of a known one: its domains in order, and no others."""
    if identity < _SAME_FROM or len(query.domains) != len(known.domains):
        return False
    end = 0
    for part in [known.sequence[domain.begin : domain.end] for domain in known.domains] or [known.sequence]:
        begin = query.sequence.find(part, end)
        if begin < 0:
            return False
        end = begin + len(part)
    return True


def _question_coverage(query: Protein, known: Protein, identity: float, coverage: float) -> list[str]:
    """Say where a relative is one in part only; of those that are none, the likeness says enough."""
    if identity <= THRESHOLD or coverage >= COVERED:
        return []
    whose = f"that of {known.gene or known.name}, the nearest known protein"
    if len(region(query)) < len(region(known)):
        return [f"a part of a protein? its binding region has {coverage:.0%} of the length of {whose}"]
    return [
        f"its binding region is {1 / coverage:.1f} times as long as {whose}, which says nothing of the rest"
    ]


def _have_domains(known: Sequence[Protein]) -> bool:
    return any(protein.domains for protein in known)
