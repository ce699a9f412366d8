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
    list_untold,
    tell,
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
    little = -SPEARMAN.matters <= low < high <= SPEARMAN.matters
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


@pytest.mark.parametrize(("low", "high", "seeds"), [(0.0, 0.0, 3), (-0.003, 0.004, 1), (0.001, 0.004, 1)])
def test_equality_is_not_claimed_from_one_seed_or_an_interval_without_width(
    low: float, high: float, seeds: int
) -> None:
    found = claim(SAME, low, high, seeds)
    assert not found.negligible
    assert found.agreement == "cannot be told"
    assert "too little to matter" not in found.sentence() + found.brief()
    assert found.lesson == "no difference"


def test_two_constant_answers_are_not_compared() -> None:
    both = Claim(SAME, difference(-0.02, -0.01), ACCURACY, 3, constant=True)
    assert (both.agreement, both.verdict, both.told) == ("cannot be told", "no difference", False)
    assert both.sentence() == (
        "Pooling cannot be judged by test accuracy, since both networks answer always, or nearly always, the same; "
        "whether we expected rightly cannot be told."
    )


def test_a_difference_that_rounds_away_is_not_written_as_zero() -> None:
    tiny = Claim(UP, Difference(0.6121, 0.6124, 0.0003, 0.0001, 0.0095, "better"), SPEARMAN, 3)
    assert "raises test Spearman by less than 0.001 (" in tiny.brief()
    assert "(+0.0003, 95 % interval +0.0001 to +0.0095)" in tiny.sentence()


def test_what_cannot_be_told_is_named_in_one_sentence() -> None:
    heads = Expectation("taking 8 heads", "no difference", "nothing changes")
    softmax = Expectation("a softmax", "worse", "it hurts")
    untold = [
        Claim(UP, difference(-0.2, 0.3), ACCURACY),
        Claim(heads, difference(-0.2, 0.3), SPEARMAN),
        Claim(softmax, difference(-0.2, 0.3), ACCURACY),
    ]
    clear = claim(UP, 0.01, 0.05)
    assert tell([*untold, clear]) == [clear.brief()]
    assert list_untold([*untold, clear]) == (
        "Whether test accuracy changes with pooling or a softmax or test Spearman with taking 8 heads cannot be told."
    )
    assert list_untold([clear]) == ""
