"""``cluster``: proteins that no relative of theirs trained for; then a model of all, and how far to trust it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from ribocyte import catalog
from ribocyte.files import write_text
from ribocyte.learn.jobs import Job
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.runs import Run
from ribocyte.rna.joint.margins import Margins, cross_fit
from ribocyte.rna.joint.trust import unseen_trust
from ribocyte.rna.trust import RNATrust
from ribocyte.transfer.drawing import draw_coverage, draw_identity, draw_means
from ribocyte.transfer.kmers import rank_known_kmers, read_known_kmers
from ribocyte.transfer.results import Claim, Drawing, Results, average_methods, differ, say
from ribocyte.transfer.statistics import as_json, average
from ribocyte.transfer.study import Study
from ribocyte.transfer.training import Report, Stop, load_model, shorten
from ribocyte.transfer.work import (
    BLEND,
    MEASURED,
    TOWERS,
    UNSEEN,
    read_evidence,
    read_scores,
    score_unseen,
    scoring_job,
    training_job,
)

LEVEL = 0.9
TRUST = "trust.json"
"""In the model's folder, once it knows how far to trust itself."""
RELATIVES = "cluster/relatives"
ALL = "cluster/all-proteins"
BASELINE = "average"


def fold_names(study: Study) -> list[str]:
    """Name the trainings with a fold of clusters held out."""
    return [f"cluster/fold-{fold}" for fold in range(study.size.folds)]


def fold_job(study: Study, fold: int) -> Job:
    """Make the job that trains without a fold."""
    name = f"cluster/fold-{fold}"
    return training_job(study, name, partial(_recipe, study, name, hold_out="cluster", fold=fold))


def plan(study: Study) -> list[Job]:
    """List the jobs: a training a fold, one without some proteins that have relatives, one of all; then scores."""
    folds = fold_names(study)
    jobs = [fold_job(study, fold) for fold in range(study.size.folds)]
    jobs.append(
        training_job(study, RELATIVES, lambda: _recipe(study, RELATIVES, without=_some_relatives(study)))
    )
    jobs.append(training_job(study, ALL, partial(_recipe, study, ALL), study.model))
    jobs += [_scores(study, name) for name in (*folds, RELATIVES)]
    needs = (*(f"{name}-scores" for name in (*folds, RELATIVES)), ALL)
    jobs.append(Job("cluster/trust", (study.model / TRUST).is_file, _trust_work(study), needs))
    fold = _fold_of_known_kmers(study)
    if fold is not None:
        name = "cluster/kmers"
        jobs.append(
            scoring_job(study, name, (f"cluster/fold-{fold}",), partial(rank_known_kmers, study, fold))
        )
    return jobs


def conclude(study: Study) -> Results:
    """Put together what the jobs have left."""
    folds = fold_names(study)
    table, relatives = read_scores(study, folds), read_scores(study, [RELATIVES])
    trust = json.loads((study.model / TRUST).read_text(encoding="utf-8"))
    pairs = [(TOWERS, BASELINE), (BLEND, BASELINE), (BLEND, MEASURED), (TOWERS, MEASURED), (TOWERS, "mean")]
    differences = tuple(differ(table, *pair, metric) for metric in ("spearman", "pearson") for pair in pairs)
    means = average_methods(table, UNSEEN)
    gain = max((difference for difference in differences[:2]), key=lambda difference: difference.mean.low)
    coverage = trust["coverage"]
    claims = [
        Claim(
            "the network, or its mean with the identity-weighted average, beats that average for proteins whose "
            "relatives did not train",
            gain.mean.verdict == "better",
            f"{gain.first}: Spearman {say(gain.mean, '+')}",
        ),
        Claim(
            f"intervals that are to hold {LEVEL:.0%} of the measurements hold 87 to 93 % on held-out clusters",
            0.87 <= coverage["value"] <= 0.93,
            f"{coverage['value']:.1%} [{coverage['low']:.1%}, {coverage['high']:.1%}]",
        ),
    ]
    simulated = study.bench.simulated
    drawings = [
        Drawing(
            "methods",
            draw_means({name: means[name]["spearman"] for name in UNSEEN}, simulated=simulated),
            "Spearman's rho with Set B, mean over proteins that were held out with all relatives above "
            f"{study.config.identity:.0%} identity; bars are 95 % intervals over clusters.",
        ),
        Drawing(
            "identity",
            draw_identity(table, relatives, (TOWERS, BASELINE), trust["reliability"], simulated=simulated),
            "Each protein against its identity to the nearest that trained, over the shorter of the binding regions: "
            "without any relative, and, open marks, with relatives. On the right against likeness, which counts over "
            "the longer one; the line is the reliability that the model gives with its predictions.",
        ),
        Drawing(
            "coverage",
            draw_coverage(trust["coverage_by_protein"], LEVEL, simulated=simulated),
            f"Share of a protein's measurements in intervals that are to hold {LEVEL:.0%}, learned from other "
            "clusters: each protein, in order.",
        ),
    ]
    more: dict[str, Any] = {
        "trust": {name: value for name, value in trust.items() if name != "coverage_by_protein"},
        "relatives": {
            name: {metric: as_json(mean) for metric, mean in row.items()}
            for name, row in average_methods(relatives, UNSEEN).items()
        },
        "model": str(study.model.name),
    }
    notes = [_say_trust(trust), *_conclude_kmers(study, more)]
    return Results(
        "cluster",
        "Proteins without relatives",
        _design(study),
        table,
        means,
        differences,
        tuple(claims),
        tuple(drawings),
        more,
        tuple(notes),
    )


def _recipe(
    study: Study, name: str, hold_out: str = "none", fold: int = 0, without: frozenset[str] = frozenset()
) -> Recipe:
    experiments = [one for one in study.bench.experiments if one not in without] if without else []
    data = study.data_config(experiments, hold_out, fold=fold)
    return study.recipe(
        name.rpartition("/")[2],
        study.config.network,
        data,
        epochs=study.size.epochs,
        members=study.size.members,
    )


def _scores(study: Study, name: str) -> Job:
    return scoring_job(
        study,
        name,
        (name,),
        partial(score_unseen, study, study.run(name), study.evidence(name)),
        study.evidence(name),
    )


def _some_relatives(study: Study) -> frozenset[str]:
    """Draw one protein of each cluster that has several, and give its experiments."""
    bench, random = study.bench, np.random.default_rng(study.config.seed)
    names, sizes = np.unique(bench.clusters, return_counts=True)
    drawn = [int(random.choice(np.flatnonzero(bench.clusters == name))) for name in names[sizes > 1]]
    return frozenset(bench.experiments[number] for number in bench.of([bench.proteins[at] for at in drawn]))


def _trust_work(study: Study) -> Any:
    """Give the work of teaching the model of all proteins how far to trust it for others."""

    def work(_report: Report, _stop: Stop) -> None:
        names = fold_names(study)
        evidence, experiments, folds = read_evidence(study, names)
        both = read_scores(study, [*names, RELATIVES]).filter(pl.col("method") == TOWERS)
        margins = Margins.fit(
            evidence, both["likeness"].to_numpy(), both["spearman"].cast(pl.Float64).to_numpy()
        )
        covered = cross_fit(evidence, folds, LEVEL).numpy()
        owners = study.bench.owner[[study.bench.experiments.index(name) for name in experiments]]
        mean = average(covered, owners, evidence.clusters)
        half = margins.half_widths(evidence.outputs, evidence.spread, evidence.identity, LEVEL)
        model = load_model(study.model)
        splits = shorten(catalog.load_data(model.recipe, study.data), model.recipe.training.seed)
        model.trust = RNATrust.calibrate(model, splits.val)
        model.trust = unseen_trust(model, margins, LEVEL, splits.val)
        model.save(Run(study.model).model)
        facts = {
            "level": LEVEL,
            "coverage": as_json(mean),
            "coverage_tenths": np.nanquantile(covered, np.arange(0, 1.01, 0.1)).tolist(),
            "coverage_by_protein": np.sort(covered[~np.isnan(covered)]).tolist(),
            "clusters": margins.clusters,
            "width": float(2 * half.mean()) if bool(half.isfinite().all()) else None,
            "scale": dict(
                zip(
                    ("constant", "1 - likeness", "spread", "size of the prediction"),
                    margins.weights.tolist(),
                    strict=True,
                )
            ),
            "reliability": {
                "likeness": margins.identities.tolist(),
                "spearman": margins.spearmans.tolist(),
            },
        }
        write_text(study.model / TRUST, json.dumps(facts, indent=1) + "\n")

    return work


def _say_trust(trust: Mapping[str, Any]) -> str:
    coverage, tenths = trust["coverage"], trust["coverage_tenths"]
    width = "without ends, for want of clusters"
    if trust["width"] is not None:
        width = (
            f"{trust['width']:.2f} wide on average, in z-scores, of which measurements have a deviation of 1"
        )
    return (
        f"Trust: intervals for {trust['level']:.0%} were learned from the clusters of all other folds and measured on "
        f"each fold's own: they hold {coverage['value']:.1%} [{coverage['low']:.1%}, {coverage['high']:.1%}] of the "
        f"measurements, and from {tenths[1]:.0%} to {tenths[9]:.0%} in the middle four fifths of the experiments. What "
        f"is kept with the model was learned from all {trust['clusters']} clusters; its intervals are {width}."
    )


def _fold_of_known_kmers(study: Study) -> int | None:
    """Say which fold holds out the protein of the measured 7-mers; None where there are none of a protein here."""
    known = read_known_kmers(study.data)
    if known is None:
        return None  # without a look at the data, which may be still to come
    bench = study.bench
    for name in bench.experiments:
        if name.removeprefix("SIM_") == known.experiment:
            return int(bench.folds[bench.proteins.index(bench.protein(name))])
    return None


def _conclude_kmers(study: Study, more: dict[str, Any]) -> list[str]:
    """Say how well measured 7-mer Z-scores are predicted, where there are any."""
    if not study.scores("cluster/kmers").is_file():
        return [
            "No measured 7-mer Z-scores of these proteins were found beside the data: none were compared."
        ]
    table = pl.read_parquet(study.scores("cluster/kmers"))
    more["kmers"] = table.to_dicts()
    experiment, gene = table["experiment"][0], table["gene"][0]
    said = "; ".join(
        f"{row['method']} {row['spearman']:.3f} ({row['top']} of the 100 best)"
        for row in table.iter_rows(named=True)
    )
    source = "simulated intensities" if study.bench.simulated else "measured intensities"
    return [
        f"Real measurements: the 16,384 measured 7-mer Z-scores of {gene} ({experiment}), which was held out with its "
        f"cluster, against those computed from predicted intensities of Set B, by Spearman's rho. The networks were "
        f"trained on {source} of the other proteins: {said}."
    ]


def _design(study: Study) -> tuple[str, ...]:
    bench, size = study.bench, study.size
    counts = np.bincount(bench.folds)
    probes = f"{size.probes:,}" if size.probes else "all"
    return (
        f"The {len(bench.experiments)} experiments are of {len(bench.proteins)} proteins in "
        f"{len(np.unique(bench.clusters))} clusters: no two proteins of different clusters are more than "
        f"{study.config.identity:.0%} identical. Whole clusters were dealt into {size.folds} folds of {counts.min()} "
        f"to {counts.max()} proteins; each was held out once, from training, validation and scales alike. Networks "
        f"(`{study.config.network}`, {size.members} together) trained on {probes} probes of Set A for {size.epochs} "
        f"epochs, and are scored on {len(bench.tokens):,} probes of Set B.",
        "The baselines speak through the same network's outputs for the proteins that trained; `average, measured` is "
        "the identity-weighted average of what was measured of those on the very probes of Set B, which is known for "
        "no other RNA.",
    )
