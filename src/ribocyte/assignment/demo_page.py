"""What the demo says of itself: the page around the two questions' answers, and the last lines printed."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import torch

from ribocyte.assignment.phrases import join_words, write_device, write_number, write_score
from ribocyte.assignment.questions import CELL_RUNS, best_run
from ribocyte.documents.document import Document, Section, TableBlock
from ribocyte.learn.runs import Run
from ribocyte.rna.affinities import AffinityRanking
from ribocyte.version import VERSION

# What one types on real data, in order; the recipes lie in the repository.
_NEXT = (
    "ribocyte data fetch all",
    "ribocyte train recipes/cells/pooled-logits.toml --out runs/pooled-logits",
    "ribocyte train recipes/cells/pooled-softmax.toml --out runs/pooled-softmax",
    "ribocyte compare runs/pooled-logits runs/pooled-softmax",
    "ribocyte train recipes/rna/residual.toml --set data.experiments=RNCMPT00168 --out runs/rbfox1",
    "ribocyte predict runs/rbfox1 GACUUGCAUGUUUACGAAGCAUGC",
)


def compose_page(
    answers: tuple[Section, ...], runs: Mapping[str, Run], rankings: Mapping[str, AffinityRanking]
) -> Document:
    """Put the answers between what was found, in a sentence, and how it was made; then what to do next.

    Parameters
    ----------
    answers : tuple of Section
        The two questions'.
    runs : mapping of str to Run
        All finished runs by their names.
    rankings : mapping of str to AffinityRanking
        Of the RNA networks.
    """
    best = best_run({name: runs[name] for name in CELL_RUNS})
    accuracy, _ = write_score(runs[best].scores["test"]["accuracy"], 1, 100)
    ranked = join_words([write_number(ranking.spearman, 2) for ranking in rankings.values()], "and")
    return Document(
        title="Two questions for deep networks, in miniature",
        abstract=(
            "Which blood cell is in this picture, and how strongly does a protein bind this RNA? Four networks "
            f"learned the one from drawn cells, two the other from a simulated experiment, in {_duration(runs)} of "
            f"training. The best of the four names {accuracy} % of the test cells rightly; the two rank RBFOX1's "
            f"seven measured RNAs with a Spearman of {ranked}."
        ),
        sections=(*answers, _describe_making(runs), _describe_next()),
        footer=f"Made by `ribocyte demo`, ribocyte {VERSION}.",
        simulated=True,
    )


def summarise(out: Path, runs: Mapping[str, Run], rankings: Mapping[str, AffinityRanking]) -> tuple[str, ...]:
    """Give the lines to print at the end: what was found, what was made and where, what to do next."""
    lines = ["SIMULATED: every number here comes from simulated data, none from a measurement."]
    for name in CELL_RUNS:
        value, interval = write_score(runs[name].scores["test"]["accuracy"], 1, 100)
        lines.append(f"  {name:17} test accuracy {value} % ({interval})")
    for name, ranking in rankings.items():
        value, interval = write_score(runs[name].scores["test"]["pearson"])
        known = f"ranks 7 known affinities with Spearman {write_number(ranking.spearman, 2)}"
        lines.append(f"  {name:17} test Pearson {value} ({interval}), {known}")
    made = (f"Made: {out / 'index.html'}", f"      {out / 'runs'} (six runs), {out / 'figures'}")
    return (*lines, *made, "Next, on real data:", *(f"  {command}" for command in _NEXT))


def _describe_making(runs: Mapping[str, Run]) -> Section:
    rows = []
    for name, run in runs.items():
        scores, training = run.scores, run.recipe["training"]
        how = f"{training['optimizer']} {training['learning_rate']:g}, {training['schedule']}"
        count = f"{scores['rows']['train']:,}"
        seconds = f"{scores['cost']['seconds']:.0f}"
        rows.append(
            (f"`runs/{name}`", count, str(training["batch_size"]), how, str(scores["epochs"]), seconds)
        )
    first = next(iter(runs.values())).scores
    return Section(
        heading="How it was made",
        paragraphs=(
            "Every run is a folder beside this page: its complete `recipe.toml`, the history of its epochs, its scores "
            "with intervals, its predictions for the test split, its figures, and the model, ready for new inputs. "
            "Typed in this page's folder, `ribocyte train runs/pooled-logits/recipe.toml --data data --out again` "
            "trains one again, to the same bits with as many threads, and `ribocyte predict runs/rna-residual "
            "AGAUUGCAUGUAAGGCUUACG` asks a model.",
            f"ribocyte {VERSION}, PyTorch {torch.__version__}, Python {platform.python_version()}, "
            f"{platform.system()} on {_processor()}; {write_device(first['cost'])}; seed "
            f"{first['seed']}; training took {_duration(runs)} in all.",
        ),
        tables=(
            TableBlock(
                ("run", "trained on", "batch", "optimiser, rate, schedule", "epochs", "s"),
                tuple(rows),
                "The six runs and how each was trained.",
                simulated=True,
            ),
        ),
        simulated=True,
    )


def _describe_next() -> Section:
    return Section(
        heading="On real data",
        paragraphs=(
            "The same networks on BloodMNIST, for the assignment's 200 epochs, and on the intensities measured for "
            "RBFOX1 (`RNCMPT00168`). The first command fetches both from their official addresses; a training that "
            "is interrupted goes on with `--resume`.",
        ),
        commands=_NEXT,
    )


def _duration(runs: Mapping[str, Run]) -> str:
    """Write how long all trainings took, however often they were interrupted."""
    seconds = round(sum(run.scores["cost"]["seconds"] for run in runs.values()))
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _processor() -> str:
    """Name the processor as the kernel does, else by its family."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
