"""What makes a sequence of amino acids doubtful: nucleotides in its place, too few residues, one letter over and over.

Letters alone decide. Of the 392 constructs of RNAcompete none has less than 18 different letters, nor more than 45 % of
those that are nucleotides too; the shortest binding region has 19 residues.
"""

from __future__ import annotations

SHORTEST = 19
"""Residues of the shortest binding region among the constructs, a zinc finger."""
_PLAIN = frozenset("ACGTUN")
_BASES = frozenset("ACGTU")
_CODES = _PLAIN | frozenset("RYSWKMBDHV")
# IUPAC's letters for several nucleotides at a place.
_SHORTEST_GENE, _SHORTEST_MIXED = 5, 10
_MOSTLY, _CODED = 0.9, 0.75
# Of a protein's letters one in four is a nucleotide's too: of five all are once in a thousand, of ten nine are once in
# twenty thousand; that eight are and the other two are codes happens once in five thousand.
_FEW = 2


def name_nucleotides(sequence: str) -> str:
    """Say what a sequence is, if it is of nucleotides and not of amino acids.

    It is where all of 5 letters or more are A, C, G, T, U or N; where 90 % of 10 or more are; or where 75 % of
    10 or more are and the others are IUPAC's codes. Three different bases must be among them, or U and another:
    repeats of one or two residues occur in proteins, but selenocysteine does not repeat.

    Parameters
    ----------
    sequence : str
        In capitals.

    Returns
    -------
    str
        Such as ``RNA, nothing but A, C, G, U``; empty for a protein.
    """
    letters = set(sequence)
    bases = letters & _BASES
    if len(bases) < (_FEW if "U" in bases else _FEW + 1):
        return ""
    share = sum(map(sequence.count, _PLAIN)) / len(sequence)
    kind = "RNA" if "U" in letters else "DNA"
    if share == 1 and len(sequence) >= _SHORTEST_GENE:
        return f"{kind}, nothing but {', '.join(sorted(letters))}"
    if len(sequence) >= _SHORTEST_MIXED and (share >= _MOSTLY or (share >= _CODED and letters <= _CODES)):
        return f"{kind}, by {share:.0%} of its letters"
    return ""


def find_doubts(sequence: str) -> tuple[str, ...]:
    """Say what a person should know of a sequence that can be read, and may not be what was meant.

    Parameters
    ----------
    sequence : str
        As `ribocyte.rna.proteins.sequences.check_residues` gives it.

    Returns
    -------
    tuple of str
        That it is too short to hold a binding domain, of one or two letters only, or has a stop inside; empty for
        most.
    """
    doubts = []
    letters = sorted(set(sequence))
    if len(sequence) < SHORTEST:
        count = f"{len(sequence)} residue{'s' if len(sequence) > 1 else ''}"
        doubts.append(f"too short to hold a binding domain: {count}")
    elif len(letters) <= _FEW:
        doubts.append(f"low complexity: nothing but {' and '.join(letters)}")
    stop = sequence.find("*")
    if stop >= 0:
        more = sequence.count("*") - 1
        doubts.append(
            f"a stop inside, at residue {stop + 1}{f' ({more} more)' if more else ''}: a broken translation?"
        )
    return tuple(doubts)
