"""Models of every kind of network, small and untrained, for what only needs a model to be there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ribocyte import Predictor, build_network
from ribocyte.catalog import NETWORKS, calibrate_trust, make_encoding, parse_recipe
from ribocyte.cells.images import CLASSES, CellEncoding
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Info, Split
from ribocyte.rna.proteins.records import PROTEINS, describe_protein
from ribocyte.rna.proteins.sequences import Protein
from ribocyte.version import VERSION

EXPERIMENTS = ("RNCMPT00168", "RNCMPT00001")
SEQUENCES = ("MNCEREQLRGNQEAAAAPDTMAQPY", "MEAVCLGTCPEPEASMSTAIPGLKK")
JOINT = ("rna-multi", "rna-towers", "rna-film")
SMALL: dict[str, dict[str, Any]] = {
    "rna-cnn": {"detectors": 8, "hidden": 8},
    "rna-bilstm": {"detectors": 8, "state": 4, "hidden": 8},
    "rna-residual": {"channels": 8, "dilations": [1, 2], "hidden": 8},
    "rna-transformer": {"width": 8, "layers": 1, "heads": 2, "feedforward": 16, "hidden": 8},
    "rna-multi": {"widths": [3, 5], "detectors": 4, "hidden": 8},
    "rna-towers": {"widths": [3, 5], "detectors": 4, "hidden": 8, "rank": 4},
    "rna-film": {"widths": [3, 5], "detectors": 4, "hidden": 8, "rank": 4, "units": 4},
    "cell-cnn": {},
    "cell-residual": {"widths": [8, 16], "blocks": 1},
}


def model(
    kind: str,
    *,
    data: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    info: dict[str, Any] | None = None,
    **settings: Any,
) -> Predictor:
    """Build a model that was never trained, its normalisation layers drawn at random as training leaves them."""
    domain = NETWORKS[kind].domain
    facts = describe(domain, **(info or {}))
    if kind in JOINT:
        proteins = [Protein(name, sequence) for name, sequence in zip(EXPERIMENTS, SEQUENCES, strict=True)]
        records = [describe_protein(protein) for protein in proteins]
        facts = replace(facts, normalisation={**facts.normalisation, PROTEINS: records})
    recipe = parse_recipe(
        {
            "data": {"kind": facts.kind, **(data or {})},
            "model": {"kind": kind, **SMALL[kind], **settings},
            "training": training or {},
        },
        "small",
    )
    network = build_network(recipe, facts)
    _settle(network)
    card = {
        "version": VERSION,
        "recipe": recipe.as_tables(),
        "data": facts.as_json(),
        "best": {"epoch": 2, "metric": "spearman" if domain == "rna" else "accuracy", "value": 0.5},
    }
    return Predictor(network, make_encoding(recipe, facts), card)


def describe(domain: str, **changes: Any) -> Info:
    """Describe the data that a model claims to have learned from."""
    rna = {"alphabet": "ACGU", "length": 41, "shift": [1.0, 2.0], "mean": [1.5, 1.0], "std": [0.5, 0.25]}
    facts = {
        "rna": Info("rnacompete", "norm_data.txt.gz", "ab" * 32, "strict", EXPERIMENTS, rna),
        "cells": Info(
            "bloodmnist", "bloodmnist.npz", "cd" * 32, "official", CLASSES, CellEncoding().normalisation
        ),
    }
    return Info.from_json(facts[domain].as_json() | changes)


def calibrated(kind: str, rows: int = 300, **changes: Any) -> Predictor:
    """Build a model that says how far to trust it, calibrated on rows drawn at random."""
    made, random = model(kind, **changes), torch.Generator().manual_seed(2)
    outputs = len(made.info.outputs)
    names = np.array([f"row/{row}" for row in range(rows)])
    if made.domain == "rna":
        inputs = torch.randint(0, 4, (rows, 41), generator=random, dtype=torch.uint8)
        split = Split(inputs, torch.randn(rows, outputs, generator=random), names)
    else:
        inputs = torch.randint(0, 256, (rows, 28, 28, 3), generator=random, dtype=torch.uint8)
        split = Split(inputs, torch.arange(rows) % outputs, names)
    made.trust = calibrate_trust(made, split)
    return made


def save(path: Path, kind: str = "rna-cnn", **changes: Any) -> Path:
    """Write a model's file."""
    model(kind, **changes).save(path)
    return path


def finished_run(path: Path, kind: str = "rna-cnn", **changes: Any) -> Path:
    """Write what a finished run of a model would hold, with scores that are easy to recognise."""
    made = model(kind, **changes)
    names = ("spearman", "pearson") if made.domain == "rna" else ("accuracy", "macro_auc")
    scores = {
        "name": "small",
        "version": VERSION,
        "rows": {"train": 12_345, "val": 2_345, "test": 3_456},
        "fingerprint": made.info.fingerprint,
        "epochs": 7,
        "cost": {"seconds": 42.4, "device": "cpu", "threads": 3, "precision": "32", "multiply_adds": 98_765},
        "test": {names[0]: {"value": 0.7123, "low": 0.6934, "high": 0.7345},
                 names[1]: {"value": None, "low": None, "high": None}},
        "trust": {"level": 0.9, "coverage": 0.8973, "width": None},
    }  # fmt: skip
    run = Run.create(path, made.recipe.as_tables())
    made.save(run.model)
    run.write_history([{"epoch": 1, "train_loss": 0.5}])
    run.write_scores(scores)
    (path / "figures").mkdir()
    (path / "figures" / "history.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (path / "last.ckpt").write_bytes(b"stays at home")
    return path


def _settle(network: nn.Module) -> None:
    """Draw the statistics of the normalisation layers and all that begins at zero."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if "running_var" in name:
                tensor.uniform_(0.5, 2.0, generator=random)
            elif "running_mean" in name or name.endswith("distance"):
                tensor.normal_(0.0, 0.5, generator=random)
