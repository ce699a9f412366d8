from __future__ import annotations

import gzip
import json
import os
import shlex
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ribocyte.errors import DataError, RecipeError
from ribocyte.learn.recipe import override
from ribocyte.learn.splits import Splits
from ribocyte.rna import columns, rnacompete, table
from ribocyte.rna.alphabet import letters
from ribocyte.rna.protocols import Scale, count_leaks, split_rows
from ribocyte.rna.rnacompete import RNAcompeteConfig, check, load
from workbook import SHEET, write_workbook


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RIBOCYTE_DATA", raising=False)
    return tmp_path / "cache"


def make_table(
    probes: int = 400, experiments: tuple[str, ...] = ("RNCMPT00001",), seed: int = 0
) -> pd.DataFrame:
    """Draw a table like the official one: both sets mixed, one probe in ten a repeat, some spots failed."""
    generator = np.random.default_rng(seed)
    rna = ["".join(generator.choice(list("ACGU"), generator.integers(30, 42))) for _ in range(probes)]
    for copy in range(0, probes, 10):
        rna[copy] = rna[generator.integers(probes)]
    columns = {
        "Probe_Set": generator.choice(["SetA", "SetB"], probes),
        "Probe_ID": [f"RNA_{number:06d}" for number in range(probes)],
        "RNA_Seq": rna,
    }
    for name in experiments:
        intensities = generator.gamma(1.5, 2.0, probes).round(6) - 1.5
        intensities[generator.random(probes) < 0.03] = np.nan
        columns[name] = intensities
    return pd.DataFrame(columns)


def write_table(folder: Path, rows: pd.DataFrame, name: str = "norm_data.txt") -> Path:
    path = folder / "rnacompete" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, sep="\t", index=False, na_rep="NaN")
    return path


def write_lines(folder: Path, text: str | bytes, name: str = "norm_data.txt") -> Path:
    path = folder / "rnacompete" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


WORKBOOK = [
    ("Motif_ID", "Protein_name", "Species", "Group"),
    ("RNCMPT00001", "A1CF", "Homo_sapiens", "x"),
    ("RNCMPT00291", "A1CF", "Gallus_gallus", "x"),
    ("RNCMPT00168", "RBFOX1", "Homo_sapiens", "x"),
    ("RNCMPT00002", "BRUNOL4", "Homo_sapiens", "x"),
]


def assignment_scale(v: np.ndarray) -> np.ndarray:
    """The assignment's preprocessing as a student writes it."""
    valid = v[~np.isnan(v)]
    top = np.percentile(valid, 99.95)
    v, valid = np.clip(v, None, top), np.clip(valid, None, top)
    shift = abs(valid.min()) + 1 if valid.min() <= 0 else 0
    v, valid = np.log(v + shift + 1e-6), np.log(valid + shift + 1e-6)
    return ((v - valid.mean()) / (valid.std() + 1e-6)).astype(np.float32)


def assignment_rows(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    a = rows[rows["Probe_Set"] == "SetA"]
    order = np.arange(len(a))
    np.random.RandomState(42).shuffle(order)
    count = int(0.2 * len(a))
    return {
        "val": a.iloc[order[:count]],
        "train": a.iloc[order[count:]],
        "test": rows[rows["Probe_Set"] == "SetB"],
    }


def assert_is_the_assignment(splits: Splits, rows: pd.DataFrame, experiments: tuple[str, ...]) -> None:
    for name, part in assignment_rows(rows).items():
        split = getattr(splits, name)
        assert split.names.tolist() == part["Probe_ID"].tolist()
        assert letters(split.inputs) == part["RNA_Seq"].tolist()
        expected = np.stack([assignment_scale(part[e].to_numpy()) for e in experiments], axis=1)
        np.testing.assert_array_equal(split.targets.numpy(), expected)  # every bit, NaN where NaN


def test_assignment_is_the_assignment_bit_for_bit(tmp_path: Path) -> None:
    experiments = ("RNCMPT00001", "RNCMPT00168")
    rows = make_table(3000, experiments)
    rows["RNCMPT00168"] += 2.0  # all above 0: nothing to shift
    write_table(tmp_path, rows)
    splits = load(RNAcompeteConfig(experiments, "assignment"), tmp_path)
    assert_is_the_assignment(splits, rows, experiments)
    assert splits.train.targets.dtype == torch.float32
    assert splits.train.inputs.dtype == torch.uint8
    assert splits.train.inputs.shape[1] == 41
    numbers = splits.info.normalisation
    assert numbers["shift"][1] == 0.0
    assert set(numbers["splits"]) == {"train", "val", "test"}
    assert numbers["splits"]["test"]["clip"] != numbers["clip"]


@pytest.mark.real_data
def test_assignment_is_the_assignment_on_a1cf(data_root: Path) -> None:
    rows = pd.read_csv(data_root / "rnacompete" / "norm_data.txt.gz", sep="\t")
    splits = load(RNAcompeteConfig(("RNCMPT00001",), "assignment"), data_root)
    assert_is_the_assignment(splits, rows, ("RNCMPT00001",))
    assert (len(splits.train), len(splits.val), len(splits.test)) == (24002, 6000, 30002)
    assert not splits.info.simulated


def test_strict_uses_the_training_rows_alone(tmp_path: Path) -> None:
    rows = make_table(2000)
    write_table(tmp_path, rows)
    splits = load(RNAcompeteConfig(("RNCMPT00001",)), tmp_path)
    measured = rows.set_index("Probe_ID")["RNCMPT00001"]
    train = measured[splits.train.names].to_numpy()
    low, top = np.nanmin(train), np.percentile(train[~np.isnan(train)], 99.95)
    shift = abs(low) + 1
    logs = np.log(np.clip(train, low, top) + shift + 1e-6)
    for split in (splits.train, splits.val, splits.test):
        y = np.clip(measured[split.names].to_numpy(), low, top)
        expected = (np.log(y + shift + 1e-6) - np.nanmean(logs)) / (np.nanstd(logs) + 1e-6)
        np.testing.assert_allclose(split.targets[:, 0], expected, rtol=1e-5, atol=1e-6)
    numbers = splits.info.normalisation
    assert numbers["length"] == 41
    np.testing.assert_allclose(
        [numbers["clip"][0], numbers["floor"][0], numbers["shift"][0]], [top, low, shift]
    )
    json.dumps(splits.info.as_json(), allow_nan=False)


def test_strict_shares_no_sequence_between_splits(tmp_path: Path) -> None:
    rows = make_table(2000)
    in_both = {r for r, sets in rows.groupby("RNA_Seq")["Probe_Set"] if sets.nunique() == 2}
    assert in_both  # the table has leaks to mend
    write_table(tmp_path, rows)
    splits = load(RNAcompeteConfig(("RNCMPT00001",)), tmp_path)
    train, val, test = (set(letters(s.inputs)) for s in (splits.train, splits.val, splits.test))
    assert not train & val
    assert not (train | val) & test
    set_a = rows[rows["Probe_Set"] == "SetA"]
    assert len(splits.train) + len(splits.val) == len(set_a) - set_a["RNA_Seq"].isin(in_both).sum()
    assert len(splits.test) == (rows["Probe_Set"] == "SetB").sum()
    assert len(splits.val) == pytest.approx(0.2 * (len(splits.train) + len(splits.val)), abs=3)


@given(
    probes=st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=60),
    validation=st.floats(0.01, 0.99),
)
def test_no_sequence_ever_leaks_under_strict(probes: list[tuple[bool, int]], validation: float) -> None:
    is_test = np.array([test for test, _ in probes])
    names = [name for _, name in probes]
    first_row = np.array([names.index(name) for name in names])
    rows = split_rows("strict", is_test, first_row, validation)
    leaks = count_leaks(rows, first_row)
    test_names = {name for test, name in probes if test}
    assert leaks["val_in_train"] == leaks["test_in_train_or_val"] == 0
    assert leaks["left_out"] == sum(not test and name in test_names for test, name in probes)
    every = np.concatenate([rows.train, rows.val, rows.test])
    assert len(set(every.tolist())) == len(every)
    assert len(rows.val) <= validation * (len(rows.train) + len(rows.val))


@given(st.lists(st.floats(-1e3, 1e3, width=32) | st.just(float("nan")), min_size=1, max_size=50))
def test_scaled_intensities_are_finite_and_keep_their_order(values: list[float]) -> None:
    y = np.array([0.5, *values])
    scores = Scale.measure(y[:10]).apply(y)
    assert np.array_equal(np.isnan(scores), np.isnan(y))
    ordered = scores[np.argsort(y)]  # NaN last
    assert (np.diff(ordered[~np.isnan(ordered)]) >= 0).all()
    assert np.isfinite(ordered[~np.isnan(ordered)]).all()


def test_gz_plain_and_windows_line_ends_are_the_same_data(tmp_path: Path) -> None:
    rows = make_table()
    plain = write_table(tmp_path / "plain", rows)
    write_lines(tmp_path / "gz", gzip.compress(plain.read_bytes()), "norm_data.txt.gz")
    write_lines(tmp_path / "crlf", plain.read_bytes().replace(b"\n", b"\r\n"))
    write_lines(tmp_path / "open", plain.read_bytes().rstrip(b"\n"))
    rows["RNA_Seq"] = rows["RNA_Seq"].str.lower().str.replace("u", "t")
    write_table(tmp_path / "dna", rows)
    config = RNAcompeteConfig(("RNCMPT00001",))
    prints = {load(config, tmp_path / n).info.fingerprint for n in ("plain", "gz", "crlf", "open", "dna")}
    assert len(prints) == 1
    assert load(config, plain).info.fingerprint in prints  # the file itself is a root too


@settings(max_examples=25, deadline=None)
@given(block=st.integers(16, 30_000))
def test_blocks_can_end_anywhere(block: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = make_table(150, ("B", "A"))
    path = write_table(tmp_path_factory.mktemp("t"), rows)
    usual = columns.BLOCK
    columns.BLOCK = block
    try:
        read = pl.concat(list(table.stream_table(path, ["A", "B"])))
    finally:
        columns.BLOCK = usual
    assert read.columns == ["Probe_Set", "Probe_ID", "RNA_Seq", "A", "B"]
    assert read["RNA_Seq"].to_list() == rows["RNA_Seq"].tolist()
    np.testing.assert_array_equal(read["A"].to_numpy(), rows["A"].to_numpy())


def test_second_load_does_not_read_the_table(tmp_path: Path) -> None:
    path = write_table(tmp_path, make_table())
    config = RNAcompeteConfig(("RNCMPT00001",))
    first = load(config, tmp_path)
    state = path.stat()
    header, _, body = path.read_bytes().partition(b"\n")
    path.write_bytes(header + b"\n" + b"?" * len(body))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert load(config, tmp_path).info == first.info


def test_changed_table_is_read_anew(tmp_path: Path) -> None:
    config = RNAcompeteConfig(("RNCMPT00001",))
    write_table(tmp_path, make_table(seed=1))
    before = load(config, tmp_path)
    rows = make_table(probes=500, seed=2)
    write_table(tmp_path, rows)
    after = load(config, tmp_path)
    assert before.info.fingerprint != after.info.fingerprint
    assert set(after.test.names) == set(rows.loc[rows["Probe_Set"] == "SetB", "Probe_ID"])


def test_damaged_cache_is_rebuilt(tmp_path: Path, cache: Path) -> None:
    write_table(tmp_path, make_table())
    config = RNAcompeteConfig(("RNCMPT00001",))
    whole = load(config, tmp_path).info
    kept = [path for path in cache.rglob("*") if path.is_file()]
    assert len(kept) == 2  # the probes, and the one experiment
    for path in kept:
        content = path.read_bytes()
        flipped = content[:200] + bytes([content[200] ^ 1]) + content[201:]
        for damaged in (b"", content[:3], content[: len(content) // 2], flipped, b"\0" * len(content)):
            path.write_bytes(damaged)
            assert load(config, tmp_path).info == whole
            assert path.read_bytes() == content


def test_cache_that_cannot_be_written_does_not_matter(tmp_path: Path, cache: Path) -> None:
    write_table(tmp_path, make_table())
    cache.write_text("a file where the cache's folder should be")
    config = RNAcompeteConfig(("RNCMPT00001",))
    assert load(config, tmp_path).info == load(config, tmp_path).info


def test_more_experiments_join_those_kept(tmp_path: Path) -> None:
    rows = make_table(experiments=("one", "two/three", "four"))
    write_table(tmp_path, rows)
    load(RNAcompeteConfig(("one",)), tmp_path)
    splits = load(RNAcompeteConfig(("four", "one", "two/three")), tmp_path)
    assert splits.info.outputs == ("four", "one", "two/three")
    alone = load(RNAcompeteConfig(("two/three",)), tmp_path)
    torch.testing.assert_close(splits.test.targets[:, 2:], alone.test.targets, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("called", ["RNA_{}", "sonde_é_{}"])
def test_names_come_back_from_the_cache(tmp_path: Path, called: str) -> None:
    rows = make_table()
    rows["Probe_ID"] = [called.format(number) for number in range(len(rows))]
    write_table(tmp_path, rows)
    first, second = (load(RNAcompeteConfig(("RNCMPT00001",)), tmp_path) for _ in range(2))
    assert first.info == second.info
    assert second.test.names.tolist() == rows.loc[rows["Probe_Set"] == "SetB", "Probe_ID"].tolist()
    assert second.test.names.dtype.kind == "U"


def test_simulated_tables_are_stamped(tmp_path: Path) -> None:
    rows = make_table(experiments=("SIM_RBFOX1",))
    rows["Probe_ID"] = "SIM_" + rows["Probe_ID"]
    write_table(tmp_path, rows)
    assert load(RNAcompeteConfig(("SIM_RBFOX1",)), tmp_path).info.simulated
    assert check(tmp_path)["simulated"]


# Names of experiments


def test_protein_means_its_experiment(tmp_path: Path) -> None:
    write_table(tmp_path, make_table(experiments=("RNCMPT00001", "RNCMPT00168")))
    write_workbook(tmp_path / "rnacompete" / "metadata.xlsx", WORKBOOK)
    assert load(RNAcompeteConfig(), tmp_path).info.outputs == ("RNCMPT00168",)
    assert load(RNAcompeteConfig(("rbfox1",)), tmp_path).info.outputs == ("RNCMPT00168",)
    assert load(RNAcompeteConfig(("rncmpt00001",)), tmp_path).info.outputs == ("RNCMPT00001",)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (
            ("A1CF",),
            ["'A1CF' means 2", "RNCMPT00001 (A1CF, Homo sapiens; in this", "Gallus gallus; not in this"],
        ),
        (("BRUNOL4",), ["RNCMPT00002 (BRUNOL4, Homo sapiens; not in this table)"]),
        (("RNCMPT00167",), ["'RNCMPT00167' is neither", "such as RNCMPT00168"]),
        (("RBFOX2",), ["did you mean RBFOX1"]),
        (("RBFOX1", "RNCMPT00168"), ["'RBFOX1' and 'RNCMPT00168' are both RNCMPT00168"]),
    ],
)
def test_name_that_is_not_one_experiment_lists_the_candidates(
    tmp_path: Path, wanted: tuple[str, ...], said: list[str]
) -> None:
    write_table(tmp_path, make_table(experiments=("RNCMPT00001", "RNCMPT00168")))
    write_workbook(tmp_path / "rnacompete" / "metadata.xlsx", WORKBOOK)
    with pytest.raises(DataError) as caught:
        load(RNAcompeteConfig(wanted), tmp_path)
    for part in said:
        assert part in str(caught.value)


@pytest.mark.parametrize("wanted", ["RNCMPT00001,RNCMPT00168", "[RNCMPT00001, RNCMPT00168]"])
@pytest.mark.parametrize("workbook", [True, False])
def test_one_name_that_looks_like_several_says_how_to_write_them(
    tmp_path: Path, wanted: str, workbook: bool
) -> None:
    write_table(tmp_path, make_table(experiments=("RNCMPT00001", "RNCMPT00168")))
    if workbook:
        write_workbook(tmp_path / "rnacompete" / "metadata.xlsx", WORKBOOK)
    with pytest.raises(DataError) as caught:
        load(RNAcompeteConfig((wanted,)), tmp_path)
    option, setting = shlex.split(caught.value.mend.partition("written ")[2])
    assert option == "--set"
    named = override({}, [setting])["data"]["experiments"]
    assert load(RNAcompeteConfig(tuple(named)), tmp_path).info.outputs == ("RNCMPT00001", "RNCMPT00168")


def test_without_the_workbook_ids_do(tmp_path: Path) -> None:
    write_table(tmp_path, make_table(experiments=("RNCMPT00168",)))
    with pytest.raises(DataError, match=r"'RBFOX1' is not in the table.*RNCMPT00168.*metadata\.xlsx"):
        load(RNAcompeteConfig(("RBFOX1",)), tmp_path)
    assert load(RNAcompeteConfig(("RNCMPT00168",)), tmp_path).info.outputs == ("RNCMPT00168",)


@pytest.mark.parametrize("what", ["no workbook", "another sheet", "another column"])
def test_workbook_that_is_none(tmp_path: Path, what: str) -> None:
    write_table(tmp_path, make_table())
    path = tmp_path / "rnacompete" / "metadata.xlsx"
    if what == "no workbook":
        path.write_text("Motif_ID,Protein_name")
    else:
        write_workbook(path, [("Motif_ID", "Gene", "Species")], "Other" if what == "another sheet" else SHEET)
    with pytest.raises(DataError, match=r"metadata\.xlsx: .*Master List--Plasmid Info.*by their ids"):
        load(RNAcompeteConfig(("A1CF",)), tmp_path)


@pytest.mark.real_data
def test_the_real_workbook_knows_what_is_ambiguous(data_root: Path) -> None:
    with pytest.raises(DataError, match=r"'HuR' means 5 experiments"):
        load(RNAcompeteConfig(("HuR",)), data_root)
    with pytest.raises(DataError, match=r"'RBFOX1' is RNCMPT00168 .*not in this table"):
        load(RNAcompeteConfig(("RBFOX1",)), data_root)


# Bad input

HEADER = "Probe_Set\tProbe_ID\tRNA_Seq\tRNCMPT00001\n"
GOOD = "".join(f"Set{'AB'[n % 2]}\tp{n}\t{'ACGUACGUAC'[n % 7 :]}\t{n}.5\n" for n in range(40))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (HEADER, "a header and no rows"),
        (b"\x89PNG\0\0\0" * 9, "binary"),
        (HEADER.replace("RNA_Seq", "RNA_seq") + GOOD, r"no column 'RNA_Seq'.*nearest column is 'RNA_seq'"),
        (HEADER.replace("Probe_Set\t", "") + GOOD, r"no column 'Probe_Set'"),
        (HEADER.replace("RNCMPT00001", "RNA_Seq") + GOOD, r"column 'RNA_Seq' is there 2 times"),
        (
            HEADER + GOOD + "SetA\tp\tACGXU\t1\n",
            r"row 41: a letter of RNA_Seq is 'X'; expected the letters A, C, G, U",
        ),
        (HEADER + GOOD + "SetC\tp\tACGU\t1\n", r"row 41: Probe_Set is 'SetC'; expected SetA or SetB"),
        (HEADER + GOOD + "\tp\tACGU\t1\n", r"row 41: Probe_Set is None"),
        (HEADER + GOOD + "SetA\t\tACGU\t1\n", r"row 41: Probe_ID"),
        (HEADER + GOOD + "SetA\tp\t\t1\n", r"row 41: RNA_Seq"),
        (
            HEADER + GOOD + "SetA\tp\tACGU\t1,5\nSetA\tp\tACGU\t1\n",
            r"row 41: RNCMPT00001 is '1,5'; expected a number",
        ),
        (HEADER + GOOD + "SetA\tp\tACGU\tinf\n", r"row 41: RNCMPT00001 is 'inf'"),
        (HEADER + GOOD + "SetA\tp\tAC", r"row 41 has 3 columns; expected 4"),
        (HEADER + GOOD + "SetA\tp\tAC\t1\t2\n", r"row 41 has 5 columns; expected 4"),
        (HEADER + GOOD + "\nSetA\tp\tACGU\t1\n", r"row 41 has 1 columns; expected 4"),
        ((HEADER + GOOD).encode() + b"SetA\tp\xff\tACG\t1\n", r"norm_data.txt"),
        (HEADER + GOOD + "SetA\tp\tA\0\t1\n", r"row 41 holds binary data"),
        (
            HEADER + GOOD + f"SetA\tp\t{'ACGU' * 11}\t1\n",
            r"row 41: the probe has 44 nt; expected at most 41.*length=44",
        ),
        (HEADER + GOOD.replace("SetB", "SetA"), r"no probe of SetB"),
        (HEADER + GOOD.replace("SetA", "SetB"), r"no probe of SetA"),
    ],
)
def test_bad_tables_say_what_is_wrong_and_where(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = write_lines(tmp_path, text)
    config = RNAcompeteConfig(("RNCMPT00001",), "assignment")
    for _ in range(2):  # nothing wrong is ever kept in the cache
        with pytest.raises(DataError, match=said) as caught:
            load(config, tmp_path)
        assert str(path) in str(caught.value)


def test_failed_spots_are_nan_however_spelled_and_blank_lines_end_a_file(tmp_path: Path) -> None:
    spots = ["NaN", "nan", "NA", ""]
    write_lines(
        tmp_path, HEADER + GOOD + "".join(f"SetB\tq{n}\tACGU\t{s}\n" for n, s in enumerate(spots)) + "\n\n"
    )
    test = load(RNAcompeteConfig(("RNCMPT00001",), "assignment"), tmp_path).test
    assert test.names[test.targets[:, 0].isnan().numpy()].tolist() == ["q0", "q1", "q2", "q3"]


def test_experiment_without_a_value(tmp_path: Path) -> None:
    rows = make_table(experiments=("RNCMPT00001", "RNCMPT00002"))
    rows["RNCMPT00002"] = np.nan
    write_table(tmp_path, rows)
    with pytest.raises(DataError, match="RNCMPT00002 has no measured intensity in train, val, test"):
        load(RNAcompeteConfig(("RNCMPT00001", "RNCMPT00002")), tmp_path)
    assert check(tmp_path)["missing"]["all"] == ["RNCMPT00002"]


def test_strict_says_when_nothing_is_left(tmp_path: Path) -> None:
    rows = make_table(60)
    rows["RNA_Seq"] = "ACGUACGU"
    write_table(tmp_path, rows)
    with pytest.raises(DataError, match="no probe is left for train"):
        load(RNAcompeteConfig(("RNCMPT00001",)), tmp_path)


@settings(max_examples=30, deadline=None)
@given(fraction=st.floats(0.001, 0.999))
def test_truncated_gz_never_passes_for_a_whole_one(
    fraction: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    packed = gzip.compress((HEADER + GOOD * 20).encode())
    path = write_lines(folder, packed[: max(1, int(fraction * len(packed)))], "norm_data.txt.gz")
    with pytest.raises(DataError) as caught:
        load(RNAcompeteConfig(("RNCMPT00001",)), folder)
    assert str(path) in str(caught.value)


def test_missing_table_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"norm_data\.txt\.gz: not found.*data fetch rnacompete"):
        load(RNAcompeteConfig(), tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {"experiments": ()},
        {"experiments": ("",)},
        {"experiments": ("A", "A")},
        {"protocol": "loose"},
        {"length": 0},
        {"validation": 0.0},
        {"validation": 1.0},
    ],
)
def test_impossible_configurations_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=f"data.{next(iter(values))}"):
        RNAcompeteConfig(**values)  # type: ignore[arg-type]


# check


def test_check_counts_what_is_there(tmp_path: Path) -> None:
    rows = make_table(1500, ("A", "B"))
    write_table(tmp_path, rows)
    facts = json.loads(json.dumps(check(tmp_path)))
    assert facts["rows"] == 1500
    assert facts["sets"] == rows["Probe_Set"].value_counts().to_dict()
    lengths = Counter(rows["RNA_Seq"].str.len())
    assert facts["lengths"]["counts"] == {str(length): count for length, count in lengths.items()}
    assert (facts["lengths"]["min"], facts["lengths"]["max"]) == (min(lengths), max(lengths))
    assert facts["experiments"] == {"count": 2, "first": ["A", "B"]}
    assert facts["missing"]["most"] == rows[["A", "B"]].isna().sum().to_dict()
    assert facts["missing"]["total"] == rows[["A", "B"]].isna().sum().sum()
    for name, part in rows.groupby("Probe_Set"):
        assert facts["repeats"][name] == part["RNA_Seq"].duplicated().sum()
    a, b = (rows[rows["Probe_Set"] == name]["RNA_Seq"] for name in ("SetA", "SetB"))
    assert facts["repeats"]["in_both_sets"] == b.isin(a).sum()
    parts = assignment_rows(rows)
    leaks = facts["leakage"]
    assert (
        leaks["assignment"]["val_in_train"]
        == parts["val"]["RNA_Seq"].isin(parts["train"]["RNA_Seq"]).sum()
        > 0
    )
    assert leaks["assignment"]["left_out"] == 0
    assert leaks["strict"] == {"val_in_train": 0, "test_in_train_or_val": 0, "left_out": int(a.isin(b).sum())}


@pytest.mark.real_data
def test_one_probe_in_eleven_of_the_array_is_a_repeat(data_root: Path) -> None:
    facts = check(data_root / "rnacompete" / "array_design.tsv.gz")
    assert facts["repeats"] == {"SetA": 10705, "SetB": 10683, "in_both_sets": 0}
    assert facts["rows"] == 241_399
    assert facts["leakage"]["strict"]["val_in_train"] == 0
    assert facts["leakage"]["assignment"]["val_in_train"] / (0.2 * facts["sets"]["SetA"]) == pytest.approx(
        1 / 7, rel=0.05
    )


@pytest.mark.real_data
def test_check_of_the_real_sample(data_root: Path) -> None:
    facts = check(data_root)
    assert facts["rows"] == 60_004
    assert facts["missing"]["most"] == {"RNCMPT00001": 4}
    assert not facts["simulated"]
    assert rnacompete.find_table(data_root).name == facts["file"].rpartition("/")[2]
