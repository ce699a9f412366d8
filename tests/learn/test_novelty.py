"""Novelty: what a network's layers make of inputs unlike the known ones, whatever the network is."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from ribocyte.learn.novelty import FEWEST, Cloud, Novelty, describe, summarise


def network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2),
            nn.Flatten(),
            nn.Linear(8 * 5 * 5, 4),
        )


def blobs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw pictures of two classes: a smooth bright spot, small or large, somewhere on a dark ground."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:12, :12]
    labels = random.integers(0, 2, count)
    centre, wide = random.uniform(4, 8, (2, count, 1, 1)), 1.5 + labels[:, None, None]
    spot = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / wide**2)
    colour = np.array([1.0, 0.5, 0.7]) + random.normal(0, 0.1, (count, 3))
    pictures = spot[:, None] * colour[:, :, None, None] + random.normal(0, 0.03, (count, 3, 12, 12))
    return torch.from_numpy(pictures).float(), torch.from_numpy(labels)


@pytest.fixture(scope="module")
def known() -> Novelty:
    pictures, labels = blobs(600, seed=0)
    return Novelty.fit(describe(network(), pictures.split(100)), labels)


def test_channels_are_summed_up_by_mean_spread_and_roughness() -> None:
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    values = maps.double().numpy()
    for row, found in zip(values, summarise(maps), strict=True):
        down = ((row[:, 1:] - row[:, :-1]) ** 2).mean(axis=(1, 2))
        across = ((row[:, :, 1:] - row[:, :, :-1]) ** 2).mean(axis=(1, 2))
        wanted = [
            row.mean(axis=(1, 2)),
            np.log(row.std(axis=(1, 2)) + 1e-3),
            np.log(np.sqrt((down + across) / 2) + 1e-3),
        ]
        np.testing.assert_allclose(found.numpy(), np.concatenate(wanted), rtol=1e-5, atol=1e-6)


def test_lines_single_points_and_plain_values_are_summed_up_too() -> None:
    assert summarise(torch.randn(2, 3, 7)).shape == (2, 9)
    assert summarise(torch.randn(2, 3, 1, 1)).isfinite().all()
    values = torch.randn(2, 5)
    assert torch.equal(summarise(values), values)


def test_distances_are_those_of_mahalanobis_from_the_nearest_class() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 300)
    values = random.normal(size=(300, 4)) @ random.normal(size=(4, 4)) + 3 * labels[:, None]
    features = [torch.from_numpy(values).float()]
    cloud = Novelty.fit(features, torch.from_numpy(labels)).clouds[0]

    scale = values.std(axis=0)
    means = np.stack([values[labels == c].mean(axis=0) for c in (0, 1)])
    inside = LedoitWolf(assume_centered=True).fit((values - means[labels]) / scale)
    inverse = inside.precision_ / np.outer(scale, scale)
    wanted = [min(mahalanobis(row, mean, inverse) for mean in means) for row in values[:20]]
    np.testing.assert_allclose(cloud.distances(features[0][:20]).numpy(), 2 * np.log(wanted), atol=1e-3)


def test_known_inputs_raise_alarms_as_rarely_as_promised(known: Novelty) -> None:
    shares = known.share_as_strange(describe(network(), [blobs(2000, seed=1)[0]]))
    for rate in (0.05, 0.2, 0.5):
        assert float((shares <= rate).float().mean()) == pytest.approx(rate, abs=0.05)
    assert 0 < shares.min() <= shares.max() <= 1


@pytest.mark.parametrize("kind", ["noise", "inverted", "blurred", "shuffled", "plain", "other colours"])
def test_unlike_pictures_are_told_from_known_ones(known: Novelty, kind: str) -> None:
    pictures, _ = blobs(300, seed=2)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(144, generator=generator)
    unlike = {
        "noise": torch.rand(pictures.shape, generator=generator),
        "inverted": 1 - pictures,
        "blurred": nn.functional.avg_pool2d(pictures, 3, stride=1, padding=1),
        "shuffled": pictures.flatten(2)[:, :, order].view_as(pictures),
        "plain": torch.full_like(pictures, 0.3),
        "other colours": pictures[:, [1, 0, 2]],
    }[kind]
    usual, other = (known.strangeness(describe(network(), [batch])).numpy() for batch in (pictures, unlike))
    truth = np.repeat([0, 1], 300)
    assert roc_auc_score(truth, np.concatenate([usual, other])) >= 0.95


def test_looking_leaves_the_network_as_it_was() -> None:
    watched, untouched = network().train(), network()
    before = copy.deepcopy(watched.state_dict())
    describe(watched, blobs(8, 0)[0].split(4))
    assert watched.training
    assert all(not layer._forward_hooks for layer in watched.modules())
    for name, value in watched.state_dict().items():
        assert torch.equal(value, before[name])
    with pytest.raises(RuntimeError):
        describe(untouched.train(), [torch.zeros(2, 1, 12, 12)])
    assert untouched.training
    assert all(not layer._forward_hooks for layer in untouched.modules())


def test_features_do_not_depend_on_the_batch() -> None:
    pictures, _ = blobs(10, 3)
    for one, other in zip(
        describe(network(), [pictures]), describe(network(), pictures.split(3)), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("layers", "shape", "depths"),
    [
        ([nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2)], (5,), [5, 7, 2]),
        ([nn.Conv1d(4, 6, 3), nn.ReLU()], (4, 20), [12, 18]),
        ([nn.Flatten()], (2, 3), [6]),
        ([nn.Linear(3, 3) for _ in range(20)], (3,), [3] * 6),
    ],
)
def test_any_network_can_be_looked_at(
    layers: list[nn.Module], shape: tuple[int, ...], depths: list[int]
) -> None:
    features = describe(nn.Sequential(*layers), [torch.randn(40, *shape)])
    assert [depth.shape[1] for depth in features] == depths
    assert Novelty.fit(features).share_as_strange(features).isfinite().all()


def test_what_is_known_survives_being_stored(known: Novelty) -> None:
    features = describe(network(), [blobs(20, seed=5)[0]])
    again = Novelty.from_state(known.state())
    assert torch.equal(again.strangeness(features), known.strangeness(features))
    assert torch.equal(again.known, known.known)


def test_a_state_that_does_not_fit_is_refused(known: Novelty) -> None:
    state = known.state()
    with pytest.raises(KeyError):
        Novelty.from_state({name: table for name, table in state.items() if name != "known"})
    with pytest.raises(ValueError, match="do not fit"):
        Novelty.from_state(state | {"depth0.whiten": torch.eye(2)})
    with pytest.raises(ValueError, match="do not fit"):
        Cloud(torch.zeros(3), torch.eye(3), torch.zeros(1, 3), torch.zeros(3))


def test_of_too_few_known_inputs_nothing_is_unlike() -> None:
    few, _ = blobs(FEWEST - 1, 0)
    nothing = Novelty.fit(describe(network(), [few]))
    assert nothing.share_as_strange(describe(network(), [1 - few])).tolist() == [1.0] * len(few)
    again = Novelty.from_state(nothing.state())
    assert again.share_as_strange(describe(network(), [few])).tolist() == [1.0] * len(few)


def test_no_input_is_no_input(known: Novelty) -> None:
    assert known.share_as_strange(describe(network(), [torch.empty(0, 3, 12, 12)])).shape == (0,)
