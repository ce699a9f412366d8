"""Intervals that cover, comparisons that are fair, tables that come back."""

from __future__ import annotations

import io
import json
import math
import warnings

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import confusion_matrix
from torch import Tensor

import toys
from ribocyte.errors import RunError
from ribocyte.learn import evaluation
from ribocyte.learn.objectives import Classification, Objective, Regression
from ribocyte.learn.splits import Split

ROWS = 10
small = st.integers(-2, 2).map(float)
counts = arrays.arrays(np.int64, ROWS, elements=st.integers(0, 3))


def same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, nan_ok=True), name


# Resampling


@given(
    arrays.arrays(np.float32, (ROWS, 2), elements=small),
    arrays.arrays(np.float32, (ROWS, 2), elements=small | st.just(math.nan)),
    counts,
)
def test_a_resample_is_judged_as_the_rows_written_out(
    outputs: np.ndarray, targets: np.ndarray, drawn: np.ndarray
) -> None:
    objective = Regression()
    found = objective.resampler(outputs, targets)(drawn)
    same(found, objective.metrics(np.repeat(outputs, drawn, 0), np.repeat(targets, drawn, 0)))


@given(
    st.integers(0, 10_000),
    arrays.arrays(np.int64, ROWS, elements=st.integers(0, 2)),
    counts,
)
@settings(max_examples=50)
def test_a_resample_of_classes_is_judged_as_the_rows_written_out(
    seed: int, targets: np.ndarray, drawn: np.ndarray
) -> None:
    assume(drawn.sum() > 0)
    outputs = np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)
    outputs = outputs[np.arange(ROWS) % 4]  # the same outputs again and again: ties
    objective = Classification()
    found = objective.resampler(outputs, targets)(drawn)
    same(found, objective.metrics(np.repeat(outputs, drawn, 0), np.repeat(targets, drawn)))


@pytest.mark.parametrize("objective", [Regression(), Classification()])
def test_every_row_once_is_the_metric_itself(objective: Objective) -> None:
    outputs = np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)
    regression = isinstance(objective, Regression)
    targets = outputs + np.float32(0.5) * outputs[::-1] if regression else np.arange(60) % 3
    same(
        objective.resampler(outputs, targets)(np.ones(60, dtype=np.int64)),
        objective.metrics(outputs, targets),
    )


# Intervals


def noisy(rows: int, noise: float, seed: int) -> tuple[Tensor, Split]:
    random = np.random.default_rng(seed)
    truth = random.normal(size=(rows, 1))
    outputs = truth + noise * random.normal(size=(rows, 1))
    targets = torch.from_numpy(truth.astype(np.float32))
    return torch.from_numpy(outputs.astype(np.float32)), toys.split(toys.numbers(rows), targets)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    true_r, true_mse = 1 / math.sqrt(1.25), 0.25  # of y = x + 0.5 noise
    covered = {"pearson": 0, "mse": 0}
    experiments = 100
    for seed in range(experiments):
        scores = evaluation.evaluate(Regression(), *noisy(300, 0.5, seed), resamples=200)
        covered["pearson"] += scores["pearson"].low <= true_r <= scores["pearson"].high
        covered["mse"] += scores["mse"].low <= true_mse <= scores["mse"].high
    for hits in covered.values():
        assert 88 <= hits <= 99  # 95 expected, with a standard deviation of 2.2


def test_an_accuracy_has_the_interval_of_a_binomial() -> None:
    rows, right = 400, 320
    targets = torch.zeros(rows, dtype=torch.int64)
    outputs = torch.zeros(rows, 2)
    outputs[:right, 0] = outputs[right:, 1] = 1.0
    score = evaluation.evaluate(Classification(), outputs, toys.split(toys.numbers(rows), targets))[
        "accuracy"
    ]
    half = 1.96 * math.sqrt(0.8 * 0.2 / rows)
    assert score.value == pytest.approx(0.8)
    assert score.low == pytest.approx(0.8 - half, abs=0.01)
    assert score.high == pytest.approx(0.8 + half, abs=0.01)


def test_more_rows_narrow_an_interval() -> None:
    few, many = (
        evaluation.evaluate(Regression(), *noisy(rows, 0.5, 0), 300)["spearman"] for rows in (50, 5000)
    )
    assert 5 < (few.high - few.low) / (many.high - many.low) < 20  # about the square root of 100


def test_scores_can_be_had_again() -> None:
    outputs, split = noisy(50, 0.5, 0)
    first = evaluation.evaluate(Regression(), outputs, split, resamples=50)
    assert first == evaluation.evaluate(Regression(), outputs, split, resamples=50)
    assert first != evaluation.evaluate(Regression(), outputs, split, resamples=50, seed=1)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1234.5678])
def test_an_undefined_score_has_an_undefined_interval_and_is_null(constant: float) -> None:
    _, split = noisy(30, 0.5, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = evaluation.evaluate(Regression(), torch.full((30, 1), constant), split, resamples=50)
    told = json.loads(json.dumps(evaluation.as_json(scores), allow_nan=False))
    assert told["spearman"] == told["pearson"] == {"value": None, "low": None, "high": None}
    assert told["mse"]["low"] < told["mse"]["value"] < told["mse"]["high"]


def judged(values: np.ndarray, name: str = "spearman") -> evaluation.Judged:
    return evaluation.Judged({name: float(np.nanmean(values))}, pl.DataFrame({name: values}))


@pytest.mark.parametrize(("undefined", "known"), [(99, True), (100, True), (101, False), (1000, False)])
def test_an_interval_needs_nine_resamples_of_ten(undefined: int, known: bool) -> None:
    values = np.random.default_rng(0).uniform(0.2, 0.4, 1000)
    values[:undefined] = math.nan
    values[0] = values[0] if undefined < 1000 else math.nan
    wanted = evaluation.Judged({"spearman": 0.3}, pl.DataFrame({"spearman": values}))
    found = evaluation.score(wanted)["spearman"]
    assert found.value == 0.3
    assert math.isnan(found.low) == math.isnan(found.high) == (not known)
    other = evaluation.Judged({"spearman": 0.9}, pl.DataFrame({"spearman": values + 0.6}))
    difference = evaluation.differ(wanted, other)["spearman"]
    zero = np.ones(1000)
    assert evaluation.differ(judged(zero), other)["spearman"].verdict == (
        "worse" if known else "no difference"
    )
    assert math.isnan(difference.low) == (not known)


@pytest.mark.parametrize(
    ("metric", "least", "most"),
    [
        ("spearman", -1, 1),
        ("pearson", -1, 1),
        ("accuracy", 0, 1),
        ("macro_auc", 0, 1),
        ("mse", 0, 4),
        ("m", -2, 4),
    ],
)
def test_an_interval_ends_where_the_metric_does_and_a_difference_does_not(
    metric: str, least: float, most: float
) -> None:
    wide = judged(np.linspace(-2, 4, 1000), metric)
    found = evaluation.score(wide)[metric]
    assert (found.low, found.high) == pytest.approx((least, most), abs=0.16)
    if metric != "m":
        assert found.low == least
    difference = evaluation.differ(judged(np.zeros(1000), metric), wide)[metric]
    assert difference.high - difference.low == pytest.approx(5.7, abs=0.01)


# Comparisons


def pair(noise: tuple[float, float]) -> tuple[tuple[Tensor, Tensor], Tensor]:
    one, split = noisy(300, noise[0], 1)
    random = torch.Generator().manual_seed(2)
    other = split.targets + noise[1] * torch.randn(split.targets.shape, generator=random)
    return (one, other), split.targets


def compare(outputs: tuple[Tensor, Tensor], targets: Tensor) -> dict[str, evaluation.Difference]:
    return evaluation.compare((Regression(), Regression()), outputs, targets, resamples=200)


def test_a_model_is_no_better_than_itself() -> None:
    (one, _), targets = pair((0.5, 0.5))
    for difference in compare((one, one.clone()), targets).values():
        assert (difference.gain, difference.low, difference.high) == (0, 0, 0)
        assert difference.first == difference.second
        assert difference.verdict == "no difference"


def test_a_gain_is_positive_where_the_second_is_better_errors_included() -> None:
    outputs, targets = pair((0.9, 0.3))
    found = compare(outputs, targets)
    for name, difference in found.items():
        assert difference.verdict == "better", name
        assert 0 < difference.low < difference.gain < difference.high
    assert found["mse"].second < found["mse"].first
    assert found["mse"].gain == pytest.approx(found["mse"].first - found["mse"].second)
    assert found["spearman"].gain == pytest.approx(found["spearman"].second - found["spearman"].first)


def test_turning_a_comparison_around_turns_its_signs() -> None:
    outputs, targets = pair((0.9, 0.3))
    ahead, back = compare(outputs, targets), compare(outputs[::-1], targets)
    for name, difference in ahead.items():
        assert back[name].gain == pytest.approx(-difference.gain)
        assert (back[name].low, back[name].high) == pytest.approx((-difference.high, -difference.low))
        assert back[name].verdict == "worse"


def test_pairing_sees_what_two_intervals_side_by_side_hide() -> None:
    (one, _), targets = pair((0.5, 0.5))
    slightly = targets + 0.9 * (one - targets)  # every error a tenth smaller
    split = toys.split(toys.numbers(len(targets)), targets)
    first, second = (
        evaluation.evaluate(Regression(), outputs, split, 200)["spearman"] for outputs in (one, slightly)
    )
    assert first.high > second.low
    assert compare((one, slightly), targets)["spearman"].verdict == "better"


def test_probabilities_and_logits_are_compared_each_in_its_own_terms() -> None:
    logits = torch.randn(90, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(90) % 3
    objectives = Classification(), Classification(probabilities=True)
    found = evaluation.compare(objectives, (logits.double(), logits.double().softmax(1)), targets, 50)
    for difference in found.values():
        assert difference.gain == pytest.approx(0, abs=1e-12)


def test_models_judged_apart_are_compared_as_if_judged_together() -> None:
    (one, other), targets = pair((0.9, 0.8))
    random, rows = np.random.default_rng(0), len(targets)
    judges = [Regression().resampler(each.numpy(), targets.numpy()) for each in (one, other)]
    gains: dict[str, list[float]] = {"spearman": [], "pearson": [], "mse": []}
    for _ in range(200):
        drawn = np.bincount(random.integers(0, rows, rows), minlength=rows)  # one draw for both
        first, second = (judge(drawn) for judge in judges)
        for name, values in gains.items():
            values.append((first[name] - second[name]) if name == "mse" else (second[name] - first[name]))
    for name, difference in compare((one, other), targets).items():
        assert (difference.low, difference.high) == tuple(np.percentile(gains[name], [2.5, 97.5]))


def test_resamples_are_known_by_their_first_rows() -> None:
    (one, other), targets = pair((0.9, 0.8))
    kept = evaluation.draw_resamples(Regression(), one, targets)
    assert evaluation.are_resamples_of(kept, Regression(), one, targets)
    assert not evaluation.are_resamples_of(kept, Regression(), other, targets)
    assert not evaluation.are_resamples_of(kept.head(999), Regression(), one, targets)
    assert not evaluation.are_resamples_of(kept.drop("mse"), Regression(), one, targets)
    constant = torch.zeros_like(one)
    undefined = evaluation.draw_resamples(Regression(), constant, targets)
    assert evaluation.are_resamples_of(undefined, Regression(), constant, targets)


# Over seeds


def seeds(
    random: np.random.Generator, count: int, spread: float, rows: float = 0.0
) -> list[evaluation.Judged]:
    """Draw recipes of true score 0 whose seeds and whose test rows vary so much."""
    shared, resamples = rows * random.normal(), rows * random.normal(size=400)
    values = shared + spread * random.normal(size=count)
    return [evaluation.Judged({"m": value}, pl.DataFrame({"m": value + resamples})) for value in values]


def test_one_seed_is_given_back_as_it_is() -> None:
    (only,) = seeds(np.random.default_rng(0), 1, 1.0)
    assert evaluation.average_seeds([only], 0, np.random.default_rng(0)) is only


def test_seeds_that_agree_leave_the_interval_of_the_rows() -> None:
    (one,) = seeds(np.random.default_rng(0), 1, 0.0, rows=1.0)
    together = evaluation.average_seeds([one] * 4, 3, np.random.default_rng(0))
    assert together.values["m"] == pytest.approx(one.values["m"])
    np.testing.assert_allclose(together.resamples["m"], one.resamples["m"])


def test_many_seeds_have_the_interval_of_students_t() -> None:
    members = seeds(np.random.default_rng(1), 30, 1.0)
    values = np.array([member.values["m"] for member in members])
    found = evaluation.score(evaluation.average_seeds(members, 29, np.random.default_rng(0)))["m"]
    half = 2.045 * values.std(ddof=1) / math.sqrt(30)
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.12)


@pytest.mark.parametrize(("count", "rows"), [(2, 1.0), (3, 0.0), (3, 1.0), (5, 0.0)])
def test_intervals_over_few_seeds_cover_as_often_as_they_say(count: int, rows: float) -> None:
    random, covered = np.random.default_rng(7), 0
    for _ in range(200):
        sides = seeds(random, count, 1.0), seeds(random, count, 1.0, rows)
        first, second = (evaluation.average_seeds(side, 2 * count - 2, random) for side in sides)
        difference = evaluation.differ(first, second)["m"]
        covered += difference.low <= 0 <= difference.high
    assert 179 <= covered <= 200  # 190 expected, with a standard deviation of 3


def test_a_seed_without_a_score_leaves_the_mean_without_one() -> None:
    good, bad = (evaluation.Judged({"m": v}, pl.DataFrame({"m": [v] * 400})) for v in (0.5, math.nan))
    found = evaluation.score(evaluation.average_seeds([good, bad], 1, np.random.default_rng(0)))["m"]
    assert math.isnan(found.value)
    assert math.isnan(found.low)


# Tables


def table(outputs: Tensor, split: Split, names: tuple[str, ...]) -> pl.DataFrame:
    stream = io.BytesIO()
    evaluation.prediction_table(outputs, split, names).write_parquet(stream)
    stream.seek(0)
    return pl.read_parquet(stream)


def test_predictions_come_back_from_a_file_bit_for_bit() -> None:
    split = toys.regression(outputs=2).test
    split.targets[3, 1] = math.nan
    outputs = torch.randn(32, 2, generator=torch.Generator().manual_seed(0))
    stored = table(outputs, split, ("y0", "y1"))
    assert stored.columns == ["name", "measured/y0", "measured/y1", "predicted/y0", "predicted/y1"]
    assert stored["name"].to_list() == split.names.tolist()
    back, targets = evaluation.from_prediction_table(stored)
    assert torch.equal(back, outputs)
    torch.testing.assert_close(targets, split.targets, rtol=0, atol=0, equal_nan=True)


def test_classes_come_back_from_a_file() -> None:
    split = toys.classification().test
    outputs = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    stored = table(outputs, split, ("a", "b", "c"))
    assert stored.columns == ["name", "class", "predicted/a", "predicted/b", "predicted/c"]
    back, targets = evaluation.from_prediction_table(stored)
    assert torch.equal(back, outputs)
    assert torch.equal(targets, split.targets)


def test_only_the_same_rows_are_compared() -> None:
    split = toys.regression(outputs=2).test
    split.targets[3, 1] = math.nan  # a failed spot is the same in both
    outputs = torch.zeros(32, 2)
    names = ("left", "right")
    first = evaluation.prediction_table(outputs, split, ("y0", "y1"))
    evaluation.same_rows(first, evaluation.prediction_table(outputs + 1, split, ("y0", "y1")), names)
    others = {
        r"outputs differ \(.*measured/y2": evaluation.prediction_table(outputs, split, ("y0", "y2")),
        r"test rows differ \(32 and 31\)": evaluation.prediction_table(outputs[1:], split[1:], ("y0", "y1")),
        "other measurements": first.with_columns(pl.col("measured/y0") + 1),
    }
    for reason, other in others.items():
        with pytest.raises(RunError, match=f"left and right cannot be compared: .*{reason}"):
            evaluation.same_rows(first, other, names)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_confusion_is_scikit_learns(cells: list[tuple[int, int]]) -> None:
    targets, called = (torch.tensor(column) for column in zip(*cells, strict=True))
    outputs = torch.nn.functional.one_hot(called, 4).float()
    expected = confusion_matrix(targets.numpy(), called.numpy(), labels=range(4))
    np.testing.assert_array_equal(evaluation.confusion(outputs, targets), expected)
