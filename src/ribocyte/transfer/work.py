"""The jobs that protocols are made of: trainings, and the scores of what was trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ribocyte.errors import RunError
from ribocyte.files import atomic_write
from ribocyte.learn.jobs import Job
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.runs import Run
from ribocyte.rna.joint.aiming import aim
from ribocyte.rna.joint.baselines import BASELINES, mix_profiles
from ribocyte.rna.joint.margins import Evidence
from ribocyte.transfer.scoring import score_methods
from ribocyte.transfer.study import Study
from ribocyte.transfer.training import Report, Stop, load_model, share_of, train

TOWERS, BLEND, MEASURED = "network", "network + average", "average, measured"
UNSEEN = (TOWERS, BLEND, *BASELINES, MEASURED)
"""What speaks for a protein that did not train: the network aimed at it; the mean of that and the identity-weighted
average; the nearest known protein, the identity-weighted average and the mean of all, as the network predicts them;
and the identity-weighted average of what was measured of the known proteins on these very probes."""
EVIDENCE = 1500
"""Probes of which every prediction for held-out proteins is kept."""


def training_job(
    study: Study, name: str, recipe: Callable[[], Recipe], path: Path | None = None, origin: str = ""
) -> Job:
    """Make the job that trains a recipe, which is made when it is needed; from the weights of `origin`, if named."""
    place = path or study.run(name)

    def work(report: Report, stop: Stop) -> None:
        train(recipe(), place, study.data, report, stop, study.run(origin) if origin else None)

    needs = (origin,) if origin else ()
    return Job(name, lambda: Run(place).finished, work, needs, share=partial(share_of, place))


def scoring_job(
    study: Study, name: str, needs: Sequence[str], score: Callable[[], pl.DataFrame], *more: Path
) -> Job:
    """Make the job that leaves a table of scores, after `more` files that it writes itself."""
    path = study.scores(name)

    def work(_report: Report, _stop: Stop) -> None:
        table = score()
        with atomic_write(path) as stream:
            table.write_parquet(stream)

    return Job(f"{name}-scores", lambda: all(map(Path.is_file, (path, *more))), work, tuple(needs))


def read_scores(study: Study, names: Sequence[str]) -> pl.DataFrame:
    """Read tables of scores that jobs have left, one below the other.

    Raises
    ------
    RunError
        If one is damaged.
    """
    tables = []
    for name in names:
        path = study.scores(name)
        try:
            tables.append(pl.read_parquet(path))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise RunError(
                f"{path}: damaged: {error}", mend="remove it, and give the same command again"
            ) from error
    return pl.concat(tables)


def score_unseen(study: Study, run: Path, evidence: Path) -> pl.DataFrame:
    """Score everything that can speak for the proteins that a run held out, and keep the network's predictions.

    Parameters
    ----------
    study : Study
        Whose proteins and probes.
    run : Path
        A finished training. All experiments that are not its outputs were held out.
    evidence : Path
        Where the predictions are kept.

    Returns
    -------
    DataFrame
        As `score_methods` gives it, with what `describe_experiments` tells.
    """
    bench, model = study.bench, load_model(run)
    known = [bench.experiments.index(name) for name in model.info.outputs]
    held = [number for number in range(len(bench.experiments)) if number not in set(known)]
    proteins = [bench.proteins[at] for at in dict.fromkeys(int(bench.owner[number]) for number in held)]
    place = {protein.name: at for at, protein in enumerate(proteins)}
    columns = [place[bench.proteins[int(bench.owner[number])].name] for number in held]
    members = aim(model, proteins).member_outputs(bench.tokens)[:, :, columns]
    said, spread = members.mean(dim=0), _spread(members)
    identities = bench.identities[np.ix_(bench.owner[held], bench.owner[known])]
    of_known = model.outputs(bench.tokens)
    predictions = {name: (of_known @ weigh(identities).T).numpy() for name, weigh in BASELINES.items()}
    predictions |= {TOWERS: said.numpy(), BLEND: (said.numpy() + predictions["average"]) / 2}
    profiles = bench.targets(known).numpy()
    predictions[MEASURED] = np.nan_to_num(mix_profiles(BASELINES["average"](identities), profiles))
    keep_evidence(
        evidence,
        said[:EVIDENCE],
        bench.targets(held)[:EVIDENCE],
        spread[:EVIDENCE],
        {
            "experiments": [bench.experiments[number] for number in held],
            "likeness": bench.likenesses[np.ix_(bench.owner[held], bench.owner[known])].max(axis=1).tolist(),
        },
    )
    scores = score_methods(predictions, [bench.measured[number] for number in held], bench.spread)
    return scores.join(describe_experiments(study, held, known), on="experiment", maintain_order="left")


def describe_experiments(study: Study, experiments: Sequence[int], known: Sequence[int]) -> pl.DataFrame:
    """Say whose experiments these are, and how like any that trained.

    Returns
    -------
    DataFrame
        ``experiment``; ``gene``, ``species`` and ``domains`` of its protein; ``protein`` and ``cluster``, numbers;
        ``identity`` to the nearest other protein among those of `known`, and its gene, ``nearest``; ``likeness`` to
        the one most alike (`ribocyte.rna.proteins.alignment.likeness_matrix`).
    """
    bench = study.bench
    owners = bench.owner[list(experiments)]
    others = bench.owner[list(known)]
    identities, likenesses = (
        np.where(
            owners[:, None] == others[None, :], -1.0, table[np.ix_(owners, others)]
        )  # not its own neighbour
        for table in (bench.identities, bench.likenesses)
    )
    nearest = others[identities.argmax(axis=1)]
    proteins = [bench.proteins[int(owner)] for owner in owners]
    return pl.DataFrame(
        {
            "experiment": [bench.experiments[number] for number in experiments],
            "gene": [protein.gene or protein.name for protein in proteins],
            "species": [protein.species for protein in proteins],
            "domains": [", ".join(domain.kind for domain in protein.domains) for protein in proteins],
            "protein": owners,
            "cluster": bench.clusters[owners],
            "identity": identities.max(axis=1),
            "likeness": likenesses.max(axis=1),
            "nearest": [bench.proteins[int(at)].gene or bench.proteins[int(at)].name for at in nearest],
        }
    )


def keep_evidence(
    path: Path, outputs: Tensor, targets: Tensor, spread: Tensor, facts: Mapping[str, Any]
) -> None:
    """Write predictions for held-out proteins, probe by probe."""
    tables = {"outputs": outputs, "targets": targets, "spread": spread}
    content = {name: table.float().contiguous() for name, table in tables.items()}
    with atomic_write(path) as stream:
        stream.write(save(content, metadata={"facts": json.dumps(facts)}))


def read_evidence(study: Study, names: Sequence[str]) -> tuple[Evidence, list[str], np.ndarray[Any, Any]]:
    """Read what `keep_evidence` wrote, side by side.

    Returns
    -------
    (Evidence, list of str, numpy array of int64)
        The evidence, the experiment of each column, and which of `names` it is from.

    Raises
    ------
    RunError
        If a file is damaged.
    """
    parts, experiments, likenesses, origins = [], list[str](), list[float](), list[int]()
    for number, name in enumerate(names):
        path = study.evidence(name)
        try:
            with safe_open(path, framework="pt") as stored:
                facts = json.loads(stored.metadata()["facts"])
                parts.append({key: stored.get_tensor(key) for key in ("outputs", "targets", "spread")})
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise RunError(
                f"{path}: damaged: {error}", mend="remove it, and give the same command again"
            ) from error
        experiments += facts["experiments"]
        likenesses += facts["likeness"]
        origins += [number] * len(facts["experiments"])
    outputs, targets, spread = (
        torch.cat([part[key] for part in parts], dim=1) for key in ("outputs", "targets", "spread")
    )
    bench = study.bench
    owners = bench.owner[[bench.experiments.index(name) for name in experiments]]
    evidence = Evidence(outputs, targets, spread, np.array(likenesses), bench.clusters[owners])
    return evidence, experiments, np.array(origins)


def _spread(members: Tensor) -> Tensor:
    return members.std(dim=0) if len(members) > 1 else torch.zeros(members.shape[1:])
