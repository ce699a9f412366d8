"""Proteins, and how they are read from the FASTA files that people have."""

from __future__ import annotations

import io
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ribocyte.errors import DataError
from ribocyte.files import open_unpacked
from ribocyte.rna.proteins.doubts import name_nucleotides

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
"""The twenty amino acids of the standard code."""
ACCEPTED = RESIDUES + "XUBZ*"
"""What may stand in a protein: also X (unknown), U (selenocysteine), B (D or N), Z (E or Q), * (stop)."""
LONGEST = 10_000
"""Residues. Twice the longest protein known to bind RNA by its own domains; the longest construct of RNAcompete
has 912. A longer sequence is more likely several proteins in one record, and is refused rather than cut."""

_CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_STRANGE = re.compile(f"[^{re.escape(ACCEPTED)}]")


class Domain(NamedTuple):
    """A part of a protein that folds on its own: residues `begin` to `end`, from 0, the end left out."""

    kind: str
    begin: int
    end: int


@dataclass(frozen=True)
class Protein:
    """A protein, or the part of one that was made to measure it.

    Parameters
    ----------
    name : str
        What it is called; unique among those read together.
    sequence : str
        Amino acids, in capitals.
    species, gene : str
        Where known, else empty.
    domains : tuple of Domain
        Where known, in the order of the sequence.
    experiments : tuple of str
        RNAcompete experiments made with exactly this sequence.
    """

    name: str
    sequence: str
    species: str = ""
    gene: str = ""
    domains: tuple[Domain, ...] = ()
    experiments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        end = 0
        for domain in self.domains:
            if not end <= domain.begin < domain.end <= len(self.sequence):
                raise DataError(
                    f"{self.name}: domain {domain.kind} from {domain.begin} to {domain.end}",
                    expected=f"domains in order, apart, within the {len(self.sequence)} residues",
                )
            end = domain.end

    def __len__(self) -> int:
        return len(self.sequence)


def read_proteins(path: Path | str) -> list[Protein]:
    """Read proteins from a FASTA file, gzipped or not.

    A record's name is the first word after ``>``; species and gene are read from the ``OS=`` and ``GN=`` of
    UniProt's headers. Lower case is read as capitals, and ``*`` at the end of a sequence is dropped.

    Parameters
    ----------
    path : Path or str
        The file.

    Returns
    -------
    list of Protein
        In the file's order; neither domains nor experiments are known.

    Raises
    ------
    DataError
        If the file cannot be read or is no FASTA; if a record has no name, no residues, another letter, more
        than 10,000 residues, or is RNA or DNA; if two records have one name. Names the file and the line.
    """
    path = Path(path)
    seen: dict[str, int] = {}
    proteins = []
    for number, header, letters in _records(path):
        name = next(iter(header.split()), "")
        if not name:
            raise DataError(
                f"{path}: line {number}: a record without a name", expected=">NAME, then residues"
            )
        if name in seen:
            raise DataError(
                f"{path}: lines {seen[name]} and {number} are both named {name!r}",
                expected="every name once",
                mend="rename one of them",
            )
        seen[name] = number
        sequence = check_residues(letters, f"{path}: line {number}, record {name!r}")
        proteins.append(Protein(name, sequence, _tagged(header, "OS"), _tagged(header, "GN")))
    return proteins


def check_residues(letters: str, where: str) -> str:
    """Tidy a protein's letters, and refuse what is none.

    Parameters
    ----------
    letters : str
        As they were written.
    where : str
        What an error begins with.

    Returns
    -------
    str
        In capitals, without ``*`` at the end. What is doubtful and yet may be a protein is for
        `ribocyte.rna.proteins.doubts.find_doubts` to say.

    Raises
    ------
    DataError
        If it is empty, too long, has a letter outside `ACCEPTED`, or is RNA or DNA.
    """
    # ASCII alone: capitals of other alphabets may be two letters, or an amino acid's.
    sequence = letters.translate(_CAPITALS).rstrip("*")
    if not sequence:
        raise DataError(f"{where}: no residues", expected="one amino acid or more")
    if len(sequence) > LONGEST:
        raise DataError(
            f"{where}: {len(sequence)} residues",
            expected=f"at most {LONGEST}",
            mend="give the part that binds RNA",
        )
    nucleotides = name_nucleotides(sequence)
    if nucleotides:
        raise DataError(
            f"{where}: {nucleotides}", expected="a protein: amino acids", mend="translate it first"
        )
    strange = _STRANGE.search(sequence)
    if strange is not None:
        raise DataError(
            f"{where}: {strange[0]!r} at residue {strange.start() + 1}",
            expected="the twenty amino acids, X, U, B, Z, and * at the end",
            mend="gaps of an alignment must be taken out" if strange[0] in "-." else "",
        )
    return sequence


def _records(path: Path) -> Iterator[tuple[int, str, str]]:
    """Give each record's line, header and letters."""
    start, header, parts = 0, "", list[str]()
    for number, line in _lines(path):
        if line.startswith(">"):
            if start:
                yield start, header, "".join(parts)
            start, header, parts = number, line[1:].strip(), []
        elif line and not start:
            raise DataError(
                f"{path}: line {number}: {line[:30]!r} before any header",
                expected="FASTA, which begins with '>'",
            )
        else:
            parts.append("".join(line.split()))
    if not start:
        raise DataError(f"{path}: no protein in it", expected="FASTA: >NAME, then its residues")
    yield start, header, "".join(parts)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give line numbers, from 1, and lines without their ends."""
    try:
        with open_unpacked(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig") as text:
            for number, line in enumerate(text, 1):
                if "\0" in line:
                    raise DataError(f"{path}: binary", expected="FASTA, as text")
                yield number, line.strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: binary, or not UTF-8: {error.reason}", expected="FASTA, as text") from error


def _tagged(header: str, tag: str) -> str:
    """Read a tag of UniProt's headers, which ends where the next begins: ``OS=Homo sapiens OX=9606``."""
    found = re.search(rf"\b{tag}=(.*?)(?:\s+[A-Z]{{2}}=|$)", header)
    return found[1].strip() if found else ""
