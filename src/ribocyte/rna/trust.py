"""How far to trust a predicted affinity: an interval about it, and how much the members of an ensemble differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import polars as pl
import torch
from torch import Tensor

from ribocyte.learn import conformal
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.predictor import Predictor
from ribocyte.learn.splits import Split
from ribocyte.rna.encoding import best_windows


@dataclass(frozen=True, eq=False)
class RNATrust:
    """Conformal intervals of measured intensities; a `ribocyte.learn.predictor.Trust`.

    An interval is of what the array would *measure* for such a probe, noise and all, so it stays wide however
    good the network is.

    It is calibrated on the validation split. That split also chose the epoch, and Set B, which is tested on,
    holds other probes than Set A: new rows are not drawn quite as the calibration's were, and the coverage is
    only nearly what is asked for. `measure` says what it is on the test split, and runs keep that beside their
    scores. For sequences unlike the array's probes nothing is promised.

    Parameters
    ----------
    intervals : Intervals
        Of each experiment.
    level : float
        Share of the measurements that the intervals are to hold.
    """

    intervals: conformal.Intervals
    level: float = 0.9

    @classmethod
    def calibrate(cls, model: Predictor, split: Split) -> Self:
        """Calibrate on rows that the model was not fitted to."""
        return cls(conformal.Intervals.fit(model.outputs(split.inputs), split.targets))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Self:
        """Take up again what `state` and `facts` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            If they do not fit.
        """
        tables = {name: state[name] for name in ("centres", "sizes", "quantiles", "rows")}
        return cls(conformal.Intervals(**tables), float(facts["level"]))

    def at(self, level: float) -> Self:
        """Give the same for another level, from 0.5 to 0.99.

        Raises
        ------
        RequestError
            If there are no intervals for it.
        """
        conformal.check_level(level)
        return replace(self, level=level)

    def judge(self, model: Predictor, compact: Tensor, outputs: Tensor, owner: Tensor) -> pl.DataFrame:
        """Say between what the measurement of each sequence is expected.

        Parameters
        ----------
        model : Predictor
            Whose outputs these are.
        compact : Tensor, uint8, shape (W, length)
            Windows.
        outputs : Tensor, shape (W, P)
            What the model says of them.
        owner : Tensor, int64, shape (W,)
            The sequence of each.

        Returns
        -------
        DataFrame
            For each experiment, about the prediction in the column ``NAME`` and on its scale (z-score of log
            intensity): ``NAME_low`` and ``NAME_high``, the interval's ends; for ensembles ``NAME_spread``, the
            standard deviation of the members' outputs. Of a sequence in several windows they are those of its
            best window.
        """
        windows = torch.bincount(owner)
        best, at = best_windows(outputs.float(), owner, windows)
        half = self.intervals.half_widths(best, self.level)
        columns = {"low": best - half, "high": best + half}
        if isinstance(model.network, Ensemble):
            first = torch.cumsum(windows, 0) - windows
            columns["spread"] = _spread(model, compact, first[:, None] + at)
        names = model.card["data"]["outputs"]
        return pl.DataFrame(
            {
                f"{name}_{what}": column[:, number].numpy()
                for number, name in enumerate(names)
                for what, column in columns.items()
            }
        )

    def measure(self, model: Predictor, split: Split) -> dict[str, float]:
        """Measure the intervals on a split.

        Returns
        -------
        dict
            ``level``: asked for. ``coverage``: the share of the measurements that lay in their intervals, with
            its 95 % interval, ``coverage_low`` and ``coverage_high``. ``coverage_of_highest``: the same of the
            tenth of the rows that is predicted highest, averaged over the experiments. ``width``: mean over
            the intervals that have ends, in z-scores. ``unbounded``: share of those that have none, because
            too few rows were there to calibrate on. NaN where undefined.
        """
        outputs = model.outputs(split.inputs)
        half, measured = self.intervals.half_widths(outputs, self.level), ~split.targets.isnan()
        held = (split.targets - outputs).abs() <= half
        found = conformal.coverage(held, measured)
        bounded = half.isfinite()  # mostly all; the mask's own index would be larger than what it picks
        ends = half if bool(bounded.all()) else half[bounded]
        return {
            "level": self.level,
            "coverage": found.value,
            "coverage_low": found.low,
            "coverage_high": found.high,
            "coverage_of_highest": _coverage_of_highest(outputs, held, measured),
            "width": float(2 * ends.mean()),
            "unbounded": float(half.isinf().float().mean()),
        }

    def state(self) -> dict[str, Tensor]:
        """Give the tables of the intervals."""
        tables = self.intervals
        return {
            "centres": tables.centres,
            "sizes": tables.sizes,
            "quantiles": tables.quantiles,
            "rows": tables.rows,
        }

    def facts(self) -> dict[str, Any]:
        """Give the level, and the fewest rows that an experiment's quantiles are of."""
        return {"level": self.level, "rows": int(self.intervals.rows.min())}


def _spread(model: Predictor, compact: Tensor, rows: Tensor) -> Tensor:
    """Give the standard deviation over the members at some rows, which differ by output: (S, P) of (S, P).

    Only these rows are run through the members again: of a long sequence a few windows out of all.
    """
    if not len(rows):
        return torch.empty(rows.shape)
    wanted, place = rows.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    spread = model.member_outputs(compact[wanted]).std(dim=0)
    return spread.gather(0, place)


def _coverage_of_highest(outputs: Tensor, held: Tensor, measured: Tensor) -> float:
    """Measure the coverage of the tenth of each output's measured rows that is predicted highest."""
    shares = []
    for said, hit, there in zip(outputs.T, held.T, measured.T, strict=True):
        said, hit = said[there], hit[there]
        if len(said):
            highest = said.topk(max(1, len(said) // 10)).indices
            shares.append(float(hit[highest].double().mean()))
    return sum(shares) / len(shares) if shares else math.nan
