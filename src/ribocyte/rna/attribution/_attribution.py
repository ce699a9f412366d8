"""What every method gives, and the state in which a network is explained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ribocyte.errors import RequestError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import PADDING, one_hot
from ribocyte.rna.shuffling import dinucleotide_shuffle

TOGETHER = 256
"""Sequences whose references lie in memory at the same time."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What each nucleotide of some RNAs contributes to an output of a network.

    Parameters
    ----------
    method : str
        ``mutagenesis``, ``integrated-gradients`` or ``deep-lift-shap``.
    tokens : Tensor, uint8, shape (N, L)
        The RNAs.
    values : Tensor, float32, shape (N, 4, L)
        Hypothetical contributions, as TF-MoDISco wants them: what each base would contribute if it stood there;
        0 at padding. For mutagenesis, the output with that base there minus the mean over the four.
    prediction : Tensor, float32, shape (N,)
        What the network says of the RNAs.
    reference : Tensor, float32, shape (N,), optional
        The mean of what it says of an RNA's references; None for mutagenesis, which has none.
    output : str
        Name of the output that is explained.
    """

    method: str
    tokens: Tensor
    values: Tensor
    prediction: Tensor
    reference: Tensor | None
    output: str

    @classmethod
    def join(cls, parts: Sequence[Attribution]) -> Attribution:
        """Put together what was found, by one method and of one output, for several lots of RNAs of one length."""
        first = parts[0]
        references = [part.reference for part in parts if part.reference is not None]
        return cls(
            method=first.method,
            tokens=torch.cat([part.tokens for part in parts]),
            values=torch.cat([part.values for part in parts]),
            prediction=torch.cat([part.prediction for part in parts]),
            reference=torch.cat(references) if references else None,
            output=first.output,
        )

    @property
    def contributions(self) -> Tensor:
        """What the nucleotide that is there contributes, (N, L); of N the mean of the four bases, 0 at padding."""
        return (self.values * one_hot(self.tokens)).sum(dim=1)

    @property
    def effects(self) -> Tensor:
        """What a substitution would change, (N, 4, L); 0 for the base that is there and at padding.

        For mutagenesis as it was measured, up to rounding; for the other methods their estimate of it.
        """
        there = (self.tokens != PADDING)[:, None]
        present = one_hot(self.tokens) == 1
        return ((self.values - self.contributions[:, None]) * there).masked_fill(present, 0)

    @property
    def deltas(self) -> Tensor | None:
        """By how much each RNA's contributions miss completeness, (N,); None for mutagenesis.

        The sum of the contributions minus the output's difference from the references' mean: what a perfect
        computation would make zero.
        """
        if self.reference is None:
            return None
        return self.contributions.sum(dim=1) - (self.prediction - self.reference)


def output_name(model: Predictor, output: int) -> str:
    """Name an output of a model.

    Raises
    ------
    RequestError
        If the model is known to have no such output.
    """
    names = tuple(getattr(model.encoding, "experiments", ()))
    if names and not 0 <= output < len(names):
        raise RequestError(
            f"output = {output}: the model has {len(names)}", expected=f"0 to {len(names) - 1}"
        )
    return names[output] if names else f"output {output}"


def predicted(model: Predictor, tokens: Tensor, output: int, batch_size: int) -> Tensor:
    """Run the network over RNAs (N, L), for one of its outputs (N,)."""
    with evaluating(model.network):  # `outputs` would put one mode back for all modules
        return model.outputs(tokens, batch_size)[:, output] if len(tokens) else torch.empty(0)


def lots(count: int) -> list[Tensor]:
    """Give the numbers of so many rows in lots that lie in memory at the same time; none where there is none."""
    return [rows for rows in torch.split(torch.arange(count), TOGETHER) if len(rows)]


def shuffled_references(tokens: Tensor, count: int, seed: int) -> Tensor:
    """Shuffle the dinucleotides of each RNA, (N, count, L), as if it were alone; padding stays where it is.

    Raises
    ------
    RequestError
        If `count` is below 1.
    """
    if count < 1:
        raise RequestError(f"references = {count}", expected="1 or more")
    return dinucleotide_shuffle(tokens, seed, count, alone=True)


def hypothetical(slope: Tensor, begin: Tensor) -> Tensor:
    """Multiply a mean slope (N, 4, L) with the whole way from a reference (N, 4, L) to each base; 0 at padding."""
    there = begin.sum(dim=1, keepdim=True) > 0
    return (slope - (slope * begin).sum(dim=1, keepdim=True)) * there


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """Have every module of a network evaluate, and put each one's own mode back."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield network
    finally:
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def explainable(network: nn.Module) -> Iterator[nn.Module]:
    """Give the network in a state in which it can be differentiated as it predicts; all is put back after.

    cuDNN refuses the backward pass of a recurrent network that is not being trained, and leaves it to PyTorch's own
    kernels.
    """
    recurrent = any(isinstance(module, nn.RNNBase) for module in network.modules())
    kernels = torch.backends.cudnn.flags(enabled=False) if recurrent else contextlib.nullcontext()
    with evaluating(network), kernels, torch.enable_grad():
        yield network
