"""``ribocyte predict`` and ``ribocyte models``: what a model says of new inputs, and what models there are."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribocyte.cli import options, present
from ribocyte.cli.progress import watch_predictions
from ribocyte.cli.tables import WRITERS, Format, counted, open_output, refuse_to_replace, settle_format
from ribocyte.errors import RequestError

if TYPE_CHECKING:
    from ribocyte.catalog import Predictor


def predict(
    model: options.Model,
    inputs: options.Inputs,
    out: options.Table = None,
    wanted: Annotated[
        Format | None, typer.Option("--format", help="How.", show_default="by --out, else tsv")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images that cannot be read, and say which.")
    ] = False,
    brief: Annotated[
        bool,
        typer.Option("--brief", help="RNA: a column for each output and no more: no windows, no intervals."),
    ] = False,
    level: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How many of the truths the intervals (RNA) or sets of classes (cells) are to hold.",
            show_default="0.9 for RNA, 0.95 for cells",
        ),
    ] = None,
) -> None:
    """Predict for new inputs.

    One row each, its name first. RNA longer than the network's window is read in overlapping windows; the best
    one counts, and the columns say which it was. Of many RNAs and many proteins, write Parquet and be --brief.
    """
    from ribocyte import predictions
    from ribocyte.catalog import Predictor

    form = settle_format(Format.json if as_json else wanted, out)
    refuse_to_replace(out, [str(model), *inputs])
    predictor = Predictor.load(model)
    if level is not None:
        _trust_at(predictor, level, model)
    skip = (lambda error: present.warn(f"left out: {error}")) if skip_bad else None
    rows = predictions.read_inputs(predictor, inputs, sys.stdin.buffer, skip)
    with watch_predictions(bool(out) or not sys.stdout.isatty()) as count, open_output(out) as stream:
        WRITERS[form](counted(predictions.predict(predictor, rows, brief=brief), count), stream)


def models(as_json: options.Json = False) -> None:
    """List what can be built.

    Networks, and what they can learn from, with every setting that a recipe can change. Parameters and
    multiply-adds are those of the default setting for one experiment, or eight classes of cells.
    """
    from ribocyte import inventory

    networks, data = inventory.describe_networks(), inventory.describe_data()
    if as_json:
        present.show_json({"models": list(map(asdict, networks)), "data": list(map(asdict, data))})
        return
    for network in networks:
        present.show(f"{network.kind}: {network.about}")
        size = f"{network.parameters:,} parameters, {network.multiply_adds:,} multiply-adds an example"
        _show_indented({"size": size, "[model]": _settings(network.settings)})
    for kind in data:
        present.show(f"{kind.kind}: {kind.about}")
        _show_indented({"[data]": _settings(kind.settings)})


def _trust_at(predictor: Predictor, level: float, model: Path) -> None:
    if predictor.trust is None:
        raise RequestError(
            "--level: the model was never calibrated",
            expected="a model that knows how far to trust it",
            mend=f"ribocyte calibrate {present.quoted(model)}",
        )
    predictor.trust = predictor.trust.at(level)


def _settings(settings: dict[str, Any]) -> str:
    """Write settings as a recipe has them; JSON is TOML for such values."""
    written = (
        f"{key} = {json.dumps(value)}" if value is not None else f"{key} (required)"
        for key, value in settings.items()
    )
    return ", ".join(written)


def _show_indented(facts: dict[str, str]) -> None:
    for name, value in facts.items():
        present.show(f"    {name}: {value}")
