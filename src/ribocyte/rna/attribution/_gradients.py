"""Integrated gradients, in as many steps as it takes for them to be complete."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ribocyte.errors import RequestError
from ribocyte.extras import need
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import PADDING, UNKNOWN, one_hot
from ribocyte.rna.attribution._attribution import (
    Attribution,
    explainable,
    hypothetical,
    lots,
    output_name,
    predicted,
    shuffled_references,
)

Baseline = Literal["shuffled", "uniform"]


def integrated_gradients(
    model: Predictor,
    tokens: Tensor,
    output: int = 0,
    *,
    baseline: Baseline = "shuffled",
    references: int = 10,
    seed: int = 0,
    steps: int = 32,
    most_steps: int = 8192,
    tolerance: float = 1e-3,
    batch_size: int = 256,
) -> Attribution:
    """Attribute an output by integrated gradients (Sundararajan et al. 2017), through captum.

    Parameters
    ----------
    model : Predictor
        Reads RNA; its network can be differentiated.
    tokens : Tensor, uint8, shape (N, L)
        As `ribocyte.rna.alphabet.tokens` gives them.
    output : int
        Which of the network's outputs.
    baseline : {"shuffled", "uniform"}
        Where the way to the RNA begins. The default, the RNA with its dinucleotides shuffled, averaged over several
        shuffles, is RNA of the kind that the network knows, and without the site. ``uniform``, a quarter of
        every base, costs a tenth, but no network was trained on it: our best one for A1CF predicts more for it
        than for its strongest probes. Padding is padding in both.
    references : int
        Shuffles of each RNA.
    seed : int
        Of the shuffling.
    steps : int
        Steps on the way at first. Where they are too few, twice as many follow and are averaged with those before,
        in proportion: networks of ReLUs and maxima have kinks on the way, which only many steps can place.
    most_steps : int
        The largest number in one go.
    tolerance : float
        What is accepted as complete, in units of the output; see ``deltas`` of the result for what was reached.
    batch_size : int
        Points on the way taken at a time; the result does not depend on it beyond rounding.

    Returns
    -------
    Attribution

    Raises
    ------
    RequestError
        If captum is not installed (tangermeme too, where references are shuffled), or a setting is impossible.
    """
    if baseline not in ("shuffled", "uniform"):
        raise RequestError(f"baseline = {baseline!r}", expected="'shuffled' or 'uniform'")
    if not 1 <= steps <= most_steps:
        raise RequestError(f"steps = {steps}", expected=f"from 1 to most_steps = {most_steps}")
    tokens, name = tokens.cpu(), output_name(model, output)
    values, reference = torch.empty(len(tokens), 4, tokens.shape[1]), torch.empty(len(tokens))
    prediction = predicted(model, tokens, output, batch_size)
    compared = _uniform(tokens) if baseline == "uniform" else shuffled_references(tokens, references, seed)
    way = _Way(model, output, batch_size)
    for rows in lots(len(tokens)):
        part = compared[rows]
        reference[rows] = (
            predicted(model, part.flatten(0, 1), output, batch_size).view(part.shape[:2]).mean(1)
        )
        change = prediction[rows] - reference[rows]
        values[rows] = _refine(way, tokens[rows], part, change, (steps, most_steps), tolerance)
    return Attribution("integrated-gradients", tokens, values, prediction, reference, name)


def _uniform(tokens: Tensor) -> Tensor:
    """Put N, which is a quarter of every base, at every nucleotide: (N, 1, L)."""
    return tokens.masked_fill(tokens != PADDING, UNKNOWN)[:, None]


def _refine(
    way: _Way, tokens: Tensor, references: Tensor, change: Tensor, steps: tuple[int, int], tolerance: float
) -> Tensor:
    """Go the way in ever more steps, for the RNAs whose contributions do not yet add up to the change."""
    found, spent = torch.zeros(len(tokens), 4, tokens.shape[1]), torch.zeros(len(tokens), 1, 1)
    left, (count, most) = torch.arange(len(tokens)), steps
    while len(left) and count <= most:
        found[left] += count * way.integrate(tokens[left], references[left], count)
        spent[left] += count
        added = (found[left] / spent[left] * one_hot(tokens[left])).sum(dim=(1, 2))
        left, count = left[(added - change[left]).abs() > tolerance], 2 * count
    return found / spent


class _Way:
    """Ways from references to RNAs through a model's network."""

    def __init__(self, model: Predictor, output: int, batch_size: int) -> None:
        self.model, self.output, self.batch_size = model, output, batch_size
        self.library = need("captum.attr", "bio", "integrating gradients")

    def integrate(self, tokens: Tensor, references: Tensor, steps: int) -> Tensor:
        """Give hypothetical contributions (N, 4, L), the mean over each RNA's references (N, R, L)."""
        count = references.shape[1]
        parts = []
        with explainable(self.model.network) as network:
            method = self.library.IntegratedGradients(network, multiply_by_inputs=False)
            rows = max(1, self.batch_size // count)
            for some, their in zip(torch.split(tokens, rows), torch.split(references, rows), strict=True):
                at = one_hot(some.to(self.model.device)).repeat_interleave(count, dim=0)
                begin = one_hot(their.flatten(0, 1).to(self.model.device))
                slope = method.attribute(
                    at,
                    begin,
                    target=self.output,
                    n_steps=steps,
                    method="riemann_middle",  # kinks spoil what Gauss and Legendre gain on smooth functions
                    internal_batch_size=max(self.batch_size, len(at)),
                )
                parts.append(
                    hypothetical(slope.detach(), begin).view(len(some), count, 4, -1).mean(dim=1).cpu()
                )
        return torch.cat(parts)
