"""``ribocyte evaluate`` and ``ribocyte compare``: how good a model is, and which of several is better."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ribocyte.cli import options, present


class Part(StrEnum):
    """The parts that data is split into."""

    test = "test"
    val = "val"
    train = "train"


def evaluate(
    model: options.Model,
    data: options.Data = None,
    split: Annotated[Part, typer.Option(help="Which part of the data.")] = Part.test,
    as_json: options.Json = False,
) -> None:
    """Score a model, with 95 % intervals."""
    from ribocyte import pipeline
    from ribocyte.catalog import Predictor
    from ribocyte.learn.evaluation import as_json as plain

    found = pipeline.evaluate(Predictor.load(model), data=data, split=split.value)
    scores = plain(found.scores)
    if not found.same_data:
        present.warn(
            "this is not the data that the model was made with: its training rows may be among these; "
            "point --data at the original to repeat its scores"
        )
    if as_json:
        present.show_json({"model": model, **asdict(found), "scores": scores})
        return
    if found.simulated:
        present.show(present.SIMULATED)
    present.show(f"{model}: {found.split} split, {found.rows:,} rows, protocol {found.protocol}")
    present.show_scores(scores, found.drawn)
    if found.outputs:
        present.show_outputs(found.outputs)
    present.show_trust(found.trust)


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN …", help="Folders of finished runs.", show_default=False)
    ],
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Draw the runs on shared axes into this folder.", show_default=False
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Compare runs by the paired bootstrap.

    Each is compared with the first, on the same test rows. A positive gain means that it is better than the
    first; "no difference" that the 95 % interval of the gain holds zero.
    """
    from ribocyte import pipeline
    from ribocyte.learn.evaluation import as_json as plain
    from ribocyte.learn.runs import Run

    opened = [Run.open(path) for path in runs]
    found = {name: plain(metrics) for name, metrics in pipeline.compare(opened, figures).items()}
    reference, simulated = pipeline.unique_names(opened)[0], any(run.scores["simulated"] for run in opened)
    if as_json:
        present.show_json({"reference": reference, "simulated": simulated, "runs": found, "figures": figures})
        return
    if simulated:
        present.show(present.SIMULATED)
    header = ("metric", "first", "this", "gain", "95 % interval", "verdict")
    for name, metrics in found.items():
        present.show(f"{name}, compared with the first, {reference}:")
        rows = [
            (metric, present.number(one["first"]), present.number(one["second"]), *_gain(one), one["verdict"])
            for metric, one in metrics.items()
        ]
        present.show_table(header, rows, numbers=(1, 2, 3))
    if figures:
        present.show(f"Drawn: {figures / 'curves.svg'}, {figures / 'losses.svg'}")


def _gain(one: dict[str, float | None]) -> tuple[str, str]:
    gain = one["gain"]
    return "undefined" if gain is None else f"{gain:+.4f}", present.interval(one, sign="+")
