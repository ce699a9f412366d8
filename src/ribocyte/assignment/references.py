"""The literature that reports cite, and what others reached on the same tasks, each figure with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["bloodmnist", "rbfox1", "rnacompete"]


@dataclass(frozen=True)
class Published:
    """A figure that somebody else reached and published.

    Parameters
    ----------
    task : str
        ``bloodmnist`` (official split, 28 px), ``rbfox1`` (`RNCMPT00168`, the assignment's preprocessing) or
        ``rnacompete`` (Set A to Set B, all 244 experiments).
    source : str
        Where it stands; a name with a slash is a repository on GitHub.
    network : str
        What was trained.
    metric : str
        ``accuracy``, ``spearman``, ``pearson`` or ``mse``, on the test split.
    value : float
        The figure.
    epochs : int, optional
        Trained for how many; None where the source does not say.
    comparable : bool
        Whether it stands beside a run on the official files, trained as the assignment asks. Beside a run on a
        sample, on another split or on simulated data nothing here may stand as an equal.
    why : str
        Why not, or what to keep in mind.
    key : str
        Of the work to cite; empty for a repository.
    approximate : bool
        Read off a plot.
    """

    task: Task
    source: str
    network: str
    metric: str
    value: float
    epochs: int | None
    comparable: bool
    why: str = ""
    key: str = ""
    approximate: bool = False


CELL_NETWORKS = ("unpooled-logits", "unpooled-softmax", "pooled-logits", "pooled-softmax")

_XOAGGE, _CH4UZ = "xOagge/DeepLearning_Homework2", "ch4uz/deep-homeworks"
_MAFALDA, _CATARINA = (
    "mafaldabbrito/DeepL-Homework-2",
    "catarinassgoncalves/deep-learning-medical-imaging-rna",
)
_MELS, _UNNAMED = "mels273/dl-homework2", "a public report without a name"
_TABLE_S3 = "MultiRBP, supplementary table S3"
_LAST = "the last epoch, not the best by validation"
_OTHER_CLIPPING = "intensities clipped in another way, and not transformed"


def _cells(
    source: str, values: tuple[float, float, float, float], why: str, about: bool = False
) -> list[Published]:
    return [
        Published("bloodmnist", source, network, "accuracy", value, 200, not about, why, "", about)
        for network, value in zip(CELL_NETWORKS, values, strict=True)
    ]


def _probes(source: str, network: str, spearman: float, mse: float | None = None) -> list[Published]:
    found = [Published("rbfox1", source, network, "spearman", spearman, None, True)]
    return found + ([Published("rbfox1", source, network, "mse", mse, None, True)] if mse is not None else [])


def _compendium(network: str, mean: float, source: str = _TABLE_S3, key: str = "karin2021") -> Published:
    why = f"mean over 244 experiments; {_OTHER_CLIPPING}"
    return Published("rnacompete", source, network, "pearson", mean, None, False, why, key)


def _one_protein(network: str, value: float) -> Published:
    return Published(
        "rbfox1", _TABLE_S3, network, "pearson", value, None, False, _OTHER_CLIPPING, "karin2021"
    )


PUBLISHED: tuple[Published, ...] = (
    *_cells(_XOAGGE, (0.9348, 0.4353, 0.9532, 0.9334), ""),
    *_cells(_CH4UZ, (0.9249, 0.1374, 0.9456, 0.8661), _LAST),
    *_cells(_MAFALDA, (0.93, 0.14, 0.95, 0.94), f"read off a plot; {_LAST}", about=True),
    *_cells(_CATARINA, (0.930, 0.932, 0.947, 0.947), "which epoch is not said"),
    Published(
        "bloodmnist",
        "MedMNIST v2",
        "ResNet-18",
        "accuracy",
        0.958,
        None,
        False,
        "another network",
        "yang2023",
    ),
    *_probes(_XOAGGE, "CNN", 0.665, 0.331),
    *_probes(_XOAGGE, "BiLSTM", 0.681, 0.325),
    *_probes(_XOAGGE, "BiLSTM + attention", 0.679, 0.314),
    *_probes(_UNNAMED, "CNN", 0.622, 0.383),
    *_probes(_UNNAMED, "BiLSTM", 0.671, 0.344),
    *_probes(_MAFALDA, "CNN", 0.612, 0.420),
    *_probes(_MAFALDA, "CNN + attention pooling", 0.588),
    *_probes(_MAFALDA, "BiLSTM", 0.635, 0.372),
    *_probes(_MAFALDA, "BiLSTM + attention", 0.627, 0.423),
    *_probes(_CATARINA, "CNN", 0.566),
    *_probes(_CATARINA, "BiLSTM", 0.662),
    *_probes(_CATARINA, "BiLSTM + attention", 0.666),
    *_probes(_MELS, "CNN", 0.462),
    *_probes(_MELS, "BiLSTM", 0.588),
    _one_protein("MultiRBP", 0.851),
    _one_protein("MultiRBP, one protein at a time", 0.795),
    _one_protein("DLPRB-CNN", 0.739),
    _one_protein("ThermoNet", 0.708),
    _one_protein("cDeepbind", 0.684),
    _one_protein("RCK", 0.622),
    _compendium("MultiRBP", 0.693),
    _compendium("ResidualBind", 0.690, "ResidualBind", "koo2021"),
    _compendium("ThermoNet", 0.671),
    _compendium("MultiRBP, one protein at a time", 0.608),
    _compendium("DLPRB-CNN", 0.606),
    _compendium("cDeepbind", 0.506),
    _compendium("RCK", 0.460),
)
"""What others reached, by task and source."""


def find_published(task: Task, metric: str = "") -> tuple[Published, ...]:
    """Give what others published on a task, in the order of their sources; of one metric only where it is named."""
    return tuple(one for one in PUBLISHED if one.task == task and metric in ("", one.metric))
