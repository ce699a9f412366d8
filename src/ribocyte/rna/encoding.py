"""From RNA sequences of any length to what a network takes, and from its outputs to a table people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ribocyte.errors import DataError
from ribocyte.learn import recipe
from ribocyte.learn.splits import Info
from ribocyte.rna.alphabet import PADDING, one_hot, tokens
from ribocyte.rna.protocols import EPSILON

TOKENISED_TOGETHER = 4096
"""Letters in a row while a text of any length becomes tokens."""

Codes = np.ndarray[Any, np.dtype[np.uint8]]
Counts = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class RNAEncoding:
    """How RNA goes into a network trained on RNAcompete probes, and what its outputs mean.

    A sequence longer than the window is tiled: windows begin at its nucleotides 1, 1 + stride, 1 + 2 · stride, …
    until one reaches its end. The last may be shorter, by less than `stride`, and is padded on the right as
    short probes are: with the defaults every window has 32 to 41 nt, within the 30 to 41 of the array, and every
    site of up to 32 nt lies whole in some window.

    Parameters
    ----------
    length : int
        Window in nt.
    experiments : tuple of str
        What each output of the network is.
    stride : int
        Distance between windows in nt.
    shift, mean, std : tuple of float
        How each experiment's intensities were scaled (see `ribocyte.rna.protocols.Scale`), one number per
        experiment; empty where that is not known.
    """

    length: int = 41
    experiments: tuple[str, ...] = ()
    stride: int = 10
    shift: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        recipe.check(1 <= self.length <= 100_000, "encoding.length", self.length, "from 1 to 100,000")
        recipe.check(
            1 <= self.stride <= self.length, "encoding.stride", self.stride, f"from 1 to {self.length}"
        )
        for name in ("shift", "mean", "std"):
            count = len(getattr(self, name))
            whole = count == (len(self.experiments) if self.shift else 0)
            recipe.check(
                whole, f"encoding.{name}", getattr(self, name), "a number for each experiment, or none"
            )

    @classmethod
    def from_info(cls, info: Info, stride: int = 10) -> RNAEncoding:
        """Make the encoding that belongs to a data set, or to a model trained on it."""
        known: Mapping[str, Any] = info.normalisation
        scales = {name: tuple(known.get(name, ())) for name in ("shift", "mean", "std")}
        return cls(length=int(known.get("length", 41)), experiments=info.outputs, stride=stride, **scales)

    def encode(self, raw: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Turn sequences into windows.

        Parameters
        ----------
        raw : sequence of str
            RNA of any length; T is U, lower case is accepted.

        Returns
        -------
        tokens : Tensor, uint8, shape (W, length)
            Windows, those of a sequence next to each other and in its order.
        owner : Tensor, int64, shape (W,)
            Which sequence, from 0, each window belongs to; never falls.

        Raises
        ------
        DataError
            For an empty sequence or a letter outside A, C, G, U, T, N; names the sequence and the position.
        """
        lengths = np.fromiter((len(rna) for rna in raw), dtype=np.int64, count=len(raw))
        counts = 1 + np.maximum(-(-(lengths - self.length) // self.stride), 0)
        owner = torch.from_numpy(np.repeat(np.arange(len(raw)), counts))
        if not (counts > 1).any():
            return tokens(raw, self.length), owner
        return self._cut(_tokenise(raw), lengths, counts), owner

    def expand(self, compact: Tensor) -> Tensor:
        """Turn tokens (N, length) into one-hot (N, 4, length) float32, on the same device."""
        return one_hot(compact)

    def decode(self, outputs: Tensor, owner: Tensor) -> pl.DataFrame:
        """Turn a network's outputs into one row per sequence.

        A sequence is bound as strongly as its best window: a site anywhere is a site.

        Parameters
        ----------
        outputs : Tensor, shape (W, P)
            One column per experiment.
        owner : Tensor, int64, shape (W,)
            As `encode` gives it.

        Returns
        -------
        DataFrame
            ``windows``: how many the sequence was read in. For each experiment: ``NAME``, the largest output
            (a z-score of log intensity); ``NAME_window``, where that window begins, counted from 1; and, where the
            scale is known, ``NAME_intensity``, the same as an intensity on the scale of the measured ones.
        """
        windows = torch.bincount(owner)
        best, at = best_windows(outputs.float(), owner, windows)
        starts = (at * self.stride + 1).numpy()
        intensities = self._intensities(best) if self.shift else None
        columns = {"windows": windows.numpy()}
        for number, name in enumerate(self.experiments):
            columns[name] = best[:, number].numpy()
            columns[f"{name}_window"] = starts[:, number]
            if intensities is not None:
                columns[f"{name}_intensity"] = intensities[:, number].numpy()
        return pl.DataFrame(columns)

    def _cut(self, letters: Codes, lengths: Counts, counts: Counts) -> Tensor:
        """Cut `counts` windows out of each of the sequences whose tokens lie end to end in `letters`.

        Each is laid out, with its padding, from a multiple of the stride: then all windows of all sequences are
        one view, and those that begin in padding or reach into the next sequence are left out of it.
        """
        strides = counts + -(-self.length // self.stride) - 1
        laid = np.full(int(strides.sum()) * self.stride, PADDING, dtype=np.uint8)
        laid[_alternate(lengths, strides * self.stride - lengths)] = letters
        windows = torch.from_numpy(laid).unfold(0, self.length, self.stride)
        wanted = _alternate(counts, strides - counts)
        return windows[torch.from_numpy(wanted[: len(windows)])]

    def _intensities(self, scores: Tensor) -> Tensor:
        """Undo the scaling of targets, (S, P) float64."""
        shift, mean, std = (
            torch.tensor(numbers, dtype=torch.float64) for numbers in (self.shift, self.mean, self.std)
        )
        return torch.exp(scores.double() * (std + EPSILON) + mean) - shift - EPSILON


def best_windows(outputs: Tensor, owner: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
    """Find the window that counts of each sequence: the one with the largest output.

    Parameters
    ----------
    outputs : Tensor, float32, shape (W, P)
        Of all windows.
    owner : Tensor, int64, shape (W,)
        The sequence of each.
    windows : Tensor, int64, shape (S,)
        How many each sequence has.

    Returns
    -------
    best : Tensor, float32, shape (S, P)
        Each sequence's largest output.
    at : Tensor, int64, shape (S, P)
        The first of its windows, from 0, that has it.
    """
    if len(owner) == 0 or windows.max() == 1:
        return outputs, torch.zeros_like(outputs, dtype=torch.int64)
    index = owner[:, None].expand_as(outputs)
    shape = (len(windows), outputs.shape[1])
    best = outputs.new_full(shape, -torch.inf).scatter_reduce(0, index, outputs, "amax")
    first_window = torch.cumsum(windows, 0) - windows
    number = torch.arange(len(owner)) - first_window[owner]
    # NaN is never equal to itself; an output that is NaN still has a place.
    hit = (outputs == best[owner]) | outputs.isnan()
    candidates = torch.where(hit, number[:, None], len(owner))
    at = torch.full(shape, len(owner)).scatter_reduce(0, index, candidates, "amin")
    return best, at


def _tokenise(raw: Sequence[str]) -> Codes:
    """Turn sequences into tokens that lie end to end."""
    text = "".join(raw)
    width = TOKENISED_TOGETHER
    if not all(raw):
        tokens(raw)  # says which is empty
    try:
        rows = tokens([text[at : at + width] for at in range(0, len(text), width)], width)
    except DataError:
        tokens(raw)  # the same error, but with the number of the sequence
        raise
    return rows.numpy().ravel()[: len(text)]


def _alternate(yes: Counts, no: Counts) -> Mask:
    """Write True `yes` times, then False `no` times, for each of the sequences."""
    return np.repeat(np.tile([True, False], len(yes)), np.stack([yes, no], axis=1).ravel())
