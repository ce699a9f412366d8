"""The whole assignment in miniature, on simulated data: four cell networks, two RNA networks, figures, a page.

======================  ==============================================================================
``demo.json``           what the demo was asked to do; another wish needs another folder
``data/``               the simulated data, laid out as a data folder of real files is
``runs/NAME/``          six runs; interrupted at any moment, they go on where they stopped
``figures/``            what the assignment asks to plot
``index.html``          what was found
======================  ==============================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from ribocyte import catalog, pipeline
from ribocyte.assignment.demo_page import compose_page, summarise
from ribocyte.assignment.questions import CELL_RUNS, answer_cells, answer_rna, best_run
from ribocyte.assignment.simulation import PROTEIN, read_json, simulate_data
from ribocyte.cells.smear import SmearConfig
from ribocyte.documents.page import render_page
from ribocyte.errors import InterruptedRunError, RunError
from ribocyte.files import atomic_write, write_text
from ribocyte.learn import evaluation
from ribocyte.learn.evaluation import Score
from ribocyte.learn.objectives import Objective
from ribocyte.learn.recipe import Recipe, check
from ribocyte.learn.runs import Run
from ribocyte.learn.training import Progress, never
from ribocyte.rna.affinities import rank_affinities
from ribocyte.rna.assay import STAMP, AssayConfig
from ribocyte.rna.motifs import known_motifs, occupancy
from ribocyte.version import VERSION

RNA_RUNS = ("rna-cnn", "rna-residual")
"""The two networks of question 2; each is called what the catalog calls its kind."""

Report = Callable[[str, Progress | None], None]
"""Called with what is being done, and in a training after every step with where it is."""


def _small_smear() -> SmearConfig:
    return SmearConfig(train=1024, val=200, test=600)


@dataclass(frozen=True)
class DemoConfig:
    """How large the demo is. The defaults take two to three minutes on two ordinary cores.

    Parameters
    ----------
    smear : SmearConfig
        The cells drawn. Nearly all of the time goes to the two networks without pooling, which see each
        picture once an epoch.
    assay : AssayConfig
        The RNAcompete experiment simulated.
    cell_epochs, rna_epochs : int
        Epochs of each cell network (the assignment: 200), and of each RNA network.
    contexts : int
        Random probes in which each RNA of known affinity is judged.
    seed : int
        Of every training.
    """

    smear: SmearConfig = field(default_factory=_small_smear)
    assay: AssayConfig = field(default_factory=AssayConfig)
    cell_epochs: int = 8
    rna_epochs: int = 10
    contexts: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        check(self.contexts >= 1, "demo.contexts", self.contexts, "1 or more")


@dataclass(frozen=True)
class DemoResult:
    """What a demo made.

    Parameters
    ----------
    page : Path
        ``index.html``.
    runs, figures : tuple of Path
        Folders of the six runs, and the figures.
    summary : tuple of str
        Lines to print at the end: what was found, where it is, what to do next.
    """

    page: Path
    runs: tuple[Path, ...]
    figures: tuple[Path, ...]
    summary: tuple[str, ...]


def ignore(_: str, __: Progress | None) -> None:
    """Report to nobody."""


def run_demo(
    out: Path,
    *,
    config: DemoConfig | None = None,
    report: Report = ignore,
    stop: Callable[[], bool] = never,
) -> DemoResult:
    """Simulate, train, compare, and write the page; or go on where an earlier call stopped.

    The same configuration gives the same numbers on the same machine with as many threads, times aside.
    Whatever is there already is used again: data that are whole, runs that are finished or begun.

    Parameters
    ----------
    out : Path
        A new folder, or that of an earlier call with the same configuration.
    config : DemoConfig, optional
        How large.
    report, stop : callable
        Told what is being done; asked after every step of a training whether to stop.

    Raises
    ------
    InterruptedRunError
        If `stop` said so. Calling again goes on.
    RunError
        If the folder holds anything else.
    DiskError
        If something cannot be written.
    """
    config = config or DemoConfig()
    _claim_folder(out, config)
    report("simulate data", None)
    data = simulate_data(out / "data", config.smear, config.assay)
    runs = {name: _train(recipe, out, data, report, stop) for name, recipe in make_recipes(config).items()}
    report("rank known affinities", None)
    rankings = {
        name: rank_affinities(catalog.Predictor.load(runs[name].path), contexts=config.contexts)
        for name in RNA_RUNS
    }
    report("compare and draw", None)
    figures = draw_figures(runs, out / "figures")
    answers = (
        *answer_cells(
            _pick(runs, CELL_RUNS),
            figures["cells/curves.svg"],
            figures["cells/losses.svg"],
            figures["cells/confusion.svg"],
        ),
        *answer_rna(
            _pick(runs, RNA_RUNS),
            rankings,
            figures["rna/losses.svg"],
            figures["rna/density.svg"],
            score_truth(data, config),
        ),
    )
    page = out / "index.html"
    write_text(page, render_page(compose_page(answers, runs, rankings)))
    summary = summarise(out, runs, rankings)
    return DemoResult(page, tuple(run.path for run in runs.values()), tuple(figures.values()), summary)


def make_recipes(config: DemoConfig) -> dict[str, Recipe]:
    """Make the six recipes by name, in the order in which they are trained.

    The cell networks follow the assignment (Adam at 0.001, batches of 64, a constant rate, the test split
    scored after every epoch) but for the number of epochs. The smaller networks come first, because the peak
    of a process's memory does not forget a larger one. All are trained in float32: what is faster is measured,
    and a measurement is not the same twice.
    """
    assignment = {
        "epochs": config.cell_epochs,
        "batch_size": 64,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "schedule": "constant",
        "score_test_each_epoch": True,
    }
    rna = {"epochs": config.rna_epochs, "batch_size": 128, "learning_rate": 2e-3}
    probes = {"kind": "rnacompete", "experiments": [STAMP + PROTEIN], "protocol": "assignment"}
    tables: dict[str, dict[str, Any]] = {}
    for name in sorted(CELL_RUNS):
        model = {"kind": "cell-cnn", "pool": name.startswith("pooled"), "softmax": name.endswith("softmax")}
        tables[name] = {"data": {"kind": "bloodmnist"}, "model": model, "training": assignment}
    for name in RNA_RUNS:
        # Most probes hold no site: their ranks are noise, and would choose the epoch if Spearman did.
        judge = {"best": "pearson"}
        tables[name] = {"data": probes, "model": {"kind": name}, "objective": judge, "training": rna}
    for table in tables.values():
        table["training"] = {**table["training"], "precision": "32", "seed": config.seed}
    return {name: catalog.parse_recipe(table, name) for name, table in tables.items()}


def draw_figures(runs: Mapping[str, Run], folder: Path) -> dict[str, Path]:
    """Draw what the assignment asks for; figures of single runs are copied from the best by validation.

    Returns
    -------
    dict of str to Path
        ``cells/curves.svg``, ``cells/losses.svg``, ``cells/confusion.svg``, ``rna/curves.svg``,
        ``rna/losses.svg`` and ``rna/density.svg``.
    """
    for group, names, single in (("cells", CELL_RUNS, "confusion.svg"), ("rna", RNA_RUNS, "density.svg")):
        members = _pick(runs, names)
        pipeline.draw_comparison(members, folder / group)
        drawn = members[best_run(members)].path / "figures" / single
        with atomic_write(folder / group / single) as stream:
            stream.write(drawn.read_bytes())
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.glob("*/*.svg"))}


def score_truth(data: Path, config: DemoConfig) -> Score:
    """Score the simulator's own occupancies against the noisy test intensities: Spearman with its interval."""
    recipe = make_recipes(config)[RNA_RUNS[0]]
    test = catalog.load_data(recipe, data).test
    bound = occupancy(test.inputs, known_motifs()[PROTEIN], config.assay.concentration)
    return evaluation.evaluate(cast(Objective, recipe.objective), torch.from_numpy(bound)[:, None], test)[
        "spearman"
    ]


def _train(recipe: Recipe, out: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Run:
    """Train one recipe to its end, or find it there."""
    stage = f"train {recipe.name}"
    report(stage, None)
    path = out / "runs" / recipe.name
    try:
        run = pipeline.train(recipe, path, data=data, resume=True, report=partial(report, stage), stop=stop)
    except InterruptedRunError as error:
        again = "give the same command again: the demo goes on where it stopped"
        raise InterruptedRunError(error.problem, mend=again) from error
    # A finished run needs no checkpoint, and those of the networks without pooling take 500 MB each.
    (path / "last.ckpt").unlink(missing_ok=True)
    return run


def _claim_folder(out: Path, config: DemoConfig) -> None:
    """Make the folder this demo's, or make sure that it is."""
    note = out / "demo.json"
    wanted = {"what": "SIMULATED demo", "version": VERSION, "config": asdict(config)}
    text = json.dumps(wanted, indent=1) + "\n"
    if note.is_file():
        if read_json(note) != json.loads(text):
            raise RunError(
                f"{out}: holds a demo of another configuration or version",
                expected="a new folder, or the demo that was begun there",
                mend="choose another folder, or remove this one",
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: exists already", expected="a new folder", mend="choose another folder")
    else:
        write_text(note, text)


def _pick(runs: Mapping[str, Run], names: tuple[str, ...]) -> dict[str, Run]:
    return {name: runs[name] for name in names}
