"""Windows, tracks and sites against brute force, and the same wherever a scan is cut."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pybigtools
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import genomes
import untrained
from ribocyte.errors import RequestError
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.genome import reverse_complement
from ribocyte.rna.scan.sites import Site, find_summit
from ribocyte.rna.scan.targets import Letters, Locus, Skips, Target, arrange, contig_targets
from ribocyte.rna.scan.tiles import Scorer, Tiling, cut_parts
from ribocyte.rna.scan.tracks import Canvas, Track, read_bedgraph
from ribocyte.rna.scan.walk import Step, walk

LENGTH = 9
MODEL = genomes.weigher(LENGTH)
SCORER = Scorer(MODEL, max_unknown=0.25)


class Book:
    """Contigs in memory; a `Letters`."""

    def __init__(self, contigs: Mapping[str, str]) -> None:
        self.text = {name: rna.replace("T", "U") for name, rna in contigs.items()}
        self.contigs = {name: len(rna) for name, rna in contigs.items()}

    def find(self, contig: str) -> str | None:
        return contig if contig in self.contigs else None

    def fetch(self, contig: str, start: int, end: int, strand: str = "+") -> str:
        part = self.text[contig][start:end]
        return part if strand == "+" else reverse_complement(part)


def draw_rna(count: int, seed: int = 0, alphabet: str = "ACGU") -> str:
    return "".join(random.Random(seed).choices(alphabet, k=count))


def scan(
    targets: Sequence[Target], book: Letters, stride: int, threshold: float = 4.0, together: int = 1 << 15
) -> dict[str, list[Step]]:
    tiling = Tiling(LENGTH, stride)
    return {
        strand: list(walk(loci, book, SCORER, tiling, threshold, together))
        for strand, loci in arrange(targets, book).items()
    }


def window_scores(rna: str, stride: int) -> list[tuple[int, int, float]]:
    """Give start, end and score of every window, the slow way; NaN for what has too many N."""
    found = []
    for start in itertools.count(0, stride):
        window = rna[start : start + LENGTH]
        known = window.count("N") <= 0.25 * len(window)
        found.append((start, start + len(window), genomes.score(MODEL, window) if known else np.nan))
        if start + LENGTH >= len(rna):
            return found
    raise AssertionError


def slow_track(rna: str, stride: int) -> NDArray[np.float64]:
    values, windows = [], window_scores(rna, stride)
    for position in range(len(rna)):
        over = [score for start, end, score in windows if start <= position < end]
        known = [score for score in over if not np.isnan(score)]
        values.append(np.mean(known) if known else np.nan)
    return np.array(values)


def slow_sites(rna: str, stride: int, threshold: float) -> list[tuple[int, int, float, int]]:
    """Merge overlapping windows above the threshold: start, end, best score, count."""
    merged: list[tuple[int, int, float, int]] = []
    for start, end, score in window_scores(rna, stride):
        if not score > threshold:
            continue
        if merged and start < merged[-1][1]:
            low, _, best, count = merged.pop()
            merged.append((low, end, max(best, score), count + 1))
        else:
            merged.append((start, end, score, 1))
    return merged


def whole_track(steps: Sequence[Step], length: int) -> NDArray[np.float32]:
    values = np.full(length, np.inf, dtype=np.float32)
    for step in steps:
        values[step.part.start : step.part.end] = step.values
    return values


def one(contig: str, length: int, strand: str = "+") -> Target:
    return Target(contig, contig, strand, ((0, length),))


# Windows


@given(st.text("ACGUN", min_size=1, max_size=60), st.integers(1, 9))
def test_windows_are_those_that_the_encoding_reads(rna: str, stride: int) -> None:
    tiling = Tiling(LENGTH, stride)
    windows = tiling.cut(tokens([rna])[0], tiling.count(len(rna)))
    assert torch.equal(windows, RNAEncoding(LENGTH, stride=stride).encode([rna])[0])


def test_a_stride_longer_than_a_window_is_refused() -> None:
    with pytest.raises(RequestError, match="stride = 10"):
        Tiling(9, 10)


@given(st.integers(1, 300), st.integers(1, 9), st.integers(1, 40), st.sampled_from("+-"))
def test_parts_hold_every_window_and_nucleotide_once(
    nt: int, stride: int, together: int, strand: str
) -> None:
    tiling = Tiling(LENGTH, stride)
    locus = Locus("x", strand, (one("x", nt, strand),))
    parts = list(cut_parts([locus], tiling, together))
    assert [part.ends_target for part in parts] == [False] * (len(parts) - 1) + [True]
    parts = parts if strand == "+" else parts[::-1]
    assert [w for part in parts for w in range(part.first, part.last)] == list(range(tiling.count(nt)))
    assert [p for part in parts for p in range(part.start, part.end)] == list(range(nt))


# Tracks and sites


@given(
    st.text("ACGUN", min_size=1, max_size=70),
    st.sampled_from([1, 2, 4, 5, 9]),
    st.sampled_from("+-"),
    st.integers(1, 30),
)
def test_tracks_and_sites_equal_brute_force(rna: str, stride: int, strand: str, together: int) -> None:
    own = rna if strand == "+" else reverse_complement(rna)
    steps = scan([one("x", len(rna), strand)], Book({"x": rna}), stride, 1.0, together)[strand]
    track = whole_track(steps, len(rna))
    np.testing.assert_allclose(track, slow_track(own, stride), rtol=0, atol=1e-5)
    found = [site for step in steps for site in step.sites]
    expected = slow_sites(own, stride, 1.0)
    assert [(s.start, s.end, s.windows) for s in found][:: 1 if strand == "+" else -1] == [
        (start, end, count) for start, end, _, count in expected
    ]
    assert sorted(s.score for s in found) == pytest.approx(
        sorted(score for _, _, score, _ in expected), abs=1e-5
    )
    unscored = sum(np.isnan(score) for _, _, score in window_scores(own, stride))
    assert sum(step.unscored for step in steps) == unscored


@given(
    st.integers(1, 400),
    st.integers(0, 5),
    st.sampled_from([1, 3, 9]),
    st.integers(1, 50),
    st.sampled_from("+-"),
)
def test_results_do_not_depend_on_where_the_scan_is_cut(
    nt: int, seed: int, stride: int, together: int, strand: str
) -> None:
    book = Book({"x": draw_rna(nt, seed, "ACGUACGUACGUN")})
    pieces = scan([one("x", nt, strand)], book, stride, 2.0, together)[strand]
    whole = scan([one("x", nt, strand)], book, stride, 2.0)[strand]
    assert len(whole) == 1
    np.testing.assert_allclose(whole_track(pieces, nt), whole_track(whole, nt), rtol=0, atol=1e-5)
    assert [rounded(site) for step in pieces for site in step.sites] == [
        rounded(site) for step in whole for site in step.sites
    ]


def rounded(site: Site) -> tuple[int, int, int, float, int]:
    return site.start, site.end, site.summit, round(site.score, 4), site.windows


def test_many_short_targets_are_scored_together_and_each_as_alone() -> None:
    contigs = {f"t{number}": draw_rna(3 + number, number) for number in range(40)}
    book = Book(contigs)
    for together in (7, 1 << 15):
        steps = scan(contig_targets(book, both=True, skips=Skips()), book, 3, 1.0, together)
        for strand, turn in (("+", str), ("-", reverse_complement)):
            for name, rna in contigs.items():
                own = [step for step in steps[strand] if step.part.target.name == name]
                expected = slow_track(turn(rna), 3)
                np.testing.assert_allclose(whole_track(own, len(rna)), expected, rtol=0, atol=1e-5)


def test_rna_shorter_than_a_window_is_scored_once_padded() -> None:
    (step,) = scan([one("x", 4)], Book({"x": "GCAU"}), 3)["+"]
    assert step.windows == 1
    np.testing.assert_allclose(step.values, [genomes.score(MODEL, "GCAU")] * 4, atol=1e-6)


def test_a_planted_word_is_one_site_and_its_summit_lies_in_the_word() -> None:
    rna = "A" * 30 + "GCAUG" + "A" * 30
    scorer, tiling = Scorer(genomes.predictor(genomes.Finder("GCAUG"), LENGTH)), Tiling(LENGTH, 1)
    for strand, turned in (("+", rna), ("-", reverse_complement(rna))):
        locus = Locus("x", strand, (one("x", 65, strand),))
        sites = [s for step in walk([locus], Book({"x": turned}), scorer, tiling, 0.5) for s in step.sites]
        assert sites == [Site(start=26, end=39, summit=32, score=1.0, windows=5)]


def test_the_summit_is_where_most_weight_overlaps() -> None:
    starts, ends = np.array([0, 10, 20]), np.array([15, 25, 35])
    assert find_summit(starts, ends, np.array([1.0, 1.0, 3.0])) == 22  # 20 to 24 have 4
    assert find_summit(starts, ends, np.array([3.0, 1.0, 1.0])) == 12  # 10 to 14 have 4
    assert find_summit(starts[:1], ends[:1], np.array([0.1])) == 7


def test_bf16_stays_within_its_stated_tolerance() -> None:
    windows = torch.randint(4, (200, 41), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model = untrained.model("rna-cnn")
    exact, fast = Scorer(model)(windows), Scorer(model, bf16=True)(windows)
    assert not np.array_equal(exact, fast)
    assert np.abs(exact - fast).max() < 0.05


# Targets on their contigs


def test_spliced_targets_read_and_lift_over_junctions() -> None:
    text = draw_rna(60)
    book = Book({"x": text})
    blocks = ((5, 12), (20, 21), (30, 45))
    spliced = "".join(text[low:high] for low, high in blocks)
    for strand, own in (("+", spliced), ("-", reverse_complement(spliced))):
        target = Target("t", "x", strand, blocks)
        assert target.read(book, 0, target.length) == own
        for start, end in itertools.combinations(range(target.length + 1), 2):
            lifted = target.lift(start, end)
            pieces = [book.fetch("x", low, high, strand) for low, high in lifted]
            assert "".join(pieces if strand == "+" else pieces[::-1]) == own[start:end]
            assert lifted == tuple(sorted(lifted))
    assert Target("t", "x", "+", blocks).read(book, -5, 100) == spliced


def test_loci_are_ordered_and_hold_what_overlaps() -> None:
    book = Book({"b": "A" * 100, "a": "A" * 100})
    spans = [("a", 50, 60), ("b", 10, 30), ("b", 29, 40), ("b", 40, 50), ("a", 0, 5)]
    targets = [Target(f"{contig}{start}", contig, "+", ((start, end),)) for contig, start, end in spans]
    loci = arrange(targets, book)["+"]
    assert [[target.name for target in locus.targets] for locus in loci] == [
        ["b10", "b29"],
        ["b40"],
        ["a0"],
        ["a50"],
    ]
    assert [locus.streams for locus in loci] == [False, True, True, True]
    assert (loci[0].start, loci[0].end) == (10, 40)


# Files


def write_tracks(folder: Path, steps: Sequence[Step], book: Letters) -> list[Path]:
    with Track(folder / "track") as track:
        for locus, of_locus in itertools.groupby(steps, lambda step: step.part.locus):
            canvas = Canvas(locus, track)
            for step in of_locus:
                canvas.add(step.part, step.values)
            canvas.finish()
        return track.finish(book.contigs)


def painted(path: Path, contig: str, length: int) -> NDArray[np.float64]:
    values = np.full(length, np.nan)
    for name, start, end, value in read_bedgraph(path):
        if name == contig:
            assert np.isnan(values[start:end]).all(), "intervals overlap"
            values[start:end] = value
    return values


def test_bedgraph_and_bigwig_hold_the_track(tmp_path: Path) -> None:
    """Contigs in the order of the file, not of the alphabet; a run of N is a gap in all of them."""
    contigs = {"zeta": draw_rna(200, 1), "alpha": draw_rna(50, 2) + "N" * 40 + draw_rna(60, 3)}
    book = Book(contigs)
    for strand, turn in (("+", str), ("-", reverse_complement)):
        targets = [one(name, len(rna), strand) for name, rna in contigs.items()]
        folder = tmp_path / f"strand{strand}"
        folder.mkdir()
        bedgraph, bigwig = write_tracks(folder, scan(targets, book, 4, together=10)[strand], book)
        rows = list(read_bedgraph(bedgraph))
        assert rows == sorted(rows, key=lambda row: (list(contigs).index(row[0]), row[1]))
        with pybigtools.open(str(bigwig)) as file:
            assert file.chroms() == {name: len(rna) for name, rna in contigs.items()}
            for name, rna in contigs.items():
                expected = slow_track(turn(rna), 4)[:: 1 if strand == "+" else -1]
                drawn = painted(bedgraph, name, len(rna))
                np.testing.assert_allclose(drawn, expected, rtol=0, atol=6e-5)
                np.testing.assert_array_equal(file.values(name, fillna=None), drawn.astype(np.float32))
                assert np.isnan(drawn).sum() == (0 if name == "zeta" else np.isnan(expected).sum())


def test_a_track_is_the_same_file_wherever_the_scan_is_cut(tmp_path: Path) -> None:
    """A word that is not there scores 0 everywhere: one interval, however many parts."""
    scorer, tiling = Scorer(genomes.predictor(genomes.Finder("GCAUG"), LENGTH)), Tiling(LENGTH, 3)
    book = Book({"x": "A" * 300 + "GCAUG" + "A" * 300})
    written = []
    for together in (4, 7, 1000):
        folder = tmp_path / str(together)
        folder.mkdir()
        loci = [Locus("x", "+", (one("x", 605),))]
        written.append(write_tracks(folder, list(walk(loci, book, scorer, tiling, 0.5, together)), book))
    assert len({paths[0].read_bytes() for paths in written}) == 1
    assert written[0][0].read_text().startswith("x\t0\t297\t0.0000\n")


def test_overlapping_isoforms_share_a_track_that_shows_the_highest(tmp_path: Path) -> None:
    text = draw_rna(120, 4)
    book = Book({"x": text})
    isoforms = [Target("long", "x", "-", ((10, 40), (60, 100))), Target("short", "x", "-", ((20, 90),))]
    expected = np.full((2, 120), np.nan)
    for row, target in zip(expected, isoforms, strict=True):
        own = slow_track(target.read(book, 0, 200), 2)[::-1]
        row[np.concatenate([np.arange(*block) for block in target.blocks])] = own
    bedgraph, _ = write_tracks(tmp_path, scan(isoforms, book, 2)["-"], book)
    np.testing.assert_allclose(painted(bedgraph, "x", 120), np.fmax(*expected), rtol=0, atol=6e-5)


def test_a_track_of_nothing_has_no_bigwig(tmp_path: Path) -> None:
    book = Book({"x": "N" * 50})
    assert [path.name for path in write_tracks(tmp_path, scan([one("x", 50)], book, 3)["+"], book)] == [
        "track.bedgraph"
    ]
