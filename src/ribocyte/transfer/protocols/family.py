"""``family``: proteins whose kind of domain no training protein has."""

from __future__ import annotations

from functools import partial

import polars as pl

from ribocyte.errors import DataError
from ribocyte.learn.jobs import Job
from ribocyte.learn.recipe import Recipe
from ribocyte.rna.proteins.clusters import families
from ribocyte.transfer.drawing import draw_families
from ribocyte.transfer.results import Claim, Drawing, Results, average_methods, differ, say
from ribocyte.transfer.study import Study
from ribocyte.transfer.work import BLEND, TOWERS, UNSEEN, read_scores, score_unseen, scoring_job, training_job

BASELINE = "average"


def choose_families(study: Study) -> dict[str, int]:
    """Choose the kinds of domain that are worth holding out: so many proteins have one, and as many have none.

    Raises
    ------
    DataError
        If there is none.
    """
    least, groups = study.size.families, families(study.bench.proteins)
    chosen = {
        kind: int(has.sum()) for kind, has in groups.items() if has.sum() >= least and (~has).sum() >= least
    }
    if not chosen:
        raise DataError(
            f"families: no kind of domain is in {least} proteins and missing from {least}",
            expected=f"one of {', '.join(groups) or 'no kinds known'}",
            mend="lower it with --set families=…",
        )
    return chosen


def plan(study: Study) -> list[Job]:
    """List the jobs: a training a family, and its scores."""
    jobs = []
    for kind in choose_families(study):
        name = f"family/{kind}"
        run, evidence = study.run(name), study.evidence(name)
        jobs.append(training_job(study, name, partial(_recipe, study, name, kind)))
        jobs.append(scoring_job(study, name, (name,), partial(score_unseen, study, run, evidence), evidence))
    return jobs


def conclude(study: Study) -> Results:
    """Put together what the jobs have left."""
    kinds = choose_families(study)
    tables = [read_scores(study, [f"family/{kind}"]).with_columns(family=pl.lit(kind)) for kind in kinds]
    per_family = {kind: average_methods(table, UNSEEN) for kind, table in zip(kinds, tables, strict=True)}
    every = pl.concat(tables)
    # A protein with two kinds is held out twice, under two networks: two rows, told apart.
    apart = every.with_columns((pl.col("experiment") + " without " + pl.col("family")).alias("experiment"))
    pairs = [(TOWERS, BASELINE), (BLEND, BASELINE), (TOWERS, "mean")]
    differences = tuple(differ(apart, *pair) for pair in pairs)
    gain = differences[-1].mean
    drawing = Drawing(
        "families",
        draw_families(
            {f"{kind} ({count})": per_family[kind] for kind, count in kinds.items()},
            (TOWERS, BLEND, BASELINE, "nearest", "mean"),
            simulated=study.bench.simulated,
        ),
        "Spearman's rho with Set B, mean over the proteins with a kind of domain (how many have it) that no training "
        "protein has. Bars are 95 % intervals over clusters.",
    )
    return Results(
        "family",
        "Kinds of domain that were never seen",
        _design(study, kinds),
        apart,
        average_methods(apart, UNSEEN),
        differences,
        (
            Claim(
                "for a kind of domain that no training protein has, the sequence tells more than the mean of all "
                "proteins does",
                gain.verdict == "better",
                f"{TOWERS} − mean: Spearman {say(gain, '+')}",
            ),
        ),
        (drawing,),
        {
            "families": {
                kind: {method: say(row["spearman"]) for method, row in means.items()}
                for kind, means in per_family.items()
            }
        },
    )


def _recipe(study: Study, name: str, kind: str) -> Recipe:
    return study.recipe(
        name.rpartition("/")[2],
        study.config.network,
        study.data_config(hold_out=f"family:{kind}"),
        epochs=study.size.epochs,
        members=study.size.members,
    )


def _design(study: Study, kinds: dict[str, int]) -> tuple[str, ...]:
    said = ", ".join(f"{kind} ({count} proteins)" for kind, count in kinds.items())
    return (
        f"For each of {said}: every protein with such a domain, alone or beside others, was held out, and a network "
        f"(`{study.config.network}`, {study.size.members} together) trained on the others for {study.size.epochs} "
        f"epochs. Families of fewer than {study.size.families} proteins were not held out. Scored on "
        f"{len(study.bench.tokens):,} probes of Set B.",
    )
