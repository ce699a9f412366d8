"""Explanations of pictures of cells: where what speaks for a class is seen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.applications._explain_pages import describe_cells
from ribocyte.cells.gradcam import gradcam, occlusion, plot_maps
from ribocyte.cells.images import CellEncoding, read_photograph
from ribocyte.cells.trust import CellTrust
from ribocyte.documents.page import render_page
from ribocyte.errors import DataError
from ribocyte.files import atomic_write, write_text
from ribocyte.learn.plots import save_figure
from ribocyte.learn.predictor import Predictor

if TYPE_CHECKING:
    from ribocyte.applications.explain import ExplainSettings, Progress, Summary

DRAWN = 24
"""Pictures in the figure: those with the largest probabilities."""
TOGETHER = 64
"""Pictures explained between two reports of progress."""

Pixels = NDArray[np.uint8]


def explain_cells(
    model: Predictor,
    inputs: Iterable[tuple[str, Pixels]],
    folder: Path,
    output: int | None,
    settings: ExplainSettings,
    summary: Summary,
    progress: Progress,
) -> None:
    """Explain one class, or each picture's own, write the folder, and enter what was done in `summary`."""
    encoding = model.encoding
    assert isinstance(encoding, CellEncoding)
    names, images = _read(inputs, encoding)
    summary.given = len(names)
    shares = _probabilities(model, encoding, model.outputs(images))
    told = shares.max(dim=1).values if output is None else shares[:, output]
    order = told.argsort(descending=True, stable=True)
    chosen = order[: settings.top or None].sort().values
    if len(chosen) < len(names):
        summary.skipped["not among the top"] = len(names) - len(chosen)
    names, images, shares, told = [names[i] for i in chosen], images[chosen], shares[chosen], told[chosen]
    maps = _map(model, images, output, summary.method, progress)
    summary.explained = len(names)
    drawn = told.argsort(descending=True, stable=True)[:DRAWN].tolist()
    summary.strongest = [_describe(encoding, names[i], shares[i], output) for i in drawn]
    with atomic_write(folder / "maps.npz") as stream:
        np.savez_compressed(stream, names=np.array(names), maps=maps.numpy(), images=images.numpy())
    figure = plot_maps(
        [_photograph(names[i], images[i]) for i in drawn],
        maps[drawn],
        [Path(names[i]).name for i in drawn],
        crop=encoding.crop,
        simulated=summary.simulated,
    )
    save_figure(figure, folder / "maps.svg")
    page = describe_cells(summary, folder / "maps.svg", len(drawn))
    write_text(folder / "index.html", render_page(page))


def _read(inputs: Iterable[tuple[str, Pixels]], encoding: CellEncoding) -> tuple[list[str], Tensor]:
    named = list(inputs)
    if not named:
        raise DataError("inputs: no picture", expected="at least one")
    images, _ = encoding.encode([pixels for _, pixels in named])
    return [name for name, _ in named], images


def _probabilities(model: Predictor, encoding: CellEncoding, outputs: Tensor) -> Tensor:
    """Give the probabilities that a prediction tells: calibrated, where the model was."""
    if isinstance(model.trust, CellTrust):
        return model.trust.probabilities(model, outputs)
    return outputs if encoding.probabilities else outputs.softmax(dim=1)


def _map(model: Predictor, images: Tensor, output: int | None, method: str, progress: Progress) -> Tensor:
    parts = []
    for some in torch.split(images, TOGETHER):
        parts.append((gradcam if method == "grad-cam" else occlusion)(model, some, output))
        progress(sum(map(len, parts)))
    return torch.cat(parts)


def _describe(encoding: CellEncoding, name: str, shares: Tensor, output: int | None) -> dict[str, Any]:
    best = int(shares.argmax())
    return {
        "picture": name,
        "file": Path(name).name,
        "class": encoding.classes[best],
        "probability": float(shares[best]),
        "explained": encoding.classes[best if output is None else output],
    }


def _photograph(name: str, image: Tensor) -> Pixels:
    """Give the photograph as it was taken; the small picture where there is no such file."""
    path = Path(name)
    return read_photograph(path) if path.is_file() else np.asarray(image.numpy(), dtype=np.uint8)
