"""A trained network as ONNX, for programs without PyTorch: written only once it computes what PyTorch does.

The file holds one network with a dynamic batch and, as metadata, what the model says of itself. Its input is what
the network takes (one-hot RNA, normalised images) or, with `raw`, the bytes behind it (tokens, pixels), so that
nothing has to be prepared outside.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ribocyte.catalog import Predictor
from ribocyte.errors import RequestError, WorkError
from ribocyte.extras import need
from ribocyte.files import atomic_write
from ribocyte.rna.alphabet import PADDING
from ribocyte.version import VERSION

OPSET = 18
"""The oldest operator set PyTorch writes without converting, and so the one most runtimes read."""
BATCHES = (1, 2, 7, 64)
"""Batch sizes at which a network is checked before it is written."""
TOLERANCE = 1e-4
"""Largest difference from PyTorch, as a share of the largest output, or of 1 where that is smaller."""


@dataclass(frozen=True)
class Port:
    """What goes into an exported network, or comes out.

    Parameters
    ----------
    name : str
        Its name in the graph.
    dtype : str
        As NumPy writes it: ``float32`` or ``uint8``.
    shape : tuple of int or str
        The first is ``batch``.
    about : str
        What it means.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    about: str


@dataclass(frozen=True)
class Export:
    """A network that was written as ONNX.

    Parameters
    ----------
    path : Path
        The file.
    opset : int
        Version of the operators it is made of.
    input, output : Port
        What it takes and gives.
    difference : float
        Largest difference from PyTorch over all checked batches, in units of the output.
    """

    path: Path
    opset: int
    input: Port
    output: Port
    difference: float


def export_onnx(model: Predictor, path: Path | str, *, opset: int = OPSET, raw: bool = False) -> Export:
    """Write a model's network as ONNX, once onnxruntime has agreed with PyTorch on it.

    Both compute batches of 1, 2, 7 and 64 inputs: RNA of all lengths with N and padding, pictures of noise,
    of one colour and of shades. Of an ensemble the mean is exported. What `ribocyte.learn.predictor.Encoding`
    does after the network (the best window, the softmax of logits) is left to the reader; the metadata says
    what the numbers mean. A batch holds one input or more: of none, onnxruntime aborts in some networks.

    Parameters
    ----------
    model : Predictor
        Whose network is wanted.
    path : Path
        Where to; a file that is there is replaced, and only by a network that passed.
    opset : int
        Version of ONNX's operators.
    raw : bool
        Take tokens (N, L) or pixels (N, H, W, 3), both uint8, instead of what the network itself takes.

    Returns
    -------
    Export

    Raises
    ------
    RequestError
        If `path` is a folder, the operator set cannot be written or read, or the extra [export] is missing.
    WorkError
        If PyTorch cannot write the network, or the two disagree by more than 1e-4.
    DiskError
        If the file cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise RequestError(f"{path}: is a folder", expected="a file to write, such as model.onnx")
    runtime = need("onnxruntime", "export", "checking the exported network")
    _refuse_opset(opset)
    network = _FromBytes(model) if raw else copy.deepcopy(model.network)  # export leaves traces in modules
    network = network.cpu().eval().requires_grad_(False)
    batches = [compact if raw else model.encoding.expand(compact) for compact in _draw_batches(model)]
    ports = _describe_input(model, batches[0], raw), _describe_output(model)
    content = _write(network, batches[1], ports, opset, describe_model(model))
    difference = _compare(runtime, content, network, batches, opset)
    with atomic_write(path) as stream:
        stream.write(content)
    return Export(path, opset, *ports, difference)


def describe_model(model: Predictor) -> dict[str, str]:
    """Give what a model says of itself as ONNX metadata: flat names, text values; tables are JSON."""
    info, trust = model.info, model.trust.facts() if model.trust else None
    return {
        "ribocyte.version": str(model.card.get("version", VERSION)),
        "ribocyte.domain": model.domain,
        "ribocyte.network": model.recipe.model_kind,
        "ribocyte.data": info.kind,
        "ribocyte.source": info.source,
        "ribocyte.fingerprint": info.fingerprint,
        "ribocyte.protocol": info.protocol,
        "ribocyte.outputs": json.dumps(list(info.outputs)),
        "ribocyte.normalisation": json.dumps(dict(info.normalisation)),
        "ribocyte.simulated": json.dumps(info.simulated),
        "ribocyte.trust": json.dumps(trust),
    }


class _FromBytes(nn.Module):
    """A network behind the encoding that turns bytes into what it takes."""

    def __init__(self, model: Predictor) -> None:
        super().__init__()
        self.network, self.expand = copy.deepcopy(model.network), model.encoding.expand

    def forward(self, compact: Tensor) -> Tensor:
        out: Tensor = self.network(self.expand(compact))
        return out


def _refuse_opset(opset: int) -> None:
    newest = need("onnx.defs", "export", "writing ONNX").onnx_opset_version()
    need("onnxscript", "export", "writing ONNX")  # torch.onnx imports it only later, and says less
    if not OPSET <= opset <= newest:
        raise RequestError(f"opset {opset}: cannot be written", expected=f"from {OPSET} to {newest}")


def _describe_input(model: Predictor, example: Tensor, raw: bool) -> Port:
    shape: tuple[int | str, ...] = ("batch", *example.shape[1:])
    norm = model.info.normalisation
    if model.domain == "rna":
        tokens = "A C G U N and padding as 0 to 5, padded on the right"
        hot = "one-hot in the order A C G U; N is 0.25 in all four, padding, on the right, 0"
        return Port("tokens", "uint8", shape, tokens) if raw else Port("rna", "float32", shape, hot)
    if raw:
        return Port("pixels", "uint8", shape, "RGB, row by row")
    return Port(
        "images",
        "float32",
        shape,
        f"RGB as (value / 255 - {norm['mean']:g}) / {norm['std']:g}, channels first",
    )


def _describe_output(model: Predictor) -> Port:
    shape = ("batch", len(model.info.outputs))
    if model.domain == "rna":
        return Port("affinities", "float32", shape, "z-scores of log intensity, a column each experiment")
    if getattr(model.recipe.model, "softmax", False):
        return Port("probabilities", "float32", shape, "a column each class")
    temperature = model.trust.facts()["temperature"] if model.trust else 1.0
    return Port(
        "logits",
        "float32",
        shape,
        f"a column each class; softmax(logits / {temperature:.4g}) is the probability",
    )


def _draw_batches(model: Predictor) -> list[Tensor]:
    """Draw compact inputs of every size that is checked, the same every time."""
    draw: dict[str, Callable[..., Tensor]] = {"rna": _draw_rna, "cells": _draw_cells}
    random = torch.Generator().manual_seed(0)
    side = int(model.info.normalisation["length" if model.domain == "rna" else "size"])
    return [draw[model.domain](count, side, random) for count in BATCHES]


def _draw_rna(count: int, length: int, random: torch.Generator) -> Tensor:
    """Draw RNA of 1 to `length` nt, one base in twenty an N; the last fills the window."""
    rna = torch.randint(0, 4, (count, length), generator=random, dtype=torch.uint8)
    rna[torch.rand(count, length, generator=random) < 0.05] = 4
    ends = torch.randint(1, length + 1, (count, 1), generator=random)
    ends[-1] = length
    rna[torch.arange(length) >= ends] = PADDING
    return rna


def _draw_cells(count: int, side: int, random: torch.Generator) -> Tensor:
    """Draw pictures: noise, one colour, and shades from corner to corner, in turn."""
    noise = torch.randint(0, 256, (count, side, side, 3), generator=random, dtype=torch.uint8)
    line = torch.linspace(0, 255, side)
    shades = ((line[:, None] + line[None, :]) / 2).to(torch.uint8)[:, :, None]
    noise[1::3] = noise[1::3, :1, :1]
    noise[2::3] = shades.expand(side, side, 3)
    return noise


def _write(
    network: nn.Module, example: Tensor, ports: tuple[Port, Port], opset: int, facts: dict[str, str]
) -> bytes:
    """Write a network with a dynamic batch as the bytes of an ONNX file."""
    taken, given = ports
    try:
        with _without_notes():
            program = torch.onnx.export(
                network,
                (example,),
                input_names=[taken.name],
                output_names=[given.name],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=opset,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise WorkError(f"the network cannot be written as ONNX: {reason}") from error
    if program is None or program.model.opset_imports[""] != opset:
        raise RequestError(f"opset {opset}: this network cannot be written in it", expected=f"opset {OPSET}")
    ir = program.model
    _forget_sources(ir)
    ir.producer_name, ir.producer_version = "ribocyte", VERSION
    ir.doc_string = f"{taken.name}: {taken.about}. {given.name}: {given.about}. The batch: 1 or more."
    ir.metadata_props.update(facts)
    content: bytes = program.model_proto.SerializeToString(deterministic=True)
    return content


def _forget_sources(ir: Any) -> None:
    """Leave out what the exporter notes of the code behind every node: it names files of this machine."""
    for node in ir.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in (*ir.graph.inputs, *ir.graph.outputs):
        value.metadata_props.clear()


def _compare(runtime: Any, content: bytes, network: nn.Module, batches: list[Tensor], opset: int) -> float:
    """Give the largest difference between onnxruntime and PyTorch.

    Raises
    ------
    RequestError
        If this onnxruntime does not read the file.
    WorkError
        If they disagree.
    """
    options, state = runtime.SessionOptions(), runtime.capi.onnxruntime_pybind11_state
    options.log_severity_level = 4  # it would write to stderr by itself
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except (state.Fail, state.InvalidGraph, state.NotImplemented) as error:
        raise RequestError(
            f"opset {opset}: onnxruntime {runtime.__version__} does not read it: {str(error).splitlines()[0]}",
            expected=f"an older one, such as {OPSET}",
        ) from error
    name, largest = session.get_inputs()[0].name, 0.0
    for batch in batches:
        with torch.inference_mode():
            wanted = network(batch)
        found = torch.from_numpy(session.run(None, {name: batch.contiguous().numpy()})[0])
        difference = float((found - wanted).abs().max())
        if not difference <= TOLERANCE * max(1.0, float(wanted.abs().max())):  # NaN is no agreement either
            raise WorkError(
                f"onnxruntime and PyTorch differ by {difference:.2g} on {len(batch)} inputs: nothing was written",
                expected=f"at most {TOLERANCE:g} of the largest output",
            )
        largest = max(largest, difference)
    return largest


@contextmanager
def _without_notes() -> Iterator[None]:
    """Keep to themselves what the exporter says of itself: deprecations within PyTorch, versions it converts."""
    noted = [
        logging.getLogger(f"torch.onnx._internal.exporter.{part}") for part in ("_registration", "_compat")
    ]
    noted.append(logging.getLogger("onnxscript.version_converter"))
    levels = [logger.level for logger in noted]
    try:
        for logger in noted:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            warnings.filterwarnings("ignore", "_check_is_size will be removed", FutureWarning)
            warnings.filterwarnings(
                "ignore", r"The tensor attributes? self\.[\w.]*_flat_weights", UserWarning
            )
            yield
    finally:
        for logger, level in zip(noted, levels, strict=True):
            logger.setLevel(level)
