"""TF-MoDISco on RNA: what it takes, and that both strands of its patterns are kept apart."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from seeker import PATTERN, planted_tokens, probes, random_tokens, seeker

from ribocyte.rna.alphabet import PADDING, UNKNOWN, letters, tokens
from ribocyte.rna.discovery import find_by_modisco, mutate
from ribocyte.rna.discovery.modisco import _EDGE, _strands, make_tracks
from ribocyte.rna.discovery.motif import make_motif


def test_tracks_hold_effects_above_the_mean_and_zeros_at_n_and_padding() -> None:
    rows = tokens(["GN"], 3)
    effects = torch.tensor([[[-4.0, 1.0, 0.0], [-8.0, 3.0, 0.0], [0.0, 1.0, 0.0], [-4.0, 3.0, 0.0]]])
    one_hot, hypothetical = make_tracks(rows, effects)
    assert one_hot.shape == hypothetical.shape == (1, 3 + 2 * _EDGE, 4)
    np.testing.assert_array_equal(one_hot[0, _EDGE], [0, 0, 1, 0])
    np.testing.assert_array_equal(hypothetical[0, _EDGE], [0, -4, 4, 0])
    assert not one_hot[0, _EDGE + 1 :].any()
    assert not hypothetical[0, _EDGE + 1 :].any()


def test_seqlets_read_backwards_are_a_motif_of_their_own_as_the_rna_is_written() -> None:
    rows = tokens(["AGCAUGA", "UCAUGCU", "AGCAUGA"]).numpy()
    seqlets = [
        SimpleNamespace(example_idx=at, start=1, end=6, is_revcomp=reverse)
        for at, reverse in enumerate((False, True, False))
    ]
    forward, backward = _strands([SimpleNamespace(seqlets=seqlets)], rows)
    assert letters(torch.from_numpy(forward)) == ["GCAUG", "GCAUG"]
    assert letters(torch.from_numpy(backward)) == ["CAUGC"]


def test_modisco_finds_the_pattern() -> None:
    model = seeker()
    mutants = mutate(model, probes(model, planted_tokens(600)), 250)
    motif = make_motif("modisco", next(find_by_modisco(mutants.tokens, mutants.effects)))
    assert motif is not None
    assert motif.consensus == PATTERN


def test_modisco_finds_nothing_where_nothing_matters() -> None:
    assert list(find_by_modisco(random_tokens(50), torch.zeros(50, 4, 30))) == []


def test_modisco_bears_short_sequences_and_runs_of_n() -> None:
    """Its similarity of two stretches that contribute nothing is 0 / 0, of which its clustering dies."""
    model, rows = seeker(), planted_tokens(300)
    rows[::3, 9:] = PADDING
    rows[1::3, 4:26] = UNKNOWN
    mutants = mutate(model, probes(model, rows), 300)
    list(find_by_modisco(mutants.tokens, mutants.effects))
    assert list(find_by_modisco(mutants.tokens[:1], mutants.effects[:1])) == []
