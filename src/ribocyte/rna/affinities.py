"""Does a network know what was measured by other means? Its ranking of RNAs with known affinities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ribocyte.learn.objectives import Regression
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.assay import affinity_panel, embed
from ribocyte.rna.motifs import known_motifs


@dataclass(frozen=True)
class AffinityRanking:
    """What a network predicts for RNAs of known affinity.

    Parameters
    ----------
    rnas : tuple of str
        Strongest binder first.
    kd : tuple of float
        Measured dissociation constants, nM.
    predicted : tuple of float
        The network's mean prediction over random contexts; for our networks a z-score of log intensity.
    spearman : float
        Between prediction and −log Kd: 1 where the network ranks all of them as they were measured, NaN
        where it predicts the same for all.
    """

    rnas: tuple[str, ...]
    kd: tuple[float, ...]
    predicted: tuple[float, ...]
    spearman: float


def rank_affinities(
    predictor: Predictor, output: str = "", contexts: int = 200, seed: int = 0
) -> AffinityRanking:
    """Ask a network for the seven RNAs whose affinity for RBFOX1 was measured (Auweter et al. 2006).

    Each RNA is put into the same random probes, which bind RBFOX1 nowhere else (`ribocyte.rna.assay.embed`),
    and the predictions are averaged. The measurements are no part of RNAcompete: for a network trained on
    measured intensities this is a test by independent biochemistry. Intensities simulated from the very same
    constants only show that a network finds what was put there.

    Parameters
    ----------
    predictor : Predictor
        A network that reads RNA, of RBFOX1 or of a relative.
    output : str
        Which of its outputs; may be left out where there is only one.
    contexts : int
        Random probes each RNA is put into.
    seed : int
        Of the contexts.

    Returns
    -------
    AffinityRanking

    Raises
    ------
    RequestError
        If `output` is none of the outputs, or is left out where there are several.
    """
    column = predictor.info.outputs[predictor.info.find_output(output)]
    rnas, kd = affinity_panel()
    probes = embed(rnas, known_motifs()["RBFOX1"], contexts, seed=seed)
    table = predictor.predict([probe for row in probes for probe in row])
    predicted = table[column].to_numpy().reshape(len(rnas), contexts).mean(axis=1, dtype=np.float64)
    spearman = Regression().metrics(predicted[:, None], -np.log(kd)[:, None])["spearman"]
    return AffinityRanking(tuple(rnas), tuple(kd.tolist()), tuple(predicted.tolist()), spearman)
