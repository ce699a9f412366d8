"""How alike two proteins are: identity over the parts that bind, by Smith-Waterman alignment.

The identity of two proteins is the number of identical pairs of residues in the best local alignment of their
binding regions (Smith & Waterman 1981; BLOSUM62, a gap of k residues costs 10 + k), divided by the length of the
shorter region. The region is the protein's domains put end to end, where they are known, else all of it. Thus

- a domain on its own and a protein that contains it have identity 1, whatever else the protein has;
- a short chance match counts for little, because the length is that of the region and not of the match;
- gaps and the ends that do not align count as differences.

Constructs of different clusters have 0.18 of each other (median; 0.38 at the 99th percentile), shuffled ones 0.25 of
the nearest among 392.

Why this one: over those 219, the experiment of the nearest protein by this measure shares more of the motif (mean
correlation 0.59 of predicted affinities over all 7-mers) than by whole constructs (0.55), or by global alignment
(0.52 and 0.50), or by identity over the aligned part alone (0.26), by which everything is alike. It also puts the
most proteins together at 0.5 of all that tell relatives apart, which is what a test of unseen proteins needs.

Identity says little of a part: it is 1 for a single residue, for half a domain, and for two proteins in one. How far
to trust what a known protein says of another therefore rests on their likeness (`likeness_matrix`), the same residues
over the longer region: a missing domain and one too many both count as differences. In two studies of the simulated
compendium, with whole clusters held out, the Spearman that networks reached for 420 experiments follows it more
closely (rank correlation 0.31 in both) than identity (0.29 and 0.24); identity times the share of the known region
that is covered would have done as well (0.31 and 0.30), and says nothing of two proteins in one. Between 0.42 and 0.5
identity they reached 0.48 where the regions were about as long, 0.19 where the known one was 1.25 to 2 times as long,
0.34 where it was half as long or less.

The library is pyopal (SIMD, whole databases at a time): 392 × 392 constructs take 6 s on a core. parasail is as
fast, but has no wheels for ARM; Biopython's aligner takes 15 times as long and finds the same scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ribocyte import extras
from ribocyte.errors import RequestError
from ribocyte.rna.proteins.sequences import Protein

Identities = NDArray[np.float32]

SCORES = "BLOSUM62"
GAP_OPEN = 11
"""Cost of a gap's first residue; BLAST's default, 11 + 1."""
GAP_EXTEND = 1
_READ_AS = str.maketrans("U*", "CX")
# Selenocysteine scores as cysteine, a stop as unknown: the matrix has neither.


class Neighbour(NamedTuple):
    """A known protein, and its identity to the one asked about."""

    protein: Protein
    identity: float


def region(protein: Protein) -> str:
    """Give the residues that are compared: the domains end to end, or all where none is known."""
    parts = [protein.sequence[domain.begin : domain.end] for domain in protein.domains]
    return "".join(parts) or protein.sequence


def identity_matrix(queries: Sequence[Protein], targets: Sequence[Protein]) -> Identities:
    """Align every query with every target.

    Parameters
    ----------
    queries, targets : sequence of Protein
        Compared by their regions, as the module says. The same list twice costs half.

    Returns
    -------
    numpy array, float32, shape (len(queries), len(targets))
        Identities from 0 to 1; 1 where one region contains the other.

    Raises
    ------
    RequestError
        If the extra [bio] is not installed.
    """
    rows = [region(protein).translate(_READ_AS) for protein in queries]
    columns = [region(protein).translate(_READ_AS) for protein in targets]
    symmetric = queries is targets
    found = np.zeros((len(rows), len(columns)), dtype=np.float32)
    if not rows or not columns:
        return found
    pyopal = extras.need("pyopal", "bio", "aligning proteins")
    aligner = pyopal.Aligner(SCORES, gap_open=GAP_OPEN, gap_extend=GAP_EXTEND)
    database = pyopal.Database(columns)
    for number, query in enumerate(rows):
        first = number if symmetric else 0
        found[number, first:] = _identities(aligner, query, database, columns, first)
    return np.maximum(found, found.T) if symmetric else found


def coverage_matrix(queries: Sequence[Protein], targets: Sequence[Protein]) -> Identities:
    """Say how much of each pair's longer region the shorter one could cover: the ratio of their lengths.

    Returns
    -------
    numpy array, float32, shape (len(queries), len(targets))
        From 0, exclusive, to 1.
    """
    rows = np.array([len(region(protein)) for protein in queries])[:, None]
    columns = np.array([len(region(protein)) for protein in targets])[None, :]
    covered: Identities = (np.minimum(rows, columns) / np.maximum(rows, columns)).astype(np.float32)
    return covered


def likeness_matrix(
    identities: Identities, queries: Sequence[Protein], targets: Sequence[Protein]
) -> Identities:
    """Give the share of the longer region that is the same in both: identity times coverage.

    Parameters
    ----------
    identities : numpy array, float32, shape (len(queries), len(targets))
        As `identity_matrix` gives them for these.
    queries, targets : sequence of Protein
        With the domains they were compared by.

    Returns
    -------
    numpy array, float32, shape (len(queries), len(targets))
        From 0 to 1; 1 only where the regions are equal.
    """
    likeness: Identities = identities * coverage_matrix(queries, targets)
    return likeness


def nearest(query: Protein, targets: Sequence[Protein], count: int = 5) -> list[Neighbour]:
    """Find the proteins most like one.

    Parameters
    ----------
    query : Protein
        What is asked about.
    targets : sequence of Protein
        Where it is looked for; the query itself counts if it is there.
    count : int
        How many to give at most.

    Returns
    -------
    list of Neighbour
        Most alike first; in the order of `targets` where they are as alike.

    Raises
    ------
    RequestError
        If there is nothing to compare with, or the extra [bio] is not installed.
    """
    if not targets:
        raise RequestError(f"{query.name}: no protein to compare it with", expected="one or more")
    identities = identity_matrix([query], targets)[0]
    order = np.argsort(-identities, kind="stable")[:count]
    return [Neighbour(targets[at], float(identities[at])) for at in order]


def _identities(aligner: Any, query: str, database: Any, targets: Sequence[str], first: int) -> Identities:
    """Align one sequence with those of a database from `first` on."""
    identities = np.zeros(len(targets) - first, dtype=np.float32)
    for result in aligner.align(query, database, mode="full", algorithm="sw", start=first):
        target = targets[result.target_index]
        if result.score > 0:  # without one there is no alignment
            same = result.alignment.count("M")
            identities[result.target_index - first] = same / min(len(query), len(target))
    return identities
