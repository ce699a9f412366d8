"""Does speed cost accuracy? The same epochs in the fast precision, in float32, and by the peer, at several seeds."""

from __future__ import annotations

import json
import statistics
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ribocyte.bench import peers
from ribocyte.bench.machine import describe_machine
from ribocyte.bench.processes import run_command, run_process, run_task
from ribocyte.bench.works import TRAININGS, Bench, training_settings
from ribocyte.errors import RequestError, WorkError, suggest
from ribocyte.files import write_text

FAST, FULL, PEER = "fast", "float32", "peer"
RESULTS = "accuracy.json"
Report = Callable[[str, str, int], None]
"""Called with a work, a side and the seed before each training."""


@dataclass(frozen=True)
class Accuracy:
    """What a work reaches on the test split.

    Parameters
    ----------
    work, metric : str
        What was trained, and what is told of it.
    precision : str
        What the fast side settled on; of ``32`` there is nothing to compare.
    scores : dict of str to list of float
        ``fast``, ``float32`` and ``peer``, seed by seed.
    gain, low, high : float
        The mean of fast less that of float32, and its 95 % interval over test rows and seeds.
    simulated : bool
        Whether the measurements are a simulator's.
    """

    work: str
    metric: str
    precision: str
    scores: dict[str, list[float]]
    gain: float
    low: float
    high: float
    simulated: bool

    def mean(self, side: str) -> float:
        """Give a side's mean over the seeds."""
        return statistics.fmean(self.scores[side])


def measure_accuracy(
    works: Sequence[str], bench: Bench, epochs: int, seeds: int, out: Path, report: Report
) -> list[Accuracy]:
    """Train works at several seeds, on three sides, and compare what they reach.

    Parameters
    ----------
    works : sequence of str
        Of `ribocyte.bench.works.TRAININGS`; all where none is named.
    bench : Bench
        Where the data is.
    epochs, seeds : int
        How long, and how often. A run of other epochs in the folder is refused.
    out : Path
        A folder for runs and ``accuracy.json``. What is finished there is not done again, and what was begun goes on.
    report : callable
        Told of each training before it begins.

    Raises
    ------
    RequestError
        If there is no such work, or nothing to do.
    WorkError
        If a training fails.
    """
    for name, value in (("--epochs", epochs), ("--seeds", seeds)):
        if value < 1:
            raise RequestError(f"{name} {value}: nothing would be trained", expected="1 or more")
    for work in works:
        if work not in TRAININGS:
            raise RequestError(
                f"{work}: no work that trains",
                expected=f"one of {', '.join(TRAININGS)}",
                mend=suggest(work, TRAININGS),
            )
    found: list[Accuracy] = []
    for work in dict.fromkeys(works or TRAININGS):
        found.append(_compare(work, bench, epochs, seeds, out / work, report))
        results = {"machine": describe_machine(), "epochs": epochs, "works": [asdict(one) for one in found]}
        write_text(out / RESULTS, json.dumps(results, indent=2) + "\n")
    return found


def _compare(work: str, bench: Bench, epochs: int, seeds: int, out: Path, report: Report) -> Accuracy:
    precision, runs, peer = "auto", dict[str, list[Path]]({FAST: [], FULL: []}), list[Path]()
    for seed in range(seeds):
        report(work, FAST, seed)
        runs[FAST].append(_train(work, bench, epochs, seed, precision, out / f"{FAST}-{seed}"))
        precision = _training(runs[FAST][0])["precision"]  # once: all seeds are to be computed alike
        report(work, FULL, seed)
        runs[FULL].append(_train(work, bench, epochs, seed, "32", out / f"{FULL}-{seed}"))
        report(work, PEER, seed)
        peer.append(_train_peer(work, bench, epochs, seed, out / f"{PEER}-{seed}.json"))
    scores = {side: [json.loads((run / "scores.json").read_text()) for run in runs[side]] for side in runs}
    metric = scores[FULL][0]["best"]["metric"]
    told = {side: [one["test"][metric]["value"] for one in each] for side, each in scores.items()}
    told[PEER] = [_peer_score(path, metric) for path in peer]
    sides = {"first": [str(run) for run in runs[FULL]], "second": [str(run) for run in runs[FAST]]}
    difference = run_task("differ", sides, f"comparing {work}")[metric]
    interval = {key: difference[key] for key in ("gain", "low", "high")}
    return Accuracy(work, metric, precision, told, **interval, simulated=scores[FULL][0]["simulated"])


def _train(work: str, bench: Bench, epochs: int, seed: int, precision: str, out: Path) -> Path:
    """Train as a user does, or go on; what is finished costs not even a process."""
    if (out / "scores.json").is_file():
        _refuse_other(out, {"epochs": _training(out)["epochs"]}, {"epochs": epochs})
        return out
    asked = training_settings(bench, work)
    changes = [
        *asked["settings"],
        f"training.epochs={epochs}",
        f"training.seed={seed}",
        f"training.precision={precision}",
        "training.score_test_each_epoch=false",
    ]
    data = ["--data", asked["data"]] if asked["data"] else []
    settings = [part for change in changes for part in ("--set", change)]
    run_command("train", asked["recipe"], *settings, *data, "--out", str(out), "--resume")
    return out


def _peer_score(path: Path, metric: str) -> float:
    """Read the score of the test split: a number, or one for each metric."""
    try:
        score = json.loads(path.read_text())["test"]
        return float(score[metric] if isinstance(score, dict) else score)
    except (ValueError, KeyError, TypeError) as error:
        raise WorkError(
            f"{path}: the peer told no {metric} of the test split", mend="remove the file to run it again"
        ) from error


def _training(run: Path) -> dict[str, Any]:
    """Give how a run was trained."""
    table: dict[str, Any] = tomllib.loads((run / "recipe.toml").read_text())["training"]
    return table


def _train_peer(work: str, bench: Bench, epochs: int, seed: int, out: Path) -> Path:
    """Train the peer, unless it was; keep the line it printed, and how it was asked."""
    domain, _, network = work.partition("-")
    if domain == "cells":
        name, arguments = peers.CELLS, [bench.need("cells")["path"], *(["--pool"] * (network == "pooled"))]
    else:
        table = bench.need("table")
        name, arguments = peers.RNA, [table["path"], table["experiment"], network]
    command = bench.script(name, *arguments, "--epochs", epochs, "--seed", seed)
    asked = {"epochs": epochs, "script": str(bench.scripts[name].resolve())}
    if out.is_file():
        _refuse_other(out, json.loads(out.read_text()), asked)
        return out
    finished = run_process(command, name)
    try:
        said = json.loads(finished.output.strip().splitlines()[-1])
        told = {**said, **asked}
    except (IndexError, ValueError, TypeError) as error:
        raise WorkError(f"{name}: ended without a line of JSON", expected="test scores as JSON") from error
    write_text(out, json.dumps(told) + "\n")
    return out


def _refuse_other(path: Path, known: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to take what was trained in another way."""
    for key, value in asked.items():
        if known.get(key) != value:
            raise RequestError(
                f"{path}: its {key} was {known.get(key)}, now it is {value}",
                expected="the same, or another --out",
            )
