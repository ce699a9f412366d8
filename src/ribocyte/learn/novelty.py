"""How unlike everything known an input is, as any network that reads it sees it.

A network gives a class to whatever it is shown, noise and other tissue too, and often a sure one. What its
layers make of such an input still differs from what they make of known ones. So the input and some layers'
outputs are each summed up by a few numbers a channel, and an input is as strange as its Mahalanobis distance
from the nearest class's mean, at the depth where that is most unusual (Lee et al. 2018). Only known inputs are
ever learned from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

DEPTHS = 6
"""Depths looked at: the input, and layers evenly from the first to the last."""
FOLDS = 5
FEWEST = 20
"""Known inputs; of fewer, nothing can be said of what is unlike them."""
_LEAST = 1e-3  # added to a spread before its logarithm is taken: a plain picture has none

Floats = NDArray[np.float64]


@torch.inference_mode()
def describe(network: nn.Module, batches: Iterable[Tensor], depths: int = DEPTHS) -> list[Tensor]:
    """Sum up what a network makes of inputs, at several depths.

    Parameters
    ----------
    network : nn.Module
        Any; its convolutions (1d, 2d) and dense layers are looked at, in the order in which they are listed.
        Its mode is put back as it was.
    batches : iterable of Tensor, float, shape (B, channels, ...)
        What the network takes, on its device.
    depths : int
        How many: the first is the input itself.

    Returns
    -------
    list of Tensor, float32, each of shape (N, features)
        On the CPU. Where a depth has positions (N, C, L) or (N, C, H, W): each channel's mean, the logarithm of
        its spread over the positions, and that of the mean difference between neighbouring positions, which
        tells sharp from blurred. Elsewhere the values as they are.
    """
    layers = _pick_layers(network, depths - 1)
    found: list[list[Tensor]] = [[] for _ in range(len(layers) + 1)]

    def watch(depth: int) -> Any:
        return lambda _layer, _given, made: found[depth].append(summarise(made).cpu())

    hooks = [layer.register_forward_hook(watch(depth)) for depth, layer in enumerate(layers, start=1)]
    was_training = network.training
    network.eval()
    try:
        for batch in batches:
            found[0].append(summarise(batch).cpu())
            network(batch)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return [torch.cat(parts) if parts else torch.empty(0, 0) for parts in found]


def summarise(maps: Tensor) -> Tensor:
    """Sum up each channel of (N, C, ...) over its positions, as `describe` says; (N, F) is given as it is."""
    if maps.ndim < 3:
        return maps.float()
    values = maps.float()
    positions = tuple(range(2, values.ndim))
    rough = [
        values.diff(dim=axis).square().mean(dim=positions) for axis in positions if values.shape[axis] > 1
    ]
    mean = values.mean(dim=positions)
    beside = values - mean.view(*mean.shape, *(1 for _ in positions))
    spread = beside.square().mean(dim=positions).sqrt()
    roughness = torch.stack(rough).mean(dim=0).sqrt() if rough else torch.zeros_like(mean)
    return torch.cat([mean, (spread + _LEAST).log(), (roughness + _LEAST).log()], dim=1)


@dataclass(frozen=True, eq=False)
class Cloud:
    """Where known inputs lie at one depth: features as they are, (F,), made comparable by a matrix.

    Parameters
    ----------
    centre : Tensor, float32, shape (F,)
        Taken off the features.
    whiten : Tensor, float32, shape (F, F)
        What they are then multiplied by; the spread about each class's mean is 1 in every direction after it.
    means : Tensor, float32, shape (K, F)
        Of the classes, so whitened.
    usual : Tensor, float32, shape (2,)
        Mean and standard deviation of the known inputs' logarithmic distances.
    """

    centre: Tensor
    whiten: Tensor
    means: Tensor
    usual: Tensor

    def __post_init__(self) -> None:
        features = len(self.centre)
        shapes = (tuple(self.whiten.shape), tuple(self.means.shape[1:]), tuple(self.usual.shape))
        if shapes != ((features, features), (features,), (2,)):
            raise ValueError("the tables of a depth do not fit each other")

    def distances(self, features: Tensor) -> Tensor:
        """Give the logarithm of each row's squared Mahalanobis distance from the nearest class: (N,)."""
        placed = (features.float() - self.centre) @ self.whiten
        nearest = torch.cdist(placed, self.means, compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)
        return 2 * nearest.clamp(min=1e-12).log()

    def surprise(self, features: Tensor) -> Tensor:
        """Give how far each row is beyond the usual distance, in the usual's standard deviations: (N,)."""
        return (self.distances(features) - self.usual[0]) / self.usual[1]


@dataclass(frozen=True, eq=False)
class Novelty:
    """What known inputs look like to a network, and how strange they are to each other.

    Parameters
    ----------
    clouds : tuple of Cloud
        One for each depth of `describe`; none where there were too few known inputs.
    known : Tensor, float32, shape (R,)
        The strangeness of known inputs, ascending: each as seen by what was learned from the others of them.
    """

    clouds: tuple[Cloud, ...]
    known: Tensor

    @classmethod
    def fit(cls, features: list[Tensor], labels: Tensor | None = None) -> Self:
        """Learn from known inputs, best such as the network was not fitted to.

        A fifth of them at a time is judged by what the others taught, which is how strange a further known
        input will look; what is kept then is learned from all.

        Parameters
        ----------
        features : list of Tensor, each of shape (N, F)
            From `describe`.
        labels : Tensor, int64, shape (N,), optional
            Their classes; without them all are one.
        """
        count = len(features[0])
        classes = torch.zeros(count, dtype=torch.int64) if labels is None else labels.cpu()
        if count < FEWEST:
            return cls((), torch.empty(0))
        fold = torch.from_numpy(np.random.default_rng(0).permutation(count) % FOLDS)
        clouds, surprises = [], []
        for depth in features:
            distances = torch.empty(count)
            for number in range(FOLDS):
                others = _fit_cloud(depth[fold != number], classes[fold != number])
                distances[fold == number] = others.distances(depth[fold == number])
            usual = torch.stack([distances.mean(), distances.std().clamp(min=1e-6)])
            clouds.append(_fit_cloud(depth, classes, usual))
            surprises.append((distances - usual[0]) / usual[1])
        return cls(tuple(clouds), torch.stack(surprises).amax(dim=0).sort().values)

    def strangeness(self, features: list[Tensor]) -> Tensor:
        """Give how unlike the known ones inputs are: (N,) float32, the largest surprise over the depths."""
        if not self.clouds:
            return torch.zeros(len(features[0]))
        return torch.stack(
            [cloud.surprise(depth) for cloud, depth in zip(self.clouds, features, strict=True)]
        ).amax(dim=0)

    def share_as_strange(self, features: list[Tensor]) -> Tensor:
        """Give the share of known inputs that are at least as strange, each input itself counted as one.

        Returns
        -------
        Tensor, float32, shape (N,)
            A p value (Vovk et al. 2005): of inputs drawn as the known ones, a share a or less falls to a or
            below. From 1 / (R + 1) to 1; 1 for all where there were too few known inputs.
        """
        beyond = len(self.known) - torch.searchsorted(self.known, self.strangeness(features), side="left")
        return (1 + beyond).float() / (1 + len(self.known))

    def state(self) -> dict[str, Tensor]:
        """Give everything as named tensors."""
        tables = {
            f"depth{number}.{name}": getattr(cloud, name)
            for number, cloud in enumerate(self.clouds)
            for name in ("centre", "whiten", "means", "usual")
        }
        return {"known": self.known, **tables}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """Take up again what `state` gave.

        Raises
        ------
        KeyError, ValueError
            If it does not fit.
        """
        depths = sum(name.endswith(".centre") for name in state)
        clouds = [
            Cloud(**{name: state[f"depth{number}.{name}"] for name in ("centre", "whiten", "means", "usual")})
            for number in range(depths)
        ]
        return cls(tuple(clouds), state["known"])


def _pick_layers(network: nn.Module, count: int) -> list[nn.Module]:
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear)]
    places = np.linspace(0, len(layers) - 1, count if layers else 0).round().astype(int)
    return [layers[place] for place in sorted(set(places.tolist()))]


def _fit_cloud(features: Tensor, labels: Tensor, usual: Tensor | None = None) -> Cloud:
    """Learn classes' means and one covariance about them, shrunk as Ledoit and Wolf (2004) do."""
    from sklearn.covariance import ledoit_wolf

    values: Floats = features.double().numpy()
    centre, scale = values.mean(axis=0), values.std(axis=0) + 1e-6
    scaled = (values - centre) / scale
    names, place = np.unique(labels.numpy(), return_inverse=True)
    means = np.stack([scaled[place == number].mean(axis=0) for number in range(len(names))])
    covariance, _ = ledoit_wolf(scaled - means[place], assume_centered=True)
    sizes, directions = np.linalg.eigh(covariance)
    turn = directions / np.sqrt(np.maximum(sizes, 1e-9))
    return Cloud(
        centre=torch.from_numpy(centre).float(),
        whiten=torch.from_numpy(turn / scale[:, None]).float(),
        means=torch.from_numpy(means @ turn).float(),
        usual=torch.tensor([0.0, 1.0]) if usual is None else usual,
    )
