from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ribocyte.errors import DataError
from ribocyte.rna import sequences
from ribocyte.rna.sequences import read_sequences

PROBES = [("probe1", "AGACGAGUG"), ("probe2", "NNUUUUAUU"), ("probe3", "A")]
FRAME = pl.DataFrame(PROBES, schema=["Probe_ID", "RNA_Seq"], orient="row")


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    content = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") and isinstance(text, str) else content)
    return path


FASTA = ">probe1 homo sapiens\nAGACG\nAGUG\n\n>probe2\nnntttt\r\nATT\r\n>probe3\tx\n  A  \n\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.fa", FASTA),
        ("a.fasta.gz", FASTA),
        ("a.FNA", "\n\n" + FASTA.rstrip()),
        ("a.txt", FASTA),
        ("stdin", FASTA),
        ("bom.fa", "\ufeff" + FASTA),
        ("a.tsv", FRAME.write_csv(separator="\t")),
        ("a.csv", FRAME.write_csv()),
        ("a.csv", FRAME.write_csv().replace("\n", "\r\n") + "\r\n"),
        ("a.csv", FRAME.write_csv(separator=";")),
        ("a.csv", FRAME.write_csv(quote_style="always")),
        ("a.txt.gz", FRAME.with_columns(x=1.5, empty=pl.lit("")).write_csv(separator="\t")),
        ("a.csv.gz", FRAME.rename({"Probe_ID": "Name", "RNA_Seq": "SEQUENCE"}).write_csv()),
        ("a", FRAME.rename({"Probe_ID": "ID", "RNA_Seq": "Seq"}).write_csv()),
    ],
)
def test_every_kind_of_text_gives_the_same(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path, name, text)
    assert list(read_sequences(path)) == PROBES
    assert list(read_sequences(str(path))) == PROBES


@pytest.mark.parametrize("name", ["a.parquet", "a.pq", "without"])
def test_parquet(tmp_path: Path, name: str) -> None:
    FRAME.select("RNA_Seq", "Probe_ID").write_parquet(tmp_path / name)
    assert list(read_sequences(tmp_path / name)) == PROBES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "acgu\n\n  TTTT \nGN"),
        ("a.seq", "ACGU\r\nUUUU\r\nGN\r\n"),
        ("a.csv", "rna\nACGU\nUUUU\nGN\n"),
        ("a.txt", "sequence\nACGU\nUUUU\nGN\n"),
        ("a.fa", ">\nACGU\n> \nUUUU\n>\nGN"),
    ],
)
def test_nameless_sequences_are_numbered(tmp_path: Path, name: str, text: str) -> None:
    expected = [("sequence_1", "ACGU"), ("sequence_2", "UUUU"), ("sequence_3", "GN")]
    assert list(read_sequences(write(tmp_path, name, text))) == expected


@settings(max_examples=40)
@given(
    records=st.lists(
        st.tuples(st.from_regex(r"[!-~]{1,12}", fullmatch=True), st.text("ACGUN", min_size=1, max_size=200)),
        min_size=1,
    ),
    width=st.integers(1, 80),
    ends=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_fasta_survives_any_wrapping(
    records: list[tuple[str, str]], width: int, ends: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = []
    for name, rna in records:
        lines += [f">{name} about it", *(rna[at : at + width] for at in range(0, len(rna), width))]
    path = write(tmp_path_factory.mktemp("fasta"), "a.fa", ends.join(lines) + ends)
    assert list(read_sequences(path)) == records


@settings(max_examples=40)
@given(
    records=st.lists(
        st.tuples(
            st.sampled_from(["", "a", "b c", "\td", " e ", "f>g"]),
            st.text("ACGUTNacgutn", min_size=1, max_size=30),
            st.integers(1, 30),
            st.sampled_from(["\n", "\r\n", "\n\n", " \n"]),
        ),
        min_size=1,
        max_size=12,
    ),
    block=st.integers(1, 80),
)
def test_fasta_is_the_same_in_blocks_of_any_size(
    records: list[tuple[str, str, int, str]], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wrapped = (
        f">{head}{end}" + end.join(rna[at : at + wide] for at in range(0, len(rna), wide)) + end
        for head, rna, wide, end in records
    )
    path = write(tmp_path_factory.mktemp("f"), "a.fa", "".join(wrapped).encode())
    expected = [
        (head.split()[0] if head.split() else f"sequence_{number}", rna.upper().replace("T", "U"))
        for number, (head, rna, _, _) in enumerate(records, 1)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequences, "BLOCK", block)
        assert list(read_sequences(path)) == expected


@pytest.mark.parametrize("block", [8, 100, 1 << 20])
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (">bad\nACG-U\n", r"line 2001, record 'bad': '-' at position 4 of the sequence"),
        (">bad\n>good\nA\n", r"line 2001: record 'bad' has no sequence"),
        (">bad\nAC\0\n", r"line 2001, record 'bad': '\\x00' at position 3"),
        (">bad\nAC GU\n", r"line 2001, record 'bad': ' ' at position 3"),
    ],
)
def test_what_is_wrong_is_named_in_any_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, bad: str, said: str
) -> None:
    path = write(tmp_path, "a.fa", ">good\nACGU\n" * 1000 + bad + ">good\nACGU\n" * 900)
    monkeypatch.setattr(sequences, "BLOCK", block)
    with pytest.raises(DataError, match=said):
        list(read_sequences(path))


def test_reading_is_a_stream(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "ACGU\n" * 1000 + "wrong!\n")
    stream = read_sequences(path)
    assert [next(stream)[1] for _ in range(1000)] == ["ACGU"] * 1000
    with pytest.raises(DataError, match="line 1001"):
        next(stream)


def test_a_whole_chromosome_is_one_sequence(tmp_path: Path) -> None:
    path = write(tmp_path, "a.fa.gz", ">chr\n" + ("ACGT" * 20 + "\n") * 10_000)
    ((name, rna),) = read_sequences(path)
    assert name == "chr"
    assert rna == "ACGU" * 200_000


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.fa", "", "empty"),
        ("a.txt", "\n \n", "empty"),
        ("a.parquet", b"", "empty"),
        ("a.tsv", "RNA_Seq\tx\n", "no sequence in it"),
        ("a.fa", ">one\nACGU\n>two\n>three\nA\n", r"line 3: record 'two' has no sequence"),
        ("a.fa", ">one\nACGU\n>two\n", r"line 3: record 'two' has no sequence"),
        ("a.fa", "ACGU\n>one\n", r"line 1: 'ACGU' before any header"),
        ("a.fa", ">one\nACGU\n>two\nAC\nGX\n", r"line 3, record 'two': 'X' at position 4"),
        ("a.fa", ">p\nMKLVINGKTLKGEI\n", "a protein, perhaps"),
        ("a.txt", "ACGU\nAC-GU\n", r"line 2: '-' at position 3"),
        ("a.txt", "ACGU\nACÄU\n", r"line 2: 'Ä' at position 3"),
        ("a.tsv", "id\tx\n1\tACGU\n", r"no column of sequences among id, x; expected a column RNA_Seq"),
        ("a.tsv", "id\tRNA_Seqs\n1\tACGU\n", r"rename 'RNA_Seqs'"),
        ("a.csv", "id,rna\n1,ACGU\n2\n", r"line 3 has 1 columns; expected 2"),
        ("a.csv", "id,rna\n1,ACGU\n2,\n", r"line 3: the sequence is empty"),
        ("a.csv", "id,rna\n1,ACGU\n\n2,ACGB\n", r"line 4: 'B' at position 4"),
        ("a.csv", "id,rna\n1," + "A" * 200_000 + "\n", r"line 2: .*FASTA"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0", "binary"),
        ("a.txt", "ACGU\n".encode("utf-16"), "binary"),
        ("a.txt", b"ACGU\n\xff\xfe\n", "binary, or not UTF-8"),
        ("a.fa.gz", gzip.compress(FASTA.encode(), mtime=0)[:-12], r"damaged or cut short.*whole \.gz"),
        ("a.parquet", b"PAR1 and no more", "damaged or no Parquet file"),
        ("a.parquet", "id,rna\n", "damaged or no Parquet file"),
    ],
)
def test_bad_files_say_what_is_wrong_and_where(
    tmp_path: Path, name: str, text: str | bytes, said: str
) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(DataError, match=said) as caught:
        list(read_sequences(path))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("rna", "said"),
    [
        (pl.Series(["ACGU", None]), "row 2: the sequence is empty"),
        (pl.Series(["ACGU", "AZ"]), "row 2: 'Z' at position 2"),
        (pl.Series([1, 2]), "row 1: '1' at position 1"),
    ],
)
def test_bad_parquet_rows_are_named(tmp_path: Path, rna: pl.Series, said: str) -> None:
    pl.DataFrame({"rna": rna}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=said):
        list(read_sequences(tmp_path / "a.parquet"))


@pytest.mark.parametrize("make", [lambda path: path / "missing.fa", lambda path: path])
def test_missing_files_and_folders(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pytest.raises(DataError, match=r"no such file|cannot be read"):
        list(read_sequences(make(tmp_path)))


@pytest.mark.real_data
def test_the_official_table_is_a_table_of_sequences(data_root: Path) -> None:
    path = data_root / "rnacompete" / "norm_data.txt.gz"
    read = list(read_sequences(path))
    table = pl.read_csv(path, separator="\t", columns=["Probe_ID", "RNA_Seq"])
    assert read == list(table.iter_rows())
