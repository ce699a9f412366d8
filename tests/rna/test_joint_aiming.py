"""A joint network aimed at other proteins: the same trunk, other outputs, and a file like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from binders import KNOWN, RELATIVE, mutate
from ribocyte.catalog import Predictor, build_network, make_encoding, parse_recipe
from ribocyte.errors import ModelError, RequestError
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.splits import Info
from ribocyte.rna.joint.aiming import aim, baseline
from ribocyte.rna.joint.known import KNOWN as KNOWN_KEY
from ribocyte.rna.joint.known import known_proteins
from ribocyte.rna.proteins.records import PROTEINS, describe_protein, proteins_of
from ribocyte.rna.proteins.sequences import Protein

KINDS = ("rna-multi", "rna-towers", "rna-film")
BANKS = ("rna-towers", "rna-film")
SCALE = {name: [1.0] * len(KNOWN) for name in ("shift", "mean", "std")}
every_kind = pytest.mark.parametrize("kind", KINDS)


def trained(kind: str, members: int = 1, **model: Any) -> Predictor:
    """Give a model that is as if it had been trained: its weights are drawn."""
    records = [describe_protein(protein) for protein in KNOWN]
    facts = {"length": 41, **SCALE, PROTEINS: records}
    info = Info("compendium", "toy", "f" * 64, "strict", tuple(p.name for p in KNOWN), facts, True)
    small = {"detectors": 6, "hidden": 20, "widths": [3, 5], **model}
    tables = {
        "data": {"kind": "compendium"},
        "model": {"kind": kind, **small},
        "training": {"members": members},
    }
    recipe = parse_recipe(tables, "test")
    card = {"version": "0", "recipe": recipe.as_tables(), "data": info.as_json()}
    return Predictor(build_network(recipe, info), make_encoding(recipe, info), card)


def probes() -> Tensor:
    return torch.randint(0, 4, (9, 41), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def strangers() -> list[Protein]:
    return [RELATIVE, Protein("far", mutate(KNOWN[2].sequence, 0.7, 9)), Protein("odd", "MKX")]


@every_kind
@pytest.mark.parametrize("members", [1, 3])
def test_aimed_at_its_own_proteins_it_says_the_same(kind: str, members: int) -> None:
    model = trained(kind, members)
    aimed = aim(model, KNOWN)
    assert torch.allclose(aimed.outputs(probes()), model.outputs(probes()), atol=1e-5)
    assert torch.allclose(aimed.member_outputs(probes()), model.member_outputs(probes()), atol=1e-5)
    assert isinstance(aimed.network, Ensemble) == (members > 1)


@every_kind
def test_proteins_in_another_order_are_columns_in_another_order(kind: str) -> None:
    model, asked = trained(kind), [*strangers(), *KNOWN]
    there, back = aim(model, asked), aim(model, asked[::-1])
    assert torch.allclose(there.outputs(probes()), back.outputs(probes()).flip(1), atol=1e-5)


@every_kind
def test_who_is_asked_beside_does_not_matter(kind: str) -> None:
    model = trained(kind)
    together = aim(model, strangers()).outputs(probes())
    alone = [aim(model, [protein]).outputs(probes()) for protein in strangers()]
    assert torch.allclose(together, torch.cat(alone, dim=1), atol=1e-5)


@pytest.mark.parametrize("reads", ["peptides", "residues"])
@pytest.mark.parametrize("kind", BANKS)
def test_a_near_relative_is_nearly_the_same(kind: str, reads: str) -> None:
    model = trained(kind, reads=reads)
    outputs = aim(model, [RELATIVE, *KNOWN]).outputs(probes())
    apart = (outputs[:, :1] - outputs[:, 1:]).square().mean(dim=0)
    assert int(apart.argmin()) == 0


@every_kind
@pytest.mark.parametrize("members", [1, 2])
def test_it_is_saved_and_loaded_aimed(kind: str, members: int, tmp_path: Path) -> None:
    aimed = aim(trained(kind, members), strangers())
    aimed.save(tmp_path / "model.safetensors")
    loaded = Predictor.load(tmp_path / "model.safetensors", device="cpu")
    assert loaded.info == aimed.info
    assert torch.equal(loaded.outputs(probes()), aimed.outputs(probes()))
    again = aim(loaded, KNOWN)
    assert torch.allclose(again.outputs(probes()), trained(kind, members).outputs(probes()), atol=1e-5)


@every_kind
def test_its_facts_are_those_of_the_proteins_asked_about(kind: str) -> None:
    model = trained(kind)
    aimed = aim(model, strangers())
    assert aimed.info.outputs == ("relative", "far", "odd")
    assert proteins_of(aimed.info) == strangers()
    assert known_proteins(aimed.info) == known_proteins(model.info) == list(KNOWN)
    assert aimed.info.simulated
    assert not set(SCALE) & set(aimed.info.normalisation)
    assert model.info.outputs == tuple(p.name for p in KNOWN)
    assert KNOWN_KEY not in model.info.normalisation
    table = aimed.predict(["UGCAUGU"])
    assert "relative" in table.columns
    assert not any(name.endswith("_intensity") for name in table.columns)


@every_kind
def test_a_baseline_mixes_what_the_model_says_of_known_proteins(kind: str) -> None:
    model = trained(kind)
    known = model.outputs(probes())
    assert torch.allclose(baseline(model, [RELATIVE], "nearest").outputs(probes()), known[:, :1], atol=1e-6)
    mean = baseline(model, [RELATIVE], "mean").outputs(probes())
    assert torch.allclose(mean[:, 0], known.mean(dim=1), atol=1e-6)


def test_names_must_differ() -> None:
    with pytest.raises(RequestError, match="named once"):
        aim(trained("rna-multi"), [RELATIVE, RELATIVE])
    with pytest.raises(RequestError, match="one or more"):
        aim(trained("rna-multi"), [])


def test_a_baseline_must_be_one() -> None:
    with pytest.raises(RequestError, match="nearest"):
        baseline(trained("rna-multi"), [RELATIVE], "nearst")


def test_a_network_without_a_bank_is_not_aimed() -> None:
    model = trained("rna-multi")
    tables = {"data": {"kind": "compendium"}, "model": {"kind": "rna-cnn", "detectors": 4, "hidden": 4}}
    recipe = parse_recipe(tables, "test")
    plain = Predictor(
        build_network(recipe, model.info), model.encoding, {**model.card, "recipe": recipe.as_tables()}
    )
    with pytest.raises(ModelError, match="rna-towers"):
        aim(plain, [RELATIVE])


def test_a_model_that_knows_no_proteins_is_not_aimed() -> None:
    model = trained("rna-multi")
    model.card["data"] = {**model.card["data"], "normalisation": {"length": 41}}
    with pytest.raises(ModelError, match="which proteins"):
        aim(model, [RELATIVE])
