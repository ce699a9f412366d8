"""Averages over proteins: relatives count as one piece of evidence, and what is missing counts for nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from ribocyte.rna.protocols import Scale
from ribocyte.transfer.scoring import Measured, score_methods
from ribocyte.transfer.statistics import as_json, average


def test_each_protein_counts_the_same_however_often_it_was_measured() -> None:
    values = np.array([1.0, 1.0, 1.0, 0.0])
    mean = average(values, np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1]))
    assert mean.value == 0.5
    assert (mean.proteins, mean.clusters) == (2, 2)


def test_relatives_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    values = np.repeat(random.normal(0.3, 0.2, 20), 5)
    proteins, clusters = np.arange(100), np.repeat(np.arange(20), 5)
    mean = average(values, proteins, clusters)
    assert mean.high - mean.low > 1.7 * (mean.high_proteins - mean.low_proteins)
    expected = 2 * 1.96 * values[::5].std() / 20**0.5
    assert mean.high - mean.low == pytest.approx(expected, rel=0.15)
    assert mean.verdict == "better"


def test_nothing_and_a_single_cluster_have_no_interval() -> None:
    nothing = average(np.array([np.nan]), np.array([0]), np.array([0]))
    assert np.isnan(nothing.value)
    assert nothing.verdict == "no difference"
    one = average(np.array([0.2, 0.4]), np.array([0, 1]), np.array([3, 3]))
    assert as_json(one)["low"] is None
    assert one.value == pytest.approx(0.3)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.integers(1, 6))
def test_the_interval_holds_the_mean_of_equal_clusters(values: list[float], groups: int) -> None:
    numbers = np.array(values)
    mean = average(numbers, np.arange(len(numbers)), np.arange(len(numbers)) % groups)
    assert mean.value == pytest.approx(numbers.mean())
    if groups > 1 and mean.clusters > 1:
        assert numbers.min() - 1e-9 <= mean.low <= mean.high <= numbers.max() + 1e-9


def test_scores_are_those_of_scipy_on_the_spots_that_did_not_fail() -> None:
    random = np.random.default_rng(1)
    intensities = random.gamma(1.0, 3.0, 4000) - 1.0
    intensities[17] = 500.0  # clipped
    intensities[::50] = np.nan
    said = np.log(np.nan_to_num(intensities, nan=0.0) + 3.0) + random.normal(0, 0.7, 4000)
    measured = Measured("E", intensities, Scale.measure(intensities))
    row = score_methods({"it": said[:, None], "flat": np.zeros((4000, 1))}, [measured], 0.9).to_dicts()
    known = ~np.isnan(intensities)
    raw, clipped = intensities[known], np.minimum(intensities[known], measured.scale.clip)
    assert row[0]["rows"] == known.sum()
    assert row[0]["spearman"] == pytest.approx(spearmanr(said[known], raw).statistic)
    assert row[0]["spearman_clipped"] == pytest.approx(spearmanr(said[known], clipped).statistic)
    assert row[0]["pearson_raw"] == pytest.approx(pearsonr(np.exp(0.9 * said[known]), raw).statistic)
    assert row[0]["pearson_clipped"] == pytest.approx(pearsonr(np.exp(0.9 * said[known]), clipped).statistic)
    assert row[0]["pearson"] == pytest.approx(
        pearsonr(said[known], measured.targets[known]).statistic, abs=1e-5
    )
    assert row[1]["spearman"] is None
