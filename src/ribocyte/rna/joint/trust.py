"""How far to trust what is predicted for a protein that nobody has measured: intervals, reliability and warnings.

What is learned of proteins held out is in `ribocyte.rna.joint.margins`, what is known of the one asked about in
`ribocyte.rna.joint.subjects`; here both become the columns beside a prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ribocyte.errors import RequestError
from ribocyte.learn import conformal
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.predictor import Predictor
from ribocyte.learn.splits import Split
from ribocyte.rna.encoding import best_windows
from ribocyte.rna.joint.margins import Evidence, Floats, Margins, rank_correlations
from ribocyte.rna.joint.subjects import Subject, look_into
from ribocyte.rna.proteins.clusters import THRESHOLD
from ribocyte.rna.proteins.records import describe_protein, protein_from, proteins_of
from ribocyte.rna.proteins.sequences import Protein
from ribocyte.rna.trust import RNATrust


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
    reached : Tensor, float64, shape (Q,), optional
        The rank correlation with measurements of each known protein that its own output has on validation probes.
    """

    margins: Margins
    known: tuple[Protein, ...]
    subjects: tuple[Subject, ...]
    seen: RNATrust | None = None
    level: float = 0.9
    reached: Tensor | None = None

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
        likeness = model.trust.likenesses
        clusters = np.arange(outputs.shape[1])
        evidence = Evidence(outputs, split.targets, spread_of(model, split.inputs), likeness, clusters)
        margins = Margins.fit(evidence, likeness, rank_correlations(outputs, split.targets))
        return replace(model.trust, margins=margins)  # type: ignore[return-value]

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Self:
        """Take up again what `state` and `facts` gave.

        Raises
        ------
        KeyError, TypeError, ValueError, ModelError
            If they do not fit.
        """
        # Before it was written down, the clusters that were held out were never more alike than the threshold.
        margins = Margins(
            state["weights"],
            state["quantiles"],
            state["identities"],
            state["spearmans"],
            int(facts["clusters"]),
            float(facts.get("reach", THRESHOLD)),
        )
        tables = {name.removeprefix("seen."): t for name, t in state.items() if name.startswith("seen.")}
        return cls(
            margins,
            tuple(protein_from(record) for record in facts["known"]),
            tuple(Subject.from_facts(values) for values in facts["subjects"]),
            RNATrust.from_state(tables, facts) if tables else None,
            float(facts["level"]),
            state.get("reached"),
        )

    @property
    def likenesses(self) -> Floats:
        """Each subject's likeness to the known proteins, shape (P,); 0 where no binding domain was recognised.

        What it then has in common with a known protein is not what binds, so it is as far from all as can be.
        """
        return np.array([subject.likeness if subject.recognised else 0.0 for subject in self.subjects])

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
        """Give the rank correlation with measurements to expect for each subject.

        Of those that trained what they reached with validation probes, where that is known; of others what proteins
        as alike have reached. NaN for those without a binding domain: of such none was ever held out.
        """
        return [self._reliability(subject) for subject in self.subjects]

    def _reliability(self, subject: Subject) -> float:
        if subject.known >= 0:
            return float("nan") if self.reached is None else float(self.reached[subject.known])
        return self.margins.reliability(subject.likeness) if subject.recognised else float("nan")

    def judge(self, model: Predictor, compact: Tensor, outputs: Tensor, owner: Tensor) -> pl.DataFrame:
        """Say between what a measurement of each sequence is expected, and how far to believe it.

        Parameters
        ----------
        model, compact, outputs, owner
            As for `ribocyte.rna.trust.RNATrust.judge`.

        Returns
        -------
        DataFrame
            For each protein ``NAME_low``, ``NAME_high``, ``NAME_reliability``, the rank correlation to expect, and,
            for ensembles, ``NAME_spread``; for those that did not train also ``NAME_identity`` to the nearest known
            protein, ``NAME_nearest``, its gene, and ``NAME_likeness``, on which the interval and the reliability rest;
            ``NAME_warning`` where there is one. Subjects more alike than any that the
            intervals were learned from (``margins.reach``) have intervals as wide as those.
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
            if subject.known < 0 or self.reached is not None:
                columns[f"{name}_reliability"] = np.full(len(best), reliability)
            if subject.known < 0:
                columns |= _repeat(name, subject, len(best))
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
            **({} if self.reached is None else {"reached": self.reached}),
            **{f"seen.{name}": table for name, table in seen.items()},
        }

    def facts(self) -> dict[str, Any]:
        """Give the level, the known proteins and those predicted for, as JSON values."""
        return {
            "kind": "unseen",
            "level": self.level,
            "clusters": self.margins.clusters,
            "reach": self.margins.reach,
            "known": [describe_protein(protein) for protein in self.known],
            "subjects": [subject.facts() for subject in self.subjects],
        }

    def _half_widths(self, outputs: Tensor, spread: Tensor) -> Tensor:
        half = self.margins.half_widths(outputs, spread, self.likenesses, self.level)
        if self.seen is None:
            return half
        ours = [number for number, subject in enumerate(self.subjects) if subject.known >= 0]
        theirs = [self.subjects[number].known for number in ours]
        half[:, ours] = _some(self.seen.intervals, theirs).half_widths(outputs[:, ours], self.level)
        return half


def unseen_trust(
    model: Predictor, margins: Margins, level: float = 0.9, validation: Split | None = None
) -> UnseenTrust:
    """Give a model of known proteins the trust that goes with it wherever it is aimed.

    Parameters
    ----------
    model : Predictor
        Trained on the proteins it says its outputs are; its own `RNATrust`, if it has one, stays for those.
    margins : Margins
        Learned from models like it.
    level : float
        Share of the measurements that intervals are to hold.
    validation : Split, optional
        Probes that did not train, to tell how reliable the outputs of the known proteins are.
    """
    known = tuple(proteins_of(model.info))
    subjects = tuple(
        Subject(name, 1.0, 1.0, 1.0, protein.gene or protein.name, number, True)
        for number, (name, protein) in enumerate(zip(model.info.outputs, known, strict=True))
    )
    seen = model.trust if isinstance(model.trust, RNATrust) else None
    reached = None
    if validation is not None:
        reached = torch.from_numpy(rank_correlations(model.outputs(validation.inputs), validation.targets))
    return UnseenTrust(margins, known, subjects, seen, level, reached)


def spread_of(model: Predictor, compact: Tensor) -> Tensor:
    """Give the standard deviation of the members' outputs, (N, P); zero for a single network."""
    outputs = model.member_outputs(compact)
    return outputs.std(dim=0) if len(outputs) > 1 else torch.zeros(outputs.shape[1:])


def _repeat(name: str, subject: Subject, rows: int) -> dict[str, Any]:
    columns: dict[str, Any] = {
        f"{name}_identity": np.full(rows, subject.identity),
        f"{name}_nearest": [subject.nearest] * rows,
        f"{name}_likeness": np.full(rows, subject.likeness),
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
