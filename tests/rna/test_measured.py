"""Tables of measured probes as people have them, and what is wrong with others."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ribocyte.errors import DataError
from ribocyte.rna.measured import merge_repeats, read_measured, scale_values

ROWS = [("ACGU", 12.5), ("GGGU", -0.25), ("ACCN", 1e4)]
TSV = "id\tRNA_Seq\tintensity\n" + "".join(f"p{n}\t{rna}\t{value}\n" for n, (rna, value) in enumerate(ROWS))


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", TSV),
        ("a.tsv.gz", TSV),
        ("a.csv", TSV.replace("\t", ",")),
        ("a.csv.gz", TSV.replace("\t", ";")),
        ("a.tsv", TSV.replace("\n", "\r\n").lower()),
        ("a", "\n" + TSV.replace("U", "t")),
        ("a.csv", 'id,note,RNA_Seq,intensity\n1,"a, b",ACGU,12.5\n2,,GGGU,-.25\n3,x,ACCN,1E4\n'),
        ("a.tsv", TSV + "p4\tACGU\tNaN\np5\tstrange!\t\n\n"),
    ],
)
def test_every_kind_of_table_is_read_alike(name: str, text: str, tmp_path: Path) -> None:
    found = read_measured(write(tmp_path, name, text))
    assert found.rnas == tuple(rna for rna, _ in ROWS)
    assert found.values.tolist() == [value for _, value in ROWS]
    assert found.source == name
    assert found.missing == (2 if "strange" in text else 0)


def test_parquet_is_read_alike(tmp_path: Path) -> None:
    frame = pl.DataFrame([*ROWS, ("ACGU", None)], schema=["sequence", "value"], orient="row")
    frame.write_parquet(tmp_path / "a.parquet")
    found = read_measured(tmp_path / "a.parquet")
    assert found.rnas == tuple(rna for rna, _ in ROWS)
    assert found.values.tolist() == [value for _, value in ROWS]
    assert found.missing == 1


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "RNA_Seq\tother\tRNCMPT00168\tintensity\nAC\tGG\t1\t5\nAA\tCC\t2\t6\n")
    found = read_measured(path, rna_column="Other", value_column="rncmpt00168")
    assert (found.rnas, found.values.tolist()) == (("GG", "CC"), [1.0, 2.0])


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (TSV, {"value_column": "intensty"}, "no column 'intensty' among id, RNA_Seq.*did you mean intensity"),
        (TSV, {"rna_column": "rna"}, "no column 'rna' among"),
        (TSV.replace("RNA_Seq", "probe"), {}, "no column of RNAs among id, probe.*--rna-column"),
        (TSV.replace("intensity", "RNCMPT00168"), {}, "no column of measurements.*--value-column"),
        (TSV.replace("-0.25", "high"), {}, "line 3: 'high' is no measurement"),
        (TSV.replace("-0.25", "1_000"), {}, "line 3: '1_000' is no measurement"),
        (TSV.replace("-0.25", "inf"), {}, "line 3: 'inf' is no measurement"),
        (TSV.replace("-0.25", "1e999"), {}, "line 3: '1e999' is no measurement"),
        (TSV.replace("-0.25", "0,25"), {}, "line 3: '0,25'.*with a point"),
        (TSV.replace("GGGU", "GGXU"), {}, "line 3: 'X' at position 3"),
        (TSV.replace("GGGU", ""), {}, "line 3: the sequence is empty"),
        (TSV.replace("GGGU", "G" * 42), {"longest": 41}, "line 3: an RNA of 42 nt.*at most 41"),
        (TSV + "p4\tACGU\n", {}, "line 5 has 2 columns.*3, as in the header"),
        ("", {}, "empty"),
        ("\n\n", {}, "empty"),
        ("a\0b", {}, "binary"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    text: str, options: dict[str, str], said: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "a.tsv", text)
    with pytest.raises(DataError, match=said) as caught:
        read_measured(path, **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_measured(tmp_path / "none.tsv")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="no Parquet file"):
        read_measured(tmp_path / "bad.parquet")
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress((TSV + "p\tACGU\t1\n" * 999).encode())[:-8])
    with pytest.raises(DataError, match="cut short"):
        read_measured(tmp_path / "cut.tsv.gz")
    pl.DataFrame({"rna": ["ACGU"], "value": ["x"]}).write_parquet(tmp_path / "text.parquet")
    with pytest.raises(DataError, match="row 1: 'x' is no measurement"):
        read_measured(tmp_path / "text.parquet")


def test_z_scores_are_of_these_values_alone() -> None:
    values = np.exp(np.random.default_rng(0).normal(3, 2, size=500))
    scores, scale = scale_values(values, "intensity")
    assert scale is not None
    assert (scores.mean(), scores.std()) == pytest.approx((0, 1), abs=1e-4)
    clipped = np.log(np.minimum(values, np.percentile(values, 99.95)))
    np.testing.assert_allclose(scores, (clipped - clipped.mean()) / clipped.std(), atol=1e-4)
    logs, none = scale_values(np.log10(values), "log")
    assert none is None
    assert np.corrcoef(logs, scores)[0, 1] > 0.999
    assert scale_values(values, "zscore")[0] is values
    for kind in ("intensity", "log", "zscore"):
        with pytest.raises(DataError, match="all 5 are 7"):
            scale_values(np.full(5, 7.0), kind)


def test_repeats_become_one() -> None:
    rnas, scores = merge_repeats(["B", "A", "B", "C", "B"], np.array([1.0, 5.0, 2.0, 7.0, 6.0]))
    assert (rnas, scores.tolist()) == (["B", "A", "C"], [3.0, 5.0, 7.0])
