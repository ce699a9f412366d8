"""A trained network with all it needs to be used: how to encode what people have, how to decode what it says."""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ribocyte.errors import ModelError, RequestError
from ribocyte.files import atomic_write

FORMAT = "ribocyte-model/1"
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
    """

    def __init__(
        self,
        network: nn.Module,
        encoding: Encoding,
        card: Mapping[str, Any],
        device: torch.device | str = "cpu",
    ) -> None:
        self.network, self.encoding, self.card = network.to(device).eval(), encoding, dict(card)
        self.device = torch.device(device)

    @torch.inference_mode()
    def outputs(self, compact: Tensor, batch_size: int = 1024) -> Tensor:
        """Run the network over compact inputs.

        Parameters
        ----------
        compact : Tensor, uint8, shape (N, ...)
            As a `Split` holds them.
        batch_size : int
            Inputs at a time; the result does not depend on it beyond rounding.

        Returns
        -------
        Tensor, float32, shape (N, P), on the CPU
        """
        was_training = self.network.training
        self.network.eval()
        try:
            parts = [
                self.network(self.encoding.expand(part.to(self.device))).float().cpu()
                for part in torch.split(compact, batch_size)
            ]
        finally:
            self.network.train(was_training)
        return torch.cat(parts)

    def predict(self, raw: Iterable[Any]) -> pl.DataFrame:
        """Predict for raw inputs: sequences for RNA, image files for cells.

        Returns
        -------
        DataFrame
            One row per input, in order; see the encoding's ``decode`` for the columns.

        Raises
        ------
        DataError
            For an input that cannot be encoded.
        RequestError
            If `raw` is a single input: one wants a list of one.
        """
        if isinstance(raw, str | bytes | Path):
            raise RequestError(f"predict: {str(raw)[:40]!r} is one input", expected="several, as a list")
        return pl.concat(list(self.predict_in_chunks(raw)) or [self.encoding.decode(*self._nothing())])

    def predict_in_chunks(self, raw: Iterable[Any], chunk: int = 4096) -> Iterator[pl.DataFrame]:
        """Predict for a stream of raw inputs, `chunk` at a time, in flat memory."""
        stream = iter(raw)
        while items := list(itertools.islice(stream, chunk)):
            compact, owner = self.encoding.encode(items)
            yield self.encoding.decode(self.outputs(compact), owner)

    def _nothing(self) -> tuple[Tensor, Tensor]:
        return torch.empty(0, len(self.card["data"]["outputs"])), torch.empty(0, dtype=torch.int64)

    def save(self, path: Path) -> None:
        """Write weights and card as one safetensors file, atomically."""
        state = {
            name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()
        }
        with atomic_write(path) as stream:
            stream.write(save(state, metadata={"ribocyte": json.dumps({"format": FORMAT, **self.card})}))


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
