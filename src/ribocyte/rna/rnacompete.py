"""RNAcompete: how strongly a protein bound each of 240,000 short RNAs, ready to learn from.

Ray et al. 2013 (doi 10.1038/nature12311) incubated 244 constructs of RNA-binding proteins with one pool of
designed RNAs, 30 to 41 nt long, and read from a microarray what each had bound. The pool's two halves, Set A and
Set B, each contain every 9-mer many times: train on one, test on the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ribocyte.errors import DataError
from ribocyte.files import Source, locate
from ribocyte.learn import recipe
from ribocyte.learn.splits import Info, Split, Splits
from ribocyte.rna.alphabet import LETTERS, PADDING
from ribocyte.rna.experiments import METADATA, resolve_experiments
from ribocyte.rna.protocols import (
    Floats,
    Protocol,
    Rows,
    count_leaks,
    describe_scales,
    scale_experiment,
    split_rows,
)
from ribocyte.rna.table import (
    FIRST_ROW,
    PROBE_COLUMNS,
    SETS,
    check_probes,
    read_header,
    read_table,
    stream_table,
)

__all__ = ["METADATA", "NORM_DATA", "RNAcompeteConfig", "check", "find_table", "is_simulated", "load"]

NORM_DATA = Source(
    name="rnacompete/norm_data.txt.gz",
    url="http://hugheslab.ccbr.utoronto.ca/supplementary-data/RNAcompete_eukarya/norm_data.txt.gz",
    about="normalised intensities of 244 RNAcompete experiments (Ray et al. 2013, supplementary data)",
    alternatives=("rnacompete/norm_data.txt",),
)
SIMULATED = "SIM_"
"""What every Probe_ID of a simulated table begins with."""
LARGEST = 1e30
"""No intensity is larger; the arithmetic of scaling holds this and a good deal more."""


@dataclass(frozen=True)
class RNAcompeteConfig:
    """Which experiments, and how they are split and scaled.

    Parameters
    ----------
    experiments : tuple of str
        Columns of the table (``RNCMPT00168``), or names of proteins that mean one experiment.
    protocol : {"strict", "assignment"}
        See `ribocyte.rna.protocols`. Strict by default, because its scores are what unseen data would give.
    length : int
        Window in nt that probes are padded to, on the right. 41 is the array's longest probe.
    validation : float
        Fraction of Set A that validates.
    """

    experiments: tuple[str, ...] = ("RNCMPT00168",)
    protocol: Protocol = "strict"
    length: int = 41
    validation: float = 0.2

    def __post_init__(self) -> None:
        named = bool(self.experiments) and all(self.experiments)
        recipe.check(named, "data.experiments", self.experiments, "one experiment or more")
        once = len(set(self.experiments)) == len(self.experiments)
        recipe.check(once, "data.experiments", self.experiments, "each experiment once")
        recipe.check(
            self.protocol in ("strict", "assignment"), "data.protocol", self.protocol, "strict or assignment"
        )
        recipe.check(1 <= self.length <= 100_000, "data.length", self.length, "from 1 to 100,000")
        recipe.check(0 < self.validation < 1, "data.validation", self.validation, "above 0 and below 1")


def load(config: RNAcompeteConfig, root: Path | None = None) -> Splits:
    """Load experiments as three splits of tokens and targets.

    Parameters
    ----------
    config : RNAcompeteConfig
        What to load.
    root : Path, optional
        A data folder, or the table itself; the usual folders where not given.

    Returns
    -------
    Splits
        Inputs uint8 (N, length), targets float32 (N, P) with NaN where a spot failed, names the Probe_IDs. The
        info's ``normalisation`` holds ``alphabet``, ``length`` and the scales, one number per experiment (see
        `ribocyte.rna.protocols.describe_scales`).

    Raises
    ------
    DataError
        If the table or an experiment is not found, or something in the table is wrong; names file and row.
    """
    path = find_table(root)
    experiments = resolve_experiments(config.experiments, path, root)
    _refuse_clashing_names(path, experiments)
    table = read_table(path, experiments)
    _refuse_long_probes(path, table.rna, config.length)
    rows = split_rows(config.protocol, table.is_test, table.first_row, config.validation)
    _refuse_unmeasured(path, table.intensities, rows)
    scaled, scales = zip(
        *(scale_experiment(config.protocol, y, rows) for y in table.intensities.values()), strict=True
    )
    train, val, test = (
        Split(
            _padded(table.rna.take(part, axis=0), config.length),
            _stack([targets[name] for targets in scaled]),
            table.names[part],
        )
        for name, part in rows.items()
    )
    info = Info(
        kind="rnacompete",
        source=path.name,
        fingerprint="",
        protocol=config.protocol,
        outputs=tuple(experiments),
        normalisation={
            "alphabet": LETTERS,
            "length": config.length,
            **describe_scales(config.protocol, list(scales)),
        },
        simulated=is_simulated(table.names),
    )
    return Splits(train, val, test, info).stamped()


def find_table(root: Path | None = None) -> Path:
    """Find the table of intensities: `root` itself if it is a file, else in the data folders."""
    return root if root is not None and root.is_file() else locate(NORM_DATA, root)


def is_simulated(names: ArrayLike) -> bool:
    """Say whether a table comes from a simulator: every probe's name says so."""
    return bool((np.asarray(names).astype(f"U{len(SIMULATED)}") == SIMULATED).all())  # cut to that length


def check(root: Path | None = None, validation: float = 0.2) -> dict[str, Any]:
    """Read a whole table, in flat memory, and report what it holds.

    Parameters
    ----------
    root : Path, optional
        A data folder, or the table itself; the usual folders where not given.
    validation : float
        Fraction of Set A that would validate.

    Returns
    -------
    dict of JSON values
        ``file``, ``simulated``, ``rows``; ``sets`` (rows of each); ``lengths`` (``min``, ``max``, ``counts``);
        ``experiments`` (``count``, ``first``); ``missing`` (``total``, ``most``: the ten experiments with
        most NaN; ``all``: experiments without any value); ``repeats`` (rows of a set that repeat an earlier row
        of it; ``in_both_sets``: rows of Set B whose sequence is in Set A); ``leakage`` under each protocol (see
        `ribocyte.rna.protocols.count_leaks`).

    Raises
    ------
    DataError
        For the first thing in the table that is wrong.
    """
    path = find_table(root)
    experiments = [name for name in read_header(path) if name not in PROBE_COLUMNS]
    missing: Counter[str] = Counter(dict.fromkeys(experiments, 0))
    blocks = []
    for block in stream_table(path, experiments):
        missing.update(
            block.select(pl.col(experiments).is_nan().sum()).row(0, named=True) if experiments else {}
        )
        blocks.append(block.select(PROBE_COLUMNS))
    probes = check_probes(path, pl.concat(blocks))
    lengths = probes["RNA_Seq"].str.len_bytes().value_counts().sort("RNA_Seq")
    in_set = {name: probes.filter(pl.col("Probe_Set") == name)[FIRST_ROW] for name in SETS}
    return {
        "file": str(path),
        "simulated": is_simulated(probes["Probe_ID"]),
        "rows": probes.height,
        "sets": {name: len(rows) for name, rows in in_set.items()},
        "lengths": {
            "min": lengths["RNA_Seq"][0],
            "max": lengths["RNA_Seq"][-1],
            "counts": {str(length): count for length, count in lengths.iter_rows()},
        },
        "experiments": {"count": len(experiments), "first": experiments[:10]},
        "missing": {
            "total": missing.total(),
            "most": dict(missing.most_common(10)),
            "all": [name for name, count in missing.items() if count == probes.height],
        },
        "repeats": {
            **{name: len(rows) - rows.n_unique() for name, rows in in_set.items()},
            "in_both_sets": int(in_set["SetB"].is_in(in_set["SetA"].implode()).sum()),
        },
        "leakage": _leakage(probes, validation),
    }


def _leakage(probes: pl.DataFrame, validation: float) -> dict[str, dict[str, int]]:
    first_row = probes[FIRST_ROW].to_numpy()
    protocols: tuple[Protocol, ...] = ("strict", "assignment")
    return {name: count_leaks(_split(probes, name, validation), first_row) for name in protocols}


def _split(table: pl.DataFrame, protocol: Protocol, validation: float) -> Rows:
    is_test = (table["Probe_Set"] == "SetB").to_numpy()
    return split_rows(protocol, is_test, table[FIRST_ROW].to_numpy().astype(np.int64), validation)


def _padded(rna: np.ndarray[Any, np.dtype[np.uint8]], length: int) -> Tensor:
    tokens = torch.from_numpy(rna)
    missing = length - rna.shape[1]  # where none is, padding would copy all the same
    return nn.functional.pad(tokens, (0, missing), value=PADDING) if missing else tokens


def _stack(columns: list[np.ndarray[Any, np.dtype[np.float32]]]) -> Tensor:
    return torch.from_numpy(np.stack(columns, axis=1))


def _refuse_long_probes(path: Path, rna: np.ndarray[Any, np.dtype[np.uint8]], length: int) -> None:
    longest = rna.shape[1]
    if longest > length:
        row = int((rna[:, -1] != PADDING).argmax())
        raise DataError(
            f"{path}: row {row + 1}: the probe has {longest} nt",
            expected=f"at most {length} (data.length)",
            mend=f"set data.length={longest}",
        )


def _refuse_clashing_names(path: Path, experiments: list[str]) -> None:
    """Keep the columns of predictions apart: ``name``, ``windows``, and three for each experiment."""
    columns = [
        "name",
        "windows",
        *(f"{one}{end}" for one in experiments for end in ("", "_window", "_intensity")),
    ]
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise DataError(
            f"{path}: predictions would have two columns {twice[0]!r}",
            expected="an experiment called otherwise",
            mend="rename the column of the table",
        )


def _refuse_unmeasured(path: Path, intensities: Mapping[str, Floats], rows: Rows) -> None:
    for split, part in rows.items():
        if not len(part):
            raise DataError(
                f"{path}: no probe is left for {split}",
                expected="10 probes a set or more, and not all of Set A repeated in Set B",
            )
    for name, values in intensities.items():
        empty = [split for split, part in rows.items() if np.isnan(values[part]).all()]
        if empty:
            raise DataError(
                f"{path}: {name} has no measured intensity in {', '.join(empty)}",
                expected="numbers in train, val and test",
                mend="take another experiment: this one is NaN there",
            )
        for split, part in rows.items():
            seen = values[part][~np.isnan(values[part])]
            if np.abs(seen).max() > LARGEST:
                raise DataError(
                    f"{path}: {name} holds {seen[np.abs(seen).argmax()]:g}",
                    expected=f"intensities within ±{LARGEST:g}",
                )
            if np.ptp(seen) == 0:
                raise DataError(
                    f"{path}: {name} is {seen[0]:g} throughout {split}", expected="intensities that differ"
                )
