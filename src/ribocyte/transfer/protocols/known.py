"""``known``: probes of Set B, of proteins that trained; networks of one protein stand beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ribocyte.learn.jobs import Job
from ribocyte.learn.recipe import Recipe
from ribocyte.transfer.drawing import draw_means, draw_pairs
from ribocyte.transfer.results import (
    Claim,
    Difference,
    Drawing,
    Results,
    average_methods,
    differ,
    pair_methods,
    say,
)
from ribocyte.transfer.scoring import score_methods
from ribocyte.transfer.study import FEW as FEW_PROBES
from ribocyte.transfer.study import SINGLE, TENTH, Study
from ribocyte.transfer.training import load_model
from ribocyte.transfer.work import describe_experiments, read_scores, scoring_job, training_job

FEW = " ÷10"
"""What a method's name ends in where it learned from a tenth of the probes."""
CLEAR = 0.02
"""Difference of Spearman's rho that is called a clear margin, if its whole interval is above 0 besides."""


def joint_methods(study: Study) -> dict[str, str]:
    """Name the joint networks: what they are called, and their kind."""
    return {"joint, shared trunk": study.config.shared, "joint, two towers": study.config.network}


def choose_singles(study: Study) -> list[str]:
    """Draw the experiments that have a network of their own: proteins at random, so that their mean is that of all.

    One experiment a protein. To draw one protein a cluster would ask mostly about those without relatives.
    """
    bench, random = study.bench, np.random.default_rng([study.config.seed, 3])
    order = random.permutation(len(bench.experiments))
    _, first = np.unique(bench.owner[order], return_index=True)
    chosen = order[np.sort(first)][: study.size.singles or None]
    return [bench.experiments[number] for number in sorted(chosen.tolist())]


def plan(study: Study) -> list[Job]:
    """List the jobs: joint networks and those of one protein, on all the probes and on a tenth; then scores."""
    jobs, names = [], []
    for few in (False, True):
        for kind in joint_methods(study).values():
            name = f"known/{kind.removeprefix('rna-')}{'-tenth' if few else ''}"
            jobs.append(training_job(study, name, _recipe(study, name, kind, (), few)))
            names.append(name)
        for experiment in choose_singles(study):
            name = f"known/single{'-tenth' if few else ''}-{experiment}"
            jobs.append(
                training_job(study, name, _recipe(study, name, study.config.shared, (experiment,), few))
            )
            names.append(name)
    jobs.append(scoring_job(study, "known/all", names, lambda: _score(study)))
    return jobs


def conclude(study: Study) -> Results:
    """Put together what the jobs have left."""
    table = read_scores(study, ["known/all"])
    singles = choose_singles(study)
    beside = table.filter(pl.col("experiment").is_in(singles))
    joint = list(joint_methods(study))
    methods = [f"{name}{few}" for few in ("", FEW) for name in (*joint, "single")]
    means = average_methods(beside, methods)
    differences = tuple(
        differ(beside, f"{name}{few}", f"single{few}", metric)
        for metric in ("spearman", "pearson")
        for few in ("", FEW)
        for name in joint
    )
    best = [max(differences[at : at + 2], key=lambda one: one.mean.value) for at in (0, 2)]
    losers = {
        few: _losers(beside, best[number].first, f"single{few}") for number, few in enumerate(("", FEW))
    }
    simulated = study.bench.simulated
    drawings = (
        Drawing(
            "methods",
            draw_means({name: means[name]["spearman"] for name in methods}, simulated=simulated),
            f"Spearman's rho with Set B, mean over {means['single']['spearman'].proteins} proteins that have a network "
            "of their own; ÷10 learned from a tenth of the probes. Bars are 95 % intervals over clusters.",
        ),
        Drawing(
            "pairs",
            draw_pairs(
                {
                    _say_probes(study, few): pair_methods(beside, best[number].first, f"single{few}")
                    for number, few in enumerate(("", FEW))
                },
                ("network of one protein", best[0].first),
                simulated=simulated,
            ),
            "Each protein: above the line it gains by being learned together with the others.",
        ),
    )
    return Results(
        "known",
        "Proteins that trained",
        _design(study, singles),
        table,
        means,
        differences,
        _claims(best, means),
        drawings,
        {
            "losers": {_say_probes(study, few): names for few, names in losers.items()},
            "all": _all(table, joint),
        },
        tuple(_say_losers(study, few, names) for few, names in losers.items()),
    )


def _claims(best: list[Difference], means: Mapping[str, Any]) -> tuple[Claim, ...]:
    full, few = best
    return (
        Claim(
            "at equal probes a joint network is no worse than networks of one protein, on average",
            full.mean.value >= 0,
            f"{full.first}: Spearman {say(means[full.first]['spearman'])}, single "
            f"{say(means[full.second]['spearman'])}; difference {say(full.mean, '+')}",
        ),
        Claim(
            f"with a tenth of the probes it is better by a clear margin (over {CLEAR})",
            few.mean.verdict == "better" and few.mean.value >= CLEAR,
            f"{few.first}: Spearman {say(means[few.first]['spearman'])}, single "
            f"{say(means[few.second]['spearman'])}; difference {say(few.mean, '+')}",
        ),
    )


def _recipe(study: Study, name: str, kind: str, experiments: tuple[str, ...], few: bool) -> Any:
    """Give what makes the recipe: a tenth of the probes is passed over three times as often."""

    def make() -> Recipe:
        probes = study.size.probes or study.bench.training_probes
        size = max(200, probes // TENTH) if few else study.size.probes
        epochs = study.size.single_epochs if experiments else study.size.epochs
        settings = {**(SINGLE if experiments else {}), **(_of_few(bool(experiments)) if few else {})}
        data = study.data_config(experiments, probes=size)
        return study.recipe(
            name.rpartition("/")[2], kind, data, epochs=epochs * (3 if few else 1), settings=settings
        )

    return make


def _of_few(single: bool) -> dict[str, Any]:
    """Give the settings for a tenth of the probes: smaller batches, or there were too few steps."""
    return {"batch_size": FEW_PROBES["batch_size"] // 2} if single else dict(FEW_PROBES)


def _score(study: Study) -> pl.DataFrame:
    bench = study.bench
    every = list(range(len(bench.experiments)))
    predictions: dict[str, Any] = {}
    for few in ("", FEW):
        for method, kind in joint_methods(study).items():
            run = study.run(f"known/{kind.removeprefix('rna-')}{'-tenth' if few else ''}")
            predictions[f"{method}{few}"] = load_model(run).outputs(bench.tokens).numpy()
    parts = [score_methods(predictions, bench.measured, bench.spread)]
    for experiment in choose_singles(study):
        own = {
            f"single{few}": load_model(study.run(f"known/single{'-tenth' if few else ''}-{experiment}"))
            .outputs(bench.tokens)
            .numpy()
            for few in ("", FEW)
        }
        parts.append(score_methods(own, [bench.measured[bench.experiments.index(experiment)]], bench.spread))
    facts = describe_experiments(study, every, every)
    return pl.concat(parts).join(facts, on="experiment", maintain_order="left")


def _losers(table: pl.DataFrame, joint: str, single: str) -> list[str]:
    pairs = pair_methods(table, joint, single).with_columns(gain=pl.col("first") - pl.col("second"))
    lost = pairs.filter(pl.col("gain") < 0).sort("gain")
    return [f"{row['gene']} ({row['experiment']}) {row['gain']:+.3f}" for row in lost.iter_rows(named=True)]


def _all(table: pl.DataFrame, joint: list[str]) -> dict[str, Any]:
    """Average the joint networks over all proteins, whether they have a network of their own or not."""
    means = average_methods(table, [f"{name}{few}" for few in ("", FEW) for name in joint])
    return {name: say(row["spearman"]) for name, row in means.items()}


def _say_probes(study: Study, few: str) -> str:
    probes = study.size.probes or study.bench.training_probes
    return f"{max(200, probes // TENTH) if few else probes:,} probes"


def _say_losers(study: Study, few: str, names: list[str]) -> str:
    said = "; ".join(names) if names else "none"
    where = _say_probes(study, few)
    return f"Proteins that lose by being learned together, on {where} (difference of Spearman's rho): {said}."


def _design(study: Study, singles: list[str]) -> tuple[str, ...]:
    size = study.size
    return (
        f"Joint networks learned all {len(study.bench.experiments)} experiments on {_say_probes(study, '')} of Set A "
        f"for {size.epochs} epochs, and on {_say_probes(study, FEW)} for three times as many. {len(singles)} "
        f"experiments, of proteins drawn at random, also have networks of their own: the shared "
        f"trunk's, with one output, on the same probes, for {size.single_epochs} epochs (and three times as many). "
        "Each keeps its best epoch by validation. All are scored on the same "
        f"{len(study.bench.tokens):,} probes of Set B.",
    )
