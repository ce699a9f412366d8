"""Intervals beside predicted affinities: of the right window, on the right scale, and as good as they say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ribocyte.errors import RequestError
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.predictor import Predictor, read_model, take_trust
from ribocyte.learn.splits import Split
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.trust import RNATrust

NAMES = ("G", "C")
CARD: dict[str, Any] = {"data": {"outputs": list(NAMES)}}
PROBE = "GGACGUUACGUUCGACCAUUACGGCAUUCAUGGCAUUGACC"
LONG = "A" * 60 + "GGGGGAGGAG" + "A" * 70 + "CCUCCCCCAC" + "A" * 33
"""Its best window for G is not its best for C."""


class Count(nn.Module):
    """Affinity that can be counted: G in the first output, C in the second; times a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, rna: Tensor) -> Tensor:
        return torch.stack([rna[:, 2].sum(1), rna[:, 1].sum(1)], dim=1) * self.factor


def model(*factors: float) -> Predictor:
    network = Ensemble([Count(factor) for factor in factors]) if len(factors) > 1 else Count(*factors)
    return Predictor(network, RNAEncoding(experiments=NAMES), CARD)


def probes(rows: int, seed: int = 0, noise: float = 0.2) -> Split:
    """Draw probes, and measurements whose noise grows with the number of G, or of C."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 4, (rows, 41), generator=generator, dtype=torch.uint8)
    truth = torch.stack([(tokens == base).sum(1).float() for base in (2, 1)], dim=1)
    targets = truth + noise * truth * torch.randn(rows, 2, generator=generator)
    return Split(tokens, targets, np.array([f"p{row}" for row in range(rows)], dtype=np.str_))


def trusted(*factors: float, rows: int = 2000) -> Predictor:
    made = model(*factors)
    made.trust = RNATrust.calibrate(made, probes(rows))
    return made


# What stands beside a prediction


def test_the_interval_lies_about_the_prediction_on_its_scale() -> None:
    made = trusted(1.0)
    table = made.predict([PROBE, "GG", "CCCCCC"])
    assert table.columns == [
        "windows",
        "G",
        "G_window",
        "C",
        "C_window",
        "G_low",
        "G_high",
        "C_low",
        "C_high",
    ]
    for name in NAMES:
        low, high = table[f"{name}_low"].to_numpy(), table[f"{name}_high"].to_numpy()
        assert low + high == pytest.approx(2 * table[name].to_numpy(), abs=1e-5)
        assert (low < high).all()
    widths = (table["G_high"] - table["G_low"]).to_list()
    assert widths[1] < widths[0]  # the noise grows with the affinity


def test_a_long_sequence_has_the_interval_of_its_best_window() -> None:
    made = trusted(0.9, 1.0, 1.3)
    table = made.predict([PROBE, LONG, "ACGU"])
    assert table["G_window"][1] != table["C_window"][1]
    for name in NAMES:
        start = table[f"{name}_window"][1] - 1
        alone = made.predict([LONG[start : start + 41]])
        for column in (name, f"{name}_low", f"{name}_high", f"{name}_spread"):
            assert table[column][1] == pytest.approx(alone[column][0], abs=1e-5)


def test_the_spread_is_that_of_the_members() -> None:
    factors = (0.5, 1.0, 1.8)
    table = trusted(*factors).predict([PROBE, "A"])
    expected = np.std([factor * PROBE.count("G") for factor in factors], ddof=1)
    assert table["G_spread"].to_list() == pytest.approx([expected, 0], abs=1e-5)
    assert table["G"][0] == pytest.approx(np.mean(factors) * PROBE.count("G"), rel=1e-6)
    assert "G_spread" not in trusted(1.0).predict([PROBE]).columns


def test_portions_of_a_stream_are_judged_as_the_whole() -> None:
    made, raw = trusted(0.9, 1.1), [PROBE, LONG, "ACGU", "GGGG"] * 3
    whole = made.predict(raw)
    parts = list(made.predict_in_chunks(raw, chunk=5))
    for column in whole.columns:
        assert [x for part in parts for x in part[column]] == pytest.approx(whole[column].to_list(), abs=1e-5)


def test_no_sequences_have_the_same_columns() -> None:
    for made in (trusted(1.0), trusted(1.0, 2.0)):
        nothing = made.predict([])
        assert len(nothing) == 0
        assert nothing.columns == made.predict([PROBE]).columns


def test_any_level_can_be_asked_for() -> None:
    made = trusted(1.0)
    assert made.trust is not None
    widths = []
    for level in (0.5, 0.8, 0.9, 0.99):
        made.trust = made.trust.at(level)
        table = made.predict([PROBE])
        widths.append(float(table["G_high"][0] - table["G_low"][0]))
    assert widths == sorted(set(widths))
    for level in (0.3, 1.0, math.nan):
        with pytest.raises(RequestError, match="expected a level from"):
            made.trust.at(level)


# Whether it is deserved


@pytest.mark.parametrize("level", [0.6, 0.9])
def test_the_coverage_is_that_of_the_columns_people_see(level: float) -> None:
    made, test = trusted(1.0), probes(4000, seed=1)
    test.targets[::5, 1] = math.nan
    assert made.trust is not None
    made.trust = made.trust.at(level)
    found = made.trust.measure(made, test)
    table = made.predict(["".join("ACGU"[token] for token in row) for row in test.inputs.tolist()])
    hits, widths, highest = [], [], []
    for number, name in enumerate(NAMES):
        low, high, truth = (
            table[f"{name}_low"].to_numpy(),
            table[f"{name}_high"].to_numpy(),
            test.targets[:, number].numpy(),
        )
        here = ~np.isnan(truth)
        hit = (low <= truth) & (truth <= high)
        hits += hit[here].tolist()
        widths += (high - low).tolist()
        cut = np.sort(table[name].to_numpy()[here])[-(int(here.sum()) // 10)]
        highest.append(hit[here & (table[name].to_numpy() > cut)].mean())
    assert found["level"] == level
    assert found["coverage"] == pytest.approx(np.mean(hits), abs=1e-3)
    assert found["coverage_low"] < found["coverage"] < found["coverage_high"]
    assert abs(found["coverage"] - level) < 0.03
    assert found["width"] == pytest.approx(np.mean(widths), rel=1e-4)
    assert found["coverage_of_highest"] == pytest.approx(np.mean(highest), abs=0.06)
    assert found["unbounded"] == 0


def test_too_few_rows_are_told_and_not_hidden() -> None:
    made = trusted(1.0, rows=8)
    table = made.predict([PROBE])
    assert (table["G_low"][0], table["G_high"][0]) == (-math.inf, math.inf)
    assert made.trust is not None
    found = made.trust.measure(made, probes(50, seed=1))
    assert (found["coverage"], found["unbounded"]) == (1, 1)
    assert math.isnan(found["width"])
    assert made.trust.at(0.8).measure(made, probes(50, seed=1))["unbounded"] == 0


def test_rows_without_measurements_are_no_error() -> None:
    made, test = trusted(1.0), probes(20)
    test.targets[:] = math.nan
    assert made.trust is not None
    found = made.trust.measure(made, test)
    assert math.isnan(found["coverage"])
    assert math.isnan(found["coverage_of_highest"])


# How it is kept


def test_it_is_kept_in_the_model_file(tmp_path: Path) -> None:
    made = trusted(1.0, 1.2)
    made.save(tmp_path / "m.safetensors")
    card, weights = read_model(tmp_path / "m.safetensors")
    state = take_trust(weights)
    assert set(weights) == set(made.network.state_dict())
    assert card["trust"] == {"level": 0.9, "rows": 1000}
    again = model(1.0, 1.2)
    again.trust = RNATrust.from_state(state, card["trust"])
    assert again.predict([PROBE, LONG]).equals(made.predict([PROBE, LONG]))
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()


def test_a_model_without_it_is_saved_without_a_trace(tmp_path: Path) -> None:
    made = trusted(1.0)
    made.save(tmp_path / "m.safetensors")
    card, weights = read_model(tmp_path / "m.safetensors")
    take_trust(weights)
    plain = Predictor(Count(), RNAEncoding(experiments=NAMES), card)
    plain.save(tmp_path / "plain.safetensors")
    card, weights = read_model(tmp_path / "plain.safetensors")
    assert "trust" not in card
    assert list(weights) == ["factor"]


def test_what_does_not_fit_is_refused() -> None:
    trust = trusted(1.0).trust
    assert isinstance(trust, RNATrust)
    state, facts = trust.state(), trust.facts()
    for wrong in (
        {**state, "sizes": state["sizes"][:1]},
        {name: tensor for name, tensor in state.items() if name != "rows"},
    ):
        with pytest.raises((KeyError, ValueError)):
            RNATrust.from_state(wrong, facts)
    for damaged in ({}, {"level": None}, {"level": "high"}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            RNATrust.from_state(state, damaged)
    compact, owner = RNAEncoding().encode([PROBE])
    with pytest.raises(RequestError):
        RNATrust(trust.intervals, 0.2).judge(model(1.0), compact, torch.zeros(1, 2), owner)


def test_intervals_are_of_the_predictions_they_were_calibrated_with() -> None:
    biased, fair = model(2.0), model(1.0)
    split = probes(2000)
    wide = RNATrust.calibrate(biased, split).measure(biased, probes(2000, seed=1))
    narrow = RNATrust.calibrate(fair, split).measure(fair, probes(2000, seed=1))
    assert wide["width"] > 3 * narrow["width"]
    assert abs(wide["coverage"] - 0.9) < 0.03
