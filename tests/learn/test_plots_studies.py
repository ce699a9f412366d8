"""Figures of several seeds, of searches and of models against one another."""

from __future__ import annotations

import functools
import itertools
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from ribocyte.errors import DataError
from ribocyte.learn import plots
from ribocyte.learn.evaluation import Difference, Score

NAN = math.nan


def history(epochs: int = 30, seed: int = 0, level: float = 0.4) -> pl.DataFrame:
    random, epoch = np.random.default_rng(seed), np.arange(1, epochs + 1)
    return pl.DataFrame(
        {
            "epoch": epoch,
            "train_loss": np.exp(-epoch / 9) + 0.1 + random.normal(0, 0.01, epochs),
            "val_loss": level + np.exp(-epoch / 9) + random.normal(0, 0.02, epochs),
            "val_spearman": 0.7 - 0.5 * np.exp(-epoch / 6) + random.normal(0, 0.01, epochs),
            "logit_gradient": 0.5 * np.exp(-epoch / 3) + 1e-4,
            "wrong_gradient": 0.9 * np.exp(-epoch / 3) + 3e-4,
            "saturation": 1 - 0.7 * np.exp(-epoch / 4),
            "commonest": np.minimum(1.0, 0.3 + epoch / 20),
        }
    )


def group(seeds: int = 3, epochs: int = 30, first: int = 0) -> list[pl.DataFrame]:
    return [history(epochs, first + seed) for seed in range(seeds)]


def search(count: int = 30, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    state = random.choice(["complete", "pruned", "diverged"], count, p=[0.5, 0.4, 0.1])
    value = np.where(state == "diverged", NAN, 0.7 - np.abs(random.normal(0, 0.05, count)))
    return pl.DataFrame(
        {"slot": np.arange(count), "state": state, "value": value, "epochs": 3, "seconds": 1.0}
    )


def difference(gain: float, half: float = 0.005) -> Difference:
    verdict = "no difference" if abs(gain) <= half else "better" if gain > 0 else "worse"
    return Difference(0.6, 0.6 + gain, gain, gain - half, gain + half, verdict)


UNDEFINED = Difference(NAN, 0.6, NAN, NAN, NAN, "no difference")
OFFSETS = np.arange(-15, 21)
PEAK = 0.02 + 0.05 * np.exp(-(((OFFSETS - 2) / 3) ** 2))
SCORES = {"no pooling, softmax": Score(0.19, 0.18, 0.2), "pooling, logits": Score(0.95, 0.94, 0.96)}
SECONDS = {"no pooling, softmax": 2.9, "pooling, logits": 1.4}
SIZES = {"no pooling, softmax": 1_625_000, "pooling, logits": 824}


@functools.cache
def every_figure(simulated: bool = False) -> dict[str, Figure]:
    three = {"CNN": group(), "BiLSTM": group(6, first=9), "one seed": group(1)}
    six = {f"{heads} heads of attention": group(first=heads) for heads in range(6)}
    networks = {
        "BiLSTM": search(60),
        "CNN": search(40, 1),
        "residual": search(1, 2),
        "transformer": search(9, 3),
    }
    shares = {"training.learning_rate": 0.55, "model.weight_decay": 0.3, "model.dropout": 0.15}
    effects = {"BiLSTM with self-attention, 4 heads": difference(0.012), "pooling": difference(0.001)}
    bands = {"trained": (PEAK, PEAK - 0.01, PEAK + 0.01), "shuffled": (PEAK * 0, PEAK * 0, PEAK * 0 + 0.01)}
    return {
        "bands": plots.plot_bands(three, simulated=simulated),
        "bands of two metrics, page": plots.plot_bands(
            three, ("train_loss", "val_loss", "val_spearman"), simulated=simulated, width=plots.PAGE
        ),
        "bands of six": plots.plot_bands(six, simulated=simulated),
        "bands of six, page": plots.plot_bands(six, simulated=simulated, width=plots.PAGE),
        "health, page": plots.plot_health(
            {"softmax": history(200), "logits": history(200, 1), "early": history(1)}, simulated=simulated
        ),
        "trials": plots.plot_trials({"BiLSTM": search()}, "spearman", simulated=simulated),
        "trials of four, page": plots.plot_trials(networks, "spearman", simulated=simulated),
        "importance": plots.plot_importance({"BiLSTM": shares}, simulated=simulated),
        "importance of three, page": plots.plot_importance(
            {"BiLSTM": shares, "CNN": dict(list(shares.items())[:1]), "none": {}}, simulated=simulated
        ),
        "effects": plots.plot_effects(
            {**effects, "lost": UNDEFINED}, "gain in Spearman ρ", simulated=simulated
        ),
        "profile": plots.plot_profile(OFFSETS, bands, "attention", motif=5, simulated=simulated),
        "costs": plots.plot_costs(SCORES, SECONDS, SIZES, simulated=simulated),
    }


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def segments(panel: Axes) -> list[np.ndarray]:
    """Give the ends (x, y) of the straight lines that intervals are drawn as."""
    return [
        np.asarray(s) for c in panel.collections if isinstance(c, LineCollection) for s in c.get_segments()
    ]


# Any figure


def test_new_figures_fit_the_columns_and_nothing_is_lost_or_covered() -> None:
    for name, figure in every_figure(simulated=True).items():
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        assert width == pytest.approx(plots.PAGE if name.endswith("page") else plots.COLUMN, abs=0.01), name
        seen = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
        assert min(text.get_fontsize() for text in seen) >= 7, name
        assert "SIMULATED" in {text.get_text() for text in seen}, name
        drawn = figure.get_tightbbox()
        assert min(drawn.x0, drawn.y0, width - drawn.x1, height - drawn.y1) > -0.01, name
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert not any(box.overlaps(panel.get_window_extent()) for panel in figure.axes), name


def test_new_figures_of_measurements_do_not_say_simulated() -> None:
    for name, figure in every_figure().items():
        assert "SIMULATED" not in {text.get_text() for text in figure.findobj(Text)}, name


@pytest.mark.parametrize("name", ["bands", "effects", "profile", "costs"])
def test_equal_numbers_give_equal_bytes(tmp_path: Path, name: str) -> None:
    first, second = tmp_path / "one.svg", tmp_path / "other.svg"
    plots.save_figure(every_figure()[name], first)
    plots.save_figure(every_figure.__wrapped__()[name], second)
    assert first.read_bytes() == second.read_bytes()


# Bands


def test_a_band_is_the_mean_between_the_lowest_and_the_highest_seed() -> None:
    seeds = group(3)
    figure = plots.plot_bands({"CNN": seeds})
    values = np.stack([seed["val_loss"].to_numpy() for seed in seeds])
    panel = figure.axes[0]
    assert [line.get_linestyle() for line in panel.lines] == ["--", "-"]
    np.testing.assert_allclose(panel.lines[1].get_ydata(), values.mean(axis=0))
    corners = panel.collections[1].get_paths()[0].vertices
    for epoch in (1, 17, 30):
        at = corners[corners[:, 0] == epoch, 1]
        assert (at.min(), at.max()) == pytest.approx((values[:, epoch - 1].min(), values[:, epoch - 1].max()))


def test_five_seeds_are_banded_by_their_quantiles() -> None:
    seeds = group(8)
    panel = plots.plot_bands({"CNN": seeds}, ("val_loss",)).axes[0]
    corners = panel.collections[0].get_paths()[0].vertices
    at = corners[corners[:, 0] == 17, 1]
    expected = np.percentile([seed["val_loss"][16] for seed in seeds], [10, 90])
    assert (at.min(), at.max()) == pytest.approx(tuple(expected))


def test_seeds_that_stopped_early_leave_the_others_alone() -> None:
    short, long = history(10, 1), history(30, 2)
    line = plots.plot_bands({"CNN": [short, long]}, ("val_loss",)).axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 31))
    np.testing.assert_allclose(np.asarray(line.get_ydata())[10:], long["val_loss"][10:])


def test_many_recipes_get_a_panel_each_on_the_same_axes() -> None:
    names = [f"{heads} heads" for heads in range(6)]
    few = plots.plot_bands({name: group() for name in names[:3]})
    assert len(few.axes) == 1
    many = plots.plot_bands(
        {name: group(first=i) for i, name in enumerate(names)}, ("train_loss", "val_loss")
    )
    assert len(many.axes) == 6
    assert len({panel.get_ylim() for panel in many.axes}) == 1
    for name, panel in zip(names, many.axes, strict=True):
        assert name in panel.get_title(loc="left")
        assert len({line.get_color() for line in panel.lines}) == 2  # its own, and the others' grey


LOSSES = {"0 heads": "mse", "1 heads": "huber", "2 heads": "mse"}


def test_different_losses_share_no_axis() -> None:
    columns = ("train_loss", "val_loss", "val_spearman")
    groups = {name: group(first=i) for i, name in enumerate(LOSSES)}
    groups["1 heads"] = [
        seed.with_columns(pl.col("train_loss", "val_loss") * 20) for seed in groups["1 heads"]
    ]
    mse, huber, spearman = plots.plot_bands(groups, columns, losses=LOSSES, width=plots.PAGE).axes
    assert [panel.get_title(loc="left").split("  ")[1] for panel in (mse, huber, spearman)] == [
        "loss (mse)",
        "loss (huber)",
        "validation Spearman ρ",
    ]
    assert [len(panel.lines) for panel in (mse, huber, spearman)] == [4, 2, 3]
    assert mse.get_ylim()[1] < 2 < huber.get_ylim()[1]


def test_different_losses_are_no_background_of_one_another() -> None:
    losses = {**LOSSES, "3 heads": "mse"}
    groups = {name: group(first=i) for i, name in enumerate(losses)}
    groups["1 heads"] = [
        seed.with_columns(pl.col("train_loss", "val_loss") * 20) for seed in groups["1 heads"]
    ]
    first, other, third, fourth = plots.plot_bands(groups, losses=losses).axes
    assert [panel.get_ylabel() for panel in (first, other, third, fourth)] == [
        *("loss (mse)", "loss (huber)", "loss (mse)", "")
    ]
    assert [len(panel.lines) for panel in (first, other, third, fourth)] == [2 + 2, 2, 2 + 2, 2 + 2]
    assert first.get_ylim() == third.get_ylim() == fourth.get_ylim()
    assert other.get_ylim()[1] > 5 * first.get_ylim()[1]


def test_one_loss_that_is_named_changes_only_what_the_axes_say() -> None:
    groups = {f"{heads} heads": group(first=heads) for heads in range(6)}
    plain, named = plots.plot_bands(groups), plots.plot_bands(groups, losses=dict.fromkeys(groups, "mse"))
    assert [panel.get_ylim() for panel in named.axes] == [panel.get_ylim() for panel in plain.axes]
    assert [len(panel.lines) for panel in named.axes] == [len(panel.lines) for panel in plain.axes]
    assert (plain.axes[0].get_ylabel(), named.axes[0].get_ylabel()) == ("loss", "loss (mse)")


def test_metrics_have_their_own_axes() -> None:
    figure = plots.plot_bands({"CNN": group()}, ("train_loss", "val_loss", "val_spearman"), width=plots.PAGE)
    assert [len(panel.lines) for panel in figure.axes] == [2, 1]


@pytest.mark.parametrize(
    "runs",
    [
        [history(1)],
        [history(1), history(1, 1), history(1, 2)],
        [history(0)],
        [history(), history().with_columns(val_loss=pl.lit(NAN))],
        [history(), history().drop("val_loss")],
    ],
    ids=["one epoch", "one epoch of three", "none yet", "nan", "not recorded"],
)
def test_odd_seeds_are_banded_without_complaint(tmp_path: Path, runs: list[pl.DataFrame]) -> None:
    plots.save_figure(plots.plot_bands({"odd": runs, "even": group()}), tmp_path / "bands.svg")


def test_one_epoch_of_several_seeds_shows_their_range() -> None:
    seeds = group(3, epochs=1)
    (segment,) = segments(plots.plot_bands({"CNN": seeds}, ("val_loss",)).axes[0])
    values = [seed["val_loss"][0] for seed in seeds]
    assert segment[:, 1].tolist() == [min(values), max(values)]


def test_bands_of_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="at least one run"):
        plots.plot_bands({"CNN": []})
    with pytest.raises(DataError, match="val_f1: in no run's history"):
        plots.plot_bands({"CNN": group()}, ("val_f1",))


# Health


def test_health_draws_what_was_watched() -> None:
    runs = {
        "softmax": history(),
        "old": history().drop("logit_gradient", "wrong_gradient"),
        "logits": history(9),
    }
    gradient, largest, commonest = plots.plot_health(runs).axes
    assert [line.get_linestyle() for line in gradient.lines] == ["-", "--", "-", "--"]
    assert gradient.get_yscale() == "log"
    assert len(largest.lines) == len(commonest.lines) == 3
    np.testing.assert_array_equal(gradient.lines[1].get_ydata(), runs["softmax"]["wrong_gradient"])
    assert commonest.get_ylim() == largest.get_ylim() == (0, 1.04)
    with pytest.raises(DataError, match="logit_gradient: in no run's history"):
        plots.plot_health({"old": runs["old"]})


@pytest.mark.parametrize("value", [0.0, NAN, 1.0, 0.3])
def test_a_gradient_that_is_gone_or_constant_is_drawn_without_complaint(tmp_path: Path, value: float) -> None:
    odd = history().with_columns(logit_gradient=pl.lit(value), wrong_gradient=pl.lit(NAN))
    figure = plots.plot_health({"odd": odd})
    plots.save_figure(figure, tmp_path / "health.svg")
    if value > 0:
        low, high = figure.axes[0].get_ylim()
        assert low <= value <= high
        assert high >= 10 * low


# Searches


def test_only_complete_trials_are_the_best_so_far() -> None:
    table = pl.DataFrame(
        {
            "slot": [3, 0, 1, 2, 4],
            "state": ["complete", "complete", "pruned", "diverged", "complete"],
            "value": [0.6, 0.5, 0.9, NAN, 0.55],
        }
    )
    panel = plots.plot_trials({"CNN": table}, "spearman").axes[0]
    steps = panel.lines[0]
    assert list(steps.get_xdata()) == [0, 3, 4, 4]
    assert list(steps.get_ydata()) == [0.5, 0.6, 0.6, 0.6]
    assert panel.get_title(loc="left") == "CNN\nbest: 0.600"
    falling = plots.plot_trials({"CNN": table}, "mse").axes[0]
    assert falling.get_title(loc="left") == "CNN\nbest: 0.500"


def test_names_of_searches_side_by_side_do_not_meet() -> None:
    names = ["residual network", "BiLSTM with self-attention, eight heads", "transformer", "CNN"]
    figure = plots.plot_trials({name: search(20, seed) for seed, name in enumerate(names)}, "spearman")
    figure.draw_without_rendering()
    titles = [panel._left_title.get_window_extent() for panel in figure.axes]  # type: ignore[attr-defined]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(titles))
    for panel, name in zip(figure.axes, names, strict=True):
        title = panel.get_title(loc="left")
        assert name in " ".join(title.split("\n")).replace("- ", "-")
        assert title.split("\n")[-1].startswith("best: 0.")


def test_trials_are_told_apart_and_none_is_lost() -> None:
    table = search(60)
    panel = plots.plot_trials({"CNN": table}, "spearman").axes[0]
    dots = [
        line for line in panel.lines if line.get_linestyle() == "None" and len(np.asarray(line.get_xdata()))
    ]
    assert sum(len(np.asarray(line.get_xdata())) for line in dots) == 60
    looks = {(line.get_marker(), line.get_markerfacecolor()) for line in dots}
    assert len(looks) == 3
    (lost,) = (line for line in dots if line.get_marker() == "x")
    assert sorted(lost.get_xdata()) == table.filter(pl.col("state") == "diverged")["slot"].to_list()


@pytest.mark.parametrize("state", ["complete", "pruned", "diverged"])
def test_a_search_of_one_trial_is_drawn(tmp_path: Path, state: str) -> None:
    value = None if state == "diverged" else 0.5
    table = pl.DataFrame(
        {"slot": [0], "state": [state], "value": [value]}, schema_overrides={"value": pl.Float64}
    )
    figure = plots.plot_trials({"CNN": table, "none yet": table.clear()}, "spearman")
    plots.save_figure(figure, tmp_path / "trials.svg")
    assert ("best so far" in texts(figure)) == (state == "complete")


def test_searches_need_their_columns() -> None:
    with pytest.raises(DataError, match="at least one network"):
        plots.plot_trials({}, "spearman")
    with pytest.raises(DataError, match="no column 'state'"):
        plots.plot_trials({"CNN": search().drop("state")}, "spearman")


def test_importance_is_ordered_and_named_shortly() -> None:
    figure = plots.plot_importance({"CNN": {"model.width": 0.2, "training.learning_rate": 0.8}})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["learning rate", "width"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.8, 0.2]
    clash = plots.plot_importance({"CNN": {"model.width": 0.2, "data.width": 0.8}})
    assert [label.get_text() for label in clash.axes[0].get_yticklabels()] == ["data.width", "model.width"]
    with pytest.raises(DataError, match="importance: none given"):
        plots.plot_importance({})
    assert "too few trials to tell" in texts(plots.plot_importance({"CNN": {}}))


# Models


def test_an_effect_is_filled_where_its_interval_leaves_zero_out() -> None:
    effects = {
        "better": difference(0.01),
        "none": difference(0.001),
        "worse": difference(-0.02),
        "lost": UNDEFINED,
    }
    figure = plots.plot_effects(effects, "gain")
    panel = figure.axes[0]
    dots = [line for line in panel.lines if line.get_marker() == "o"]
    assert [line.get_markerfacecolor() == "white" for line in dots] == [False, True, False]
    assert [tuple(line.get_xydata()[0]) for line in dots] == [(0.01, 0), (0.001, 1), (-0.02, 2)]
    ends = [segment[:, 0].tolist() for segment in segments(panel)]
    assert ends == [[effect.low, effect.high] for effect in list(effects.values())[:3]]
    seen = texts(figure)
    assert "+0.010 [+0.005, +0.015]" in seen
    assert "−0.020 [−0.025, −0.015]" in seen
    assert "undefined" in seen
    assert panel.yaxis_inverted()


@pytest.mark.parametrize("gains", [(0.0,), (1e-5,), (-0.3, 0.001), (0.004, 0.0012), (25.0, -3.0)])
def test_the_numbers_below_effects_never_run_together(gains: tuple[float, ...]) -> None:
    effects = {f"self-attention, {i} heads": difference(gain, abs(gain) / 3) for i, gain in enumerate(gains)}
    figure = plots.plot_effects(effects, "gain")
    figure.draw_without_rendering()
    labels = [label.get_window_extent() for label in figure.axes[0].get_xticklabels() if label.get_text()]
    assert any(label.get_text() == "0" for label in figure.axes[0].get_xticklabels())
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(labels))


def test_undefined_effects_alone_are_drawn_and_none_is_refused() -> None:
    assert "undefined" in texts(plots.plot_effects({"lost": UNDEFINED}, "gain"))
    with pytest.raises(DataError, match="effects: none given"):
        plots.plot_effects({}, "gain")


def test_costs_are_where_they_were_measured_and_sizes_in_the_legend() -> None:
    figure = plots.plot_costs(SCORES, SECONDS, SIZES)
    panel = figure.axes[0]
    assert panel.get_xscale() == "log"
    assert [tuple(line.get_xydata()[0]) for line in panel.lines] == [(2.9, 0.19), (1.4, 0.95)]
    assert [segment[:, 1].tolist() for segment in segments(panel)] == [[0.18, 0.2], [0.94, 0.96]]
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["no pooling, softmax (1.62 M parameters)", "pooling, logits (824 parameters)"]
    with pytest.raises(DataError, match="pooling, logits: no cost given"):
        plots.plot_costs(SCORES, {"no pooling, softmax": 1.0}, SIZES)


@pytest.mark.parametrize("metric", ["accuracy", "mse"])
@pytest.mark.parametrize(
    "values", [(0.2, 1.0), (0.93, 0.95), (0.0, 0.9999), (-0.2, 0.7), (NAN, 0.9), (NAN, NAN)]
)
def test_costs_of_any_scores_are_drawn(tmp_path: Path, metric: str, values: tuple[float, float]) -> None:
    scores = {name: Score(v, v - 0.01, min(v + 0.01, 1.0)) for name, v in zip(SCORES, values, strict=True)}
    figure = plots.plot_costs(scores, dict.fromkeys(SCORES, 2.0), SIZES, metric)
    plots.save_figure(figure, tmp_path / "costs.svg")
    low, high = figure.axes[0].get_ylim()
    for score in scores.values():
        assert math.isnan(score.value) or low <= score.value <= max(high, 0.9999) + 1e-4


def test_a_profile_is_boxed_where_the_motif_is() -> None:
    curve = (PEAK, PEAK - 0.01, np.where(OFFSETS == 3, NAN, PEAK + 0.01))
    panel = plots.plot_profile(OFFSETS, {"attention": curve}, "attention", motif=5).axes[0]
    (box,) = panel.patches
    assert (box.get_x(), box.get_x() + box.get_width()) == (-0.5, 4.5)  # positions 0 to 4
    np.testing.assert_array_equal(panel.lines[0].get_xydata(), np.stack([OFFSETS, PEAK], axis=1))
    assert not plots.plot_profile(OFFSETS, {"attention": curve}, "attention").axes[0].patches
    with pytest.raises(DataError, match="attention: a curve of 36 values; expected 35"):
        plots.plot_profile(OFFSETS[1:], {"attention": curve}, "attention")
    with pytest.raises(DataError, match="curves: none given"):
        plots.plot_profile(OFFSETS, {}, "attention")
