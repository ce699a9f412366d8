"""The protein side of a joint network: what is known of measured proteins, and how others are inferred from them.

Every protein that was measured has a vector of its own, learned from its probes. The vector of any other is a mixture
of those, by attention: the identity of the binding regions says whose opinion counts, and what is read in the
sequences corrects it. So that the reader learns to speak of strangers, and cannot look up what it is asked, in each
step of the training a part of the proteins are taken for such: their vectors are inferred from the others, and
relatives are not asked.

Before anything is learned this is the average by identity, the baseline that must be beaten.

Measured on the simulated compendium of 420 experiments (12,000 training probes, 8 epochs, 32 detectors a width; five
folds of clusters at identity 0.5; Spearman on Set B, mean over 420 held-out experiments, 95 % over those):

==============  =====================  ==================  ==================================
network         average by identity,   this network aimed  paired difference
                of the same network    at strangers
==============  =====================  ==================  ==================================
rna-towers      0.325                  0.345               +0.020 (0.013 to 0.027)
rna-film        0.319                  0.344               +0.025 (0.018 to 0.033)
==============  =====================  ==================  ==================================

The average by identity of rna-multi reaches 0.326. Taking half of the proteins for strangers gains as much as a quarter
(0.018) and costs known proteins more: their Spearman is 0.613 then, 0.630 with a quarter, 0.652 of rna-multi. Choices
were made on these folds; on others, of the same proteins, rna-towers gained 0.017 (0.010 to 0.024). By convolution over
the residues instead of peptides, half of the proteins strangers, it gained nothing (-0.003 to 0.002).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ribocyte.learn.recipe import check
from ribocyte.learn.splits import Info
from ribocyte.rna.joint.baselines import SHARPNESS, same_weights
from ribocyte.rna.joint.esm import ESMReader
from ribocyte.rna.joint.known import KNOWN, known_proteins
from ribocyte.rna.joint.peptides import PeptideReader
from ribocyte.rna.joint.residues import ResidueReader
from ribocyte.rna.joint.trunk import TrunkConfig
from ribocyte.rna.proteins.alignment import Identities, identity_matrix
from ribocyte.rna.proteins.sequences import Protein

PACE = 0.4
"""The reader's, beside the rest of the network: it learns of hundreds of proteins and not of a hundred thousand probes,
and at one pace would know them by heart before the trunk has learned anything. 0.15 gained less, 0.3 to 0.6 alike."""

Vectors = Float[Tensor, "proteins width"]
Opinions = Float[Tensor, "proteins known"]


@dataclass(frozen=True)
class BankConfig(TrunkConfig):
    """A trunk for RNA (see `TrunkConfig`) and a bank of proteins.

    Parameters
    ----------
    reads : {"peptides", "residues", "esm"}
        What proteins are compared by, beside identity: `PeptideReader`, `ResidueReader`, or embeddings of a
        frozen ESM-2 (`ESMReader`; the extra [esm]).
    key : int
        Numbers in the key that each protein gets.
    key_dropout : float
        Share of what is read that is left out in a step of the training.
    unseen : float
        Share of the proteins that are taken for strangers in a step of the training.
    relatives : float
        Identity above which a known protein is not asked about a stranger in the training.
    esm : str
        For ``reads = "esm"``: a folder, or a name on the Hugging Face Hub such as
        ``facebook/esm2_t12_35M_UR50D``.
    esm_width : int
        Numbers in an embedding of that network: 320, 480, 640, 1280 for 8, 35, 150 and 650 million weights.
    """

    reads: Literal["peptides", "residues", "esm"] = "peptides"
    key: int = 16
    key_dropout: float = 0.8
    unseen: float = 0.25
    relatives: float = 0.5
    esm: str = ""
    esm_width: int = 480

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.key >= 1, "model.key", self.key, "1 or more")
        check(0 <= self.key_dropout < 1, "model.key_dropout", self.key_dropout, "from 0 to below 1")
        check(0 < self.unseen < 1, "model.unseen", self.unseen, "above 0 and below 1")
        check(0 < self.relatives <= 1, "model.relatives", self.relatives, "above 0, to 1")
        check(self.esm_width >= 1, "model.esm_width", self.esm_width, "1 or more")
        check(
            bool(self.esm) == (self.reads == "esm"),
            "model.esm",
            self.esm,
            'a folder or name where reads = "esm"',
        )


class Reader(Protocol):
    """Reads proteins into keys: those with near keys are to bind alike."""

    kept: bool
    """Whether features are kept with the weights."""

    def features(self, proteins: Sequence[Protein]) -> Tensor:
        """Write proteins as what `__call__` takes, (P, ...)."""
        ...

    def __call__(self, features: Tensor) -> Tensor:
        """Give the keys, (P, key)."""
        ...


class Bank(nn.Module):
    """Vectors of proteins, one for each output.

    Parameters
    ----------
    reader : Reader
        A module too.
    features : Tensor, shape (K, ...)
        What it reads of the known proteins.
    width : int
        Numbers in a vector.
    aimed_at : int
        Proteins that the bank is aimed at; 0 where its outputs are those it is trained on.
    unseen, relatives
        See `BankConfig`.
    """

    features: Tensor
    identities: Tensor
    inferred: Tensor | None

    def __init__(
        self, reader: Reader, features: Tensor, width: int, aimed_at: int, unseen: float, relatives: float
    ) -> None:
        super().__init__()
        known = len(features)
        self.reader, self.unseen, self.relatives = cast(nn.Module, reader), unseen, relatives
        self.vectors = nn.Parameter(torch.randn(known, width) / width**0.5)
        self.register_buffer("features", features, persistent=reader.kept)
        self.register_buffer("identities", torch.zeros(known, known))
        self.register_buffer("inferred", torch.zeros(aimed_at, width) if aimed_at else None)

    def prepare(self, known: Sequence[Protein], identities: Identities) -> None:
        """Take what is worked out once and kept with the weights: identities (K, K), and features if they are."""
        self.identities.copy_(torch.from_numpy(identities))
        if self._reader.kept:
            self.features.copy_(self._reader.features(known))

    def forward(self) -> Vectors:
        """Give the vector of each protein, (P, width)."""
        if self.inferred is not None:
            return self.inferred
        if not self.training:
            return self.vectors
        strangers = torch.rand(len(self.vectors), 1, device=self.vectors.device) < self.unseen
        keys = self._reader(self.features)
        shares = attend(keys, keys, self.identities, self.identities > self.relatives)
        return torch.where(strangers, shares @ self.vectors, self.vectors)

    @torch.inference_mode()
    def aimed(self, known: Sequence[Protein], proteins: Sequence[Protein]) -> Self:
        """Give the same bank for other proteins; a known one keeps its vector."""
        other = copy.deepcopy(self).eval()
        shares = same_weights(proteins, known).to(self.vectors.device)
        strange = ~shares.any(dim=1)
        strangers = [protein for protein, alone in zip(proteins, strange.tolist(), strict=True) if alone]
        if strangers:  # only they are read and aligned
            shares[strange] = other._ask(strangers, known)
        other.inferred = (shares @ other.vectors).clone()
        return other

    def _ask(self, strangers: Sequence[Protein], known: Sequence[Protein]) -> Opinions:
        """Say how much each known protein counts for each of those that are none."""
        device = self.vectors.device
        asked = self._reader(self._reader.features(strangers).to(device))
        identities = torch.from_numpy(identity_matrix(strangers, known)).to(device)
        return attend(asked, self._reader(self.features), identities)

    @property
    def _reader(self) -> Reader:
        return cast(Reader, self.reader)


def attend(asked: Tensor, known: Tensor, identities: Tensor, ignored: Tensor | None = None) -> Opinions:
    """Say how much each known protein counts for each one asked about.

    Parameters
    ----------
    asked, known : Tensor, shapes (P, key) and (K, key)
        Their keys.
    identities : Tensor, shape (P, K)
        How alike they are.
    ignored : Tensor, bool, shape (P, K), optional
        Who is not asked.

    Returns
    -------
    Tensor, float32, shape (P, K)
        Rows sum to 1.
    """
    logits = (SHARPNESS * identities + PACE**2 * (asked @ known.T)).float()
    if ignored is not None:
        logits = logits.masked_fill(ignored, -1e4)
    shares: Tensor = logits.softmax(dim=1)
    return shares


def make_bank(config: BankConfig, info: Info, width: int) -> Bank:
    """Make the bank of the proteins of `info`, aimed where it says so."""
    known = known_proteins(info)
    reader: Any
    if config.reads == "esm":
        reader = ESMReader(config.esm, config.esm_width, config.key, config.key_dropout)
        features = torch.zeros(len(known), config.esm_width)
    else:
        peptides = config.reads == "peptides"
        kind: Any = PeptideReader if peptides else ResidueReader
        reader = (
            kind(known, config.key, config.key_dropout) if peptides else kind(config.key, config.key_dropout)
        )
        features = reader.features(known)
    aimed_at = len(info.outputs) if KNOWN in info.normalisation else 0
    return Bank(reader, features, width, aimed_at, config.unseen, config.relatives)


def prepare(networks: Sequence[nn.Module], info: Info) -> None:
    """Align the proteins of `info` with each other, once for all networks that have a bank."""
    known = known_proteins(info)
    identities = identity_matrix(known, known)
    for network in networks:
        for part in network.modules():
            if isinstance(part, Bank):
                part.prepare(known, identities)
