"""Where a network with attention looks."""

from __future__ import annotations

import torch
from torch import Tensor

from ribocyte.errors import ModelError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.attention import Attentive
from ribocyte.rna.attribution._attribution import evaluating


@torch.inference_mode()
def attention(model: Predictor, tokens: Tensor, batch_size: int = 512) -> Tensor:
    """Give the share of attention each nucleotide receives.

    Parameters
    ----------
    model : Predictor
        Its network has attention (`ribocyte.rna.attention.Attentive`).
    tokens : Tensor, uint8, shape (N, L)
        As `ribocyte.rna.alphabet.tokens` gives them.
    batch_size : int
        RNAs at a time.

    Returns
    -------
    Tensor, float32, shape (N, H, L), on the CPU
        For each head; sums to 1 over an RNA's nucleotides, 0 at padding.

    Raises
    ------
    ModelError
        If the network has no attention.
    """
    network = model.network
    if not isinstance(network, Attentive):
        raise ModelError(
            f"attention: {type(network).__name__} attends to nothing",
            expected="a transformer, or a network trained with model.attention = 'self' or 'pool'",
        )
    with evaluating(network):
        parts = [
            network.attend(model.encoding.expand(part.to(model.device))).float().cpu()
            for part in torch.split(tokens, batch_size)
        ]
    return torch.cat(parts)
