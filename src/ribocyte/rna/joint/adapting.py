"""Adapt a joint network to a protein of which some probes were measured: one output, and a file of its own.

Each network of an ensemble gets a head of its own (`ribocyte.rna.joint.few_shot.fit_head`), and what they say is
averaged as before, so that the spread of the members keeps its meaning. On eight simulated proteins of clusters that
the network never saw, with two members and 256 probes, that gives a Spearman of 0.629, and one head over both members
0.629.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from ribocyte.errors import ModelError
from ribocyte.learn.ensemble import Ensemble, members_of
from ribocyte.learn.predictor import Predictor
from ribocyte.learn.splits import Info
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.joint.aiming import aim
from ribocyte.rna.joint.few_shot import Head, fit_head
from ribocyte.rna.joint.known import KNOWN, known_proteins
from ribocyte.rna.layers import RNA, Affinities
from ribocyte.rna.proteins.records import PROTEINS, describe_protein
from ribocyte.rna.proteins.sequences import Protein

ADAPTED = "adapted"
"""Where the ``normalisation`` of an adapted model's info holds what it was adapted by."""
_SCALE = ("clip", "floor", "shift", "mean", "std", "splits")


@runtime_checkable
class Binding(Protocol):
    """A joint network whose trunk reads RNA apart from what becomes of it."""

    trunk: nn.Module

    def bind(self, features: Tensor) -> Tensor:
        """Predict one affinity a protein, (N, P), of what the trunk found, (N, H)."""
        ...


@dataclass(frozen=True, eq=False)
class Readings:
    """What the networks of an ensemble say of some RNAs, each for itself.

    Parameters
    ----------
    known : Tensor, float32, shape (M, N, Q)
        For each of the different known proteins.
    own : Tensor, float32, shape (M, N)
        For the protein itself, by its sequence; without one, the mean over the known proteins.
    trunk : tuple of Tensor, float32, shapes (N, H)
        What each trunk finds.
    """

    known: Tensor
    own: Tensor
    trunk: tuple[Tensor, ...]

    def fit(self, scores: Tensor, rows: Tensor) -> list[Head]:
        """Fit a head for each network to the scores (N,) of some rows."""
        return [
            fit_head(known[rows], own[rows], scores[rows], trunk[rows])
            for known, own, trunk in zip(self.known, self.own, self.trunk, strict=True)
        ]

    def apply(self, heads: Sequence[Head], rows: Tensor) -> Tensor:
        """Predict some rows (n,) with a head for each network."""
        parts = zip(heads, self.known, self.own, self.trunk, strict=True)
        said = [head.apply(known[rows], own[rows], trunk[rows]) for head, known, own, trunk in parts]
        return torch.stack(said).mean(dim=0)


class Adapted(nn.Module):
    """A joint network whose outputs and features are weighed into one output: (N, 4, L) to (N, 1).

    Parameters
    ----------
    network : nn.Module
        Aimed at the different known proteins, and at the protein itself where its sequence is known (Q in all).
    outputs : Tensor, shape (Q,)
        Weights of what it says of them.
    features : Tensor, shape (H,)
        Weights of what its trunk finds.
    bias : Tensor, shape ()
        Added.
    """

    outputs: Tensor
    features: Tensor
    bias: Tensor

    def __init__(self, network: nn.Module, outputs: Tensor, features: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("outputs", outputs.float())
        self.register_buffer("features", features.float())
        self.register_buffer("bias", bias.float())

    def forward(self, rna: RNA) -> Affinities:
        """Predict the affinity of the protein, (N, 1)."""
        network = cast(Binding, self.network)
        found = network.trunk(rna)
        said = network.bind(found) @ self.outputs + found @ self.features + self.bias
        affinities: Affinities = said[:, None]
        return affinities

    def aimed(self, known: Sequence[Protein], proteins: Sequence[Protein]) -> NoReturn:  # noqa: ARG002
        """Refuse: what was measured of one protein says nothing of others.

        Raises
        ------
        ModelError
            Always.
        """
        raise ModelError(
            "model: adapted to measurements of one protein, and speaks of no other",
            expected="the joint model that it was made of",
            mend="for the protein itself: ribocyte predict MODEL RNA",
        )


def refuse_aimed(info: Info) -> None:
    """Refuse a model whose outputs are no longer those it was trained on.

    Raises
    ------
    ModelError
        If it was aimed or adapted before.
    """
    if KNOWN in info.normalisation:
        done = "adapted to" if ADAPTED in info.normalisation else "aimed at"
        raise ModelError(
            f"model: {done} {', '.join(info.outputs[:3])} already",
            expected="the joint model that it was made of",
        )


def aim_at_all(model: Predictor, protein: Protein | None) -> Predictor:
    """Aim a joint model at the different proteins it was trained on and then, where it is known, at another.

    Raises
    ------
    ModelError
        If it is no joint model.
    """
    voices = [*dict.fromkeys(known_proteins(model.info)), *([] if protein is None else [protein])]
    # Names of ours: those of a FASTA file may be what a known protein is called.
    asked = [replace(voice, name=f"p{number}") for number, voice in enumerate(voices)]
    panel = aim(Predictor(model.network, model.encoding, model.card, model.device), asked)
    strange = next((one for one in members_of(panel.network) if not isinstance(one, Binding)), None)
    if strange is not None:
        raise ModelError(
            f"{type(strange).__name__}: does not show what its trunk finds",
            expected="a joint network: rna-multi, rna-towers or rna-film",
        )
    return panel


def read_rnas(panel: Predictor, compact: Tensor, asked: bool) -> Readings:
    """Have the networks of a model read RNAs.

    Parameters
    ----------
    panel : Predictor
        As `aim_at_all` gives it.
    compact : Tensor, uint8, shape (N, L)
        The RNAs.
    asked : bool
        Whether the last output is the protein itself; else it has none.
    """
    said = panel.member_outputs(compact)
    trunks = [cast(Binding, member).trunk for member in members_of(panel.network)]
    found = [Predictor(trunk, panel.encoding, panel.card, panel.device).outputs(compact) for trunk in trunks]
    known, own = (said[:, :, :-1], said[:, :, -1]) if asked else (said, said.mean(dim=2))
    return Readings(known, own, tuple(found))


def adapt_network(panel: Predictor, heads: Sequence[Head]) -> nn.Module:
    """Make one network of a joint one and heads: one for each member of an ensemble.

    Parameters
    ----------
    panel : Predictor
        As `aim_at_all` gives it.
    heads : sequence of Head
        As `Readings.fit` gives them.
    """
    outputs = len(panel.info.outputs)
    members = [
        Adapted(member, weigh_outputs(head, outputs), head.trunk, torch.tensor(head.bias))
        for member, head in zip(members_of(panel.network), heads, strict=True)
    ]
    network = panel.network
    return Ensemble(members, network.logits) if isinstance(network, Ensemble) else members[0]


def weigh_outputs(head: Head, outputs: int) -> Tensor:
    """Write a head as weights of all outputs: of the known proteins, and of the protein itself, if it is one more."""
    known = len(head.weights)
    if outputs == known:  # its own prediction was the mean over the known
        return head.weights + head.prior / known
    return torch.cat([head.weights, torch.tensor([head.prior])])


def describe_adapted(
    info: Info, name: str, protein: Protein | None, scale: Mapping[str, Any], facts: Mapping[str, Any]
) -> Info:
    """Describe an adapted model.

    Parameters
    ----------
    info : Info
        Of the joint model.
    name : str
        Of its one output.
    protein : Protein, optional
        Whose it is, where its sequence is known.
    scale : mapping
        How its intensities were scaled, a list of one for each statistic; empty where that is not known.
    facts : mapping
        What the model is to remember of its adaptation; JSON values only.
    """
    kept = {key: value for key, value in info.normalisation.items() if key not in (*_SCALE, PROTEINS)}
    known = [describe_protein(one) for one in known_proteins(info)]
    records = {} if protein is None else {PROTEINS: [describe_protein(replace(protein, name=name))]}
    normalisation = {**kept, **scale, KNOWN: known, **records, ADAPTED: dict(facts)}
    return replace(info, outputs=(name,), normalisation=normalisation)


def adapted_predictor(panel: Predictor, network: nn.Module, info: Info) -> Predictor:
    """Make the model of an adapted network."""
    encoding = RNAEncoding.from_info(info, getattr(panel.encoding, "stride", 10))
    return Predictor(network, encoding, {**panel.card, "data": info.as_json()}, panel.device)


def build(make: Callable[[Any, Info], nn.Module], config: Any, info: Info) -> Adapted:
    """Build the network of an adapted model, for weights to be loaded into.

    Parameters
    ----------
    make : callable
        Builds the joint network of a configuration, for what an info describes.
    config : TrunkConfig
        Its configuration.
    info : Info
        As `describe_adapted` gives it.
    """
    voices = len(set(known_proteins(info))) + (PROTEINS in info.normalisation)
    panel = replace(info, outputs=tuple(f"p{number}" for number in range(voices)))
    return Adapted(make(config, panel), torch.zeros(voices), torch.zeros(config.hidden), torch.zeros(()))
