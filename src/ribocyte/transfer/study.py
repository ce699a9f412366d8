"""A study's folder: what was asked for, where every part of it lies, and the data all protocols share.

======================  ==============================================================================
``transfer.json``       what was asked for and on which data; another wish needs another folder
``runs/NAME``           every training, a run each; protocols share those they have in common
``scores/NAME``         what was made of one: a row for each experiment and method, and more
``PROTOCOL/``           results.json, proteins.tsv, figures, index.html
``model``               what ``cluster`` ends with: a run of all proteins, with trust in others
``locks/``              empty; which process is at what
======================  ==============================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ribocyte import catalog
from ribocyte.errors import RunError
from ribocyte.files import write_text
from ribocyte.learn.hardware import multiplies_bf16
from ribocyte.learn.jobs import hold
from ribocyte.learn.recipe import Recipe, as_table, check
from ribocyte.rna.compendium.config import CompendiumConfig, find_constructs, open_compendium
from ribocyte.transfer.bench import Bench, open_bench
from ribocyte.version import VERSION

PROTOCOLS = ("known", "cluster", "few-shot", "family")
NOTE = "transfer.json"
TENTH = 10


@dataclass(frozen=True)
class Size:
    """How much is trained and scored.

    Parameters
    ----------
    probes : int
        Of Set A, that networks train on; 0 is all.
    test : int
        Of Set B, that everything is scored on; 0 is all.
    epochs, batch : int
        Of joint networks: passes over the probes, and probes a step. Stopped early they do worse than networks of
        one protein: so many proteins take longer to learn.
    detectors, hidden : int
        Of the networks' trunk: detectors of each width, and units that combine them.
    members : int
        Networks of a deep ensemble, wherever proteins are held out: what they differ by is part of the trust.
    folds : int
        Into which clusters are dealt.
    singles : int
        Proteins that have a network of their own under ``known``; 0 is all.
    single_epochs : int
        Of these, and of those trained alone on few probes.
    newcomers : int
        Proteins of ``few-shot``, each of another cluster; 0 is one of every cluster held out.
    shots : tuple of int
        Measured probes of a newcomer.
    alone : tuple of int
        Those on which a network is trained alone.
    families : int
        Fewest proteins that make a family worth holding out.
    """

    probes: int = 12_000
    test: int = 6_000
    epochs: int = 24
    batch: int = 128
    detectors: int = 64
    hidden: int = 512
    members: int = 2
    folds: int = 5
    singles: int = 16
    single_epochs: int = 20
    newcomers: int = 12
    shots: tuple[int, ...] = (16, 64, 256, 1024, 4096, 16_384)
    alone: tuple[int, ...] = (256, 1024, 4096)
    families: int = 6

    def __post_init__(self) -> None:
        for name in ("probes", "test", "singles", "newcomers"):
            check(
                getattr(self, name) >= 0, f"transfer.{name}", getattr(self, name), "1 or more, or 0 for all"
            )
        for name in ("epochs", "single_epochs", "members", "families", "detectors", "hidden"):
            check(getattr(self, name) >= 1, f"transfer.{name}", getattr(self, name), "1 or more")
        check(self.probes == 0 or self.probes >= 200, "transfer.probes", self.probes, "200 or more, or 0")
        check(self.batch >= 2, "transfer.batch", self.batch, "2 or more")
        check(self.folds >= 3, "transfer.folds", self.folds, "3 or more: trust is learned from two of them")
        ascending = (*self.shots,) == (*sorted(set(self.shots)),) and min(self.shots, default=0) >= 8
        check(ascending, "transfer.shots", self.shots, "ascending numbers from 8")
        some = bool(self.alone) and set(self.alone) <= set(self.shots)
        check(some, "transfer.alone", self.alone, "some of transfer.shots")


SIZES: Mapping[str, Size] = {
    "standard": Size(),
    "full": Size(
        probes=0,
        test=0,
        epochs=20,
        batch=256,
        members=4,
        folds=10,
        singles=0,
        single_epochs=30,
        newcomers=0,
        alone=(256, 1024, 4096, 16_384),
    ),
}
"""``standard`` takes about ten minutes a protocol on two cores; ``full`` a night, or a GPU."""


@dataclass(frozen=True)
class TransferConfig:
    """What a study is asked to do.

    Parameters
    ----------
    size : Size
        How much.
    network : str
        The joint network that can be aimed at other proteins.
    shared : str
        The one that cannot read proteins: one output each, on a shared trunk. A network of one protein is this
        one with one output.
    identity : float
        Above it two proteins are relatives.
    precision : {"auto", "32", "bf16"}
        Of every training. ``auto`` is bf16 where the hardware multiplies it, and is settled once.
    seed : int
        Of everything.
    """

    size: Size = field(default_factory=Size)
    network: Literal["rna-towers", "rna-film"] = "rna-towers"
    shared: Literal["rna-multi"] = "rna-multi"
    identity: float = 0.5
    precision: Literal["auto", "32", "bf16"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        check(0 < self.identity < 1, "transfer.identity", self.identity, "above 0 and below 1")
        check(0 <= self.seed < 2**31, "transfer.seed", self.seed, "from 0 to 2147483647")


@dataclass(frozen=True)
class Study:
    """A handle on a study's folder, and what it is asked to do. Make one with `begin_study`.

    Parameters
    ----------
    path : Path
        The folder.
    config : TransferConfig
        What to do.
    data : Path or None
        The data folder; None for the usual search.
    """

    path: Path
    config: TransferConfig
    data: Path | None = None

    @property
    def locks(self) -> Path:
        """Where processes say what they are at."""
        return self.path / "locks"

    @property
    def size(self) -> Size:
        """How much is trained and scored."""
        return self.config.size

    @property
    def model(self) -> Path:
        """Say where the model of all proteins is trained."""
        return self.path / "model"

    def run(self, name: str) -> Path:
        """Say where something is trained."""
        return self.path / "runs" / name

    def scores(self, name: str) -> Path:
        """Say where a table of scores stands."""
        return self.path / "scores" / f"{name}.parquet"

    def evidence(self, name: str) -> Path:
        """Say where predictions for held-out proteins stand, probe by probe."""
        return self.path / "scores" / f"{name}.safetensors"

    def results(self, protocol: str) -> Path:
        """Say where a protocol's results stand."""
        return self.path / protocol

    @cached_property
    def bench(self) -> Bench:
        """What every protocol scores on."""
        compendium = open_compendium(self.data)
        return open_bench(
            compendium,
            find_constructs(CompendiumConfig(), compendium, self.data),
            probes=self.size.test,
            identity=self.config.identity,
            folds=self.size.folds,
            seed=self.config.seed,
        )

    def data_config(
        self,
        experiments: Sequence[str] = (),
        hold_out: str = "none",
        probes: int | None = None,
        fold: int = 0,
    ) -> CompendiumConfig:
        """Say what is trained on.

        Parameters
        ----------
        experiments : sequence of str
            Which; all where none is named.
        hold_out : str
            As `CompendiumConfig` names it.
        probes : int, optional
            Training probes; the study's where not given. All where there are no more than that.
        fold : int
            Held out.
        """
        asked = self.size.probes if probes is None else probes
        return CompendiumConfig(
            experiments=tuple(experiments),
            hold_out=hold_out,
            probes=0 if asked >= self.bench.training_probes else asked,
            folds=self.size.folds,
            fold=fold,
            identity=self.config.identity,
            seed=self.config.seed,
        )

    def recipe(
        self,
        name: str,
        kind: str,
        data: CompendiumConfig,
        *,
        epochs: int,
        members: int = 1,
        settings: Mapping[str, Any] | None = None,
    ) -> Recipe:
        """Give a recipe of one of the two networks, in its own default shape.

        Parameters
        ----------
        name : str
            What its run is called.
        kind : str
            Of network.
        data : CompendiumConfig
            What it trains on.
        epochs, members : int
            How long, and how many.
        settings : mapping, optional
            Of the training, on top.
        """
        own = {
            **TRAINING,
            "batch_size": self.size.batch,
            "epochs": epochs,
            "members": members,
            "precision": self.config.precision,
            "seed": self.config.seed,
        }
        tables = {
            "data": {"kind": "compendium", **as_table(data)},
            "model": {"kind": kind, "detectors": self.size.detectors, "hidden": self.size.hidden},
            "objective": {"loss": LOSS},
            "training": {**own, **(settings or {})},
        }
        return catalog.parse_recipe(tables, name)


LOSS = "huber"
TRAINING: Mapping[str, Any] = {"learning_rate": 3e-3, "weight_decay": 0.02}
"""Of joint networks, whatever their size."""
SINGLE: Mapping[str, Any] = {"batch_size": 128, "learning_rate": 1e-3}
"""Of networks of one protein, which has fewer numbers to learn from in each step."""
FEW: Mapping[str, Any] = {"batch_size": 64, "learning_rate": 2e-3}
"""Of joint networks that have a tenth of the probes; a network of one protein then takes half of that."""


def decay(probes: int) -> float:
    """Give the weight decay for networks that learn proteins they are asked about from so many probes.

    6 on 1,200 probes and fewer, 1 on 12,000, and between and beyond them as straight as a logarithm: what did best in
    validation, of one protein and of many alike.
    """
    return round(min(6.0, math.pow(12_000 / max(probes, 1), math.log10(6))), 3)


def begin_study(path: Path, config: TransferConfig, *, data: Path | None = None) -> Study:
    """Claim a folder for a study, or take up the study that is there.

    Parameters
    ----------
    path : Path
        A new folder, or that of the same study; its protocols may be run one by one.
    config : TransferConfig
        What to do.
    data : Path, optional
        A data folder, as for the data kind ``compendium``; else the usual search.

    Raises
    ------
    RunError
        If the folder holds a study of another version, configuration or data, naming what differs, or anything
        else.
    DataError
        If there are no data, or their proteins are not known.
    """
    path = Path(path)
    found = _read_note(path)
    study = Study(path, _settle(config, found), data)
    bench = study.bench  # before there is a folder
    note = {
        "what": "a study of many proteins",
        "version": VERSION,
        "config": json.loads(json.dumps(asdict(study.config))),
        "data": {"fingerprint": bench.fingerprint, "simulated": bench.simulated},
    }
    with hold(study.locks, "study", wait=True):
        found = _read_note(study.path)
        if found is None:
            write_text(study.path / NOTE, json.dumps(note, indent=1) + "\n")
        else:
            _refuse_other(study.path, found, note)
    return study


def _settle(config: TransferConfig, found: Mapping[str, Any] | None) -> TransferConfig:
    """Name the precision: as the study that is there has it, else by the hardware."""
    if config.precision != "auto":
        return config
    before = found["config"].get("precision") if found else None
    return replace(config, precision=before or ("bf16" if multiplies_bf16() else "32"))


def _read_note(path: Path) -> dict[str, Any] | None:
    """Read what a folder's study was asked to do; None where there is none yet."""
    note = path / NOTE
    if not note.is_file():
        if path.exists() and (not path.is_dir() or any(child.name != "locks" for child in path.iterdir())):
            raise RunError(
                f"{path}: exists already and is no study of many proteins",
                expected="a new folder",
                mend="choose another with --out",
            )
        return None
    try:
        found: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        _ = found["config"], found["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{note}: damaged: {error}", mend="choose another folder with --out") from error
    return found


def _refuse_other(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Make sure that the study in the folder is the one that is wanted; name what differs."""
    there, asked = _flatten(found), _flatten(wanted)
    differing = [
        f"{key.removeprefix('config.')} is {there.get(key)} there, {value} here"
        for key, value in asked.items()
        if there.get(key) != value
    ]
    if differing:
        raise RunError(
            f"{path}: holds another study: {'; '.join(differing)}",
            expected="the same study, or a new folder",
            mend="choose another folder with --out",
        )


def _flatten(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        named = f"{before}{key}"
        flat |= _flatten(value, f"{named}.") if isinstance(value, Mapping) else {named: value}
    return flat
