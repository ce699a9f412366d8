"""Motifs from a network's own detectors: what the filters of its first convolution respond to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ribocyte.errors import ModelError
from ribocyte.learn.ensemble import members_of
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import UNKNOWN
from ribocyte.rna.discovery.motif import FEWEST, Aligned, Probes, count_bases

BATCH = 1024


def find_by_filters(model: Predictor, probes: Probes, share: float = 0.5) -> Iterator[Aligned]:
    """Align what excites the filters of the first convolution to more than half of their maximum.

    So Alipanahi et al. (2015) and Kelley et al. (2016) read theirs. Filters are taken in the order in which their
    maximum over a sequence goes with the model's prediction (Pearson); those that go against it are left out.

    Parameters
    ----------
    model : Predictor
        Its network, or each member of an ensemble, begins with a convolution over the four bases.
    probes : Probes
        Sequences, and what the model predicts for them.
    share : float
        Of a filter's maximum over all sequences, that a site has to exceed.

    Yields
    ------
    Aligned
        Of `FEWEST` sites or more. The label is the filter's number, counted from 0 through the members.

    Raises
    ------
    ModelError
        If a network begins with anything else.
    """
    convolutions = [first_convolution(network) for network in members_of(model.network)]
    if probes.tokens.shape[1] < max(convolution.kernel_size[-1] for convolution in convolutions):
        return
    peaks = np.concatenate(
        [_find_peaks(model, convolution, probes.tokens) for convolution in convolutions], axis=1
    )
    for number in _ranked(peaks, probes):
        member, own = divmod(number, convolutions[0].out_channels)
        highest = float(peaks[:, number].max())
        sites = _cut_sites(model, convolutions[member], own, probes.tokens, share * highest)
        if highest > 0 and len(sites) >= FEWEST:
            yield Aligned(str(number), count_bases(sites), len(sites))


def first_convolution(network: nn.Module) -> nn.Conv1d | nn.Conv2d:
    """Give a network's first layer, which has to be a convolution along the RNA over A, C, G, U.

    Raises
    ------
    ModelError
        If it is something else.
    """
    first = next((module for module in network.modules() if _is_layer(module)), None)
    match first:
        case nn.Conv1d(in_channels=4, dilation=(1,)) | nn.Conv2d(in_channels=4, dilation=(1, 1)):
            if first.kernel_size[:-1] in ((), (1,)) and first.groups == 1:
                return first
    raise ModelError(
        f"{type(network).__name__}: its first layer is {type(first).__name__}, and filters cannot be read from it",
        expected="a convolution over the four bases",
        mend="leave the method filters out",
    )


def _is_layer(module: nn.Module) -> bool:
    """Tell a layer from what only holds layers."""
    return not any(True for _ in module.children()) and any(True for _ in module.parameters(recurse=False))


def _find_peaks(model: Predictor, convolution: nn.Conv1d | nn.Conv2d, tokens: Tensor) -> NDArray[np.float64]:
    """Give each filter's largest activation on a whole window of each sequence (N, F); -inf where none is whole."""
    parts = [_activate(model, convolution, part).amax(dim=2) for part in torch.split(tokens, BATCH)]
    return torch.cat(parts).double().numpy()


def _cut_sites(
    model: Predictor, convolution: nn.Conv1d | nn.Conv2d, own: int, tokens: Tensor, least: float
) -> NDArray[np.uint8]:
    """Cut out the windows (S, width) that excite one filter to more than `least`."""
    parts = []
    for part in torch.split(tokens, BATCH):
        activations = _activate(model, convolution, part, slice(own, own + 1))[:, 0]
        parts.append(part.cpu().unfold(1, convolution.kernel_size[-1], 1)[activations > least])
    return torch.cat(parts).numpy()


@torch.inference_mode()
def _activate(
    model: Predictor, convolution: nn.Conv1d | nn.Conv2d, tokens: Tensor, filters: slice = slice(None)
) -> Tensor:
    """Give the activation of some filters on each window (N, F, W), -inf on one that is not whole."""
    width = convolution.kernel_size[-1]
    weight = convolution.weight.reshape(len(convolution.weight), 4, width)[filters]
    bias = None if convolution.bias is None else convolution.bias[filters]
    rna = model.encoding.expand(tokens.to(model.device)).to(weight.dtype)
    activations = nn.functional.conv1d(rna, weight, bias).float().cpu()
    whole = (tokens.cpu().unfold(1, width, 1) < UNKNOWN).all(dim=2)
    return activations.masked_fill_(~whole[:, None], -torch.inf)


def _ranked(peaks: NDArray[np.float64], probes: Probes) -> list[int]:
    """List the filters that go with the predictions, the closest first."""
    seen = np.isfinite(peaks).all(axis=1)
    if not seen.any():
        return []
    centred = peaks[seen] - peaks[seen].mean(axis=0)
    target = probes.outputs[seen] - probes.outputs[seen].mean()
    scale = np.sqrt((centred**2).sum(axis=0) * (target**2).sum())
    together = np.divide(target @ centred, scale, out=np.zeros(peaks.shape[1]), where=scale > 0)
    return [int(number) for number in np.argsort(-together, kind="stable") if together[number] > 0]
