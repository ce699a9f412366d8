"""A study: the whole assignment as trainings and searches in one folder, each a job that is done once.

======================  ==============================================================================
``study.json``          what was asked for and on which data; another wish needs another folder
``data/``               the simulated data, where the study is a simulation
``runs/cells/NAME``     the four networks of question 1
``search/KIND``         the searches of question 2.1; ``runs/rna/KIND-SEED`` what they chose
``runs/attention/…``    question 2.2: ``KIND-HEADS-SEED``
``profile.json``        what the best of these attends to
``many/``               question 2.3: a study of `ribocyte.transfer`, where the data allow one
``compendium/``         a data folder for it, where its measurements are simulated
``locks/``              empty; which process is at what
======================  ==============================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ribocyte import catalog
from ribocyte.assignment.proteins import ProteinStudy
from ribocyte.assignment.questions import CELL_RUNS
from ribocyte.assignment.simulation import simulate_data
from ribocyte.assignment.sizes import SIZES, Size
from ribocyte.errors import DataError, RequestError, RunError
from ribocyte.files import write_text
from ribocyte.learn.hardware import multiplies_bf16
from ribocyte.learn.jobs import hold
from ribocyte.learn.recipe import Recipe, check
from ribocyte.rna.assay import STAMP
from ribocyte.rna.experiments import resolve_experiments
from ribocyte.rna.rnacompete import find_table
from ribocyte.rna.table import PROBE_COLUMNS, read_header
from ribocyte.version import VERSION

QUESTIONS = ("1.1", "1.2", "2.1", "2.2", "2.3")
NETWORKS = ("rna-cnn", "rna-bilstm", "rna-residual", "rna-transformer")
"""What question 2.1 tunes: the two architectures asked for, then two more."""
HEADS = (1, 2, 4, 8)
RBFOX1, A1CF = "RNCMPT00168", "RNCMPT00001"
SIMULATED = STAMP + "RBFOX1"
"""The experiment of a simulated study."""
NOTE = "study.json"


@dataclass(frozen=True)
class StudyConfig:
    """What a study is asked to do.

    Parameters
    ----------
    size : Size
        How much is trained, such as one of `SIZES`.
    simulated : bool
        Learn from the simulators instead of from measurements.
    experiment : str
        Experiment of question 2, by id; empty takes RBFOX1, or A1CF where the table has no RBFOX1.
    extend : {"rna-cnn", "rna-bilstm"}
        The architecture that question 2.2 gives attention to.
    precision : {"auto", "32", "bf16"}
        Of every training. ``auto`` is bf16 where the hardware multiplies it, and is settled once, so that all
        runs of a study compare.
    seed : int
        Of the searches, and the first of the trainings.
    """

    size: Size = SIZES["standard"]
    simulated: bool = False
    experiment: str = ""
    extend: Literal["rna-cnn", "rna-bilstm"] = "rna-cnn"
    precision: Literal["auto", "32", "bf16"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        check(0 <= self.seed < 2**31, "study.seed", self.seed, "from 0 to 2147483647")


@dataclass(frozen=True)
class Study:
    """A handle on a study's folder, and what it is asked to do. Make one with `begin_study`.

    Parameters
    ----------
    path : Path
        The folder.
    config : StudyConfig
        Settled: experiment and precision are named.
    data : Path or None
        The data folder; None for the usual search.
    instead : str
        Why the experiment is another than RBFOX1, where nobody asked for it.
    """

    path: Path
    config: StudyConfig
    data: Path | None
    instead: str = ""

    @property
    def locks(self) -> Path:
        """Where processes say what they are at."""
        return self.path / "locks"

    def cell_run(self, name: str) -> Path:
        """Say where a network of question 1 is trained."""
        return self.path / "runs" / "cells" / name

    def search(self, kind: str) -> Path:
        """Say where a network's settings are searched for."""
        return self.path / "search" / kind

    def trials(self, kind: str) -> int:
        """Say how many trials a network's search has: the two further rows of question 2.1 have two thirds."""
        trials = self.config.size.trials
        return trials if kind in NETWORKS[:2] else max(2, 2 * trials // 3)

    def tuned_runs(self, kind: str) -> list[Path]:
        """Say where the chosen configuration of a network is trained, once a seed."""
        return [self.path / "runs" / "rna" / f"{kind}-{seed}" for seed in self.seeds]

    def attention_runs(self, variant: str) -> list[Path]:
        """Say where a variant of attention, such as ``self-4``, is trained, once a seed."""
        return [self.path / "runs" / "attention" / f"{variant}-{seed}" for seed in self.seeds]

    @property
    def profile(self) -> Path:
        """Say where stands what attention attends to."""
        return self.path / "profile.json"

    @property
    def seeds(self) -> range:
        """The seeds of the trainings."""
        return range(self.config.seed, self.config.seed + self.config.size.seeds)

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """The variants of attention that are compared."""
        return tuple(f"{kind}-{heads}" for kind in ("self", "pool") for heads in HEADS)

    @cached_property
    def proteins(self) -> ProteinStudy:
        """Question 2.3's part of it."""
        config = self.config
        return ProteinStudy(
            self.path, self.data, config.size.many, config.size.array, config.precision, config.seed
        )

    def cell_recipe(self, name: str) -> Recipe:
        """Give the recipe of a network of question 1; the assignment's, but for the number of epochs."""
        return self._read(f"cells/{name}", [f"training.epochs={self.config.size.cell_epochs}"])

    def search_recipe(self, kind: str) -> Recipe:
        """Give the recipe whose settings are searched for, with its search space."""
        settings = [f'data.experiments=["{self.config.experiment}"]', "data.protocol=assignment"]
        # Several trials are wanted at random, and more than that after them.
        settings.append(f"tuning.startup={max(2, (self.config.size.trials + 2) // 3)}")
        if self.config.size.rna_epochs:
            settings.append(f"training.epochs={self.config.size.rna_epochs}")
        if self.config.simulated:
            # Most simulated probes hold no site: their ranks are noise, and would choose if Spearman did.
            settings.append("objective.best=pearson")
        return self._read(f"rna/{kind.removeprefix('rna-')}", settings)

    def _read(self, name: str, settings: Sequence[str]) -> Recipe:
        own = [f"training.precision={self.config.precision}", f"training.seed={self.config.seed}"]
        return catalog.read_recipe(catalog.shipped_recipe(name), [*settings, *own])


def begin_study(
    path: Path,
    config: StudyConfig,
    questions: Sequence[str] = QUESTIONS,
    *,
    data: Path | None = None,
) -> Study:
    """Claim a folder for a study, or take up the study that is there.

    Experiment and precision are settled, simulated data are written, and what was asked for is kept in
    ``study.json`` together with the fingerprints of the data.

    Parameters
    ----------
    path : Path
        A new folder, or that of the same study.
    config : StudyConfig
        What to do.
    questions : sequence of str
        Those that will be asked: only their data are looked at.
    data : Path, optional
        A data folder; else the usual search.

    Raises
    ------
    RunError
        If the folder holds a study of another version, configuration or data, naming what differs, or
        anything else.
    DataError
        If data are missing or damaged.
    RequestError
        If there is no such question.
    """
    for question in questions:
        if question not in QUESTIONS:
            raise RequestError(f"{question}: no such question", expected=f"one of {', '.join(QUESTIONS)}")
    if config.simulated and config.experiment not in ("", SIMULATED):
        raise RequestError(
            f"{config.experiment}: is not simulated",
            expected=SIMULATED,
            mend="leave out --experiment or --simulated",
        )
    path = Path(path)
    _refuse_foreign(path)
    if not config.simulated:
        _settle(
            Study(path, config, data), questions, _read_note(path)
        )  # asks for data before there is a folder
    with hold(path / "locks", "study", wait=True):
        found = _read_note(path)
        study = _settle(Study(path, config, path / "data" if config.simulated else data), questions, found)
        _refuse_other(path, found, study.config)
        known = found["data"] if found else {}
        if config.simulated:
            _write_note(study, known)  # first, so that a study killed from here on is known as one
            simulate_data(path / "data", config.size.smear, config.size.assay)
        _write_note(study, _check_data(study, questions, known))
    return study


def _refuse_foreign(path: Path) -> None:
    """Refuse a folder that holds anything but a study, or the beginning of one."""
    if not path.exists() or (path / NOTE).is_file():
        return
    if not path.is_dir() or any(child.name != "locks" for child in path.iterdir()):
        raise RunError(
            f"{path}: exists already and is no study",
            expected="a new folder",
            mend="choose another with --out",
        )


def _settle(study: Study, questions: Sequence[str], found: Mapping[str, Any] | None) -> Study:
    """Name the experiment and the precision: as the study that is there has them, else from data and hardware."""
    before, config = (found or {}).get("config", {}), study.config
    experiment, instead = before.get("experiment", ""), (found or {}).get("instead", "")
    if config.simulated:
        experiment = SIMULATED
    elif {"2.1", "2.2"} & set(questions):
        if config.experiment:
            experiment = _resolve_experiment(config.experiment, study.data)
        elif not experiment:
            experiment, instead = _choose_experiment(study.data)
    precision = config.precision
    if precision == "auto":
        precision = before.get("precision") or (
            "bf16" if not config.simulated and multiplies_bf16() else "32"
        )
    return replace(study, config=replace(config, experiment=experiment, precision=precision), instead=instead)


def _resolve_experiment(wanted: str, data: Path | None) -> str:
    """Find the experiment that is asked for by id or by protein."""
    try:
        return resolve_experiments([wanted], find_table(data), data)[0]
    except DataError as error:
        mend = error.mend.replace("data.experiments=", "--experiment ")
        raise DataError(error.problem, expected=error.expected, mend=mend) from error


def _choose_experiment(data: Path | None) -> tuple[str, str]:
    """Take RBFOX1, or A1CF where the table lacks it, and then say why."""
    path = find_table(data)
    present = [name for name in read_header(path) if name not in PROBE_COLUMNS]
    if RBFOX1 in present:
        return RBFOX1, ""
    if A1CF in present:
        return A1CF, "the table at hand does not hold it"
    raise DataError(
        f"{path}: measures neither RBFOX1 ({RBFOX1}) nor A1CF ({A1CF})",
        expected="the published table",
        mend=f"name one with --experiment, such as {present[0]}"
        if present
        else "ribocyte data fetch rnacompete",
    )


def _check_data(study: Study, questions: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Load the data that the questions need, and hold their fingerprints to those the study was begun on."""
    recipes: dict[str, Callable[[], Recipe]] = {}
    if any(question.startswith("1.") for question in questions):
        recipes["cells"] = lambda: study.cell_recipe(CELL_RUNS[0])
    if {"2.1", "2.2"} & set(questions):
        recipes["rna"] = lambda: study.search_recipe(NETWORKS[0])
    if "2.3" in questions and study.proteins.begun:
        _ = study.proteins.study  # held to its own data
    prints = dict(known)
    for domain, recipe in recipes.items():
        info = catalog.load_data(recipe(), study.data).info
        if prints.setdefault(domain, info.fingerprint) != info.fingerprint:
            raise RunError(
                f"{study.path}: was begun on other {domain} data (fingerprint {prints[domain][:12]}, {info.source} "
                f"has {info.fingerprint[:12]})",
                expected="the data it was begun on",
                mend="point --data at them, or begin another study with --out",
            )
    return prints


def _refuse_other(path: Path, found: Mapping[str, Any] | None, wanted: StudyConfig) -> None:
    """Make sure that the study in the folder, if any, is the one that is wanted; name what differs.

    What its note does not speak of could not be chosen then, and changes nothing that was made.
    """
    if found is None:
        return
    if found.get("version") != VERSION:
        differing = [f"of ribocyte {found.get('version')}, this is {VERSION}"]
    else:
        asked = _flatten(json.loads(json.dumps(asdict(wanted))))
        there = _flatten(found["config"])
        open_yet = {"experiment"} if not there.get("experiment") else set()
        differing = [
            f"its {key} is {there.get(key)}, asked for {value}"
            for key, value in asked.items()
            if key in there and key not in open_yet and there[key] != value
        ]
    if differing:
        raise RunError(
            f"{path}: holds another study: {'; '.join(differing)}",
            expected="the same study, or a new folder",
            mend="choose another folder with --out",
        )


def _flatten(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Write nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= (
            _flatten(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
        )
    return flat


def _write_note(study: Study, fingerprints: Mapping[str, str]) -> None:
    note = {
        "what": "a study of the assignment",
        "version": VERSION,
        "config": asdict(study.config),
        "instead": study.instead,
        "data": dict(fingerprints),
    }
    write_text(study.path / NOTE, json.dumps(note, indent=1) + "\n")


def _read_note(path: Path) -> dict[str, Any] | None:
    """Read what a folder's study was asked to do; None where there is no study."""
    note = path / NOTE
    if not note.is_file():
        return None
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{note}: damaged: {error}", mend="choose another folder with --out") from error
    parts = [found.get(name) for name in ("config", "data")] if isinstance(found, dict) else [None]
    if not all(isinstance(part, dict) for part in parts):
        raise RunError(
            f"{note}: damaged",
            expected="what ribocyte reproduce wrote",
            mend="choose another folder with --out",
        )
    return dict(found)
