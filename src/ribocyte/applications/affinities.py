"""Do predicted effects of substitutions agree with biochemistry? RBFOX1's measured affinities, as a figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ribocyte.learn.objectives import Regression
from ribocyte.learn.plots import COLUMN, blank_figure, house_style
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.affinities import rank_affinities

PUBLISHED = -0.94
"""Pearson's r with log Kd of a network trained on measured RBFOX1 intensities (Koo et al. 2021, PLoS Comput. Biol.
17, e1008925)."""


@dataclass(frozen=True)
class AffinityTest:
    """Predicted effects of substitutions in RBFOX1's best site, beside measured dissociation constants.

    Parameters
    ----------
    rnas : tuple of str
        The best site and its substitutions, strongest binder first.
    kd : tuple of float
        Measured, nM (Auweter et al. 2006).
    effects : tuple of float
        Predicted for the RNA less predicted for the best site, both averaged over the same contexts; the best
        site's is 0.
    pearson, spearman : float
        Between effects and log Kd: −1 is perfect; NaN where all effects are the same.
    contexts : int
        Random probes each RNA was put into.
    simulated : bool
        Whether the model learned from a simulation, which knows these very constants.
    """

    rnas: tuple[str, ...]
    kd: tuple[float, ...]
    effects: tuple[float, ...]
    pearson: float
    spearman: float
    contexts: int
    simulated: bool


def check_affinities(model: Predictor, output: str = "", contexts: int = 200, seed: int = 0) -> AffinityTest:
    """Predict the effects of the substitutions whose affinity for RBFOX1 was measured.

    Parameters
    ----------
    model, output, contexts, seed
        As for `ribocyte.rna.affinities.rank_affinities`.
    """
    ranking = rank_affinities(model, output, contexts, seed)
    effects = np.array(ranking.predicted) - ranking.predicted[0]
    scores = Regression().metrics(effects[:, None], np.log(ranking.kd)[:, None])
    return AffinityTest(
        rnas=ranking.rnas,
        kd=ranking.kd,
        effects=tuple(effects.tolist()),
        pearson=scores["pearson"],
        spearman=scores["spearman"],
        contexts=contexts,
        simulated=model.info.simulated,
    )


def plot_affinities(test: AffinityTest) -> Figure:
    """Draw predicted effects against measured dissociation constants, with the published correlation.

    Returns
    -------
    Figure
        One column wide.
    """
    with house_style():
        figure = blank_figure(COLUMN, 2.6, test.simulated)
        panel = figure.subplots()
        panel.plot(test.kd, test.effects, "o", color="#0072b2", markersize=4)
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.set(
            xlabel="measured dissociation constant (nM)",
            ylabel="predicted effect of the substitution",
            xlim=(min(test.kd) / 2.5, max(test.kd) * 2.5),
        )
        panel.margins(y=0.16)
        _label_points(panel, test)
        note = f"Pearson r = {test.pearson:.2f} with log Kd\npublished, network of measured data: {PUBLISHED:.2f}"
        panel.set_title(note.replace("-", "−"), fontsize=7.0)
    return figure


def _label_points(panel: Axes, test: AffinityTest) -> None:
    """Name each RNA beside its point, on the side with room; those that lie close together are spread."""
    middle = np.sqrt(min(test.kd) * max(test.kd))
    gap = 0.055 * (max(test.effects) - min(test.effects) or 1.0)
    lowest = {True: np.inf, False: np.inf}
    for effect, kd, rna in sorted(zip(test.effects, test.kd, test.rnas, strict=True), reverse=True):
        right = kd < middle
        lowest[right] = min(effect, lowest[right] - gap)
        panel.annotate(
            rna,
            (kd * (1.45 if right else 1 / 1.45), lowest[right]),
            ha="left" if right else "right",
            va="center",
            fontsize=6.0,
        )
