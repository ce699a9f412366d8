"""Two named ways to split an RNAcompete array and to scale its intensities.

``assignment``
    The course assignment's, number for number, so that results compare with the published solutions. Rows of
    Set A in file order are shuffled by ``numpy.random.RandomState(42)``, the first ``int(validation * n)`` are
    validation, Set B is test; **each split is scaled by its own statistics**. It leaks twice: the test set's scale
    comes from the test set, and repeated probes fall on both sides of train and validation.
``strict``
    Statistics of the training rows only, applied to all three splits. Repeats stay on one side of train and
    validation, and a probe of Set A whose sequence is also in Set B is left out of both. The default for real work.

Of the 241,399 probes of the array's design, 10,705 of 120,368 in Set A and 10,683 of 121,031 in Set B repeat an
earlier probe of their set (8.9 %; every one a pair but a few), and no sequence is in both sets. Shuffling rows
therefore puts about one validation probe in seven into training as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Protocol = Literal["strict", "assignment"]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]

SEED = 42
"""The assignment's; both protocols use it, so that a split never depends on a run's seed."""
EPSILON = 1e-6
CLIP_PERCENTILE = 99.95


@dataclass(frozen=True, eq=False)
class Rows:
    """Row numbers of each split, in the order in which the split holds them."""

    train: Integers
    val: Integers
    test: Integers

    def items(self) -> list[tuple[str, Integers]]:
        """Give the names of the splits and their rows."""
        return [("train", self.train), ("val", self.val), ("test", self.test)]


@dataclass(frozen=True)
class Scale:
    """How one experiment's intensities become targets: clamp, shift, logarithm, z-score.

    Parameters
    ----------
    clip : float
        99.95th percentile of the measured values; what is above becomes this.
    floor : float
        Smallest measured value; what is below becomes this, so that the logarithm is defined for rows that
        were not measured for the statistics.
    shift : float
        ``|floor| + 1`` where `floor` is 0 or less, else 0.
    mean, std : float
        Of ``log(y + shift + 1e-6)``; the population's standard deviation.
    """

    clip: float
    floor: float
    shift: float
    mean: float
    std: float

    @classmethod
    def measure(cls, intensities: Floats) -> Scale:
        """Take the statistics of one experiment; NaN are left out, at least one value must not be."""
        measured = intensities[~np.isnan(intensities)]
        clip = np.percentile(measured, CLIP_PERCENTILE)
        measured = np.clip(measured, None, clip)
        floor = measured.min()
        shift = abs(floor) + 1 if floor <= 0 else 0.0
        logarithms = np.log(measured + shift + EPSILON)
        numbers = (clip, floor, shift, logarithms.mean(), logarithms.std())
        return cls(*(float(number) for number in numbers))

    def apply(self, intensities: Floats) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Turn intensities into targets; computed in float64, given as float32; NaN stay NaN."""
        clamped = np.clip(intensities, self.floor, self.clip)
        scores = (np.log(clamped + self.shift + EPSILON) - self.mean) / (self.std + EPSILON)
        return scores.astype(np.float32)


def split_rows(protocol: Protocol, is_test: Booleans, first_row: Integers, validation: float) -> Rows:
    """Decide which rows train, validate and test.

    Parameters
    ----------
    protocol : {"strict", "assignment"}
        See the module.
    is_test : bool array, shape (N,)
        True for Set B.
    first_row : int64 array, shape (N,)
        Row where each probe's sequence first occurs: equal for repeats.
    validation : float
        Fraction of Set A.

    Returns
    -------
    Rows
        ``assignment``: train and validation in shuffled order, as the assignment's code has them. ``strict``: in
        file order, which is no loss, since training shuffles.
    """
    if protocol == "assignment":
        return _assignment_rows(is_test, validation)
    return _strict_rows(is_test, first_row, validation)


def scale_experiment(
    protocol: Protocol, intensities: Floats, rows: Rows
) -> tuple[dict[str, np.ndarray[Any, np.dtype[np.float32]]], dict[str, Scale]]:
    """Scale one experiment's three splits.

    One experiment at a time, because NaN fall on other rows in each; the work is in the rows.

    Returns
    -------
    (dict of float32 arrays, dict of Scale)
        Targets of ``train``, ``val`` and ``test``, and the statistics that made each.
    """
    scales = {
        name: Scale.measure(intensities[rows.train if protocol == "strict" else part])
        for name, part in rows.items()
    }
    return {name: scales[name].apply(intensities[part]) for name, part in rows.items()}, scales


def count_leaks(rows: Rows, first_row: Integers) -> dict[str, int]:
    """Count rows whose sequence also is where it should not be.

    Returns
    -------
    dict
        ``val_in_train``: validation rows whose sequence is in train; ``test_in_train_or_val``: test rows whose
        sequence is in either; ``left_out``: rows in no split.
    """
    seen = np.concatenate([rows.train, rows.val])
    return {
        "val_in_train": int(np.isin(first_row[rows.val], first_row[rows.train]).sum()),
        "test_in_train_or_val": int(np.isin(first_row[rows.test], first_row[seen]).sum()),
        "left_out": len(first_row) - len(seen) - len(rows.test),
    }


def describe_scales(protocol: Protocol, scales: list[dict[str, Scale]]) -> Mapping[str, Any]:
    """Give the statistics as JSON values: a list per statistic, one number per experiment.

    Returns
    -------
    mapping
        The training rows' ``clip``, ``floor``, ``shift``, ``mean``, ``std``; under ``assignment`` also ``splits``,
        which has the same for ``train``, ``val`` and ``test``.
    """
    parts = {name: _columns([one[name] for one in scales]) for name in ("train", "val", "test")}
    return parts["train"] if protocol == "strict" else {**parts["train"], "splits": parts}


def _columns(scales: list[Scale]) -> dict[str, list[float]]:
    tables = [asdict(scale) for scale in scales]
    return {name: [table[name] for table in tables] for name in ("clip", "floor", "shift", "mean", "std")}


def _assignment_rows(is_test: Booleans, validation: float) -> Rows:
    set_a = np.flatnonzero(~is_test)
    order = np.arange(len(set_a))
    np.random.RandomState(SEED).shuffle(order)
    count = int(validation * len(set_a))
    return Rows(set_a[order[count:]], set_a[order[:count]], np.flatnonzero(is_test))


def _strict_rows(is_test: Booleans, first_row: Integers, validation: float) -> Rows:
    in_test = np.zeros(len(first_row), dtype=np.bool_)
    in_test[first_row[is_test]] = True
    usable = np.flatnonzero(~is_test & ~in_test[first_row])
    copies = np.bincount(first_row[usable], minlength=len(first_row))
    groups = np.flatnonzero(copies)
    order = np.random.RandomState(SEED).permutation(len(groups))
    filled = np.cumsum(copies[groups[order]]) <= int(validation * len(usable))
    held_out = np.zeros(len(first_row), dtype=np.bool_)
    held_out[groups[order[filled]]] = True
    in_val = held_out[first_row[usable]]
    return Rows(usable[~in_val], usable[in_val], np.flatnonzero(is_test))
