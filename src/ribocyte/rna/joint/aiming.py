"""Aim a joint network at other proteins: the same trunk, another bank, other outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, Self, runtime_checkable

from torch import nn

from ribocyte.errors import ModelError, RequestError, suggest
from ribocyte.learn.ensemble import Ensemble, members_of
from ribocyte.learn.predictor import Predictor, Trust
from ribocyte.learn.splits import Info
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.joint import esm, residues
from ribocyte.rna.joint.baselines import BASELINES, Mixture
from ribocyte.rna.joint.esm import ESMReader
from ribocyte.rna.joint.known import KNOWN, known_proteins
from ribocyte.rna.joint.residues import ResidueReader
from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.records import PROTEINS, describe_protein, proteins_of
from ribocyte.rna.proteins.sequences import Protein

_SCALE = ("shift", "mean", "std")


@runtime_checkable
class Aimable(Protocol):
    """A network that can be aimed at other proteins than those it was trained on."""

    def aimed(self, known: Sequence[Protein], proteins: Sequence[Protein]) -> nn.Module:
        """Give the same network for other proteins; `known` are those it was trained on, in their order."""
        ...


@runtime_checkable
class AimableTrust(Protocol):
    """A trust that can speak of other proteins than those the model was trained on."""

    def aimed(self, model: Predictor, proteins: Sequence[Protein]) -> Self:
        """Give the trust that fits `model`, which is aimed at `proteins` already."""
        ...


def aim(model: Predictor, proteins: Sequence[Protein]) -> Predictor:
    """Aim a model at proteins, measured or not.

    Parameters
    ----------
    model : Predictor
        Trained on a compendium; aimed already or not. Stays as it is.
    proteins : sequence of Protein
        With different names. A protein that the model was trained on gets the outputs it had.

    Returns
    -------
    Predictor
        Its outputs are the proteins, in their order, under their names. It says nothing of intensities, whose
        scale is not known of them, and its trust is none, unless the model's can be aimed as well. It can be
        saved and loaded as any other.

    Raises
    ------
    ModelError
        If the model does not know which proteins it was trained on, or is no joint network.
    RequestError
        If no protein is given, or two have one name.
    """
    info = model.info
    known = known_proteins(info)
    aimed_info = _describe(info, known, proteins)
    members = [_aim_network(member, known, proteins) for member in members_of(model.network)]
    network = Ensemble(members, model.network.logits) if isinstance(model.network, Ensemble) else members[0]
    return _predictor(model, network, aimed_info, proteins)


def baseline(model: Predictor, proteins: Sequence[Protein], kind: str = "average") -> Predictor:
    """Let a model's outputs for known proteins speak for others by identity alone; any model of a compendium will do.

    Parameters
    ----------
    model : Predictor
        Trained on a compendium, not aimed.
    proteins : sequence of Protein
        Asked about.
    kind : {"nearest", "average", "mean"}
        Which of `ribocyte.rna.joint.baselines.BASELINES`.

    Returns
    -------
    Predictor
        For use here and now: it is saved as nothing that could be loaded.

    Raises
    ------
    ModelError
        If the model does not know which proteins it was trained on.
    RequestError
        If there is no such baseline.
    """
    if kind not in BASELINES:
        raise RequestError(
            f"baseline {kind!r} is none",
            expected=f"one of {', '.join(BASELINES)}",
            mend=suggest(kind, BASELINES),
        )
    known = proteins_of(model.info)
    weights = BASELINES[kind](identity_matrix(proteins, known))
    return _predictor(
        model, Mixture(model.network, weights), _describe(model.info, known, proteins), proteins
    )


def longest_read(model: Predictor) -> int | None:
    """Say how many residues of a binding region a model reads at most; None where it reads them all.

    By convolution, and by ESM-2, what is behind the first 1,024 or 1,022 is left out; peptides are counted in all. A
    protein in which no domain is known is read from its first residue.
    """
    limits = {ESMReader: esm.LONGEST, ResidueReader: residues.LONGEST}
    found = [
        limit
        for member in members_of(model.network)
        for part in member.modules()
        for reader, limit in limits.items()
        if isinstance(part, reader)
    ]
    return min(found, default=None)


def _describe(info: Info, known: Sequence[Protein], proteins: Sequence[Protein]) -> Info:
    names = [protein.name for protein in proteins]
    if not names or len(set(names)) != len(names):
        raise RequestError(
            f"proteins {', '.join(names)}: cannot be aimed at", expected="one or more, each named once"
        )
    kept = {name: value for name, value in info.normalisation.items() if name not in _SCALE}
    records: dict[str, Any] = {
        PROTEINS: [describe_protein(protein) for protein in proteins],
        KNOWN: [describe_protein(protein) for protein in known],
    }
    return replace(info, outputs=tuple(names), normalisation={**kept, **records})


def _aim_network(network: nn.Module, known: Sequence[Protein], proteins: Sequence[Protein]) -> nn.Module:
    if not isinstance(network, Aimable):
        raise ModelError(
            f"{type(network).__name__}: its outputs are the experiments it was trained on, and no others",
            expected="a joint network: rna-multi, rna-towers or rna-film",
        )
    return network.aimed(known, proteins)


def _predictor(model: Predictor, network: nn.Module, info: Info, proteins: Sequence[Protein]) -> Predictor:
    encoding = RNAEncoding.from_info(info, getattr(model.encoding, "stride", 10))
    card = {**model.card, "data": info.as_json()}
    card.pop("trust", None)
    aimed = Predictor(network, encoding, card, model.device)
    trust: Trust | None = model.trust
    aimed.trust = trust.aimed(aimed, proteins) if isinstance(trust, AimableTrust) else None
    return aimed
