"""The figures of a study, drawn from its finished runs and searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ribocyte.assignment.questions.attention import name_variant
from ribocyte.assignment.questions.facts import any_simulated
from ribocyte.assignment.questions.networks import name_network
from ribocyte.comparisons import compare_groups
from ribocyte.learn import plots
from ribocyte.learn.evaluation import Score
from ribocyte.learn.plots import Curve
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search
from ribocyte.rna.attention_profile import Aligned, AttentionProfile


def draw_cells(runs: Mapping[str, Run], folder: Path) -> dict[str, Path]:
    """Draw question 1: ``curves``, ``health`` and ``costs``, as SVG files in a folder."""
    simulated = any_simulated(runs.values())
    histories = {name: run.history for name, run in runs.items()}
    scores = {name: Score(**run.scores["test"]["accuracy"]) for name, run in runs.items()}
    seconds = {name: float(run.history["seconds"].median()) for name, run in runs.items()}  # type: ignore[arg-type]
    parameters = {name: int(run.scores["cost"]["parameters"]) for name, run in runs.items()}
    return _save(
        {
            "curves": plots.plot_comparison(histories, simulated=simulated),
            "health": plots.plot_health(histories, simulated=simulated),
            "costs": plots.plot_costs(scores, seconds, parameters, simulated=simulated),
        },
        folder,
    )


def draw_networks(
    searches: Mapping[str, Search], tuned: Mapping[str, Sequence[Run]], folder: Path
) -> dict[str, Path]:
    """Draw question 2.1: ``trials``, ``importance`` (where it is defined) and ``losses``."""
    simulated = any_simulated(run for runs in tuned.values() for run in runs)
    importance = {name_network(kind): search.importance() for kind, search in searches.items()}
    importance = {name: shares for name, shares in importance.items() if shares}
    histories = {name_network(kind): [run.history for run in runs] for kind, runs in tuned.items()}
    losses = {name_network(kind): str(runs[0].recipe["objective"]["loss"]) for kind, runs in tuned.items()}
    drawn = plots.plot_bands(histories, losses=losses, simulated=simulated, width=plots.PAGE)
    figures = {"losses": drawn}
    if searches:
        trials = {name_network(kind): search.trials for kind, search in searches.items()}
        metric = next(iter(searches.values())).metric
        figures["trials"] = plots.plot_trials(trials, metric, simulated=simulated)
    if importance:
        figures["importance"] = plots.plot_importance(importance, simulated=simulated)
    return _save(figures, folder)


def draw_attention(
    groups: Mapping[str, Sequence[Run]],
    shown: Sequence[str],
    profile: AttentionProfile | None,
    folder: Path,
) -> dict[str, Path]:
    """Draw question 2.2: ``losses`` of the variants shown, ``effects`` of all, and ``profile`` where there is one.

    Parameters
    ----------
    groups : mapping of str to sequence of Run
        ``none``, and each variant, over its seeds.
    shown : sequence of str
        Variants whose losses are drawn beside those without attention.
    profile : AttentionProfile or None
        What attention attends to.
    folder : Path
        Where to.
    """
    simulated = any_simulated(run for runs in groups.values() for run in runs)
    histories = {name_variant(name): [run.history for run in groups[name]] for name in ("none", *shown)}
    metric = "spearman" if "spearman" in groups["none"][0].scores["test"] else "accuracy"
    effects = {
        name_variant(name): compare_groups(groups["none"], runs)[metric]
        for name, runs in groups.items()
        if name != "none"
    }
    figures = {
        "losses": plots.plot_bands(histories, simulated=simulated),
        "effects": plots.plot_effects(effects, f"gain in test {metric.capitalize()}", simulated=simulated),
    }
    if profile is not None:
        figures["profile"] = _draw_profile(profile, simulated)
    return _save(figures, folder)


def _draw_profile(profile: AttentionProfile, simulated: bool) -> Figure:
    def curve(aligned: Aligned) -> Curve:
        return aligned.mean.value, aligned.mean.low, aligned.mean.high

    return plots.plot_profile(
        profile.offsets + profile.k // 2,
        {"probes": curve(profile.real), "the same, shuffled": curve(profile.shuffled)},
        "attention (1 = uniform)",
        motif=profile.k,
        simulated=simulated,
    )


def _save(figures: Mapping[str, Figure], folder: Path) -> dict[str, Path]:
    paths = {name: folder / f"{name}.svg" for name in figures}
    for name, path in paths.items():
        plots.save_figure(figures[name], path)
    return paths
