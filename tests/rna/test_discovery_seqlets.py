"""Motifs from what substitutions cost. A file of its own: tangermeme compiles its seqlet caller in each process."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from seeker import PATTERN, planted_tokens, probes, random_tokens, seeker

from ribocyte.rna.discovery import discover, find_by_seqlets, mutate
from ribocyte.rna.discovery.motif import make_motif
from ribocyte.rna.discovery.seqlets import contributions
from ribocyte.rna.importance import draw_contexts


def test_seqlets_find_the_pattern_and_its_flanks_tell_nothing() -> None:
    model = seeker()
    mutants = mutate(model, probes(model, planted_tokens()), 200)
    first = next(find_by_seqlets(mutants.tokens, mutants.effects))
    motif = make_motif("seqlets", first)
    assert motif is not None
    assert motif.consensus == PATTERN
    assert motif.sites >= 100


def test_nothing_is_found_where_nothing_matters() -> None:
    rows = random_tokens(50)
    assert list(find_by_seqlets(rows, torch.zeros(50, 4, 30))) == []
    assert list(find_by_seqlets(rows[:, :5], torch.zeros(50, 4, 5))) == []


def test_contributions_are_mean_losses_and_nothing_at_n_and_padding() -> None:
    effects = torch.tensor([[[-3.0, 1.0, 5.0], [0.0, 1.0, 5.0], [-3.0, 1.0, 5.0], [-6.0, 1.0, 5.0]]])
    scores = contributions(torch.tensor([[1, 4, 5]], dtype=torch.uint8), effects)
    np.testing.assert_allclose(scores, [[4.0, 0.0, 0.0]])


def test_discover_names_scores_and_limits_what_each_method_finds() -> None:
    model, rows = seeker(), planted_tokens()
    said: list[str] = []
    seen = probes(model, rows)
    contexts = draw_contexts(30, 50)
    motifs = discover(
        model,
        seen,
        mutate(model, seen, 200),
        contexts,
        methods=("filters", "seqlets"),
        top=1,
        report=said.append,
    )
    assert [motif.name for motif in motifs] == ["filters-0", "seqlets-1"]
    assert said == ["motifs by filters", "motifs by seqlets"]
    assert [motif.score for motif in motifs] == pytest.approx(
        [2, 2], abs=0.1
    )  # but for what chance holds there
