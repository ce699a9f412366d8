"""Binding of any protein: whom it is compared with, which numbers are whose, and that order and memory hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import binders
import untrained
from ribocyte import bind
from ribocyte.applications.binding import NO_TRUST, bind_in_chunks, find_reach, identify, load_proteins
from ribocyte.errors import DataError, ModelError, RequestError
from ribocyte.learn.ensemble import Ensemble
from ribocyte.rna.joint.aiming import aim
from ribocyte.rna.joint.margins import Margins
from ribocyte.rna.joint.residues import ResidueReader
from ribocyte.rna.joint.trust import unseen_trust
from ribocyte.rna.proteins.sequences import Protein

MODEL = binders.joint_model()
RNAS = binders.draw_rna(12)
ASKED = [binders.RELATIVE, binders.WHOLE, binders.STRANGER]


def test_every_protein_is_scored_with_every_rna_by_its_own_or_its_nearest_relatives_site() -> None:
    found = bind(MODEL, ASKED, RNAS)
    assert found["rna"].to_list() == [f"sequence_{n}" for n in range(1, 13) for _ in ASKED]
    assert found["protein"].to_list() == ["relative", "whole", "stranger"] * 12
    for name, site in (("relative", "UGCAUGU"), ("whole", "ACUAACA")):
        expected = [binders.count_matches(rna, site) for rna in RNAS]
        assert found.filter(pl.col("protein") == name)["score"].to_list() == expected


def test_a_protein_is_told_to_be_measured_related_or_strange() -> None:
    related, measured, strange = identify(MODEL, ASKED)
    assert (measured.measured, measured.nearest[0].identity, measured.warning) == (("E3",), 1.0, "")
    assert (related.measured, related.nearest[0].protein.gene) == ((), "FOX1")
    assert 0.8 < related.nearest[0].identity < 0.95
    assert related.protein.domains[0].kind == "RRM"
    assert strange.warnings[0] == "no RNA-binding domain recognised"
    table = bind(MODEL, ASKED, RNAS[:1])
    assert table["measured"].to_list() == [None, "E3", None]
    assert table["warning"].to_list() == [NO_TRUST, None, f"no RNA-binding domain recognised; {NO_TRUST}"]
    assert table["domains"].to_list() == ["RRM", "KH", ""]


def test_a_measured_protein_gets_its_own_output_even_where_aiming_is_impossible() -> None:
    fixed = torch.nn.Sequential(MODEL.network)  # no joint network
    model = binders.joint_model(fixed)
    same = replace(binders.KNOWN[3], name="mine", domains=(), gene="", experiments=())
    assert bind(model, [same], RNAS)["score"].to_list() == [
        binders.count_matches(rna, "GGGAGGA") for rna in RNAS
    ]
    with pytest.raises(ModelError, match="no others"):
        bind(model, [binders.RELATIVE], RNAS)


def test_a_protein_with_one_domain_of_two_is_not_that_protein() -> None:
    first, second = binders.KNOWN[0], binders.KNOWN[2]
    both = Protein("both", first.sequence + second.sequence)
    (query,) = identify(MODEL, [both])
    assert query.measured == ()
    assert query.nearest[0].identity == pytest.approx(1.0)
    assert query.likeness == pytest.approx(80 / 150, abs=0.03)  # an RRM of 80 residues beside a KH of 70
    assert "which says nothing of the rest" in query.warning


def test_a_construct_is_its_own_even_where_another_has_its_binding_region() -> None:
    whole = binders.KNOWN[0]
    part = replace(whole, name="E0", sequence=whole.sequence[:105], gene="PART", experiments=("E0",))
    model = binders.joint_model(binders.Seeker(["CCCCCCC", "UGCAUGU"]), [part, whole])
    asked = {"same": whole.sequence, "part": part.sequence, "longer": "GGGG" + whole.sequence}
    assert [one.measured for one in identify(model, load_proteins(asked))] == [("E1",), ("E0",), ("E0",)]
    assert bind(model, asked, ["UGCAUGUAAA"])["score"].to_list() == [7.0, 1.0, 1.0]


def test_a_model_that_cannot_tell_how_far_to_trust_it_says_so_of_unseen_proteins() -> None:
    relative, whole, stranger = (one.warnings for one in identify(MODEL, ASKED))
    assert relative == (NO_TRUST,)
    assert whole == ()
    assert stranger == ("no RNA-binding domain recognised", NO_TRUST)
    assert find_reach(MODEL) is None


def test_a_simulation_is_named_in_every_row() -> None:
    assert bind(MODEL, ASKED, RNAS)["simulated"].to_list() == [False] * 36
    simulated = binders.joint_model(simulated=True)
    assert bind(simulated, ASKED[:2], RNAS)["simulated"].to_list() == [True] * 24
    assert bind(simulated, ASKED[:2], RNAS[:2], pairs=True)["simulated"].to_list() == [True] * 2


def test_a_part_of_a_protein_that_is_not_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ribocyte.rna.joint.residues.LONGEST", 75)
    model = binders.joint_model()
    model.network.reader = ResidueReader(key=2, dropout=0.0)
    relative, _, stranger = identify(model, ASKED)
    begin, end = relative.protein.domains[0][1:]
    assert f"the first 75 of the {end - begin} residues of its domains" in relative.warnings[0]
    assert "the first 75 of the 150 residues of it, in which no domain is known" in stranger.warning
    assert not any("reads the first" in one.warning for one in identify(MODEL, ASKED))


def test_of_several_experiments_with_one_protein_the_first_is_used_and_all_are_named() -> None:
    twice = replace(binders.KNOWN[0], experiments=("E1", "E5"))
    model = binders.joint_model(binders.Seeker(["UGCAUGU", "CCCCCCC"]), [twice, replace(twice)])
    model.card["data"]["outputs"] = ["E1", "E5"]
    (query,) = identify(model, [replace(twice, name="asked")])
    assert query.measured == ("E1", "E5")
    assert bind(model, [replace(twice, name="asked")], ["UGCAUGUAAA"])["score"].to_list() == [7.0]


def test_pairs_are_row_by_row_and_equal_the_table_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    proteins = [replace(one, name=f"{one.name}-{n}") for n in range(4) for one in ASKED]
    whole = bind(MODEL, proteins, RNAS)
    paired = bind(MODEL, proteins, RNAS, pairs=True)
    assert paired["protein"].to_list() == [protein.name for protein in proteins]
    assert paired["rna"].to_list() == [f"sequence_{n}" for n in range(1, 13)]
    assert paired.equals(
        whole.join(paired.select("rna", "protein"), on=["rna", "protein"], maintain_order="right")
    )
    monkeypatch.setattr("ribocyte.applications._panel.Panel.TOGETHER", 2)
    monkeypatch.setattr("ribocyte.applications.binding.PAIRS", 5)
    assert bind(MODEL, proteins, RNAS, pairs=True).equals(paired)


def test_pairs_of_another_number_are_refused() -> None:
    with pytest.raises(RequestError, match="3 proteins and 12 RNAs"):
        bind(MODEL, ASKED, RNAS, pairs=True)
    with pytest.raises(RequestError, match="read only once"):
        bind(MODEL, ASKED, iter(RNAS), pairs=True)


def test_the_size_of_portions_changes_nothing_and_they_are_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = bind(MODEL, ASKED, RNAS)
    monkeypatch.setattr("ribocyte.applications.binding.ROWS", 6)
    read: list[str] = []

    def stream() -> Iterator[str]:
        for rna in itertools.cycle(RNAS):  # has no end: a whole reading would not either
            read.append(rna)
            yield rna

    chunks = bind_in_chunks(MODEL, identify(MODEL, ASKED), stream())
    first = [next(chunks) for _ in range(6)]
    assert len(read) == 12
    assert pl.concat(first).equals(whole)


def test_a_long_rna_is_bound_at_its_best_window() -> None:
    rna = "A" * 200 + "UGCAUGU" + "A" * 60
    found = bind(MODEL, [binders.RELATIVE], {"long": rna})
    assert (found["rna"][0], found["score"][0]) == ("long", 7.0)
    assert 200 - 34 <= found["window"][0] <= 201


def test_the_trust_speaks_of_unseen_proteins_and_is_asked_for_another_level() -> None:
    model = binders.joint_model(Ensemble([MODEL.network, binders.Seeker(["UGCAAGU"] * 4)]))
    rising = torch.linspace(1, 2, 491, dtype=torch.float64)
    tables = [torch.tensor([1.0, 0, 0, 0]), rising, torch.tensor([0.0, 1.0]), torch.tensor([0.2, 0.6])]
    model.trust = unseen_trust(model, Margins(*(table.double() for table in tables), clusters=9))
    found = bind(model, [binders.RELATIVE, binders.WHOLE], RNAS)
    unseen, seen = (found.filter(pl.col("protein") == name) for name in ("relative", "whole"))
    half = float(rising[400])  # 0.9
    np.testing.assert_allclose((unseen["high"] - unseen["low"]).to_numpy(), 2 * half, rtol=1e-5)
    likeness = unseen["likeness"][0]
    assert likeness == pytest.approx(unseen["identity"][0] * unseen["coverage"][0])
    np.testing.assert_allclose(unseen["reliability"].to_numpy(), 0.2 + 0.4 * likeness, rtol=1e-5)
    assert unseen["warning"].null_count() == 12
    assert seen["reliability"].null_count() == 12
    members = [binders.count_matches(RNAS[0], site) for site in ("UGCAUGU", "UGCAAGU")]
    assert unseen["spread"][0] == pytest.approx(np.std(members, ddof=1))
    narrow = bind(model, [binders.RELATIVE], RNAS, level=0.5)
    np.testing.assert_allclose((narrow["high"] - narrow["low"]).to_numpy(), 2.0, rtol=1e-5)
    with pytest.raises(RequestError, match="gives no intervals"):
        bind(MODEL, [binders.RELATIVE], RNAS, level=0.5)


def test_names_of_proteins_may_be_those_of_columns() -> None:
    named = [replace(binders.RELATIVE, name="windows"), replace(binders.STRANGER, name="windows_low")]
    assert bind(MODEL, named, RNAS)["protein"].n_unique() == 2


def test_a_model_that_is_aimed_already_still_knows_what_it_was_trained_on() -> None:
    aimed = aim(MODEL, [replace(binders.STRANGER, name="E3")])
    assert bind(aimed, ASKED, RNAS).drop("measured").equals(bind(MODEL, ASKED, RNAS).drop("measured"))


def test_files_mappings_and_lists_are_the_same(tmp_path: Path) -> None:
    fasta = binders.write_fasta(tmp_path / "p.fa", ASKED)
    rnas = {f"sequence_{n}": rna for n, rna in enumerate(RNAS, 1)}
    expected = bind(MODEL, ASKED, RNAS)
    assert bind(MODEL, str(fasta), binders.write_fasta(tmp_path / "r.fa", rnas)).equals(expected)
    assert bind(MODEL, {one.name: one.sequence for one in ASKED}, rnas).equals(expected)
    bare = bind(MODEL, [one.sequence for one in ASKED], RNAS)
    assert bare["protein"].to_list() == ["protein_1", "protein_2", "protein_3"] * 12
    assert bare.drop("protein").equals(expected.drop("protein"))


def test_no_rna_gives_an_empty_table_with_its_columns() -> None:
    assert bind(MODEL, ASKED, []).schema == bind(MODEL, ASKED, RNAS).schema


def test_domains_are_not_looked_for_where_the_model_knows_none() -> None:
    bare = [replace(protein, domains=()) for protein in binders.KNOWN]
    (query,) = identify(binders.joint_model(proteins=bare), [binders.STRANGER])
    assert query.warnings == ("domains not looked for: the model knows none", NO_TRUST)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"p": "MK1"}, "protein 'p': '1' at residue 3"),
        ({"p": ""}, "no residues"),
        ({"p": "M" * 20_000}, "20000 residues"),
        ({"p": "ACGUACGUACGU"}, "RNA"),
        (["MKVLW", "MK1"], "protein 'protein_2': '1' at residue 3"),
        ({}, "none given"),
        ([], "none given"),
        ([3], "int for 'protein_1'; expected a FASTA file, residues by name"),
        ({"p": None}, "NoneType for 'p'"),
        (3, "proteins: int; expected a FASTA file"),
        ("MKVLAAGRRTWCDEFKLHPQMKVL", "is no file; .*for residues"),
    ],
)
def test_what_is_no_protein_is_refused(given: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        bind(MODEL, given, RNAS)


def test_two_proteins_of_one_name_and_a_protein_as_rna_are_refused() -> None:
    with pytest.raises(RequestError, match="two are named 'relative'"):
        bind(MODEL, [binders.RELATIVE, binders.RELATIVE], RNAS)
    with pytest.raises(DataError, match="a protein, perhaps"):
        bind(MODEL, ASKED, [binders.RELATIVE.sequence])


def test_models_of_other_things_are_refused_and_one_is_told_what_to_do() -> None:
    with pytest.raises(ModelError, match="ribocyte predict"):
        bind(untrained.model("rna-cnn"), ASKED, RNAS)
    with pytest.raises(RequestError, match="images of cells"):
        bind(untrained.model("cell-cnn"), ASKED, RNAS)
