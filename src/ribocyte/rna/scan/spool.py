"""Sequences of any file, kept on disk while they are scanned: read twice, at any place, in flat memory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from ribocyte.errors import DataError
from ribocyte.files import open_unpacked
from ribocyte.rna.sequences import read_sequences

PORTION = 1 << 20
"""Letters read at a time."""

_LETTERS = bytes.maketrans(b"acgutnT", b"ACGUUNU")
_COMPLEMENT = str.maketrans("ACGU", "UGCA")
_KNOWN = b"ACGUN"


class Spool:
    """Named sequences in a temporary file, a byte a letter; the `Letters` of a scan. Use it as a context manager.

    Parameters
    ----------
    path : Path
        FASTA, or any other file that `ribocyte.rna.sequences.read_sequences` reads; gzipped or not. A name is
        what it says there, blanks replaced by ``_``.

    Attributes
    ----------
    contigs : dict of str to int
        Names and lengths, in the order of the file; 0 where a FASTA record has no letters.

    Raises
    ------
    DataError
        If there is no sequence, a letter is none of RNA's, or two have one name: a track could not tell them apart.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contigs: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._stream: IO[bytes] = tempfile.TemporaryFile(prefix="ribocyte-")  # noqa: SIM115 - closed by __exit__
        try:
            self._fill()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def find(self, contig: str) -> str | None:
        """Give the name itself if there is such a sequence."""
        return contig if contig in self.contigs else None

    def fetch(self, contig: str, start: int, end: int, strand: str = "+") -> str:
        """Read letters of a sequence, 0-based and half-open; the reverse complement for ``-``."""
        self._stream.seek(self._starts[contig] + start)
        letters = self._stream.read(end - start).decode()
        return letters if strand == "+" else letters[::-1].translate(_COMPLEMENT)

    def _fill(self) -> None:
        name = ""
        for begins, text in _fasta(self.path) if _is_fasta(self.path) else _records(self.path):
            if begins:
                name = "_".join(text.decode(errors="replace").split()) or f"sequence_{len(self.contigs) + 1}"
                self._begin(name)
            elif text:
                self._append(name, text)
        if not any(self.contigs.values()):
            raise DataError(f"{self.path}: no sequence in it", expected="one sequence or more")

    def _begin(self, name: str) -> None:
        if name in self.contigs:
            raise DataError(
                f"{self.path}: two sequences are called {name!r}",
                expected="names that differ: sites and tracks are given by them",
                mend="rename or remove one",
            )
        self.contigs[name], self._starts[name] = 0, self._stream.tell()

    def _append(self, name: str, letters: bytes) -> None:
        rna = letters.translate(_LETTERS)
        strange = rna.translate(None, _KNOWN)
        if strange:
            at = self.contigs[name] + rna.index(strange[:1]) + 1
            raise DataError(
                f"{self.path}: record {name!r}: {chr(strange[0])!r} at position {at} of the sequence",
                expected="the letters A, C, G, U (or T) and N",
                mend="a protein, perhaps?" if set(strange.upper()) & set(b"EFILPQ") else "",
            )
        self._stream.write(rna)
        self.contigs[name] += len(rna)


def _is_fasta(path: Path) -> bool:
    """Say whether a file begins with ``>``; what cannot be read so is left to the other reader to explain."""
    with contextlib.suppress(DataError), open_unpacked(path) as stream:
        return stream.read(1) == b">"
    return False


def _fasta(path: Path) -> Iterator[tuple[bool, bytes]]:
    """Give (True, name) where a record begins and (False, letters) for portions of it."""
    with open_unpacked(path) as stream:
        portion, size = list[bytes](), 0
        for line in stream:
            if line.startswith(b">"):
                yield False, b"".join(portion)
                portion, size = [], 0
                yield True, b"".join(line[1:].split()[:1])
            else:
                portion.append(line.strip())
                size += len(line)
            if size >= PORTION:
                yield False, b"".join(portion)
                portion, size = [], 0
        yield False, b"".join(portion)


def _records(path: Path) -> Iterator[tuple[bool, bytes]]:
    """Give the records of any other kind of file as `_fasta` gives them."""
    for name, rna in read_sequences(path):
        yield True, name.encode()
        yield False, rna.encode()
