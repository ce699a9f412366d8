"""What a study consists of: which trainings and searches each question asks for, in which order."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from ribocyte import catalog, pipeline
from ribocyte.assignment.questions import CELL_RUNS
from ribocyte.assignment.questions.attention import best_variant
from ribocyte.assignment.study import NETWORKS, Study
from ribocyte.errors import RunError
from ribocyte.files import write_text
from ribocyte.learn.jobs import Job
from ribocyte.learn.recipe import Recipe
from ribocyte.learn.runs import Run
from ribocyte.learn.training import Progress
from ribocyte.rna.attention_profile import AttentionProfile, attention_profile
from ribocyte.rna.kmers import score_kmers
from ribocyte.tuning import Search, chosen_recipe, tune

Report = Callable[[Progress], None]
Stop = Callable[[], bool]
LONGEST = 7
"""Length of the k-mers that find a probe's strongest site, as RNAcompete reports them, where probes are many."""
WITNESSES = 16
"""Probes that should hold each k-mer, on average: the score of fewer is noise."""


def plan_jobs(study: Study, questions: Sequence[str]) -> list[Job]:
    """List the jobs of some questions, each after what it needs.

    What other questions need too is there once. The two cheap networks of question 1 come before the dear ones,
    and searches before what they choose, the slowest first, so that several processes end together.
    """
    many = study.proteins.plan() if "2.3" in questions else []
    jobs = many[:1]  # what the others of question 2.3 wait for
    if {"2.1", "2.2"} & set(questions):
        kinds = NETWORKS if "2.1" in questions else (study.config.extend,)
        jobs += [_search_job(study, kind) for kind in sorted(kinds, key=_slowness, reverse=True)]
        jobs += [job for kind in kinds for job in _tuned_jobs(study, kind)]
    if {"1.1", "1.2"} & set(questions):
        names = (
            sorted(CELL_RUNS) if "1.2" in questions else [n for n in CELL_RUNS if n.startswith("unpooled")]
        )
        jobs += [_cell_job(study, name) for name in names]
    if "2.2" in questions:
        jobs += [job for variant in study.variants for job in _attention_jobs(study, variant)]
        jobs.append(_profile_job(study))
    return [*jobs, *many[1:]]


def read_profile(path: Path) -> AttentionProfile:
    """Read back what `plan_jobs` had written of attention."""
    return AttentionProfile.from_json(json.loads(path.read_text(encoding="utf-8")))


def has_profile(path: Path) -> bool:
    """Say whether that can be read; what is damaged is made again."""
    try:
        read_profile(path)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def choose_length(probes: int, windows: int = 30) -> int:
    """Choose how long k-mers may be so that each is held by enough probes, at about `windows` a probe."""
    fitting = [k for k in range(1, LONGEST + 1) if probes * windows / 4**k >= WITNESSES]
    return max(fitting, default=1)


def _slowness(kind: str) -> int:
    return NETWORKS.index(kind)


def _cell_job(study: Study, name: str) -> Job:
    return _training_job(f"cells/{name}", study, study.cell_run(name), lambda: study.cell_recipe(name))


def _tuned_jobs(study: Study, kind: str) -> list[Job]:
    return [
        _training_job(
            f"networks/{path.name}", study, path, partial(_seeded, study, kind, seed), (f"search/{kind}",)
        )
        for seed, path in zip(study.seeds, study.tuned_runs(kind), strict=True)
    ]


def _attention_jobs(study: Study, variant: str) -> list[Job]:
    attention, heads = variant.split("-")

    def recipe(seed: int) -> Recipe:
        chosen = _seeded(study, study.config.extend, seed)
        return replace(chosen, model=replace(chosen.model, attention=attention, heads=int(heads)))

    return [
        _training_job(
            f"attention/{path.name}", study, path, partial(recipe, seed), (f"search/{study.config.extend}",)
        )
        for seed, path in zip(study.seeds, study.attention_runs(variant), strict=True)
    ]


def _seeded(study: Study, kind: str, seed: int) -> Recipe:
    """Give the chosen configuration of a network, with a seed of its own."""
    chosen = chosen_recipe(Search.open(study.search(kind)))
    return replace(chosen, training=replace(chosen.training, seed=seed))


def _training_job(
    name: str, study: Study, path: Path, recipe: Callable[[], Recipe], needs: tuple[str, ...] = ()
) -> Job:
    def work(report: Report, stop: Stop) -> None:
        named = replace(recipe(), name=path.name)
        pipeline.train(named, path, data=study.data, resume=True, report=report, stop=stop)
        (path / "last.ckpt").unlink(missing_ok=True)  # a finished run needs none, and some take 500 MB

    return Job(name, lambda: Run(path).finished, work, needs, partial(_share_of_run, path))


def _search_job(study: Study, kind: str) -> Job:
    path, trials = study.search(kind), study.trials(kind)

    def work(report: Report, stop: Stop) -> None:
        search = tune(
            study.search_recipe(kind),
            path,
            data=study.data,
            trials=trials,
            resume=True,
            report=lambda trial: report(trial.training) if trial.training else None,
            stop=stop,
        )
        chosen_recipe(search)  # says so where no trial has run to its end

    return Job(
        f"search/{kind}",
        lambda: _trials_over(path) >= trials and (path / "best.toml").is_file(),
        work,
        share=lambda: _trials_over(path) / trials,
    )


def _profile_job(study: Study) -> Job:
    needs = tuple(
        f"attention/{path.name}" for variant in study.variants for path in study.attention_runs(variant)
    )

    def work(_report: Report, _stop: Stop) -> None:
        variants = {name: [Run(path) for path in study.attention_runs(name)] for name in study.variants}
        run = variants[best_variant(variants)][0]
        model = catalog.Predictor.load(run.path)
        splits = catalog.load_data(model.recipe, study.data)
        k = choose_length(len(splits.train))
        scores = score_kmers(splits.train.inputs.numpy(), splits.train.targets[:, 0].numpy(), k)
        profile = attention_profile(model, splits.test.inputs, scores, k)
        write_text(study.profile, json.dumps(profile.as_json()) + "\n")

    return Job("attention/profile", partial(has_profile, study.profile), work, needs)


def _share_of_run(path: Path) -> float:
    """Say how much of a run is done, from the history it has written."""
    try:
        run = Run.open(path)
        return run.history.height / float(run.recipe["training"]["epochs"])
    except RunError:  # not begun
        return 0.0


def _trials_over(path: Path) -> int:
    """Count the trials in a search's table, which is written anew after each; what is damaged counts as none."""
    try:
        return pl.read_csv(path / "trials.csv").height
    except (OSError, pl.exceptions.PolarsError):
        return 0
