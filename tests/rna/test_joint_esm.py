"""Frozen embeddings: a tiny ESM-2 of random weights in a folder, read as a real one is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from binders import KNOWN, RELATIVE
from ribocyte.catalog import Predictor, build_network, make_encoding, parse_recipe
from ribocyte.errors import ModelError
from ribocyte.learn.splits import Info
from ribocyte.rna.joint.aiming import aim
from ribocyte.rna.joint.esm import ESMReader, embed
from ribocyte.rna.proteins.records import PROTEINS, describe_protein

WIDTH = 16
LETTERS = "LAGVSERTIDPKQNFYMHWCXBUZO.-"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a network as the published ones are, but small."""
    transformers = pytest.importorskip("transformers")
    path = tmp_path_factory.mktemp("esm") / "tiny"
    path.mkdir()
    words = ["<cls>", "<pad>", "<eos>", "<unk>", *LETTERS, "<null_1>", "<mask>"]
    (path / "vocab.txt").write_text("\n".join(words))
    transformers.EsmTokenizer(str(path / "vocab.txt")).save_pretrained(path)
    config = transformers.EsmConfig(
        vocab_size=len(words), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        pad_token_id=1, mask_token_id=len(words) - 1, position_embedding_type="rotary", token_dropout=True,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.EsmModel(config, add_pooling_layer=False).save_pretrained(path)
    return path


def trained(folder: Path, **model: Any) -> Predictor:
    info = Info(
        "compendium", "toy", "f" * 64, "strict", tuple(p.name for p in KNOWN),
        {"length": 41, PROTEINS: [describe_protein(protein) for protein in KNOWN]},
    )  # fmt: skip
    settings = {"detectors": 6, "hidden": 20, "reads": "esm", "esm": str(folder), "esm_width": WIDTH, **model}
    recipe = parse_recipe(
        {"data": {"kind": "compendium"}, "model": {"kind": "rna-towers", **settings}}, "test"
    )
    card = {"version": "0", "recipe": recipe.as_tables(), "data": info.as_json()}
    return Predictor(build_network(recipe, info), make_encoding(recipe, info), card)


def test_an_embedding_is_the_mean_over_the_residues(folder: Path) -> None:
    import transformers

    sequence = "MKLVACD"
    tokenizer = transformers.EsmTokenizer.from_pretrained(folder)
    network = transformers.EsmModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.inference_mode():
        states = network(**tokenizer(sequence, return_tensors="pt")).last_hidden_state[0]
    assert len(states) == len(sequence) + 2
    assert torch.allclose(embed(str(folder), sequence), states[1:-1].mean(dim=0), atol=1e-6)


def test_features_are_of_the_binding_regions(folder: Path) -> None:
    reader = ESMReader(str(folder), WIDTH, 4, 0.0)
    found = reader.features(KNOWN)
    domain = KNOWN[1].domains[0]
    assert found.shape == (len(KNOWN), WIDTH)
    assert torch.equal(found[1], embed(str(folder), KNOWN[1].sequence[domain.begin : domain.end]))


def test_a_model_is_used_without_the_network_and_aimed_with_it(folder: Path, tmp_path: Path) -> None:
    probes = torch.randint(0, 4, (5, 41), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    model = trained(folder)
    model.save(tmp_path / "m.safetensors")
    expected = aim(model, [RELATIVE, *KNOWN]).outputs(probes)
    assert torch.allclose(expected[:, 1:], model.outputs(probes), atol=1e-5)
    loaded = Predictor.load(tmp_path / "m.safetensors", device="cpu")
    assert torch.equal(loaded.outputs(probes), model.outputs(probes))
    assert torch.allclose(aim(loaded, [RELATIVE]).outputs(probes)[:, 0], expected[:, 0], atol=1e-5)


def test_another_width_is_refused_with_the_right_one(folder: Path) -> None:
    with pytest.raises(ModelError, match="16 numbers") as refused:
        trained(folder, esm_width=320)
    assert "model.esm_width=16" in str(refused.value)


def test_a_folder_without_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no ESM-2"):
        trained(tmp_path)
