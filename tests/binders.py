"""Proteins that were never in any cell, and a network that knows what each of them binds: joint models by hand."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ribocyte.learn.predictor import Predictor
from ribocyte.learn.splits import Info
from ribocyte.rna.alphabet import LETTERS
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.joint.baselines import Mixture, nearest_weights
from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.records import PROTEINS, describe_protein
from ribocyte.rna.proteins.sequences import RESIDUES, Domain, Protein

SITES = {"E1": "UGCAUGU", "E2": "UGCAUGA", "E3": "ACUAACA", "E4": "GGGAGGA"}
"""What the proteins of the experiments bind."""


def draw(count: int, seed: int) -> str:
    """Draw residues."""
    return "".join(random.Random(seed).choices(RESIDUES, k=count))


def mutate(sequence: str, share: float, seed: int) -> str:
    """Change a share of the residues."""
    source = random.Random(seed)
    return "".join(source.choice(RESIDUES) if source.random() < share else letter for letter in sequence)


_RRM, _KH = draw(80, 1), draw(70, 2)


def construct(name: str, kind: str, domain: str, gene: str, species: str) -> Protein:
    """Make a construct: a domain between two linkers."""
    before, after = draw(20, hash_of(name)), draw(15, hash_of(name) + 1)
    whole = before + domain + after
    return Protein(name, whole, species, gene, (Domain(kind, 20, 20 + len(domain)),), (name,))


def hash_of(name: str) -> int:
    """Make a number of a name, the same in every process."""
    return int.from_bytes(name.encode())


KNOWN = (
    construct("E1", "RRM", _RRM, "FOX1", "Homo sapiens"),
    construct("E2", "RRM", mutate(_RRM, 0.4, 3), "CELF9", "Danio rerio"),
    construct("E3", "KH", _KH, "STAR", "Homo sapiens"),
    construct("E4", "KH", mutate(_KH, 0.4, 4), "NOVA", "Homo sapiens"),
)
"""The proteins that were measured."""
RELATIVE = Protein("relative", draw(30, 50) + mutate(_RRM, 0.15, 5) + draw(40, 51))
"""Of E1, and nobody measured it."""
WHOLE = Protein("whole", draw(60, 52) + KNOWN[2].sequence + draw(60, 53))
"""The protein of which E3's construct is a part."""
STRANGER = Protein("stranger", draw(150, 60))
"""Has no domain that any known protein has."""


class Seeker(nn.Module):
    """Outputs the number of letters that the best place has in common with the site: (N, 4, L) to (N, P)."""

    def __init__(self, sites: Sequence[str]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.stack([site_weights(site) for site in sites]))

    def forward(self, rna: Tensor) -> Tensor:
        return nn.functional.conv1d(rna, self.weights).amax(dim=2)

    def aimed(self, known: Sequence[Protein], proteins: Sequence[Protein]) -> nn.Module:
        return Aimed(self, nearest_weights(identity_matrix(list(proteins), list(known))))


class Aimed(Mixture):
    """A seeker whose outputs for known proteins speak for their nearest relatives; can be aimed again."""

    def aimed(self, known: Sequence[Protein], proteins: Sequence[Protein]) -> nn.Module:
        return Aimed(self.network, nearest_weights(identity_matrix(list(proteins), list(known))))


def site_weights(site: str) -> Tensor:
    """Write a site as one-hot, (4, k)."""
    return torch.tensor([[float(base == letter) for letter in site] for base in LETTERS])


def count_matches(rna: str, site: str) -> int:
    """Count by hand what a `Seeker` gives for an RNA of one window."""
    places = range(len(rna) - len(site) + 1)
    return max(sum(a == b for a, b in zip(rna[at:], site, strict=False)) for at in places)


def joint_model(
    network: nn.Module | None = None, proteins: Sequence[Protein] = KNOWN, simulated: bool = False
) -> Predictor:
    """Make a model of the known proteins."""
    outputs = tuple(protein.name for protein in proteins)
    normalisation = {"length": 41, PROTEINS: [describe_protein(protein) for protein in proteins]}
    info = Info("compendium", "compendium", "", "strict", outputs, normalisation, simulated)
    network = network or Seeker([SITES[name] for name in outputs])
    return Predictor(network, RNAEncoding.from_info(info), {"data": info.as_json()})


def write_fasta(path: Path, records: Sequence[Protein] | Mapping[str, str]) -> Path:
    """Write proteins, or RNAs by name."""
    named = records if isinstance(records, Mapping) else {one.name: one.sequence for one in records}
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in named.items()))
    return path


def draw_rna(count: int, length: int = 40, seed: int = 0) -> list[str]:
    """Draw RNAs."""
    source = random.Random(seed)
    return ["".join(source.choices(LETTERS, k=length)) for _ in range(count)]


def write_constructs(path: Path) -> Path:
    """Write the known proteins as the table of constructs has them."""
    header = (
        "rnacompete_id\tgene_name\ttax_name\tconstruct_aa_seq\tconstruct_domains\tconstruct_domain_boundaries"
    )
    rows = [
        "\t".join(
            (
                one.name,
                one.gene,
                one.species,
                one.sequence,
                ";".join(domain.kind for domain in one.domains),
                ";".join(f"{domain.begin};{domain.end}" for domain in one.domains),
            )
        )
        for one in KNOWN
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path
