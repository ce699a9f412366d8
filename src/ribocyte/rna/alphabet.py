"""RNA as numbers: letters to tokens, tokens to one-hot."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ribocyte.errors import DataError

LETTERS = "ACGU"
UNKNOWN = 4
"""Token of N: any of the four, 0.25 each when one-hot."""
PADDING = 5
"""Token of nothing: zeros when one-hot, ignored by every network here."""

_SPELLINGS = ("Aa", "Cc", "Gg", "UuTt", "Nn", "\0")
_STRANGE = re.compile("[^AaCcGgUuTtNn]")
_NO_TOKEN = 255
_TOKENS = bytes(
    next((token for token, letters in enumerate(_SPELLINGS) if chr(code) in letters), _NO_TOKEN)
    for code in range(256)
)


def tokens(sequences: Sequence[str], length: int | None = None) -> UInt8[Tensor, "batch length"]:
    """Turn RNA sequences into tokens, padded on the right.

    Parameters
    ----------
    sequences : sequence of str
        Letters A, C, G, U (T is read as U) and N, upper or lower case.
    length : int, optional
        Length to pad to; the longest sequence's where not given.

    Returns
    -------
    Tensor, uint8, shape (len(sequences), length)
        0 to 3 for A, C, G, U; 4 for N; 5 for padding.

    Raises
    ------
    DataError
        For another letter (the sequence's number and the position are named, both counted from 1), an empty
        sequence, or one longer than `length`.
    """
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    width = int(lengths.max(initial=0)) if length is None else length
    if lengths.size and lengths.min() == 0:
        raise DataError(
            f"sequence {int(lengths.argmin()) + 1} is empty", expected="at least one of A, C, G, U, N"
        )
    if lengths.size and lengths.max() > width:
        at = int(lengths.argmax())
        raise DataError(f"sequence {at + 1} has {lengths[at]} nt", expected=f"at most {width}")
    if not lengths.size:
        return torch.empty(0, width, dtype=torch.uint8)
    try:
        letters = bytearray(np.array(sequences, dtype=f"S{width}"))  # shorter ones end in the character 0
    except UnicodeEncodeError:
        _refuse_letter(sequences)
        raise
    rows = np.frombuffer(letters.translate(_TOKENS), dtype=np.uint8).reshape(-1, width)
    padded = rows.size - int(lengths.sum())
    if rows.max() == _NO_TOKEN or np.count_nonzero(rows == PADDING) != padded:
        _refuse_letter(sequences)
    return torch.from_numpy(rows)


def one_hot(rna: UInt8[Tensor, "batch length"]) -> Float[Tensor, "batch 4 length"]:
    """Turn tokens into what networks take.

    Parameters
    ----------
    rna : Tensor, uint8, shape (N, L)
        As `tokens` gives them.

    Returns
    -------
    Tensor, float32, shape (N, 4, L)
        Rows in the order A, C, G, U; N is 0.25 in all four, padding 0 in all four. The channels lie next to
        each other in memory, which is how convolutions want them.
    """
    table = torch.tensor([*torch.eye(4).tolist(), [0.25] * 4, [0.0] * 4], device=rna.device)
    return nn.functional.embedding(rna.int(), table).transpose(1, 2)  # three times as fast as table[rna]


def letters(rna: UInt8[Tensor, "batch length"]) -> list[str]:
    """Turn tokens back into sequences, padding removed."""
    spelled = np.frombuffer(b"ACGUN-", dtype="S1")[rna.cpu().numpy()]
    return [row.tobytes().decode().rstrip("-") for row in spelled]


def _refuse_letter(sequences: Sequence[str]) -> None:
    """Name the first letter that is none of RNA."""
    for number, sequence in enumerate(sequences, 1):
        strange = _STRANGE.search(sequence)
        if strange is not None:
            raise DataError(
                f"sequence {number} has {strange[0]!r} at position {strange.start() + 1}",
                expected="the letters A, C, G, U (or T) and N",
                mend="a protein, perhaps?" if set(sequence.upper()) & set("EFILPQ") else "",
            )
