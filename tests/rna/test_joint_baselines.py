"""Baselines of a joint network: checked by hand on a few numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ribocyte.errors import RecipeError
from ribocyte.rna.joint.baselines import (
    BASELINES,
    Mixture,
    average_weights,
    mean_weights,
    mix_profiles,
    nearest_weights,
    same_weights,
)
from ribocyte.rna.proteins.sequences import Protein

IDENTITIES = np.array([[0.2, 0.8, 0.4], [0.5, 0.5, 0.1]], dtype=np.float32)


def test_the_nearest_speaks_alone_and_those_as_near_share() -> None:
    assert nearest_weights(IDENTITIES).tolist() == [[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]


def test_an_average_weighs_by_the_exponential_of_identity() -> None:
    weights = average_weights(IDENTITIES, sharpness=10)
    terms = [math.exp(2), math.exp(8), math.exp(4)]
    assert weights[0].tolist() == pytest.approx([term / sum(terms) for term in terms], rel=1e-5)


def test_an_average_may_be_of_the_most_alike_only() -> None:
    weights = average_weights(IDENTITIES, sharpness=10, top=2)
    assert weights[0].tolist() == pytest.approx([0, math.exp(4) / (1 + math.exp(4)), 1 / (1 + math.exp(4))])
    assert weights[1].tolist() == [0.5, 0.5, 0.0]


def test_averages_lie_between_the_mean_and_the_nearest() -> None:
    assert torch.allclose(average_weights(IDENTITIES, sharpness=0), mean_weights(IDENTITIES))
    assert torch.allclose(average_weights(IDENTITIES, sharpness=1000), nearest_weights(IDENTITIES))


@pytest.mark.parametrize("kind", BASELINES)
def test_weights_of_every_baseline_sum_to_one(kind: str) -> None:
    identities = np.random.default_rng(0).random((4, 30)).astype(np.float32)
    weights = BASELINES[kind](identities)
    assert weights.shape == (4, 30)
    assert torch.allclose(weights.sum(dim=1), torch.ones(4))


def test_a_missing_spot_is_left_to_the_others() -> None:
    weights = torch.tensor([[0.75, 0.25], [1.0, 0.0]])
    profiles = np.array([[4.0, 8.0], [np.nan, 8.0], [4.0, np.nan], [np.nan, np.nan]])
    expected = [[5.0, 4.0], [8.0, np.nan], [4.0, 4.0], [np.nan, np.nan]]
    np.testing.assert_array_equal(mix_profiles(weights, profiles), np.array(expected, dtype=np.float32))


def test_a_mixture_mixes_a_networks_outputs() -> None:
    class Known(nn.Module):
        def forward(self, rna: Tensor) -> Tensor:
            return torch.stack([rna[:, 0].sum(dim=1), rna[:, 1].sum(dim=1)], dim=1)

    rna = torch.zeros(2, 4, 6)
    rna[0, 0, :4] = 1
    rna[1, 1, :2] = 1
    mixed = Mixture(Known(), torch.tensor([[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]]))(rna)
    assert mixed.tolist() == [[2.0, 0.0, 4.0], [1.0, 2.0, 0.0]]


def test_all_experiments_of_a_protein_speak_for_it() -> None:
    known = [Protein("a", "MKL"), Protein("b", "MKV"), Protein("c", "MKL")]
    weights = same_weights([Protein("x", "MKL"), Protein("y", "MKVV")], known)
    assert weights.tolist() == [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]


def test_weights_that_cannot_be_are_refused() -> None:
    with pytest.raises(RecipeError, match="sharpness"):
        average_weights(IDENTITIES, sharpness=-1)
    with pytest.raises(RecipeError, match="top"):
        average_weights(IDENTITIES, top=0)
    with pytest.raises(RecipeError, match="identities"):
        nearest_weights(np.zeros((2, 0), dtype=np.float32))
