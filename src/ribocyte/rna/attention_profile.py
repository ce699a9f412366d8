"""What attention attends to: its weights aligned on the strongest motif of each probe, and the same by chance.

The control is the probe itself with its nucleotides shuffled, read at the same positions. It keeps the length,
the composition and the place, and loses the motif: what attention gives to the place alone, it gives there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import DataError, ModelError
from ribocyte.learn.evaluation import Score
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import PADDING
from ribocyte.rna.attention import Attentive
from ribocyte.rna.kmers import Positions, Scores, name_kmer, strongest_occurrence, windows

RESAMPLES = 1000
BATCH = 512

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Band:
    """Values and their 95 % bootstrap interval over probes: three arrays of one shape, NaN where no probe is."""

    value: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class Aligned:
    """Attention around the aligned k-mer, relative to uniform: 1 is as much as any nucleotide of the probe.

    Parameters
    ----------
    mean : Band, shape (2 * reach + 1,)
        Mean over the heads.
    heads : Band, shape (heads, 2 * reach + 1)
        Each head.
    """

    mean: Band
    heads: Band


@dataclass(frozen=True)
class Enrichment:
    """How many times uniform the attention on the k nucleotides of the occurrence is.

    Parameters
    ----------
    real, shuffled : Score
        On the probes, and on the same probes shuffled.
    difference : Score
        Real minus shuffled, its interval from the same resamples of probes for both.
    """

    real: Score
    shuffled: Score
    difference: Score


@dataclass(frozen=True, eq=False)
class AttentionProfile:
    """What attention attends to around the strongest occurrence of a motif.

    Parameters
    ----------
    offsets : numpy array, int64, shape (2 * reach + 1,)
        Distance in nt from the middle nucleotide of the k-mer, 3' positive; of an even k, the first after
        the middle.
    real, shuffled : Aligned
        Attention on the probes, and on the same probes shuffled.
    enrichment : Enrichment
        On the k nucleotides of the occurrence, mean over the heads.
    heads : tuple of Enrichment
        The same for each head.
    probes : int
        Probes aligned.
    k : int
        Length of the k-mers in nt.
    kmers : mapping of str to int
        The k-mers aligned and the number of probes each stands for, the most frequent first.
    """

    offsets: Positions
    real: Aligned
    shuffled: Aligned
    enrichment: Enrichment
    heads: tuple[Enrichment, ...]
    probes: int
    k: int
    kmers: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON values; NaN, where no probe reaches, is null."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> AttentionProfile:
        """Read back what `as_json` gave."""
        return cls(
            offsets=np.array(table["offsets"], dtype=np.int64),
            real=_aligned_from(table["real"]),
            shuffled=_aligned_from(table["shuffled"]),
            enrichment=_enrichment_from(table["enrichment"]),
            heads=tuple(_enrichment_from(head) for head in table["heads"]),
            probes=table["probes"],
            k=table["k"],
            kmers=dict(table["kmers"]),
        )


def attention_profile(
    model: Predictor,
    tokens: Tensor,
    scores: Scores,
    k: int,
    *,
    probes: int = 2000,
    reach: int = 15,
    seed: int = 0,
) -> AttentionProfile:
    """Align attention on the strongest k-mer of the probes that hold the strongest k-mers.

    Parameters
    ----------
    model : Predictor
        Its network has attention, and its encoding expands `tokens`.
    tokens : Tensor, uint8, shape (N, L)
        Probes to choose from: those not trained on say what was learned.
    scores : numpy array, shape (4**k,)
        As `ribocyte.rna.kmers.score_kmers` gives them.
    k : int
        Length of the k-mers in nt.
    probes : int
        Probes to use at most: those whose strongest occurrence scores highest.
    reach : int
        Nucleotides shown on either side of the k-mer's middle.
    seed : int
        Of the shuffling and of the bootstrap.

    Returns
    -------
    AttentionProfile
        Intervals are percentile bootstraps over probes; they say nothing of the training's seed.

    Raises
    ------
    ModelError
        If the network has no attention.
    DataError
        If no probe holds a k-mer with a score, or `scores` do not fit `k`.
    """
    position, score = strongest_occurrence(tokens, scores, k)
    chosen = np.argsort(-score, kind="stable")[: min(probes, int((position >= 0).sum()))]  # NaN comes last
    if len(chosen) == 0:
        raise DataError(f"no probe of {len(tokens)} holds a {k}-mer with a score", expected="one at least")
    random = np.random.default_rng(seed)
    rows, start = tokens[torch.from_numpy(chosen)].cpu(), position[chosen]
    shuffled = torch.from_numpy(_shuffled(rows.numpy(), random))
    draws = random.multinomial(len(chosen), np.full(len(chosen), 1 / len(chosen)), RESAMPLES).astype(float)

    attended = [_relative_attention(model, each) for each in (rows, shuffled)]
    on_site = [_around(each, start + k // 2, _site(k)).mean(axis=2) for each in attended]
    offsets = np.arange(-reach, reach + 1)
    real, control = (_aligned(_around(each, start + k // 2, offsets), draws) for each in attended)
    return AttentionProfile(
        offsets=offsets,
        real=real,
        shuffled=control,
        enrichment=_enrichment(on_site[0].mean(axis=1), on_site[1].mean(axis=1), draws),
        heads=tuple(_enrichment(*pair, draws) for pair in zip(on_site[0].T, on_site[1].T, strict=True)),
        probes=len(chosen),
        k=k,
        kmers=_count_kmers(windows(rows.numpy(), k)[np.arange(len(rows)), start], k),
    )


@torch.inference_mode()
def _relative_attention(model: Predictor, tokens: Tensor) -> Array:
    """Give the attention on each nucleotide over what each would have were all alike: (N, heads, L), NaN at padding."""
    network = model.network
    if not isinstance(network, Attentive):
        raise ModelError(
            f"{type(network).__name__}: this network attends to nothing",
            expected="a transformer, or a network trained with model.attention = 'self' or 'pool'",
        )
    was_training = network.training
    network.eval()
    try:
        parts = [
            network.attend(model.encoding.expand(part.to(model.device))).double().cpu()
            for part in torch.split(tokens, BATCH)
        ]
    finally:
        network.train(was_training)
    there = (tokens != PADDING)[:, None, :]
    relative: Array = (torch.cat(parts) * there.sum(dim=2, keepdim=True)).masked_fill(~there, np.nan).numpy()
    return relative


def _shuffled(rows: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Put the nucleotides of each probe in a random order, padding where it was."""
    keys = np.where(rows == PADDING, 2.0, random.random(rows.shape))
    return np.take_along_axis(rows, keys.argsort(axis=1, kind="stable"), axis=1)


def _site(k: int) -> Positions:
    """Give the offsets of a k-mer's nucleotides from its middle one."""
    return np.arange(k) - k // 2


def _around(relative: Array, middle: Positions, offsets: Positions) -> Array:
    """Cut (N, heads, offsets) out around each probe's middle, NaN beyond either end."""
    at = middle[:, None] + offsets
    inside = (at >= 0) & (at < relative.shape[2])
    cut = np.take_along_axis(relative, np.where(inside, at, 0)[:, None, :], axis=2)
    return np.where(inside[:, None, :], cut, np.nan)


def _aligned(around: Array, draws: Array) -> Aligned:
    return Aligned(_band(around.mean(axis=1), draws), _band(around, draws))


def _band(values: Array, draws: Array) -> Band:
    """Average over the probes that have a value, with the middle 95 % of the resampled averages."""
    flat = values.reshape(len(values), -1)
    held, known = np.nan_to_num(flat), (~np.isnan(flat)).astype(float)
    with np.errstate(invalid="ignore"):  # 0 / 0 where no probe reaches: NaN is the answer
        value = held.sum(axis=0) / known.sum(axis=0)
        resampled = (draws @ held) / (draws @ known)
    low, high = _interval(resampled)
    shape = values.shape[1:]
    return Band(value.reshape(shape), low.reshape(shape), high.reshape(shape))


def _enrichment(real: Array, shuffled: Array, draws: Array) -> Enrichment:
    return Enrichment(_score(real, draws), _score(shuffled, draws), _score(real - shuffled, draws))


def _score(values: Array, draws: Array) -> Score:
    band = _band(values, draws)
    return Score(float(band.value), float(band.low), float(band.high))


def _interval(resampled: Array) -> tuple[Array, Array]:
    """Give the middle 95 % of each column's resamples that are defined."""
    low, high = np.full((2, resampled.shape[1]), np.nan)
    defined = ~np.isnan(resampled).all(axis=0)
    low[defined], high[defined] = np.nanpercentile(resampled[:, defined], [2.5, 97.5], axis=0)
    return low, high


def _count_kmers(kmers: Positions, k: int) -> dict[str, int]:
    numbers, counts = np.unique(kmers, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {name_kmer(int(numbers[i]), k): int(counts[i]) for i in order}


def _plain(value: Any) -> Any:
    """Turn arrays into lists and NaN into None, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in (value.tolist() if isinstance(value, np.ndarray) else value)]
    return None if isinstance(value, float) and np.isnan(value) else value


def _aligned_from(table: Mapping[str, Any]) -> Aligned:
    bands = (
        {name: np.array(values, dtype=np.float64) for name, values in table[part].items()}
        for part in ("mean", "heads")
    )
    return Aligned(*(Band(**band) for band in bands))


def _enrichment_from(table: Mapping[str, Any]) -> Enrichment:
    return Enrichment(**{name: Score(**score) for name, score in table.items()})
