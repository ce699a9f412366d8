"""From a finished study to its article: answers, figures, appendix, and the files they are written to."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ribocyte.assignment.appendix import list_recipes, list_trainings
from ribocyte.assignment.drawing import draw_attention, draw_cells, draw_networks, draw_proteins
from ribocyte.assignment.phrases import join_words, write_device, write_seconds
from ribocyte.assignment.plan import read_profile
from ribocyte.assignment.proteins import Found, gather_proteins
from ribocyte.assignment.questions import (
    CELL_RUNS,
    Answer,
    answer_attention,
    answer_many_proteins,
    answer_pooling_and_softmax,
    answer_two_networks,
    frame_answers,
)
from ribocyte.assignment.questions.attention import choose_variants
from ribocyte.assignment.questions.proteins import answer_measured_proteins
from ribocyte.assignment.sizes import SIZES
from ribocyte.assignment.study import NETWORKS, QUESTIONS, SIMULATED, Study, StudyConfig
from ribocyte.cells import bloodmnist
from ribocyte.documents.article import Pages
from ribocyte.documents.document import Document, Section
from ribocyte.documents.writing import write_document
from ribocyte.files import find
from ribocyte.learn.recipe import as_table
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search
from ribocyte.literature import LITERATURE
from ribocyte.version import VERSION

COMMAND = "ribocyte reproduce"


@dataclass(frozen=True)
class Results:
    """What a study has found so far: finished runs and searches only.

    Parameters
    ----------
    cells : mapping of str to Run
        The networks of question 1.
    searches, tuned : mapping
        Of question 2.1, by kind of network.
    attention : mapping of str to tuple of Run
        Of question 2.2: ``none`` and each variant.
    proteins : Found or None
        Of question 2.3, where it could be measured.
    """

    cells: Mapping[str, Run]
    searches: Mapping[str, Search]
    tuned: Mapping[str, tuple[Run, ...]]
    attention: Mapping[str, tuple[Run, ...]]
    proteins: Found | None = None

    @property
    def runs(self) -> list[Run]:
        """Every training of question 2, each once."""
        groups = [*self.tuned.values(), *self.attention.values()]
        return list({run.path: run for group in groups for run in group}.values())


@dataclass(frozen=True)
class Reports:
    """What was written.

    Parameters
    ----------
    files : tuple of Path
        The article first.
    pages : Pages
        Of the article.
    summary : tuple of str
        Lines to print at the end.
    """

    files: tuple[Path, ...]
    pages: Pages
    summary: tuple[str, ...]


def write_reports(
    study: Study,
    questions: Sequence[str],
    *,
    title: str = "",
    authors: Sequence[str] = (),
    group: str = "",
) -> Reports:
    """Write ``report.pdf`` (with its source), ``report.html`` and ``report.md`` into a finished study's folder.

    Parameters
    ----------
    study : Study
        All jobs of these questions are done.
    questions : sequence of str
        Those to answer.
    title, authors, group
        Of the article; a title that fits where none is given.

    Raises
    ------
    RunError
        If a run is unfinished or damaged.
    DiskError
        If something cannot be written.
    """
    document = compose_article(study, questions, title=title, authors=authors, group=group)
    written = write_document(document, study.path / "report.pdf")
    read_alone = write_document(document, study.path / "report.md")
    assert written.pages is not None
    files = tuple(dict.fromkeys((*written.files, *read_alone.files)))
    return Reports(files, written.pages, _summarise(study, document, files, written.pages))


def compose_article(
    study: Study,
    questions: Sequence[str],
    *,
    title: str = "",
    authors: Sequence[str] = (),
    group: str = "",
) -> Document:
    """Answer the questions from a finished study, draw the figures, and put it all into one document."""
    results = gather_results(study, questions)
    answers = answer_questions(study, questions, results)
    framed = frame_answers(
        answers,
        list(results.cells.values()),
        results.runs,
        list(results.searches.values()),
        instead=study.instead,
    )
    return Document(
        title=title or framed.title,
        authors=tuple(authors),
        group=group,
        abstract=framed.abstract,
        sections=framed.sections,
        references=LITERATURE,
        appendix=_append(study, questions, results),
        footer=f"Made by `{COMMAND}`, ribocyte {VERSION}.",
        simulated=framed.simulated,
    )


def gather_results(study: Study, questions: Sequence[str]) -> Results:
    """Open what the questions rest on."""
    cells = [name for name in CELL_RUNS if "1.2" in questions or name.startswith("unpooled")]
    kinds = NETWORKS if "2.1" in questions else ()
    tuned = {kind: _open(study.tuned_runs(kind)) for kind in kinds}
    attention: dict[str, tuple[Run, ...]] = {}
    if "2.2" in questions:
        attention["none"] = _open(study.tuned_runs(study.config.extend))
        attention |= {variant: _open(study.attention_runs(variant)) for variant in study.variants}
    return Results(
        {name: Run.open(study.cell_run(name)) for name in cells} if {"1.1", "1.2"} & set(questions) else {},
        {kind: Search(study.search(kind)) for kind in kinds if Search(study.search(kind)).storage.is_file()},
        tuned,
        attention,
        gather_proteins(study.proteins) if "2.3" in questions and study.proteins.source.how else None,
    )


def answer_questions(study: Study, questions: Sequence[str], results: Results) -> list[Answer]:
    """Answer each question that is asked, in the assignment's order."""
    answers, drawn = [], study.path / "figures"
    if results.cells:
        figures = draw_cells(results.cells, drawn / "cells")
        answers.append(answer_pooling_and_softmax(results.cells, figures, official=_is_official(study)))
    if results.tuned:
        figures = draw_networks(results.searches, results.tuned, drawn / "networks")
        answers.append(answer_two_networks(results.searches, results.tuned, figures))
    if results.attention:
        profile = read_profile(study.profile)
        variants = {name: runs for name, runs in results.attention.items() if name != "none"}
        shown = list(choose_variants(variants).values())
        figures = draw_attention(results.attention, shown, profile, drawn / "attention")
        answers.append(answer_attention(results.attention, profile, figures))
    if results.proteins:
        figures = draw_proteins(results.proteins, drawn / "proteins")
        answers.append(answer_measured_proteins(results.proteins, figures))
    elif "2.3" in questions:
        answers.append(answer_many_proteins(study.proteins.source.why))
    return answers


def _append(study: Study, questions: Sequence[str], results: Results) -> tuple[Section, ...]:
    """Say how everything was made: commands, trainings, recipes, versions, hardware and total time."""
    groups = {name: (run,) for name, run in results.cells.items()} | dict(results.tuned)
    groups |= {f"attention, {name}": runs for name, runs in results.attention.items() if name != "none"}
    runs = [run for members in groups.values() for run in members]
    return (
        *([list_trainings(groups)] if groups else []),
        _describe_making(study, questions, runs, results),
        *([list_recipes(_choose_recipes(results))] if groups else []),
    )


def _choose_recipes(results: Results) -> dict[str, Run]:
    """Choose whose recipes are printed: the four of question 1 differ in two switches, so one stands for all."""
    shown = dict(list(results.cells.items())[:1])
    shown |= {kind: runs[0] for kind, runs in results.tuned.items()}
    return shown or {name: runs[0] for name, runs in list(results.attention.items())[:1]}


def _describe_making(
    study: Study, questions: Sequence[str], runs: Sequence[Run], results: Results
) -> Section:
    seconds = sum(run.scores["cost"]["seconds"] for run in runs)
    seconds += sum(float(search.trials["seconds"].sum()) for search in results.searches.values())
    seconds += results.proteins.seconds if results.proteins else 0.0
    devices = list(dict.fromkeys(write_device(run.scores["cost"]) for run in runs))
    prints = list(dict.fromkeys(run.scores["fingerprint"][:16] for run in runs))
    said = (
        [f"Everything was trained on {join_words(devices, 'and on')}, {write_seconds(seconds)} in all."]
        if runs
        else []
    )
    if results.proteins:
        prints.append(results.proteins.study.bench.fingerprint[:16])
        said.append(f"`{results.proteins.study.path.name}/` holds pages and tables of question 2.3.")
    if prints:
        said.append(f"Fingerprints of the data: {join_words([f'`{one}`' for one in prints], 'and')}.")
    said.append(
        f"Composed by ribocyte {VERSION} with PyTorch {torch.__version__} and Python {platform.python_version()}. "
        "This command repeats it, or goes on with it where `--out` and `--data` name the same folders:"
    )
    return Section("How it was made", (" ".join(said),), commands=(write_command(study.config, questions),))


def write_command(config: StudyConfig, questions: Sequence[str] = QUESTIONS) -> str:
    """Write the command that repeats a study, but for where its data and its folder are."""
    known = {name: _differences(as_table(config.size), as_table(size)) for name, size in SIZES.items()}
    nearest = min(known, key=lambda name: len(known[name]))
    asked = [COMMAND] if nearest == "standard" else [f"{COMMAND} --{nearest}"]
    asked += [f"--set {shlex.quote(setting)}" for setting in known[nearest]]
    asked += [f"--question {question}" for question in questions] if len(questions) < len(QUESTIONS) else []
    asked += ["--simulated"] if config.simulated else []
    asked += [f"--experiment {config.experiment}"] if config.experiment not in ("", SIMULATED) else []
    asked += [f"--extend {config.extend.removeprefix('rna-')}"] if config.extend != "rna-cnn" else []
    return " ".join([*asked, f"--precision {config.precision} --seed {config.seed}"])


def _differences(wanted: Mapping[str, Any], known: Mapping[str, Any], before: str = "") -> list[str]:
    """Write as settings what differs between two sizes."""
    found = []
    for key, value in wanted.items():
        if isinstance(value, Mapping):
            found += _differences(value, known[key], f"{before}{key}.")
        elif value != known[key]:
            found.append(f"{before}{key}={list(value) if isinstance(value, tuple) else value}")
    return found


def _summarise(study: Study, document: Document, files: Sequence[Path], pages: Pages) -> tuple[str, ...]:
    lines = (
        ["SIMULATED: every number comes from a simulator, not from a measurement"]
        if document.simulated
        else []
    )
    lines += [document.abstract.replace("`", ""), ""]
    lines += [
        f"{'article' if path.suffix == '.pdf' else path.suffix.lstrip('.') or 'figures':8} {path}"
        for path in files
    ]
    lines.append(f"pages    {pages.body}, and {pages.appendix} of appendix")
    if pages.excess:
        lines.append(f"warning  {pages.excess}; shorten {study.path / 'report.typ'}")
    lines += ["", f"Next: read {files[0]}, or edit report.typ and compile it again with Typst"]
    return tuple(lines)


def _is_official(study: Study) -> bool:
    """Say whether the cells are the official file, whose published scores compare."""
    path = find(bloodmnist.BLOODMNIST, study.data)
    return path is not None and bloodmnist.is_official(path)


def _open(paths: Sequence[Path]) -> tuple[Run, ...]:
    return tuple(Run.open(path) for path in paths)
