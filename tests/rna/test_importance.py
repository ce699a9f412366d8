"""Global importance of patterns in networks whose answer can be worked out."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seeker import random_tokens, seeker

import toys
from ribocyte.errors import DataError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import PADDING, UNKNOWN, letters, tokens
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.importance import MOST_PLACES, SCHEMA, draw_contexts, embed, importance, measure
from ribocyte.rna.importance_plots import plot_importance


def linear(length: int = 20) -> Predictor:
    weights = torch.arange(4.0 * length).view(4, length).sin()
    return Predictor(toys.Linear(weights), RNAEncoding(length=length, stride=10), {})


def answers(table: pl.DataFrame, question: str) -> pl.DataFrame:
    return table.filter(table["question"] == question)


@given(st.text("ACGUN", min_size=1, max_size=6), st.integers(0, 4))
def test_a_pattern_replaces_what_is_there_and_n_leaves_it(pattern: str, start: int) -> None:
    contexts = random_tokens(5, 12)
    contexts[0, 10:] = PADDING
    for before, after in zip(letters(contexts), letters(embed(contexts, [(pattern, start)])), strict=True):
        expected = list(before)
        for at, base in enumerate(pattern, start=start):
            expected[at] = before[at] if base == "N" else base
        assert after == "".join(expected)


def test_several_patterns_and_dna_letters() -> None:
    assert letters(embed(tokens(["AAAAAAAA"]), [("gt", 1), ("C", 6)])) == ["AGUAAACA"]


@pytest.mark.parametrize(("pattern", "start"), [("ACG", 6), ("ACG", -1), ("AXG", 0), ("", 0)])
def test_what_does_not_fit_is_refused(pattern: str, start: int) -> None:
    contexts = tokens(["ACGUACGU", "ACGUACGUAA"])
    with pytest.raises(DataError, match=pattern or "pattern"):
        embed(contexts, [(pattern, start)])


def test_the_effect_in_a_linear_network_is_the_difference_of_weights() -> None:
    model, contexts = linear(), random_tokens(30, 20)
    effects = measure(model, contexts, "GC", 7)
    weights = model.network.weights.detach().numpy()
    rows = contexts.numpy()
    expected = weights[2, 7] + weights[1, 8] - weights[rows[:, 7], 7] - weights[rows[:, 8], 8]
    np.testing.assert_allclose(effects, expected, rtol=1e-4, atol=1e-5)


def test_every_question_is_answered_as_the_network_counts() -> None:
    """Two for a pattern and nothing else: the contexts hold none of it, nor all but one of its bases."""
    pattern = "CCGCCG"
    contexts = torch.full((20, 30), 0, dtype=torch.uint8)
    table = importance(seeker(pattern), pattern, contexts)
    assert table.columns == list(SCHEMA)
    assert answers(table, "whole")["effect"].to_list() == [2.0]
    assert set(answers(table, "substitution")["effect"]) == {-1.0}
    assert answers(table, "substitution").height == 18
    assert answers(table, "substitution")["setting"][0] == "C1A"
    assert answers(table, "position")["at"].to_list()[0] == 1
    assert answers(table, "position")["at"].to_list()[-1] == 25
    assert answers(table, "position").height <= MOST_PLACES
    assert set(answers(table, "position")["effect"]) == {2.0}
    copies = answers(table, "copies")
    assert copies["at"].to_list() == [1, 2, 3, 4, 5]
    assert copies["effect"].to_list()[:4] == [2.0, 4.0, 6.0, 8.0]
    spacing = answers(table, "spacing")
    assert spacing["at"].to_list()[0] == 0
    assert spacing["at"].to_list()[-1] == 18
    assert spacing["effect"].to_list()[1:] == [4.0] * (spacing.height - 1)
    for side in ("left", "right"):
        assert answers(table, side)["setting"].to_list() == ["A", "C", "G", "U"]
        assert answers(table, side)["effect"].to_list()[0] == 0.0  # A is what is there
    assert (table["low"] <= table["effect"] + 1e-9).all()
    assert (table["effect"] <= table["high"] + 1e-9).all()


def test_the_interval_holds_the_mean_of_many_contexts() -> None:
    model = linear()
    truth = measure(model, draw_contexts(20, 20_000, seed=9), "GCA").mean()
    row = answers(importance(model, "GCA", draw_contexts(20, 300)), "whole").row(0, named=True)
    assert row["low"] < truth < row["high"]
    assert 0.1 < row["high"] - row["low"] < 0.5


def test_n_in_a_pattern_is_not_substituted() -> None:
    table = importance(linear(), "GNA", random_tokens(10, 20))
    assert answers(table, "substitution")["at"].unique().sort().to_list() == [1, 3]


def test_a_pattern_longer_than_the_shortest_context_is_refused() -> None:
    contexts = random_tokens(10, 20)
    contexts[3, 6:] = PADDING
    with pytest.raises(DataError, match="7 nt in contexts of 6"):
        importance(linear(), "GCAUGCA", contexts)


def test_contexts_are_repeatable_and_like_what_they_are_made_of() -> None:
    like = torch.cat([torch.full((40, 12), 2, dtype=torch.uint8), random_tokens(40, 12)])
    like[:20, 8:] = PADDING
    like[79, 3] = UNKNOWN
    drawn = draw_contexts(12, 30, seed=1, like=like)
    assert drawn.shape == (30, 12)
    assert torch.equal(drawn, draw_contexts(12, 30, seed=1, like=like))
    assert not (drawn == PADDING).any()
    composition = {tuple(sorted(row)) for row in like[:79].tolist()}
    assert all(tuple(sorted(row)) in composition for row in drawn.tolist())
    assert not torch.equal(draw_contexts(12, 30, 1), draw_contexts(12, 30, 2))
    with pytest.raises(DataError, match="all have an N"):
        draw_contexts(12, 30, like=like[79:])


def test_the_figure_says_what_is_simulated_and_draws_short_contexts() -> None:
    table = importance(seeker(), "GCA", random_tokens(20, 30))
    figure = plot_importance(table, "effect ($z$)", simulated=True)
    assert "SIMULATED" in [text.get_text() for text in figure.texts]
    assert len(figure.axes) == 5
    short = importance(seeker(length=8), "GCAUG", random_tokens(20, 8))
    assert answers(short, "spacing").height == 0
    plot_importance(short, "effect")
