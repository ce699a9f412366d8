"""Global importance analysis (Koo et al. 2021): what a pattern does to a prediction, whatever surrounds it.

A pattern is put into many contexts that share nothing but their composition; the change of the prediction, on
average, is due to the pattern alone. The same is asked of every substitution in it, of where it lies, of several
copies, of the space between two, and of the nucleotides next to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import DataError
from ribocyte.extras import need
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import LETTERS, PADDING, UNKNOWN, one_hot
from ribocyte.rna.shuffling import dinucleotide_shuffle

Array = NDArray[np.float64]

CONTEXTS = 300
"""Contexts a pattern is put into: its effect is then known to a few hundredths of a standard deviation."""
RESAMPLES = 1000
MOST_PLACES = 12
"""Positions, and spacings, that are tried at most."""
SCHEMA = {
    "pattern": pl.String,
    "question": pl.String,
    "setting": pl.String,
    "at": pl.Int64,
    "effect": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "contexts": pl.Int64,
}
Placement = tuple[str, str, int, list[tuple[str, int]], bool]
"""Question, setting, number, patterns with where they begin, and whether the intact pattern is what it changes."""


def draw_contexts(length: int, count: int = CONTEXTS, seed: int = 0, like: Tensor | None = None) -> Tensor:
    """Make sequences to put patterns into.

    Parameters
    ----------
    length : int
        Of the model's window, nt.
    count : int
        How many.
    seed : int
        The same seed gives the same contexts.
    like : Tensor, uint8, shape (N, L), optional
        Real sequences: the contexts are then dinucleotide shuffles of some of them, so that they have their
        composition and their lengths. Otherwise every base is as likely as any other, and all have `length`.

    Returns
    -------
    Tensor, uint8, shape (count, length)
        Tokens. Only the longest half of real sequences is drawn from, and none with N.

    Raises
    ------
    DataError
        If no sequence is without N.
    """
    random = np.random.default_rng(seed)
    if like is None:
        return torch.from_numpy(random.integers(0, len(LETTERS), (count, length), dtype=np.uint8))
    whole = like.cpu()[(like.cpu() != UNKNOWN).all(dim=1)]
    if len(whole) == 0:
        raise DataError(f"{len(like)} sequences: all have an N", expected="contexts of A, C, G, U")
    lengths = (whole != PADDING).sum(dim=1)
    long = np.flatnonzero((lengths >= lengths.median()).numpy())
    rows = random.choice(long, size=count, replace=len(long) < count)
    return dinucleotide_shuffle(whole[torch.from_numpy(rows)], seed)[:, 0]


def embed(contexts: Tensor, placed: Sequence[tuple[str, int]]) -> Tensor:
    """Put patterns into contexts, in the place of what is there.

    Parameters
    ----------
    contexts : Tensor, uint8, shape (C, L)
        Tokens.
    placed : sequence of (str, int)
        Letters A, C, G, U (or T), N for what stays as it is, and where they begin, from 0.

    Returns
    -------
    Tensor, uint8, shape (C, L)

    Raises
    ------
    DataError
        For another letter, or a place beyond the end of a context.
    """
    substitute = need("tangermeme.ersatz", "bio", "embedding patterns").substitute
    room = _room(contexts)
    letters = one_hot(contexts)
    for pattern, start in placed:
        rna = _check_pattern(pattern)
        if not 0 <= start <= room - len(rna):
            raise DataError(f"{pattern} at {start}: does not fit", expected=f"0 to {room - len(rna)}")
        letters = substitute(letters, rna, start=start, alphabet=list(LETTERS), ignore=["N"])
    known, base = letters.max(dim=1)
    return torch.where(known == 1, base.to(torch.uint8), contexts)


def measure(
    model: Predictor, contexts: Tensor, pattern: str, start: int | None = None, *, output: int = 0
) -> Array:
    """Measure what a pattern adds to an output in each context.

    Parameters
    ----------
    model : Predictor
        Reads RNA.
    contexts : Tensor, uint8, shape (C, L)
        As `draw_contexts` gives them.
    pattern : str
        As for `embed`.
    start : int, optional
        Where it begins; in the middle of the shortest context where not given.
    output : int
        Which of the network's outputs.

    Returns
    -------
    numpy array, float64, shape (C,)
        Output with the pattern minus output without; their mean is the global importance.

    Raises
    ------
    DataError
        If the pattern does not fit.
    """
    at = (_room(contexts) - len(pattern)) // 2 if start is None else start
    return _outputs(model, embed(contexts, [(pattern, at)]), output) - _outputs(model, contexts, output)


def importance(
    model: Predictor, pattern: str, contexts: Tensor, *, output: int = 0, seed: int = 0
) -> pl.DataFrame:
    """Ask everything that is asked of a pattern.

    Parameters
    ----------
    model, pattern, contexts, output
        As for `measure`.
    seed : int
        Of the bootstrap over contexts.

    Returns
    -------
    DataFrame
        ``pattern``; ``question``; ``setting`` and ``at``, in words and as a number; ``effect``, the mean over the
        contexts, with its 95 % interval ``low`` to ``high``; ``contexts``. The questions:

        ===============  ===================================================================================
        whole            the pattern in the middle, against the contexts alone
        substitution     every other base at each of its positions (`at`, from 1), against the intact pattern
        position         where it begins (`at`, from 1), against the contexts alone
        copies           how many, side by side at equal distances, against the contexts alone
        spacing          nucleotides between two copies, against the contexts alone
        left, right      which base stands next to it, against the pattern as it is in its context
        ===============  ===================================================================================

    Raises
    ------
    DataError
        If the pattern does not fit, or has another letter.
    """
    rna, room = _check_pattern(pattern), _room(contexts)
    if len(rna) > room:
        raise DataError(
            f"pattern {pattern}: {len(rna)} nt in contexts of {room}", expected=f"at most {room} nt"
        )
    middle = (room - len(rna)) // 2
    without = _outputs(model, contexts, output)
    intact = _outputs(model, embed(contexts, [(rna, middle)]), output)
    random = np.random.default_rng(seed)
    count = len(contexts)
    draws = random.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
    rows = []
    for question, setting, at, placed, change in _placements(rna, room):
        effects = _outputs(model, embed(contexts, placed), output) - (intact if change else without)
        low, high = np.percentile(draws @ effects, [2.5, 97.5])
        rows.append((pattern, question, setting, at, float(effects.mean()), float(low), float(high), count))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _placements(rna: str, room: int) -> Iterator[Placement]:
    """List what is put where to answer each question."""
    width, middle = len(rna), (room - len(rna)) // 2
    yield "whole", rna, middle + 1, [(rna, middle)], False
    for at, base in enumerate(rna):
        for other in LETTERS if base != "N" else "":
            if other != base:
                mutant = rna[:at] + other + rna[at + 1 :]
                yield "substitution", f"{base}{at + 1}{other}", at + 1, [(mutant, middle)], True
    for start in _spread(room - width):
        yield "position", f"{start + 1}", start + 1, [(rna, start)], False
    for copies in range(1, room // width + 1):
        starts = [round((at + 0.5) * room / copies - width / 2) for at in range(copies)]
        yield "copies", f"{copies}", copies, [(rna, min(max(s, 0), room - width)) for s in starts], False
    for gap in _spread(room - 2 * width) if room >= 2 * width else ():
        first = (room - 2 * width - gap) // 2
        yield "spacing", f"{gap} nt", gap, [(rna, first), (rna, first + width + gap)], False
    for side, start in (("left", middle - 1), ("right", middle + width)):
        for base in LETTERS if 0 <= start < room else "":
            yield side, base, LETTERS.index(base) + 1, [(rna, middle), (base, start)], True


def _spread(last: int) -> list[int]:
    """Give numbers from 0 to `last`, both among them, no more than `MOST_PLACES`."""
    even = np.linspace(0, last, min(last + 1, MOST_PLACES)).round()
    return [int(number) for number in np.unique(even)]


def _room(contexts: Tensor) -> int:
    """Give the length of the shortest context."""
    return int((contexts != PADDING).sum(dim=1).min())


def _outputs(model: Predictor, tokens: Tensor, output: int) -> Array:
    return model.outputs(tokens)[:, output].double().numpy()


def _check_pattern(pattern: str) -> str:
    rna = pattern.upper().replace("T", "U")
    if not rna or set(rna) - set(LETTERS) - {"N"}:
        raise DataError(f"pattern {pattern!r}", expected="one or more of A, C, G, U, and N for any")
    return rna
