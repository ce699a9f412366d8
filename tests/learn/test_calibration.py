"""Calibration: temperatures, calibration errors and conformal sets, against what is worked out another way."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ribocyte.errors import RequestError
from ribocyte.learn import calibration
from ribocyte.learn.calibration import ConformalSets, conformal_quantile, strangeness
from ribocyte.learn.plots import save_figure


def draw(rows: int, classes: int = 4, seed: int = 0, sharp: float = 2.0) -> tuple[Tensor, Tensor]:
    """Draw logits, and labels from exactly the probabilities that they mean."""
    generator = torch.Generator().manual_seed(seed)
    logits = sharp * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


@st.composite
def answers(draws: st.DrawFn) -> tuple[Tensor, Tensor]:
    rows, classes = draws(st.integers(1, 40)), draws(st.integers(2, 5))
    return draw(rows, classes, draws(st.integers(0, 1000)), draws(st.sampled_from([0.1, 1.0, 8.0])))


# Temperature


@pytest.mark.parametrize("off", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_what_made_logits_too_sure(off: float) -> None:
    logits, labels = draw(20_000)
    assert calibration.fit_temperature(logits * off, labels) == pytest.approx(off, rel=0.05)


def test_no_other_temperature_is_more_likely() -> None:
    logits, labels = draw(300, seed=1)
    found = calibration.fit_temperature(3 * logits, labels)

    def loss(temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(3 * logits / temperature, labels))

    assert loss(found) <= min(loss(t) for t in np.geomspace(0.1, 30, 400)) + 1e-7
    probabilities = (3 * logits / found).softmax(1)
    assert calibration.negative_log_likelihood(probabilities, labels) == pytest.approx(loss(found))


def test_where_nothing_is_wrong_the_temperature_still_is_a_number() -> None:
    labels = torch.arange(4).repeat(5)
    logits = torch.nn.functional.one_hot(labels, 4).double()
    assert calibration.COLDEST <= calibration.fit_temperature(logits, labels) < 0.1


@given(answers())
def test_probabilities_are_logits_once_their_logarithm_is_taken(drawn: tuple[Tensor, Tensor]) -> None:
    shares = drawn[0].softmax(1)
    torch.testing.assert_close(calibration.as_logits(shares, probabilities=True).softmax(1), shares)
    torch.testing.assert_close(calibration.as_logits(drawn[0], probabilities=False), drawn[0])


def test_a_probability_of_zero_has_a_finite_logit() -> None:
    assert calibration.as_logits(torch.tensor([[0.0, 1.0]]), probabilities=True).isfinite().all()


# Calibration error


def count_by_hand(probabilities: Tensor, labels: Tensor, bins: int) -> float:
    total = 0.0
    for number in range(bins):
        gap = 0.0
        for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
            sure = max(row)
            if number / bins < sure <= (number + 1) / bins:
                gap += (row.index(sure) == label) - sure
        total += abs(gap)
    return total / len(labels)


@given(answers(), st.integers(1, 20))
def test_the_error_is_the_gap_of_each_bin_averaged_over_the_rows(
    drawn: tuple[Tensor, Tensor], bins: int
) -> None:
    shares, labels = drawn[0].softmax(1), drawn[1]
    assert calibration.calibration_error(shares, labels, bins) == pytest.approx(
        count_by_hand(shares, labels, bins)
    )


@given(answers(), st.booleans())
def test_every_row_is_in_one_bin(drawn: tuple[Tensor, Tensor], equal_mass: bool) -> None:
    shares, labels = drawn[0].softmax(1), drawn[1]
    table = calibration.reliability(shares, labels, equal_mass=equal_mass)
    assert table["rows"].sum() == len(labels)
    assert table["confidence"].is_sorted()
    hits = (shares.argmax(1) == labels).sum()
    assert (table["accuracy"] * table["rows"]).sum() == pytest.approx(int(hits))
    if equal_mass:
        assert table["rows"].max() - table["rows"].min() <= 1  # type: ignore[operator]


def test_a_classifier_that_means_what_it_says_has_hardly_any_error() -> None:
    logits, labels = draw(40_000)
    for equal_mass in (False, True):
        honest = calibration.calibration_error(logits.softmax(1), labels, equal_mass=equal_mass)
        boastful = calibration.calibration_error((3 * logits).softmax(1), labels, equal_mass=equal_mass)
        assert honest < 0.01 < 0.1 < boastful


def test_the_interval_of_an_error_holds_it_and_repeats() -> None:
    logits, labels = draw(2000)
    boastful = (3 * logits).softmax(1)
    score = calibration.score_calibration(boastful, labels, resamples=200)
    again = calibration.score_calibration(boastful, labels, resamples=200)
    found = [(one.value, one.low, one.high) for one in (score, again)]
    np.testing.assert_allclose(
        *found, rtol=1e-12
    )  # the last digit of a sum depends on where it lies in memory
    assert score.low < score.value < score.high < score.low + 0.1


def test_nothing_has_no_error() -> None:
    assert math.isnan(calibration.calibration_error(torch.empty(0, 3), torch.empty(0, dtype=torch.int64)))


# Conformal sets


@pytest.mark.parametrize(
    ("scores", "level", "wanted"),
    [
        (range(1, 10), 0.9, 9),  # ceil(10 * 0.9) = 9
        (range(1, 10), 0.89, 9),
        (range(1, 10), 0.5, 5),
        (range(1, 10), 0.91, math.inf),
        (range(1, 100), 0.99, 99),
        ([], 0.5, math.inf),
    ],
)
def test_the_quantile_is_a_little_higher_than_the_empirical_one(
    scores: list[float], level: float, wanted: float
) -> None:
    assert conformal_quantile(np.array(scores, dtype=np.float64), level) == wanted


def test_strangeness_by_hand() -> None:
    shares = torch.tensor([[0.2, 0.5, 0.3]])
    torch.testing.assert_close(strangeness(shares).float(), torch.tensor([[0.8, 0.5, 0.7]]))
    torch.testing.assert_close(strangeness(shares, "aps").float(), torch.tensor([[1.0, 0.5, 0.8]]))
    torch.testing.assert_close(strangeness(shares, "raps").float(), torch.tensor([[1.01, 0.5, 0.8]]))
    half = strangeness(shares, "aps", torch.tensor([0.5])).float()
    torch.testing.assert_close(half, torch.tensor([[0.9, 0.25, 0.65]]))


@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
@pytest.mark.parametrize("by_class", [False, True])
def test_sets_hold_the_truth_as_often_as_asked(method: calibration.Method, by_class: bool) -> None:
    found = []
    for seed in range(30):
        logits, labels = draw(900, seed=seed)
        shares = (2 * logits).softmax(1)  # too sure of itself: conformal sets do not mind
        sets = ConformalSets.fit(shares[:400], labels[:400], method, by_class=by_class)
        inside = sets.sets(shares[400:], 0.9)
        found.append(float(inside.gather(1, labels[400:, None]).float().mean()))
    assert 0.89 < np.mean(found) < 0.93


def test_thresholds_by_class_keep_the_promise_for_a_class_that_is_hard() -> None:
    logits, labels = draw(20_000, seed=3)
    logits[:, 3] -= 1.5  # the network thinks little of the fourth class
    shares = logits.softmax(1)
    held = {}
    for by_class in (False, True):
        sets = ConformalSets.fit(shares[:10_000], labels[:10_000], by_class=by_class)
        inside = sets.sets(shares[10_000:], 0.9).gather(1, labels[10_000:, None])[:, 0]
        held[by_class] = float(inside[labels[10_000:] == 3].float().mean())
    assert held[False] < 0.85
    assert held[True] == pytest.approx(0.9, abs=0.02)


def test_rare_classes_share_a_threshold_and_unseen_ones_have_none() -> None:
    logits, labels = draw(1000, classes=3)
    shares, labels = torch.cat([logits, torch.randn(1000, 2)], dim=1).softmax(1), labels.clone()
    labels[:20] = 3  # too few for 95 %; of the fifth class there is none
    thresholds = ConformalSets.fit(shares, labels).thresholds(0.95)
    own = [conformal_quantile(1 - shares[labels == c, c].double().numpy(), 0.95) for c in range(3)]
    assert thresholds[:3].tolist() == own
    assert (
        thresholds[3]
        == thresholds[4]
        == conformal_quantile(1 - shares[labels == 3, 3].double().numpy(), 0.95)
    )
    assert ConformalSets.fit(shares[20:], labels[20:]).thresholds(0.95)[3:].isinf().all()


@given(answers(), st.floats(0.01, 0.98))
def test_a_higher_level_never_takes_a_class_out_of_a_shared_threshold(
    drawn: tuple[Tensor, Tensor], level: float
) -> None:
    shares, labels = drawn[0].softmax(1), drawn[1]
    sets = ConformalSets.fit(shares, labels, by_class=False)
    assert (sets.sets(shares, level) <= sets.sets(shares, level + 0.01)).all()


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, math.nan])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    logits, labels = draw(10)
    with pytest.raises(RequestError, match="level"):
        ConformalSets.fit(logits.softmax(1), labels).sets(logits.softmax(1), level)


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        ConformalSets(torch.zeros(3), torch.tensor([0, 1, 2]), classes=2)


def test_the_figure_of_reliability_is_drawn(tmp_path: Path) -> None:
    logits, labels = draw(500)
    both = {"before": ((3 * logits).softmax(1), labels), "after, $T$": (logits.softmax(1), labels)}
    for simulated in (False, True):
        save_figure(calibration.plot_reliability(both, simulated=simulated), tmp_path / f"{simulated}.svg")
    assert (tmp_path / "True.svg").stat().st_size > (tmp_path / "False.svg").stat().st_size > 5000
