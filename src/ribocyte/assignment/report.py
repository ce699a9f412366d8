"""An article of any finished runs: what was trained on what, what it reached, and which differences are real."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from ribocyte import comparisons
from ribocyte.assignment.appendix import list_recipes
from ribocyte.assignment.groups import Group, gather_groups
from ribocyte.assignment.phrases import describe_effect, join_words, write_device, write_seconds
from ribocyte.assignment.report_blocks import (
    Effects,
    draw_curves,
    is_percent,
    name_metric,
    show_answers,
    tabulate_costs,
    tabulate_differences,
    tabulate_networks,
    tabulate_runs,
    tabulate_scores,
    write_metric,
)
from ribocyte.documents.document import Document, Section
from ribocyte.documents.text import as_code
from ribocyte.learn.runs import Run
from ribocyte.literature import LITERATURE
from ribocyte.version import VERSION

_DATA = {"bloodmnist": "BloodMNIST", "rnacompete": "RNAcompete", "cell-folder": "a folder of photographs"}
_ABOUT = {
    "bloodmnist": "BloodMNIST, photographs of single blood cells of 28 × 28 pixels [@yang2023; @acevedo2020]",
    "rnacompete": "RNAcompete arrays, on which a protein meets some 240,000 short RNAs at once [@ray2013]",
    "cell-folder": "a folder of photographs of single cells, sorted by class",
}
_VERDICTS = {
    "worse": "lower on the same examples",
    "better": "higher on the same examples, whatever validation said",
    "no difference": "not told apart from it by this test",
}
_NAMED = 4
"""So many other networks are no longer told of one by one: a table holds them."""
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def report_runs(
    runs: Sequence[Run],
    figures: Path,
    *,
    title: str = "",
    authors: Sequence[str] = (),
    group: str = "",
) -> Document:
    """Compose an article of finished runs that measure the same thing.

    Runs of equal recipes at different seeds count as one network. The best is the one with the best validation
    score; the test split has no say in it. A difference is claimed only where its interval leaves zero out.

    Parameters
    ----------
    runs : sequence of Run
        One or more.
    figures : Path
        A folder that receives what is drawn.
    title, authors, group
        As for `Document`; the title says what was trained on what where none is given.

    Raises
    ------
    RunError
        If there is no run, one is unfinished or named twice, or they measure different things.
    """
    metric, groups = gather_groups(runs)
    best, *others = groups
    effects = {other.name: comparisons.compare_groups(best.runs, other.runs) for other in others}
    simulated = any(run.scores["simulated"] for run in runs)
    return Document(
        title=title or f"{_networks(groups).capitalize()} on {_subject(runs[0])}",
        authors=tuple(authors),
        group=group,
        abstract=_summarise(groups, effects, metric),
        sections=(
            _describe_training(groups, metric, simulated),
            _describe_results(groups, effects, metric, figures, simulated),
            _describe_costs(groups, simulated),
        ),
        references=LITERATURE,
        appendix=(
            Section("Trainings", tables=(tabulate_runs(groups, metric, simulated),), simulated=simulated),
            list_recipes({group.name: group.runs[0] for group in groups}),
            _describe_making(runs),
        ),
        footer=f"Made by `ribocyte report`, ribocyte {VERSION}.",
        simulated=simulated,
    )


def _summarise(groups: Sequence[Group], effects: Effects, metric: str) -> str:
    """Say in a few sentences what was done and found."""
    best, run = groups[0], groups[0].runs[0]
    rows, trainings = run.scores["rows"], sum(len(group.runs) for group in groups)
    often = f", trained {_count(trainings)} times in all," if trainings > len(groups) else ""
    value, interval = write_metric(metric, best.scores[metric])
    unit = " %" if is_percent(metric) else ""
    which = f"The best by validation, {best.code}," if effects else best.code
    reached = (
        f"{which} reaches a test {name_metric(metric)} of {value}{unit} (95 % interval {interval})."
        if best.scores[metric]["value"] is not None
        else f"{which} gives a constant answer, which has no {name_metric(metric)}."
    )
    sentences = [
        f"{_networks(groups).capitalize()}{often} learned from {rows['train']:,} examples of {_subject(run)}; "
        f"{rows['val']:,} others served for validation, {rows['test']:,} for the test.",
        reached,
    ]
    return " ".join([*sentences, *_tell_verdicts(effects, metric)])


def _tell_verdicts(effects: Effects, metric: str) -> list[str]:
    """Say which networks do worse or better than the best by validation: by name, or how many they are."""
    sentences = []
    verdicts = {name: effect[metric].verdict for name, effect in effects.items()}
    for verdict, what in _VERDICTS.items():
        names = [as_code(name) for name, found in verdicts.items() if found == verdict]
        many = len(effects) >= _NAMED and len(names) > 1
        who = f"{_count(len(names)).capitalize()} others" if many else join_words(names, "and")
        if names:
            sentences.append(f"{who} {'is' if len(names) == 1 else 'are'} {what}.")
    return sentences


def _describe_training(groups: Sequence[Group], metric: str, simulated: bool) -> Section:
    run = groups[0].runs[0]
    scores, kind = run.scores, run.recipe["data"]["kind"]
    rows, outputs = scores["rows"], scores["outputs"]
    several = any(len(group.runs) > 1 for group in groups)
    judges = {run.scores["best"]["metric"] for group in groups for run in group.runs}
    judge = (
        f"that with the best validation {name_metric(metric)}"
        if judges == {metric}
        else "each as its recipe says"
    )
    learned = f"`{outputs[0]}`" if len(outputs) == 1 else f"{_count(len(outputs))} outputs"
    text = (
        f"The data are {_ABOUT.get(kind, kind)}{', here simulated' if simulated else ''}. "
        f"{_networks(groups).capitalize()} ([#networks]) learned {learned} from {rows['train']:,} examples under the "
        f"protocol `{scores['protocol']}`; {rows['val']:,} others chose the epoch, {judge}, and {rows['test']:,} were "
        "kept for the test. Intervals are 95 % bootstraps [@efron1979] over the test examples"
        f"{', and over the seeds where there are several' if several else ''}."
    )
    return Section(
        "What was trained on what",
        (text,),
        tables=(tabulate_networks(groups, simulated),),
        simulated=simulated,
    )


def _describe_results(
    groups: Sequence[Group], effects: Effects, metric: str, folder: Path, simulated: bool
) -> Section:
    best = groups[0]
    curves, answers = draw_curves(groups, metric, folder, simulated), show_answers(best, simulated)
    shown = f"; [#answers] shows what {best.code} answers." if answers else "."
    paragraphs = [f"[#scores] holds the scores of the test, [#curves] the course of the training{shown}"]
    tables = [tabulate_scores(groups, metric, simulated)]
    if effects:
        paragraphs.append(_describe_effects(effects, best, metric))
        tables.append(tabulate_differences(effects, best, simulated))
    figures = (curves, answers) if answers else (curves,)
    return Section("What was reached", tuple(paragraphs), figures, tuple(tables), simulated=simulated)


def _describe_effects(effects: Effects, best: Group, metric: str) -> str:
    """Say what every other network would change; where there are many, of those that differ if these are few."""
    told = {
        name: describe_effect(f"{as_code(name)} instead of {best.code}", effect[metric], is_percent(metric))
        for name, effect in effects.items()
    }
    text = (
        f"The best by validation is {best.code}. What another network would change in the test "
        f"{name_metric(metric)}, judged on the same examples"
    )
    if len(told) < _NAMED:
        return f"{text} ([#differences]): {'; '.join(told.values())}."
    differ = [name for name, effect in effects.items() if effect[metric].verdict != "no difference"]
    text = f"{text}, stands in [#differences]: {_count(len(differ))} of {len(told)} differ from it"
    few = 0 < len(differ) < _NAMED
    return f"{text}: {'; '.join(told[name] for name in differ)}." if few else f"{text}."


def _describe_costs(groups: Sequence[Group], simulated: bool) -> Section:
    devices = _devices([run for group in groups for run in group.runs])
    mixed = " They were not all trained alike, so that times do not compare." if len(devices) > 1 else ""
    text = f"[#costs] holds the costs, on {join_words(devices, 'and on')}.{mixed}"
    return Section("What it costs", (text,), tables=(tabulate_costs(groups, simulated),), simulated=simulated)


def _describe_making(runs: Sequence[Run]) -> Section:
    versions = list(dict.fromkeys(run.scores["version"] for run in runs))
    seconds = sum(run.scores["cost"]["seconds"] for run in runs)
    text = (
        f"Trained with ribocyte {join_words(versions, 'and')} on {join_words(_devices(runs), 'and on')}, "
        f"{write_seconds(seconds)} in all. Fingerprint of the data: `{runs[0].scores['fingerprint'][:16]}`. Composed "
        f"by ribocyte {VERSION} with PyTorch {torch.__version__}, Python {platform.python_version()}."
    )
    return Section("How it was made", (text,))


def _devices(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(write_device(run.scores["cost"]) for run in runs))


def _subject(run: Run) -> str:
    """Name the data, and what was measured where it is not classes."""
    kind, outputs = run.recipe["data"]["kind"], run.scores["outputs"]
    name: str = _DATA.get(kind, kind)
    if kind != "rnacompete":
        return name
    return f"{name}, {outputs[0]}" if len(outputs) == 1 else f"{len(outputs)} experiments of {name}"


def _networks(groups: Sequence[Group]) -> str:
    return f"{_count(len(groups))} network{'s' if len(groups) > 1 else ''}"


def _count(number: int) -> str:
    return _COUNTS[number] if number < len(_COUNTS) else f"{number:,}"
