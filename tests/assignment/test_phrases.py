"""The sentences: what they claim, and what they must not."""

from __future__ import annotations

import math

import pytest

from ribocyte.assignment.phrases import (
    count_things,
    describe_effect,
    join_words,
    write_count,
    write_device,
    write_end,
    write_number,
    write_range,
    write_ratio,
    write_score,
    write_seconds,
    write_short,
)
from ribocyte.learn.evaluation import Difference


def test_a_difference_is_claimed_only_where_the_interval_leaves_zero_out() -> None:
    better = Difference(0.75, 0.792, 0.042, 0.01, 0.074, "better")
    worse = Difference(0.792, 0.75, -0.042, -0.074, -0.01, "worse")
    none = Difference(0.75, 0.76, 0.01, -0.02, 0.04, "no difference")
    assert describe_effect("pooling", better) == (
        "pooling raises it from 75.0 to 79.2 % (+4.2 points, 95 % interval +1.0 to +7.4)"
    )
    assert describe_effect("a softmax", worse) == (
        "a softmax lowers it from 79.2 to 75.0 % (−4.2 points, 95 % interval −7.4 to −1.0)"
    )
    said = describe_effect("pooling", none)
    assert "no difference that this test can tell" in said
    assert "raises" not in said
    assert "lowers" not in said


def test_a_correlation_is_written_as_it_is() -> None:
    difference = Difference(0.774, 0.802, 0.028, 0.02, 0.036, "better")
    said = describe_effect("b", difference, percent=False)
    assert said == "b raises it from 0.774 to 0.802 (+0.028, 95 % interval +0.020 to +0.036)"


def test_what_is_undefined_is_not_judged() -> None:
    undefined = Difference(math.nan, 0.5, math.nan, math.nan, math.nan, "no difference")
    assert "cannot be judged" in describe_effect("b", undefined)
    assert write_score({"value": None, "low": None, "high": None}) == ("—", "—")


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "0"),
        (999, "999"),
        (34_244, "34.2 k"),
        (390_408, "390 k"),
        (25_786_824, "25.8 M"),
        (2.5e9, "2.5 G"),
        (999.6, "1 k"),
        (999_950, "1 M"),
        (999_400, "999 k"),
        (9.9996e11, "1,000 G"),
    ],
)
def test_counts_are_short(count: float, written: str) -> None:
    assert write_count(count) == written


def test_words_and_intervals_are_joined_as_they_are_said() -> None:
    assert join_words(["a"], "or") == "a"
    assert join_words(["a", "b", "c"], "or") == "a, b or c"
    assert write_range(-0.25, 0.5, 2, "+") == "−0.25 to +0.50"
    assert write_score({"value": 0.5, "low": 0.25, "high": 0.75}, 1, 100) == ("50.0", "25.0 to 75.0")
    assert write_number(math.nan, 2) == "undefined"
    assert write_device({"device": "cpu", "threads": 2, "precision": "32"}) == "cpu, 2 threads, float32"
    assert write_device({"device": "cuda:0", "threads": 1, "precision": "bf16"}) == "cuda:0, 1 thread, bf16"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (0.0041, "0.0041"),
        (-0.25, "−0.25"),
        (1.3, "1.3"),
        (0.999, "1.0"),
        (9.96, "10"),
        (1321.0, "1,300"),
        (3.24e-6, "3.2 × 10⁻⁶"),
        (9.99e-5, "1.0 × 10⁻⁴"),
        (math.nan, "undefined"),
    ],
)
def test_any_number_is_written_in_a_few_digits(value: float, written: str) -> None:
    assert write_short(value) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.42, "0.42 s"),
        (100, "100 s"),
        (125, "2.08 min"),
        (3600, "60 min"),
        (7560, "2.1 h"),
        (4e6, "1,111 h"),
    ],
)
def test_durations_are_in_the_unit_that_suits_them(seconds: float, written: str) -> None:
    assert write_seconds(seconds) == written


def test_ratios_are_as_fine_as_they_need_be() -> None:
    assert write_ratio(2, 21) == "10"
    assert write_ratio(390_408, 25_786_824) == "66"
    assert write_ratio(1, 1234) == "1,230"


def test_a_difference_that_rounds_away_is_written_finer() -> None:
    difference = Difference(0.6121, 0.6124, 0.0003, 0.00012, 0.0005, "better")
    said = describe_effect("b", difference, percent=False)
    assert said == "b raises it from 0.612 to 0.612 (+0.0003, 95 % interval +0.0001 to +0.0005)"


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0 epochs"), (1, "1 epoch"), ("1", "1 epoch"), (200, "200 epochs"), ("1 to 3", "1 to 3 epochs")],
)
def test_one_is_not_several(number: int | str, written: str) -> None:
    assert count_things(number, "epoch") == written


@pytest.mark.parametrize(
    ("ratio", "epochs", "lowest", "written"),
    [
        (1.0, 4, 4, "still falling"),
        (1.0, 1, 1, "the only one"),
        (1.0, 4, 2, "ends as low"),
        (1.0003, 4, 2, "ends less than 0.1 % higher"),
        (1.004, 4, 2, "ends 0.4 % higher"),
        (1.04, 4, 2, "ends 4 % higher"),
        (1.8, 4, 2, "ends 1.8 times as high"),
    ],
)
def test_the_end_of_a_loss_is_said_exactly(ratio: float, epochs: int, lowest: int, written: str) -> None:
    assert write_end(ratio, epochs, lowest) == written
