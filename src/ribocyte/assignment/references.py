"""The literature that reports cite, and what others reached on the same tasks, each figure with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ribocyte.documents.document import Reference

Task = Literal["bloodmnist", "rbfox1", "rnacompete"]

REFERENCES: tuple[Reference, ...] = (
    Reference(
        "acevedo2020",
        "Acevedo A, Merino A, Alférez S, Molina Á, Boldú L, Rodellar J",
        "A dataset of microscopic peripheral blood cell images for development of automatic recognition systems",
        "Data in Brief 30:105474",
        "2020",
        "10.1016/j.dib.2020.105474",
    ),
    Reference(
        "akiba2019",
        "Akiba T, Sano S, Yanase T, Ohta T, Koyama M",
        "Optuna: a next-generation hyperparameter optimization framework",
        "Proceedings of KDD, 2623–2631",
        "2019",
        "10.1145/3292500.3330701",
    ),
    Reference(
        "alipanahi2015",
        "Alipanahi B, Delong A, Weirauch MT, Frey BJ",
        "Predicting the sequence specificities of DNA- and RNA-binding proteins by deep learning",
        "Nature Biotechnology 33:831–838",
        "2015",
        "10.1038/nbt.3300",
    ),
    Reference(
        "auweter2006",
        "Auweter SD, Fasan R, Reymond L, Underwood JG, Black DL, Pitsch S, Allain FHT",
        "Molecular basis of RNA recognition by the human alternative splicing factor Fox-1",
        "EMBO Journal 25:163–173",
        "2006",
        "10.1038/sj.emboj.7600918",
    ),
    Reference(
        "bahdanau2015",
        "Bahdanau D, Cho K, Bengio Y",
        "Neural machine translation by jointly learning to align and translate",
        "International Conference on Learning Representations",
        "2015",
    ),
    Reference(
        "bergstra2011",
        "Bergstra J, Bardenet R, Bengio Y, Kégl B",
        "Algorithms for hyper-parameter optimization",
        "Advances in Neural Information Processing Systems 24",
        "2011",
    ),
    Reference(
        "efron1979",
        "Efron B",
        "Bootstrap methods: another look at the jackknife",
        "Annals of Statistics 7:1–26",
        "1979",
        "10.1214/aos/1176344552",
    ),
    Reference(
        "hassanzadeh2016",
        "Hassanzadeh HR, Wang MD",
        "DeeperBind: enhancing prediction of sequence specificities of DNA binding proteins",
        "IEEE International Conference on Bioinformatics and Biomedicine, arXiv:1611.05777",
        "2016",
    ),
    Reference(
        "he2016",
        "He K, Zhang X, Ren S, Sun J",
        "Deep residual learning for image recognition",
        "IEEE Conference on Computer Vision and Pattern Recognition, 770–778",
        "2016",
        "10.1109/CVPR.2016.90",
    ),
    Reference(
        "hochreiter1997",
        "Hochreiter S, Schmidhuber J",
        "Long short-term memory",
        "Neural Computation 9:1735–1780",
        "1997",
        "10.1162/neco.1997.9.8.1735",
    ),
    Reference(
        "karin2021",
        "Karin J, Michel H, Orenstein Y",
        "MultiRBP: multi-task neural network for protein-RNA binding prediction",
        "ACM Conference on Bioinformatics, Computational Biology, and Health Informatics",
        "2021",
        "10.1145/3459930.3469525",
    ),
    Reference(
        "kingma2015",
        "Kingma DP, Ba J",
        "Adam: a method for stochastic optimization",
        "International Conference on Learning Representations",
        "2015",
    ),
    Reference(
        "koo2021",
        "Koo PK, Majdandzic A, Ploenzke M, Anand P, Paul SB",
        "Global importance analysis: an interpretability method to quantify importance of genomic features in "
        "deep neural networks",
        "PLoS Computational Biology 17:e1008925",
        "2021",
        "10.1371/journal.pcbi.1008925",
    ),
    Reference(
        "loshchilov2019",
        "Loshchilov I, Hutter F",
        "Decoupled weight decay regularization",
        "International Conference on Learning Representations",
        "2019",
    ),
    Reference(
        "ray2013",
        "Ray D, Kazan H, Cook KB, Weirauch MT, Najafabadi HS, et al.",
        "A compendium of RNA-binding motifs for decoding gene regulation",
        "Nature 499:172–177",
        "2013",
        "10.1038/nature12311",
    ),
    Reference(
        "vaswani2017",
        "Vaswani A, Shazeer N, Parmar N, Uszkoreit J, Jones L, Gomez AN, Kaiser Ł, Polosukhin I",
        "Attention is all you need",
        "Advances in Neural Information Processing Systems 30",
        "2017",
    ),
    Reference(
        "yang2023",
        "Yang J, Shi R, Wei D, Liu Z, Zhao L, Ke B, Pfister H, Ni B",
        "MedMNIST v2: a large-scale lightweight benchmark for 2D and 3D biomedical image classification",
        "Scientific Data 10:41",
        "2023",
        "10.1038/s41597-022-01721-8",
    ),
)
"""Every work that a report may cite, by key."""


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
