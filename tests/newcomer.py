"""A protein of which a few RNAs were measured, and joint networks that know others: a small simulated compendium."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import binders
from ribocyte.catalog import Predictor, build_network, make_encoding, parse_recipe
from ribocyte.learn.ensemble import members_of
from ribocyte.learn.splits import Info
from ribocyte.rna.proteins.records import PROTEINS, describe_protein
from ribocyte.version import VERSION

SITES = list(binders.SITES.values())
SMALL = {"widths": [7], "detectors": 16, "hidden": 24, "bins": 1, "dropout": 0.0}


def draw_rnas(count: int, seed: int) -> list[str]:
    """Draw RNAs, in each of which each of the known sites stands, or does not."""
    random = np.random.default_rng(seed)
    rnas = []
    for rna in binders.draw_rna(count, seed=seed):
        parts = [rna[at : at + 10] for at in range(0, len(rna), 10)]
        planted = random.random(len(SITES)) < 0.5
        pairs = zip(random.permutation(SITES), parts, planted, strict=True)
        rnas.append("".join(part[:2] + site + part[9:] if there else part for site, part, there in pairs))
    return rnas


def bind_known(rnas: list[str]) -> NDArray[np.float64]:
    """Give what is true of the known proteins: letters of the site beyond three, by hand."""
    return np.array([[max(binders.count_matches(rna, site) - 3, 0) for site in SITES] for rna in rnas]) / 4.0


def measure(rnas: list[str], noise: float = 0.1, seed: int = 0) -> NDArray[np.float64]:
    """Measure a new protein, which binds what E3 and, half as strongly, E4 bind; raw intensities."""
    truth = bind_known(rnas) @ [0.0, 0.0, 2.0, 1.0]
    return np.exp(truth + noise * np.random.default_rng(seed).normal(size=len(rnas)))


@cache
def joint(kind: str = "rna-towers", members: int = 1) -> Predictor:
    """Train a joint network on the known proteins for a moment; do not change what is given."""
    records = [describe_protein(protein) for protein in binders.KNOWN]
    names = tuple(protein.name for protein in binders.KNOWN)
    scale = {name: [1.0] * len(names) for name in ("shift", "mean", "std")}
    info = Info(
        "compendium", "toy", "f" * 64, "strict", names, {"length": 41, **scale, PROTEINS: records}, True
    )
    size = SMALL if kind == "rna-multi" else {**SMALL, "unseen": 0.02}
    recipe = parse_recipe(
        {"data": {"kind": "compendium"}, "model": {"kind": kind, **size}, "training": {"members": members}},
        "toy",
    )
    card = {"version": VERSION, "recipe": recipe.as_tables(), "data": info.as_json()}
    model = Predictor(build_network(recipe, info), make_encoding(recipe, info), card)
    rnas = draw_rnas(300, seed=1)
    inputs, targets = model.encoding.encode(rnas)[0], torch.from_numpy(bind_known(rnas)).float()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for member in members_of(model.network):
            _train(member, model.encoding.expand(inputs), targets)
    return model


def write_table(
    path: Path, rnas: list[str], values: NDArray[np.float64], header: str = "RNA_Seq\tintensity"
) -> Path:
    """Write measured RNAs."""
    path.write_text(
        "\n".join([header, *(f"{rna}\t{value!r}" for rna, value in zip(rnas, values.tolist(), strict=True))])
        + "\n"
    )
    return path


def _train(network: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    network.train()
    for _ in range(120):
        optimizer.zero_grad()
        (network(inputs) - targets).square().mean().backward()
        optimizer.step()
    network.eval()
