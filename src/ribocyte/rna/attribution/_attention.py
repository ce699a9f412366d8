"""Where a network with attention looks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ribocyte.errors import ModelError
from ribocyte.learn.ensemble import members_of
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
        For each head; sums to 1 over an RNA's nucleotides, 0 at padding. Of an ensemble the heads of all members,
        member by member.

    Raises
    ------
    ModelError
        If the network has no attention.
    """
    members = [_attentive(network) for network in members_of(model.network)]
    parts = []
    with evaluating(model.network):
        for part in torch.split(tokens, batch_size):
            rna = model.encoding.expand(part.to(model.device))
            parts.append(torch.cat([member.attend(rna) for member in members], dim=1).float().cpu())
    return torch.cat(parts)


def _attentive(network: nn.Module) -> Attentive:
    if not isinstance(network, Attentive):
        raise ModelError(
            f"attention: {type(network).__name__} attends to nothing",
            expected="a transformer, or a network trained with model.attention = 'self' or 'pool'",
        )
    return network
