"""Groups of proteins that must stay on one side of a split: clusters of relatives, folds of clusters, families.

Clusters are the connected components of the graph in which two proteins are joined when their identity is above a
threshold (single linkage). Two proteins in different clusters therefore never are more alike than the threshold,
which no other way of clustering promises; the price is that a chain of relatives becomes one cluster. At 0.5 the
219 constructs of Ray et al. 2013 make 115 clusters, the largest of ten, and 83 are alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ribocyte.errors import DataError, RecipeError
from ribocyte.learn.recipe import check
from ribocyte.rna.proteins.alignment import Identities, region
from ribocyte.rna.proteins.sequences import Domain, Protein

Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

THRESHOLD = 0.5
"""Identity above which two proteins are relatives."""


def find_clusters(identities: Identities, threshold: float = THRESHOLD) -> Labels:
    """Put proteins together that are joined by a chain of relatives.

    Parameters
    ----------
    identities : numpy array, float32, shape (P, P)
        As `ribocyte.rna.proteins.alignment.identity_matrix` gives them for one list of proteins.
    threshold : float
        Above it two proteins are relatives, from 0 to 1; 1 joins nothing.

    Returns
    -------
    numpy array, int64, shape (P,)
        The number of each protein's cluster, from 0, in the order of first appearance.

    Raises
    ------
    RecipeError
        If the matrix is not square, or the threshold out of range.
    """
    from scipy.sparse.csgraph import connected_components

    shape = identities.shape
    check(len(shape) == 2 and shape[0] == shape[1], "identities' shape", shape, "(P, P)")
    check(0 <= threshold <= 1, "threshold", threshold, "from 0 to 1")
    _, found = connected_components(identities > threshold, directed=False)
    _, first, numbers = np.unique(found, return_index=True, return_inverse=True)
    labels: Labels = np.argsort(np.argsort(first))[numbers].astype(np.int64)
    return labels


def make_folds(clusters: Labels, count: int, seed: int = 0) -> Labels:
    """Deal whole clusters out to folds of nearly equal size.

    The largest go first, each to the fold that has the fewest proteins; those of equal size in random order.

    Parameters
    ----------
    clusters : numpy array, int64, shape (P,)
        Each protein's cluster.
    count : int
        Number of folds.
    seed : int
        The same gives the same folds.

    Returns
    -------
    numpy array, int64, shape (P,)
        Each protein's fold, from 0 to ``count - 1``; none is empty.

    Raises
    ------
    RecipeError
        If there are fewer than two folds, or more folds than clusters.
    """
    names, sizes = np.unique(clusters, return_counts=True)
    check(count >= 2, "folds", count, "2 or more: one is held out, the others train")
    if len(names) < 2:
        raise RecipeError(
            f"folds = {count}: the {len(clusters)} proteins are all relatives, one cluster"
            if len(clusters) > 1
            else f"folds = {count}: there is one protein alone",
            expected="two clusters or more, so that one can be held out",
            mend="more proteins, or a higher identity at which two are relatives",
        )
    if count > len(names):
        raise RecipeError(
            f"folds = {count}: the {len(clusters)} proteins make {len(names)} clusters",
            expected=f"at most {len(names)}",
            mend="whole clusters are held out, so that no relative of a test protein trains",
        )
    shuffled = np.random.default_rng(seed).permutation(len(names))
    fold_of, filled = np.zeros(len(names), dtype=np.int64), np.zeros(count, dtype=np.int64)
    for cluster in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of[cluster] = filled.argmin()
        filled[fold_of[cluster]] += sizes[cluster]
    return fold_of[np.searchsorted(names, clusters)]


def hold_out(groups: Labels, held: Sequence[int] | Labels) -> tuple[Mask, Mask]:
    """Hold whole groups out: clusters, or folds.

    Returns
    -------
    train, test : numpy arrays, bool, shape (P,)
        Which proteins are in neither group held out, and which are.

    Raises
    ------
    DataError
        If nothing is left to train on, or nothing to test.
    """
    test = np.isin(groups, np.asarray(held))
    _refuse_empty(~test, test, f"groups {np.asarray(held).tolist()}")
    return ~test, test


def families(proteins: Sequence[Protein]) -> dict[str, Mask]:
    """Group proteins by the kinds of domain they have.

    Returns
    -------
    dict of str to numpy array, bool, shape (P,)
        By kind, most frequent first: which proteins have one, alone or beside others. A protein with two kinds
        is in both groups, so that holding one out leaves no domain of that kind to train on. Numbered variants
        of a kind are one: ``zf-CCCH_2`` is a ``zf-CCCH``.
    """
    owned = [{_family(domain) for domain in protein.domains} for protein in proteins]
    groups = {kind: np.array([kind in kinds for kinds in owned]) for kind in sorted(set[str]().union(*owned))}
    return dict(sorted(groups.items(), key=lambda group: -int(group[1].sum())))


def hold_family_out(proteins: Sequence[Protein], kind: str) -> tuple[Mask, Mask]:
    """Hold out every protein with a kind of domain, such as ``KH``.

    Returns
    -------
    train, test : numpy arrays, bool, shape (P,)

    Raises
    ------
    DataError
        If no protein has such a domain, or all have.
    """
    groups = families(proteins)
    if kind not in groups:
        raise DataError(
            f"family {kind!r}: no protein has such a domain", expected=f"one of {', '.join(groups)}"
        )
    _refuse_empty(~groups[kind], groups[kind], f"family {kind}")
    return ~groups[kind], groups[kind]


def check_unseen(
    train: Sequence[Protein], test: Sequence[Protein], force: bool = False
) -> list[tuple[str, str]]:
    """Refuse a split in which a protein to test is one to train on.

    Parameters
    ----------
    train, test : sequence of Protein
        The two sides.
    force : bool
        Give the pairs back instead of refusing them.

    Returns
    -------
    list of (str, str)
        Names of a test protein and of a training protein with the same binding region (see
        `ribocyte.rna.proteins.alignment.region`), whatever surrounds it; one pair for each such test protein.

    Raises
    ------
    DataError
        If there is such a pair and `force` is not set, or if a side is empty.
    """
    _refuse_empty(train, test, "split")
    known: dict[str, str] = {}
    for protein in train:
        known.setdefault(region(protein), protein.name)
    pairs = [(protein.name, known[region(protein)]) for protein in test if region(protein) in known]
    if pairs and not force:
        others = f" (and {len(pairs) - 1} more)" if len(pairs) > 1 else ""
        raise DataError(
            f"split: {pairs[0][0]} is to be tested and is the same protein as {pairs[0][1]}, which trains{others}",
            expected="test proteins that no training protein equals",
            mend="hold out whole clusters, or force it (--set data.force=true) and report it",
        )
    return pairs


def _family(domain: Domain) -> str:
    return domain.kind.partition("_")[0]


def _refuse_empty(train: Any, test: Any, what: str) -> None:
    """Refuse sides that hold nothing: masks without True, or empty lists."""
    for side, name in ((train, "train on"), (test, "test")):
        if not np.any(side) if isinstance(side, np.ndarray) else not side:
            raise DataError(
                f"{what}: held out, it leaves no protein to {name}", expected="one or more on each side"
            )
