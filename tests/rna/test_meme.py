"""Motif files: written and read again, read beside memelite, and refused in one line where they are wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memelite.io import read_meme

from ribocyte.errors import DataError
from ribocyte.rna.meme import read_motifs, write_meme

ROW = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4).filter(lambda row: sum(row) > 0.01)
MATRIX = st.lists(ROW, min_size=1, max_size=12).map(
    lambda rows: np.array(rows) / np.array(rows).sum(1, keepdims=True)
)
NAME = st.lists(st.text("ACGUMxy_.-+()|01", min_size=1, max_size=8), min_size=1, max_size=2).map(" ".join)

MINIMAL = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25

MOTIF MA0001 First
letter-probability matrix: alength= 4 w= 2 nsites= 17 E= 4.1e-009
 0.5 0.5 0.0 0.0
 0.25 0.25 0.25 0.25
URL http://example.org

MOTIF second
letter-probability matrix: alength= 4 w= 1
0.1\t0.2\t0.3\t0.4
"""
WHOLE = """********************************************************************************
MEME - Motif discovery tool
********************************************************************************
MEME version 5.5.4 (Release date: somewhen)

TRAINING SET
ALPHABET "RNA" RNA-LIKE
A "Adenine" CC0000
C "Cytosine" 0000CC
G "Guanine" FFB300
U "Uracil" 008000
N "Any base" = ACGU
T = U
END ALPHABET

MOTIF GCA MEME-1	width =   3  sites =  18  llr = 99  p-value = 1.1e-3  E-value = 2.9e-002
	Motif GCA MEME-1 Description
Simplified        A  ::9
pos.-specific     C  :91
--------------------------------------------------------------------------------
	Motif GCA MEME-1 position-specific scoring matrix
log-odds matrix: alength= 4 w= 3 n= 100 bayes= 6 E= 2.9e-002
  -100  -100   190  -100
  -100   190  -100  -100
   190  -100  -100  -100
	Motif GCA MEME-1 position-specific probability matrix
--------------------------------------------------------------------------------
letter-probability matrix: alength= 4 w= 3 nsites= 18 E= 2.9e-002
 0.000000  0.000000  1.000000  0.000000
 0.000000  0.900000  0.100000  0.000000
 0.900000  0.100000  0.000000  0.000000
--------------------------------------------------------------------------------

SUMMARY OF MOTIFS
"""
DNA_LIKE = """MEME version 4
ALPHABET DNA-LIKE
A "Adenine" CC0000 ~ T "Thymine" 008000
C "Cytosine" 0000CC ~ G "Guanine" FFB300
N = ACGT
END ALPHABET
MOTIF one
letter-probability matrix:
1 0 0 0
0 0 0 1
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "motifs"
    path.write_text(text)
    return path


@given(motifs=st.dictionaries(NAME, MATRIX, min_size=1, max_size=4))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, motifs: dict[str, np.ndarray]
) -> None:
    path = tmp_path_factory.mktemp("meme") / "motifs.meme"
    write_meme(path, motifs)
    again = read_motifs(path)
    assert list(again) == list(motifs)
    for name, pwm in motifs.items():
        assert again[name].dtype == np.float64
        np.testing.assert_allclose(again[name], pwm, atol=1e-7)
        np.testing.assert_allclose(again[name].sum(axis=1), 1, rtol=1e-12)


def test_memelite_reads_what_we_write_and_we_what_it_does(tmp_path: Path) -> None:
    pwm = np.array([[0.7, 0.1, 0.1, 0.1], [0.0, 0.0, 0.25, 0.75], [0.2, 0.3, 0.1, 0.4]])
    write_meme(tmp_path / "ours", {"a b": pwm}, sites={"a b": 12})
    text = (tmp_path / "ours").read_text()
    assert "ALPHABET= ACGU" in text
    assert "alength= 4 w= 3 nsites= 12" in text
    np.testing.assert_allclose(read_meme(tmp_path / "ours")["a b"].T, pwm)
    theirs = {name: matrix.T for name, matrix in read_meme(written(tmp_path, MINIMAL)).items()}
    ours = read_motifs(tmp_path / "motifs")
    assert list(ours) == list(theirs) == ["MA0001 First", "second"]
    for name, matrix in theirs.items():
        np.testing.assert_allclose(ours[name], matrix)


@pytest.mark.parametrize(("text", "name", "length"), [(WHOLE, "GCA MEME-1", 3), (DNA_LIKE, "one", 2)])
def test_whole_outputs_and_defined_alphabets_are_read(
    tmp_path: Path, text: str, name: str, length: int
) -> None:
    motifs = read_motifs(written(tmp_path, text))
    assert {key: pwm.shape for key, pwm in motifs.items()} == {name: (length, 4)}


def test_a_packed_file_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "motifs.meme.gz"
    path.write_bytes(gzip.compress(MINIMAL.replace("\n", "\r\n").encode()))
    assert list(read_motifs(path)) == ["MA0001 First", "second"]


def test_hmot_is_told_by_its_content(tmp_path: Path) -> None:
    path = written(tmp_path, "Motif\tRNCMPT1\n#\tA 1\nPos\tA\tC\tG\tU\n1\t1\t0\t0\t0\n")
    np.testing.assert_array_equal(read_motifs(path)["RNCMPT1"], [[1, 0, 0, 0]])
    path.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_motifs(path)["RNCMPT1"], [[1, 0, 0, 0]])


PROTEINS = MINIMAL.replace("ACGT", "ACDEFGHIKLMNPQRSTVWY")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        (">seq\nACGU\n", "no motif file"),
        ("MEME version 4\nALPHABET= ACGT\n", "no letter-probability matrix"),
        (PROTEINS, "line 3: motifs of proteins"),
        (MINIMAL.replace("ALPHABET= ACGT", "").replace("alength= 4", "alength= 20"), "motifs of proteins"),
        (MINIMAL.replace("ACGT", "ACG"), "the alphabet ACG"),
        (MINIMAL.replace("w= 1", "w= 2"), "1 rows of a matrix with w= 2; .*cut short"),
        (MINIMAL[: MINIMAL.index(" 0.25 0.25 0.25 0.25")], "1 rows of a matrix with w= 2"),
        (MINIMAL[: MINIMAL.rindex("letter-")], "line 16: motif second has no letter-probability matrix"),
        (MINIMAL.replace("0.3\t0.4", "0.3"), "row 1 has 3 numbers"),
        (MINIMAL.replace("0.1\t0.2\t0.3\t0.4", "10 2 3 4"), "row 1, .* sums to 19; .*counts"),
        (MINIMAL.replace("0.1\t0.2\t0.3\t0.4", "0.6 0.6 -0.2 0"), "row 1"),
        (MINIMAL.replace("0.1\t0.2\t0.3\t0.4", "nan 0.5 0.5 0"), "row 1"),
        (MINIMAL.replace("second", "MA0001 First"), "is there twice"),
        ("\0\xff", "no motif file"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read_motifs(written(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path))


def test_a_binary_or_missing_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x81")
    for name, says in (("binary", "binary"), ("missing", "cannot be read")):
        with pytest.raises(DataError, match=says):
            read_motifs(tmp_path / name)


@pytest.mark.parametrize("name", ["", "two  spaces", " x", "x\n", "a width = 3"])
def test_a_name_that_would_not_come_back_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="motif name"):
        write_meme(tmp_path / "out", {name: np.full((2, 4), 0.25)})
    assert not (tmp_path / "out").exists()


def test_a_matrix_that_is_none_is_not_written(tmp_path: Path) -> None:
    for matrix in (np.full((2, 3), 1 / 3), np.ones((2, 4)), np.empty((0, 4))):
        with pytest.raises(DataError, match="motif bad"):
            write_meme(tmp_path / "out", {"bad": matrix})


@pytest.mark.real_data
def test_the_compendium_survives_meme(tmp_path: Path, data_root: Path) -> None:
    known = read_motifs(data_root / "rnacompete" / "pwms.hmot")
    write_meme(tmp_path / "known.meme", known)
    again = read_motifs(tmp_path / "known.meme")
    assert list(again) == list(known)
    assert len(again) == 420
    for name, pwm in known.items():
        np.testing.assert_allclose(again[name], pwm, atol=2e-5)  # the file's rows are rounded
