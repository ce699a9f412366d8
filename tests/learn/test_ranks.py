"""Ranks of weighted rows, against scipy on the rows written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import pearsonr, rankdata
from sklearn.metrics import roc_auc_score

from ribocyte.learn.ranks import RankedColumn, weighted_correlation

ROWS = 8
values = arrays.arrays(np.float64, ROWS, elements=st.integers(-2, 2).map(float))
distinct = st.permutations(range(ROWS)).map(lambda order: np.array(order, dtype=np.float64))
counts = arrays.arrays(np.int64, ROWS, elements=st.integers(0, 3))


@given(values | distinct, counts)
def test_weighted_ranks_are_the_ranks_of_the_rows_written_out(column: np.ndarray, drawn: np.ndarray) -> None:
    found = RankedColumn(column).ranks(drawn.astype(np.float64))
    expected = rankdata(np.repeat(column, drawn))  # average ranks
    np.testing.assert_allclose(np.repeat(found, drawn), expected)


@given(values | distinct, arrays.arrays(np.bool_, ROWS), counts)
def test_weighted_area_is_scikit_learns_of_the_rows_written_out(
    column: np.ndarray, positive: np.ndarray, drawn: np.ndarray
) -> None:
    found = RankedColumn(column).area_under_roc(positive, drawn.astype(np.float64))
    truth = np.repeat(positive, drawn)
    if 0 < truth.sum() < len(truth):
        assert found == pytest.approx(roc_auc_score(truth, np.repeat(column, drawn)))
    else:
        assert math.isnan(found)


@given(values, values, counts)
def test_weighted_correlation_is_scipys_of_the_rows_written_out(
    a: np.ndarray, b: np.ndarray, drawn: np.ndarray
) -> None:
    found = weighted_correlation(a, b, drawn.astype(np.float64))
    one, other = np.repeat(a, drawn), np.repeat(b, drawn)
    if len(set(one)) > 1 and len(set(other)) > 1:
        assert found == pytest.approx(pearsonr(one, other).statistic)
    else:
        assert math.isnan(found)


@given(st.floats(-1e6, 1e6), counts)
def test_a_constant_side_has_no_correlation_whatever_its_value(constant: float, drawn: np.ndarray) -> None:
    a, b = np.full(ROWS, constant), np.arange(ROWS, dtype=np.float64)
    assert math.isnan(weighted_correlation(a, b, drawn.astype(np.float64)))
    assert math.isnan(weighted_correlation(b, a, drawn.astype(np.float64)))


def test_no_rows_have_no_correlation() -> None:
    assert math.isnan(weighted_correlation(np.arange(3.0), np.arange(3.0), np.zeros(3)))


def test_differences_too_small_to_square_are_no_spread() -> None:
    assert math.isnan(weighted_correlation(np.array([0, 1e-200, 0]), np.arange(3.0), np.ones(3)))
