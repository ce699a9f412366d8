"""How far to trust a cell's class: on a small network that learned drawn cells, and on real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from ribocyte.cells import bloodmnist
from ribocyte.cells.images import CLASSES, CellEncoding
from ribocyte.cells.networks import CellCNN, CellCNNConfig, CellResidual, CellResidualConfig
from ribocyte.cells.smear import draw_cells
from ribocyte.cells.trust import ALARM, TRIED, CellTrust
from ribocyte.cells.unlike import make_unlike
from ribocyte.errors import RequestError
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.predictor import Predictor, read_model, take_trust
from ribocyte.learn.splits import Split

CARD = {"data": {"outputs": list(CLASSES)}}


def cells(count: int, seed: int) -> Split:
    labels = np.random.default_rng(seed).integers(0, len(CLASSES), count)
    names = np.array([f"{seed}/{row}" for row in range(count)])
    return Split(torch.from_numpy(draw_cells(labels, seed)), torch.from_numpy(labels), names)


def learn(network: nn.Module, split: Split, epochs: int) -> Predictor:
    """Teach a network some cells, not for long."""
    model = Predictor(network, CellEncoding(), CARD)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(split), generator=generator).split(64):
            outputs = network(model.encoding.expand(split.inputs[rows]))
            optimizer.zero_grad()
            nn.functional.cross_entropy(outputs, split.targets[rows]).backward()
            optimizer.step()
    network.eval()
    return model


def small_network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CellResidual(CellResidualConfig(widths=(8, 16), blocks=1, dropout=0.0), len(CLASSES))


@pytest.fixture(scope="module")
def model() -> Predictor:
    model = learn(small_network(), cells(1000, seed=0), epochs=4)
    model.trust = CellTrust.calibrate(model, cells(600, seed=1))
    return model


@pytest.fixture(scope="module")
def test() -> Split:
    return cells(800, seed=2)


def trust_of(model: Predictor) -> CellTrust:
    assert isinstance(model.trust, CellTrust)
    return model.trust


def unlike(kind: str, images: Tensor) -> Tensor:
    """Make pictures that are no cells of out of pictures of cells."""
    random = np.random.default_rng(0)
    values = images.numpy()
    count, side = values.shape[:2]
    match kind:
        case "noise":
            made = random.integers(0, 256, values.shape)
        case "noise in the cells' colours":
            mean, spread = values.mean(axis=(0, 1, 2)), values.std(axis=(0, 1, 2))
            made = (mean + spread * random.standard_normal(values.shape)).clip(0, 255)
        case "inverted":
            made = 255 - values
        case "blurred":
            soft = nn.functional.avg_pool2d(
                images.permute(0, 3, 1, 2).float(), 5, 1, 2, count_include_pad=False
            )
            return soft.permute(0, 2, 3, 1).round().to(torch.uint8)
        case "another stain":
            made = values[..., ::-1]
        case "shuffled":
            order = random.permutation(side * side)
            made = values.reshape(count, -1, 3)[:, order].reshape(values.shape)
        case "no cell":
            made = np.broadcast_to(np.median(values[:, 0], axis=1)[:, None, None], values.shape)
        case _:
            raise AssertionError(kind)
    return torch.from_numpy(np.ascontiguousarray(made).astype(np.uint8))


KINDS = (
    "noise",
    "noise in the cells' colours",
    "inverted",
    "blurred",
    "another stain",
    "shuffled",
    "no cell",
)


def test_probabilities_are_those_of_the_tempered_logits(model: Predictor, test: Split) -> None:
    table = model.predict(list(test.inputs[:50].numpy()))
    wanted = (model.outputs(test.inputs[:50]) / trust_of(model).temperature).softmax(1)
    shares = table.select(f"p_{name}" for name in CLASSES).to_numpy()
    np.testing.assert_allclose(shares, wanted.numpy(), atol=1e-5)
    np.testing.assert_allclose(table["probability"].to_numpy(), shares.max(axis=1))
    assert table["class"].to_list() == [CLASSES[i] for i in shares.argmax(axis=1)]


def test_a_set_holds_what_is_at_least_as_probable_as_its_class_must_be(model: Predictor, test: Split) -> None:
    trust = trust_of(model).at(0.99)
    outputs = model.outputs(test.inputs)
    table = trust.judge(model, test.inputs, outputs, torch.arange(len(test)))
    thresholds = trust.sets.thresholds(0.99).tolist()
    shares = table.select(f"p_{name}" for name in CLASSES).to_numpy()
    for row, told in zip(shares, table.iter_rows(named=True), strict=True):
        wanted = [CLASSES[c] for c in row.argsort()[::-1] if 1 - row[c] <= thresholds[c] + 1e-6]
        assert told["set"].split("|") == wanted
        assert told["set_size"] == len(wanted)
    assert len(set(table["set_size"])) > 1


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_hold_the_class_as_often_as_asked(model: Predictor, test: Split, level: float) -> None:
    measured = trust_of(model).at(level).measure(model, test)
    assert measured["level"] == level
    assert measured["coverage"] == pytest.approx(level, abs=0.04)
    assert measured["coverage_low"] < measured["coverage"] < measured["coverage_high"]


def test_measures_are_those_of_the_table(model: Predictor, test: Split) -> None:
    measured = trust_of(model).measure(model, test)
    table = trust_of(model).judge(model, test.inputs, model.outputs(test.inputs), torch.arange(len(test)))
    truth = [CLASSES[c] for c in test.targets.tolist()]
    held = [name in told.split("|") for name, told in zip(truth, table["set"], strict=True)]
    assert measured["coverage"] == pytest.approx(np.mean(held))
    assert measured["set_size"] == pytest.approx(table["set_size"].mean())
    assert measured["called_unlike"] == pytest.approx(table["unlike"].mean())
    worst = min(np.mean([h for h, t in zip(held, truth, strict=True) if t == name]) for name in CLASSES)
    assert measured["coverage_of_worst"] == pytest.approx(worst)
    given = [table[f"p_{name}"][row] for row, name in enumerate(truth)]
    assert measured["nll"] == pytest.approx(-np.log(given).mean(), rel=1e-4)
    assert measured["nll"] <= measured["nll_before"] + 0.01


def test_the_novelty_of_made_pictures_is_measured(model: Predictor, test: Split) -> None:
    measured = trust_of(model).measure(model, test)
    usual = model.predict(list(test.inputs.numpy()))["novelty"].to_numpy()
    for kind, made in make_unlike(test.inputs[::2][:TRIED]).items():
        found = model.predict(list(made.numpy()))["novelty"].to_numpy()
        wanted = np.mean((found[:, None] > usual) + (found[:, None] == usual) / 2)
        assert measured[f"auroc_{kind}"] == pytest.approx(wanted, abs=1e-6)
        assert measured[f"auroc_{kind}"] >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_such_cell_is_unlike(model: Predictor, test: Split, kind: str) -> None:
    made = unlike(kind, test.inputs[:200])
    tables = [
        trust_of(model).judge(model, images, model.outputs(images), torch.arange(len(images)))
        for images in (test.inputs[200:], made)
    ]
    novelty = np.concatenate([table["novelty"].to_numpy() for table in tables])
    truth = np.repeat([0, 1], [len(table) for table in tables])
    assert roc_auc_score(truth, novelty) >= 0.95
    assert tables[0]["unlike"].mean() < 0.05  # type: ignore[operator]
    for table in tables:
        assert (table["unlike"] == (table["novelty"] >= 1 - ALARM - 1e-7)).all()


def test_doubt_is_the_chance_of_a_wrong_class_and_nearly_one_for_what_is_unlike(
    model: Predictor, test: Split
) -> None:
    images = torch.cat([test.inputs[:100], unlike("noise", test.inputs[:100])])
    table = trust_of(model).judge(model, images, model.outputs(images), torch.arange(200))
    known = 1 - table["novelty"].to_numpy()
    wanted = 1 - table["probability"].to_numpy() * np.minimum(1, known / ALARM)
    np.testing.assert_allclose(table["doubt"].to_numpy(), wanted, atol=1e-4)
    assert table["doubt"][100:].min() > 0.8  # type: ignore[operator]
    assert table["doubt"].is_between(0, 1).all()


def test_rows_come_in_the_order_of_their_owners(model: Predictor, test: Split) -> None:
    images, order = test.inputs[:20], torch.randperm(20, generator=torch.Generator().manual_seed(0))
    straight = trust_of(model).judge(model, images, model.outputs(images), torch.arange(20))
    mixed = trust_of(model).judge(model, images[order], model.outputs(images[order]), order)
    assert straight["set"].to_list() == mixed["set"].to_list()
    np.testing.assert_allclose(straight["doubt"].to_numpy(), mixed["doubt"].to_numpy(), atol=1e-4)


def test_trust_survives_being_stored(model: Predictor, test: Split, tmp_path: Path) -> None:
    model.save(tmp_path / "model.safetensors")
    card, weights = read_model(tmp_path / "model.safetensors")
    again = CellTrust.from_state(take_trust(weights), card["trust"])
    assert again.facts() == trust_of(model).facts() == json.loads(json.dumps(again.facts()))
    rows = (test.inputs[:30], model.outputs(test.inputs[:30]), torch.arange(30))
    assert again.judge(model, *rows).equals(trust_of(model).judge(model, *rows))


def test_trust_that_does_not_fit_is_refused(model: Predictor) -> None:
    state, facts = trust_of(model).state(), trust_of(model).facts()
    for broken in (facts | {"temperature": 0.0}, facts | {"level": 2}, facts | {"classes": 2}):
        with pytest.raises(ValueError, match=r"."):
            CellTrust.from_state(state, broken)
    with pytest.raises(KeyError):
        CellTrust.from_state({}, facts)
    with pytest.raises(RequestError, match="level"):
        trust_of(model).at(1.0)


def test_no_picture_is_no_row(model: Predictor) -> None:
    assert len(model.predict([])) == 0
    assert {"set", "novelty", "unlike", "doubt"} <= set(model.predict([]).columns)


def test_a_network_that_ends_in_a_softmax_is_calibrated_too(test: Split) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = CellCNN(CellCNNConfig(softmax=True), len(CLASSES))
    ending = Predictor(network, CellEncoding(probabilities=True), CARD)
    logits = Predictor(nn.Sequential(network.features, _Flat(), network.classify), CellEncoding(), CARD)
    one, other = (CellTrust.calibrate(m, test) for m in (ending, logits))
    assert one.temperature == pytest.approx(other.temperature, rel=1e-3)
    torch.testing.assert_close(
        one.probabilities(ending, ending.outputs(test.inputs)),
        other.probabilities(logits, logits.outputs(test.inputs)),
        atol=1e-3,
        rtol=0,
    )


class _Flat(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1)


def test_an_ensemble_is_looked_at_through_its_first_member(test: Split) -> None:
    together = Predictor(Ensemble([small_network(0), small_network(1)], logits=True), CellEncoding(), CARD)
    alone = Predictor(small_network(0), CellEncoding(), CARD)
    few = test[:100]
    one, other = (CellTrust.calibrate(m, few).measure(m, few) for m in (together, alone))
    assert one["called_unlike"] == other["called_unlike"]
    assert one["nll"] != other["nll"]


@pytest.mark.parametrize("count", [1, 2, 25])
def test_few_cells_are_enough_not_to_fail(test: Split, count: int) -> None:
    model = Predictor(small_network(), CellEncoding(), CARD)
    model.trust = CellTrust.calibrate(model, test[:count])
    table = model.predict(list(test.inputs[:3].numpy()))
    assert table["doubt"].is_between(0, 1).all()
    if count < 20:  # too few for 95 %: every class is in the set; and nothing is known to be unlike
        assert set(table["set_size"]) == {len(CLASSES)}
        assert not table["unlike"].any()


@pytest.mark.real_data
def test_real_cells(data_root: Path) -> None:
    splits = bloodmnist.load(bloodmnist.BloodMNISTConfig(), data_root)
    model = learn(small_network(), splits.train[:4000], epochs=4)
    trust = CellTrust.calibrate(model, splits.val)
    for level in (0.9, 0.95):
        assert trust.at(level).measure(model, splits.test)["coverage"] == pytest.approx(level, abs=0.02)
    measured = trust.measure(model, splits.test)
    assert measured["calibration_error"] < 0.03  # of a network that learned for seconds
    assert measured["called_unlike"] < 0.02
    assert min(value for name, value in measured.items() if name.startswith("auroc_")) >= 0.95
    usual = trust.judge(model, splits.test.inputs, model.outputs(splits.test.inputs), torch.arange(3421))
    for kind in KINDS:
        made = unlike(kind, splits.test.inputs[:300])
        found = trust.judge(model, made, model.outputs(made), torch.arange(300))
        novelty = np.concatenate([usual["novelty"].to_numpy(), found["novelty"].to_numpy()])
        assert roc_auc_score(np.repeat([0, 1], [3421, 300]), novelty) >= 0.95, kind
