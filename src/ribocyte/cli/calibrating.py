"""``ribocyte calibrate``: teach a model that was trained before how far to trust it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ribocyte.cli import options, present


def calibrate(
    model: options.Model,
    data: options.Data = None,
    again: Annotated[
        bool, typer.Option("--again", help="Calibrate anew a model that was calibrated already.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Add to a model how far to trust it.

    Training does so by itself; this is for models of older versions. The model file is replaced, in one step,
    by one that gives intervals (RNA) or sets of classes (cells) beside its predictions. It is calibrated on the
    validation split; what is shown was measured on the test split.
    """
    from ribocyte import pipeline

    found = pipeline.calibrate(model, data=data, again=again)
    if not found.same_data:
        present.warn(
            "this is not the data that the model was made with: it may have been fitted to some of these rows, "
            "and then trusts itself too far; point --data at the original"
        )
    if as_json:
        present.show_json({"model": model, **asdict(found)})
        return
    if not found.added:
        present.say(f"{model}: calibrated already; nothing to do")
        return
    if found.simulated:
        present.show(present.SIMULATED)
    present.show(f"{model}: calibrated on {found.rows:,} validation rows; on the test split:")
    present.show_trust(found.trust)
