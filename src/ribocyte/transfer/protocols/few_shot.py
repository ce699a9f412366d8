"""``few-shot``: a new protein of which a few probes were measured, and no relative trained."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from ribocyte import catalog
from ribocyte.learn.jobs import Job
from ribocyte.learn.recipe import Recipe
from ribocyte.rna.joint.aiming import aim
from ribocyte.rna.joint.few_shot import fit_head, read_trunks
from ribocyte.transfer.drawing import draw_learning
from ribocyte.transfer.protocols.cluster import fold_job
from ribocyte.transfer.results import Claim, Drawing, Results, average_methods, differ, say
from ribocyte.transfer.scoring import score_methods
from ribocyte.transfer.study import SINGLE, Study, decay
from ribocyte.transfer.training import load_model
from ribocyte.transfer.work import TOWERS, describe_experiments, read_scores, scoring_job, training_job

FOLD = 0
"""Whose trunk is used: the newcomers are of the clusters it never saw."""
TUNED, ALONE = "tuned", "alone"
FEW, MANY = 256, 4096


def choose_newcomers(study: Study) -> list[str]:
    """Draw experiments of proteins held out, each of another cluster."""
    bench, random = study.bench, np.random.default_rng([study.config.seed, 4])
    held = np.flatnonzero(bench.folds[bench.owner] == FOLD)
    order = random.permutation(held)
    _, first = np.unique(bench.clusters[bench.owner[order]], return_index=True)
    chosen = order[np.sort(first)][: study.size.newcomers or None]
    return [bench.experiments[number] for number in chosen.tolist()]


def plan(study: Study) -> list[Job]:
    """List the jobs: the training without the fold, networks of few probes of one protein, and scores."""
    trunk = f"cluster/fold-{FOLD}"
    jobs, newcomers = [fold_job(study, FOLD)], choose_newcomers(study)
    jobs += [
        scoring_job(study, f"few-shot/tuned-{experiment}", (trunk,), partial(_score_tuned, study, experiment))
        for experiment in newcomers
    ]
    for shots in reversed(study.size.alone):
        for experiment in newcomers:
            name = f"few-shot/alone-{experiment}-{shots}"
            jobs.append(training_job(study, name, partial(_recipe, study, name, experiment, shots)))
            jobs.append(
                scoring_job(study, name, (name,), partial(_score_alone, study, name, experiment, shots))
            )
    return jobs


def conclude(study: Study) -> Results:
    """Put together what the jobs have left."""
    newcomers, size = choose_newcomers(study), study.size
    names = [f"few-shot/tuned-{experiment}" for experiment in newcomers]
    names += [f"few-shot/alone-{experiment}-{shots}" for experiment in newcomers for shots in size.alone]
    table = read_scores(study, names)
    methods = [TOWERS, *(_tuned(shots) for shots in size.shots), *(_alone(shots) for shots in size.alone)]
    means = average_methods(table, methods)
    few, many = _compared(study)
    pairs = [(_tuned(few), _alone(many)), *((_tuned(shots), _alone(shots)) for shots in size.alone)]
    differences = tuple(differ(table, *pair) for pair in pairs)
    gain = differences[0].mean
    claim = Claim(
        f"tuned on {few:,} probes it does better, on average, than a network trained alone on {many:,}",
        gain.value > 0,
        f"Spearman {say(means[_tuned(few)]['spearman'])} against {say(means[_alone(many)]['spearman'])}; "
        f"difference {say(gain, '+')}, {gain.verdict}",
    )
    simulated = study.bench.simulated
    curves = {
        "joint network, tuned": {n: means[_tuned(n)]["spearman"] for n in size.shots},
        "trained alone": {n: means[_alone(n)]["spearman"] for n in size.alone},
    }
    drawing = Drawing(
        "learning",
        draw_learning(curves, means[TOWERS]["spearman"], simulated=simulated),
        "Spearman's rho with Set B against the number of measured probes; the dashed line is what is predicted from "
        "the protein's sequence, without any. Bars are 95 % intervals over proteins, each of another cluster.",
    )
    return Results(
        "few-shot",
        "Proteins with few measurements",
        _design(study, newcomers),
        table,
        means,
        differences,
        (claim,),
        (drawing,),
        {"newcomers": newcomers},
    )


def _compared(study: Study) -> tuple[int, int]:
    """Say which numbers of probes are compared: 256 with 4,096, or what comes nearest of those asked for."""
    few = min(study.size.shots, key=lambda shots: abs(shots - FEW))
    return few, min(study.size.alone, key=lambda shots: abs(shots - MANY))


def _tuned(shots: int) -> str:
    return f"{TUNED}, {shots:,} probes"


def _alone(shots: int) -> str:
    return f"{ALONE}, {shots:,} probes"


def _recipe(study: Study, name: str, experiment: str, shots: int) -> Recipe:
    """A network of one protein; of few probes the batches are small, or there were too few steps."""
    data = study.data_config((experiment,), probes=shots)
    few = {**SINGLE, "batch_size": max(16, min(128, shots // 32)), "weight_decay": decay(shots)}
    epochs = study.size.single_epochs
    return study.recipe(name.rpartition("/")[2], study.config.shared, data, epochs=epochs, settings=few)


def _score_tuned(study: Study, experiment: str) -> pl.DataFrame:
    """Fit the head on more and more probes; the trunk never saw the protein nor a relative."""
    bench, model = study.bench, load_model(study.run(f"cluster/fold-{FOLD}"))
    newcomer = bench.protein(experiment)
    trained = [bench.protein(name) for name in model.info.outputs]
    panel = aim(model, [*dict.fromkeys(trained), newcomer])
    outputs, trunk = panel.outputs(bench.tokens), read_trunks(panel, bench.tokens)
    predictions: dict[str, Any] = {TOWERS: outputs[:, -1:].numpy()}
    for shots in study.size.shots:
        recipe = _recipe(study, "shots", experiment, shots)
        train = catalog.load_data(recipe, study.data).train
        said = panel.outputs(train.inputs)
        head = fit_head(said[:, :-1], said[:, -1], train.targets[:, 0], read_trunks(panel, train.inputs))
        predictions[_tuned(shots)] = head.apply(outputs[:, :-1], outputs[:, -1], trunk)[:, None].numpy()
    return _scored(study, experiment, predictions)


def _score_alone(study: Study, name: str, experiment: str, shots: int) -> pl.DataFrame:
    outputs = load_model(study.run(name)).outputs(study.bench.tokens)
    return _scored(study, experiment, {_alone(shots): outputs.numpy()})


def _scored(study: Study, experiment: str, predictions: dict[str, Any]) -> pl.DataFrame:
    bench = study.bench
    number = bench.experiments.index(experiment)
    known = np.flatnonzero(bench.folds[bench.owner] != FOLD).tolist()
    scores = score_methods(predictions, [bench.measured[number]], bench.spread)
    facts = describe_experiments(study, [number], known)
    return scores.join(facts, on="experiment", maintain_order="left")


def _design(study: Study, newcomers: list[str]) -> tuple[str, ...]:
    size = study.size
    shots = ", ".join(f"{n:,}" for n in size.shots)
    return (
        f"{len(newcomers)} proteins, each of another cluster, of a fold that the joint network was trained without. Of "
        f"each, {shots} probes of Set A were taken as measured: drawn by the seed, scaled by these alone. The joint "
        "network's trunk stays as it is; what is fitted is how much its features, the protein's own prediction and "
        "those for the known proteins count, by ridge regression with penalty and prior chosen by leave-one-out; known "
        "proteins that say what was measured count for more.",
        f"Beside it, networks of one protein trained on the same probes for {size.single_epochs} epochs; to choose "
        "their epoch they were given a fifth as many probes more, 64 at least, which the joint network was not. All "
        f"are scored on {len(study.bench.tokens):,} probes of Set B.",
    )
