"""The figures of a study, drawn from its finished runs and searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ribocyte.assignment.proteins import Found
from ribocyte.assignment.questions.attention import name_variant
from ribocyte.assignment.questions.facts import any_simulated
from ribocyte.assignment.questions.networks import name_network
from ribocyte.assignment.questions.proteins import AVERAGE, pair_spearmans
from ribocyte.comparisons import compare_groups
from ribocyte.learn import plots
from ribocyte.learn.evaluation import Score
from ribocyte.learn.plots import Curve
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search
from ribocyte.rna.attention_profile import Aligned, AttentionProfile
from ribocyte.transfer.drawing import COLOURS, GREY
from ribocyte.transfer.work import TOWERS

_HEIGHT = 2.0
# Inches: two of these figures fit below each other where the article has half a column left.
_AMONG = 25
# Proteins whose mean is a point of a line.


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


def draw_proteins(found: Found, folder: Path) -> dict[str, Path]:
    """Draw question 2.3: ``together`` and ``unseen``."""
    return _save({"together": _draw_together(found), "unseen": _draw_unseen(found)}, folder)


def _draw_together(found: Found) -> Figure:
    """Draw each protein learned together with the others against a network of its own."""
    pairs = pair_spearmans(found)
    across, up = pairs["single"].to_numpy(), pairs["joint"].to_numpy()
    with plots.house_style():
        figure = plots.blank_figure(plots.COLUMN, _HEIGHT, found.study.bench.simulated)
        panel = figure.subplots()
        ends = np.array([min(0.0, *across, *up) - 0.02, max(0.1, *across, *up) + 0.03])
        panel.plot(ends, ends, color=GREY, linewidth=0.8)
        panel.plot(across, up, "o", color=COLOURS[0], markeredgewidth=0, alpha=0.85)
        panel.grid(visible=True, axis="x")
        panel.set(xlim=ends, ylim=ends, xlabel="Spearman's ρ, a network of its own", ylabel="ρ, all together")
    return figure


def _draw_unseen(found: Found) -> Figure:
    """Draw what is reached for proteins that did not train, against the nearest that did."""
    with plots.house_style():
        figure = plots.blank_figure(plots.COLUMN, _HEIGHT + 0.2, found.study.bench.simulated)
        panel = figure.subplots()
        panel.axvline(found.study.config.identity, color=GREY, linewidth=0.8, linestyle=":")
        for method, name, colour, marker in (
            (TOWERS, "two towers", COLOURS[0], "o"),
            (AVERAGE, "average by identity", COLOURS[1], "s"),
        ):
            for table, label in ((found.held, name), (found.relatives, None)):
                rows = table.filter(pl.col("method") == method, pl.col("spearman").is_not_null())
                _scatter_unseen(panel, rows, colour, marker, label)
        panel.set(xlabel="identity to the nearest protein that trained", ylabel="Spearman's ρ")
        figure.legend(loc="outside lower center", ncols=2, borderaxespad=0.1)
    return figure


def _scatter_unseen(panel: Axes, table: pl.DataFrame, colour: str, marker: str, label: str | None) -> None:
    """Draw one method: a mark a protein, and a line through means of as many proteins each."""
    rows = table.sort("identity", "experiment")
    identity, reached = rows["identity"].to_numpy(), rows["spearman"].to_numpy()
    panel.plot(identity, reached, marker, color=colour, markersize=1.8, markeredgewidth=0, alpha=0.35)
    parts = np.array_split(np.arange(len(identity)), max(1, round(len(identity) / _AMONG)))
    means = np.array([(identity[part].mean(), reached[part].mean()) for part in parts if len(part)])
    if len(means):
        panel.plot(
            *means.T, color=colour, marker=marker, markeredgecolor="white", markeredgewidth=0.4, label=label
        )


def _save(figures: Mapping[str, Figure], folder: Path) -> dict[str, Path]:
    paths = {name: folder / f"{name}.svg" for name in figures}
    for name, path in paths.items():
        plots.save_figure(figures[name], path)
    return paths
