"""Proteins from FASTA files: what is read, and what is refused in which words."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribocyte.errors import DataError
from ribocyte.rna.proteins.doubts import find_doubts
from ribocyte.rna.proteins.sequences import ACCEPTED, LONGEST, RESIDUES, Domain, Protein, read_proteins

UNIPROT = ">sp|Q9NWB1|RFOX1_HUMAN RNA binding protein fox-1 OS=Homo sapiens OX=9606 GN=RBFOX1 PE=1 SV=2"


def write(folder: Path, text: str, name: str = "proteins.fasta") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(DataError) as caught:
        read_proteins(write(folder, text))
    assert str(folder / "proteins.fasta") in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_lines_are_joined_and_spaces_case_and_a_last_stop_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path, ">A1CF human\nMEsnh\r\n kSGdg* \n\n>B\nGGGRRR\n")
    assert [(one.name, one.sequence) for one in read_proteins(path)] == [
        ("A1CF", "MESNHKSGDG"),
        ("B", "GGGRRR"),
    ]


def test_species_and_gene_are_read_from_uniprots_headers(tmp_path: Path) -> None:
    (protein,) = read_proteins(write(tmp_path, f"{UNIPROT}\nMNCEREQLRG\n"))
    assert (protein.name, protein.species, protein.gene) == (
        "sp|Q9NWB1|RFOX1_HUMAN",
        "Homo sapiens",
        "RBFOX1",
    )


def test_packed_files_are_read_whatever_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "proteins.fa"
    path.write_bytes(gzip.compress(b">A\nMKV\n"))
    assert read_proteins(path) == [Protein("A", "MKV")]


def test_every_accepted_letter_is_kept(tmp_path: Path) -> None:
    (protein,) = read_proteins(write(tmp_path, f">A\n{ACCEPTED}M\n"))
    assert protein.sequence == ACCEPTED + "M"


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z0-9_.|]{1,12}", fullmatch=True),
            st.text(RESIDUES, min_size=1, max_size=150).filter(
                lambda text: sum(letter in "ACGTUN" for letter in text) < 0.75 * len(text)
            ),
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda record: record[0],
    ),
    st.integers(1, 80),
)
def test_what_is_written_is_read_however_the_lines_are_cut(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, str]], width: int
) -> None:
    cut = [
        "\n".join([f">{name}", *(letters[at : at + width] for at in range(0, len(letters), width))])
        for name, letters in records
    ]
    path = write(tmp_path_factory.mktemp("proteins"), "\n".join(cut))
    assert [(one.name, one.sequence) for one in read_proteins(path)] == records


@given(st.binary(max_size=200))
def test_no_file_ends_in_anything_but_proteins_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("proteins") / "any.fasta"
    path.write_bytes(content)
    try:
        proteins = read_proteins(path)
    except DataError:
        return
    assert proteins
    assert all(set(protein.sequence) <= set(ACCEPTED) for protein in proteins)


@pytest.mark.parametrize("letter", ["J", "O", "-", ".", "1", "é", "ß", "ı"])
def test_another_letter_is_named_with_its_place(tmp_path: Path, letter: str) -> None:
    message = refused(tmp_path, f">good\nMKV\n>bad\nMKVLW\n{letter}MKV\n")
    assert "line 3, record 'bad'" in message
    assert f"{letter!r} at residue 6" in message


def test_gaps_of_an_alignment_are_recognised(tmp_path: Path) -> None:
    assert "gaps of an alignment" in refused(tmp_path, ">bad\nMKV--LW\n")


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("AUGGCUACGUAGC", "RNA, nothing but A, C, G, U"),
        ("atggctacgtagc", "DNA, nothing but A, C, G, T"),
        ("ACGNNNNNNN", "DNA, nothing but"),
        ("ATGGCATTA", "DNA, nothing but"),
        ("ACGUA", "RNA, nothing but"),
        ("UGUGU", "RNA, nothing but"),
        ("AUGGCAUUACGGAUUACA" * 5 + "X", "RNA, by 99% of its letters"),
        ("ATGGCATTACGGATRYACAGATTACAWSG", "DNA, by 86% of its letters"),
    ],
)
def test_nucleotides_are_recognised(tmp_path: Path, letters: str, said: str) -> None:
    message = refused(tmp_path, f">gene\n{letters}\n")
    assert said in message
    assert "translate it" in message


@pytest.mark.parametrize(
    "letters", ["GAT", "A" * 60, "GAGAGAGAGAGA", "GAGAGSGAGAGSGAGAGS", "GATKMRWDHVBY" * 3]
)
def test_what_may_be_a_protein_is_no_rna_nor_dna(tmp_path: Path, letters: str) -> None:
    assert read_proteins(write(tmp_path, f">p\n{letters}\n"))[0].sequence == letters


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("MKV", ["too short to hold a binding domain: 3 residues"]),
        ("A" * 60, ["low complexity: nothing but A"]),
        ("GA" * 30, ["low complexity: nothing but A and G"]),
        ("MKV*LAAGRRTWCDEFKLHPQ", ["a stop inside, at residue 4: a broken translation?"]),
        ("MKV*LAAG*RRTWCDEFKLHPQ", ["a stop inside, at residue 4 (1 more): a broken translation?"]),
        ("MKVLAAGRRTWCDEFKLHPQ", []),
    ],
)
def test_what_is_read_and_doubtful_is_said(letters: str, said: list[str]) -> None:
    assert list(find_doubts(letters)) == said


def test_two_records_of_one_name_are_refused_with_both_lines(tmp_path: Path) -> None:
    message = refused(tmp_path, ">A one\nMKV\n>B\nMKV\n>A two\nMKVL\n")
    assert "lines 1 and 5 are both named 'A'" in message


def test_two_names_may_have_one_sequence(tmp_path: Path) -> None:
    assert len(read_proteins(write(tmp_path, ">A\nMKV\n>B\nMKV\n"))) == 2


def test_a_sequence_is_refused_when_it_is_too_long(tmp_path: Path) -> None:
    assert len(read_proteins(write(tmp_path, f">A\n{'MKVL' * (LONGEST // 4)}\n"))[0]) == LONGEST
    assert f"{2 * LONGEST} residues; expected at most {LONGEST}" in refused(
        tmp_path, f">A\n{'MKVL' * (LONGEST // 2)}\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no protein in it"),
        ("\n\n", "no protein in it"),
        ("MKV\n", "before any header"),
        (">A\n>B\nMKV\n", "line 1, record 'A': no residues"),
        (">A\n***\n", "no residues"),
        (">\nMKV\n", "without a name"),
        (">A\nMK\0V\n", "binary"),
    ],
)
def test_what_is_no_fasta_is_said(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.fasta: cannot be read"):
        read_proteins(tmp_path / "none.fasta")


@pytest.mark.parametrize(
    "domains",
    [
        (Domain("RRM", 0, 11),),
        (Domain("RRM", 3, 3),),
        (Domain("RRM", -1, 3),),
        (Domain("RRM", 0, 5), Domain("KH", 4, 8)),
    ],
)
def test_domains_lie_in_order_within_the_sequence(domains: tuple[Domain, ...]) -> None:
    with pytest.raises(DataError, match="A: domain"):
        Protein("A", "MKVLWMKVLW", domains=domains)
