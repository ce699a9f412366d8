from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from ribocyte.errors import DataError, RequestError
from ribocyte.learn import plots

CLASSES = ["basophil", "immature granulocytes", "platelet"]


def run(epochs: int = 40, accuracy: float = 0.9, seed: int = 0, decay: float = 3.0) -> pl.DataFrame:
    draw, epoch = np.random.default_rng(seed), np.arange(1, epochs + 1)
    rise = accuracy * (1 - 0.6 * np.exp(-epoch / 5))
    return pl.DataFrame(
        {
            "epoch": epoch,
            "train_loss": np.exp(-decay * epoch / epochs),
            "val_loss": 0.4 + np.exp(-epoch / 9.0),
            "val_accuracy": rise + draw.normal(0, 0.004, epochs),
            "test_accuracy": rise + draw.normal(0, 0.004, epochs),
            "val_spearman": rise,
            "val_mse": 1.5 - rise + draw.normal(0, 0.01, epochs),
        }
    )


def collapsed(epochs: int = 40) -> pl.DataFrame:
    return run(epochs).with_columns(
        val_accuracy=pl.lit(0.137), test_accuracy=pl.lit(0.138), train_loss=pl.lit(2.1)
    )


def density(simulated: bool = False, rows: int = 2000) -> Figure:
    x = np.random.default_rng(3).normal(size=rows)
    return plots.plot_density(x, 0.5 * x, scores={"spearman": 0.694, "pearson": 0.768}, simulated=simulated)


def every_figure(simulated: bool = False) -> dict[str, Figure]:
    runs = {"no pool": collapsed(), "pool": run(30), "pool, logits": run(seed=1, accuracy=0.93)}
    matrix = np.array([[50, 2, 0], [0, 70, 3], [0, 0, 0]])
    return {
        "history": plots.plot_history(run(), "accuracy", simulated=simulated),
        "losses of one": plots.plot_history(run(), simulated=simulated),
        "comparison": plots.plot_comparison(runs, simulated=simulated),
        "losses": plots.plot_losses(runs, simulated=simulated),
        "density": density(simulated),
        "confusion": plots.plot_confusion(matrix, CLASSES, simulated=simulated),
    }


def written(figure: Figure, folder: Path, name: str = "figure.svg") -> bytes:
    plots.save_figure(figure, folder / name)
    return (folder / name).read_bytes()


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def curves(figure: Figure, panel: int) -> list[Line2D]:
    return list(figure.axes[panel].lines)


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_equal_histories_give_equal_bytes(tmp_path: Path, suffix: str) -> None:
    runs = {"a": run(), "b": collapsed()}
    first = plots.plot_comparison(runs)
    again = plots.plot_comparison({name: history.clone() for name, history in runs.items()})
    whole = written(first, tmp_path, f"first.{suffix}")
    assert whole == written(again, tmp_path, f"again.{suffix}")
    assert whole == written(first, tmp_path, f"twice.{suffix}")


def test_the_users_matplotlib_is_neither_used_nor_changed(tmp_path: Path) -> None:
    expected = written(density(), tmp_path)
    with mpl.rc_context(
        {"font.size": 31, "axes.grid": False, "svg.fonttype": "none", "svg.hashsalt": "mine"}
    ):
        before = dict(mpl.rcParams)
        assert written(density(), tmp_path) == expected
        assert dict(mpl.rcParams) == before


def test_drawing_needs_no_pyplot_and_no_screen() -> None:
    program = "import sys, ribocyte.learn.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_figures_fit_the_columns_of_an_article() -> None:
    for name, figure in every_figure(simulated=True).items():
        width = figure.get_figwidth()
        assert width == pytest.approx(6.9 if name == "comparison" else 3.3, abs=0.01), name


def test_no_letter_is_too_small_to_read_or_cut_off() -> None:
    for name, figure in every_figure(simulated=True).items():
        figure.draw_without_rendering()
        seen = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
        assert min(text.get_fontsize() for text in seen) >= 7, name
        drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(drawn.x0, drawn.y0, width - drawn.x1, height - drawn.y1) > -0.01, name


def test_every_figure_says_simulated_when_it_is_and_only_then(tmp_path: Path) -> None:
    for name, figure in every_figure(simulated=True).items():
        assert "SIMULATED" in texts(figure), name
    for name, figure in every_figure().items():
        assert "SIMULATED" not in texts(figure), name


def test_curves_are_the_numbers_of_the_histories() -> None:
    runs = {"long": run(40), "short": run(7, seed=5)}
    figure = plots.plot_comparison(runs)
    for panel, column in enumerate(("train_loss", "val_accuracy", "test_accuracy")):
        for line, history in zip(curves(figure, panel), runs.values(), strict=True):
            np.testing.assert_array_equal(line.get_xdata(), history["epoch"])
            np.testing.assert_array_equal(line.get_ydata(), history[column])
    assert figure.axes[1].get_ylim() == figure.axes[2].get_ylim()


def test_a_run_without_test_scores_is_absent_from_that_panel_only() -> None:
    figure = plots.plot_comparison({"a": run(), "b": run(seed=1).drop("test_accuracy")})
    assert [len(curves(figure, panel)) for panel in range(3)] == [2, 2, 1]


def test_eight_runs_differ_in_colour_and_in_grey() -> None:
    figure = plots.plot_comparison({f"run {i}": run(20 + i, seed=i) for i in range(8)}, ["val_loss"])
    assert len({line.get_color() for line in curves(figure, 0)}) == 8
    assert len({line.get_marker() for line in curves(figure, 0)}) == 8
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"run {i}" for i in range(8)]


@pytest.mark.parametrize(("decay", "scale"), [(4.0, "linear"), (5.5, "log")])
def test_losses_over_two_decades_are_drawn_on_a_logarithmic_axis(decay: float, scale: str) -> None:
    figure = plots.plot_comparison({"a": run(decay=decay)}, ["train_loss"])
    assert figure.axes[0].get_yscale() == scale


def test_curves_pressed_together_by_a_collapsed_run_are_enlarged() -> None:
    good = {"a": run(accuracy=0.95), "b": run(accuracy=0.93, seed=1)}
    assert not plots.plot_comparison(good).axes[1].child_axes
    (inset,) = plots.plot_comparison({**good, "c": collapsed()}).axes[1].child_axes
    assert len(inset.lines) == 2
    assert inset.get_ylim()[0] > 0.9


@pytest.mark.parametrize(("metric", "choose"), [("accuracy", max), ("spearman", max), ("mse", min)])
def test_the_best_epoch_is_marked(metric: str, choose: type) -> None:
    history = run(seed=7)
    values = history[f"val_{metric}"].to_list()
    best = values.index(choose(values)) + 1
    figure = plots.plot_history(history, metric)
    assert f"best: {values[best - 1]:.3f} at epoch {best}" in texts(figure)
    assert all(any(list(line.get_xdata()) == [best, best] for line in panel.lines) for panel in figure.axes)


def test_training_is_dashed_and_validation_solid() -> None:
    figure = plots.plot_losses({"CNN": run(), "BiLSTM": run(seed=1)})
    assert [line.get_linestyle() for line in curves(figure, 0)] == ["--", "-", "--", "-"]
    assert curves(figure, 0)[0].get_color() == curves(figure, 0)[1].get_color()


@pytest.mark.parametrize(
    "history",
    [
        run(1),
        run(0),
        run().with_columns(val_loss=pl.lit(float("nan")), val_accuracy=pl.lit(float("nan"))),
        run().with_columns(
            train_loss=pl.when(pl.col("epoch") > 3).then(float("inf")).otherwise("train_loss")
        ),
        run().with_columns(val_accuracy=pl.lit(None, dtype=pl.Float64), train_loss=pl.lit(0.0)),
        run().with_columns(train_loss=pl.lit("")),
    ],
    ids=["one epoch", "none yet", "nan", "infinite", "nothing recorded", "column read as text"],
)
def test_odd_histories_are_drawn_without_complaint(tmp_path: Path, history: pl.DataFrame) -> None:
    written(plots.plot_history(history, "accuracy"), tmp_path)
    written(plots.plot_losses({"odd": history, "even": run()}), tmp_path)
    written(plots.plot_comparison({"odd": history}), tmp_path)


def test_one_epoch_is_a_visible_point() -> None:
    (line,) = curves(plots.plot_comparison({"a": run(1)}, ["val_accuracy"]), 0)
    assert line.get_marker() == "o"
    assert line.get_markevery() == (0, 1)


def test_names_are_text_not_mathematics(tmp_path: Path) -> None:
    names = ["1$ per probe", r"\alpha_$x", "_hidden"]
    figure = plots.plot_comparison({name: run(seed=i) for i, name in enumerate(names)})
    written(figure, tmp_path)
    assert len(figure.legends[0].get_texts()) == 3
    written(plots.plot_confusion(np.eye(3, dtype=int), names), tmp_path)


def test_what_is_not_recorded_is_an_error_that_says_what_is() -> None:
    with pytest.raises(DataError, match=r"val_f1: in no run's history; expected one of .*val_accuracy"):
        plots.plot_comparison({"a": run()}, ["val_f1"])
    with pytest.raises(DataError, match="no column 'val_f1'"):
        plots.plot_history(run(), "f1")
    with pytest.raises(DataError, match="at least one run"):
        plots.plot_losses({})


def test_every_finite_pair_is_counted_once() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 5000))
    x[:3], y[1:5] = np.nan, np.inf
    figure = plots.plot_density(x, y, scores={"spearman": 0.5})
    (hexagons,) = (c for c in figure.axes[0].collections if isinstance(c, PolyCollection))
    assert np.sum(hexagons.get_array()) == 5000 - 5
    assert any("Spearman ρ = 0.500" in text and "n = 4,995" in text for text in texts(figure))


def test_a_whole_array_of_probes_stays_a_small_drawing(tmp_path: Path) -> None:
    svg = written(density(rows=120_000), tmp_path)
    assert len(svg) < 300_000
    assert b"<image" not in svg


@pytest.mark.parametrize("predicted", [np.full(50, 0.2), np.full(50, np.nan), np.zeros(50)])
def test_a_network_that_learnt_nothing_is_drawn_too(tmp_path: Path, predicted: np.ndarray) -> None:
    written(
        plots.plot_density(np.linspace(-1, 1, 50), predicted, scores={"spearman": float("nan")}), tmp_path
    )
    written(plots.plot_density(np.zeros(50), predicted), tmp_path)


def test_measured_and_predicted_must_pair() -> None:
    with pytest.raises(DataError, match="predicted: 4 values; expected as many as were measured, 3"):
        plots.plot_density(np.zeros(3), np.zeros(4))


def test_a_confusion_matrix_prints_its_counts_and_shades_by_row() -> None:
    matrix = np.array([[50, 2, 0], [7, 63, 0], [0, 0, 0]])
    figure = plots.plot_confusion(matrix, CLASSES)
    assert [text.get_text() for text in figure.axes[0].texts] == [str(count) for count in matrix.ravel()]
    shares = np.asarray(figure.axes[0].collections[0].get_array())
    np.testing.assert_allclose(shares.reshape(3, 3), [[50 / 52, 2 / 52, 0], [0.1, 0.9, 0], [0, 0, 0]])
    assert {"basophil", "immature granulocytes", "platelet"} <= set(texts(figure))


def test_large_counts_widen_the_matrix_rather_than_shrink_the_letters() -> None:
    names = [f"class {i}" for i in range(8)]
    figure = plots.plot_confusion(np.full((8, 8), 123_456), names)
    figure.draw_without_rendering()
    cell = figure.axes[0].get_window_extent().width / 8
    assert figure.get_figwidth() > 3.3
    assert max(text.get_window_extent().width for text in figure.axes[0].texts) < cell


def test_a_matrix_must_fit_its_names() -> None:
    with pytest.raises(DataError, match=r"shape \(3, 3\); expected \(2, 2\)"):
        plots.plot_confusion(np.eye(3, dtype=int), ["a", "b"])


def test_an_unknown_format_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"figure.bmp: no known figure format; expected .*\.svg"):
        plots.save_figure(density(), tmp_path / "figure.bmp")
    assert not list(tmp_path.iterdir())


def test_folders_are_made_and_no_part_is_left(tmp_path: Path) -> None:
    plots.save_figure(density(), tmp_path / "figures" / "density.PNG")
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["density.PNG"]
