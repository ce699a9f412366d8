"""Claims: their words follow from the interval, whatever the numbers are."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribocyte.assignment.questions.claims import (
    ACCURACY,
    SPEARMAN,
    Claim,
    Expectation,
    Outcome,
    count_agreements,
    describe_seeds,
)
from ribocyte.learn.evaluation import Difference

UP = Expectation("pooling", "better", "it helps")
DOWN = Expectation("pooling", "worse", "it hurts")
SAME = Expectation("pooling", "no difference", "nothing changes")


def difference(low: float, high: float, first: float = 0.6) -> Difference:
    gain = (low + high) / 2
    return Difference(first, first + gain, gain, low, high, "whatever was said")


def claim(expectation: Expectation, low: float, high: float, seeds: int = 3) -> Claim:
    return Claim(expectation, difference(low, high), SPEARMAN, seeds)


bounds = st.floats(-0.3, 0.3).map(lambda value: round(value, 4))


@given(
    st.tuples(bounds, bounds).map(sorted),
    st.sampled_from([UP, DOWN, SAME]),
    st.sampled_from([ACCURACY, SPEARMAN]),
)
def test_the_words_are_the_intervals(ends: list[float], expectation: Expectation, measure: object) -> None:
    low, high = ends
    said = Claim(expectation, difference(low, high), measure, 3).sentence()  # type: ignore[arg-type]
    assert ("raises" in said) == (low > 0)
    assert ("lowers" in said) == (high < 0)
    assert not re.search(r"\b(better|worse|best|helps|hurts)\b", said)


@given(st.tuples(bounds, bounds).map(sorted), st.sampled_from([UP, DOWN, SAME]))
def test_agreement_is_what_the_interval_allows(ends: list[float], expectation: Expectation) -> None:
    low, high = ends
    found = claim(expectation, low, high).agreement
    little = -SPEARMAN.matters <= low and high <= SPEARMAN.matters
    side: dict[Outcome, bool] = {"better": low > 0, "worse": high < 0, "no difference": little}
    if side[expectation.outcome]:
        assert found == "as expected"
    elif any(side.values()):
        assert found == "not as expected"
    else:
        assert found == "cannot be told"


@given(st.tuples(bounds, bounds).map(sorted))
def test_a_clear_end_is_never_written_as_zero(ends: list[float]) -> None:
    low, high = ends
    said = claim(UP, low, high).sentence()
    written = re.search(r"interval ([+−][\d.]+) to ([+−][\d.]+)", said)
    assert written is not None
    for end, text in zip((low, high), written.groups(), strict=True):
        assert (float(text.replace("−", "-")) == 0) == (end == 0)


@pytest.mark.parametrize(
    ("expectation", "low", "high", "agreement"),
    [
        (UP, 0.01, 0.05, "as expected"),
        (UP, -0.05, -0.01, "not as expected"),
        (UP, -0.02, 0.03, "cannot be told"),
        (UP, -0.003, 0.004, "not as expected"),  # as little as this would not be an improvement
        (SAME, -0.003, 0.004, "as expected"),
        (SAME, 0.001, 0.004, "as expected"),
        (SAME, -0.02, 0.03, "cannot be told"),
        (SAME, 0.01, 0.03, "not as expected"),
    ],
)
def test_agreement(expectation: Expectation, low: float, high: float, agreement: str) -> None:
    assert claim(expectation, low, high).agreement == agreement


def test_a_sentence_says_numbers_interval_and_agreement() -> None:
    found = Claim(UP, Difference(0.75, 0.792, 0.042, 0.01, 0.074, "better"), ACCURACY)
    assert found.sentence() == (
        "Pooling raises test accuracy from 75.0 to 79.2 % (+4.2 points, 95 % interval +1.0 to +7.4), as we "
        "expected."
    )
    assert UP.sentence(ACCURACY) == "We expected pooling to raise test accuracy, because it helps."
    tied = claim(UP, -0.02, 0.03).sentence()
    assert "no difference that these data can tell; whether we expected rightly cannot be told" in tied
    assert "too little to matter (we would act on 0.005)" in claim(SAME, 0.001, 0.004).sentence()


@pytest.mark.parametrize("expectation", [UP, DOWN, SAME])
def test_what_is_undefined_is_not_judged(expectation: Expectation) -> None:
    undefined = Claim(
        expectation, Difference(math.nan, 0.5, math.nan, math.nan, math.nan, "no difference"), SPEARMAN
    )
    assert undefined.agreement == "cannot be told"
    said = undefined.sentence()
    assert "pooling cannot be judged" in said.casefold()
    assert "nan" not in said


def test_agreements_are_counted() -> None:
    claims = [
        claim(UP, 0.01, 0.05),
        claim(UP, -0.05, -0.01),
        claim(UP, -0.02, 0.03),
        claim(DOWN, -0.05, -0.01),
    ]
    assert count_agreements(claims) == "Of 4 expectations 2 were met, one was not and one cannot be told."
    assert count_agreements(claims[:1]) == "Our one expectation was met."
    assert count_agreements(claims[1:2]) == "Our one expectation was not met."
    assert count_agreements(claims[2:3]) == "Whether our one expectation was met cannot be told."


def test_one_seed_is_said() -> None:
    assert "trained once" in describe_seeds([claim(UP, 0, 1, seeds=3), claim(UP, 0, 1, seeds=1)], "probes")
    assert "3 seeds" in describe_seeds([claim(UP, 0, 1, seeds=3), claim(UP, 0, 1, seeds=5)], "probes")
