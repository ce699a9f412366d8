"""A trained network with all it needs to be used: how to encode what people have, how to decode what it says."""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ribocyte.errors import ModelError, RequestError
from ribocyte.files import atomic_write
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.memory import keep_freed_memory
from ribocyte.learn.splits import Info, Split

FORMAT = "ribocyte-model/1"
TRUST = "trust."
"""What the names of the tensors begin with, in a model file, that say how far to trust the model."""
BATCHES = {"cpu": 256, "cuda": 4096}
"""Inputs at a time: what lies between a small network's layers stays in a CPU's cache, and fills a GPU."""
LARGEST_HEADER = 100_000_000
"""Bytes; what the safetensors format allows."""


class Encoding(Protocol):
    """How one kind of input and output is written as numbers. Each domain has one."""

    def encode(self, raw: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Turn raw inputs into compact windows (W, ...) uint8 and the input each belongs to (W,) int64."""
        ...

    def expand(self, compact: Tensor) -> Tensor:
        """Turn compact windows, on any device, into the float tensor a network takes."""
        ...

    def decode(self, outputs: Tensor, owner: Tensor) -> pl.DataFrame:
        """Turn network outputs (W, P) into one row per raw input, columns with speaking names."""
        ...


class Trust(Protocol):
    """How far to trust a model's predictions, calibrated on rows it was not fitted to. Each domain has one."""

    @classmethod
    def calibrate(cls, model: Predictor, split: Split) -> Self:
        """Learn from a split, which the model was not fitted to, how far the model is off."""
        ...

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Self:
        """Take up again what `state` and `facts` gave; KeyError, TypeError or ValueError where they do not fit."""
        ...

    def at(self, level: float) -> Self:
        """Give the same for another share, between 0 and 1, of the truths that is to be covered."""
        ...

    def judge(self, model: Predictor, compact: Tensor, outputs: Tensor, owner: Tensor) -> pl.DataFrame:
        """Say of each raw input, a row each, how far to trust its prediction.

        The columns stand beside those of ``decode``; one of the same name takes its place. `compact` (W, ...)
        and `owner` (W,) are as the encoding gives them, `outputs` (W, P) as the model does.
        """
        ...

    def measure(self, model: Predictor, split: Split) -> dict[str, float]:
        """Measure on a split, best one that nothing was chosen by, whether the trust is deserved: its coverage, …"""
        ...

    def state(self) -> dict[str, Tensor]:
        """Give what is kept as tensors in the model file."""
        ...

    def facts(self) -> dict[str, Any]:
        """Give what is kept as JSON values in the model's card."""
        ...


class Predictor:
    """Weights, encoding and facts of a trained model.

    Parameters
    ----------
    network : nn.Module
        Takes what ``encoding.expand`` gives, returns (N, P).
    encoding : Encoding
        From raw inputs to windows and from outputs to columns.
    card : mapping
        What the model says of itself, JSON values only: ``model`` (kind and configuration), ``data`` (an
        `Info`), ``version``, and whatever a run adds.
    device : torch.device or str
        Where predictions are made.
    trust : Trust, optional
        How far to trust the predictions; None where that was never calibrated.
    """

    def __init__(
        self,
        network: nn.Module,
        encoding: Encoding,
        card: Mapping[str, Any],
        device: torch.device | str = "cpu",
        trust: Trust | None = None,
    ) -> None:
        self.network, self.encoding, self.card = network.to(device).eval(), encoding, dict(card)
        self.device, self.trust = torch.device(device), trust

    @property
    def info(self) -> Info:
        """What the model was trained on."""
        return Info.from_json(self.card["data"])

    @torch.inference_mode()
    def outputs(self, compact: Tensor, batch_size: int | None = None) -> Tensor:
        """Run the network over compact inputs.

        On a CPU the process keeps memory that it has freed; see `ribocyte.learn.memory.keep_freed_memory`.

        Parameters
        ----------
        compact : Tensor, uint8, shape (N, ...)
            As a `Split` holds them.
        batch_size : int, optional
            Inputs at a time; what suits the device where not given. The result does not depend on it beyond
            rounding.

        Returns
        -------
        Tensor, float32, shape (N, P), on the CPU
        """
        return torch.cat(self._run(self.network, compact, batch_size))

    @torch.inference_mode()
    def member_outputs(self, compact: Tensor, batch_size: int | None = None) -> Tensor:
        """Run every member of an ensemble over compact inputs; a single network is an ensemble of one.

        Returns
        -------
        Tensor, float32, shape (M, N, P), on the CPU
            ``outputs`` is what the network's ``combine`` makes of them.
        """
        if not isinstance(self.network, Ensemble):
            return self.outputs(compact, batch_size)[None]
        return torch.cat(self._run(self.network.member_outputs, compact, batch_size), dim=1)

    def _run(
        self, forward: Callable[[Tensor], Tensor], compact: Tensor, batch_size: int | None
    ) -> list[Tensor]:
        """Run a forward pass of the network over batches, in evaluation mode; its mode is put back."""
        if self.device.type == "cpu":
            keep_freed_memory()
        batch_size = batch_size or BATCHES.get(self.device.type, 1024)
        was_training = self.network.training
        self.network.eval()
        try:
            return [
                forward(self.encoding.expand(part.to(self.device))).float().cpu()
                for part in torch.split(compact, batch_size)
            ]
        finally:
            self.network.train(was_training)

    def predict(self, raw: Iterable[Any]) -> pl.DataFrame:
        """Predict for raw inputs: sequences for RNA, image files for cells.

        Returns
        -------
        DataFrame
            One row per input, in order; see the encoding's ``decode`` for the columns, and the trust's
            ``judge`` for those behind them.

        Raises
        ------
        DataError
            For an input that cannot be encoded.
        RequestError
            If `raw` is a single input: one wants a list of one.
        """
        if isinstance(raw, str | bytes | Path):
            raise RequestError(f"predict: {str(raw)[:40]!r} is one input", expected="several, as a list")
        return pl.concat(list(self.predict_in_chunks(raw)) or [self._nothing()])

    def predict_in_chunks(self, raw: Iterable[Any], chunk: int = 4096) -> Iterator[pl.DataFrame]:
        """Predict for a stream of raw inputs, `chunk` at a time, in flat memory."""
        stream = iter(raw)
        while items := list(itertools.islice(stream, chunk)):
            compact, owner = self.encoding.encode(items)
            yield self._tabulate(compact, self.outputs(compact), owner)

    def _tabulate(self, compact: Tensor, outputs: Tensor, owner: Tensor) -> pl.DataFrame:
        table = self.encoding.decode(outputs, owner)
        if self.trust is None:
            return table
        return table.with_columns(self.trust.judge(self, compact, outputs, owner).get_columns())

    def _nothing(self) -> pl.DataFrame:
        compact, owner = self.encoding.encode([])
        return self._tabulate(compact, torch.empty(0, len(self.card["data"]["outputs"])), owner)

    def save(self, path: Path | str) -> None:
        """Write weights, card and trust as one safetensors file, atomically."""
        state = dict(self.network.state_dict())
        card = {name: value for name, value in self.card.items() if name != "trust"}
        if self.trust is not None:
            state |= {f"{TRUST}{name}": tensor for name, tensor in self.trust.state().items()}
            card["trust"] = self.trust.facts()
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        with atomic_write(Path(path)) as stream:
            stream.write(save(state, metadata={"ribocyte": json.dumps({"format": FORMAT, **card})}))


def take_trust(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the tensors of the trust out of a model file's tensors, and give them by their own names."""
    names = [name for name in weights if name.startswith(TRUST)]
    return {name.removeprefix(TRUST): weights.pop(name) for name in names}


def read_model(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a model file's card and weights. Nothing in it is ever executed or unpickled.

    Raises
    ------
    ModelError
        If the file is missing, a pickle, truncated, or no model of ours.
    """
    path = path / "model.safetensors" if path.is_dir() else path
    _refuse_other_formats(path)
    try:
        with safe_open(path, framework="pt") as stored:
            # One entry only: the order of several is not kept, and the same model should be the same bytes.
            card = json.loads((stored.metadata() or {}).get("ribocyte", "{}"))
            if not isinstance(card, dict) or card.pop("format", None) != FORMAT:
                raise ModelError(
                    f"{path}: a safetensors file, but not a ribocyte model", expected=f"the format {FORMAT}"
                )
            return card, {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, RecursionError) as error:
        raise ModelError(
            f"{path}: damaged or cut short: {error}",
            expected="a whole safetensors file",
            mend="copy it again",
        ) from error


def _refuse_other_formats(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            head = stream.read(9)
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read: {error.strerror}", expected="a model.safetensors, or a run's folder"
        ) from error
    header = struct.unpack("<Q", head[:8])[0] if len(head) == 9 else 0
    safe = 0 < header <= LARGEST_HEADER and head[8:] == b"{"
    pickled = head[:1] == b"\x80" or head[:4] == b"PK\x03\x04"
    if path.suffix in {".pt", ".pth", ".pkl", ".ckpt"} or (pickled and not safe):
        raise ModelError(
            f"{path}: a pickle or PyTorch archive, which can run any code when it is loaded: refused",
            expected="the model.safetensors of a run",
        )
    if not safe:
        raise ModelError(
            f"{path}: not a safetensors file, or damaged", expected="the model.safetensors of a run"
        )
