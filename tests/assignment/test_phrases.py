"""The sentences: what they claim, and what they must not."""

from __future__ import annotations

import math

import pytest

from ribocyte.assignment.phrases import (
    describe_effect,
    join_words,
    write_count,
    write_device,
    write_number,
    write_range,
    write_score,
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
