"""Fit a network: one loop for every network and every kind of data."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ribocyte.errors import DataError, InterruptedRunError, RunError, WorkError
from ribocyte.learn.batches import Augment, batch_rows, mix, to_device
from ribocyte.learn.ensemble import Together, members_of
from ribocyte.learn.hardware import (
    default_generator,
    make_fabric,
    own_randomness,
    random_state,
    set_random_state,
    settle_precision,
)
from ribocyte.learn.measure import PeakMemory
from ribocyte.learn.memory import give_back_memory
from ribocyte.learn.objectives import Objective, better
from ribocyte.learn.optimisation import clip_gradients, make_optimizer, move_average, rate
from ribocyte.learn.predictor import Encoding, Predictor
from ribocyte.learn.recipe import Training
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Split, Splits

CHECKPOINT_FORMAT = 1
"""Raised whenever what a checkpoint holds changes."""


@dataclass(frozen=True)
class Progress:
    """Where a training is; given to the callback after every step and every epoch.

    Parameters
    ----------
    epoch, epochs : int
        Counted from 1.
    step, steps : int
        Of this epoch.
    examples : int
        Examples trained on in this epoch so far.
    row : dict or None
        The history's row, once the epoch is over.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    examples: int
    row: dict[str, float] | None = None


def ignore(_: Progress) -> None:
    """Report to nobody."""


def never() -> bool:
    """Never ask to stop."""
    return False


def fit(
    network: nn.Module,
    splits: Splits,
    *,
    encoding: Encoding,
    objective: Objective,
    training: Training,
    run: Run,
    card: dict[str, Any],
    augment: Augment | None = None,
    report: Callable[[Progress], None] = ignore,
    stop: Callable[[], bool] = never,
    fabric: Fabric | None = None,
    checkpoint_seconds: float = 15.0,
) -> Predictor:
    """Train a network, or go on where its run stopped; give the best model by validation.

    On a CPU the weights and the history are bit for bit the same however often the run was stopped or killed
    in between. Each epoch adds a row to the run's history: ``epoch``, ``learning_rate``, ``train_loss``,
    ``val_loss`` and every metric of the objective as ``val_NAME`` (``test_NAME`` too where the recipe asks),
    what the objective watches on the validation split, ``seconds``, ``examples_per_second`` (training steps
    alone) and ``peak_mb``.

    Parameters
    ----------
    network : nn.Module
        Takes what ``encoding.expand`` gives; trained in place. Of an `Ensemble` each member is trained by its
        own loss, as if it were alone.
    splits : Splits
        Moved to the device whole. The test split is read only where ``score_test_each_epoch`` asks for it.
    encoding, objective, training
        How inputs are expanded, what is minimised, and how.
    run : Run
        Receives history, checkpoints and the model.
    card : dict
        What the model will say of itself.
    augment : callable, optional
        Changes each training batch at random.
    report, stop : callable
        Told of the progress after every step; asked after every step whether to stop.
    fabric : Fabric, optional
        Device, precision and processes; made from `training` where not given.
    checkpoint_seconds : float
        Write a checkpoint at the first end of an epoch this long after the last one, or later where writing
        is slow.

    Raises
    ------
    InterruptedRunError
        If `stop` said so; the step is finished and the checkpoint written.
    WorkError
        If the loss stopped being a finite number.
    RunError
        If the run was begun on other data.
    DataError, RecipeError
        If there is too little to train on, or the device asked for is not there.
    """
    training = settle_precision(training, network, splits, encoding=encoding, objective=objective)
    fabric = fabric or make_fabric(training)
    give_back_memory()  # once: what each step frees is to stay at hand
    with own_randomness(fabric.device):
        loop = _Loop(network, splits, encoding, objective, training, run, augment, fabric)
        loop.restore()
        while not loop.done:
            loop.train_epoch(report, stop)
            loop.judge_epoch(report)
            if not loop.done and loop.all_agree(loop.is_checkpoint_due(checkpoint_seconds)):
                loop.keep(card)
        loop.keep(card)
        return loop.best_model(card)


class _Loop:
    """A training's state, and the few things that happen to it."""

    def __init__(
        self,
        network: nn.Module,
        splits: Splits,
        encoding: Encoding,
        objective: Objective,
        training: Training,
        run: Run,
        augment: Augment | None,
        fabric: Fabric,
    ) -> None:
        self.encoding, self.objective, self.training, self.run = encoding, objective, training, run
        self.augment, self.fabric, self.device = augment, fabric, fabric.device
        if len(splits.train) < 2 * fabric.world_size:
            raise DataError(
                f"{splits.info.source}: {len(splits.train)} rows to train on", expected="two or more"
            )
        self.fingerprint = splits.info.fingerprint
        self.train, self.val = to_device(splits.train, self.device), to_device(splits.val, self.device)
        self.test = to_device(splits.test, self.device) if training.score_test_each_epoch else None
        optimizer = make_optimizer(network.to(self.device), training)
        self.model, self.optimizer = fabric.setup(Together(network), optimizer)
        self.network, self.members = network, members_of(network)
        self.average = copy.deepcopy(network) if training.average else None
        self.memory = PeakMemory(self.device)
        self.epoch = self.step = 0
        self.loss = torch.zeros(2, device=self.device)  # sum, count; read once an epoch
        self.spent = 0.0  # seconds of this epoch before the last interruption
        self.best: dict[str, Any] = {}
        self.history: list[dict[str, float]] = []
        self.written, self.writing = time.monotonic(), 0.0

    @property
    def done(self) -> bool:
        """Whether the last epoch is over, or patience is."""
        waited = self.epoch - int(self.best.get("epoch", self.epoch))
        return self.epoch >= self.training.epochs or (0 < self.training.patience <= waited)

    @property
    def scored(self) -> nn.Module:
        """The network that is judged and saved: the averaged one where there is one."""
        return self.average or self.network

    def train_epoch(self, report: Callable[[Progress], None], stop: Callable[[], bool]) -> None:
        """Take the steps that are left of this epoch."""
        training = self.training
        smallest = 2 * self.fabric.world_size  # so that each process has a batch, not a row
        batches = batch_rows(len(self.train), training.batch_size, training.seed, self.epoch, smallest)
        if self.step == 0:
            torch.manual_seed(mix(training.seed, self.epoch, self.fabric.global_rank))
            self.loss.zero_()
            self.spent = 0.0
        self.memory.reset()
        self.model.train()
        start, examples = time.perf_counter(), sum(map(len, batches[: self.step]))
        order = torch.cat(batches).to(self.device)  # once: a GPU would wait for every small copy
        for rows in torch.split(order, training.batch_size)[self.step :]:
            self._take_step(rows, self.epoch * len(batches) + self.step, len(batches))
            self.step += 1
            examples += len(rows)
            report(Progress(self.epoch + 1, training.epochs, self.step, len(batches), examples))
            if self.all_agree(stop()):
                self.spent += time.perf_counter() - start
                self._interrupt(len(batches))
        self.loss = cast(Tensor, self.fabric.all_reduce(self.loss, reduce_op="sum"))
        self._share_statistics()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # once an epoch, so that its time is all of it
        self.spent += time.perf_counter() - start

    def _take_step(self, rows: Tensor, step: int, steps: int) -> None:
        world, rank = self.fabric.world_size, self.fabric.global_rank
        everyone, rows = rows, rows[rank::world]
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.training, step, steps * self.training.epochs)
        # Whole rows: indexing would pick a picture byte by byte.
        inputs = self.encoding.expand(self.train.inputs.index_select(0, rows))
        if self.augment:
            inputs = self.augment(inputs, default_generator(self.device))
        targets = self.train.targets.index_select(0, rows)
        outputs = self.model(inputs).float()
        # Members share no weights: the gradient of the sum is for each that of its own loss.
        total = torch.stack([self.objective.total_loss(each, targets) for each in outputs]).sum()
        # Gradients are averaged over processes, so each divides by its share of what the whole batch holds.
        count = self.objective.count(targets if world == 1 else self.train.targets[everyone])
        self.optimizer.zero_grad()
        self.fabric.backward(total * world / count.clamp(min=1))
        if self.training.clip:
            clip_gradients(self.members, self.training.clip)
        self.optimizer.step()
        if self.average:
            # A short memory at first, so that the random beginning is soon forgotten.
            move_average(self.average, self.network, min(self.training.average, (1 + step) / (10 + step)))
        with torch.no_grad():
            self.loss += torch.stack([total.detach() / len(outputs), self.objective.count(targets)])

    def judge_epoch(self, report: Callable[[Progress], None]) -> None:
        """End the epoch: score it, remember the best, add to the history."""
        start, examples = time.perf_counter(), len(self.train)
        loss_sum, count = self.loss.tolist()
        row: dict[str, float] = {
            "epoch": self.epoch + 1,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "train_loss": loss_sum / max(count, 1.0),
        }
        if not math.isfinite(row["train_loss"]):
            raise self._diverged("the loss")
        outputs = self._outputs(self.val)
        row |= {f"val_{name}": value for name, value in self._judge(outputs, self.val).items()}
        if self.test:
            scores = self._judge(self._outputs(self.test), self.test)
            row |= {f"test_{name}": value for name, value in scores.items()}
        row |= self.objective.watch(outputs, self.val.targets)
        row["seconds"] = self.spent + time.perf_counter() - start
        row["examples_per_second"] = examples / self.spent
        row["peak_mb"] = self.memory.read()
        row = self.fabric.broadcast(row)  # one judge for all: what is best, and whether to go on
        self.epoch, self.step = self.epoch + 1, 0
        self.history.append(row)
        value = row[f"val_{self.objective.best}"]
        if not self.best or better(self.objective.best, value, self.best["value"]):
            weights = {
                name: tensor.detach().cpu().clone() for name, tensor in self.scored.state_dict().items()
            }
            self.best = {
                "epoch": self.epoch,
                "metric": self.objective.best,
                "value": value,
                "weights": weights,
            }
        if self.fabric.is_global_zero:
            self.run.write_history(self.history)
        report(Progress(self.epoch, self.training.epochs, 0, 0, examples, row))

    @torch.inference_mode()
    def _outputs(self, split: Split, batch_size: int = 512) -> Tensor:
        """Run a split through the network as it is now, in the precision of the training."""
        network = self.scored.eval()
        with self.fabric.autocast():
            outputs = torch.cat(
                [
                    network(self.encoding.expand(part)).float()
                    for part in torch.split(split.inputs, batch_size)
                ]
            )
        if not bool(outputs.isfinite().all()):
            raise self._diverged("an output")
        return outputs

    def _judge(self, outputs: Tensor, split: Split) -> dict[str, float]:
        """Score a split's outputs."""
        loss = self.objective.total_loss(outputs, split.targets) / self.objective.count(split.targets)
        metrics = self.objective.metrics(outputs.cpu().numpy(), split.targets.cpu().numpy())
        return {"loss": float(loss), **metrics}

    def _diverged(self, what: str) -> WorkError:
        return WorkError(
            f"{self.run.path}: {what} is no finite number in epoch {self.epoch + 1}",
            mend="lower training.learning_rate, or set training.clip=1 or training.precision=32",
        )

    def all_agree(self, wish: bool) -> bool:
        """Say whether any of the processes wishes something, so that all do the same."""
        if self.fabric.world_size == 1:
            return wish
        own = torch.tensor(float(wish), device=self.device)
        return bool(cast(Tensor, self.fabric.all_reduce(own, reduce_op="sum")) > 0)

    @torch.no_grad()
    def _share_statistics(self) -> None:
        """Average what each process saw of its part of the batches: the statistics of batch normalisation."""
        if self.fabric.world_size == 1:
            return
        networks = (self.network, self.average) if self.average else (self.network,)
        for buffer in (buffer for network in networks for buffer in network.buffers()):
            if buffer.is_floating_point():
                buffer.copy_(cast(Tensor, self.fabric.all_reduce(buffer.clone(), reduce_op="mean")))

    def _interrupt(self, steps: int) -> None:
        self._write_checkpoint()
        raise InterruptedRunError(
            f"{self.run.path}: stopped in epoch {self.epoch + 1} of {self.training.epochs}, "
            f"after step {self.step} of {steps}",
            mend=f"go on with: ribocyte train {self.run.path / 'recipe.toml'} --out {self.run.path} --resume",
        )

    def is_checkpoint_due(self, seconds: float) -> bool:
        """Say whether a checkpoint is due: at most a twentieth of the time goes into writing them."""
        return time.monotonic() - self.written >= max(seconds, 20 * self.writing)

    def keep(self, card: dict[str, Any]) -> None:
        """Write the checkpoint and the best model so far."""
        start = time.monotonic()
        self._write_checkpoint()
        if self.fabric.is_global_zero:
            self.best_model(card).save(self.run.model)
        self.written, self.writing = time.monotonic(), time.monotonic() - start

    def _write_checkpoint(self) -> None:
        """Gather what differs between the processes; the first one writes."""
        loss = (
            cast(Tensor, self.fabric.all_reduce(self.loss.clone(), reduce_op="sum"))
            if self.step
            else self.loss
        )
        random = {name: self._gather(state) for name, state in random_state(self.device).items()}
        if not self.fabric.is_global_zero:
            return
        self.run.write_checkpoint(
            {
                "format": CHECKPOINT_FORMAT,
                "network": self.network.state_dict(),
                "average": self.average.state_dict() if self.average else None,
                "optimizer": self.optimizer.state_dict(),
                "epoch": self.epoch,
                "step": self.step,
                "spent": self.spent,
                "loss": loss,
                "best": self.best,
                "history": self.history,
                "random": random,
                "fingerprint": self.fingerprint,
            }
        )

    def _gather(self, state: Tensor) -> Tensor:
        """Stack a state of every process: shape (processes, ...), on the CPU."""
        if self.fabric.world_size == 1:
            return state[None]
        return cast(Tensor, self.fabric.all_gather(state.to(self.device))).cpu()

    def restore(self) -> None:
        """Go back to the run's checkpoint, where there is one."""
        state = self.run.read_checkpoint()
        if state is None:
            return
        if state.get("format") != CHECKPOINT_FORMAT:
            raise RunError(
                f"{self.run.path}: its checkpoint is from a version that wrote them otherwise",
                mend="finish the run with that version, or begin a new one with --out",
            )
        if state["fingerprint"] != self.fingerprint:
            raise RunError(
                f"{self.run.path}: was begun on other data (fingerprint {state['fingerprint'][:12]}, "
                f"now {self.fingerprint[:12]})",
                mend="point --data at the data it was begun on, or begin a new run with --out",
            )
        self.network.load_state_dict(state["network"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.spent = state["epoch"], state["step"], state["spent"]
        # The sum over all processes goes on in the first of them.
        self.loss = state["loss"].to(self.device) * float(self.fabric.is_global_zero)
        self.best, self.history = state["best"], state["history"]
        rank = self.fabric.global_rank
        set_random_state({name: each[rank] for name, each in state["random"].items()}, self.device)

    def best_model(self, card: dict[str, Any]) -> Predictor:
        """Give the best network by validation, with its encoding and its facts."""
        network = copy.deepcopy(self.network).cpu()
        network.load_state_dict(self.best["weights"])
        facts = {name: value for name, value in self.best.items() if name != "weights"}
        return Predictor(network, self.encoding, {**card, "best": facts})
