"""The ranking of measured RNAs, by networks whose answer is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import genomes
from ribocyte.errors import RequestError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.affinities import rank_affinities
from ribocyte.rna.motifs import RBFOX1_KD, known_motifs


class BestSite(nn.Module):
    """Gives the lowest energy of RBFOX1 at any place of a 38-nt probe, times each of some factors."""

    def __init__(self, *factors: float) -> None:
        super().__init__()
        energies = torch.tensor(known_motifs()["RBFOX1"].energies, dtype=torch.float32)
        self.energies, self.factors = energies.T[None], torch.tensor(factors)

    def forward(self, rna: Tensor) -> Tensor:
        cost = nn.functional.conv1d(rna[:, :, :38], self.energies)
        return cost.amin(dim=2) * self.factors


def predictor_of(network: nn.Module, *experiments: str) -> Predictor:
    return genomes.predictor(network, 41, *experiments)


def test_a_network_that_computes_the_energy_gets_back_the_measured_constants() -> None:
    ranking = rank_affinities(predictor_of(BestSite(-1.0), "RBFOX1"), contexts=20)
    assert dict(zip(ranking.rnas, ranking.kd, strict=True)) == dict(RBFOX1_KD)
    assert ranking.rnas[0] == "UGCAUGU"
    # No context holds a better site than the RNA put there, so the mean is the RNA's own energy.
    expected = [-np.log(kd / 0.83) for kd in ranking.kd]
    np.testing.assert_allclose(ranking.predicted, expected, rtol=1e-5, atol=1e-6)
    assert ranking.spearman == pytest.approx(1.0)


def test_the_asked_output_is_judged_and_a_reversed_one_ranks_the_other_way() -> None:
    both = predictor_of(BestSite(-1.0, 1.0), "right", "reversed")
    assert rank_affinities(both, "right", contexts=5).spearman == pytest.approx(1.0)
    assert rank_affinities(both, "reversed", contexts=5).spearman == pytest.approx(-1.0)


def test_a_constant_network_has_no_ranking() -> None:
    ranking = rank_affinities(predictor_of(BestSite(0.0), "RBFOX1"), contexts=5)
    assert np.isnan(ranking.spearman)
    assert set(ranking.predicted) == {0.0}


def test_the_same_seed_asks_in_the_same_contexts() -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4 * 41, 1))
    first, again, other = (
        rank_affinities(predictor_of(network, "x"), contexts=5, seed=seed).predicted for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("wanted", ["", "lefty"])
def test_an_output_that_is_not_there_is_refused(wanted: str) -> None:
    with pytest.raises(RequestError, match="left, right"):
        rank_affinities(predictor_of(BestSite(1.0, 1.0), "left", "right"), wanted, contexts=2)
