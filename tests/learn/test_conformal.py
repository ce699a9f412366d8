"""Conformal intervals: they hold what they promise on noise of every kind, and say so where they cannot."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from torch import Tensor

from ribocyte.errors import RequestError
from ribocyte.learn.conformal import LEVELS, Intervals, coverage, quantiles

SCORES = st.lists(st.floats(0, 1e6, width=32), max_size=120)


def noisy(rows: int, seed: int, outputs: int = 1) -> tuple[Tensor, Tensor]:
    """Draw predictions from 0 to 4, and truths whose noise grows with them from 0.2 to 2.2."""
    generator = torch.Generator().manual_seed(seed)
    said = 4 * torch.rand(rows, outputs, generator=generator)
    return said, said + (0.2 + said / 2) * torch.randn(rows, outputs, generator=generator)


def share_held(intervals: Intervals, said: Tensor, truth: Tensor, level: float) -> Tensor:
    return ((truth - said).abs() <= intervals.half_widths(said, level)).float()


# The quantile


@given(SCORES, st.sampled_from(LEVELS))
def test_the_quantile_is_the_least_that_holds_enough(scores: list[float], thousandths: int) -> None:
    needed = Fraction(thousandths, 1000) * (len(scores) + 1)
    enough = [q for q in scores if sum(score <= q for score in scores) >= needed]
    found = quantiles(np.array(scores, dtype=np.float64))[LEVELS.index(thousandths)]
    assert found == min(enough, default=math.inf)


@pytest.mark.parametrize(("level", "fewest"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_too_few_rows_for_a_level_have_no_ends(level: float, fewest: int) -> None:
    for rows in (fewest - 1, fewest):
        said, truth = noisy(rows, seed=1)
        half = Intervals.fit(said, truth).half_widths(torch.zeros(1, 1), level)
        assert bool(half.isfinite()) == (rows == fewest)


# The promise


@pytest.mark.parametrize(("rows", "repetitions"), [(30, 800), (250, 400)])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_as_many_new_truths_are_held_as_promised(rows: int, repetitions: int, level: float) -> None:
    shares = []
    for seed in range(repetitions):
        said, truth = noisy(rows + 50, seed)
        intervals = Intervals.fit(said[:rows], truth[:rows])
        shares.append(float(share_held(intervals, said[rows:], truth[rows:], level).mean()))
    used = rows if rows < 200 else rows - rows // 2
    error = 4 * float(np.std(shares)) / math.sqrt(repetitions)
    assert level - error <= np.mean(shares) <= level + 1 / (used + 1) + error


def test_intervals_are_wide_where_the_noise_is() -> None:
    said, truth = noisy(4000, seed=0)
    intervals = Intervals.fit(said, truth)
    said, truth = noisy(40_000, seed=1)
    held = share_held(intervals, said, truth, 0.9)[:, 0]
    flat = (truth - said).abs() <= (truth - said).abs().quantile(0.9)
    fifths = said[:, 0].argsort().chunk(5)
    assert all(abs(float(held[fifth].mean()) - 0.9) < 0.04 for fifth in fifths)
    assert float(flat[fifths[4], 0].float().mean()) < 0.8 < 0.98 < float(flat[fifths[0], 0].float().mean())
    low, high = intervals.half_widths(torch.tensor([[0.2], [3.8]]), 0.9)[:, 0].tolist()
    assert (low, high) == (pytest.approx(1.645 * 0.3, rel=0.2), pytest.approx(1.645 * 2.1, rel=0.2))


def test_higher_levels_are_wider() -> None:
    intervals = Intervals.fit(*noisy(500, seed=0))
    widths = [float(intervals.half_widths(torch.ones(1, 1), level)) for level in (0.5, 0.68, 0.9, 0.95, 0.99)]
    assert widths == sorted(set(widths))


def test_a_level_between_two_that_are_kept_is_the_higher() -> None:
    intervals, said = Intervals.fit(*noisy(5000, seed=0)), torch.ones(1, 1)
    assert intervals.half_widths(said, 0.9002) == intervals.half_widths(said, 0.901)
    assert intervals.half_widths(said, 0.1 + 0.8) == intervals.half_widths(said, 0.9)
    assert intervals.half_widths(said, 0.9) < intervals.half_widths(said, 0.901)


# What data can be


def test_what_was_not_measured_counts_for_nothing() -> None:
    said, truth = noisy(600, seed=3, outputs=2)
    truth[::3, 0] = math.nan
    both = Intervals.fit(said, truth)
    here = ~truth[:, 0].isnan()
    for column, (rows, outputs) in enumerate([(here, [0]), (slice(None), [1])]):
        alone = Intervals.fit(said[rows][:, outputs], truth[rows][:, outputs])
        torch.testing.assert_close(
            both.half_widths(said, 0.9)[:, column], alone.half_widths(said[:, outputs], 0.9)[:, 0]
        )
    assert both.rows.tolist() == [200, 300]


def test_outputs_with_many_few_and_no_rows_go_together() -> None:
    said, truth = noisy(3000, seed=4, outputs=3)
    truth[20:, 1], truth[:, 2] = math.nan, math.nan
    half = Intervals.fit(said, truth).half_widths(said, 0.9)
    assert half.shape == (3000, 3)
    assert half[:, :2].isfinite().all()
    assert half[:, 2].isinf().all()
    assert len(half[:, 1].unique()) == 1  # with few rows all residuals count alike


def test_a_network_that_says_one_thing_only_has_one_width() -> None:
    truth = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0))
    said = torch.zeros(1000, 1)
    half = Intervals.fit(said, truth).half_widths(torch.linspace(-3, 3, 7)[:, None], 0.9)
    assert len(half.unique()) == 1
    assert float(half[0]) == pytest.approx(1.645, rel=0.15)


def test_a_network_that_is_right_everywhere_has_intervals_without_width() -> None:
    said, _ = noisy(1000, seed=0)
    intervals = Intervals.fit(said, said)
    assert (intervals.half_widths(said, 0.99) == 0).all()
    assert share_held(intervals, said, said, 0.99).all()


def test_no_rows_are_no_error() -> None:
    intervals = Intervals.fit(*noisy(300, seed=0))
    assert intervals.half_widths(torch.empty(0, 1), 0.9).shape == (0, 1)
    assert (
        Intervals.fit(torch.empty(0, 2), torch.empty(0, 2)).half_widths(torch.zeros(3, 2), 0.5).isinf().all()
    )


# How it is measured


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (9, 10), (10, 10), (893, 1000)])
def test_one_experiment_has_the_interval_of_clopper_and_pearson(hits: int, rows: int) -> None:
    held = torch.arange(rows)[:, None] < hits
    found, exact = coverage(held, torch.ones_like(held)), binomtest(hits, rows).proportion_ci()
    assert (found.value, found.low, found.high) == pytest.approx((hits / rows, exact.low, exact.high))


def test_many_experiments_are_no_more_rows() -> None:
    held = (torch.arange(1000) < 900)[:, None].expand(1000, 5)
    measured = torch.ones(1000, 5, dtype=torch.bool)
    assert coverage(held, measured) == coverage(held[:, :1], measured[:, :1])


def test_only_what_was_measured_is_counted() -> None:
    held = torch.tensor([[True, False], [False, True], [False, False]])
    measured = torch.tensor([[True, False], [True, True], [False, False]])
    found, exact = coverage(held, measured), binomtest(1, 2)
    assert found.value == pytest.approx(2 / 3)
    assert found.low > exact.proportion_ci().low
    assert math.isnan(coverage(held, torch.zeros_like(held)).value)


# What is refused


@pytest.mark.parametrize("level", [0.0, 0.49, 0.991, 1.0, 9.0, -0.9, math.nan, math.inf])
def test_a_level_out_of_range_is_refused(level: float) -> None:
    intervals = Intervals.fit(*noisy(30, seed=0))
    with pytest.raises(RequestError, match=r"expected a level from 0\.5 to 0\.99"):
        intervals.half_widths(torch.zeros(1, 1), level)


def test_tables_that_do_not_fit_are_refused() -> None:
    made = Intervals.fit(*noisy(300, seed=0))
    for centres, rows in ((made.centres[:, :0], made.rows), (made.centres, made.rows[:0])):
        with pytest.raises(ValueError, match="do not fit each other"):
            Intervals(centres, made.sizes, made.quantiles, rows)
    with pytest.raises(ValueError, match="do not fit each other"):
        Intervals(made.centres, made.sizes, made.quantiles[:, :-1], made.rows)
