"""Question 2.3's own study: where its many proteins come from, the jobs that measure it, and what they found.

It is a study of `ribocyte.transfer` inside the assignment's, of two protocols: ``known`` and ``cluster``. The data
folder's own compendium is taken where there is one. Else one is simulated from the real array, motifs and proteins,
where the folder holds those. Where it does not, the question stays a design.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import polars as pl

from ribocyte.files import atomic_write, find, locate
from ribocyte.learn.jobs import Job
from ribocyte.rna.compendium.config import find_folder
from ribocyte.rna.compendium.preparing import find_motifs, simulate_folder
from ribocyte.rna.compendium.simulation import DESIGN, MOTIFS, SimulationConfig
from ribocyte.rna.compendium.store import Compendium
from ribocyte.rna.experiments import METADATA
from ribocyte.rna.proteins.constructs import CONSTRUCTS, SIMULATED, read_constructs
from ribocyte.rna.rnacompete import NORM_DATA
from ribocyte.rna.table import PROBE_COLUMNS, read_header
from ribocyte.transfer.protocols import cluster, known
from ribocyte.transfer.report import write_results
from ribocyte.transfer.study import NOTE, Size, Study, TransferConfig, begin_study
from ribocyte.transfer.training import Report, Stop, seconds_of
from ribocyte.transfer.work import read_scores

FEWEST = 20
"""Experiments of a table, below which there is nothing to learn about proteins."""
GROUP = "many"
"""What the names of the jobs begin with."""
FIRST = f"{GROUP}/compendium"
"""The job that all others wait for."""


@dataclass(frozen=True)
class Source:
    """Where many proteins come from.

    Parameters
    ----------
    how : {"measured", "simulated", ""}
        The data folder's own compendium, which may itself be one that was simulated; one that is simulated here;
        or nothing to measure on.
    experiments : tuple of str
        Of which; of a compendium that is simulated here, the motifs.
    why : str
        Why there is nothing, as a clause.
    """

    how: Literal["measured", "simulated", ""]
    experiments: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class ProteinStudy:
    """A handle on question 2.3's part of a study's folder.

    Parameters
    ----------
    folder : Path
        The assignment's study.
    data : Path or None
        The data folder; None for the usual search.
    size : Size
        How much is trained and scored.
    array : int
        Probes of the array, where a compendium is simulated; 0 is all.
    precision : {"auto", "32", "bf16"}
        Of every training.
    seed : int
        Of everything.
    """

    folder: Path
    data: Path | None
    size: Size
    array: int
    precision: Literal["auto", "32", "bf16"]
    seed: int

    @property
    def path(self) -> Path:
        """Say where the study of many proteins is."""
        return self.folder / "many"

    @property
    def simulation(self) -> Path:
        """Say where the data folder of a compendium is that is simulated here."""
        return self.folder / "compendium"

    @property
    def begun(self) -> bool:
        """Whether the compendium is there and the study was begun on it."""
        return (self.path / NOTE).is_file()

    @cached_property
    def source(self) -> Source:
        """Where its proteins come from; a simulation that was begun stays one."""
        if (made := find_folder(self.simulation)) is not None:
            return Source("simulated", _names_in(made))
        return find_source(self.data)

    @cached_property
    def study(self) -> Study:
        """The study of many proteins, held to the data it was begun on.

        Raises
        ------
        RunError
            If it was begun on other data, or asked for something else.
        DataError
            If its data are damaged.
        """
        study = Study(self.path, self._config, self._root)
        return begin_study(self.path, self._config, data=self._root) if self.begun else study

    def plan(self) -> list[Job]:
        """List the jobs: the compendium, then what the two protocols ask for; none where there is no source."""
        if not self.source.how:
            return []
        first = Job(FIRST, lambda: self.begun, self._begin)
        return [first, *map(_within, cluster.plan(self.study)), *self._plan_known()]

    def _plan_known(self) -> list[Job]:
        """List the jobs of ``known`` by number: whose they are is only known once the compendium is there."""
        networks = len(known.joint_methods(self.study))
        singles = min(self.size.singles or len(self.source.experiments), len(self.source.experiments))
        origins = known.list_origins(networks, singles)
        plan = functools.cache(lambda: known.plan(self.study))
        names = [f"{GROUP}/known/{number:03d}" for number in range(len(origins))]
        jobs = [
            self._defer(plan, number, names[number], (FIRST, *(names[at] for at in origin)))
            for number, origin in enumerate(origins)
        ]
        return [*jobs, self._defer(plan, len(names), f"{GROUP}/known/scores", (FIRST, *names))]

    def _defer(self, plan: Callable[[], list[Job]], number: int, name: str, needs: tuple[str, ...]) -> Job:
        """Make the job that is another one, which cannot be planned before the first is done."""
        return Job(
            name,
            lambda: self.begun and plan()[number].done(),
            lambda report, stop: plan()[number].work(report, stop),
            needs,
            lambda: plan()[number].share() if self.begun else 0.0,
        )

    def _begin(self, _report: Report, _stop: Stop) -> None:
        """Simulate the compendium where that is wanted and not done; begin the study."""
        if self.source.how == "simulated" and find_folder(self.simulation) is None:
            constructs = locate(CONSTRUCTS, self.data)
            with constructs.open("rb") as read, atomic_write(self.simulation / CONSTRUCTS.name) as stream:
                shutil.copyfileobj(read, stream)
            simulate_folder(
                self.simulation,
                self.source.experiments,
                SimulationConfig(seed=self.seed),
                probes=self.array,
                root=self.data,
            )
        begin_study(self.path, self._config, data=self._root)

    @property
    def _config(self) -> TransferConfig:
        return TransferConfig(size=self.size, precision=self.precision, seed=self.seed)

    @property
    def _root(self) -> Path | None:
        return self.simulation if self.source.how == "simulated" else self.data


def find_source(data: Path | None) -> Source:
    """Find what many proteins can be learned from.

    Parameters
    ----------
    data : Path or None
        A data folder; None for the usual search.

    Raises
    ------
    DataError
        If a file is damaged.
    """
    if find_spec("pyopal") is None:
        return Source("", why="proteins are compared by pyopal, of the extra [bio], which is not installed")
    constructs = find(CONSTRUCTS, data) or find(METADATA, data)
    if constructs is None:
        return Source("", why="the data at hand do not hold the proteins of RNAcompete experiments")
    proteins = read_constructs(constructs)
    measured = _names_measured(data)
    if len(measured) >= FEWEST and all(name in proteins for name in measured):
        return Source("measured", measured)
    if find(CONSTRUCTS, data) and find(MOTIFS, data) and find(DESIGN, data):
        motifs = tuple(motif.name for motif in find_motifs((), data) if motif.name in proteins)
        if len(motifs) >= FEWEST:
            return Source("simulated", motifs)
    return Source(
        "",
        why=f"the data at hand hold neither {FEWEST} experiments whose proteins are known nor the array's design and "
        "as many motifs to simulate them from",
    )


def _names_measured(data: Path | None) -> tuple[str, ...]:
    """Name the experiments of a data folder, as those of the constructs are named."""
    if (made := find_folder(data)) is not None:
        return _names_in(made)
    table = find(NORM_DATA, data)
    return tuple(name for name in read_header(table) if name not in PROBE_COLUMNS) if table else ()


def _names_in(folder: Path) -> tuple[str, ...]:
    return tuple(name.removeprefix(SIMULATED) for name in Compendium.open(folder).experiments)


def _within(job: Job) -> Job:
    """Make a job of the study of many proteins one of the assignment's."""
    needs = (FIRST, *(f"{GROUP}/{need}" for need in job.needs))
    return Job(f"{GROUP}/{job.name}", job.done, job.work, needs, job.share)


@dataclass(frozen=True, eq=False)
class Found:
    """What the study of many proteins found.

    Parameters
    ----------
    study : Study
        Finished.
    known, held, relatives : DataFrame
        Scores, a row for each experiment and method: of proteins that trained, of those held out with all their
        relatives, and of those held out alone.
    coverage : float
        Share of the measurements of held-out clusters that 90 % intervals hold.
    trainings : int
        How many networks were trained; the members of an ensemble are one.
    seconds : float
        That this took.
    """

    study: Study
    known: pl.DataFrame
    held: pl.DataFrame
    relatives: pl.DataFrame
    coverage: float
    trainings: int
    seconds: float


def gather_proteins(proteins: ProteinStudy) -> Found:
    """Put together what the jobs have left, and write both protocols' own pages beside it.

    Raises
    ------
    RunError
        If something is damaged, or was made on other data.
    """
    study = proteins.study
    results = {name: write_results(study, name).results for name in ("known", "cluster")}
    runs = [path.parent for path in study.path.glob("runs/*/*/scores.json")]
    runs = [run for run in runs if run.parent.name in results] + [study.model]
    return Found(
        study=study,
        known=results["known"].table,
        held=results["cluster"].table,
        relatives=read_scores(study, [cluster.RELATIVES]),
        coverage=float(results["cluster"].more["trust"]["coverage"]["value"]),
        trainings=len(runs),
        seconds=sum(map(seconds_of, runs)),
    )
