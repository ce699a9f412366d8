"""Ratios, their interval, the least time and growth, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ribocyte.bench.ratios import Demand, compare_sides, fit_growth, least_seconds, plain

LIMITS = {"multiply_adds_32": 1e9, "multiply_adds_bf16": 4e9, "bytes": 1e9}


def test_a_ratio_is_the_median_over_neighbours() -> None:
    ratio = compare_sides([1.0, 2.0, 4.0, 1.0, 1.0], [3.0, 8.0, 8.0, 3.0, 3.0])
    assert ratio.each == (3.0, 4.0, 2.0, 3.0, 3.0)
    assert ratio.median == 3.0
    assert 2.0 <= ratio.low <= 3.0 <= ratio.high <= 4.0


def test_what_disturbs_both_neighbours_leaves_the_ratio_alone() -> None:
    ours, slowed = np.array([1.0, 1.1, 0.9, 1.0, 1.0]), np.array([1.0, 3.0, 1.0, 1.0, 2.0])
    ratio = compare_sides(list(ours * slowed), list(5 * ours * slowed))
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((5.0, 5.0, 5.0))


def test_the_interval_is_that_of_all_resamples() -> None:
    # The median of five draws from 1, 1, 1, 1, 2 is 2 where three or more of them are, which has the chance .058.
    ratio = compare_sides([1.0] * 5, [1.0, 1.0, 2.0, 1.0, 1.0])
    assert (ratio.low, ratio.median, ratio.high) == (1.0, 1.0, 2.0)
    # One 1 among six 2: the median of seven draws is 1 with the chance .01.
    ratio = compare_sides([1.0] * 7, [1.0, *[2.0] * 6])
    assert (ratio.low, ratio.median, ratio.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_repetitions_have_no_interval(count: int) -> None:
    ratio = compare_sides([1.0] * count, [3.0] * count)
    assert ratio.median == 3.0
    assert math.isnan(ratio.low)
    assert math.isnan(ratio.high)


def test_a_straight_line_that_begins_at_its_smallest_size_is_straight() -> None:
    sizes = [30, 100, 1000, 10_000]
    growth = fit_growth(sizes, [5 + 2 * size for size in sizes], constant=65, smallest=30)
    assert growth.slope == pytest.approx(1)


def test_either_precision_means_the_faster_one() -> None:
    demand = Demand(1e9, 0, "any")
    assert least_seconds(demand, {"multiply_adds_32": 1e9, "multiply_adds_bf16": 4e9, "bytes": 1}) == 0.25
    assert least_seconds(demand, {"multiply_adds_32": 2e9, "multiply_adds_bf16": 1e9, "bytes": 1}) == 0.5


def test_json_has_null_for_what_is_no_number() -> None:
    assert plain({"a": [math.nan, 1.0, (math.inf, "x")]}) == {"a": [None, 1.0, [None, "x"]]}


@pytest.mark.parametrize(
    ("demand", "seconds"),
    [
        (Demand(2e9, 1e9, "32"), 2.0),  # computing takes longer
        (Demand(2e9, 1e9, "bf16"), 1.0),  # in bf16 the bytes do
        (Demand(0, 5e8), 0.5),
    ],
)
def test_the_least_time_is_the_longer_of_products_and_bytes(demand: Demand, seconds: float) -> None:
    assert least_seconds(demand, LIMITS) == seconds


def test_a_known_power_law_is_found() -> None:
    sizes = [1e4, 1e5, 1e6]
    growth = fit_growth(sizes, [2.0 + 1e-4 * size**1.5 for size in sizes], 2.0)
    assert growth.slope == pytest.approx(1.5)
    assert growth.knee == pytest.approx((2.0 / 1e-4) ** (1 / 1.5))
    assert growth.constant == 2.0


def test_what_does_not_grow_has_no_slope() -> None:
    growth = fit_growth([1, 10, 100], [300.0, 310.0, 305.0], 300.0)
    assert growth.constant == 300.0
    assert math.isnan(growth.slope)
    assert math.isnan(growth.knee)


def test_without_a_fixed_cost_the_slope_is_of_the_cost_itself() -> None:
    growth = fit_growth([1, 2, 4], [8.0, 4.0, 2.0], 0.0)
    assert growth.slope == pytest.approx(-1.0)
    assert math.isnan(growth.knee)
