"""The peers do the same work: their answers are ours; and they can be replaced by a folder of others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import untrained
from ribocyte import Predictor
from ribocyte.bench.peers import MUTAGENESIS, PEERS, PREDICT, RNA, find_peers
from ribocyte.errors import RequestError
from ribocyte.rna.attribution import mutagenesis

RNAS = ("AGAUGUUAAUUAGUAAUUGCAUGUACGUAAUUGACUUACAA", "AGGCAUGACGUUUAUUGACGAUGCGAUUCG")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    facts = {"outputs": [untrained.EXPERIMENTS[0]], "normalisation": {"length": 41}}
    return untrained.save(tmp_path_factory.mktemp("model") / "model.safetensors", info=facts, width=7)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rna") / "rnas.fasta"
    path.write_text("".join(f">rna{number} made\n{rna}\n" for number, rna in enumerate(RNAS)))
    return path


def run(*command: object) -> dict[str, object]:
    done = subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("way", ["one", "loader"])
def test_the_peer_predicts_what_we_predict(tmp_path: Path, model: Path, fasta: Path, way: str) -> None:
    out = tmp_path / "predicted.tsv"
    found = run(find_peers()[PREDICT], model, fasta, way, "--out", out)
    assert found["rnas"] == 2
    told = dict(line.split("\t") for line in out.read_text().splitlines())
    ours = Predictor.load(model, device="cpu").predict(RNAS)[untrained.EXPERIMENTS[0]]
    assert list(told) == ["rna0", "rna1"]
    np.testing.assert_allclose([float(value) for value in told.values()], ours.to_numpy(), atol=1e-4)


def test_the_peer_mutates_as_we_mutate(tmp_path: Path, model: Path, fasta: Path) -> None:
    out = tmp_path / "effects.jsonl"
    found = run(find_peers()[MUTAGENESIS], model, fasta, "--limit", 1, "--out", out)
    assert found["probes"] == 1
    predictor = Predictor.load(model, device="cpu")
    tokens, _ = predictor.encoding.encode(RNAS[:1])
    effects = torch.tensor(json.loads(out.read_text()))
    torch.testing.assert_close(effects, mutagenesis(predictor, tokens)[0], atol=1e-4, rtol=0)


def test_a_folder_of_peers_comes_first(tmp_path: Path) -> None:
    (tmp_path / RNA).write_text("")
    scripts = find_peers(tmp_path)
    assert scripts[RNA] == tmp_path / RNA
    assert all(scripts[name] == find_peers()[name] for name in PEERS if name != RNA)
    assert all(path.is_file() for path in scripts.values())


def test_a_folder_without_peers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"holds no peer; expected any of cells_skeleton\.py"):
        find_peers(tmp_path)
    with pytest.raises(RequestError, match="no such folder"):
        find_peers(tmp_path / "nowhere")
