"""``ribocyte explain``: why a model predicts what it predicts."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ribocyte.cli import options, present
from ribocyte.cli.progress import watch_predictions

if TYPE_CHECKING:
    from ribocyte.applications.explain import Summary

SHOWN = 10
"""Inputs that are shown."""


class Method(StrEnum):
    """How predictions are explained."""

    mutagenesis = "mutagenesis"
    integrated_gradients = "integrated-gradients"
    deep_lift_shap = "deep-lift-shap"
    attention = "attention"
    grad_cam = "grad-cam"
    occlusion = "occlusion"


def explain(
    model: options.Model,
    inputs: options.Inputs,
    out: options.NewFolder,
    method: Annotated[
        Method | None,
        typer.Option(help="How.", show_default="RNA: mutagenesis; cells: grad-cam"),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            metavar="EXPERIMENT",
            help="What is explained: an experiment, or a class of cell.",
            show_default="its only one; each cell's most probable class",
        ),
    ] = "",
    top: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Explain the N inputs with the largest predictions.", show_default="all"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of shuffled references.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Explain what a model predicts: which nucleotides, or which part of a picture, it rests on.

    Writes a folder: index.html to be read first, tables, arrays for other tools, and figures. Mutagenesis holds
    for every network; integrated gradients do too, and take seconds a sequence; DeepLIFT/SHAP holds for convolutional
    networks without attention; attention needs a network that has it.
    """
    from ribocyte import predictions
    from ribocyte.applications.explain import ExplainSettings
    from ribocyte.applications.explain import explain as explain_inputs
    from ribocyte.catalog import Predictor

    settings = ExplainSettings(method.value if method else "", output, top or 0, seed)
    predictor = Predictor.load(model)
    rows = predictions.read_inputs(predictor, inputs, sys.stdin.buffer)
    with watch_predictions(True) as count:
        summary = explain_inputs(predictor, rows, out, settings, count)
    if as_json:
        present.show_json({"out": out, **summary.as_json()})
        return
    _tell(summary, out)


def _tell(summary: Summary, out: Path) -> None:
    if summary.simulated:
        present.show(present.SIMULATED)
    rows = summary.strongest[:SHOWN]
    if "site" in rows[0]:
        counts = "attention" if summary.method == "attention" else "contribution"
        present.show_table(
            ("sequence", "prediction", "site", "nt", counts),
            [
                (
                    _short(row["sequence"]),
                    f"{row['prediction']:.3f}",
                    row["site"],
                    f"{row['from']}-{row['to']}",
                    f"{row['counts']:.3f}",
                )
                for row in rows
            ],
            numbers=(1, 4),
        )
    else:
        present.show_table(
            ("picture", "class", "probability", "map for"),
            [(row["picture"], row["class"], f"{row['probability']:.3f}", row["explained"]) for row in rows],
            numbers=(2,),
        )
    left = "".join(f", {count:,} left out ({why})" for why, count in summary.skipped.items())
    what = f"{summary.method}, {summary.output or 'each most probable class'}"
    present.show(f"{what}: {summary.given:,} given, {summary.explained:,} explained{left}")
    if summary.largest_delta is not None:
        present.show(f"Contributions add up to the predicted difference within {summary.largest_delta:.1e}")
    present.show(f"Read {out / 'index.html'}")


def _short(name: str) -> str:
    return name if len(name) <= 45 else f"{name[:44]}…"
