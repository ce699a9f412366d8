"""``ribocyte reproduce``: the whole assignment, from data to article."""

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


def reproduce(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The study's folder; an interrupted study goes on there.")
    ] = Path("out/study"),
    question: Annotated[
        list[str] | None,
        typer.Option(help="1.1, 1.2, 2.1, 2.2 or 2.3; may be repeated.", show_default="all five"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Minutes: few epochs, trials and data.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The assignment's own sizes: 200 epochs, 60 trials, 5 seeds.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change its size, as in trials=30 or cell_epochs=50."
        ),
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Learn from the simulators; needs no data.")
    ] = False,
    experiment: Annotated[
        str | None,
        typer.Option(
            help="Of question 2, by id or protein.", show_default="RBFOX1; A1CF where the table lacks it"
        ),
    ] = None,
    extend: Annotated[
        str, typer.Option(help="Which network question 2.2 gives attention to: cnn or bilstm.")
    ] = "cnn",
    author: Annotated[
        list[str] | None, typer.Option(help="An author of the article; may be repeated.")
    ] = None,
    group: Annotated[str, typer.Option(help="The authors' group.")] = "",
    title: Annotated[str, typer.Option(help="The article's title.", show_default="one that fits")] = "",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the work.", show_default="one a core, one with a GPU"),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="auto, 32 or bf16; auto is settled once for the whole study.")
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of the searches, and the first of the trainings.")] = 0,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Answer the whole assignment, and write the article.

    Trains the networks of every question, searches for settings, compares, and ends with report.pdf,
    report.html and report.md in the study's folder. Question 2.3 is measured where the data folder holds a compendium
    of many proteins, or the array's design, motifs and constructs to simulate one; else it is a design. What is
    finished is never done again: stop it at any moment, and give the same command to go on.
    """
    from ribocyte.assignment.plan import plan_jobs
    from ribocyte.assignment.reproduce import write_reports
    from ribocyte.assignment.sizes import SIZES
    from ribocyte.assignment.study import QUESTIONS, StudyConfig, begin_study
    from ribocyte.learn.jobs import run_jobs
    from ribocyte.learn.recipe import as_table, override, parse

    if quick and full:
        raise RequestError("--quick and --full", expected="one of them, or neither")
    size = SIZES["quick" if quick else "full" if full else "standard"]
    wanted = parse(
        StudyConfig,
        {
            "size": override(as_table(size), settings or []),
            "simulated": simulated,
            "experiment": experiment or "",
            "extend": f"rna-{extend.removeprefix('rna-')}",
            "precision": precision,
            "seed": seed,
        },
        "study",
    )
    questions = [name for name in QUESTIONS if name in (question or QUESTIONS)]
    for name in question or ():
        if name not in QUESTIONS:
            raise RequestError(
                f"--question {name}: no such question", expected=f"one of {', '.join(QUESTIONS)}"
            )
    if simulated and data is not None:
        raise RequestError(
            "--simulated and --data", expected="one of them", mend="a simulation makes its own data"
        )
    helping = os.environ.get(PARENT)
    count = 1 if helping else workers or default_workers()
    divide_threads(workers or default_workers())
    with StopRequest() as stop, contextlib.ExitStack() as open_things:
        try:
            study = begin_study(out, wanted, questions, data=data)
            jobs = plan_jobs(study, questions)
            open_things.enter_context(run_helpers(min(count, len(jobs)) - 1, out))
            report = (lambda _: None) if helping else open_things.enter_context(watch_study())
            run_jobs(jobs, study.locks, report=report, stop=stop_with_parent(stop, helping))
        except KeyboardInterrupt as error:
            raise _interrupted(f"{out}: stopped at once") from error
        except InterruptedRunError as error:
            raise _interrupted(f"{out}: stopped") from error
    if helping:
        return
    present.say("composing the article")
    made = write_reports(study, questions, title=title, authors=tuple(author or ()), group=group)
    if as_json:
        present.show_json(
            {
                "study": study.path,
                "files": made.files,
                "pages": {"body": made.pages.body, "appendix": made.pages.appendix},
                "simulated": study.config.simulated,
                "summary": made.summary,
            }
        )
        return
    for line in made.summary:
        present.show(line)


def _interrupted(problem: str) -> InterruptedRunError:
    return InterruptedRunError(
        problem, mend="give the same command again: the study goes on where it stopped"
    )
