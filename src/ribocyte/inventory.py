"""What the catalog holds: every kind of data and of network, its settings and its cost."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from ribocyte import catalog
from ribocyte.cells.images import CLASSES, CellEncoding
from ribocyte.learn import measure
from ribocyte.learn.splits import Info
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.proteins.records import PROTEINS, describe_protein
from ribocyte.rna.proteins.sequences import Protein

TYPICAL = 200
"""Residues of the protein that a joint network's cost is told for."""


@dataclass(frozen=True)
class KindFacts:
    """A kind of data or network in the catalog, and its settings with their defaults (None: must be given)."""

    kind: str
    domain: str
    about: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class NetworkFacts(KindFacts):
    """A kind of network, and what it costs by default, for one experiment or for eight classes."""

    parameters: int
    multiply_adds: int


def describe_data() -> list[KindFacts]:
    """List every kind of data there is."""
    return [
        KindFacts(kind, known.domain, known.about, _defaults(known.config))
        for kind, known in catalog.DATA.items()
    ]


def describe_networks() -> list[NetworkFacts]:
    """List every kind of network there is."""
    rna, cells = RNAEncoding(), CellEncoding()
    blank = np.zeros((cells.size, cells.size, 3), dtype=np.uint8)
    examples = {
        "rna": (
            rna.expand(rna.encode(["A" * rna.length])[0]),
            ("experiment",),
            {"length": rna.length, PROTEINS: [describe_protein(Protein("protein", "A" * TYPICAL))]},
        ),
        "cells": (cells.expand(cells.encode([blank])[0]), CLASSES, cells.normalisation),
    }
    found = []
    for kind, known in catalog.NETWORKS.items():
        example, outputs, normalisation = examples[known.domain]
        network = known.build(known.config(), Info(kind, "", "", "", outputs, normalisation))
        cost = measure.parameters(network), measure.multiply_adds(network, example)
        found.append(NetworkFacts(kind, known.domain, known.about, _defaults(known.config), *cost))
    return found


def _defaults(config: type) -> dict[str, Any]:
    """Give a configuration's keys and defaults; None where there is no default."""
    return {
        field.name: None if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(config)
    }
