"""The loop: it learns what can be learned, stops when told, goes on as if it never had, and disturbs nothing."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import toys
from ribocyte.errors import DataError, InterruptedRunError, RecipeError, RunError, WorkError
from ribocyte.learn import plots
from ribocyte.learn.batches import batch_rows
from ribocyte.learn.objectives import Classification, Objective, Regression
from ribocyte.learn.optimisation import rate
from ribocyte.learn.predictor import Predictor, read_model
from ribocyte.learn.recipe import Training
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Split, Splits
from ribocyte.learn.training import Progress, fit, make_fabric, settle_precision
from toys import TIMES


def learn(
    path: Path, network: nn.Module | None = None, splits: Splits | None = None, *, objective: Objective | None = None,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None, card: dict[str, Any] | None = None,
    stop: Callable[[], bool] = lambda: False, report: Callable[[Progress], None] = lambda _: None,
    checkpoint_seconds: float = 0.0, **settings: Any,
) -> Predictor:  # fmt: skip
    """Fit a toy into a run's folder, going on where the folder says."""
    run = Run.open(path) if path.exists() else toys.run(path)
    splits = splits or toys.regression()
    objective = objective or Regression()
    return fit(
        network or toys.Deep(),
        splits,
        encoding=toys.Numbers(splits.info.outputs),
        objective=objective,
        training=toys.training(**settings),
        run=run,
        card=card or {"data": splits.info.as_json()},
        augment=augment,
        report=report,
        stop=stop,
        checkpoint_seconds=checkpoint_seconds,
    )


def stop_after(steps: int) -> Callable[[], bool]:
    calls: list[int] = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) >= steps

    return stop


# What is learned


@pytest.mark.parametrize("loss", ["mse", "huber", "log-cosh"])
def test_a_linear_network_learns_the_exact_answer(tmp_path: Path, loss: str) -> None:
    model = learn(
        tmp_path / "run", toys.Dense(), objective=Regression(loss=loss, best="mse"),  # type: ignore[arg-type]
        epochs=60, optimizer="sgd", learning_rate=0.1, weight_decay=0.0,
    )  # fmt: skip
    layer = model.network.layer
    assert isinstance(layer, nn.Linear)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[1.0, 2.0, -1.0]]), atol=1e-3, rtol=0)
    torch.testing.assert_close(layer.bias.detach(), torch.tensor([-0.5]), atol=1e-3, rtol=0)


def test_several_outputs_with_missing_values_are_learned(tmp_path: Path) -> None:
    splits = toys.regression(outputs=2)
    hidden = torch.rand(splits.train.targets.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    splits.train.targets[hidden] = math.nan
    model = learn(
        tmp_path / "run", toys.Dense(outputs=2), splits,
        epochs=60, optimizer="sgd", learning_rate=0.1, weight_decay=0.0,
    )  # fmt: skip
    torch.testing.assert_close(model.outputs(splits.test.inputs), splits.test.targets, atol=1e-2, rtol=0)


def test_classes_are_learned(tmp_path: Path) -> None:
    splits = toys.classification((300, 60, 60))
    model = learn(
        tmp_path / "run", toys.Dense(outputs=3), splits,
        objective=Classification(), epochs=30, learning_rate=0.1, score_test_each_epoch=True,
    )  # fmt: skip
    history = Run.open(tmp_path / "run").history
    assert history["test_accuracy"][-1] > 0.9
    assert history["val_macro_auc"][-1] > 0.98
    right = model.outputs(splits.test.inputs).argmax(1) == splits.test.targets
    assert float(right.float().mean()) > 0.9


def test_one_step_of_sgd_is_the_one_made_by_hand(tmp_path: Path) -> None:
    splits = toys.regression((8, 4, 4))
    splits.train.targets[5] = math.nan
    network = toys.Dense()
    learn(
        tmp_path / "run", network, splits,
        epochs=1, batch_size=8, optimizer="sgd", learning_rate=0.1, schedule="constant", weight_decay=0.0,
    )  # fmt: skip
    x = splits.train.inputs.double().numpy() / 8
    y = splits.train.targets.double().numpy()
    here = ~np.isnan(y[:, 0])
    gradient = -2 * (y[here] * x[here]).sum(axis=0) / here.sum()  # of the mean squared error, at zero weights
    momentum = 1.9  # the first Nesterov step of momentum 0.9 is g + 0.9 g
    np.testing.assert_allclose(
        network.layer.weight.detach().numpy()[0], -0.1 * momentum * gradient, rtol=1e-5
    )
    assert Run.open(tmp_path / "run").history["train_loss"][0] == pytest.approx(
        (y[here] ** 2).mean(), rel=1e-5
    )


def test_only_weights_decay(tmp_path: Path) -> None:
    splits = toys.regression((8, 4, 4))
    silent = Split(splits.train.inputs * 0, splits.train.targets * 0, splits.train.names)
    network = toys.Dense()
    nn.init.ones_(network.layer.weight)  # no input, so no gradient: decay alone moves it
    learn(
        tmp_path / "run", network, replace(splits, train=silent),
        epochs=1, batch_size=8, optimizer="adamw", learning_rate=0.1, schedule="constant", weight_decay=0.5,
    )  # fmt: skip
    torch.testing.assert_close(network.layer.weight.detach(), torch.full((1, 3), 1 - 0.1 * 0.5))
    assert float(network.layer.bias.detach()) == 0


def test_the_gradient_is_clipped_to_the_norm_asked_for(tmp_path: Path) -> None:
    network = toys.Dense()
    learn(
        tmp_path / "run", network, toys.regression((8, 4, 4)),
        epochs=1, batch_size=8, optimizer="sgd", learning_rate=1.0, schedule="constant", weight_decay=0.0, clip=0.01,
    )  # fmt: skip
    moved = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    assert float(moved.norm()) == pytest.approx(1.9 * 0.01, rel=1e-3)


def test_the_average_is_the_one_made_by_hand(tmp_path: Path) -> None:
    seen: list[Tensor] = []
    network = toys.Dense()

    def note(progress: Progress) -> None:
        if progress.row is None:
            seen.append(network.layer.weight.detach().clone())

    model = learn(
        tmp_path / "run", network, toys.regression((64, 16, 16)),
        report=note, epochs=1, average=0.9, optimizer="sgd", learning_rate=0.1,
    )  # fmt: skip
    average = toys.Dense().layer.weight.detach().clone()
    for step, weights in enumerate(seen):
        decay = min(0.9, (1 + step) / (10 + step))  # a short memory at first
        average = decay * average + (1 - decay) * weights
    torch.testing.assert_close(model.network.layer.weight, average)
    assert not torch.equal(average, seen[-1])


# What is written


def test_the_history_tells_every_epoch_in_finite_numbers(tmp_path: Path) -> None:
    learn(tmp_path / "run", epochs=4, score_test_each_epoch=True)
    history = Run.open(tmp_path / "run").history
    metrics = ["loss", "spearman", "pearson", "mse"]
    assert set(history.columns) == {
        "epoch", "learning_rate", "train_loss", "spread", *TIMES,
        *(f"{s}_{m}" for s in ("val", "test") for m in metrics),
    }  # fmt: skip
    assert history["epoch"].to_list() == [1, 2, 3, 4]
    assert all(history[name].is_finite().all() for name in history.columns)
    assert (history["seconds"] > 0).all()
    assert (history["examples_per_second"] > 0).all()
    assert (history["peak_mb"] > 10).all()


class Wide(nn.Module):
    """A network as large as wanted."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, width), nn.Linear(width, width), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layers(x)
        return answer


def test_memory_does_not_tell_of_the_training_before(tmp_path: Path) -> None:
    peaks = []
    for number, width in enumerate((16, 16, 3000, 16)):  # the first loads what PyTorch loads once
        learn(tmp_path / f"{number}", Wide(width), epochs=1)
        peaks.append(Run.open(tmp_path / f"{number}").history["peak_mb"][0])
    _, before, large, after = peaks
    assert large > before + 100
    assert after < before + 0.25 * (large - before)


def test_what_is_watched_is_of_the_validation_split_and_no_score(tmp_path: Path) -> None:
    splits = toys.classification()
    model = learn(tmp_path / "run", toys.Dense(outputs=3), splits, objective=Classification(), epochs=3)
    history = Run.open(tmp_path / "run").history
    last = history.row(-1, named=True)
    outputs = model.outputs(splits.val.inputs)  # of the best epoch: the last one here
    assert model.card["best"]["epoch"] == 3
    for name, value in Classification().watch(outputs, splits.val.targets).items():
        assert last[name] == pytest.approx(value, rel=1e-5), name
    assert model.card["best"]["metric"] == "accuracy"


def test_a_training_begun_by_an_older_version_goes_on_and_is_drawn(tmp_path: Path) -> None:
    watched = {"logit_gradient", "wrong_gradient", "saturation", "commonest"}
    settings: dict[str, Any] = {"objective": Classification(), "epochs": 4, "splits": toys.classification()}
    with pytest.raises(InterruptedRunError):
        learn(tmp_path / "run", toys.Deep(outputs=3), stop=stop_after(14), **settings)  # of 6 steps an epoch
    run = Run.open(tmp_path / "run")
    state = run.read_checkpoint()
    assert state is not None
    assert len(state["history"]) == 2
    state["history"] = [{k: v for k, v in row.items() if k not in watched} for row in state["history"]]
    run.write_checkpoint(state)
    learn(tmp_path / "run", toys.Deep(outputs=3), **settings)
    history = run.history
    assert watched <= set(history.columns)
    assert history["saturation"].is_null().to_list() == [True, True, False, False]
    assert history["val_loss"].null_count() == 0
    plots.plot_health({"old": history}).draw_without_rendering()
    plots.plot_losses({"old": history}).draw_without_rendering()


def test_the_test_split_is_not_even_looked_at_unless_asked_for(tmp_path: Path) -> None:
    splits = toys.regression()
    poisoned = replace(splits, test=toys.split(splits.test.inputs[:, :1], splits.test.targets))
    learn(tmp_path / "run", splits=poisoned)
    assert not [name for name in Run.open(tmp_path / "run").history.columns if name.startswith("test_")]


def test_the_best_epoch_by_validation_is_what_is_kept(tmp_path: Path) -> None:
    model = learn(tmp_path / "run", epochs=12, learning_rate=0.1, objective=Regression(best="mse"))
    history = Run.open(tmp_path / "run").history
    best = model.card["best"]
    assert best["value"] == history["val_mse"].min()
    assert best["epoch"] == history["epoch"][int(history["val_mse"].arg_min())]  # type: ignore[arg-type]
    splits = toys.regression()
    judged = Regression().metrics(model.outputs(splits.val.inputs).numpy(), splits.val.targets.numpy())
    assert judged["mse"] == pytest.approx(best["value"], rel=1e-5)
    assert read_model(tmp_path / "run")[0]["best"] == best


def test_an_undefined_first_score_does_not_stay_the_best(tmp_path: Path) -> None:
    network = toys.Dense()  # begins as a constant, which has no rank
    layer = network.layer
    layer.weight.register_hook(lambda gradient: gradient * float(epoch[0] > 0))
    epoch = [0]

    def note(progress: Progress) -> None:
        epoch[0] = progress.epoch - int(progress.row is None)

    model = learn(tmp_path / "run", network, report=note, epochs=3, weight_decay=0.0)
    scores = Run.open(tmp_path / "run").history["val_spearman"].to_list()
    assert math.isnan(scores[0])
    assert scores[2] > 0
    assert model.card["best"]["epoch"] > 1


def test_patience_stops_after_so_many_epochs_without_a_better_one(tmp_path: Path) -> None:
    learn(
        tmp_path / "run",
        epochs=50,
        patience=3,
        learning_rate=1e-9,
        schedule="constant",
        objective=Regression(best="pearson"),
    )
    history = Run.open(tmp_path / "run").history
    best = int(history["val_pearson"].arg_max())  # type: ignore[arg-type]
    assert len(history) == best + 1 + 3 < 50


def test_progress_tells_every_step_and_every_epoch(tmp_path: Path) -> None:
    told: list[Progress] = []
    learn(tmp_path / "run", splits=toys.regression((40, 8, 8)), report=told.append, epochs=2, batch_size=16)
    steps = [(p.epoch, p.step, p.steps, p.examples) for p in told if p.row is None]
    assert steps == [(e, s, 3, n) for e in (1, 2) for s, n in ((1, 16), (2, 32), (3, 40))]
    rows = [p.row for p in told if p.row is not None]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all(p.epochs == 2 for p in told)


# The learning rate


def test_a_constant_rate_is_constant() -> None:
    assert {rate(Training(schedule="constant", learning_rate=0.3), step, 10) for step in range(10)} == {0.3}


def test_one_cycle_rises_to_the_rate_and_falls_to_nothing() -> None:
    rates = [rate(Training(learning_rate=0.3), step, 400) for step in range(400)]
    assert rates[0] == pytest.approx(0.3 * 0.04)
    assert max(rates) == rates[100] == pytest.approx(0.3)
    assert np.diff(rates[:101]) == pytest.approx((rates[100] - rates[0]) / 100)
    assert (np.diff(rates[100:]) < 0).all()
    assert rates[250] == pytest.approx(0.15)
    assert 0 < rates[-1] < 1e-4


def test_the_rate_in_the_history_is_that_of_the_epochs_last_step(tmp_path: Path) -> None:
    learn(tmp_path / "run", splits=toys.regression((64, 8, 8)), epochs=3, batch_size=16, learning_rate=0.2)
    expected = [rate(Training(learning_rate=0.2), step, 12) for step in (3, 7, 11)]
    assert Run.open(tmp_path / "run").history["learning_rate"].to_list() == pytest.approx(expected)


# Stopping and going on

HARD: dict[str, Any] = {"epochs": 3, "average": 0.9, "clip": 1.0, "learning_rate": 0.05}


def jitter(inputs: Tensor, generator: torch.Generator) -> Tensor:
    return inputs + 0.05 * torch.randn(inputs.shape, generator=generator)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_a_training_stopped_anywhere_ends_in_the_same_bits(tmp_path: Path, optimizer: str) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    learn(whole, augment=jitter, optimizer=optimizer, **HARD)
    for steps in (1, 2, 6, 3):  # in the middle of an epoch, after its last step, at once again
        with pytest.raises(
            InterruptedRunError, match=r"stopped in epoch \d of 3, after step \d of 6.*--resume"
        ):
            learn(stopped, augment=jitter, optimizer=optimizer, stop=stop_after(steps), **HARD)
    torch.manual_seed(77)  # whatever else the process has drawn
    learn(stopped, augment=jitter, optimizer=optimizer, **HARD)
    one, other = toys.end_of(whole), toys.end_of(stopped)
    for part in one:
        assert toys.same_bits(one[part], other[part]), part


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    first = learn(tmp_path / "run", **HARD)
    before = toys.end_of(tmp_path / "run")
    again = learn(tmp_path / "run", toys.Deep(seed=9), stop=lambda: pytest.fail("took a step"), **HARD)
    assert toys.same_bits(toys.end_of(tmp_path / "run"), before)
    assert toys.same_bits(again.network.state_dict(), first.network.state_dict())


def test_the_step_that_was_begun_is_finished_before_stopping(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError, match="epoch 1 of 3, after step 2 of 6"):
        learn(tmp_path / "run", stop=stop_after(2), **HARD)
    state = Run.open(tmp_path / "run").read_checkpoint()
    assert state is not None
    assert (state["epoch"], state["step"]) == (0, 2)


def test_going_on_with_other_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        learn(tmp_path / "run", stop=stop_after(2))
    with pytest.raises(RunError, match="was begun on other data"):
        learn(tmp_path / "run", splits=toys.regression(seed=1))


def test_checkpoints_are_written_as_often_as_asked_for(tmp_path: Path) -> None:
    seen: set[int] = set()

    def note(progress: Progress) -> None:
        path = tmp_path / "run" / "last.ckpt"
        if path.exists():
            seen.add(path.stat().st_ino)

    learn(tmp_path / "run", report=note, checkpoint_seconds=1000.0, epochs=4)
    assert not seen
    assert (tmp_path / "run" / "last.ckpt").exists()  # at the end there always is one
    learn(tmp_path / "again", report=lambda _: None, checkpoint_seconds=0.0, epochs=4)


# What goes wrong


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_loss_that_is_no_number_ends_the_work(tmp_path: Path, clip: float) -> None:
    class Exploding(toys.Dense):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs) * 1e30 + 1e30

    with pytest.raises(WorkError, match=r"run: the loss is no finite number in epoch 1.*learning_rate"):
        learn(tmp_path / "run", Exploding(), clip=clip)


def test_a_learning_rate_that_is_too_large_ends_the_work(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"is no finite number in epoch \d+"):
        learn(
            tmp_path / "run",
            toys.Dense(),
            epochs=40,
            optimizer="sgd",
            learning_rate=90.0,
            schedule="constant",
        )


@pytest.mark.parametrize("splits", [toys.regression((16, 8, 8)), toys.classification((16, 8, 8))])
def test_a_network_that_breaks_in_an_epochs_last_step_ends_the_work(tmp_path: Path, splits: Splits) -> None:
    network = toys.Dense(outputs=len(splits.info.outputs))
    objective = Classification() if splits.train.targets.ndim == 1 else Regression()

    def spoil(progress: Progress) -> None:
        if progress.row is None and progress.step == progress.steps:
            nn.init.constant_(network.layer.weight, math.nan)

    with pytest.raises(WorkError, match=r"run: an output is no finite number in epoch 1"):
        learn(tmp_path / "run", network, splits, objective=objective, report=spoil, epochs=2)


@pytest.mark.parametrize("rows", [16, 17, 18])
def test_what_is_left_over_for_the_last_batch_trains(tmp_path: Path, rows: int) -> None:
    learn(tmp_path / "run", toys.Deep(), toys.regression((rows, 8, 8)), batch_size=16, epochs=2)


def test_one_row_is_too_little_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"toys\.py: 1 rows? to train on"):
        learn(tmp_path / "run", splits=toys.regression((1, 8, 8)))


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(RecipeError, match=r"training\.device = 'cuda': no GPU"):
        learn(tmp_path / "run", device="cuda")


def test_a_batch_size_beyond_the_data_is_one_batch(tmp_path: Path) -> None:
    learn(tmp_path / "run", splits=toys.regression((10, 4, 4)), batch_size=4096, epochs=2)
    assert len(batch_rows(10, 4096, 0, 0)) == 1


# What is left alone


def test_a_training_changes_nothing_of_the_process(tmp_path: Path) -> None:
    def state() -> dict[str, Any]:
        return {
            "torch": torch.get_rng_state().tolist(),
            "numpy": np.random.get_state()[1].tolist(),  # type: ignore[index,union-attr]  # noqa: NPY002
            "threads": torch.get_num_threads(),
            "dtype": torch.get_default_dtype(),
            "grad": torch.is_grad_enabled(),
            "autocast": torch.is_autocast_enabled("cpu"),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "matmul": torch.get_float32_matmul_precision(),
            "environment": dict(os.environ),
            "filters": list(warnings.filters),
            "folder": Path.cwd(),
        }

    before = state()
    learn(tmp_path / "run", precision="auto", average=0.9)
    assert state() == before


def test_what_is_drawn_elsewhere_changes_nothing_of_a_training(tmp_path: Path) -> None:
    learn(tmp_path / "one")
    torch.rand(123)
    torch.manual_seed(5)
    learn(tmp_path / "other")
    assert toys.same_bits(toys.end_of(tmp_path / "one"), toys.end_of(tmp_path / "other"))


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    learn(tmp_path / "one", seed=0)
    learn(tmp_path / "other", seed=1)
    assert not toys.same_bits(
        toys.end_of(tmp_path / "one")["weights"], toys.end_of(tmp_path / "other")["weights"]
    )


# Precision


def test_automatic_precision_settles_on_one_and_leaves_the_network_alone() -> None:
    splits, network = toys.regression(), toys.Deep()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    settled = settle_precision(
        toys.training(precision="auto"), network, splits, encoding=toys.Numbers(), objective=Regression()
    )
    assert settled.precision in {"32", "bf16"}
    assert replace(settled, precision="auto") == toys.training(precision="auto")
    assert toys.same_bits(network.state_dict(), before)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_a_precision_asked_for_is_the_one_used(tmp_path: Path, precision: str) -> None:
    types: set[torch.dtype] = set()

    class Watched(toys.Dense):
        def forward(self, inputs: Tensor) -> Tensor:
            out = super().forward(inputs)
            types.add(out.dtype)
            return out

    model = learn(tmp_path / "run", Watched(), precision=precision, epochs=2)
    assert types == {torch.float32 if precision == "32" else torch.bfloat16}
    assert all(parameter.dtype == torch.float32 for parameter in model.network.parameters())


def test_a_fabric_of_one_process_is_on_the_device_asked_for() -> None:
    fabric = make_fabric(toys.training())
    assert (fabric.device.type, fabric.world_size, fabric.is_global_zero) == ("cpu", 1, True)


# Several processes

SEVERAL = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
import toys
from ribocyte.learn.normalisation import BatchNorm1d
from ribocyte.learn.objectives import Regression
from ribocyte.learn.runs import Run
from ribocyte.learn.training import fit, make_fabric

training = toys.training(processes=int(sys.argv[3]), epochs=3, batch_size=10, learning_rate=0.05, average=0.9)
fabric = make_fabric(training)
splits = toys.regression((45, 16, 16), outputs=2)  # the last batch holds 5 rows: one process sees 3, the other 2
splits.train.targets[::3, 0] = float("nan")
path = Path(sys.argv[2])
run = toys.run(path) if fabric.is_global_zero else Run(path)
network = toys.Dense(outputs=2)
network.register_module("normalise", BatchNorm1d(3))
network.register_forward_pre_hook(lambda dense, given: dense.normalise(*given))
fit(network, splits, encoding=toys.Numbers(splits.info.outputs), objective=Regression(),
    training=training, run=run, card={}, fabric=fabric)
"""


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    script = tmp_path / "several.py"
    script.write_text(SEVERAL)
    for count in (1, 2):
        command = [script, Path(toys.__file__).parent, tmp_path / f"run{count}", count]
        done = subprocess.run(
            [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout == ""
    one, two = (Run.open(tmp_path / f"run{count}").history for count in (1, 2))
    for name in set(one.columns) - TIMES:
        # The last bit of a sum may turn two nearly equal predictions around, which only ranks see.
        tolerance = {"abs": 0.02} if "spearman" in name else {"rel": 1e-5, "abs": 1e-7}
        assert two[name].to_list() == pytest.approx(one[name].to_list(), **tolerance), name
    weights = [read_model(tmp_path / f"run{count}")[1] for count in (1, 2)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-4, atol=1e-6)
