"""Motif files as people have them: MEME text, of DNA or RNA, and RNAcompete's ``.hmot``; and MEME written."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ribocyte.errors import DataError
from ribocyte.files import open_unpacked, write_text
from ribocyte.rna.alphabet import LETTERS
from ribocyte.rna.motifs import read_hmot

Matrix = NDArray[np.float64]
Lines = Sequence[str]

TOLERANCE = 0.02
"""By how much the probabilities of a position may miss 1: files are rounded to as few as two digits."""
_EXPECTED = "motifs in MEME text format, or in RNAcompete's .hmot"
_COUNT = re.compile(r"\b(alength|w)\s*=\s*(\d+)")
_WIDTH = re.compile(r"\s+width\s*=.*$")


def read_motifs(path: Path) -> dict[str, Matrix]:
    """Read motifs from a MEME file (any version's text, minimal or whole output) or a ``.hmot`` file.

    The content says which it is; either may be gzipped. T and U are the same. Only the letter-probability
    matrices of a MEME file are read.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to numpy array, float64, shape (L, 4)
        Probabilities of A, C, G, U by name, in the file's order; rows sum to 1. A MEME motif's name is its
        identifier and, where it has one, its alternate name after a space.

    Raises
    ------
    DataError
        If the file cannot be read, holds no motifs, or those of proteins; if a matrix is cut short, is not as
        wide as it says, or a row is no distribution. The line is named.
    """
    path = Path(path)
    lines = _read_lines(path)
    first = next((line for line in lines if line.strip()), "")
    if first.split()[:1] == ["Motif"]:
        return read_hmot(path)
    if not any("MEME version" in line for line in lines[:20]):
        raise DataError(
            f"{path}: line 1 is {first.strip()[:40]!r}, no motif file that is known", expected=_EXPECTED
        )
    motifs = _read_meme(path, lines)
    if not motifs:
        raise DataError(f"{path}: no letter-probability matrix", expected=_EXPECTED)
    return motifs


def write_meme(
    path: Path,
    motifs: Mapping[str, Matrix],
    *,
    sites: Mapping[str, int] | None = None,
    background: Sequence[float] = (0.25, 0.25, 0.25, 0.25),
    comment: str = "",
) -> None:
    """Write motifs as a MEME file with the alphabet ACGU, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    motifs : mapping of str to numpy array, shape (L, 4)
        Probabilities of A, C, G, U by name.
    sites : mapping of str to int, optional
        How many sites a motif was made of, where that is known.
    background : sequence of float
        Of A, C, G, U.
    comment : str
        A line below the version; the format has none, and readers pass over lines that they do not know.

    Raises
    ------
    DataError
        If a name or a matrix cannot be written such that it is read again.
    DiskError
        If the file cannot be written.
    """
    frequencies = " ".join(f"{base} {value:.6g}" for base, value in zip(LETTERS, background, strict=True))
    version = ["MEME version 4", *([f"# {' '.join(comment.split())}"] if comment else [])]
    parts = [*version, f"ALPHABET= {LETTERS}", f"Background letter frequencies\n{frequencies}"]
    for name, pwm in motifs.items():
        _check_name(path, name)
        rows = _check_rows(f"{path}: motif {name}", np.asarray(pwm, dtype=np.float64))
        number = f" nsites= {sites[name]}" if sites and name in sites else ""
        matrix = "\n".join(" ".join(f"{value:.8f}" for value in row) for row in rows)
        parts.append(f"MOTIF {name}\nletter-probability matrix: alength= 4 w= {len(rows)}{number}\n{matrix}")
    write_text(path, "\n\n".join(parts) + "\n")


def _read_lines(path: Path) -> list[str]:
    try:
        with open_unpacked(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig") as text:
            lines = text.read().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: binary, or not UTF-8: {error.reason}", expected=_EXPECTED) from error
    if not any(line.strip() for line in lines):
        raise DataError(f"{path}: empty", expected=_EXPECTED)
    return lines


def _read_meme(path: Path, lines: Lines) -> dict[str, Matrix]:
    """Walk through the file: an alphabet, then names, each followed by its matrix."""
    motifs: dict[str, Matrix] = {}
    name, named = "", 0
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        if line.startswith("ALPHABET"):
            _check_alphabet(where, _alphabet(line, lines[number:]))
        elif line.startswith("MOTIF"):
            if named:
                raise _without_matrix(path, named, name)
            name, named = " ".join(_WIDTH.sub("", line[5:]).split()), number
        elif line.startswith("letter-probability matrix"):
            # MEME's own output says the name again, in another form, above each matrix.
            if not name or name in motifs:
                raise DataError(
                    f"{where}: {name or 'a matrix'}: {'is there twice' if name else 'has no name'}",
                    expected="MOTIF and a name before each matrix, each once",
                )
            motifs[name] = _read_matrix(where, line, lines[number:])
            named = 0
    if named:
        raise _without_matrix(path, named, name)
    return motifs


def _without_matrix(path: Path, number: int, name: str) -> DataError:
    return DataError(
        f"{path}, line {number}: motif {name or 'without a name'} has no letter-probability matrix",
        expected="one for each motif",
        mend="was the file cut short?",
    )


def _alphabet(line: str, following: Lines) -> set[str]:
    """Give the letters of ``ALPHABET= ACGU``, or of a definition that ends with ``END ALPHABET``."""
    if "=" in line:
        return set(line.partition("=")[2].split()[0].upper()) if line.partition("=")[2].split() else set()
    letters: set[str] = set()
    for definition in following:
        if definition.startswith("END ALPHABET"):
            break
        plain = re.sub(r'"[^"]*"', "", definition.partition("#")[0])
        if plain.strip() and "=" not in plain:  # with =, a letter that stands for several
            letters |= {part.split()[0].upper() for part in plain.split("~") if part.split()}
    return letters


def _check_alphabet(where: str, letters: set[str]) -> None:
    if {letter.replace("T", "U") for letter in letters} != set(LETTERS):
        proteins = len(letters) >= 20
        raise DataError(
            f"{where}: {'motifs of proteins' if proteins else 'the alphabet ' + ''.join(sorted(letters))}",
            expected="the alphabet ACGU or ACGT",
        )


def _read_matrix(where: str, header: str, following: Lines) -> Matrix:
    said = {name: int(value) for name, value in _COUNT.findall(header)}
    if said.get("alength", 4) != 4:
        raise DataError(
            f"{where}: a matrix of {said['alength']} letters{', motifs of proteins' if said['alength'] == 20 else ''}",
            expected="four: A, C, G, U",
        )
    rows: list[list[float]] = []
    for line in following:
        values = _numbers(line)
        if values is None and not rows and not line.strip():
            continue  # an empty line between header and matrix
        if values is None or len(rows) == said.get("w", -1):
            break
        if len(values) != 4:
            raise DataError(
                f"{where}: row {len(rows) + 1} has {len(values)} numbers", expected="four: A, C, G, U"
            )
        rows.append(values)
    if not rows or len(rows) != said.get("w", len(rows)):
        raise DataError(
            f"{where}: {len(rows)} rows of a matrix with w= {said.get('w', 'unknown')}",
            expected="as many rows as it says",
            mend="was the file cut short?",
        )
    return _check_rows(where, np.array(rows))


def _numbers(line: str) -> list[float] | None:
    """Read a line of numbers; None where it is none."""
    try:
        return [float(value) for value in line.split()] or None
    except ValueError:
        return None


def _check_rows(where: str, rows: Matrix) -> Matrix:
    """Refuse what are no distributions over four bases; make those rounded sum to 1."""
    if rows.ndim != 2 or rows.shape[1] != 4 or len(rows) == 0:
        raise DataError(f"{where}: a matrix of shape {rows.shape}", expected="four probabilities a position")
    sums = rows.sum(axis=1)
    fine = (rows >= 0).all(axis=1) & (np.abs(sums - 1) <= TOLERANCE)  # NaN is not fine
    if not fine.all():
        at = int((~fine).argmax())
        raise DataError(
            f"{where}: row {at + 1}, {rows[at].tolist()}, sums to {sums[at]:.4g}",
            expected="probabilities from 0 to 1 that sum to 1",
            mend="divide counts by their sum first",
        )
    even: Matrix = rows / sums[:, None]
    return even


def _check_name(path: Path, name: str) -> None:
    if not name or " ".join(name.split()) != name or _WIDTH.search(name) or not name.isprintable():
        raise DataError(f"{path}: motif name {name!r}", expected="words with one space between them")
