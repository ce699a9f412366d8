"""Deep ensembles: members trained together are what they would be alone, and are read as one."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import toys
from ribocyte.errors import InterruptedRunError, RecipeError
from ribocyte.learn import measure
from ribocyte.learn.ensemble import Ensemble, Together, members_of
from ribocyte.learn.hardware import make_fabric, settle_precision
from ribocyte.learn.objectives import Classification, Objective, Regression
from ribocyte.learn.predictor import Predictor
from ribocyte.learn.recipe import Training
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Splits
from ribocyte.learn.training import fit


def steady(outputs: int = 1, seed: int = 0) -> toys.Deep:
    """Give a toy whose training draws nothing at random."""
    network = toys.Deep(outputs=outputs, seed=seed)
    dropout = network.layers[3]
    assert isinstance(dropout, nn.Dropout)
    dropout.p = 0.0
    return network


def learn(
    path: Path,
    network: nn.Module,
    splits: Splits,
    objective: Objective | None = None,
    stop: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> Predictor:
    return fit(
        network,
        splits,
        encoding=toys.Numbers(splits.info.outputs),
        objective=objective or Regression(),
        training=toys.training(**settings),
        run=Run.open(path) if path.exists() else toys.run(path),
        card={"data": splits.info.as_json()},
        stop=stop,
        checkpoint_seconds=0.0,
    )


# How it is read


def test_measured_values_are_combined_by_their_mean() -> None:
    outputs = torch.randn(5, 7, 2)
    torch.testing.assert_close(Ensemble([nn.Identity()]).combine(outputs), outputs.mean(dim=0))


def test_logits_are_combined_into_those_of_the_mean_probability() -> None:
    outputs = 5 * torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(0))
    combined = Ensemble([nn.Identity()], logits=True).combine(outputs)
    expected = torch.stack([each.softmax(dim=1) for each in outputs]).mean(dim=0)
    torch.testing.assert_close(combined.softmax(dim=1), expected)
    torch.testing.assert_close(combined.exp(), expected)


def test_sure_members_that_contradict_each_other_stay_finite() -> None:
    outputs = torch.tensor([[[1000.0, -1000.0]], [[-1000.0, 1000.0]]])
    combined = Ensemble([nn.Identity()], logits=True).combine(outputs)
    torch.testing.assert_close(combined, torch.full((1, 2), math.log(0.5)))


def test_a_predictor_gives_the_members_and_what_they_say_together() -> None:
    members = [toys.Deep(outputs=2, seed=seed) for seed in range(3)]
    card = {"data": {"outputs": ["a", "b"]}}
    made = Predictor(Ensemble(members), toys.Numbers("ab"), card)
    inputs = toys.numbers(50)
    apart = made.member_outputs(inputs)
    assert apart.shape == (3, 50, 2)
    for member, outputs in zip(members, apart, strict=True):
        torch.testing.assert_close(outputs, Predictor(member, toys.Numbers("ab"), card).outputs(inputs))
    torch.testing.assert_close(made.outputs(inputs), apart.mean(dim=0))
    for size in (1, 7, 50):
        torch.testing.assert_close(made.member_outputs(inputs, size), apart)


def test_a_single_network_is_an_ensemble_of_one() -> None:
    network, inputs = toys.Deep(), toys.numbers(9)
    made = Predictor(network, toys.Numbers(), {})
    assert torch.equal(made.member_outputs(inputs), made.outputs(inputs)[None])
    assert members_of(network) == [network]
    floats = inputs.float()
    network.eval()
    assert torch.equal(Together(network)(floats), network(floats)[None])


def test_the_mode_is_put_back_as_it_was_found() -> None:
    made = Predictor(Ensemble([toys.Deep(), toys.Deep(seed=1)]), toys.Numbers(), {})
    made.network.train()
    made.member_outputs(toys.numbers(4))
    assert all(module.training for module in made.network.modules())


# How it is trained


@pytest.mark.parametrize("settings", [
    {"optimizer": "sgd", "learning_rate": 1e-3},
    {"optimizer": "adamw", "learning_rate": 0.05, "clip": 0.05, "weight_decay": 0.1, "average": 0.8},
], ids=["plain", "clipped"])  # fmt: skip
def test_each_member_becomes_what_it_would_be_alone(tmp_path: Path, settings: dict[str, Any]) -> None:
    splits = toys.regression(outputs=2)
    splits.train.targets[::3, 0] = math.nan
    together = Ensemble([steady(outputs=2, seed=seed) for seed in range(3)])
    with torch.no_grad():  # one whose gradient would outweigh all others', were they clipped by one length
        together.members[1].layers[4].weight *= 50  # type: ignore[union-attr,index,operator]
    alone = [steady(outputs=2) for _ in range(3)]
    for mine, member in zip(alone, together.members, strict=True):
        mine.load_state_dict(member.state_dict())
    learn(tmp_path / "together", together, splits, **settings)
    for number, (mine, member) in enumerate(zip(alone, together.members, strict=True)):
        learn(tmp_path / f"alone {number}", mine, splits, **settings)
        torch.testing.assert_close(member.state_dict(), mine.state_dict(), rtol=1e-5, atol=1e-6)
    losses = [Run.open(tmp_path / f"alone {i}").history["train_loss"].to_list() for i in range(3)]
    expected = [sum(row) / 3 for row in zip(*losses, strict=True)]
    assert Run.open(tmp_path / "together").history["train_loss"].to_list() == pytest.approx(
        expected, rel=1e-5
    )


def test_the_best_epoch_is_the_one_in_which_the_ensemble_scored_best(tmp_path: Path) -> None:
    splits, objective = toys.classification(), Classification()
    ensemble = Ensemble([toys.Deep(outputs=3, seed=seed) for seed in range(3)], logits=True)
    model = learn(tmp_path / "run", ensemble, splits, objective, epochs=6, learning_rate=0.1, average=0.5)
    probability = model.member_outputs(splits.val.inputs).softmax(dim=2).mean(dim=0)
    accuracy = float((probability.argmax(dim=1) == splits.val.targets).float().mean())
    history = Run.open(tmp_path / "run").history
    assert model.card["best"]["value"] == pytest.approx(accuracy)
    assert history["val_accuracy"].max() == pytest.approx(accuracy)


def test_an_ensemble_stopped_in_mid_epoch_ends_in_the_same_bits(tmp_path: Path) -> None:
    def ensemble() -> Ensemble:
        return Ensemble([toys.Deep(seed=seed) for seed in range(3)])

    def stop_after(steps: int) -> Callable[[], bool]:
        calls = iter(range(1, steps + 1))
        return lambda: next(calls) == steps

    settings: dict[str, Any] = {"epochs": 3, "average": 0.9, "clip": 1.0, "learning_rate": 0.05}
    learn(tmp_path / "whole", ensemble(), toys.regression(), **settings)
    for steps in (2, 7):
        with pytest.raises(InterruptedRunError):
            learn(tmp_path / "cut", ensemble(), toys.regression(), stop=stop_after(steps), **settings)
    learn(tmp_path / "cut", ensemble(), toys.regression(), **settings)
    one, other = toys.end_of(tmp_path / "whole"), toys.end_of(tmp_path / "cut")
    assert all(toys.same_bits(one[part], other[part]) for part in one)


def test_the_precision_is_settled_without_touching_the_members() -> None:
    ensemble = Ensemble([toys.Deep(seed=seed) for seed in range(2)])
    before = {name: tensor.clone() for name, tensor in ensemble.state_dict().items()}
    settled = settle_precision(
        toys.training(precision="auto"), ensemble, toys.regression(), encoding=toys.Numbers(), objective=Regression()
    )  # fmt: skip
    assert settled.precision in {"32", "bf16"}
    assert toys.same_bits(before, dict(ensemble.state_dict()))


def seeded(seed: int) -> nn.Module:
    """Give a network without normalisation or dropout, whose training does not ask how rows are shared out."""
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return network


SEVERAL = """
import sys
from pathlib import Path
import torch
sys.path[:0] = sys.argv[2:]
torch.set_num_threads(1)
import test_ensemble
test_ensemble.learn_among(2, Path(sys.argv[1]))
"""


def learn_among(processes: int, path: Path) -> None:
    """Train two members, sharing every batch among processes."""
    training = toys.training(processes=processes, clip=0.1, average=0.5)
    fabric, splits = make_fabric(training), toys.regression()
    run = toys.run(path) if fabric.is_global_zero else Run(path)
    fit(
        Ensemble([seeded(0), seeded(1)]), splits, encoding=toys.Numbers(), objective=Regression(),
        training=training, run=run, card={"data": splits.info.as_json()}, fabric=fabric,
    )  # fmt: skip


def test_two_processes_train_an_ensemble_as_one_does(tmp_path: Path) -> None:
    (tmp_path / "several.py").write_text(SEVERAL)
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, tmp_path / "several.py", tmp_path / "two", here, here.parent],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    learn_among(1, tmp_path / "one")
    one, two = toys.end_of(tmp_path / "one"), toys.end_of(tmp_path / "two")
    assert two["history"]["train_loss"] == pytest.approx(one["history"]["train_loss"], rel=1e-4)
    torch.testing.assert_close(two["weights"], one["weights"], rtol=1e-4, atol=1e-5)


# What it costs, and what is refused


class Recurrent(nn.Module):
    """Has all that is counted: a matrix product and an LSTM; (N, 5, 3) to (N, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.layer = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.layer(self.lstm(inputs)[0][:, -1])
        return out


def test_an_ensemble_costs_what_its_members_cost() -> None:
    single, ensemble = Recurrent(), Ensemble([Recurrent() for _ in range(5)], logits=True)
    example = torch.randn(8, 5, 3)
    assert measure.parameters(ensemble) == 5 * measure.parameters(single)
    assert measure.multiply_adds(ensemble, example) == 5 * measure.multiply_adds(single, example)
    assert measure.multiply_adds(single, example) == 5 * 4 * 4 * (3 + 4) + 4 * 2


@pytest.mark.parametrize("members", [0, -1, 101, 1000])
def test_an_impossible_number_of_members_is_refused(members: int) -> None:
    with pytest.raises(
        RecipeError, match=rf"training.members = {members} is impossible; expected from 1 to 100"
    ):
        Training(members=members)
