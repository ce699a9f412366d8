"""One training of a study: a run like any other, but scored by the study and not by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ribocyte import catalog
from ribocyte.errors import RunError
from ribocyte.learn import measure
from ribocyte.learn.objectives import Objective
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Info, Split, Splits
from ribocyte.learn.training import Progress, fit
from ribocyte.rna.joint.multi import Multi
from ribocyte.transfer.bench import draw_rows
from ribocyte.version import VERSION

Report = Callable[[Progress], None]
Stop = Callable[[], bool]

SHARE = 5
"""Training rows for each validation row."""
FEWEST = 64
"""Validation rows at least: rank correlations of fewer would choose an epoch by chance."""


def train(
    recipe: Recipe, path: Path, data: Path | None, report: Report, stop: Stop, origin: Path | None = None
) -> Run:
    """Train a recipe, or go on where it stopped, without looking at the test split.

    Validation is by a fifth as many probes as train, 64 at least, which did not.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    path : Path
        The run's folder.
    data : Path or None
        A data folder.
    report, stop
        As for `ribocyte.learn.training.fit`.
    origin : Path, optional
        The run of a joint network to begin from, as `begin_from` does; else from weights drawn by the seed.

    Raises
    ------
    InterruptedRunError
        If `stop` said so.
    """
    run = Run.open(path) if (path / "recipe.toml").is_file() else Run.create(path, recipe.as_tables())
    if run.finished:
        return run
    splits = shorten(catalog.load_data(recipe, data), recipe.training.seed)
    network = begin_from(origin, splits.info) if origin else catalog.build_network(recipe, splits.info)
    card = {"version": VERSION, "recipe": recipe.as_tables(), "data": splits.info.as_json()}
    with run.alone():
        model = fit(
            network,
            splits,
            encoding=catalog.make_encoding(recipe, splits.info),
            objective=cast(Objective, recipe.objective),
            training=recipe.training,
            run=run,
            card=card,
            report=report,
            stop=stop,
        )
        run.write_scores(_describe(run, recipe, splits, measure.parameters(model.network)))
        (path / "last.ckpt").unlink(missing_ok=True)  # a finished run needs none
    return run


def begin_from(path: Path, info: Info) -> nn.Module:
    """Take the network of one experiment, the only output of `info`, out of a joint one with a shared trunk."""
    joint = load_model(path)
    network = cast(Multi, joint.network)
    return network.only(joint.info.find_output(info.outputs[0]))


def load_model(path: Path) -> catalog.Predictor:
    """Load a run's model, on the CPU."""
    return catalog.Predictor.load(path, device="cpu")


def shorten(splits: Splits, seed: int) -> Splits:
    """Take the test rows away, and all but some of the validation rows."""
    rows = draw_rows(torch.arange(len(splits.val)).numpy(), max(FEWEST, len(splits.train) // SHARE), seed)
    kept: Split = splits.val[torch.from_numpy(rows)]
    return replace(splits, val=kept).without_test()


def share_of(path: Path) -> float:
    """Say how much of a run is done, from the history it has written."""
    try:
        run = Run.open(path)
        return run.history.height / float(run.recipe["training"]["epochs"])
    except RunError:  # not begun, or its history is not written yet
        return 0.0


def seconds_of(path: Path) -> float:
    """Say how long a finished run trained."""
    scores: dict[str, Any] = json.loads((path / "scores.json").read_text(encoding="utf-8"))
    return float(scores["cost"]["seconds"])


def _describe(run: Run, recipe: Recipe, splits: Splits, parameters: int) -> dict[str, Any]:
    history = run.history
    best = recipe.objective.best
    row = history[int(history[f"val_{best}"].arg_max() or 0)]
    return {
        "name": recipe.name,
        "version": VERSION,
        "what": "part of a study of many proteins, which scores it",
        "simulated": splits.info.simulated,
        "protocol": splits.info.protocol,
        "hold_out": splits.info.normalisation.get("hold_out"),
        "outputs": len(splits.info.outputs),
        "rows": {"train": len(splits.train), "val": len(splits.val)},
        "fingerprint": splits.info.fingerprint,
        "seed": recipe.training.seed,
        "epochs": history.height,
        "best": {"epoch": int(row["epoch"][0]), f"val_{best}": float(row[f"val_{best}"][0])},
        "cost": {
            "parameters": parameters,
            "seconds": float(history["seconds"].sum()),
            "peak_mb": float(history["peak_mb"].max()),  # type: ignore[arg-type]
            "threads": torch.get_num_threads(),
        },
    }
