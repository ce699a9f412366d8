"""A network that seeks one pattern and nothing else, so that what should be found in it is known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import LETTERS, tokens
from ribocyte.rna.discovery import Probes
from ribocyte.rna.encoding import RNAEncoding

PATTERN = "UGCAUG"


class Seeker(nn.Module):
    """Affinity = over all positions, 2 for the pattern and 1 for it with one mismatch: (N, 4, L) to (N, 1)."""

    def __init__(self, pattern: str = PATTERN) -> None:
        super().__init__()
        self.detect = nn.Conv1d(4, 2, len(pattern))
        weights = torch.zeros_like(self.detect.weight)
        for at, base in enumerate(pattern):
            weights[0, LETTERS.index(base), at] = 1
        self.detect.weight.data = weights
        self.detect.bias.data = torch.tensor([2.0 - len(pattern), 0.0])

    def forward(self, rna: Tensor) -> Tensor:
        hits: Tensor = self.detect(rna)[:, :1].relu().sum(dim=2)
        return hits


def seeker(pattern: str = PATTERN, length: int = 30) -> Predictor:
    return Predictor(Seeker(pattern), RNAEncoding(length=length, stride=length // 2), {})


def random_tokens(count: int = 1500, length: int = 30, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 4, (count, length), dtype=np.uint8))


def planted_tokens(count: int = 600, length: int = 30, seed: int = 0, pattern: str = PATTERN) -> Tensor:
    """Draw sequences, and put the pattern into every other one, wherever it fits."""
    rows, random = random_tokens(count, length, seed), np.random.default_rng(seed + 1)
    word = tokens([pattern])[0]
    for row in range(0, count, 2):
        start = int(random.integers(0, length - len(word) + 1))
        rows[row, start : start + len(word)] = word
    return rows


def probes(model: Predictor, tokens: Tensor) -> Probes:
    return Probes(tokens, model.outputs(tokens)[:, 0].double().numpy())
