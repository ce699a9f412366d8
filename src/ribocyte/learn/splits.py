"""Data ready to learn from: three splits of compact tensors, and what is known about them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from ribocyte.errors import DataError, RequestError, suggest

LISTED = 12
"""Outputs that a message lists."""


@dataclass(frozen=True, eq=False)
class Split:
    """Examples of one split, row by row.

    Parameters
    ----------
    inputs : Tensor, uint8, shape (N, ...)
        Compact inputs: RNA tokens (N, L) or images (N, H, W, 3). An `Encoding` turns them into what networks take.
    targets : Tensor, shape (N, P) float32 or (N,) int64
        Measurements, NaN where missing; or class numbers.
    names : numpy array of str, shape (N,)
        What each row is called: probe or image.
    """

    inputs: Tensor
    targets: Tensor
    names: np.ndarray[Any, np.dtype[np.str_]]

    def __post_init__(self) -> None:
        if not len(self.inputs) == len(self.targets) == len(self.names):
            raise ValueError(
                f"{len(self.inputs)} inputs, {len(self.targets)} targets, {len(self.names)} names"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Any) -> Split:
        """Give some of the rows: a slice, a boolean mask or row numbers."""
        return Split(
            self.inputs[rows],
            self.targets[rows],
            self.names[np.asarray(rows) if not isinstance(rows, slice) else rows],
        )


@dataclass(frozen=True)
class Info:
    """What the numbers of a data set mean, how they were made and where they came from.

    Parameters
    ----------
    kind : str
        Name of the kind of data in the catalog, such as ``rnacompete``.
    source : str
        Name of the file or folder read (no directories: a model travels).
    fingerprint : str
        SHA-256 over the inputs, targets and names of all three splits: two runs with the same fingerprint
        saw the same data.
    protocol : str
        How the splits were made: ``strict``, ``assignment``, ``official``, ``stratified``.
    outputs : tuple of str
        Experiments or classes, in the order of the network's outputs.
    normalisation : mapping
        The numbers needed to repeat the preparation of inputs or targets; JSON values only.
    simulated : bool
        True where the measurements come from a simulator.
    """

    kind: str
    source: str
    fingerprint: str
    protocol: str
    outputs: tuple[str, ...]
    normalisation: Mapping[str, Any] = field(default_factory=dict)
    simulated: bool = False

    def as_json(self) -> dict[str, Any]:
        """Give the same as a dictionary of JSON values."""
        return {**asdict(self), "outputs": list(self.outputs), "normalisation": dict(self.normalisation)}

    def find_output(self, wanted: str) -> int:
        """Give the number of an output; the only one need not be named.

        Raises
        ------
        RequestError
            If there is no such output, or there are several and none is named.
        """
        if not wanted and len(self.outputs) == 1:
            return 0
        if wanted in self.outputs:
            return self.outputs.index(wanted)
        more = len(self.outputs) - LISTED
        raise RequestError(
            f"output {wanted!r}: not of this model"
            if wanted
            else f"output: the model has {len(self.outputs)}, and none is named",
            expected=f"one of {', '.join(self.outputs[:LISTED])}{f' and {more} more' if more > 0 else ''}",
            mend=suggest(wanted, self.outputs),
        )

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Info:
        """Read back what `as_json` gave.

        Raises
        ------
        TypeError
            If the table holds anything else.
        """
        if not all(isinstance(name, str) for name in table["outputs"]):
            raise TypeError(f"outputs {table['outputs']!r} are no names")
        return cls(**{**table, "outputs": tuple(table["outputs"])})


@dataclass(frozen=True, eq=False)
class Splits:
    """Train, validation and test, and what is known about them.

    Parameters
    ----------
    train, val, test : Split
        At least a row in each.
    info : Info
        What is known about them.
    blind : bool
        True where the test rows were taken away: `test` then has none.
    """

    train: Split
    val: Split
    test: Split
    info: Info
    blind: bool = False

    def __post_init__(self) -> None:
        if self.blind and len(self.test):
            raise ValueError(f"blind, and {len(self.test)} test rows")
        for name in ("train", "val") if self.blind else ("train", "val", "test"):
            if not len(getattr(self, name)):
                raise DataError(
                    f"{self.info.source}: the {name} split is empty", expected="at least one row in each"
                )

    def without_test(self) -> Splits:
        """Give the same splits with no row of the test, for work that must not see it.

        The fingerprint stays that of all three: it says which data this is a part of.
        """
        return replace(self, test=self.test[:0], blind=True)

    def stamped(self) -> Splits:
        """Give the same splits with the fingerprint of their content filled in."""
        return replace(
            self, info=replace(self.info, fingerprint=fingerprint(self.train, self.val, self.test))
        )


def fingerprint(*splits: Split) -> str:
    """Hash what a network will see: inputs, targets and names, in order."""
    digest = hashlib.sha256()
    for split in splits:
        for tensor in (split.inputs, split.targets):
            digest.update(str((tuple(tensor.shape), tensor.dtype)).encode())
            digest.update(tensor.contiguous().numpy().reshape(-1).data)
        digest.update(_join(split.names))
    return digest.hexdigest()


def _join(names: np.ndarray[Any, np.dtype[np.str_]]) -> bytes | memoryview:
    """Write names below each other in UTF-8: those of plain letters all at once, 240,000 in a few milliseconds."""
    codes = np.ascontiguousarray(names).view(np.uint32).reshape(len(names), -1)
    if codes.size and codes.max() < 128:
        lines = np.full((len(codes), codes.shape[1] + 1), ord("\n"), dtype=np.uint8)
        lines[:, :-1] = codes
        written = lines if codes.all() else lines[lines != 0]  # names of one length have no zeros behind them
        return written.reshape(-1)[:-1].data  # a view: a copy would take longer than hashing it
    return "\n".join(names.tolist()).encode()
