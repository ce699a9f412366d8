"""Networks of many proteins: what they compute, checked by loops over pairs, and what must not matter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from binders import KNOWN
from ribocyte.catalog import build_network, parse_recipe
from ribocyte.errors import ModelError, RecipeError
from ribocyte.learn.splits import Info
from ribocyte.rna.alphabet import one_hot
from ribocyte.rna.joint.bank import PACE, Bank, attend
from ribocyte.rna.joint.baselines import SHARPNESS
from ribocyte.rna.joint.film import Film
from ribocyte.rna.joint.peptides import KINDS, WORDS, PeptideReader
from ribocyte.rna.joint.residues import LONGEST, ResidueReader
from ribocyte.rna.joint.towers import Towers
from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.records import PROTEINS, describe_protein
from ribocyte.rna.proteins.sequences import RESIDUES, Domain, Protein

SMALL: dict[str, Any] = {"detectors": 6, "hidden": 20, "widths": [3, 5]}
BANKS = ("rna-towers", "rna-film")
KINDS_OF = ("rna-multi", *BANKS)
NAMES = tuple(protein.name for protein in KNOWN)


def info() -> Info:
    records = [describe_protein(protein) for protein in KNOWN]
    return Info("compendium", "toy", "f" * 64, "strict", NAMES, {"length": 41, PROTEINS: records})


def build(kind: str, **model: Any) -> nn.Module:
    if kind in BANKS:
        model = {"rank": 7, "key": 3, **model}
    tables = {"data": {"kind": "compendium"}, "model": {"kind": kind, **SMALL, **model}}
    return build_network(parse_recipe(tables, "test"), info()).eval()


def probes(rows: int = 5, length: int = 41) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return one_hot(torch.randint(0, 4, (rows, length), generator=generator, dtype=torch.uint8))


def bank_of(network: nn.Module) -> Bank:
    return next(part for part in network.modules() if isinstance(part, Bank))


# What is computed


def test_the_gated_product_is_a_loop_over_pairs() -> None:
    network, rna = build("rna-towers"), probes()
    assert isinstance(network, Towers)
    linear = network.meet[0]
    assert isinstance(linear, nn.Linear)
    for row, features in zip(network(rna), network.trunk(rna), strict=True):
        value, gate = (linear.weight @ features + linear.bias).chunk(2)
        for affinity, vector in zip(row, network.bank(), strict=True):
            pairs = [v * torch.sigmoid(g) * p for v, g, p in zip(value, gate, vector[1:], strict=True)]
            assert torch.isclose(affinity, vector[0] + torch.stack(pairs).sum(), atol=1e-5)


def test_the_conditioned_units_are_a_loop_over_pairs() -> None:
    network, rna = build("rna-film", units=4), probes()
    assert isinstance(network, Film)
    outputs = network(rna)
    for probe, features in enumerate(network.trunk(rna)):
        units = network.meet(features)
        for protein, vector in enumerate(network.bank()):
            scale, shift, weight = network.condition(vector[1:]).chunk(3)
            found = vector[0] + (((1 + scale) * units + shift).clamp(min=0) * weight).sum()
            assert torch.isclose(outputs[probe, protein], found, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS_OF)
def test_a_batch_of_one_is_as_a_batch_of_many(kind: str) -> None:
    network, rna = build(kind), probes()
    alone = torch.cat([network(row[None]) for row in rna])
    assert torch.allclose(network(rna), alone, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS_OF)
def test_padding_of_the_rna_changes_nothing_within_the_window(kind: str) -> None:
    network, rna = build(kind), probes(length=33)
    assert torch.allclose(network(rna), network(nn.functional.pad(rna, (0, 8))), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS_OF)
def test_half_precision_is_near(kind: str) -> None:
    network, rna = build(kind).train(), probes(64)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(rna)
    outputs.float().square().mean().backward()
    assert outputs.shape == (64, len(KNOWN))
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


# The bank


def test_a_stranger_is_inferred_from_those_who_are_no_relatives() -> None:
    bank = bank_of(build("rna-towers", unseen=0.999, key_dropout=0.0))
    torch.manual_seed(0)
    vectors = bank.train()()
    keys = bank.reader(bank.features)
    for row in range(len(KNOWN)):
        allowed = [at for at in range(len(KNOWN)) if bank.identities[row, at] <= bank.relatives]
        assert row not in allowed
        logits = torch.stack(
            [SHARPNESS * bank.identities[row, at] + PACE**2 * keys[row] @ keys[at] for at in allowed]
        )
        expected = logits.softmax(dim=0) @ bank.vectors[allowed]
        assert torch.allclose(vectors[row], expected, atol=1e-4)


def test_some_are_strangers_in_training_and_none_afterwards() -> None:
    bank = bank_of(build("rna-towers", unseen=0.5)).train()
    torch.manual_seed(0)
    shares = [(bank() != bank.vectors).any(dim=1).float().mean() for _ in range(200)]
    assert 0.4 < float(torch.stack(shares).mean()) < 0.6
    assert torch.equal(bank.eval()(), bank.vectors)


def test_identities_lie_with_the_weights() -> None:
    network = build("rna-towers")
    identities = network.state_dict()["bank.identities"]
    assert torch.equal(identities, torch.from_numpy(identity_matrix(KNOWN, KNOWN)))


def test_who_is_ignored_has_no_share() -> None:
    identities, ignored = torch.tensor([[0.9, 0.3, 0.3]]), torch.tensor([[True, False, False]])
    keys = torch.zeros(3, 2)
    assert torch.allclose(attend(keys[:1], keys, identities, ignored), torch.tensor([[0.0, 0.5, 0.5]]))


# What is read of proteins


def test_peptides_are_counted_as_a_loop_counts_them() -> None:
    protein = Protein("p", "MKXLMKALMKAL", domains=(Domain("RRM", 3, 12),))
    reader = PeptideReader([protein], 3, 0.0)
    counts = dict[int, int]()
    letters = protein.sequence[3:12]
    for at in range(len(letters) - 2):
        a, b, c = (RESIDUES.index(letter) for letter in letters[at : at + 3])
        for word in ((a * KINDS + b) * KINDS + c, KINDS**3 + a * KINDS + c):
            counts[word] = counts.get(word, 0) + 1
    expected = torch.zeros(WORDS)
    for word, count in counts.items():
        expected[word] = count**0.5
    assert torch.allclose(reader.features([protein])[0], expected / expected.norm())


def test_peptides_with_an_unknown_residue_do_not_count() -> None:
    reader = PeptideReader(KNOWN, 3, 0.0)
    found = reader.features([Protein("p", "AXC"), Protein("q", "AX"), Protein("r", "XAC")])
    assert found[0].nonzero().flatten().tolist() == [KINDS**3 + 1]
    assert not found[1:].any()


def test_peptides_that_few_known_proteins_have_say_nothing() -> None:
    common, rare = "ACDEF", "WWWWW"
    known = [Protein(f"p{number}", common + (rare if number < 2 else "")) for number in range(6)]
    reader = PeptideReader(known, 3, 0.0)
    keys = reader(reader.features([Protein("a", common), Protein("b", rare)]))
    assert keys[0].any()
    assert not keys[1].any()


def test_padding_of_proteins_changes_nothing() -> None:
    torch.manual_seed(0)
    reader = ResidueReader(5, 0.0).eval()
    alone = reader(reader.features(KNOWN[:1]))
    beside = reader(reader.features([KNOWN[0], Protein("long", "ACDEFGHIKL" * 50)]))
    assert torch.allclose(alone[0], beside[0], atol=1e-5)


def test_residues_are_those_of_the_domains_with_their_kind() -> None:
    protein = Protein("p", "MMMACUXMM", domains=(Domain("KH", 3, 5), Domain("zf-CCHC_2", 5, 7)))
    found = ResidueReader(5, 0.0).features([protein, Protein("q", "AC"), Protein("r", "A" * 2000)])
    assert found.shape == (3, 2, LONGEST)
    assert found[0, 0, :5].tolist() == [1, 2, 2, 21, 0]
    assert found[0, 1, :5].tolist() == [2, 2, 4, 4, 0]
    assert found[1, 1].sum() == 0


@pytest.mark.parametrize("reads", ["peptides", "residues"])
def test_every_reader_learns(reads: str) -> None:
    network = build("rna-towers", reads=reads, unseen=0.9, relatives=0.45).train()
    network(probes(32)).square().sum().backward()
    gradients = [p.grad for name, p in network.named_parameters() if "reader" in name]
    assert gradients
    assert all(gradient is not None for gradient in gradients)


# What cannot be


def test_a_bank_wants_proteins() -> None:
    without = Info("rnacompete", "toy", "f" * 64, "strict", NAMES, {"length": 41})
    recipe = parse_recipe({"data": {"kind": "rnacompete"}, "model": {"kind": "rna-towers"}}, "test")
    with pytest.raises(ModelError, match="which proteins"):
        build_network(recipe, without)


@pytest.mark.parametrize(
    ("key", "value"),
    [("unseen", 0.0), ("relatives", 0.0), ("rank", 0), ("key", 0), ("reads", "esm"), ("widths", [4])],
)
def test_impossible_settings_are_refused(key: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=rf"model\.({key}|esm)"):
        build("rna-towers", **{key: value})
