"""Proteins that a joint model is asked about: what they are, and the model made ready for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.applications.proteins import write_domains
from ribocyte.errors import ModelError, RequestError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.encoding import RNAEncoding, best_windows
from ribocyte.rna.joint.aiming import AimableTrust, aim, longest_read
from ribocyte.rna.joint.known import KNOWN, known_proteins
from ribocyte.rna.joint.subjects import find_kin
from ribocyte.rna.proteins.alignment import Neighbour, region
from ribocyte.rna.proteins.records import PROTEINS
from ribocyte.rna.proteins.sequences import Protein

NEIGHBOURS = 5
"""Known proteins that are kept for each one asked about."""
NO_TRUST = "no interval and no reliability: this model was never calibrated on unseen proteins"
"""The warning of an unseen protein where the model does not know how far to trust it."""
SCHEMA: dict[str, Any] = {
    "rna": pl.String,
    "protein": pl.String,
    "score": pl.Float32,
    "low": pl.Float32,
    "high": pl.Float32,
    "spread": pl.Float32,
    "reliability": pl.Float32,
    "window": pl.Int64,
    "measured": pl.String,
    "nearest": pl.String,
    "nearest_gene": pl.String,
    "identity": pl.Float32,
    "coverage": pl.Float32,
    "likeness": pl.Float32,
    "domains": pl.String,
    "simulated": pl.Boolean,
    "warning": pl.String,
}
"""Columns of a table of pairs."""
_FROM_TRUST = ("low", "high", "spread", "reliability")

Matrix = NDArray[Any]


@dataclass(frozen=True)
class Query:
    """A protein that a model is asked about, and what the model knows of it.

    Parameters
    ----------
    protein : Protein
        With the domains that were recognised.
    nearest : tuple of Neighbour
        Known proteins, most alike first.
    same : Protein, optional
        The known protein that it is, or whose binding region it has (`ribocyte.rna.joint.subjects.find_kin`);
        None for a protein that the model never saw.
    measured : tuple of str
        The model's outputs for that one: what was measured of this very protein.
    coverage : float
        To the nearest: the length of the shorter binding region over that of the longer.
    likeness : float
        Identity times coverage, to the known protein where it is largest; trust depends on it.
    warnings : tuple of str
        Why to distrust whatever is predicted; empty where nothing is known against it.
    """

    protein: Protein
    nearest: tuple[Neighbour, ...]
    same: Protein | None = None
    measured: tuple[str, ...] = ()
    coverage: float = 1.0
    likeness: float = 1.0
    warnings: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """The warnings in one line."""
        return "; ".join(self.warnings)

    @property
    def facts(self) -> dict[str, Any]:
        """What a table says of it, beside its predictions."""
        first = self.nearest[0]
        return {
            "protein": self.protein.name,
            "measured": self.measured[0] if self.measured else None,
            "nearest": first.protein.name,
            "nearest_gene": first.protein.gene,
            "identity": first.identity,
            "coverage": self.coverage,
            "likeness": self.likeness,
            "domains": write_domains(self.protein.domains),
            "warning": self.warning or None,
        }


def identify(model: Predictor, proteins: Sequence[Protein]) -> list[Query]:
    """Find out what proteins are: their domains, and their nearest relatives among those the model knows.

    Parameters
    ----------
    model : Predictor
        Trained on a compendium.
    proteins : sequence of Protein
        As a FASTA file gives them, or with their domains.

    Returns
    -------
    list of Query

    Raises
    ------
    ModelError
        If the model does not know whose outputs it has.
    RequestError
        If it reads no RNA, or the extra [bio] is not installed.
    """
    owners: dict[Protein, list[str]] = {}
    for protein, output in _outputs_of(model):
        owners.setdefault(protein, []).append(output)
    known, general = list(owners), _doubt_model(model)
    reads = longest_read(model)
    queries = []
    for kin in find_kin(proteins, known):
        near = tuple(Neighbour(known[at], float(kin.identities[at])) for at in kin.order[:NEIGHBOURS])
        same = known[kin.same] if kin.same >= 0 else None
        warnings = kin.warnings if same else (*kin.warnings, *_doubt_length(kin.protein, reads), *general)
        queries.append(
            Query(
                kin.protein,
                near,
                same,
                tuple(owners[same]) if same else (),
                float(kin.coverages[kin.order[0]]),
                kin.likeness,
                warnings,
            )
        )
    return queries


@dataclass(frozen=True, eq=False)
class Panel:
    """A model made ready for some proteins: measured ones have their own outputs, at the others it is aimed.

    Parameters
    ----------
    queries : tuple of Query
        The proteins.
    parts : tuple of (Predictor, tuple of int, tuple of str)
        Models, each with the queries it answers and the names of its outputs for them.
    simulated : bool
        Whether the model learned from a simulation.
    """

    TOGETHER: ClassVar[int] = 32
    """Different proteins to aim at at once, where each is asked about few RNAs."""

    queries: tuple[Query, ...]
    parts: tuple[tuple[Predictor, tuple[int, ...], tuple[str, ...]], ...]
    simulated: bool

    @classmethod
    def of(cls, model: Predictor, queries: Sequence[Query], level: float | None = None) -> Panel:
        """Make a model ready; `level` is the share of the measurements that intervals are to hold.

        Raises
        ------
        ModelError
            If it cannot be aimed at proteins that it was not trained on.
        RequestError
            If the level is impossible, or the model was never calibrated.
        """
        direct = _has_own_outputs(model)
        own = [number for number, query in enumerate(queries) if direct and query.measured]
        others = [number for number, query in enumerate(queries) if not (direct and query.measured)]
        if others and (model.trust is None or isinstance(model.trust, AimableTrust)):
            # Aimed, a model has for a known protein what it had: the RNA is read once for all.
            own, others = [], list(range(len(queries)))
        parts = []
        if own:
            parts.append(
                (_at(model, level), tuple(own), tuple(queries[number].measured[0] for number in own))
            )
        if others:
            # Names of ours: those of a FASTA file may be what a column is called.
            asked = [replace(_stand_in(queries[number]), name=f"p{number}") for number in others]
            names = tuple(protein.name for protein in asked)
            parts.append((_at(aim(model, asked), level), tuple(others), names))
        return cls(tuple(queries), tuple(parts), model.info.simulated)

    def score_all(self, names: Sequence[str], rnas: Sequence[str]) -> pl.DataFrame:
        """Score every protein with every RNA: rows RNA by RNA, in the columns of `SCHEMA`."""
        rows = np.repeat(np.arange(len(rnas)), len(self.queries))
        columns = np.tile(np.arange(len(self.queries)), len(rnas))
        return self._lay_out(names, self._predict(rnas), rows, columns, columns, self.queries)

    def score_pairs(
        self,
        names: Sequence[str],
        rnas: Sequence[str],
        columns: Sequence[int],
        queries: Sequence[Query],
    ) -> pl.DataFrame:
        """Score each RNA with the protein in one column; `queries` are what the rows are said to be of."""
        rows = np.arange(len(rnas))
        return self._lay_out(names, self._predict(rnas), rows, np.array(columns), rows, queries)

    def member_outputs(self, compact: Tensor) -> Tensor:
        """Run every member of an ensemble over compact inputs: (M, N, Q); a single network is its only one."""
        parts = [(model.member_outputs(compact), model, at, names) for model, at, names in self.parts]
        outputs = torch.empty(*parts[0][0].shape[:2], len(self.queries))
        for found, model, numbers, names in parts:
            outputs[:, :, list(numbers)] = found[:, :, _places(model, names)]
        return outputs

    def _predict(self, rnas: Sequence[str]) -> dict[str, Matrix]:
        """Give what is said of each RNA (S) and each protein (Q), matrices (S, Q)."""
        shape = (len(rnas), len(self.queries))
        said = {name: np.full(shape, np.nan, dtype=np.float32) for name in ("score", *_FROM_TRUST)}
        said["window"] = np.zeros(shape, dtype=np.int64)
        for model, numbers, names in self.parts:
            encoding = model.encoding
            assert isinstance(encoding, RNAEncoding), "it was asked about RNA"
            compact, owner = encoding.encode(rnas)
            outputs = model.outputs(compact)
            best, at = best_windows(outputs[:, _places(model, names)], owner, torch.bincount(owner))
            said["score"][:, numbers] = best.numpy()
            said["window"][:, numbers] = at.numpy() * encoding.stride + 1
            if model.trust is None:
                continue
            judged = model.trust.judge(model, compact, outputs, owner)
            for what in _FROM_TRUST:
                for number, name in zip(numbers, names, strict=True):
                    if f"{name}_{what}" in judged.columns:
                        said[what][:, number] = judged[f"{name}_{what}"].to_numpy()
        return said

    def _lay_out(
        self,
        names: Sequence[str],
        said: dict[str, Matrix],
        rows: Matrix,
        columns: Matrix,
        place: Matrix,
        queries: Sequence[Query],
    ) -> pl.DataFrame:
        """Write pairs as rows: of matrices the cells (rows, columns), of the queries those at `place`."""
        facts = pl.DataFrame(
            [query.facts for query in queries],
            schema={name: kind for name, kind in SCHEMA.items() if name in queries[0].facts},
        )
        cells = {name: matrix[rows, columns] for name, matrix in said.items()}
        table = facts[place].with_columns(
            pl.Series("rna", names, dtype=pl.String)[rows],
            pl.lit(self.simulated).alias("simulated"),
            **{name: pl.Series(c) for name, c in cells.items()},
        )
        absent = [pl.col(name).fill_nan(None) for name in _FROM_TRUST]
        return table.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).with_columns(absent)


def empty_table() -> pl.DataFrame:
    """Give a table of no pairs."""
    return pl.DataFrame(schema=SCHEMA)


def _outputs_of(model: Predictor) -> list[tuple[Protein, str]]:
    """List the proteins that a model was trained on, each with its output."""
    if not isinstance(model.encoding, RNAEncoding):
        raise RequestError("model: reads images of cells", expected="a model that reads RNA")
    info = model.info
    if PROTEINS not in info.normalisation:
        raise ModelError(
            f"model: predicts {', '.join(info.outputs[:3])}{', …' if len(info.outputs) > 3 else ''}, "
            "and does not know the sequence of any protein",
            expected="a joint model, trained on data of the kind compendium",
            mend="for what it was trained on: ribocyte predict MODEL RNA; for any protein: "
            "ribocyte train rna/joint-towers",
        )
    known = known_proteins(info)
    outputs = info.outputs if _has_own_outputs(model) else [protein.name for protein in known]
    return list(zip(known, outputs, strict=True))


def _has_own_outputs(model: Predictor) -> bool:
    """Say whether the outputs are of the proteins it was trained on; of an aimed model they are of others."""
    return KNOWN not in model.info.normalisation


def _doubt_model(model: Predictor) -> tuple[str, ...]:
    """Say what is to be told beside whatever a model predicts of proteins it never saw."""
    return () if isinstance(model.trust, AimableTrust) else (NO_TRUST,)


def _doubt_length(protein: Protein, reads: int | None) -> tuple[str, ...]:
    """Say where a model does not read all of what is to bind."""
    residues = len(region(protein))
    if reads is None or residues <= reads:
        return ()
    what = "of its domains" if protein.domains else "of it, in which no domain is known"
    return (f"the network reads the first {reads:,} of the {residues:,} residues {what}",)


def _places(model: Predictor, names: Sequence[str]) -> list[int]:
    """Give the numbers of outputs."""
    places = {name: number for number, name in enumerate(model.info.outputs)}
    return [places[name] for name in names]


def _stand_in(query: Query) -> Protein:
    """Give the protein to aim at: the known one, as it was measured, where this is it."""
    return query.same or query.protein


def _at(model: Predictor, level: float | None) -> Predictor:
    """Give a model whose intervals hold another share; the model itself stays what it is."""
    if level is None:
        return model
    if model.trust is None:
        raise RequestError(
            f"level = {level}: the model gives no intervals",
            expected="one that was calibrated for such proteins",
            mend="ribocyte transfer cluster ends with one",
        )
    return Predictor(model.network, model.encoding, model.card, model.device, model.trust.at(level))
