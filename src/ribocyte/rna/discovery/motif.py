"""A motif that was found in a trained model: from aligned sites to probabilities, trimmed and spelled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import DataError
from ribocyte.rna.alphabet import LETTERS
from ribocyte.rna.motifs import IUPAC

Array = NDArray[np.float64]
Codes = NDArray[np.uint8]

PSEUDOCOUNT = 1.0
"""Sites added to every column, a quarter of each base: ten sites that agree become 0.93, not certainty."""
LEAST_BITS = 0.05
"""A column at either end of a motif that tells less is trimmed. RNAcompete's own matrices keep columns as weak as
this, and what they keep is compared: trimmed at 0.25 bits, the motifs of A1CF networks match it ten times worse."""
CORE_BITS = 0.5
"""What a column has to tell to belong to the core of a site."""
SHORTEST = 4
"""Nucleotides; less is no motif."""
FEWEST = 20
"""Sites cut out of sequences; fewer say little of any position."""

_SPELLING = {"".join(sorted(bases)): letter for letter, bases in IUPAC.items() if letter != "T"}


@dataclass(frozen=True, eq=False)
class Probes:
    """Sequences, and what a model says of each.

    Parameters
    ----------
    tokens : Tensor, uint8, shape (N, L)
        As `ribocyte.rna.alphabet.tokens` gives them.
    outputs : numpy array, float64, shape (N,)
        One output of the model.
    """

    tokens: Tensor
    outputs: Array

    def __post_init__(self) -> None:
        if self.tokens.ndim != 2 or self.outputs.shape != tuple(self.tokens.shape[:1]):
            raise DataError(
                f"outputs of the shape {self.outputs.shape} for tokens of {tuple(self.tokens.shape)}",
                expected="one a sequence",
            )

    def __len__(self) -> int:
        return len(self.outputs)

    def strongest(self, count: int) -> NDArray[np.int64]:
        """Give the rows with the highest outputs, best first."""
        return np.argsort(-self.outputs, kind="stable")[:count]


@dataclass(frozen=True, eq=False)
class Aligned:
    """Sites that a method put side by side: what a motif is made of.

    Parameters
    ----------
    label : str
        Tells it from the method's others.
    counts : numpy array, float64, shape (L, 4)
        Of A, C, G, U at each position, not necessarily whole numbers.
    sites : int
        Sequences, or k-mers, that were aligned.
    """

    label: str
    counts: Array
    sites: int


@dataclass(frozen=True, eq=False)
class FoundMotif:
    """A motif that a model was found to look for.

    Parameters
    ----------
    name : str
        Such as ``seqlets-1``.
    pwm : numpy array, float64, shape (L, 4)
        Probabilities of A, C, G, U; each row sums to 1.
    method : str
        Which of `ribocyte.rna.discovery.METHODS` found it.
    sites : int
        Sequences, or k-mers, that were aligned.
    score : float
        What its best site adds to the model's output, on average over contexts (`ribocyte.rna.importance.measure`):
        comparable among methods, whatever they count.
    """

    name: str
    pwm: Array
    method: str
    sites: int
    score: float = math.nan

    @property
    def consensus(self) -> str:
        """The motif in IUPAC letters, without N at its ends."""
        return spell(self.pwm).strip("N")

    @property
    def best_site(self) -> str:
        """The likeliest base of each position, N where none is as likely as all others together, none at the ends."""
        return find_best_site(self.pwm)


def make_motif(method: str, aligned: Aligned) -> FoundMotif | None:
    """Turn aligned sites into a trimmed motif, not yet scored; None where too little is left of them."""
    pwm = trim(normalise(aligned.counts))
    if len(pwm) < SHORTEST or len(find_best_site(pwm)) < SHORTEST:
        return None
    return FoundMotif(f"{method}-{aligned.label}", pwm, method, aligned.sites)


def find_best_site(pwm: Array) -> str:
    """Spell the likeliest base of each position; see `FoundMotif.best_site`."""
    sure = zip(pwm.argmax(axis=1), pwm.max(axis=1) >= 0.5, strict=True)
    return "".join(LETTERS[base] if likely else "N" for base, likely in sure).strip("N")


def count_bases(rows: Codes, weights: Array | None = None) -> Array:
    """Count the bases at each position of aligned sequences.

    Parameters
    ----------
    rows : numpy array, uint8, shape (N, L)
        Tokens; N and padding count for no base.
    weights : numpy array, shape (N,), optional
        What each sequence counts; 1 where not given.

    Returns
    -------
    numpy array, float64, shape (L, 4)
    """
    each = np.ones(len(rows)) if weights is None else weights
    return np.stack([each @ (rows == base) for base in range(4)], axis=1).astype(np.float64)


def normalise(counts: Array) -> Array:
    """Turn counts (L, 4) into probabilities; `PSEUDOCOUNT` keeps them from 0 and 1."""
    padded: Array = counts + PSEUDOCOUNT / 4
    probabilities: Array = padded / padded.sum(axis=1, keepdims=True)
    return probabilities


def information(pwm: Array) -> Array:
    """Give each position's information in bits: 0 where all bases are alike, 2 where one is certain (L,)."""
    surprise = np.log2(np.where(pwm > 0, pwm, 1.0))
    bits: Array = 2.0 + (pwm * surprise).sum(axis=1)
    return bits


def trim(pwm: Array, least: float = LEAST_BITS) -> Array:
    """Cut off what tells less than `least` bits at either end; possibly all of it."""
    telling = np.flatnonzero(information(pwm) >= least)
    return pwm[telling[0] : telling[-1] + 1] if len(telling) else pwm[:0]


def spell(pwm: Array) -> str:
    """Write a motif in IUPAC letters.

    A base stands alone if its probability is above 0.5 and twice the next one's; two stand together if they
    hold more than 0.75 (Cavener 1987); three if the fourth holds less than 0.05; else N.
    """
    return "".join(map(_spell_position, pwm))


def _spell_position(row: Array) -> str:
    order = np.argsort(-row, kind="stable")
    ranked = row[order]
    if ranked[0] > 0.5 and ranked[0] >= 2 * ranked[1]:
        count = 1
    elif ranked[:2].sum() > 0.75:
        count = 2
    else:
        count = 3 if ranked[3] < 0.05 else 4
    return _SPELLING["".join(sorted(LETTERS[base] for base in order[:count]))]
