"""Logos and maps: heights that can be worked out, drawings that say what they should, figures that belong to nobody."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from scipy.stats import entropy

from ribocyte.errors import DataError
from ribocyte.learn.plots import COLUMN, PAGE
from ribocyte.rna.logos import COLOURS, information, plot_logos, plot_substitutions

SHARES = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(lambda row: np.array(row) / sum(row))


def heights(length: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(length, 4))


def glyphs(figure: Figure, panel: int = 0) -> list[PathPatch]:
    return [patch for patch in figure.axes[panel].patches if isinstance(patch, PathPatch)]


def test_a_certain_base_tells_two_bits_and_an_even_mixture_none() -> None:
    found = information([[0, 0, 1, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(found, [[0, 0, 2, 0], [0] * 4, [0.5, 0.5, 0, 0]], atol=1e-12)


@given(SHARES, SHARES)
def test_letters_add_up_to_the_relative_entropy_of_their_position(
    shares: np.ndarray, background: np.ndarray
) -> None:
    found = information(shares[None], background)
    np.testing.assert_allclose(found.sum(), entropy(shares, background, base=2), atol=1e-9)
    np.testing.assert_allclose(found[0] * shares.sum(), shares * found.sum(), atol=1e-9)


@pytest.mark.parametrize("pwm", [[[0.5, 0.5, 0.5, 0.5]], [[1.5, -0.5, 0, 0]], [[0.5, 0.5]], [0.25] * 4])
def test_what_is_no_probability_has_no_information(pwm: list[list[float]]) -> None:
    with pytest.raises(
        DataError, match=r"pwm: rows are no probabilities of A, C, G, U; expected four numbers"
    ):
        information(pwm)


def test_a_background_without_a_base_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"background = \[0.5, 0.5, 0.0, 0.0\]; expected four numbers above 0"
    ):
        information([[0.25] * 4], [0.5, 0.5, 0, 0])


def test_each_letter_is_as_tall_as_given_and_hangs_where_it_is_negative() -> None:
    logo = np.array([[1.0, 0, 0, 0], [0, 0, -0.5, 0], [0, 0.25, 0, 0.75]])
    figure = plot_logos({"site": logo}, "contribution")
    boxes = {to_hex(patch.get_facecolor()): patch.get_window_extent() for patch in glyphs(figure)}
    assert set(boxes) == set(COLOURS.values())
    tall = {base: boxes[colour].height for base, colour in COLOURS.items()}
    np.testing.assert_allclose([tall[base] / tall["A"] for base in "GCU"], [0.5, 0.25, 0.75], rtol=0.1)
    zero = figure.axes[0].transData.transform((0, 0))[1]
    assert boxes[COLOURS["G"]].y1 <= zero + 1
    assert all(boxes[COLOURS[base]].y0 >= zero - 1 for base in "ACU")


def test_logos_share_a_scale_and_count_from_where_they_start() -> None:
    logos = {"one": heights(5), "two": 3 * heights(7, seed=1)}
    figure = plot_logos(logos, "contribution (z-score)", starts={"two": 11})
    first, second = figure.axes
    assert first.get_ylim() == second.get_ylim()
    assert [first.get_title(loc="left"), second.get_title(loc="left")] == ["one", "two"]
    assert first.get_xlim()[0] < 1 < 7 < first.get_xlim()[1]
    assert second.get_xlim()[0] < 11 < 17 < second.get_xlim()[1]
    assert figure.get_supylabel() == "contribution (z-score)"


def test_short_logos_fit_a_column_and_long_ones_a_page() -> None:
    assert plot_logos({"a": heights(8)}, "bits").get_figwidth() == pytest.approx(COLUMN)
    assert plot_logos({"a": heights(8), "b": heights(41)}, "bits").get_figwidth() == pytest.approx(PAGE)


def test_a_substitution_is_drawn_where_it_is_and_the_letters_there_are_marked() -> None:
    effects = np.zeros((4, 3))
    effects[1, 2] = -2.0
    figure = plot_substitutions({"rna": effects}, {"rna": "GNA"}, "change", starts={"rna": 5})
    panel, bar = figure.axes
    mesh, dots = panel.collections
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(4, 3), effects)
    assert mesh.get_clim() == (-2, 2)
    assert dots.get_offsets().tolist() == [[5, 2], [7, 0]]
    assert [tick.get_text() for tick in panel.get_yticklabels()] == list("ACGU")
    assert bar.get_xlabel() == "change"


def test_figures_touch_neither_pyplot_nor_settings_and_say_what_is_simulated() -> None:
    before = dict(matplotlib.rcParams)
    figures = [
        plot_logos({"$a$_b": heights()}, "cost in $", simulated=True),
        plot_substitutions({"a": heights().T}, {"a": "ACGUAC"}, "change", simulated=True),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        assert any(text.get_text() == "SIMULATED" for text in figure.texts)
    assert dict(matplotlib.rcParams) == before
    from matplotlib import pyplot as plt

    assert plt.get_fignums() == []


def test_nothing_but_zeros_can_be_drawn() -> None:
    plot_logos({"a": np.zeros((3, 4))}, "bits").draw_without_rendering()
    plot_substitutions({"a": np.zeros((4, 3))}, {"a": "NNN"}, "change").draw_without_rendering()


@pytest.mark.parametrize(
    ("logos", "said"),
    [
        ({}, "logos: none given; expected at least one"),
        ({"x": np.zeros((4, 5))}, r"x: an array of shape \(4, 5\); expected the shape \(L, 4\)"),
        ({"x": np.zeros((0, 4))}, r"x: an array of shape \(0, 4\)"),
        ({"x": np.full((2, 4), np.nan)}, "x: holds what is no number; expected finite numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(logos: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(DataError, match=said):
        plot_logos(logos, "bits")
