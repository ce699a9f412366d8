"""In-silico saturation mutagenesis: every substitution tried, many RNAs at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import LETTERS, PADDING
from ribocyte.rna.attribution._attribution import Attribution, output_name, predicted

BATCH = 256
"""Mutants read at a time; what a network makes of more no longer fits into a core's cache."""
PORTION = 1 << 20
"""Letters of mutants that lie in memory at the same time, and of the table that lists them."""


def mutagenesis(model: Predictor, tokens: Tensor, output: int = 0, batch_size: int = BATCH) -> Tensor:
    """Measure what every single substitution does to an output.

    Parameters
    ----------
    model : Predictor
        Reads RNA.
    tokens : Tensor, uint8, shape (N, L)
        As `ribocyte.rna.alphabet.tokens` gives them.
    output : int
        Which of the network's outputs.
    batch_size : int
        Mutants read at a time; the result does not depend on it beyond rounding.

    Returns
    -------
    Tensor, float32, shape (N, 4, L), on the CPU
        Output of the mutant minus that of the RNA itself, for A, C, G and U; 0 for the base that is there and
        at padding. At N each of the four is a substitution of what the network makes of N, their mean.

    Raises
    ------
    RequestError
        If there is no such output.
    """
    tokens = tokens.cpu()
    output_name(model, output)  # refuses what is not there
    return _effects(model, tokens, predicted(model, tokens, output, batch_size), output, batch_size)


def mutational_attribution(
    model: Predictor, tokens: Tensor, output: int = 0, batch_size: int = BATCH
) -> Attribution:
    """Attribute an output by mutagenesis: a base contributes what it gives over the mean of the four.

    Parameters and errors as for `mutagenesis`.
    """
    tokens, name = tokens.cpu(), output_name(model, output)
    prediction = predicted(model, tokens, output, batch_size)
    effects = _effects(model, tokens, prediction, output, batch_size)
    values = effects - effects.mean(dim=1, keepdim=True)
    return Attribution("mutagenesis", tokens, values, prediction, None, name)


def _effects(model: Predictor, tokens: Tensor, prediction: Tensor, output: int, batch_size: int) -> Tensor:
    count, length = tokens.shape
    effects = torch.zeros(count, len(LETTERS), length)
    for rows in torch.split(torch.arange(count), max(1, PORTION // (len(LETTERS) * max(length, 1)))):
        for row, base, position in _substitutions(tokens[rows], max(batch_size, PORTION // length)):
            row = rows[row]
            mutants = tokens[row]
            mutants[torch.arange(len(row)), position] = base.to(torch.uint8)
            changed = predicted(model, mutants, output, batch_size)
            effects[row, base, position] = changed - prediction[row]
    return effects


def _substitutions(tokens: Tensor, together: int) -> list[tuple[Tensor, ...]]:
    """List row, base and position of every substitution, `together` at a time."""
    bases = torch.arange(len(LETTERS), dtype=torch.uint8)[None, :, None]
    wanted = (tokens[:, None] != bases) & (tokens[:, None] != PADDING)
    return [some.unbind(1) for some in torch.split(wanted.nonzero(), together)]
