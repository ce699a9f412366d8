"""Deep ensembles: several networks of one configuration, trained together and read as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Networks that share nothing but their inputs (deep ensembles, Lakshminarayanan et al. 2017).

    Callers use `forward`, `member_outputs` and `combine` only, and `members_of`, so that the members may one
    day be computed as one batched network.

    Parameters
    ----------
    members : sequence of nn.Module
        Each takes (N, ...) and gives (N, P).
    logits : bool
        Whether the members give logits. They are then combined into logits whose softmax is the mean of the
        members' probabilities, which is the mixture the paper predicts with; a mean of logits would be surer
        than that. Everything else, probabilities and measured values, is combined by its mean.
    """

    def __init__(self, members: Sequence[nn.Module], logits: bool = False) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.logits = logits

    def forward(self, inputs: Tensor) -> Tensor:
        """Give the ensemble's own outputs, (N, P)."""
        return self.combine(self.member_outputs(inputs))

    def member_outputs(self, inputs: Tensor) -> Tensor:
        """Give every member's outputs, (M, N, P)."""
        return torch.stack([member(inputs) for member in self.members])

    def combine(self, outputs: Tensor) -> Tensor:
        """Make one of the members' outputs: (M, N, P) to (N, P)."""
        if not self.logits:
            return outputs.mean(dim=0)
        return outputs.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(outputs))


class Together(nn.Module):
    """What is trained of a network: all its members at once, of which a single network is the only one.

    `forward` gives every member's outputs, (M, N, P), so that each has its own loss. It is a module because
    those who share a training among processes wrap what is trained, and see its forward pass only.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Give every member's outputs, (M, N, P)."""
        if isinstance(self.network, Ensemble):
            return self.network.member_outputs(inputs)
        outputs: Tensor = self.network(inputs)
        return outputs[None]


def members_of(network: nn.Module) -> list[nn.Module]:
    """List the networks that an ensemble is made of; a single network is an ensemble of itself."""
    return list(network.members) if isinstance(network, Ensemble) else [network]
