"""How strongly proteins bind RNAs, measured proteins or not, and how far each prediction is to be trusted.

>>> from ribocyte import Predictor, bind
>>> model = Predictor.load("runs/joint")                      # doctest: +SKIP
>>> bind(model, "proteins.fasta", ["UGCAUGUUUUACGGAGAGCAU"])  # doctest: +SKIP
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from ribocyte.applications._panel import NO_TRUST, Panel, Query, empty_table, identify
from ribocyte.errors import RequestError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.joint.trust import UnseenTrust
from ribocyte.rna.proteins.doubts import SHORTEST
from ribocyte.rna.proteins.sequences import ACCEPTED, Protein, check_residues, read_proteins
from ribocyte.rna.sequences import read_sequences

Proteins = Path | str | Mapping[str, str] | Sequence[Protein] | Sequence[str]
"""A FASTA file; residues by name; proteins; or residues, which are then called protein_1, protein_2, …"""
RNAs = Path | str | Mapping[str, str] | Iterable[str]
"""A file of sequences; RNA by name; or RNA, which is then called sequence_1, sequence_2, …"""

ROWS = 1 << 17
"""Rows of a table at a time, about."""
LETTERS = 1 << 20
"""Nucleotides read at a time, about; fewer for many proteins."""
PAIRS = 1024
"""Pairs at a time."""
_EXPECTED = "a FASTA file, residues by name, or a list of proteins or of residues"

__all__ = ["NO_TRUST", "Query", "bind", "bind_in_chunks", "find_reach", "identify", "load_proteins"]


def bind(
    model: Predictor, proteins: Proteins, rnas: RNAs, *, pairs: bool = False, level: float | None = None
) -> pl.DataFrame:
    """Predict how strongly proteins bind RNAs.

    Parameters
    ----------
    model : Predictor
        Trained on a compendium.
    proteins : Path, str, mapping, or sequence of Protein or str
        A FASTA file; residues by name; proteins; or residues. Their domains are recognised where they are not
        known.
    rnas : Path, str, mapping or iterable of str
        A file of sequences (see `ribocyte.rna.sequences`); RNA by name; or RNA.
    pairs : bool
        The first protein with the first RNA, the second with the second; else every protein with every RNA.
    level : float, optional
        Share of the measurements that the intervals are to hold; the model's own where not given.

    Returns
    -------
    DataFrame
        A row for each pair, RNA by RNA: ``rna`` and ``protein``; ``score``, a z-score of log intensity, and
        ``window``, the nucleotide, from 1, at which the best window of a long RNA begins; ``low``, ``high``,
        ``spread`` and ``reliability``, what the model's trust says (null where it says nothing); ``measured``,
        the output of the model for this very protein, null where none is; ``nearest``, ``nearest_gene`` and
        ``identity`` of the known protein most like it, and ``coverage``, the length of the shorter of their
        binding regions over that of the longer; ``likeness``, the largest identity times coverage, by which
        interval and reliability go; ``domains`` recognised; ``simulated``, whether the model learned from a
        simulation; ``warning``, null where there is none.

        An interval is no narrower than those of the most alike that intervals were learned from, however much more
        alike a protein is (see `find_reach`). Where no domain is recognised, there is no reliability, and the
        interval is that of a protein that has nothing in common with any.

    Raises
    ------
    ModelError
        If the model does not know any protein, or cannot be aimed at others.
    DataError
        For a protein or an RNA that is none.
    RequestError
        If no protein is given, or something else in its place; if there are not as many proteins as RNAs in
        `pairs`, the level is impossible, or the extra [bio] is not installed.
    """
    chunks = list(
        bind_in_chunks(model, identify(model, load_proteins(proteins)), rnas, pairs=pairs, level=level)
    )
    return pl.concat(chunks or [empty_table()])


def bind_in_chunks(
    model: Predictor,
    queries: Sequence[Query],
    rnas: RNAs,
    *,
    pairs: bool = False,
    level: float | None = None,
) -> Iterator[pl.DataFrame]:
    """Do the same in flat memory, however many RNAs there are.

    Parameters
    ----------
    model, rnas, pairs, level
        As for `bind`.
    queries : sequence of Query
        As `identify` gives them, which is where one sees what they are before any RNA is read.

    Yields
    ------
    DataFrame
        As `bind` gives it, some rows at a time.
    """
    if not pairs:
        panel = Panel.of(model, queries, level)
        for names, portion in _portions(_named(rnas), len(queries)):
            yield panel.score_all(names, portion)
        return
    _refuse_unequal(len(queries), rnas)
    stream = zip(queries, _named(rnas), strict=True)
    while block := list(itertools.islice(stream, PAIRS)):
        yield _score_pairs(model, block, level)


def find_reach(model: Predictor) -> float | None:
    """Say how alike the most alike of the proteins were that intervals were learned from; None where none were.

    Whole clusters of relatives are held out to learn them, so no close relative is among these. A protein that is more
    alike has an interval as wide as theirs.
    """
    return model.trust.margins.reach if isinstance(model.trust, UnseenTrust) else None


def load_proteins(given: Proteins) -> list[Protein]:
    """Read proteins from a FASTA file, or take those that are given.

    Raises
    ------
    DataError
        For what is no protein; names it.
    RequestError
        If none is given, or something else, or two have one name.
    """
    if isinstance(given, Path | str):
        _refuse_residues(str(given))
        proteins = read_proteins(given)
    elif isinstance(given, Mapping):
        proteins = [_take(letters, str(name)) for name, letters in given.items()]
    elif isinstance(given, Sequence):
        proteins = [_take(one, f"protein_{number}") for number, one in enumerate(given, 1)]
    else:
        raise RequestError(f"proteins: {type(given).__name__}", expected=_EXPECTED)
    names = Counter(protein.name for protein in proteins)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None or not proteins:
        raise RequestError(
            f"proteins: {'two are named ' + repr(twice) if proteins else 'none given'}",
            expected="one or more, every name once",
        )
    return proteins


def _take(given: object, name: str) -> Protein:
    if isinstance(given, Protein):
        return given
    if not isinstance(given, str):
        raise RequestError(f"proteins: {type(given).__name__} for {name!r}", expected=_EXPECTED)
    return Protein(name, check_residues(given, f"protein {name!r}"))


def _refuse_residues(path: str) -> None:
    """Refuse amino acids where a file's name is expected; a name is short, or has another letter in it."""
    if len(path) >= SHORTEST and set(path) <= set(ACCEPTED) and not Path(path).exists():
        raise RequestError(
            f"proteins: {path[:20]!r}… is no file", expected=_EXPECTED, mend='for residues: {"name": "MKVL…"}'
        )


def count_rnas(rnas: RNAs) -> int:
    """Count RNAs; all of a file are checked on the way.

    Raises
    ------
    DataError
        For what is no RNA.
    RequestError
        If they can be looked at only once.
    """
    if isinstance(rnas, Path | str):
        return sum(1 for _ in read_sequences(rnas))
    if not isinstance(rnas, Sequence | Mapping):
        raise RequestError(
            "rnas: can be read only once, and pairs are counted first", expected="a list of them"
        )
    return len(rnas)


def _refuse_unequal(proteins: int, rnas: RNAs) -> None:
    count = count_rnas(rnas)
    if count != proteins:
        raise RequestError(
            f"pairs: {proteins:,} proteins and {count:,} RNAs",
            expected="as many of one as of the other",
            mend="leave out pairs (--pairs) to have every protein with every RNA",
        )


def _score_pairs(
    model: Predictor, block: Sequence[tuple[Query, tuple[str, str]]], level: float | None
) -> pl.DataFrame:
    """Score pairs; each different protein among them is read once."""
    distinct = dict.fromkeys(query.protein.sequence for query, _ in block)
    rows = {sequence: list[int]() for sequence in distinct}
    for number, (query, _) in enumerate(block):
        rows[query.protein.sequence].append(number)
    parts = []
    for numbers in _batched(list(rows.values()), Panel.TOGETHER):
        members = [block[group[0]][0] for group in numbers]
        panel = Panel.of(model, members, level)
        flat = [number for group in numbers for number in group]
        columns = [column for column, group in enumerate(numbers) for _ in group]
        queries = [block[number][0] for number in flat]
        names, portion = zip(*(block[number][1] for number in flat), strict=True)
        parts.append((flat, panel.score_pairs(names, portion, columns, queries)))
    order = [number for flat, _ in parts for number in flat]
    place = sorted(range(len(order)), key=order.__getitem__)
    return pl.concat([table for _, table in parts])[place]


def _batched(items: Sequence[list[int]], size: int) -> Iterator[Sequence[list[int]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _named(rnas: RNAs) -> Iterator[tuple[str, str]]:
    if isinstance(rnas, Path | str):
        return read_sequences(rnas)
    if isinstance(rnas, Mapping):
        return iter(rnas.items())
    return ((f"sequence_{number}", rna) for number, rna in enumerate(rnas, 1))


def _portions(rnas: Iterator[tuple[str, str]], proteins: int) -> Iterator[tuple[list[str], list[str]]]:
    """Cut a stream of RNAs into portions whose tables have some `ROWS` rows, whose windows not too many outputs."""
    most, longest = max(1, ROWS // proteins), max(1, LETTERS * 64 // (proteins + 63))
    names, portion, size = list[str](), list[str](), 0
    for name, rna in rnas:
        names.append(name)
        portion.append(rna)
        size += len(rna)
        if len(portion) == most or size >= longest:
            yield names, portion
            names, portion, size = [], [], 0
    if portion:
        yield names, portion
