"""Which protein was on the array: the table of constructs, the workbook, and duplicates."""

from __future__ import annotations

from pathlib import Path

import pytest

from ribocyte.errors import DataError
from ribocyte.rna.proteins.constructs import distinct, find_proteins, read_constructs
from ribocyte.rna.proteins.sequences import Domain

HEADER = "rnacompete_id\tgene_name\ttax_name\tconstruct_aa_seq\tconstruct_domains\tconstruct_domain_boundaries\tmore"
ROWS = (
    "RNCMPT00001\tA1CF\tHomo sapiens\tMKVLWMKVLW\tRRMs_3D_hmm_extended;KH_1\t0;4;5;9\tx",
    "RNCMPT00002\t\tMus musculus\tGGGRRRGGG\tnovel\t1;3\tx",
    "RNCMPT00003\tA1CF\tHomo sapiens\tMKVLWMKVLW\tRRMs_3D_hmm_extended;KH_1\t0;4;5;9\tx",
)


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "constructs.tsv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_each_experiment_gets_its_protein_with_domains(tmp_path: Path) -> None:
    constructs = read_constructs(write(tmp_path, *ROWS))
    assert list(constructs) == ["RNCMPT00001", "RNCMPT00002", "RNCMPT00003"]
    protein = constructs["RNCMPT00001"]
    assert (protein.gene, protein.species, protein.sequence) == ("A1CF", "Homo sapiens", "MKVLWMKVLW")
    assert protein.domains == (Domain("RRM", 0, 4), Domain("KH", 5, 9))
    assert constructs["RNCMPT00002"].domains == (Domain("novel", 1, 3),)
    assert constructs["RNCMPT00002"].gene == ""


def test_equal_constructs_are_one_protein_that_knows_its_experiments(tmp_path: Path) -> None:
    constructs = read_constructs(write(tmp_path, *ROWS))
    assert constructs["RNCMPT00001"] is constructs["RNCMPT00003"]
    assert constructs["RNCMPT00003"].experiments == ("RNCMPT00001", "RNCMPT00003")
    assert [protein.name for protein in distinct(constructs)] == ["RNCMPT00001", "RNCMPT00002"]


def test_a_simulated_experiment_has_the_real_ones_protein(tmp_path: Path) -> None:
    constructs = read_constructs(write(tmp_path, *ROWS))
    found = find_proteins(["SIM_RNCMPT00002", "RNCMPT00001"], constructs)
    assert [protein.name for protein in found] == ["RNCMPT00002", "RNCMPT00001"]
    with pytest.raises(DataError, match=r"RNCMPT00102: its protein is not known.*did you mean RNCMPT0000"):
        find_proteins(["RNCMPT00102"], constructs)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("RNCMPT00004\tB\tx\tMKVJ\t\t\tx", "row 1, RNCMPT00004: 'J' at residue 4"),
        ("RNCMPT00004\tB\tx\t\t\t\tx", "no residues"),
        ("RNCMPT00004\tB\tx\tMKVLW\tRRM_1\t0;2;4\tx", "1 domains and the boundaries '0;2;4'"),
        ("RNCMPT00004\tB\tx\tMKVLW\tRRM_1\t0;end\tx", "two whole numbers for each domain"),
        ("RNCMPT00004\tB\tx\tMKVLW\tRRM_1\t0;6\tx", "domain RRM from 0 to 6"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_constructs(write(tmp_path, row))
    assert said in str(caught.value)


def test_an_experiment_with_two_constructs_is_refused(tmp_path: Path) -> None:
    second = ROWS[0].replace("MKVLWMKVLW", "MKVLWMKVLV")
    with pytest.raises(DataError, match="row 2: experiment RNCMPT00001 is there with another"):
        read_constructs(write(tmp_path, ROWS[0], second))


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'tax_name'.*nearest is 'tax_names'"):
        read_constructs(write(tmp_path, *ROWS, header=HEADER.replace("tax_name", "tax_names")))
    with pytest.raises(DataError, match="no construct in it"):
        read_constructs(write(tmp_path))
    with pytest.raises(DataError, match="cannot be read"):
        read_constructs(tmp_path / "none.tsv")
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(DataError, match=r"an \.xlsx workbook with the sheet"):
        read_constructs(broken)


@pytest.mark.real_data
def test_the_published_constructs(data_root: Path) -> None:
    table = read_constructs(data_root / "rnacompete" / "constructs.tsv")
    workbook = read_constructs(data_root / "rnacompete" / "metadata.xlsx")
    assert len(table) == 420
    assert len(workbook) == 244
    assert len(distinct(workbook)) == 219
    assert len({table[experiment] for experiment in workbook}) == 219
    assert len(table["RNCMPT00032"].experiments) == 5  # HuR
    # The workbook's cell of RBM38 has a sequence database's line numbers in it.
    assert workbook["RNCMPT00051"].sequence == table["RNCMPT00051"].sequence
    assert sum(table[name].sequence != workbook[name].sequence for name in workbook) == 25
    assert all(protein.domains for protein in table.values())
