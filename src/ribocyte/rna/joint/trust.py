"""How far to trust what is predicted for a protein that nobody has measured.

The evidence are proteins that were measured and held out of the training with all their relatives: how far off the
predictions were for them (`Evidence`). Three things are learned of it.

- *How wide.* The mean error grows as the protein is less like any that trained, as the members of an ensemble
  differ more, and as the prediction lies further from the mean. Its dependence is fitted by four numbers, none
  below zero, so that an interval is never narrower for a stranger protein.
- *How wide for a level.* The quantile of the errors in that unit is taken over clusters, each of which counts the
  same, and one more that is wrong without bound stands for the new one. If that comes from where the others came
  from, the interval holds its measurements with the probability asked for (Lee, Barber & Willett 2023), on
  average over proteins: for some more, for others fewer. The four numbers are fitted to the same clusters, which
  the theory does not allow for; what is promised is therefore measured, by `cross_fit`.
- *How reliable.* The rank correlation with measurements that proteins of that identity reached, never falling with
  the identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import RequestError
from ribocyte.learn import conformal
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.predictor import Predictor
from ribocyte.learn.splits import Split
from ribocyte.rna.encoding import best_windows
from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.domains import build_profiles, recognise_domains
from ribocyte.rna.proteins.records import describe_protein, protein_from, proteins_of
from ribocyte.rna.proteins.sequences import Protein
from ribocyte.rna.trust import RNATrust

Floats = NDArray[np.float64]
NO_DOMAIN = "no RNA-binding domain recognised"
"""The warning of a protein that may bind no RNA at all."""
_ROWS = 200_000
# Of the evidence that the scale is fitted to; more change nothing.


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was predicted for proteins that were held out with their relatives, and what was measured.

    Parameters
    ----------
    outputs, targets, spread : Tensor, float32, shape (N, P)
        Predictions, measurements (NaN where there is none), and the standard deviation of the members' outputs;
        all zero where there was a single network. On the same probes for all proteins.
    identity : numpy array, float64, shape (P,)
        Of each protein to the nearest that trained.
    clusters : numpy array, int64, shape (P,)
        Which proteins are relatives.
    """

    outputs: Tensor
    targets: Tensor
    spread: Tensor
    identity: Floats
    clusters: NDArray[np.int64]

    def __post_init__(self) -> None:
        proteins = len(self.identity)
        shapes = {tuple(table.shape) for table in (self.outputs, self.targets, self.spread)}
        if len(shapes) != 1 or self.outputs.shape[1] != proteins or len(self.clusters) != proteins:
            raise ValueError("the evidence's tables do not fit each other")

    def of(self, proteins: NDArray[Any]) -> Evidence:
        """Give that of some of the proteins: a mask, or numbers."""
        chosen = torch.from_numpy(np.arange(len(self.identity))[proteins])
        return Evidence(
            self.outputs[:, chosen],
            self.targets[:, chosen],
            self.spread[:, chosen],
            self.identity[proteins],
            self.clusters[proteins],
        )


@dataclass(frozen=True)
class Subject:
    """A protein that is predicted for, and what is known of its relatives.

    Parameters
    ----------
    name : str
        What it is called.
    identity : float
        To the nearest known protein, from 0 to 1.
    nearest : str
        The gene of that, or its name where it has none.
    known : int
        The number, among the known, of one with the same sequence; -1 where there is none.
    recognised : bool
        Whether it has a domain that binds RNA.
    """

    name: str
    identity: float
    nearest: str
    known: int
    recognised: bool

    @property
    def warning(self) -> str:
        """What a person must be told beside any number; empty where there is nothing."""
        return "" if self.recognised else NO_DOMAIN


@dataclass(frozen=True, eq=False)
class Margins:
    """How wide intervals for unseen proteins are, and how reliable predictions.

    Parameters
    ----------
    weights : Tensor, float64, shape (4,)
        Of 1, of 1 - identity, of the spread and of the prediction's size: together the mean error expected.
    quantiles : Tensor, float64, shape (491,)
        Of the errors in that unit, for each of `ribocyte.learn.conformal.LEVELS`; infinite where there were too few
        clusters.
    identities, spearmans : Tensor, float64, shape (K,)
        Identity, ascending, and the rank correlation to expect there; never falling.
    clusters : int
        How many the quantiles are of.
    """

    weights: Tensor
    quantiles: Tensor
    identities: Tensor
    spearmans: Tensor
    clusters: int

    def __post_init__(self) -> None:
        fits = self.weights.shape == (4,) and self.quantiles.shape == (len(conformal.LEVELS),)
        if not fits or self.identities.shape != self.spearmans.shape:
            raise ValueError("the tables of the margins do not fit each other")

    @classmethod
    def fit(cls, evidence: Evidence, identities: Floats, spearmans: Floats) -> Self:
        """Learn from proteins that were held out.

        Parameters
        ----------
        evidence : Evidence
            Whose errors decide how wide intervals are.
        identities, spearmans : numpy array, shape (Q,)
            Of any proteins that were held out, these or others: identity to the nearest that trained, and rank
            correlation reached.

        Raises
        ------
        RequestError
            If there are fewer than two clusters with measurements.
        """
        scale = _fit_scale(evidence)
        scores = evidence_scores(evidence, scale)
        groups = [scores[:, evidence.clusters == cluster] for cluster in np.unique(evidence.clusters)]
        groups = [group[~np.isnan(group)] for group in groups]
        groups = [group for group in groups if len(group)]
        if len(groups) < 2:
            raise RequestError(
                f"trust in unseen proteins: {len(groups)} clusters were held out",
                expected="two or more, with measurements",
            )
        at, expected = _never_falling(identities, spearmans)
        return cls(
            torch.from_numpy(scale),
            torch.from_numpy(_group_quantiles(groups)),
            torch.from_numpy(at),
            torch.from_numpy(expected),
            len(groups),
        )

    def half_widths(self, outputs: Tensor, spread: Tensor, identity: Floats, level: float) -> Tensor:
        """Give half the width of each interval, (N, P)."""
        conformal.check_level(level)
        factor = float(self.quantiles[int(np.ceil(round(level * 1000, 6))) - conformal.LEVELS.start])
        scale = _scale(self.weights.numpy(), outputs.numpy(), spread.numpy(), identity)
        return torch.from_numpy(scale * factor).float()

    def reliability(self, identity: float) -> float:
        """Give the rank correlation to expect at an identity; that of the nearest identity known beyond those."""
        if not len(self.identities):
            return float("nan")
        return float(np.interp(identity, self.identities.numpy(), self.spearmans.numpy()))


@dataclass(frozen=True, eq=False)
class UnseenTrust:
    """Intervals and reliability for proteins that did not train; a `ribocyte.learn.predictor.Trust`.

    The proteins that did have intervals of their own, where they are given (`seen`).

    Parameters
    ----------
    margins : Margins
        What was learned from proteins held out.
    known : tuple of Protein
        Those that trained.
    subjects : tuple of Subject
        Those that are predicted for: one for each output of the model.
    seen : RNATrust, optional
        Of the known proteins, one output each, in their order.
    level : float
        Share of the measurements that intervals are to hold.
    """

    margins: Margins
    known: tuple[Protein, ...]
    subjects: tuple[Subject, ...]
    seen: RNATrust | None = None
    level: float = 0.9

    @classmethod
    def calibrate(cls, model: Predictor, split: Split) -> Self:
        """Calibrate anew on measurements of a model's proteins, none of which trained.

        The model must have such a trust already, which knows the proteins that did. Each protein is a cluster.

        Raises
        ------
        RequestError
            If it has none, or fewer than two proteins.
        """
        if not isinstance(model.trust, UnseenTrust):
            raise RequestError(
                "trust in unseen proteins is learned from held-out clusters", mend="ribocyte transfer cluster"
            )
        outputs = model.outputs(split.inputs)
        identity = model.trust.identities
        clusters = np.arange(outputs.shape[1])
        evidence = Evidence(outputs, split.targets, spread_of(model, split.inputs), identity, clusters)
        margins = Margins.fit(evidence, identity, rank_correlations(outputs, split.targets))
        return replace(model.trust, margins=margins)  # type: ignore[return-value]

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Self:
        """Take up again what `state` and `facts` gave.

        Raises
        ------
        KeyError, TypeError, ValueError, ModelError
            If they do not fit.
        """
        margins = Margins(
            state["weights"],
            state["quantiles"],
            state["identities"],
            state["spearmans"],
            int(facts["clusters"]),
        )
        tables = {name.removeprefix("seen."): t for name, t in state.items() if name.startswith("seen.")}
        return cls(
            margins,
            tuple(protein_from(record) for record in facts["known"]),
            tuple(Subject(*values) for values in facts["subjects"]),
            RNATrust.from_state(tables, facts) if tables else None,
            float(facts["level"]),
        )

    @property
    def identities(self) -> Floats:
        """Each subject's identity to the nearest known protein, shape (P,)."""
        return np.array([subject.identity for subject in self.subjects])

    def at(self, level: float) -> Self:
        """Give the same for another level, from 0.5 to 0.99.

        Raises
        ------
        RequestError
            If there are no intervals for it.
        """
        conformal.check_level(level)
        return replace(self, level=level)

    def aimed(self, model: Predictor, proteins: Sequence[Protein]) -> Self:  # noqa: ARG002
        """Give the same for other proteins, one for each output of `model`, which is aimed at them already.

        Domains are looked for in those of which none is known.

        Raises
        ------
        RequestError
            If the extra [bio] is not installed.
        """
        return replace(self, subjects=look_into(proteins, self.known))

    def reliabilities(self) -> list[float]:
        """Give the rank correlation with measurements to expect for each subject; NaN for those that trained."""
        return [
            float("nan") if subject.known >= 0 else self.margins.reliability(subject.identity)
            for subject in self.subjects
        ]

    def judge(self, model: Predictor, compact: Tensor, outputs: Tensor, owner: Tensor) -> pl.DataFrame:
        """Say between what a measurement of each sequence is expected, and how far to believe it.

        Parameters
        ----------
        model, compact, outputs, owner
            As for `ribocyte.rna.trust.RNATrust.judge`.

        Returns
        -------
        DataFrame
            For each protein ``NAME_low``, ``NAME_high`` and, for ensembles, ``NAME_spread``; for those that did
            not train also ``NAME_identity`` to the nearest known protein, ``NAME_nearest``, its gene, and
            ``NAME_reliability``, the rank correlation to expect; ``NAME_warning`` where there is one.
        """
        windows = torch.bincount(owner)
        best, at = best_windows(outputs.float(), owner, windows)
        first = torch.cumsum(windows, 0) - windows
        spread = _spread_at(model, compact, first[:, None] + at)
        half = self._half_widths(best, spread)
        columns: dict[str, Any] = {}
        facts = zip(self.subjects, self.reliabilities(), strict=True)
        for number, (subject, reliability) in enumerate(facts):
            name = subject.name
            columns[f"{name}_low"] = (best - half)[:, number].numpy()
            columns[f"{name}_high"] = (best + half)[:, number].numpy()
            if isinstance(model.network, Ensemble):
                columns[f"{name}_spread"] = spread[:, number].numpy()
            if subject.known < 0:
                columns |= _repeat(name, subject, reliability, len(best))
        return pl.DataFrame(columns)

    def measure(self, model: Predictor, split: Split) -> dict[str, float]:
        """Measure the intervals on a split; the values are those of `ribocyte.rna.trust.RNATrust.measure`."""
        outputs, measured = model.outputs(split.inputs), ~split.targets.isnan()
        half = self._half_widths(outputs, spread_of(model, split.inputs))
        found = conformal.coverage((split.targets - outputs).abs() <= half, measured)
        return {
            "level": self.level,
            "coverage": found.value,
            "coverage_low": found.low,
            "coverage_high": found.high,
            "width": float(2 * half[half.isfinite()].mean()),
            "unbounded": float(half.isinf().float().mean()),
        }

    def state(self) -> dict[str, Tensor]:
        """Give the tables of the margins, and of the known proteins' intervals."""
        tables = self.margins
        seen = self.seen.state() if self.seen is not None else {}
        return {
            "weights": tables.weights,
            "quantiles": tables.quantiles,
            "identities": tables.identities,
            "spearmans": tables.spearmans,
            **{f"seen.{name}": table for name, table in seen.items()},
        }

    def facts(self) -> dict[str, Any]:
        """Give the level, the known proteins and those predicted for, as JSON values."""
        return {
            "kind": "unseen",
            "level": self.level,
            "clusters": self.margins.clusters,
            "known": [describe_protein(protein) for protein in self.known],
            "subjects": [
                [subject.name, subject.identity, subject.nearest, subject.known, subject.recognised]
                for subject in self.subjects
            ],
        }

    def _half_widths(self, outputs: Tensor, spread: Tensor) -> Tensor:
        half = self.margins.half_widths(outputs, spread, self.identities, self.level)
        if self.seen is None:
            return half
        ours = [number for number, subject in enumerate(self.subjects) if subject.known >= 0]
        theirs = [self.subjects[number].known for number in ours]
        half[:, ours] = _some(self.seen.intervals, theirs).half_widths(outputs[:, ours], self.level)
        return half


def look_into(proteins: Sequence[Protein], known: Sequence[Protein]) -> tuple[Subject, ...]:
    """Find the nearest known protein of each, and whether it has a domain that binds RNA.

    A known protein with the same sequence is the nearest. Of `proteins` without domains these are looked for, by
    profiles of the known ones'.
    """
    proteins = list(proteins)
    identities = identity_matrix(proteins, list(known))
    places = {protein.sequence: number for number, protein in reversed(list(enumerate(known)))}
    bare = [protein for protein in proteins if not protein.domains]
    found = recognise_domains(bare, _profiles(tuple(known))) if bare and _have_domains(known) else []
    binding = {protein.sequence for protein, domains in zip(bare, found, strict=False) if domains}
    subjects = []
    for protein, row in zip(proteins, identities, strict=True):
        place = places.get(protein.sequence, -1)
        nearest = known[place if place >= 0 else int(row.argmax())]
        subjects.append(
            Subject(
                name=protein.name,
                identity=1.0 if place >= 0 else float(row.max()),
                nearest=nearest.gene or nearest.name,
                known=place,
                recognised=bool(protein.domains) or place >= 0 or protein.sequence in binding,
            )
        )
    return tuple(subjects)


def cross_fit(evidence: Evidence, folds: NDArray[np.int64], level: float = 0.9) -> Tensor:
    """Say which measurements lie in intervals that were learned from the clusters of all other folds.

    Parameters
    ----------
    evidence : Evidence
        Of proteins held out, each once.
    folds : numpy array, int64, shape (P,)
        Whole clusters in one fold.
    level : float
        Asked for.

    Returns
    -------
    Tensor, float64, shape (P,)
        Each protein's share of measurements held; NaN where nothing was measured.
    """
    covered = torch.full((len(folds),), torch.nan, dtype=torch.float64)
    none = np.zeros(0)
    for fold in np.unique(folds):
        margins = Margins.fit(evidence.of(folds != fold), none, none)
        part = evidence.of(folds == fold)
        half = margins.half_widths(part.outputs, part.spread, part.identity, level)
        measured = ~part.targets.isnan()
        held = ((part.targets - part.outputs).abs() <= half) & measured
        covered[torch.from_numpy(folds == fold)] = held.double().sum(dim=0) / measured.double().sum(dim=0)
    return covered


def evidence_scores(evidence: Evidence, weights: Floats) -> Floats:
    """Give every error in units of the error expected, (N, P); NaN where nothing was measured."""
    scale = _scale(weights, evidence.outputs.numpy(), evidence.spread.numpy(), evidence.identity)
    scores: Floats = np.abs(evidence.targets.numpy() - evidence.outputs.numpy()) / scale
    return scores


def rank_correlations(outputs: Tensor, targets: Tensor) -> Floats:
    """Give Spearman's rho of each column, over the rows measured."""
    from ribocyte.learn.objectives import Regression

    found = Regression().metrics_per_output(outputs.numpy(), targets.numpy())
    return np.array(found["spearman"])


def spread_of(model: Predictor, compact: Tensor) -> Tensor:
    """Give the standard deviation of the members' outputs, (N, P); zero for a single network."""
    outputs = model.member_outputs(compact)
    return outputs.std(dim=0) if len(outputs) > 1 else torch.zeros(outputs.shape[1:])


def unseen_trust(model: Predictor, margins: Margins, level: float = 0.9) -> UnseenTrust:
    """Give a model of known proteins the trust that goes with it wherever it is aimed.

    Parameters
    ----------
    model : Predictor
        Trained on the proteins it says its outputs are; its own `RNATrust`, if it has one, stays for those.
    margins : Margins
        Learned from models like it.
    level : float
        Share of the measurements that intervals are to hold.
    """
    known = tuple(proteins_of(model.info))
    subjects = tuple(
        Subject(name, 1.0, protein.gene or protein.name, number, True)
        for number, (name, protein) in enumerate(zip(model.info.outputs, known, strict=True))
    )
    seen = model.trust if isinstance(model.trust, RNATrust) else None
    return UnseenTrust(margins, known, subjects, seen, level)


def _repeat(name: str, subject: Subject, reliability: float, rows: int) -> dict[str, Any]:
    columns: dict[str, Any] = {
        f"{name}_identity": np.full(rows, subject.identity),
        f"{name}_nearest": [subject.nearest] * rows,
        f"{name}_reliability": np.full(rows, reliability),
    }
    return columns | ({f"{name}_warning": [subject.warning] * rows} if subject.warning else {})


def _some(intervals: conformal.Intervals, outputs: list[int]) -> conformal.Intervals:
    tables = (intervals.centres, intervals.sizes, intervals.quantiles, intervals.rows)
    return conformal.Intervals(*(table[outputs] for table in tables))


def _spread_at(model: Predictor, compact: Tensor, rows: Tensor) -> Tensor:
    """Give the spread at some rows, which differ by output: (S, P) of (S, P)."""
    if not len(rows) or not isinstance(model.network, Ensemble):
        return torch.zeros(rows.shape)
    wanted, place = rows.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    return spread_of(model, compact[wanted]).gather(0, place)


def _features(outputs: NDArray[Any], spread: NDArray[Any], identity: Floats) -> Floats:
    """Stack what the error may depend on: (4, N, P)."""
    distance = np.broadcast_to(1.0 - identity, outputs.shape)
    return np.stack([np.ones(outputs.shape), distance, spread, np.abs(outputs)]).astype(np.float64)


def _scale(weights: Floats, outputs: NDArray[Any], spread: NDArray[Any], identity: Floats) -> Floats:
    scale: Floats = np.tensordot(weights, _features(outputs, spread, identity), axes=1)
    return np.maximum(scale, 1e-6)


def _fit_scale(evidence: Evidence) -> Floats:
    """Regress the size of the error, every protein counting the same; no weight is below zero."""
    from scipy.optimize import nnls

    errors = np.abs(evidence.targets.numpy() - evidence.outputs.numpy()).astype(np.float64)
    there = ~np.isnan(errors)
    share = np.broadcast_to(1.0 / np.maximum(there.sum(axis=0), 1), errors.shape)
    features = _features(evidence.outputs.numpy(), evidence.spread.numpy(), evidence.identity)
    step = max(1, there.sum() // _ROWS)
    root = np.sqrt(share[there][::step])
    found: Floats = nnls(features[:, there][:, ::step].T * root[:, None], errors[there][::step] * root)[0]
    return found


def _group_quantiles(groups: Sequence[Floats]) -> Floats:
    """Give the quantile at each level of scores that count the same a group, with a group at infinity besides."""
    scores = np.concatenate(groups)
    weights = np.concatenate([np.full(len(group), 1.0 / len(group)) for group in groups])
    order = np.argsort(scores, kind="stable")
    share = np.cumsum(weights[order]) / (len(groups) + 1)
    levels = np.array(conformal.LEVELS) / 1000
    places = np.searchsorted(share, levels - 1e-12)
    found: Floats = np.append(scores[order], np.inf)[places]
    return found


def _never_falling(identities: Floats, spearmans: Floats) -> tuple[Floats, Floats]:
    """Fit a curve that never falls (isotonic regression), at ten points at most."""
    known = np.isfinite(spearmans)
    if not known.any():
        return np.zeros(0), np.zeros(0)
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(out_of_bounds="clip").fit(identities[known], spearmans[known])
    at = np.unique(np.quantile(identities[known], np.linspace(0, 1, 10)))
    return at.astype(np.float64), curve.predict(at).astype(np.float64)


def _have_domains(known: Sequence[Protein]) -> bool:
    return any(protein.domains for protein in known)


@lru_cache(maxsize=4)
def _profiles(known: tuple[Protein, ...]) -> Any:
    return build_profiles(known)
