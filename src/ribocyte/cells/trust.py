"""How far to trust a cell's class: calibrated probabilities, sets of classes, and likeness to the cells known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from ribocyte.cells.images import CellEncoding
from ribocyte.cells.unlike import make_unlike
from ribocyte.learn import calibration
from ribocyte.learn.calibration import ConformalSets
from ribocyte.learn.conformal import coverage
from ribocyte.learn.ensemble import members_of
from ribocyte.learn.novelty import Novelty, describe
from ribocyte.learn.predictor import Predictor
from ribocyte.learn.splits import Split

if TYPE_CHECKING:
    import polars as pl

LEVEL = 0.95
ALARM = 0.01
"""Share of known cells that are called unlike them all the same. Fewer than 99 known cells cannot tell so little."""
BATCH = 256
"""Pictures whose inner maps are held at a time."""
TRIED = 300
"""Cells of a split, evenly taken, that pictures unlike cells are made of to measure how well these are told."""
NOVELTY = "novelty."
"""What the names of its tensors begin with."""


@dataclass(frozen=True, eq=False)
class CellTrust:
    """Temperature, conformal sets and novelty of a classifier of cells; a `ribocyte.learn.predictor.Trust`.

    All three are learned from the whole validation split. The temperature is one number and a conformal set
    needs every rare cell there is: halves would make both worse, and what sharing costs in coverage is far below
    what a test split can show. The split also chose the epoch; `measure` says on the test split what is left of
    the promise. Of pictures that are `unlike` nothing is promised at all.

    Parameters
    ----------
    temperature : float
        What logits are divided by.
    sets : ConformalSets
        What the sets are cut by.
    novelty : Novelty
        What known cells look like to the network; of an ensemble, to its first member.
    level : float
        Share of the cells whose class the sets are to hold.
    """

    temperature: float
    sets: ConformalSets
    novelty: Novelty
    level: float = LEVEL

    @classmethod
    def calibrate(cls, model: Predictor, split: Split) -> Self:
        """Calibrate on cells that the model was not fitted to."""
        logits, labels = _logits(model, model.outputs(split.inputs)), split.targets.cpu().long()
        temperature = calibration.fit_temperature(logits, labels)
        sets = ConformalSets.fit((logits / temperature).softmax(dim=1), labels)
        return cls(temperature, sets, Novelty.fit(_describe(model, split.inputs), labels))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Self:
        """Take up again what `state` and `facts` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            If they do not fit.
        """
        sets = ConformalSets(
            state["scores"],
            state["labels"].long(),
            int(facts["classes"]),
            facts["method"],
            bool(facts["by_class"]),
        )
        found = {name.removeprefix(NOVELTY): t for name, t in state.items() if name.startswith(NOVELTY)}
        temperature, level = float(facts["temperature"]), float(facts["level"])
        if not (temperature > 0 and 0 < level < 1):
            raise ValueError(f"temperature {temperature}, level {level}")
        return cls(temperature, sets, Novelty.from_state(found), level)

    def at(self, level: float) -> Self:
        """Give the same for another level, above 0 and below 1.

        Raises
        ------
        RequestError
            If it is none.
        """
        calibration.check_level(level)
        return replace(self, level=level)

    def probabilities(self, model: Predictor, outputs: Tensor) -> Tensor:
        """Give calibrated probabilities, float64 (N, classes), of a model's outputs."""
        return (_logits(model, outputs) / self.temperature).softmax(dim=1)

    def judge(self, model: Predictor, compact: Tensor, outputs: Tensor, owner: Tensor) -> pl.DataFrame:
        """Say of each picture how far to trust its class.

        Parameters
        ----------
        model : Predictor
            Whose outputs these are.
        compact : Tensor, uint8, shape (N, size, size, 3)
            The pictures.
        outputs : Tensor, shape (N, classes)
            What the model says of them.
        owner : Tensor, int64, shape (N,)
            As the encoding gave it.

        Returns
        -------
        DataFrame
            In the place of what ``decode`` gives under the same names: ``probability`` and ``p_CLASS``,
            calibrated. Beside it: ``set``, the classes of the conformal set, the most probable first, joined by
            ``|``, empty where no class is as plausible as the truth usually is, and rarely without the class named,
            where its cells usually are surer; ``set_size``; ``novelty``, the
            share of known cells that look less unlike the others than this picture does; ``unlike``, whether
            that is more than 99 %; ``doubt``, 1 − probability · min(1, (1 − novelty) / 1 %): the chance of a
            wrong class, raised to nearly 1 as a picture becomes unlike all cells known.
        """
        import polars as pl

        order = owner.argsort().cpu()
        outputs, compact = outputs[order], compact[order.to(compact.device)]
        shares = self.probabilities(model, outputs)
        inside = self.sets.sets(shares, self.level)
        as_strange = self.novelty.share_as_strange(_describe(model, compact))
        best = shares.amax(dim=1) if len(shares) else shares.new_empty(0)
        doubt = 1 - best * (as_strange.double() / ALARM).clamp(max=1)
        names = model.card["data"]["outputs"]
        each = {f"p_{name}": column.float().numpy() for name, column in zip(names, shares.T, strict=True)}
        return pl.DataFrame(
            {
                "probability": best.float().numpy(),
                **each,
                "set": pl.Series(_write_sets(shares, inside, names), dtype=pl.String),
                "set_size": inside.sum(dim=1).int().numpy(),
                "novelty": (1 - as_strange).numpy(),
                "unlike": (as_strange <= ALARM).numpy(),
                "doubt": doubt.float().numpy(),
            }
        )

    def measure(self, model: Predictor, split: Split) -> dict[str, float]:
        """Measure on a split whether the trust is deserved.

        Returns
        -------
        dict
            ``level``: asked for. ``coverage``: share of the cells whose set holds their class, with its 95 %
            interval, ``coverage_low`` and ``coverage_high``. ``coverage_of_worst``: the same of the class that
            has least. ``set_size``: classes in a set, on average; ``empty_sets``: share of those with none.
            ``calibration_error``: expected, 15 bins of one width, with the middle 95 % of its bootstrap.
            ``calibration_error_before``: without the temperature. ``nll`` and ``nll_before``: −log of the
            probability of the true class. ``temperature``. ``called_unlike``: share of these cells that are said
            to be unlike all known. ``auroc_noise``, ``auroc_tissue``, ``auroc_inverted``, ``auroc_blurred``: the
            chance that a picture of `ribocyte.cells.unlike.make_unlike` has a higher novelty than a cell, equal
            ones counting half.
        """
        outputs, labels = model.outputs(split.inputs), split.targets.cpu().long()
        before, shares = _logits(model, outputs).softmax(dim=1), self.probabilities(model, outputs)
        inside = self.sets.sets(shares, self.level)
        held = inside.gather(1, labels[:, None])
        found = coverage(held, torch.ones_like(held))
        error = calibration.score_calibration(shares, labels)
        return {
            "level": self.level,
            "coverage": found.value,
            "coverage_low": found.low,
            "coverage_high": found.high,
            "coverage_of_worst": min(
                float(held[labels == c].float().mean()) for c in sorted(set(labels.tolist()))
            ),
            "set_size": float(inside.sum(dim=1).float().mean()),
            "empty_sets": float((~inside.any(dim=1)).float().mean()),
            "calibration_error": error.value,
            "calibration_error_low": error.low,
            "calibration_error_high": error.high,
            "calibration_error_before": calibration.calibration_error(before, labels),
            "nll": calibration.negative_log_likelihood(shares, labels),
            "nll_before": calibration.negative_log_likelihood(before, labels),
            "temperature": self.temperature,
            **self._measure_novelty(model, split.inputs.cpu()),
        }

    def _measure_novelty(self, model: Predictor, images: Tensor) -> dict[str, float]:
        """Measure how many cells are taken for something else, and how well something else is told from them."""
        usual = self.novelty.share_as_strange(_describe(model, images))
        tried = images[:: max(1, len(images) // TRIED)][:TRIED]
        found = {
            f"auroc_{kind}": _auroc(usual, self.novelty.share_as_strange(_describe(model, made)))
            for kind, made in make_unlike(tried).items()
        }
        return {"called_unlike": float((usual <= ALARM).float().mean()), **found}

    def state(self) -> dict[str, Tensor]:
        """Give what the sets are cut by, and what known cells look like."""
        novelty = {f"{NOVELTY}{name}": tensor for name, tensor in self.novelty.state().items()}
        return {"scores": self.sets.scores, "labels": self.sets.labels, **novelty}

    def facts(self) -> dict[str, Any]:
        """Give the level, the temperature, how sets are cut, at what rate of false alarms, and the rows seen."""
        return {
            "level": self.level,
            "temperature": self.temperature,
            "method": self.sets.method,
            "by_class": self.sets.by_class,
            "classes": self.sets.classes,
            "alarm": ALARM,
            "rows": len(self.sets.labels),
        }


def _logits(model: Predictor, outputs: Tensor) -> Tensor:
    assert isinstance(model.encoding, CellEncoding)
    return calibration.as_logits(outputs, model.encoding.probabilities)


def _describe(model: Predictor, compact: Tensor) -> list[Tensor]:
    """Look at pictures through the network; of an ensemble through its first member, which is enough."""

    def batches() -> Iterator[Tensor]:
        for part in torch.split(compact, BATCH):
            yield model.encoding.expand(part.to(model.device))

    return describe(members_of(model.network)[0], batches())


def _auroc(usual: Tensor, other: Tensor) -> float:
    """Give the chance that one of the others is as strange to fewer known cells than a usual one is."""
    from sklearn.metrics import roc_auc_score

    truth = torch.cat([torch.zeros(len(usual)), torch.ones(len(other))])
    return float(roc_auc_score(truth.numpy(), -torch.cat([usual, other]).numpy()))


def _write_sets(shares: Tensor, inside: Tensor, names: list[str]) -> list[str]:
    order = shares.argsort(dim=1, descending=True, stable=True)
    return [
        "|".join(names[place] for place in places if held[place])
        for places, held in zip(order.tolist(), inside.tolist(), strict=True)
    ]
