"""The proteins that were measured: from files and models, found by name, and compared with others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import binders
import untrained
from ribocyte.applications.proteins import (
    Collection,
    measured_proteins,
    model_proteins,
    nearest_proteins,
    search_proteins,
    tabulate_proteins,
    write_domains,
)
from ribocyte.errors import DataError, ModelError, RequestError
from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.domains import with_domains
from ribocyte.rna.proteins.sequences import Domain, Protein

MEASURED = Collection("constructs.tsv", binders.KNOWN)


def names(collection: Collection) -> list[str]:
    return [protein.name for protein in collection.proteins]


def test_the_table_of_constructs_goes_before_the_workbook(tmp_path: Path) -> None:
    folder = tmp_path / "rnacompete"
    folder.mkdir()
    with pytest.raises(DataError, match=r"constructs\.tsv: not found .* nor is .*metadata\.xlsx"):
        measured_proteins(tmp_path)
    binders.write_constructs(folder / "constructs.tsv")
    found = measured_proteins(tmp_path)
    assert (found.source, names(found)) == ("constructs.tsv", ["E1", "E2", "E3", "E4"])
    assert found.table["domains"].to_list() == ["RRM", "RRM", "KH", "KH"]


def test_a_model_says_whom_it_was_trained_on(tmp_path: Path) -> None:
    model = binders.joint_model()
    model.save(tmp_path / "model.safetensors")
    assert model_proteins(tmp_path).proteins == binders.KNOWN
    single = untrained.save(tmp_path / "single.safetensors")
    with pytest.raises(ModelError, match="compendium"):
        model_proteins(single)


def test_search_looks_at_names_species_and_domains_whatever_their_case() -> None:
    assert names(search_proteins(MEASURED, "fox")) == ["E1"]
    assert names(search_proteins(MEASURED, "danio")) == ["E2"]
    assert names(search_proteins(MEASURED, "e3")) == ["E3"]
    assert names(search_proteins(MEASURED, domain="kh")) == ["E3", "E4"]
    assert names(search_proteins(MEASURED, domain="RRM", species="sapiens")) == ["E1"]
    assert names(search_proteins(MEASURED)) == ["E1", "E2", "E3", "E4"]


def test_what_is_not_found_is_said_with_what_is_close() -> None:
    with pytest.raises(RequestError, match=r"no protein with name 'FOXI'.*did you mean FOX1"):
        search_proteins(MEASURED, "FOXI")
    with pytest.raises(RequestError, match=r"species 'Homo sapienz' and domain 'KH'.*Homo sapiens"):
        search_proteins(MEASURED, species="Homo sapienz", domain="KH")


def test_the_nearest_are_ordered_and_agree_with_the_alignment() -> None:
    asked = [binders.RELATIVE, binders.STRANGER]
    found = nearest_proteins(asked, MEASURED, 3)
    assert found["query"].to_list() == ["relative"] * 3 + ["stranger"] * 3
    assert found["rank"].to_list() == [1, 2, 3] * 2
    assert found["query_domains"].to_list() == ["RRM"] * 3 + [""] * 3
    expected = identity_matrix(with_domains(asked, binders.KNOWN), binders.KNOWN)
    for row, name in zip(expected, ("relative", "stranger"), strict=True):
        part = found.filter(pl.col("query") == name)
        assert part["identity"].to_list() == sorted(row.tolist(), reverse=True)[:3]
    assert found["protein"].to_list()[:2] == ["E1", "E2"]
    assert found["query_warning"].to_list() == [None] * 3 + ["no RNA-binding domain recognised"] * 3
    assert nearest_proteins(asked, MEASURED, 99).height == 8


def test_a_residue_is_in_every_protein_and_covers_none() -> None:
    found = nearest_proteins([Protein("one", binders.KNOWN[0].sequence[40])], MEASURED, 1)
    assert found["identity"].to_list() == [1.0]
    assert found["coverage"][0] == pytest.approx(1 / 70)  # of the shortest domain
    assert "too short" in found["query_warning"][0]


def test_nothing_to_compare_with_and_none_wanted_are_refused() -> None:
    with pytest.raises(RequestError, match="no protein to compare with"):
        nearest_proteins([binders.RELATIVE], Collection("empty", ()))
    with pytest.raises(RequestError, match="count = 0"):
        nearest_proteins([binders.RELATIVE], MEASURED, 0)


def test_domains_that_are_known_stay_and_others_are_recognised() -> None:
    own = replace(binders.STRANGER, name="own", domains=(Domain("XYZ", 1, 9),))
    found = with_domains([own, binders.RELATIVE, binders.STRANGER], binders.KNOWN)
    assert found[0] == own
    assert [domain.kind for domain in found[1].domains] == ["RRM"]
    assert found[2] == binders.STRANGER
    bare = [replace(protein, domains=()) for protein in binders.KNOWN]
    assert with_domains([binders.RELATIVE], bare) == [binders.RELATIVE]


def test_a_table_of_none_has_its_columns_and_runs_of_domains_are_counted() -> None:
    assert tabulate_proteins([]).columns == tabulate_proteins(binders.KNOWN).columns
    kinds = ("RRM", "RRM", "KH", "RRM")
    domains = tuple(Domain(kind, 10 * at, 10 * at + 9) for at, kind in enumerate(kinds))
    assert write_domains(Protein("p", "M" * 50, domains=domains).domains) == "RRM ×2, KH, RRM"


@pytest.mark.real_data
def test_rbfox1_is_listed_with_its_relatives_nearest(data_root: Path) -> None:
    measured = measured_proteins(data_root)
    (rbfox,) = search_proteins(measured, "RNCMPT00168").proteins
    bare = replace(rbfox, name="asked", domains=())
    found = nearest_proteins([bare], measured, 3)
    assert found["protein"][0] == rbfox.name
    assert found["query_domains"][0] == "RRM"
