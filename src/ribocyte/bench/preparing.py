"""What benchmarks work on: data where there is some, else simulated; a table, sequences and a model made once.

Whoever prepares one thing imports what that thing needs: most of what a small benchmark takes would be imports.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ribocyte.cells.bloodmnist import BLOODMNIST
from ribocyte.files import atomic_write, find, locate
from ribocyte.rna.alphabet import LETTERS
from ribocyte.rna.rnacompete import NORM_DATA
from ribocyte.rna.table import PROBE_COLUMNS, read_header
from ribocyte.version import VERSION

EXPERIMENT = "RNCMPT00001"
"""A1CF: the experiment of the recipes."""
LENGTHS = (30, 35, 38, 38, 41)
"""Of the real array's probes, roughly in its proportions."""
REPEATED = 11
"""One probe in so many repeats another of its set, as on the real array."""
BLOCK = 8192


def prepare(what: str, folder: str, data: str | None, **size: int) -> dict[str, Any]:
    """Find or make what a work needs, once: what is there already is taken.

    Parameters
    ----------
    what : str
        ``cells``, ``table``, ``official``, ``rnas`` or ``model``.
    folder : str
        Where to make it.
    data : str, optional
        A data folder; else the usual search.
    size : int
        As `made_table` and `made_rnas` take them.

    Returns
    -------
    dict
        ``path``, and what else belongs to it: ``data`` (the folder to load it from), ``simulated``, ``experiment``.
    """
    root, at = Path(data) if data else None, Path(folder)
    match what:
        case "cells":
            return find_cells(root, at)
        case "table":
            return find_measurements(root, at)
        case "official":
            return made_table(at, **size)
        case "rnas":
            return made_rnas(at, **size)
        case _:
            return trained_model(root, at)


def find_cells(data: Path | None, folder: Path) -> dict[str, Any]:
    """Find BloodMNIST; simulate it where no data folder was named and the usual ones hold none."""
    from ribocyte.cells.smear import SmearConfig, write_bloodmnist

    path = locate(BLOODMNIST, data) if data else find(BLOODMNIST)
    if path is not None:
        return {"path": str(path), "data": str(data) if data else None}
    root = folder / "cells"
    path = find(BLOODMNIST, root) or root / BLOODMNIST.name
    if not path.is_file():
        write_bloodmnist(path, SmearConfig(train=11_959, val=1_712, test=3_421))
    return {"path": str(path), "data": str(root)}


def find_measurements(data: Path | None, folder: Path) -> dict[str, Any]:
    """Find the table of intensities and an experiment in it; for the rest as `find_cells`."""
    from ribocyte.rna import assay
    from ribocyte.rna.motifs import find_motif

    path = locate(NORM_DATA, data) if data else find(NORM_DATA)
    if path is None:
        data = folder / "rna"
        path = find(NORM_DATA, data) or assay.write_experiment(
            data / Path(NORM_DATA.name).parent, [find_motif("RBFOX1")], assay.AssayConfig()
        )
    names = [name for name in read_header(path) if name not in PROBE_COLUMNS]
    chosen = EXPERIMENT if EXPERIMENT in names else names[0]
    return {"path": str(path), "data": str(data) if data else None, "experiment": chosen}


def trained_model(data: Path | None, folder: Path) -> dict[str, Any]:
    """Train the RNA CNN for an epoch: a model as users have it, and as fast as one trained to the end."""
    import torch

    from ribocyte import catalog, pipeline
    from ribocyte.learn import measure

    table = find_measurements(data, folder)
    recipe = catalog.read_recipe(
        Path("rna/cnn"), [f'data.experiments=["{table["experiment"]}"]', "training.epochs=1"]
    )
    out = folder / f"model-{table['experiment']}-{VERSION}"
    root = Path(table["data"]) if table["data"] else None
    run = pipeline.train(recipe, out, data=root, resume=True)
    model = catalog.Predictor.load(run.model, device="cpu")
    tokens, _ = model.encoding.encode(["ACGU" * 10])
    with torch.no_grad():
        products = measure.multiply_adds(model.network, model.encoding.expand(tokens))
    simulated = bool(run.scores["simulated"])
    return {"path": str(run.model), "multiply_adds": products, "simulated": simulated}


def made_table(folder: Path, rows: int, experiments: int) -> dict[str, Any]:
    """Write a table of random intensities in the official format: of the official size, 0.6 GB of text.

    Parameters
    ----------
    folder : Path
        Receives ``norm_data-ROWSxCOLUMNS.txt``.
    rows, experiments : int
        Its size. The same size gives the same bytes.
    """
    names = [EXPERIMENT, *(f"MADE{number:05d}" for number in range(2, experiments + 1))]
    path = folder / f"norm_data-{rows}x{experiments + len(PROBE_COLUMNS)}.txt"
    if not path.is_file():
        with atomic_write(path) as stream:
            for number, block in enumerate(_table_blocks(rows, names)):
                text = io.BytesIO()
                block.write_csv(text, separator="\t", include_header=number == 0, float_precision=7)
                stream.write(text.getbuffer())
    return {"path": str(path), "experiment": EXPERIMENT, "bytes": path.stat().st_size}


def made_rnas(folder: Path, count: int, length: int = 0) -> dict[str, Any]:
    """Write random RNAs as FASTA, of one length or as long as the array's probes; the same request, the same bytes."""
    lengths = (length,) if length else LENGTHS
    path = folder / f"rnas-{count}{f'x{length}' if length else ''}.fasta"
    if not path.is_file():
        with atomic_write(path) as stream:
            for start in range(0, count, BLOCK):
                rnas = draw_rnas(np.random.default_rng([1, start]), min(BLOCK, count - start), lengths)
                lines = (f">rna{number}\n{rna}\n" for number, rna in enumerate(rnas, start + 1))
                stream.write("".join(lines).encode())
    return {"path": str(path), "bytes": path.stat().st_size}


def draw_rnas(random: np.random.Generator, count: int, lengths: Sequence[int] = LENGTHS) -> list[str]:
    """Draw random RNAs of some lengths, each as likely as the others."""
    letters = np.frombuffer(LETTERS.encode(), dtype=np.uint8)[random.integers(0, 4, (count, max(lengths)))]
    drawn = random.choice(lengths, count)
    return [row.tobytes()[:length].decode() for row, length in zip(letters, drawn, strict=True)]


def _table_blocks(rows: int, names: list[str]) -> Iterator[pl.DataFrame]:
    for start in range(0, rows, BLOCK):
        random, count = np.random.default_rng([0, start]), min(BLOCK, rows - start)
        rnas = draw_rnas(random, count)
        for row in range(REPEATED, count, REPEATED):
            rnas[row] = rnas[row - 1]
        values = random.standard_normal((len(names), count), dtype=np.float32)
        values[random.random(values.shape, dtype=np.float32) < 1e-3] = np.nan
        numbers = range(start + 1, start + count + 1)
        sets = ["SetA" if number <= rows // 2 else "SetB" for number in numbers]
        ids = [f"SIM_{number:06d}" for number in numbers]
        probes = pl.DataFrame(dict(zip(PROBE_COLUMNS, (sets, ids, rnas), strict=True)))
        yield probes.with_columns(pl.Series(name, row) for name, row in zip(names, values, strict=True))
