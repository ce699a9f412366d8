"""Proteins in a model's card: there and back, and what is no record."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribocyte.errors import ModelError
from ribocyte.learn.splits import Info
from ribocyte.rna.proteins.records import describe_protein, protein_from, proteins_of
from ribocyte.rna.proteins.sequences import RESIDUES, Domain, Protein

PROTEIN = Protein(
    "RNCMPT00168", "MGNNEGKL", "Homo sapiens", "RBFOX1", (Domain("RRM", 2, 6),), ("RNCMPT00168",)
)
INFO = Info("compendium", "here", "", "strict", ("SIM_A", "SIM_B"))


@given(
    st.text(min_size=1),
    st.text(RESIDUES, min_size=6, max_size=30),
    st.lists(st.tuples(st.text(), st.integers(1, 3), st.integers(4, 6)), max_size=1),
    st.lists(st.text()),
)
def test_a_record_gives_its_protein_back_through_json(
    name: str, sequence: str, domains: list[tuple[str, int, int]], experiments: list[str]
) -> None:
    protein = Protein(name, sequence, name, name, tuple(Domain(*one) for one in domains), tuple(experiments))
    assert protein_from(json.loads(json.dumps(describe_protein(protein)))) == protein


def test_each_output_has_its_protein() -> None:
    records = [describe_protein(PROTEIN)] * 2
    assert proteins_of(replace(INFO, normalisation={"proteins": records})) == [PROTEIN, PROTEIN]


def test_data_without_proteins_says_so() -> None:
    with pytest.raises(ModelError, match=r"here: which proteins the outputs are is not known.*compendium"):
        proteins_of(INFO)


@pytest.mark.parametrize(
    "records", [[], [describe_protein(PROTEIN)], "AB", [{}, {}], [None, None], [{"name": 3}] * 2]
)
def test_records_that_do_not_fit_are_refused(records: Any) -> None:
    with pytest.raises(ModelError):
        proteins_of(replace(INFO, normalisation={"proteins": records}))
