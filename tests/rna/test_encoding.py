from __future__ import annotations

import time
import tracemalloc

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from ribocyte.errors import DataError, RecipeError
from ribocyte.learn.predictor import Encoding, Predictor
from ribocyte.learn.splits import Info
from ribocyte.rna.alphabet import letters
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.protocols import Scale

RNA = st.text("ACGUN", min_size=1, max_size=150)


class CountG(nn.Module):
    """A network whose answer can be counted: G in the first output, C in the second."""

    def forward(self, rna: Tensor) -> Tensor:
        return torch.stack([rna[:, 2].sum(1), rna[:, 1].sum(1)], dim=1)


def test_probe_is_one_window() -> None:
    compact, owner = RNAEncoding().encode(["ACGU", "A" * 41])
    assert compact.shape == (2, 41)
    assert compact.dtype == torch.uint8
    assert owner.tolist() == [0, 1]
    assert owner.dtype == torch.int64


def test_long_sequence_is_tiled() -> None:
    rna = "".join("ACGU"[n * n % 7 % 4] for n in range(75))
    compact, owner = RNAEncoding(length=41, stride=10).encode(["AC", rna])
    assert owner.tolist() == [0, 1, 1, 1, 1, 1]
    assert letters(compact) == ["AC", rna[:41], rna[10:51], rna[20:61], rna[30:71], rna[40:75]]


@given(st.lists(RNA, max_size=6), st.integers(1, 45), st.data())
def test_windows_cover_every_site_and_spell_the_sequence(
    raw: list[str], length: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, length))
    compact, owner = RNAEncoding(length=length, stride=stride).encode(raw)
    windows = letters(compact)
    assert set(owner.tolist()) == set(range(len(raw)))
    for number, rna in enumerate(raw):
        mine = [window for window, whose in zip(windows, owner.tolist(), strict=True) if whose == number]
        assert all(rna[at * stride :].startswith(window) for at, window in enumerate(mine))
        assert all(len(window) > length - stride for window in mine) or len(mine) == 1
        site = length - stride + 1
        assert all(any(rna[at : at + site] in w for w in mine) for at in range(max(1, len(rna) - site + 1)))


@given(st.lists(st.integers(1, 5), max_size=8), st.integers(0, 2**32 - 1))
def test_decode_takes_the_best_window(counts: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randint(-3, 4, (sum(counts), 2), generator=generator).float()  # ties are likely
    owner = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts, dtype=torch.int64))
    decoded = RNAEncoding(experiments=("a", "b"), stride=7).decode(outputs, owner)
    assert decoded.columns == ["windows", "a", "a_window", "b", "b_window"]
    assert decoded["windows"].to_list() == counts
    rows = outputs.tolist()
    for number, count in enumerate(counts):
        mine, rows = rows[:count], rows[count:]
        for column, name in enumerate("ab"):
            values = [row[column] for row in mine]
            assert decoded[name][number] == max(values)
            assert decoded[f"{name}_window"][number] == 1 + 7 * values.index(max(values))


def test_columns_do_not_depend_on_the_data() -> None:
    encoding = RNAEncoding(experiments=("a",), shift=(1.0,), mean=(0.0,), std=(1.0,))
    nothing = encoding.decode(torch.empty(0, 1), torch.empty(0, dtype=torch.int64))
    short = encoding.decode(torch.zeros(1, 1), torch.tensor([0]))
    tiled = encoding.decode(torch.zeros(2, 1), torch.tensor([0, 0]))
    assert nothing.schema == short.schema == tiled.schema
    assert nothing.height == 0


def test_intensity_is_back_on_the_measured_scale() -> None:
    measured = np.random.default_rng(0).gamma(2.0, 1.0, size=(500, 2)) - np.array([0.5, -3.0])
    scales = [Scale.measure(column) for column in measured.T]
    scores = np.stack([scale.apply(y) for scale, y in zip(scales, measured.T, strict=True)], axis=1)
    numbers = {
        name: [getattr(scale, name) for scale in scales] for name in ("clip", "floor", "shift", "mean", "std")
    }
    info = Info("rnacompete", "norm_data.txt", "", "strict", ("a", "b"), {"length": 38, **numbers})
    encoding = RNAEncoding.from_info(info)
    assert encoding.length == 38
    decoded = encoding.decode(torch.from_numpy(scores), torch.arange(500))
    for column, name in enumerate("ab"):
        expected = np.minimum(measured[:, column], scales[column].clip)
        np.testing.assert_allclose(decoded[f"{name}_intensity"], expected, rtol=1e-5, atol=1e-5)


def test_unknown_scale_gives_no_intensity() -> None:
    encoding = RNAEncoding.from_info(Info("rnacompete", "x", "", "strict", ("a",)))
    assert "a_intensity" not in encoding.decode(torch.zeros(1, 1), torch.tensor([0])).columns


def test_output_that_is_nan_keeps_its_place() -> None:
    encoding = RNAEncoding(experiments=("a",))
    decoded = encoding.decode(torch.tensor([[1.0], [torch.nan], [2.0]]), torch.tensor([0, 0, 1]))
    assert np.isnan(decoded["a"][0])
    assert decoded["a"][1] == 2.0
    assert decoded["a_window"].to_list() == [11, 1]


def test_predictor_finds_the_site_in_a_transcript() -> None:
    encoding: Encoding = RNAEncoding(experiments=("g", "c"))
    predictor = Predictor(CountG(), encoding, {"data": {"outputs": ["g", "c"]}})
    transcript = "A" * 200 + "GGGGG" + "A" * 100 + "CCC"
    found = predictor.predict(["acgt", transcript, "N" * 8])
    assert found["g"].to_list() == [1.0, 5.0, 2.0]
    assert found["c"].to_list() == [1.0, 3.0, 2.0]
    start = found["g_window"][1] - 1
    assert "GGGGG" in transcript[start : start + 41]
    assert found["g_window"][0] == 1
    assert found.schema["windows"] == pl.Int64


@pytest.mark.parametrize("long", [True, False])
def test_bad_letter_is_named_in_its_sequence(long: bool) -> None:
    raw = ["A" * 90 if long else "A", "CC" + "G" * 60 * long + "X"]
    with pytest.raises(DataError, match=f"sequence 2 has 'X' at position {len(raw[1])}"):
        RNAEncoding().encode(raw)
    with pytest.raises(DataError, match="sequence 3 is empty"):
        RNAEncoding().encode(["A" * 90 if long else "A", "C", ""])


@pytest.mark.parametrize(
    "values",
    [
        {"length": 0},
        {"stride": 0},
        {"stride": 42},
        {"experiments": ("a",), "shift": (1.0, 2.0)},
        {"mean": (1.0,)},
    ],
)
def test_impossible_encodings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=r"encoding\."):
        RNAEncoding(**values)  # type: ignore[arg-type]


def test_long_and_short_sequences_do_not_pay_for_each_other() -> None:
    raw = ["ACGUN" * 40_000, *["ACGU"] * 3000]  # a row as wide as the longest for each would be 600 MB
    tracemalloc.start()
    try:
        compact, owner = RNAEncoding().encode(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert letters(compact[-3000:]) == raw[1:]
    assert torch.bincount(owner).tolist() == [1 + (200_000 - 41 + 9) // 10, *[1] * 3000]
    assert peak < 6_000_000


def test_a_chromosome_costs_little_more_than_its_tokens() -> None:
    rna = "ACGUN" * 400_000
    tracemalloc.start()
    try:
        compact, _ = RNAEncoding().encode([rna])  # torch's own memory, the windows, is not traced
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 7 * len(rna)
    for at in (0, 1, 409, 410, 123_456, len(compact) - 1):
        assert letters(compact[at : at + 1]) == [rna[10 * at : 10 * at + 41]]


def test_a_hundred_thousand_sequences_take_seconds() -> None:
    raw = ["ACGU" * 15] * 100_000
    encoding = RNAEncoding(experiments=("a",))
    start = time.perf_counter()
    compact, owner = encoding.encode(raw)
    decoded = encoding.decode(compact[:, :1].float(), owner)
    assert decoded.height == 100_000
    assert len(compact) == 300_000
    assert time.perf_counter() - start < 5
