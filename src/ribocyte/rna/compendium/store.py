"""A compendium on disk: opened, looked into, and turned into splits to learn from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ribocyte.errors import DataError, nearest
from ribocyte.learn.splits import Info, Split, Splits
from ribocyte.rna.alphabet import LETTERS, PADDING
from ribocyte.rna.protocols import (
    Floats,
    Integers,
    Protocol,
    Rows,
    describe_scales,
    scale_experiment,
    split_rows,
)

FACTS = "compendium.json"
_ARRAYS = ("tokens", "intensities", "names", "in_test", "first_row")
_LARGE = 1 << 20
# Bytes of an array above which it is mapped and not read.


@dataclass(frozen=True, eq=False)
class Compendium:
    """Probes and all their intensities, as arrays that lie in files.

    Parameters
    ----------
    path : Path
        The folder.
    tokens : numpy array, uint8, shape (N, L)
        The probes' letters, padded on the right.
    intensities : numpy array, float16 or float32, shape (N, P)
        As published (or simulated), unclipped; NaN where the spot failed.
    names : numpy array of bytes, shape (N,)
        Probe_IDs.
    in_test : numpy array, bool, shape (N,)
        True for Set B.
    first_row : numpy array, uint32, shape (N,)
        Equal for probes of equal sequence.
    experiments : tuple of str
        What each column is.
    facts : mapping
        JSON values: where it comes from, and how it was made.
    """

    path: Path
    tokens: NDArray[np.uint8]
    intensities: NDArray[Any]
    names: NDArray[np.bytes_]
    in_test: NDArray[np.bool_]
    first_row: NDArray[np.uint32]
    experiments: tuple[str, ...]
    facts: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path | str) -> Compendium:
        """Open a folder; nothing of the intensities is read yet.

        Raises
        ------
        DataError
            If it is no such folder, or a file of it is missing, damaged or of another shape.
        """
        path = Path(path)
        try:
            facts = json.loads((path / FACTS).read_text(encoding="utf-8"))
            experiments = tuple(str(name) for name in facts["experiments"])
            arrays = {name: _map(path / f"{name}.npy") for name in _ARRAYS}
        except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: no compendium, or a damaged one: {error}",
                expected=f"a folder with {FACTS} and {', '.join(f'{name}.npy' for name in _ARRAYS)}",
                mend="build it again",
            ) from error
        shapes = {name: array.shape for name, array in arrays.items()}
        rows, width = (*arrays["tokens"].shape, 0, 0)[:2]
        expected = dict.fromkeys(_ARRAYS, (rows,)) | {
            "tokens": (rows, width),
            "intensities": (rows, len(experiments)),
        }
        if shapes != expected or arrays["intensities"].dtype.kind != "f":
            raise DataError(
                f"{path}: arrays that do not fit each other: {shapes}",
                expected=f"{rows} rows and {len(experiments)} experiments",
                mend="build it again",
            )
        _refuse_strange(path, arrays)
        return cls(path=path, experiments=experiments, facts=facts, **arrays)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def simulated(self) -> bool:
        """Say whether the intensities come from a simulator."""
        return bool(self.facts["simulated"])

    def column(self, experiment: str) -> Floats:
        """Give one experiment's intensities as float64, shape (N,).

        Raises
        ------
        DataError
            If there is no such experiment.
        """
        return self.intensities[:, self.find(experiment)].astype(np.float64)

    def find(self, experiment: str) -> int:
        """Give the number of an experiment's column.

        Raises
        ------
        DataError
            If there is none.
        """
        if experiment not in self.experiments:
            near = nearest(experiment, self.experiments, 1)
            raise DataError(
                f"{self.path}: no experiment {experiment!r}",
                expected=f"one of {len(self.experiments)}",
                mend=f"did you mean {near[0]}?" if near else "",
            )
        return self.experiments.index(experiment)

    def rows(self, protocol: Protocol = "strict", validation: float = 0.2) -> Rows:
        """Decide which probes train, validate and test; see `ribocyte.rna.protocols.split_rows`."""
        return split_rows(protocol, np.asarray(self.in_test), self.first_row.astype(np.int64), validation)


def _refuse_strange(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse numbers that stand for nothing: letters that are none, rows that are not there."""
    limits = {"tokens": PADDING + 1, "first_row": len(arrays["first_row"])}
    for name, limit in limits.items():
        array = arrays[name]
        if array.dtype.kind != "u" or (array.size and array.max() >= limit):
            raise DataError(
                f"{path / name}.npy: damaged: it holds {array.max() if array.size else array.dtype}",
                expected=f"whole numbers from 0 to below {limit}",
                mend="build it again",
            )


def load_splits(
    compendium: Compendium,
    experiments: Sequence[str] = (),
    protocol: Protocol = "strict",
    validation: float = 0.2,
    *,
    probes: int = 0,
    seed: int = 0,
) -> Splits:
    """Load experiments as three splits of tokens and targets, as `ribocyte.rna.rnacompete.load` does of a table.

    Parameters
    ----------
    compendium : Compendium
        Where they lie.
    experiments : sequence of str
        Which; all where none is named.
    protocol, validation
        As for `ribocyte.rna.rnacompete.RNAcompeteConfig`.
    probes : int
        How many of the training probes are kept, 0 for all; fewer are a part of more. Under ``strict`` intensities
        are scaled by these alone.
    seed : int
        Which of them.

    Returns
    -------
    Splits
        Targets float32 (N, P), 4 bytes a probe and experiment: 236 MB of the whole. An experiment without
        intensities that differ in a split is refused.

    Raises
    ------
    DataError
        If an experiment is unknown, or cannot be scaled.
    """
    chosen = tuple(experiments) or compendium.experiments
    rows = compendium.rows(protocol, validation)
    rows = replace(rows, train=_draw_probes(rows.train, probes, seed, compendium.path))
    targets = {name: np.empty((len(part), len(chosen)), dtype=np.float32) for name, part in rows.items()}
    scales = []
    for number, experiment in enumerate(chosen):
        values = compendium.column(experiment)
        _refuse_unmeasured(compendium, experiment, values, rows)
        scaled, scale = scale_experiment(protocol, values, rows)
        scales.append(scale)
        for name, column in scaled.items():
            targets[name][:, number] = column
    train, val, test = (
        Split(
            torch.from_numpy(compendium.tokens[part]),
            torch.from_numpy(targets[name]),
            compendium.names[part].astype(np.str_),
        )
        for name, part in rows.items()
    )
    info = Info(
        kind="compendium",
        source=compendium.path.name,
        fingerprint="",
        protocol=protocol,
        outputs=chosen,
        normalisation={
            "alphabet": LETTERS,
            "length": compendium.tokens.shape[1],
            **describe_scales(protocol, scales),
        },
        simulated=compendium.simulated,
    )
    return Splits(train, val, test, info).stamped()


def _draw_probes(train: Integers, probes: int, seed: int, path: Path) -> Integers:
    """Draw some of the training rows, in their order."""
    if probes > len(train):
        raise DataError(
            f"{path}: data.probes = {probes}", expected=f"at most {len(train)}, which are there to train on"
        )
    if not probes:
        return train
    order = np.random.default_rng([seed, 3]).permutation(len(train))
    return train[np.sort(order[:probes])]


def _map(path: Path) -> NDArray[Any]:
    """Map the large arrays, read the small."""
    large = path.stat().st_size > _LARGE
    array: NDArray[Any] = np.load(path, mmap_mode="r" if large else None, allow_pickle=False)
    return array


def _refuse_unmeasured(compendium: Compendium, experiment: str, values: Floats, rows: Rows) -> None:
    for split, part in rows.items():
        seen = values[part][~np.isnan(values[part])]
        if not len(seen) or np.ptp(seen) == 0:
            raise DataError(
                f"{compendium.path}: {experiment} has no intensities that differ in {split}",
                expected="two or more different ones in each split",
                mend="leave this experiment out",
            )
