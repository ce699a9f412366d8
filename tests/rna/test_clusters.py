"""Relatives stay on one side: clusters, folds, families, and the splits that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribocyte.errors import DataError, RecipeError
from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.clusters import (
    check_unseen,
    families,
    find_clusters,
    hold_family_out,
    hold_out,
    make_folds,
)
from ribocyte.rna.proteins.constructs import distinct, read_constructs
from ribocyte.rna.proteins.sequences import Domain, Protein

RRM, KH = Domain("RRM", 0, 4), Domain("KH", 5, 9)


def protein(name: str, *domains: Domain, sequence: str = "MKVLWGHIKLM") -> Protein:
    return Protein(name, sequence, domains=domains)


def matrix(count: int, *joined: tuple[int, int], identity: float = 0.6) -> np.ndarray:
    identities = np.eye(count, dtype=np.float32)
    for one, other in joined:
        identities[one, other] = identities[other, one] = identity
    return identities


@st.composite
def identities(draw: st.DrawFn) -> np.ndarray:
    count = draw(st.integers(1, 12))
    values = draw(st.lists(st.floats(0, 1, width=32), min_size=count**2, max_size=count**2))
    square = np.array(values, dtype=np.float32).reshape(count, count)
    return np.maximum(square, square.T)


def test_a_chain_of_relatives_is_one_cluster() -> None:
    np.testing.assert_array_equal(find_clusters(matrix(5, (1, 3), (3, 4))), [0, 1, 2, 1, 1])


def test_exactly_the_threshold_joins_nothing() -> None:
    np.testing.assert_array_equal(find_clusters(matrix(2, (0, 1), identity=0.5)), [0, 1])
    np.testing.assert_array_equal(find_clusters(matrix(2, (0, 1), identity=0.5), threshold=0.4), [0, 0])


@given(identities(), st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_no_two_clusters_hold_relatives_and_none_could_be_split(values: np.ndarray, threshold: float) -> None:
    found = find_clusters(values, threshold)
    apart = found[:, None] != found[None]
    assert not (values[apart] > threshold).any()
    assert found[0] == 0
    assert list(dict.fromkeys(found.tolist())) == list(range(found.max() + 1))  # in order of appearance
    for cluster in range(found.max() + 1):
        members = np.flatnonzero(found == cluster)
        reached = {int(members[0])}
        while more := {
            int(b) for a in reached for b in members if values[a, b] > threshold and int(b) not in reached
        }:
            reached |= more
        assert reached == set(members.tolist())


@given(st.lists(st.integers(0, 15), min_size=2, max_size=60), st.integers(2, 6), st.integers(0, 9))
def test_folds_keep_clusters_whole_and_are_balanced(labels: list[int], count: int, seed: int) -> None:
    clusters = np.array(labels)
    names, sizes = np.unique(clusters, return_counts=True)
    if count > len(names):
        said = f"at most {len(names)}" if len(names) > 1 else "all relatives, one cluster; expected two"
        with pytest.raises(RecipeError, match=said):
            make_folds(clusters, count, seed)
        return
    folds = make_folds(clusters, count, seed)
    assert set(folds.tolist()) == set(range(count))
    assert all(len(set(folds[clusters == name].tolist())) == 1 for name in names)
    filled = np.bincount(folds)
    assert filled.max() - filled.min() <= sizes.max()  # largest first: never further apart than one cluster
    np.testing.assert_array_equal(folds, make_folds(clusters, count, seed))


def test_another_seed_deals_otherwise() -> None:
    clusters = np.arange(40)
    assert any((make_folds(clusters, 5, 0) != make_folds(clusters, 5, seed)).any() for seed in (1, 2))


def test_fewer_than_two_folds_are_refused() -> None:
    with pytest.raises(RecipeError, match="folds = 1"):
        make_folds(np.arange(4), 1)


def test_what_is_held_out_is_tested_and_the_rest_trains() -> None:
    train, test = hold_out(np.array([0, 1, 1, 2]), [1])
    np.testing.assert_array_equal(test, [False, True, True, False])
    np.testing.assert_array_equal(train, ~test)


@pytest.mark.parametrize(("held", "said"), [([0, 1, 2], "to train on"), ([7], "to test")])
def test_a_side_with_nothing_is_refused(held: list[int], said: str) -> None:
    with pytest.raises(DataError, match=f"leaves no protein {said}"):
        hold_out(np.array([0, 1, 1, 2]), held)


def test_a_family_is_every_protein_with_such_a_domain() -> None:
    variant = Domain("KH_2", 0, 3)
    proteins = [protein("a", RRM), protein("b", RRM, KH), protein("c"), protein("d", variant)]
    groups = families(proteins)
    assert {kind: mask.tolist() for kind, mask in groups.items()} == {
        "KH": [False, True, False, True],
        "RRM": [True, True, False, False],
    }
    train, test = hold_family_out(proteins, "KH")
    np.testing.assert_array_equal(test, [False, True, False, True])
    np.testing.assert_array_equal(train, ~test)
    with pytest.raises(
        DataError, match=r"family 'PUF': no protein has such a domain; expected one of KH, RRM"
    ):
        hold_family_out(proteins, "PUF")
    with pytest.raises(DataError, match="leaves no protein to train on"):
        hold_family_out(proteins[:2], "RRM")


def test_a_test_protein_that_trains_is_refused_unless_forced() -> None:
    known = protein("known", Domain("RRM", 2, 8), sequence="GGMKVLWHGG")
    same = protein("same", Domain("RRM", 0, 6), sequence="MKVLWHIII")  # other flanks, one domain
    other = protein("other", sequence="WWWWWW")
    assert check_unseen([known], [other]) == []
    with pytest.raises(
        DataError, match="same is to be tested and is the same protein as known, which trains"
    ):
        check_unseen([known], [other, same])
    assert check_unseen([known], [other, same], force=True) == [("same", "known")]
    with pytest.raises(DataError, match="to train on"):
        check_unseen([], [other])


@pytest.mark.real_data
def test_rbfox1_and_its_fly_and_worm_relatives_are_one_cluster(data_root: Path) -> None:
    constructs = read_constructs(data_root / "rnacompete" / "constructs.tsv")
    ray = read_constructs(data_root / "rnacompete" / "metadata.xlsx")
    proteins = distinct({experiment: constructs[experiment] for experiment in ray})
    clusters = find_clusters(identity_matrix(proteins, proteins))
    number = {protein.name: clusters[at] for at, protein in enumerate(proteins)}
    fox = {
        number[constructs[experiment].name] for experiment in ("RNCMPT00168", "RNCMPT00123", "RNCMPT00017")
    }
    assert len(fox) == 1
    assert number[constructs["RNCMPT00001"].name] not in fox
    assert len(set(clusters.tolist())) == 115
    assert np.bincount(clusters).max() == 10
    folds = make_folds(clusters, 5)
    assert np.ptp(np.bincount(folds)) <= 1
    for fold in range(5):
        train, test = hold_out(folds, [fold])
        check_unseen([p for p, m in zip(proteins, train, strict=True) if m],
                     [p for p, m in zip(proteins, test, strict=True) if m])  # fmt: skip
