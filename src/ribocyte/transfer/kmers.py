"""Measured 7-mer Z-scores against those a network predicts: a test that no simulation takes part in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ribocyte.errors import DataError
from ribocyte.files import Source, find
from ribocyte.rna.compendium.config import open_compendium
from ribocyte.rna.joint.aiming import aim
from ribocyte.rna.joint.baselines import BASELINES
from ribocyte.rna.kmers import name_kmer, score_kmers
from ribocyte.transfer.study import Study
from ribocyte.transfer.training import load_model
from ribocyte.transfer.work import BLEND, TOWERS

ZSCORES = Source(
    name="rnacompete/zscores_7mer.tsv.gz",
    url="",
    about="measured 7-mer Z-scores of an experiment (Ray et al. 2013)",
    alternatives=("rnacompete/zscores_7mer.tsv",),
)
LENGTH = 7
BEST = 100


@dataclass(frozen=True, eq=False)
class KnownKmers:
    """Measured Z-scores.

    Parameters
    ----------
    experiment : str
        Whose.
    z : numpy array, float64, shape (16384,)
        In the order AAAAAAA … UUUUUUU; NaN where not given.
    """

    experiment: str
    z: NDArray[np.float64]


def read_known_kmers(data: Path | None) -> KnownKmers | None:
    """Read the measured Z-scores of a data folder; None where there are none.

    Raises
    ------
    DataError
        If the file is no table of 7-mers.
    """
    path = find(ZSCORES, data.parent if data is not None and not data.is_dir() else data)
    if path is None:
        return None
    try:
        table = pl.read_csv(path, separator="\t")
        experiment = next(name for name in table.columns if name != "kmer")
        known = dict(
            zip(table["kmer"].str.replace_all("T", "U"), table[experiment].cast(pl.Float64), strict=True)
        )
    except (pl.exceptions.PolarsError, OSError, StopIteration) as error:
        raise DataError(
            f"{path}: {error}", expected="columns kmer and an experiment, separated by tabs"
        ) from error
    names = (name_kmer(number, LENGTH) for number in range(4**LENGTH))
    return KnownKmers(experiment, np.array([known.get(name, np.nan) for name in names], dtype=np.float64))


def rank_known_kmers(study: Study, fold: int) -> pl.DataFrame:
    """Compare measured Z-scores with those of what a network predicts, on all of Set B, for a protein it never saw.

    Parameters
    ----------
    study : Study
        With the training of the fold that holds the protein out.
    fold : int
        Which.

    Returns
    -------
    DataFrame
        ``experiment`` and ``gene``; for each ``method`` the rank correlation over all 7-mers, ``spearman``, and how
        many of the 100 best are among the 100 best measured, ``top``. The method ``its own array`` takes the
        compendium's own intensities of this protein: what could be reached at most.
    """
    known = read_known_kmers(study.data)
    if known is None:
        raise DataError(f"{ZSCORES.name}: not found", expected=ZSCORES.about)
    bench = study.bench
    name = next(one for one in bench.experiments if one.removeprefix("SIM_") == known.experiment)
    protein, model = bench.protein(name), load_model(study.run(f"cluster/fold-{fold}"))
    trained = [bench.experiments.index(one) for one in model.info.outputs]
    identities = bench.identities[np.ix_(np.array([bench.proteins.index(protein)]), bench.owner[trained])]
    compendium = open_compendium(study.data)
    rows = compendium.rows().test
    tokens = torch.from_numpy(compendium.tokens[rows])
    outputs = model.outputs(tokens)
    predicted = {kind: (outputs @ weigh(identities).T)[:, 0].numpy() for kind, weigh in BASELINES.items()}
    own = aim(model, [protein]).outputs(tokens)[:, 0].numpy()
    methods = {TOWERS: own, BLEND: (own + predicted["average"]) / 2, **predicted}
    column = compendium.column(name)
    methods["its own array"] = bench.measured[bench.experiments.index(name)].scale.apply(column[rows])
    found = []
    for method, values in methods.items():
        z = score_kmers(tokens, values, LENGTH)
        both = ~np.isnan(z) & ~np.isnan(known.z)
        rho = float(spearmanr(z[both], known.z[both]).statistic)
        found.append(
            (known.experiment, protein.gene, method, rho, _shared(z[both], known.z[both]), int(both.sum()))
        )
    names = ("experiment", "gene", "method", "spearman", "top", "kmers")
    return pl.DataFrame(found, schema=list(names), orient="row")


def _shared(one: NDArray[np.float64], other: NDArray[np.float64]) -> int:
    best = [set(np.argsort(-values, kind="stable")[:BEST].tolist()) for values in (one, other)]
    return len(best[0] & best[1])
