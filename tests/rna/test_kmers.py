"""K-mer scores: counted probe by probe in plain Python, and against the measured Z-scores."""

from __future__ import annotations

import gzip
import statistics
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ribocyte.errors import DataError
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.kmers import name_kmer, rank_kmers, score_kmers, strongest_occurrence

PROBES = st.lists(st.text("ACGUN", min_size=1, max_size=12), min_size=1, max_size=40)


def number(kmer: str) -> int:
    return int(kmer.translate(str.maketrans("ACGU", "0123")), 4)


def scores_by_hand(probes: list[str], values: list[float], k: int) -> list[float]:
    """Score every k-mer, one after the other."""
    means = []
    for index in range(4**k):
        kmer = name_kmer(index, k)
        held = sorted(v for probe, v in zip(probes, values, strict=True) if kmer in probe and v == v)
        cut = int(0.05 * len(held))
        middle = held[cut : len(held) - cut]
        means.append(statistics.fmean(middle) if middle else float("nan"))
    known = [mean for mean in means if mean == mean]
    centre, spread = statistics.fmean(known), statistics.pstdev(known)
    return [(mean - centre) / spread for mean in means]


def random_probes(count: int = 300, length: int = 20) -> tuple[list[str], list[float]]:
    random = np.random.default_rng(1)
    lengths = random.integers(length // 2, length + 1, count)
    return ["".join(random.choice(list("ACGU"), n)) for n in lengths], random.normal(size=count).tolist()


@pytest.mark.parametrize("k", [1, 2, 3])
def test_scores_are_those_counted_probe_by_probe(k: int) -> None:
    probes, values = random_probes()
    values[3] = float("nan")
    scores = score_kmers(tokens(probes), np.array(values), k)
    np.testing.assert_allclose(scores, scores_by_hand(probes, values, k), rtol=1e-9, atol=1e-12)


@given(PROBES, st.integers(1, 3))
def test_each_probe_that_holds_a_kmer_counts_once_and_n_is_no_letter(probes: list[str], k: int) -> None:
    values = [float(i % 7) for i in range(len(probes))]
    scores = score_kmers(tokens(probes), torch.tensor(values), k)
    held = [any(name_kmer(index, k) in probe for probe in probes) for index in range(4**k)]
    np.testing.assert_array_equal(~np.isnan(scores), held)
    known = scores[~np.isnan(scores)]
    if len(set(np.round(known, 9))) > 1:
        np.testing.assert_allclose(scores, scores_by_hand(probes, values, k), rtol=1e-9, atol=1e-9)


def test_a_kmer_of_strong_probes_stands_out_and_outliers_do_not() -> None:
    probes, _ = random_probes(2000)
    values = [10.0 + (5.0 if "GCAUG" in probe else 0.0) for probe in probes]
    best = rank_kmers(score_kmers(tokens(probes), np.array(values), 5), 1)
    assert best["kmer"].to_list() == ["GCAUG"]
    spoilt = np.array(values)
    spoilt[[i for i, probe in enumerate(probes) if "AAAA" in probe][:1]] = 1e6
    assert rank_kmers(score_kmers(tokens(probes), spoilt, 3), 1)["z"][0] < 8


def test_scores_do_not_depend_on_the_scale_or_the_padding() -> None:
    probes, values = random_probes()
    scores = score_kmers(tokens(probes), np.array(values), 3)
    np.testing.assert_allclose(
        score_kmers(tokens(probes, 60), np.array(values) * 7 - 3, 3), scores, atol=1e-9
    )


def test_no_measurement_no_score_and_equal_measurements_are_no_difference() -> None:
    rows = tokens(["ACGU", "ACGA"])
    assert np.isnan(score_kmers(rows, np.array([np.nan, np.nan]), 2)).all()
    equal = score_kmers(rows, np.array([2.0, 2.0]), 2)
    assert np.nansum(np.abs(equal)) == 0
    assert (~np.isnan(equal)).sum() == 4  # AC, CG, GU, GA


def test_a_kmer_longer_than_every_probe_is_nowhere() -> None:
    rows = tokens(["ACGU", "AC"])
    scores = score_kmers(rows, np.array([1.0, 2.0]), 6)
    assert np.isnan(scores).all()
    position, score = strongest_occurrence(rows, np.zeros(4**6), 6)
    assert position.tolist() == [-1, -1]
    assert np.isnan(score).all()


@pytest.mark.parametrize("k", [0, 13])
def test_an_impossible_length_is_refused(k: int) -> None:
    with pytest.raises(DataError, match=rf"k = {k}; expected from 1 to 12"):
        score_kmers(tokens(["ACGU"]), np.array([1.0]), k)


def test_scores_of_another_length_and_a_missing_intensity_are_refused() -> None:
    with pytest.raises(DataError, match=r"scores have the shape \(16,\); expected one for each 3-mer"):
        strongest_occurrence(tokens(["ACGU"]), np.zeros(16), 3)
    with pytest.raises(DataError, match="expected one intensity a probe"):
        score_kmers(tokens(["ACGU", "AC"]), np.array([1.0]), 2)


# Where


@given(PROBES)
def test_the_strongest_occurrence_is_the_first_of_the_best(probes: list[str]) -> None:
    scores = np.random.default_rng(0).permutation(16).astype(float)
    scores[5] = np.nan  # CC
    position, score = strongest_occurrence(tokens(probes), scores, 2)
    for probe, at, best in zip(probes, position.tolist(), score.tolist(), strict=True):
        found = {
            i: scores[number(probe[i : i + 2])] for i in range(len(probe) - 1) if "N" not in probe[i : i + 2]
        }
        found = {i: value for i, value in found.items() if value == value}
        if not found:
            assert at == -1
            assert best != best
        else:
            assert best == max(found.values())
            assert at == min(i for i, value in found.items() if value == best)


def test_names_are_the_words_in_alphabetical_order() -> None:
    names = [name_kmer(index, 3) for index in range(64)]
    assert names == sorted(names)
    assert (names[0], names[-1], names[number("GCA")]) == ("AAA", "UUU", "GCA")


def test_the_table_lists_the_best_first_and_leaves_out_what_has_no_score() -> None:
    scores = np.full(64, np.nan)
    scores[[number("GCA"), number("UUU"), number("AAA")]] = [3.0, -1.0, 3.0]
    assert rank_kmers(scores).rows() == [("AAA", 3.0), ("GCA", 3.0), ("UUU", -1.0)]
    assert rank_kmers(scores, 1)["kmer"].to_list() == ["AAA"]


@pytest.mark.real_data
def test_scores_agree_with_the_measured_ones_of_a1cf(data_root: Path) -> None:
    folder = data_root / "rnacompete"
    table = pl.read_csv(
        gzip.decompress((folder / "norm_data.txt.gz").read_bytes()), separator="\t", null_values="NaN"
    )
    intensities = table["RNCMPT00001"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    mine = score_kmers(tokens(table["RNA_Seq"].to_list()), intensities, 7)
    measured = pl.read_csv(
        gzip.decompress((folder / "zscores_7mer.tsv.gz").read_bytes()), separator="\t", null_values="NaN"
    )
    assert measured["kmer"].to_list() == [name_kmer(index, 7) for index in range(4**7)]
    theirs = measured["RNCMPT00001"].cast(pl.Float64).to_numpy()
    both = ~np.isnan(mine) & ~np.isnan(theirs)
    assert both.sum() > 16_000
    # A quarter of the array's probes against all of them.
    assert np.corrcoef(mine[both], theirs[both])[0, 1] > 0.95
    assert set(rank_kmers(mine, 10)["kmer"]) & set(rank_kmers(theirs, 3)["kmer"])
