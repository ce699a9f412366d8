"""What is said before proteins and RNAs are paired: which model, what the proteins are, what is wrong with the RNAs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ribocyte.cli import present

if TYPE_CHECKING:
    import polars as pl

    from ribocyte.applications.binding import Query
    from ribocyte.catalog import Predictor

SHOWN = 10
"""Proteins described on the terminal; a table has them all."""
FIRST = 10_000
"""RNAs that are read before anything is said."""
REMEMBERED = 1 << 20
"""Names of RNAs that are looked at for repeats."""


def load_model(model: Path) -> Predictor:
    """Load a model.

    Raises
    ------
    ModelError
        If it cannot be loaded; of a study of transfer's folder, it says which in it can.
    """
    from ribocyte.catalog import Predictor
    from ribocyte.errors import ModelError

    if not (model / "model.safetensors").exists() and (model / "model" / "model.safetensors").is_file():
        raise ModelError(
            f"{model}: no model, but a study that ends with one",
            expected="a run's folder",
            mend=f"did you mean {present.quoted(model / 'model')}?",
        )
    return Predictor.load(model)


def refuse_percent(level: float | None) -> None:
    """Refuse a level in per cent, and say what it is as a share.

    Raises
    ------
    RequestError
        If it is one.
    """
    from ribocyte.errors import RequestError

    if level is not None and 50 <= level <= 99:
        raise RequestError(
            f"--level {level:g}: is no share",
            expected="from 0.5 to 0.99",
            mend=f"did you mean --level {level / 100:g}?",
        )


def read_first(rna: Path) -> None:
    """Read some RNAs of a file, so that one is told what is wrong with it before anything else.

    Raises
    ------
    DataError
        If it cannot be read, or one of them is none.
    """
    from ribocyte.rna.sequences import read_sequences

    if rna.is_file() or not rna.exists():  # what is no file, a pipe, can be read only once
        for _ in itertools.islice(read_sequences(rna), FIRST):
            pass


def introduce(queries: Sequence[Query], reach: float | None) -> None:
    """Say on stderr what the proteins are, before anything is predicted of them.

    Parameters
    ----------
    queries : sequence of Query
        The proteins.
    reach : float, optional
        See `ribocyte.applications.binding.find_reach`.
    """
    from ribocyte.applications.binding import NO_TRUST

    measured = [query for query in queries if query.measured]
    unseen = [query for query in queries if not query.measured]
    for query in measured[:SHOWN]:
        present.say(f"{query.protein.name}: measured, {query.measured[0]}; its own output is used")
    for query in unseen[:SHOWN]:
        first = query.nearest[0]
        gene = f" ({first.protein.gene})" if first.protein.gene else ""
        present.say(
            f"{query.protein.name}: not measured; nearest {first.protein.name}{gene}, identity {first.identity:.2f}, "
            f"coverage {query.coverage:.2f}"
        )
    left_out = max(0, len(measured) - SHOWN) + max(0, len(unseen) - SHOWN)
    if left_out:
        present.say(f"and {left_out:,} more: {len(measured):,} measured, {len(unseen):,} not")
    near = [query.protein.name for query in unseen if reach is not None and query.likeness > reach]
    if near:
        present.say(
            f"{_name_some(near)}: more like a known protein than any that intervals were learned from "
            f"({reach:.2f}, identity times coverage); the intervals are as wide as for those"
        )
    warned: dict[str, list[str]] = {}
    for query in queries:
        for warning in query.warnings:
            warned.setdefault(warning, []).append(query.protein.name)
    for warning, names in warned.items():
        cure = " (ribocyte transfer cluster ends with one that was)" if warning == NO_TRUST else ""
        present.warn(f"{_name_some(names)}: {warning}{cure}")


def _name_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


class Written:
    """Count rows as they go by, and find RNAs that have the name of another, among the first million.

    Parameters
    ----------
    proteins : int
        How many rows each RNA has.
    """

    def __init__(self, proteins: int) -> None:
        self.rows, self.repeated = 0, dict[str, None]()
        self._proteins, self._seen = proteins, set[str]()

    def note(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Give tables of pairs, RNA by RNA, as they are."""
        for frame in frames:
            self.rows += frame.height
            if len(self._seen) < REMEMBERED:
                names = frame["rna"].gather_every(self._proteins).to_list()
                for name in names:
                    if name in self._seen:
                        self.repeated[name] = None
                    self._seen.add(name)
            yield frame
