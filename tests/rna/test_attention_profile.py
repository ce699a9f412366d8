"""Attention profiles of networks whose attention is known in closed form."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ribocyte.errors import DataError, ModelError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.attention_profile import AttentionProfile, attention_profile
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.networks import CNN, CNNConfig, Residual, ResidualConfig

MOTIF = "GCAUG"
K = len(MOTIF)


class Uniform(nn.Module):
    """Attends to every nucleotide alike."""

    def attend(self, rna: Tensor) -> Tensor:
        there = (rna.sum(dim=1) > 0).to(rna.dtype)
        return (there / there.sum(dim=1, keepdim=True)).unsqueeze(1)


class OnMotif(Uniform):
    """One head wholly on the five nucleotides of GCAUG, uniform where there is none; one head uniform."""

    def attend(self, rna: Tensor) -> Tensor:
        uniform = super().attend(rna)
        letters = torch.tensor(["ACGU".index(letter) for letter in MOTIF])
        found = torch.stack(
            [rna[:, letter, i : rna.shape[2] - K + 1 + i] for i, letter in enumerate(letters)]
        )
        starts = found.prod(dim=0)
        covered = nn.functional.conv_transpose1d(starts.unsqueeze(1), torch.ones(1, 1, K))
        some = starts.sum(dim=1).clamp(min=1)[:, None, None] * K
        head = torch.where(covered.sum(dim=2, keepdim=True) > 0, covered / some, uniform)
        return torch.cat([head, uniform], dim=1)


class OnPlace(Uniform):
    """Attends to positions 10 to 14 whatever is written there."""

    def attend(self, rna: Tensor) -> Tensor:
        share = torch.zeros(len(rna), 1, rna.shape[2])
        share[:, :, 10 : 10 + K] = 1 / K
        return share


def probes(count: int = 200, length: int = 40, at: int | None = None) -> list[str]:
    """Make random probes that hold GCAUG once, at a random place or at a given one, of `length` or 5 nt less."""
    random = np.random.default_rng(5)
    made = []
    while len(made) < count:
        size = length - 5 * (len(made) % 2)
        letters = "".join(random.choice(list("ACGU"), size))
        place = int(random.integers(0, size - K + 1)) if at is None else at
        probe = letters[:place] + MOTIF + letters[place + K :]
        if probe.find(MOTIF) == probe.rfind(MOTIF):  # GCAUGCAUG holds it twice
            made.append(probe)
    return made


def scores() -> np.ndarray:
    """Score every 5-mer 0 but GCAUG."""
    values = np.zeros(4**K)
    values[int(MOTIF.translate(str.maketrans("ACGU", "0123")), 4)] = 10.0
    return values


def profile(network: nn.Module, sequences: list[str], length: int = 40, **settings: int) -> AttentionProfile:
    model = Predictor(network, RNAEncoding(length=length), {})
    return attention_profile(model, tokens(sequences, length), scores(), K, **settings)


def test_uniform_attention_is_one_everywhere_and_no_different_on_shuffled_probes() -> None:
    found = profile(Uniform(), probes(), reach=15)
    assert found.offsets.tolist() == list(range(-15, 16))
    for aligned in (found.real, found.shuffled):
        for band in (aligned.mean, aligned.heads):
            for values in (band.value, band.low, band.high):
                np.testing.assert_allclose(values, 1.0, rtol=1e-6)
    for score in (found.enrichment.real, found.enrichment.shuffled):
        assert (score.value, score.low, score.high) == pytest.approx((1, 1, 1))
    difference = found.enrichment.difference
    assert (difference.value, difference.low, difference.high) == pytest.approx((0, 0, 0), abs=1e-6)


def test_attention_on_the_motif_alone_is_found_there_and_gone_when_shuffled() -> None:
    found = profile(OnMotif(), probes(), reach=8)
    # Half of the probes have 40 nt, half 35: all attention on 5 nt is 8 and 7 times uniform.
    on_motif, uniform = found.heads
    assert on_motif.real.value == pytest.approx(7.5, abs=1e-5)
    assert on_motif.real.low < 7.5 < on_motif.real.high
    assert on_motif.real.low >= 7
    assert uniform.real.value == pytest.approx(1, abs=1e-5)
    assert found.enrichment.real.value == pytest.approx(4.25, abs=1e-5)
    assert found.enrichment.shuffled.value < 1.3  # a shuffled probe is uniform unless GCAUG came up again
    assert found.enrichment.difference.low > 2.5
    head = found.real.heads.value[0]
    np.testing.assert_allclose(head[np.abs(found.offsets) <= 2], 7.5, rtol=1e-5)
    np.testing.assert_allclose(head[np.abs(found.offsets) > 2], 0.0, atol=1e-6)
    np.testing.assert_allclose(found.real.mean.value, found.real.heads.value.mean(axis=0))
    assert found.kmers == {MOTIF: 200}
    assert (found.probes, found.k) == (200, K)


def test_attention_on_a_place_is_no_attention_on_the_motif() -> None:
    found = profile(OnPlace(), probes(at=10))
    assert found.enrichment.real.value == pytest.approx(7.5, abs=1e-5)
    assert found.enrichment.shuffled.value == pytest.approx(7.5, abs=1e-5)
    difference = found.enrichment.difference
    assert difference.low <= 0 <= difference.high
    assert difference.value == pytest.approx(0, abs=1e-5)


def test_an_interval_is_as_wide_as_the_mean_is_uncertain() -> None:
    score = profile(OnMotif(), probes(1000)).heads[0].real
    error = 0.5 / np.sqrt(1000)  # the two kinds of probe lie half a unit on either side
    assert score.high - score.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_beyond_the_ends_of_every_probe_there_is_nothing() -> None:
    found = profile(Uniform(), ["A" * 3 + MOTIF + "A" * 4] * 3, reach=8)
    reached = ~np.isnan(found.real.mean.value)
    assert found.offsets[reached].tolist() == list(
        range(-5, 7)
    )  # the middle is nucleotide 6 of 12; the rest pads
    assert np.isnan(found.real.mean.low[~reached]).all()


def test_the_probes_with_the_strongest_kmers_are_taken_and_the_rest_left() -> None:
    weak = ["A" * 30] * 20
    found = profile(OnMotif(), weak + probes(15), probes=15)
    assert found.kmers == {MOTIF: 15}
    assert profile(OnMotif(), probes(15) + weak, probes=100).probes == 35
    assert profile(OnMotif(), [*probes(15), "NNNNNNN", "ACG"], probes=100).probes == 15


def test_the_same_seed_gives_the_same_profile() -> None:
    one, other, third = (profile(OnMotif(), probes(50), seed=seed).as_json() for seed in (0, 0, 1))
    assert one == other
    assert one != third


def test_a_profile_is_json_with_nothing_where_no_probe_reaches() -> None:
    written = json.loads(json.dumps(profile(Uniform(), [MOTIF], reach=3).as_json(), allow_nan=False))
    assert written["offsets"] == [-3, -2, -1, 0, 1, 2, 3]
    assert written["real"]["mean"]["value"] == [None, *[pytest.approx(1)] * 5, None]
    assert written["enrichment"]["difference"]["value"] == pytest.approx(0, abs=1e-6)
    assert written["kmers"] == {MOTIF: 1}


def test_a_network_is_left_in_the_mode_it_was_in_and_judged_without_dropout() -> None:
    network = CNN(CNNConfig(detectors=8, attention="self", heads=2), 1)
    model = Predictor(network, RNAEncoding(length=40), {})
    rows = tokens(probes(20), 40)
    before = attention_profile(model, rows, scores(), K).as_json()
    network.train()
    assert attention_profile(model, rows, scores(), K).as_json() == before
    assert network.training


def test_shuffled_probes_keep_their_nucleotides_and_their_padding() -> None:
    class Recording(Uniform):
        seen: list[Tensor] = []  # noqa: RUF012

        def attend(self, rna: Tensor) -> Tensor:
            self.seen.append(rna)
            return super().attend(rna)

    network = Recording()
    profile(network, probes(50))
    real, shuffled = network.seen
    assert torch.equal(real.sum(dim=2), shuffled.sum(dim=2))
    assert torch.equal(real.sum(dim=1), shuffled.sum(dim=1))
    assert not torch.equal(real, shuffled)


@pytest.mark.parametrize("network", [CNN(CNNConfig(), 1), Residual(ResidualConfig(), 1)])
def test_a_network_without_attention_is_refused(network: nn.Module) -> None:
    with pytest.raises(
        ModelError, match=r"attends to nothing; expected a .*model.attention = 'self' or 'pool'"
    ):
        profile(network, probes(5))


def test_probes_without_any_scored_kmer_are_refused() -> None:
    with pytest.raises(DataError, match="no probe of 2 holds a 5-mer with a score"):
        profile(Uniform(), ["ACG", "NNNNNNNN"])
