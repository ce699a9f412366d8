"""What chance scores: rates counted, thresholds that keep them, and a second shuffle that agrees."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import genomes
from ribocyte.errors import DataError, RequestError
from ribocyte.rna.scan.null import Null, sample_null
from ribocyte.rna.scan.spool import Spool
from ribocyte.rna.scan.targets import Skips, contig_targets
from ribocyte.rna.scan.tiles import Scorer, Tiling

LENGTH = 12
TILING = Tiling(LENGTH, 3)
SCORER = Scorer(genomes.weigher(LENGTH))


def null_of(*scores: float) -> Null:
    return Null.of([np.array(scores, dtype=np.float32)], [len(scores)])


@given(
    st.lists(st.sampled_from([0.0, 1.0, 1.5, 2.0, 7.0]), min_size=1, max_size=60),
    st.lists(st.floats(-5, 10, width=32), min_size=1, max_size=20),
    st.sampled_from([0.05, 0.1, 0.25, 0.5]),
)
def test_rates_are_counted_and_thresholds_call_what_keeps_to_them(
    null: list[float], scores: list[float], fpr: float
) -> None:
    made = null_of(*null)
    rates = [(sum(chance >= score for chance in null) + 1) / (len(null) + 1) for score in scores]
    np.testing.assert_allclose(made.rate(np.array(scores)), rates)
    if fpr * (len(null) + 1) < 1:
        with pytest.raises(RequestError, match="cannot tell a rate so small"):
            made.threshold(fpr)
    else:
        threshold = made.threshold(fpr)
        assert [score > threshold for score in scores] == [rate <= fpr for rate in rates]


def test_windows_that_were_not_scored_are_no_part_of_the_null() -> None:
    assert null_of(2.0, np.nan, 1.0).scores.tolist() == [1.0, 2.0]
    with pytest.raises(DataError, match="N everywhere"):
        null_of(np.nan)


def draw_null(
    tmp_path_factory: pytest.TempPathFactory, contigs: dict[str, str], windows: int, seed: int
) -> Null:
    path = genomes.write_fasta(tmp_path_factory.mktemp("null") / "rna.fa", contigs)
    with Spool(path) as letters:
        targets = contig_targets(letters, both=True, skips=Skips())
        return sample_null(targets, letters, SCORER, TILING, windows, seed)


def test_the_rate_holds_on_a_second_shuffle(tmp_path_factory: pytest.TempPathFactory) -> None:
    contigs = {"x": "".join(random.Random(0).choices("ACGT", [3, 1, 2, 4], k=30_000)), "y": "ACGGATC" * 30}
    first = draw_null(tmp_path_factory, contigs, 20_000, seed=0)
    second = draw_null(tmp_path_factory, contigs, 20_000, seed=1)
    for fpr in (0.01, 0.05):
        called = float((second.scores > first.threshold(fpr)).mean())
        assert abs(called - fpr) < 5 * (2 * fpr / 20_000) ** 0.5
    assert not np.array_equal(first.scores, second.scores)
    again = draw_null(tmp_path_factory, contigs, 20_000, seed=0)
    np.testing.assert_array_equal(first.scores, again.scores)


@pytest.mark.parametrize(
    "contigs", [{"x": "ACGGAUC"}, {"x": "GCAU" * 700}, {f"t{i}": "ACGUUGCA" * 4 for i in range(9)}]
)
def test_short_rna_is_shuffled_several_times_and_long_rna_is_sampled(
    tmp_path_factory: pytest.TempPathFactory, contigs: dict[str, str]
) -> None:
    for windows in (1, 100, 3000):
        drawn = draw_null(tmp_path_factory, contigs, windows, seed=0)
        segment = TILING.count(1000)
        all_once = sum(2 * TILING.count(len(rna)) for rna in contigs.values())
        assert windows * 0.8 <= len(drawn.scores) <= windows + max(segment, all_once)
        assert sum(map(len, drawn.segments)) == len(drawn.scores)
        assert max(drawn.lengths) <= 1000


def test_sites_of_the_shuffles_are_counted_a_kilobase() -> None:
    segments = [np.array([0, 5, 5, 0, 0, 0, 0, 5], dtype=np.float32), np.zeros(8, dtype=np.float32)]
    null = Null.of(segments, [33, 33])  # two sites: windows 1 and 2 overlap, window 7 does not
    assert null.sites_per_kb(TILING, 1.0) == pytest.approx(1000 * 2 / 66)
