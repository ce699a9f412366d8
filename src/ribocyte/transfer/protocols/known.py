"""``known``: probes of Set B, of proteins that trained; networks of one protein stand beside.

A joint network alone does well by proteins whose motifs others share, and badly by those whose motif is rare: its
trunk has no room for it. So the method that is to hold its own is **joint, then tuned**: the shared trunk and one
protein's output are taken out of the joint network, and all their weights are trained on, on the same probes of that
protein. Its prediction is the mean of before and after, since tuning harms where measurements are noisy.

A mean of two networks is better than one whatever they are. So each protein has two networks of its own; both the first
and the mean of the two stand beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
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
from ribocyte.transfer.study import SINGLE as ALONE
from ribocyte.transfer.study import TENTH, Study, decay
from ribocyte.transfer.training import load_model
from ribocyte.transfer.work import describe_experiments, read_scores, scoring_job, training_job

FEW = " ÷10"
"""What a method's name ends in where it learned from a tenth of the probes."""
SHORTER = 4
"""A network that begins from the joint one is trained for a quarter of the epochs."""
TUNED, SINGLE, PAIR = "joint, then tuned", "single", "two singles"
"""Methods with networks for one protein: begun from the shared trunk, and from weights drawn at random."""
OWN = ("single", "again", "tuned")
"""Runs of one protein: two that begin at random, each otherwise, and the one that begins from the joint network."""
Pair = Sequence[Difference]
"""Of what is claimed to one network of a protein, and to the mean of two."""
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
    """List the jobs: joint networks, those tuned and those of one protein, on all probes and a tenth; then scores."""
    jobs, trunk = list[Job](), _short(study.config.shared)
    for few in (False, True):
        for kind in joint_methods(study).values():
            name = _run(_short(kind), few)
            jobs.append(training_job(study, name, partial(_recipe_joint, study, name, kind, few)))
        for experiment in choose_singles(study):
            for what in OWN:
                name = _run(what, few, experiment)
                recipe = partial(_recipe_own, study, name, experiment, few, what)
                jobs.append(
                    training_job(study, name, recipe, origin=_run(trunk, few) if what == "tuned" else "")
                )
    return [*jobs, scoring_job(study, "known/all", [job.name for job in jobs], lambda: _score(study))]


def list_origins(networks: int, singles: int) -> list[tuple[int, ...]]:
    """List which training each of `plan` begins from, by number: none, or the joint network with the shared trunk.

    For whom it is to be said before the proteins are known.
    """
    of_one = [what == "tuned" for _ in range(singles) for what in OWN]
    half = [*(False for _ in range(networks)), *of_one]
    return [(first,) if tuned else () for first in (0, len(half)) for tuned in half]


def conclude(study: Study) -> Results:
    """Put together what the jobs have left."""
    table = read_scores(study, ["known/all"])
    singles = choose_singles(study)
    beside = table.filter(pl.col("experiment").is_in(singles))
    joint = list(joint_methods(study))
    methods = [f"{name}{few}" for few in ("", FEW) for name in (*joint, TUNED, SINGLE, PAIR)]
    means = average_methods(beside, methods)
    pairs = [(TUNED, SINGLE), (TUNED, PAIR), *((name, SINGLE) for name in joint)]
    differences = tuple(
        differ(beside, f"{first}{few}", f"{second}{few}", metric)
        for metric in ("spearman", "pearson")
        for few in ("", FEW)
        for first, second in pairs
    )
    at = len(pairs)
    losers = {few: _losers(beside, f"{TUNED}{few}", f"{SINGLE}{few}") for few in ("", FEW)}
    simulated = study.bench.simulated
    drawings = (
        Drawing(
            "methods",
            draw_means({name: means[name]["spearman"] for name in methods}, simulated=simulated),
            f"Spearman's rho with Set B, mean over {means[SINGLE]['spearman'].proteins} proteins that have a network "
            "of their own; ÷10 learned from a tenth of the probes. Bars are 95 % intervals over clusters.",
        ),
        Drawing(
            "pairs",
            draw_pairs(
                {
                    _say_probes(study, few): pair_methods(beside, f"{TUNED}{few}", f"{SINGLE}{few}")
                    for few in ("", FEW)
                },
                ("network of one protein", TUNED),
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
        _claims(differences[:2], differences[at : at + 2], means),
        drawings,
        {
            "losers": {_say_probes(study, few): names for few, names in losers.items()},
            "all": _all(table, joint),
        },
        tuple(_say_losers(study, few, names) for few, names in losers.items()),
    )


def _claims(full: Pair, few: Pair, means: Mapping[str, Any]) -> tuple[Claim, ...]:
    """Make the claims of differences to one network of a protein, and tell those to two beside."""
    return (
        Claim(
            "at equal probes a joint network, then tuned, is no worse than networks of one protein, on average",
            full[0].mean.value >= 0,
            _say_pair(full, means),
        ),
        Claim(
            f"with a tenth of the probes it is better by a clear margin (over {CLEAR})",
            few[0].mean.verdict == "better" and few[0].mean.value >= CLEAR,
            _say_pair(few, means),
        ),
    )


def _say_pair(differences: Pair, means: Mapping[str, Any]) -> str:
    one, two = differences
    return (
        f"{one.first}: Spearman {say(means[one.first]['spearman'])}, single {say(means[one.second]['spearman'])}; "
        f"difference {say(one.mean, '+')}; to the mean of two singles {say(two.mean, '+')}"
    )


def _run(what: str, few: bool, experiment: str = "") -> str:
    """Name the run of a network, joint or of one experiment."""
    return f"known/{what}{'-tenth' if few else ''}{f'-{experiment}' if experiment else ''}"


def _short(kind: str) -> str:
    return kind.removeprefix("rna-")


def _recipe_joint(study: Study, name: str, kind: str, few: bool) -> Recipe:
    """A tenth of the probes is passed over three times as often, in smaller batches, or there were too few steps."""
    settings = {**(FEW_PROBES if few else {}), "weight_decay": _decay(study, few)}
    return _recipe(study, name, kind, (), few, study.size.epochs, settings)


def _recipe_own(study: Study, name: str, experiment: str, few: bool, what: str) -> Recipe:
    """A network of one experiment, from the beginning or from the joint one: a quarter as long then."""
    settings = {**ALONE, "weight_decay": _decay(study, few)}
    if few:
        settings["batch_size"] = FEW_PROBES["batch_size"] // 2
    if what == "again":
        settings["seed"] = study.config.seed + 1
    epochs = max(1, study.size.single_epochs // SHORTER) if what == "tuned" else study.size.single_epochs
    return _recipe(study, name, study.config.shared, (experiment,), few, epochs, settings)


def _recipe(
    study: Study,
    name: str,
    kind: str,
    experiments: tuple[str, ...],
    few: bool,
    epochs: int,
    settings: Mapping[str, Any],
) -> Recipe:
    data = study.data_config(experiments, probes=_probes(study, few))
    return study.recipe(
        name.rpartition("/")[2], kind, data, epochs=epochs * (3 if few else 1), settings=settings
    )


def _decay(study: Study, few: bool) -> float:
    return decay(_probes(study, few) or study.bench.training_probes)


def _probes(study: Study, few: bool) -> int:
    """Say how many probes are trained on; 0 is all."""
    probes = study.size.probes or study.bench.training_probes
    return max(200, probes // TENTH) if few else study.size.probes


def _score(study: Study) -> pl.DataFrame:
    bench = study.bench
    every = list(range(len(bench.experiments)))
    predictions: dict[str, Any] = {}
    for few in ("", FEW):
        for method, kind in joint_methods(study).items():
            run = study.run(_run(_short(kind), bool(few)))
            predictions[f"{method}{few}"] = load_model(run).outputs(bench.tokens).numpy()
    parts = [score_methods(predictions, bench.measured, bench.spread)]
    for number, experiment in ((bench.experiments.index(one), one) for one in choose_singles(study)):
        own: dict[str, Any] = {}
        for few in ("", FEW):
            before = predictions[f"{next(iter(joint_methods(study)))}{few}"][:, [number]]
            one, other, tuned = (
                load_model(study.run(_run(what, bool(few), experiment))).outputs(bench.tokens).numpy()
                for what in OWN
            )
            own |= {
                f"{TUNED}{few}": (before + tuned) / 2,
                f"{SINGLE}{few}": one,
                f"{PAIR}{few}": (one + other) / 2,
            }
        parts.append(score_methods(own, [bench.measured[number]], bench.spread))
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
    return f"{_probes(study, bool(few)) or study.bench.training_probes:,} probes"


def _say_losers(study: Study, few: str, names: list[str]) -> str:
    said = "; ".join(names) if names else "none"
    where = _say_probes(study, few)
    return f"Proteins that lose by being learned together first, on {where} (difference of Spearman's rho): {said}."


def _design(study: Study, singles: list[str]) -> tuple[str, ...]:
    size = study.size
    return (
        f"Joint networks learned all {len(study.bench.experiments)} experiments on {_say_probes(study, '')} of Set A "
        f"for {size.epochs} epochs, and on {_say_probes(study, FEW)} for three times as many. {len(singles)} "
        f"experiments, of proteins drawn at random, also have two networks each of their own: the shared "
        f"trunk's, with one output, on the same probes, for {size.single_epochs} epochs (and three times as many). "
        f"“{TUNED}” is the same network, of the same settings, begun not at random but from the joint network with "
        f"the shared trunk, and trained for a quarter of the epochs: that is what a protein costs once there is a "
        "joint network. It predicts the mean of before and after. Each keeps its best epoch by validation, and "
        "settings were chosen by validation, with another seed. All are scored on the same "
        f"{len(study.bench.tokens):,} probes of Set B.",
    )
