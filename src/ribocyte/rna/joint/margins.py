"""How wide intervals must be for proteins that nobody has measured, learned from proteins that were held out.

The evidence are proteins that were measured and held out of the training with all their relatives: how far off the
predictions were for them (`Evidence`). Three things are learned of it.

- *How wide.* The mean error grows as the protein is less like any that trained, as the members of an ensemble
  differ more, and as the prediction lies further from the mean. Its dependence is fitted by four numbers, none
  below zero, so that an interval is never narrower for a stranger protein. How alike a protein is counts up to the most
  alike of the evidence (`Margins.reach`) and no further: whole clusters were held out, so no close relative taught how
  far off one is.
- *How wide for a level.* The quantile of the errors in that unit is taken over clusters, each of which counts the
  same, and one more that is wrong without bound stands for the new one. If that comes from where the others came
  from, the interval holds its measurements with the probability asked for (Lee, Barber & Willett 2023), on
  average over proteins: for some more, for others fewer. The four numbers are fitted to the same clusters, which
  the theory does not allow for; what is promised is therefore measured, by `cross_fit`.
- *How reliable.* The rank correlation with measurements that proteins as alike reached, on average over ten groups or
  of twenty proteins, never falling with the likeness and never below 0.

How alike is for whoever brings the evidence to say, from 0 to 1; `ribocyte.rna.joint.trust` asks by likeness
(`ribocyte.rna.proteins.alignment.likeness_matrix`). Where it was identity in the evidence, which is never below that,
intervals are a little wider than they must be: in two studies those for 90 % then held 91.3 and 91.6 % of held-out
clusters' measurements, where they held 90.6 % by identity alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import RequestError
from ribocyte.learn import conformal

Floats = NDArray[np.float64]
GROUPS, FEWEST = 10, 20
"""Points of the curve of reliability at most, and proteins that each is the mean of at least."""
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
        How alike each protein and those that trained are, from 0 to 1.
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


@dataclass(frozen=True, eq=False)
class Margins:
    """How wide intervals for unseen proteins are, and how reliable predictions.

    Parameters
    ----------
    weights : Tensor, float64, shape (4,)
        Of 1, of 1 - identity (or likeness), of the spread and of the prediction's size: together the mean error
        expected.
    quantiles : Tensor, float64, shape (491,)
        Of the errors in that unit, for each of `ribocyte.learn.conformal.LEVELS`; infinite where there were too few
        clusters.
    identities, spearmans : Tensor, float64, shape (K,)
        Identity (or likeness), ascending, and the rank correlation to expect there; never falling.
    clusters : int
        How many the quantiles are of.
    reach : float
        The most alike of the proteins that the intervals were learned from; nearer ones get the same intervals.
    """

    weights: Tensor
    quantiles: Tensor
    identities: Tensor
    spearmans: Tensor
    clusters: int
    reach: float = 1.0

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
            float(evidence.identity.max()),
        )

    def half_widths(self, outputs: Tensor, spread: Tensor, identity: Floats, level: float) -> Tensor:
        """Give half the width of each interval, (N, P); beyond `reach` it is no narrower than there."""
        conformal.check_level(level)
        factor = float(self.quantiles[int(np.ceil(round(level * 1000, 6))) - conformal.LEVELS.start])
        within = np.minimum(identity, self.reach)
        scale = _scale(self.weights.numpy(), outputs.numpy(), spread.numpy(), within)
        return torch.from_numpy(scale * factor).float()

    def reliability(self, identity: float) -> float:
        """Give the rank correlation to expect at an identity; that of the nearest identity known beyond those.

        Never below 0, also where models that were saved before say so: less than no order is not to be expected.
        """
        if not len(self.identities):
            return float("nan")
        return max(0.0, float(np.interp(identity, self.identities.numpy(), self.spearmans.numpy())))


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
    """Fit a curve that never falls and is never below 0 (isotonic regression) to the means of groups.

    Of groups, because the lowest and the highest value of such a curve are those of a protein or two.
    """
    known = np.isfinite(spearmans)
    if not known.any():
        return np.zeros(0), np.zeros(0)
    from sklearn.isotonic import IsotonicRegression

    order = np.flatnonzero(known)[np.argsort(identities[known], kind="stable")]
    groups = np.array_split(order, min(GROUPS, max(1, len(order) // FEWEST)))
    at = np.array([identities[group].mean() for group in groups])
    reached = np.array([spearmans[group].mean() for group in groups])
    curve = IsotonicRegression(y_min=0.0).fit(at, reached, sample_weight=[len(group) for group in groups])
    at = np.unique(at).astype(np.float64)
    return at, curve.predict(at).astype(np.float64)
