"""The works that are measured: for each, how this package does it and how its peers do, ready to be run in turn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ribocyte.bench import peers
from ribocyte.bench.processes import read_line, run_command, run_process, run_task
from ribocyte.bench.ratios import Demand
from ribocyte.bench.sizes import BenchSize
from ribocyte.errors import RequestError, suggest

ROWS = {"pooled": 6400, "unpooled": 1280, "cnn": 24_000, "bilstm": 6400, "residual": 12_800}
"""Training rows of an epoch of ours: some seconds of each network."""
SEEDS = 5
SEQUENCES = ("AGAUGUUAAUUAGUAAUUGCAUGUACGUAAUUGACUUAC", "AGGCAUGACGUUUAUUGACGAUGCGAUUCGC")
"""What ten predictions are asked for, five times."""


@dataclass(frozen=True)
class Reading:
    """One repetition of one side.

    Parameters
    ----------
    seconds : float
        For an item.
    peak_mb : float
        Of the process.
    facts : mapping
        What else it told: ``demand`` of an item, ``precision``, ``simulated``, ``device``.
    """

    seconds: float
    peak_mb: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """One way to do a work.

    Parameters
    ----------
    name : str
        As the table calls it.
    measure : callable
        Does it once, in a fresh process.
    about : str
        What a reader must know, such as that its time is scaled up.
    compared : bool
        Whether this package's time is set against it.
    kernels : callable, optional
        Gives the seconds that kernels of the GPU run for an item.
    """

    name: str
    measure: Callable[[], Reading]
    about: str = ""
    compared: bool = True
    kernels: Callable[[], float] | None = None


@dataclass(frozen=True)
class Bench:
    """What all works share.

    Parameters
    ----------
    folder : Path
        Where what is made is kept.
    size : BenchSize
        How large the works are.
    scripts : mapping of str to Path
        The peers', by name.
    data : Path, optional
        A data folder; else the usual search.
    """

    folder: Path
    size: BenchSize
    scripts: Mapping[str, Path]
    data: Path | None = None
    prepared: dict[str, dict[str, Any]] = field(default_factory=dict)

    def need(self, what: str, **size: int) -> dict[str, Any]:
        """Find or make something that works need, once; see `ribocyte.bench.preparing.prepare`."""
        key = f"{what} {size}"
        if key not in self.prepared:
            data = str(self.data) if self.data else None
            settings = {"what": what, "folder": str(self.folder), "data": data, **size}
            self.prepared[key] = run_task("prepare", settings, f"preparing {what}")
        return self.prepared[key]

    def script(self, name: str, *arguments: object) -> list[str]:
        """Give the command that runs a peer."""
        return [sys.executable, str(self.scripts[name]), *map(str, arguments)]


@dataclass(frozen=True)
class Work:
    """Something that people wait for.

    Parameters
    ----------
    name, about : str
        What it is called, and what is done.
    sides : callable
        Gives its sides, this package's first, once what they need is made.
    unit : str
        What is counted, as in images a second; empty where the seconds themselves are told.
    """

    name: str
    about: str
    sides: Callable[[Bench], list[Side]]
    unit: str = ""


def choose_works(names: Sequence[str], known: Mapping[str, Work]) -> list[Work]:
    """Give the works of some names, all where none is named.

    Raises
    ------
    RequestError
        If there is no such work; names the nearest.
    """
    for name in names:
        if name not in known:
            raise RequestError(
                f"{name}: no such work", expected=f"one of {', '.join(known)}", mend=suggest(name, known)
            )
    return [known[name] for name in dict.fromkeys(names or known)]


def training_settings(bench: Bench, work: str) -> dict[str, Any]:
    """Give what `ribocyte.bench.training.measure_training` is asked for one of the works that train."""
    domain, _, network = work.partition("-")
    if domain == "cells":
        found = bench.need("cells")
        asked: dict[str, Any] = {"recipe": f"cells/{network}-logits", "settings": []}
    else:
        found = bench.need("table")
        asked = {"recipe": f"rna/{network}", "settings": [f'data.experiments=["{found["experiment"]}"]']}
    return {**asked, "rows": bench.size.rows or ROWS[network], "data": found["data"]}


def train_cells(bench: Bench, pool: bool) -> list[Side]:
    """Train the assignment's CNN."""
    asked = training_settings(bench, f"cells-{'pooled' if pool else 'unpooled'}")
    arguments = [bench.need("cells")["path"], *(["--pool"] if pool else []), "--steps", bench.size.steps]
    return [
        _training("ribocyte", asked),
        _printing(bench, peers.CELLS, arguments, rate="images_per_second"),
    ]


def train_rna(bench: Bench, network: str, seeds: int = 1) -> list[Side]:
    """Train a network for one experiment, or several of it together; an item is a probe seen by all of them."""
    asked, table = training_settings(bench, f"rna-{network}"), bench.need("table")
    if seeds > 1:
        asked = {**asked, "settings": [*asked["settings"], f"training.members={seeds}"]}
    arguments = [table["path"], table["experiment"], network, "--steps", bench.size.steps]
    about = f"{seeds} × the time of one" if seeds > 1 else ""
    return [
        _training("ribocyte", asked),
        _printing(bench, peers.RNA, arguments, rate="sequences_per_second", times=seeds, about=about),
    ]


def train_joint(bench: Bench) -> list[Side]:
    """Train one network for many proteins on random numbers; an item is a pair of probe and protein."""
    made = {"probes": bench.size.pairs_probes, "proteins": bench.size.pairs_proteins}
    asked = {"recipe": "rna/joint-multi", "made": made}
    return [_training("ribocyte", asked, per=made["proteins"])]


def load_table(bench: Bench, cold: bool) -> list[Side]:
    """Read one experiment of a table of the official size."""
    size = bench.size
    table = bench.need("official", rows=size.table_rows, experiments=size.table_experiments)
    asked = {"table": table["path"], "experiment": table["experiment"], "cold": cold}
    if not cold:
        run_task("load", asked, "loading")  # leaves what the second time finds
    return [
        Side("ribocyte", lambda: _task_reading("load", asked, 1)),
        _printing(bench, peers.LOAD, [table["path"], table["experiment"]]),
    ]


def predict(bench: Bench, brief: bool) -> list[Side]:
    """Predict for many RNAs from FASTA to a table; an item is an RNA."""
    model, size = bench.need("model"), bench.size
    sides = [_predicting(bench, model, size.rnas, brief), _predicting(bench, model, size.fewer_rnas, brief)]
    fasta = bench.need("rnas", count=size.rnas)["path"]
    for way, limit in (("loader", size.loader_rnas), ("one", size.single_rnas)):
        limit = min(limit, size.rnas)
        arguments = [model["path"], fasta, way, "--limit", limit, "--out", bench.folder / "peer.tsv"]
        about = f"{limit:,} of {size.rnas:,} RNAs" if limit < size.rnas else ""
        sides.append(_printing(bench, peers.PREDICT, arguments, items=limit, about=about, called=way))
    return sides


def mutate(bench: Bench) -> list[Side]:
    """Try every substitution in many probes; an item is a probe."""
    model, size = bench.need("model")["path"], bench.size
    fasta = bench.need("rnas", count=max(size.probes, size.peer_probes))["path"]
    asked = {"model": model, "fasta": fasta, "probes": size.probes}
    about = f"{size.peer_probes:,} of {size.probes:,} probes" if size.peer_probes < size.probes else ""
    arguments = [model, fasta, "--limit", size.peer_probes]
    return [
        Side("ribocyte", lambda: _task_reading("mutagenesis", asked, size.probes)),
        _printing(bench, peers.MUTAGENESIS, arguments, items=size.peer_probes, about=about),
    ]


def ask_for_help(_: Bench) -> list[Side]:
    """Ask what there is."""
    return [Side("ribocyte", lambda: _command_reading("--help")), _bare_import()]


def predict_ten(bench: Bench) -> list[Side]:
    """Predict for ten sequences on the command line."""
    model = bench.need("model")["path"]
    return [Side("ribocyte", lambda: _command_reading("predict", model, *SEQUENCES * 5)), _bare_import()]


WORKS: dict[str, Work] = {
    work.name: work
    for work in (
        Work(
            "cells-pooled",
            "train the assignment's CNN with pooling",
            lambda b: train_cells(b, True),
            "images",
        ),
        Work("cells-unpooled", "train it without pooling", lambda b: train_cells(b, False), "images"),
        Work("rna-residual", "train the residual network", lambda b: train_rna(b, "residual"), "probes"),
        Work("rna-bilstm", "train the BiLSTM", lambda b: train_rna(b, "bilstm"), "probes"),
        Work("rna-cnn", "train the CNN", lambda b: train_rna(b, "cnn"), "probes"),
        Work(
            "five-seeds",
            "train five seeds of the CNN together",
            lambda b: train_rna(b, "cnn", SEEDS),
            "probes",
        ),
        Work("load-cold", "load one experiment of the whole table", lambda b: load_table(b, True)),
        Work("load-again", "load it a second time", lambda b: load_table(b, False)),
        Work("predict", "predict from FASTA to a table", lambda b: predict(b, False), "RNAs"),
        Work("predict-brief", "the same, a name and a number each", lambda b: predict(b, True), "RNAs"),
        Work("mutagenesis", "try every substitution in each probe", mutate, "probes"),
        Work("help", "ribocyte --help", ask_for_help),
        Work("start", "ribocyte predict, ten sequences", predict_ten),
        Work("joint", "train one network for many proteins", train_joint, "pairs"),
    )
}
"""In the order they are measured."""
TRAININGS = ("cells-pooled", "cells-unpooled", "rna-residual", "rna-bilstm", "rna-cnn")


def _training(name: str, asked: Mapping[str, Any], per: int = 1) -> Side:
    """Make the side that trains here; `per` items are in an example."""

    def time_kernels() -> float:
        settings = {key: value for key, value in asked.items() if key != "epochs"}
        return float(run_task("kernels", settings, "kernels")["kernel_seconds"]) / per

    return Side(name, lambda: _task_reading("train", asked, None, per), kernels=time_kernels)


def _printing(
    bench: Bench,
    script: str,
    arguments: Sequence[object],
    *,
    rate: str = "",
    times: int = 1,
    items: int = 1,
    about: str = "",
    called: str = "",
) -> Side:
    """Make the side of a peer that prints its rate, or else its seconds for some items."""
    name = " ".join(part for part in (script, called) if part)

    def measure() -> Reading:
        finished = run_process(bench.script(script, *arguments), name)
        found = read_line(finished, name, rate or "seconds")
        seconds = times / found[rate] if rate else found["seconds"] / items
        return Reading(seconds, finished.peak_mb)

    return Side(name, measure, about)


def _task_reading(task: str, asked: Mapping[str, Any], items: int | None, per: int = 1) -> Reading:
    """Do a task once; where the items are not given it trained, and an example is one, or `per`."""
    found = run_task(task, asked, task)
    peak = found.pop("peak_mb")
    count = found["examples"] * per if items is None else items
    demand = found.get("demand", {})
    if per > 1:
        found["demand"] = {
            **demand,
            "multiply_adds": demand["multiply_adds"] / per,
            "bytes": demand["bytes"] / per,
        }
    return Reading(found["seconds"] / count, peak, found)


def _command_reading(*arguments: str) -> Reading:
    finished = run_command(*arguments)
    return Reading(finished.seconds, finished.peak_mb)


def _predicting(bench: Bench, model: Mapping[str, Any], count: int, brief: bool) -> Side:
    """Make the side that predicts for so many RNAs; fewer than all are there for their peak of memory."""
    fasta, out = bench.need("rnas", count=count), bench.folder / "predicted.tsv"
    arguments = ["predict", model["path"], fasta["path"], "--out", str(out), *(["--brief"] if brief else [])]
    # One forward pass, whose products may be computed in either precision, and a share of the file.
    demand = Demand(model["multiply_adds"], fasta["bytes"] / count, "any")
    facts = {"demand": asdict(demand), "simulated": model["simulated"]}

    def measure() -> Reading:
        finished = run_command(*arguments)
        return Reading(finished.seconds / count, finished.peak_mb, facts)

    all_of_them = count == bench.size.rnas
    return Side("ribocyte" if all_of_them else f"ribocyte, {count:,} RNAs", measure, compared=all_of_them)


def _bare_import() -> Side:
    command = [sys.executable, "-c", "import torch"]

    def measure() -> Reading:
        finished = run_process(command, "import torch")
        return Reading(finished.seconds, finished.peak_mb)

    return Side("python -c 'import torch'", measure)
