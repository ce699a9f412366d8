"""``ribocyte transfer``: what is gained by learning many proteins together, measured."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from ribocyte.cli import options, present
from ribocyte.cli.board import watch_study
from ribocyte.cli.guard import StopRequest
from ribocyte.cli.helping import PARENT, default_workers, divide_threads, run_helpers, stop_with_parent
from ribocyte.errors import InterruptedRunError, RequestError


def transfer(
    protocol: Annotated[
        str,
        typer.Argument(metavar="PROTOCOL", help="known, cluster, few-shot or family.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="The study's folder; protocols share it, and an interrupted one goes on there.",
        ),
    ] = Path("out/transfer"),
    full: Annotated[
        bool, typer.Option("--full", help="All probes, proteins and clusters: a night, or a GPU.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change its size, as in probes=4000 or folds=10."),
    ] = None,
    network: Annotated[
        str, typer.Option(help="What is aimed at proteins that did not train: towers or film.")
    ] = "towers",
    identity: Annotated[
        float, typer.Option(help="Above it two proteins are relatives and stay on one side.")
    ] = 0.5,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the work.", show_default="one a core, one with a GPU"),
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, 32 or bf16; auto is settled once.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of folds, draws and trainings.")] = 0,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Measure what many proteins teach about each other, and about one that nobody measured.

    known: probes that were not trained on, beside networks of one protein. cluster: proteins held out with all
    their relatives; ends with a model of all proteins that knows how far to trust itself, for: ribocyte bind.
    few-shot: a new protein of which some probes were measured. family: a kind of domain that was never seen.

    Writes results.json, proteins.tsv, figures and a page, index.html, to DIR/PROTOCOL. What is finished is never
    done again: stop it at any moment, and give the same command to go on.
    """
    from ribocyte.learn.jobs import run_jobs
    from ribocyte.learn.recipe import as_table, override, parse
    from ribocyte.transfer.report import PROTOCOLS, write_results
    from ribocyte.transfer.study import SIZES, TransferConfig, begin_study

    if protocol not in PROTOCOLS:
        raise RequestError(f"{protocol}: no such protocol", expected=f"one of {', '.join(PROTOCOLS)}")
    size = SIZES["full" if full else "standard"]
    wanted = parse(
        TransferConfig,
        {
            "size": override(as_table(size), settings or []),
            "network": f"rna-{network.removeprefix('rna-')}",
            "identity": identity,
            "precision": precision,
            "seed": seed,
        },
        "transfer",
    )
    helping = os.environ.get(PARENT)
    count = 1 if helping else workers or default_workers()
    divide_threads(workers or default_workers())
    with StopRequest() as stop, contextlib.ExitStack() as open_things:
        try:
            study = begin_study(out, wanted, data=data)
            jobs = PROTOCOLS[protocol].plan(study)
            open_things.enter_context(run_helpers(min(count, len(jobs)) - 1, out))
            report = (lambda _: None) if helping else open_things.enter_context(watch_study())
            run_jobs(jobs, study.locks, report=report, stop=stop_with_parent(stop, helping))
        except KeyboardInterrupt as error:
            raise _interrupted(f"{out}: stopped at once") from error
        except InterruptedRunError as error:
            raise _interrupted(f"{out}: stopped") from error
    if helping:
        return
    written = write_results(study, protocol)
    results = written.results
    if as_json:
        present.show_json(
            {
                "protocol": protocol,
                "simulated": written.simulated,
                "files": list(written.files),
                **results.as_json(),
            }
        )
        return
    if written.simulated:
        present.show(present.SIMULATED)
    for claim in results.claims:
        present.show(f"{'yes' if claim.holds else 'no '}  {claim.text}: {claim.found}")
    for note in results.notes:
        present.show(note)
    present.show(f"{written.files[2]}: the page; beside it results.json, proteins.tsv and figures")


def _interrupted(problem: str) -> InterruptedRunError:
    return InterruptedRunError(
        problem, mend="give the same command again: the study goes on where it stopped"
    )
