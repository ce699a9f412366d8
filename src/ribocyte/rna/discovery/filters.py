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
    read = [_activate(model, convolution, probes.tokens) for convolution in convolutions]
    ranked = _ranked(np.concatenate([hits.amax(dim=2).double().numpy() for hits, _ in read], axis=1), probes)
    for number in ranked:
        member, own = divmod(number, convolutions[0].out_channels)
        activations, windows = read[member]
        hits = activations[:, own].numpy()
        sites = windows[hits > share * hits.max()]
        if hits.max() > 0 and len(sites) >= FEWEST:
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


@torch.inference_mode()
def _activate(
    model: Predictor, convolution: nn.Conv1d | nn.Conv2d, tokens: Tensor
) -> tuple[Tensor, NDArray[np.uint8]]:
    """Give each filter's activation on each whole window (N, F, W), and the windows (N, W, width)."""
    width = convolution.kernel_size[-1]
    weight = convolution.weight.reshape(len(convolution.weight), 4, width)
    windows = tokens.cpu().unfold(1, width, 1)
    parts = [
        nn.functional.conv1d(
            model.encoding.expand(part.to(model.device)).to(weight.dtype), weight, convolution.bias
        )
        .float()
        .cpu()
        for part in torch.split(tokens, BATCH)
    ]
    activations = torch.cat(parts)
    whole = (windows < UNKNOWN).all(dim=2)
    return activations.masked_fill_(~whole[:, None], -torch.inf), windows.numpy()


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
