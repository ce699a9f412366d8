"""``ribocyte train``, a recipe in, a run's folder out; and ``ribocyte demo``, six of them in miniature."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribocyte.cli import options, present
from ribocyte.cli.guard import StopRequest
from ribocyte.cli.progress import watch_stages, watch_training
from ribocyte.errors import InterruptedRunError

if TYPE_CHECKING:
    from ribocyte.learn.recipe import Recipe
    from ribocyte.learn.runs import Run

EXAMPLE_INPUT = {"rna": "AGAUUGCAUGUAAGGCUUACGAUUCGAUCA", "cells": "PHOTO.jpg"}


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe: a TOML file.", show_default=False)],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, as in training.epochs=5."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run's folder.", show_default="runs/NAME OF THE RECIPE"),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            metavar="M",
            help="Train M networks together and predict by their mean; the same as --set training.members=M.",
            show_default="as the recipe says",
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Share every batch among N processes: a GPU each, or a core; the same as --set training.processes=N.",
            show_default="as the recipe says",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="auto, 32 or bf16; 32 is float32 by PyTorch's own formulations throughout; the same as "
            "--set training.precision=….",
            show_default="as the recipe says",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder; begin it if there is none.")
    ] = False,
    data: options.Data = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor threads.", show_default="as many as cores")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Train a recipe, and score it.

    The test split is scored with the epoch that did best in validation.

    Ctrl-C finishes the step, keeps everything, and says how to go on. A run killed at any moment goes on with
    --resume and ends in the same weights.
    """
    from ribocyte import catalog, pipeline
    from ribocyte.learn.runs import Run

    named = {"members": members, "processes": devices, "precision": precision and f'"{precision}"'}
    chosen = [f"training.{name}={value}" for name, value in named.items() if value is not None]
    wanted = catalog.read_recipe(recipe, [*(settings or []), *chosen])
    folder = out or Path("runs") / wanted.name
    before = resume and Run(folder).finished
    _use_threads(threads)
    _quieten_fabric()
    with StopRequest() as stop, watch_training(wanted.objective.best) as report:
        try:
            run = pipeline.train(wanted, folder, data=data, resume=resume, report=report, stop=stop)
        except KeyboardInterrupt as error:
            raise _interrupted(f"{folder}: stopped at once", folder, data, threads) from error
        except InterruptedRunError as error:
            raise _interrupted(error.problem, folder, data, threads) from error
    if before:
        present.say(f"{folder}: finished already; nothing to do")
    if present.is_helper():
        return
    if as_json:
        present.show_json({"run": run.path, **run.scores})
    else:
        _show_run(run, wanted)


def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to; an interrupted demo goes on there.")
    ] = Path("out/demo"),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change its size, as in cell_epochs=20."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """See it all, on simulated data.

    The course assignment in miniature: four networks for cells and two for RNA are trained and compared, in a
    few minutes; a page shows what was found.
    """
    from ribocyte.assignment.demo import DemoConfig, run_demo
    from ribocyte.learn.recipe import override, parse

    config = parse(DemoConfig, override({}, settings or []), "demo")
    with StopRequest() as stop, watch_stages() as report:
        try:
            made = run_demo(out, config=config, report=report, stop=stop)
        except KeyboardInterrupt as error:
            again = "give the same command again: the demo goes on where it stopped"
            raise InterruptedRunError(f"{out}: stopped at once", mend=again) from error
    if as_json:
        present.show_json(
            {"page": made.page, "runs": made.runs, "figures": made.figures, "summary": made.summary}
        )
        return
    for line in made.summary:
        present.show(line)


def _use_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def _quieten_fabric() -> None:
    """Keep Lightning's announcements out of our messages; its warnings stay."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def _interrupted(problem: str, folder: Path, data: Path | None, threads: int | None) -> InterruptedRunError:
    """Say how to go on, with everything that was asked for on the command line."""
    recipe = folder / "recipe.toml"
    if not recipe.is_file():
        return InterruptedRunError(problem, mend="nothing was begun yet")
    again: list[str] = ["ribocyte", "train", str(recipe), "--out", str(folder), "--resume"]
    again += ["--data", str(data)] if data else []
    again += ["--threads", str(threads)] if threads else []
    return InterruptedRunError(problem, mend=f"go on with: {shlex.join(again)}")


def _show_run(run: Run, recipe: Recipe) -> None:
    from ribocyte import catalog

    scores = run.scores
    if scores["simulated"]:
        present.show(present.SIMULATED)
    present.show_scores(scores["test"], "outputs" if "intervals" in scores else "rows")
    present.show_trust(scores.get("trust"))
    present.show()
    present.show_facts(_describe_run(run, scores))
    example = EXAMPLE_INPUT[catalog.NETWORKS[recipe.model_kind].domain]
    present.show()
    present.show(f"Next: ribocyte predict {present.quoted(run.path)} {example}")


def _describe_run(run: Run, scores: dict[str, Any]) -> dict[str, str]:
    best, cost, rows = scores["best"], scores["cost"], scores["rows"]
    outputs = scores["outputs"]
    return {
        "run": str(run.path),
        "outputs": present.outline(outputs[:8]) + (f", … ({len(outputs)})" if len(outputs) > 8 else ""),
        "protocol": scores["protocol"],
        "rows": present.outline(rows),
        "best epoch": f"{best['epoch']} of {scores['epochs']} (val {best['metric']} {present.number(best['value'])})",
        "parameters": f"{cost['parameters']:,}",
        "multiply-adds": f"{cost['multiply_adds']:,} an example",
        "training": f"{present.duration(cost['seconds'])}, {cost['examples_per_second']:,.0f} examples/s, "
        f"{cost['peak_mb']:,.0f} MB",
        "machine": f"{cost['device']}, {cost['threads']} threads, precision {cost['precision']}",
        "files": ", ".join(sorted(path.name for path in run.path.iterdir() if path.name[0] != ".")),
    }
