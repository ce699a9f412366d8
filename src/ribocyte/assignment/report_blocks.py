"""The figures and tables of a report of any runs, and how its metrics are written."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ribocyte import catalog
from ribocyte.assignment.groups import Group, read_validation
from ribocyte.assignment.phrases import write_count, write_number, write_range, write_score
from ribocyte.documents.document import FigureBlock, TableBlock
from ribocyte.documents.text import as_code
from ribocyte.learn import plots
from ribocyte.learn.evaluation import Difference

Effects = Mapping[str, Mapping[str, Difference]]
"""Name of a group to metric to what it gains on the best."""

_DRAWN = 6
"""Networks whose curves are drawn: more make panels too small to be read, or a figure larger than a page."""
_PERCENT = ("accuracy", "balanced_accuracy")
_HEADINGS = {
    "accuracy": "accuracy, %",
    "balanced_accuracy": "balanced, %",
    "macro_auc": "macro AUC",
    "spearman": "Spearman ρ",
    "pearson": "Pearson r",
    "mse": "squared error",
}


def is_percent(metric: str) -> bool:
    """Say whether a metric is written in percent."""
    return metric in _PERCENT


def head_metric(metric: str) -> str:
    """Name a metric, with its unit, at the head of a column."""
    return _HEADINGS.get(metric, metric.replace("_", " "))


def name_metric(metric: str) -> str:
    """Name a metric in a sentence."""
    return "balanced accuracy" if metric == "balanced_accuracy" else head_metric(metric).removesuffix(", %")


def write_metric(metric: str, score: Mapping[str, Any] | None) -> tuple[str, str]:
    """Write a score and its interval for two cells of a table."""
    scale, digits = _scale(metric)
    return write_score(score, digits, scale)


def tabulate_networks(groups: Sequence[Group], simulated: bool) -> TableBlock:
    """Say what the networks are and how each was trained."""
    rows = []
    for group in groups:
        recipe = group.runs[0].recipe
        training, model = recipe["training"], recipe["model"]["kind"]
        about = catalog.NETWORKS[model].about if model in catalog.NETWORKS else model
        how = f"{training['optimizer']} {training['learning_rate']:g}, {training['schedule']}"
        size, epochs = write_count(group.costs[0]["parameters"]), str(training["epochs"])
        seeds = ", ".join(str(run.scores["seed"]) for run in group.runs)
        rows.append((group.code, about, size, how, str(training["batch_size"]), epochs, seeds))
    return TableBlock(
        ("network", "what it is", "parameters", "optimiser, rate, schedule", "batch", "epochs", "seeds"),
        tuple(rows),
        f"The network{'s' if len(groups) > 1 else ''} and the training; complete recipes stand in the appendix.",
        simulated,
        wide=True,
        label="networks",
    )


def tabulate_scores(groups: Sequence[Group], metric: str, simulated: bool) -> TableBlock:
    """Say what each network reaches on the test split, and by what it was ranked."""
    names = list(groups[0].scores)
    header = ["network"]
    for name in names:
        header += [head_metric(name), "95 % interval"]
    scale, digits = _scale(metric)
    rows = []
    for group in groups:
        written = [cell for name in names for cell in write_metric(name, group.scores.get(name))]
        rows.append((group.code, *written, write_number(scale * group.validation, digits)))
    order = ", best by validation first" if len(groups) > 1 else ""
    return TableBlock(
        (*header, f"validation {head_metric(metric)}"),
        tuple(rows),
        f"Scores on the test split, with 95 % intervals, at the epoch that validation chose{order}.",
        simulated,
        wide=True,
        label="scores",
    )


def tabulate_differences(effects: Effects, best: Group, simulated: bool) -> TableBlock:
    """Say what each other network gains or loses, and whether the interval leaves zero out."""
    rows = []
    for name, effect in effects.items():
        for metric, difference in effect.items():
            scale, digits = _scale(metric)
            gain = write_number(scale * difference.gain, digits, "+")
            between = write_range(scale * difference.low, scale * difference.high, digits, "+")
            rows.append((as_code(name), head_metric(metric), gain, between, difference.verdict))
    return TableBlock(
        ("network", "metric", "gain", "95 % interval", "verdict"),
        tuple(rows),
        f"Each network compared with {best.code}, the best by validation, on the same test examples: a paired "
        "bootstrap. A gain is an improvement, also of an error.",
        simulated,
        label="differences",
    )


def tabulate_costs(groups: Sequence[Group], simulated: bool) -> TableBlock:
    """Say what a training costs."""
    rows = []
    for group in groups:
        seconds, speed, memory = (
            statistics.median(cost[key] for cost in group.costs)
            for key in ("seconds", "examples_per_second", "peak_mb")
        )
        epochs = statistics.median(run.scores["epochs"] for run in group.runs)
        sizes = (write_count(group.costs[0][key]) for key in ("parameters", "multiply_adds"))
        times = f"{seconds / epochs:.2f}", f"{seconds:,.0f}", f"{speed:,.0f}"
        rows.append((group.code, *sizes, *times, f"{memory:,.0f}"))
    return TableBlock(
        ("network", "parameters", "multiply-adds", "s per epoch", "s in all", "examples per s", "peak MB"),
        tuple(rows),
        "What a training costs, medians over the seeds. Multiply-adds are those of one forward pass for one input; "
        "an epoch's time includes its scoring; memory is that of the whole process.",
        simulated,
        wide=True,
        label="costs",
    )


def tabulate_runs(groups: Sequence[Group], metric: str, simulated: bool) -> TableBlock:
    """List every training."""
    scale, digits = _scale(metric)
    rows = []
    for group in groups:
        for run in group.runs:
            scores = run.scores
            validated = write_number(scale * read_validation(run, metric), digits)
            tested, _ = write_metric(metric, scores["test"][metric])
            best, seconds = scores["best"]["epoch"], scores["cost"]["seconds"]
            epochs = f"{best} of {scores['epochs']}"
            rows.append((group.code, str(scores["seed"]), epochs, validated, tested, f"{seconds:,.0f}"))
    return TableBlock(
        ("network", "seed", "best epoch", "validation", "test", "s"),
        tuple(rows),
        f"Every training: {head_metric(metric)} at the epoch that validation chose, and the time it took.",
        simulated,
        label="runs",
    )


def draw_curves(groups: Sequence[Group], metric: str, folder: Path, simulated: bool) -> FigureBlock:
    """Draw the trainings epoch by epoch into a folder: of many networks, the first, which are the best."""
    shown = groups[:_DRAWN]
    histories = {group.name: [run.history for run in group.runs] for group in shown}
    losses = {group.name: _name_loss(group) for group in shown}
    known = {column for members in histories.values() for history in members for column in history.columns}
    columns = ["train_loss", "val_loss", f"val_{metric}"]
    columns += [f"test_{metric}"] if f"test_{metric}" in known else []
    path = folder / "curves.svg"
    figure = plots.plot_bands(histories, columns, losses=losses, simulated=simulated, width=plots.PAGE)
    plots.save_figure(figure, path)
    several = any(len(group.runs) > 1 for group in shown)
    which = f" of the {len(shown)} networks best by validation" if len(shown) < len(groups) else ""
    bands = " Lines are means over the seeds, bands what the seeds span." if several else ""
    caption = (
        f"Loss and {name_metric(metric)}{which}, epoch by epoch; training dashed, validation solid.{bands}"
    )
    return FigureBlock(path, caption, simulated, wide=True, label="curves")


def _name_loss(group: Group) -> str:
    """Name the loss of a recipe; classifiers have no choice of one."""
    return str(group.runs[0].recipe.get("objective", {}).get("loss", "cross-entropy"))


def show_answers(best: Group, simulated: bool) -> FigureBlock | None:
    """Take what the best network's first run drew of its answers; None where it drew nothing."""
    run = best.runs[0]
    what = {
        "confusion.svg": "Confusion matrix on the test split: true classes in rows, predicted ones in columns",
        "density.svg": "Predicted against measured values on the test split",
    }
    seed = f", seed {run.scores['seed']}" if len(best.runs) > 1 else ""
    for name, about in what.items():
        path = run.path / "figures" / name
        if path.is_file():
            return FigureBlock(path, f"{about}, by {best.code}{seed}.", simulated, label="answers")
    return None


def _scale(metric: str) -> tuple[float, int]:
    """Give what a metric is multiplied by, and its digits: percent for accuracies."""
    return (100.0, 1) if is_percent(metric) else (1.0, 3)
