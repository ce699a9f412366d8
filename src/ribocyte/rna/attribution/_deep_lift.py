"""DeepLIFT/SHAP, where DeepLIFT has a rule for all that a network does."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from ribocyte.errors import ModelError
from ribocyte.extras import need
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import one_hot
from ribocyte.rna.attribution._attribution import (
    Attribution,
    explainable,
    hypothetical,
    lots,
    output_name,
    predicted,
    shuffled_references,
)
from ribocyte.rna.layers import Maximum

LARGEST_SHARE = 0.01
"""Share of the output's changes that may be missing; more is no rounding, but an operation without a rule."""


def deep_lift_shap(
    model: Predictor,
    tokens: Tensor,
    output: int = 0,
    *,
    references: int = 20,
    seed: int = 0,
    batch_size: int = 256,
) -> Attribution:
    """Attribute an output by DeepLIFT/SHAP, through tangermeme.

    The references are the RNA with its dinucleotides shuffled; padding stays padding.

    Parameters
    ----------
    model : Predictor
        Reads RNA. Every non-linear operation of its network is a module that DeepLIFT has a rule for, as those of
        our convolutional networks without attention are.
    tokens : Tensor, uint8, shape (N, L)
        As `ribocyte.rna.alphabet.tokens` gives them.
    output : int
        Which of the network's outputs.
    references : int
        Shuffles of each RNA.
    seed : int
        Of the shuffling.
    batch_size : int
        Pairs of RNA and reference taken at a time; the result does not depend on it beyond rounding.

    Returns
    -------
    Attribution

    Raises
    ------
    ModelError
        If more than a hundredth of the changes is missing from the contributions: then the network does something
        DeepLIFT has no rule for, such as recurrence or attention, and what they say is wrong.
    RequestError
        If tangermeme is not installed, or there is no such output.
    """
    tokens, name = tokens.cpu(), output_name(model, output)
    parts = [torch.empty(0, 4, tokens.shape[1])]
    means = [torch.empty(0)]
    prediction = predicted(model, tokens, output, batch_size)
    shuffled = shuffled_references(tokens, references, seed)
    for rows in lots(len(tokens)):
        some, their = tokens[rows], shuffled[rows]
        at, begin = one_hot(some)[:, None], one_hot(their.flatten(0, 1))
        slope = _lift(model, some, begin, output, batch_size)
        compared = predicted(model, their.flatten(0, 1), output, batch_size).view(len(some), references)
        pairs = slope.view(len(some), references, 4, -1) * (at - begin.view(len(some), references, 4, -1))
        _refuse_incomplete(model.network, pairs.sum(dim=(2, 3)), prediction[rows, None] - compared)
        parts.append(hypothetical(slope, begin).view_as(pairs).mean(dim=1))
        means.append(compared.mean(dim=1))
    return Attribution("deep-lift-shap", tokens, torch.cat(parts), prediction, torch.cat(means), name)


def _lift(model: Predictor, tokens: Tensor, begin: Tensor, output: int, batch_size: int) -> Tensor:
    """Give DeepLIFT's multipliers (N * R, 4, L) between RNAs (N, L) and their references (N * R, 4, L)."""
    library = need("tangermeme.deep_lift_shap", "bio", "DeepLIFT")
    with explainable(model.network) as network, warnings.catch_warnings():
        # Padding and N are no one-hot letters, and we see to completeness ourselves.
        warnings.filterwarnings("ignore", "(X|references) must be one-hot encoded")
        warnings.filterwarnings("ignore", "Convergence deltas", RuntimeWarning)
        slope: Tensor = library.deep_lift_shap(
            network,
            one_hot(tokens),
            target=output,
            references=begin.reshape(len(tokens), -1, *begin.shape[1:]),
            raw_outputs=True,
            batch_size=batch_size,
            additional_nonlinear_ops={Maximum: _share_maximum},
            only_warn=True,
            device=model.device,
        )
    return slope.cpu().flatten(0, 1)


def _share_maximum(
    module: nn.Module, grad_input: tuple[Tensor, ...], grad_output: tuple[Tensor, ...]
) -> tuple[Tensor]:
    """Say which positions changed a maximum, as DeepLIFT's rule for maxima does; a rule as tangermeme wants them.

    The module holds what it read and gave, (2B, C, 1, L) and (2B, C): first of B sequences, then of their
    references. Up to the larger of both maxima the change belongs to the sequence's highest position, the rest
    to the reference's.
    """
    maps, highest = (getattr(module, name) for name in ("input", "output"))
    maps = maps.flatten(2)
    changes = torch.sub(*maps.chunk(2))
    found, compared = highest.chunk(2)
    top = torch.maximum(found, compared)
    shares = grad_output[0] * torch.cat([top - compared, found - top])
    routed = torch.zeros_like(maps).scatter(2, maps.argmax(dim=2, keepdim=True), shares.unsqueeze(2))
    still = changes == 0
    slope = torch.add(*routed.chunk(2)) / changes.masked_fill(still, 1)
    slope = torch.where(still, grad_input[0].flatten(2).chunk(2)[0], slope)
    return (torch.cat([slope, slope]).view_as(grad_input[0]),)


def _refuse_incomplete(network: nn.Module, added: Tensor, change: Tensor) -> None:
    """Refuse what clearly does not add up, pair by pair: over the references of an RNA, misses may cancel."""
    missing = (added - change).abs().mean().item()
    changed = change.abs().mean().item()
    if missing > max(LARGEST_SHARE * changed, 1e-3):
        raise ModelError(
            f"deep-lift-shap: contributions to {type(network).__name__} miss {missing:.2g} of changes of "
            f"{changed:.2g}",
            expected="a network whose every operation has a DeepLIFT rule: no recurrence, no attention",
            mend="use integrated-gradients or mutagenesis",
        )
