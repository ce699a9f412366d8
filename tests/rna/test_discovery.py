"""Motifs found in a network that seeks one pattern, and the parts that find them against plain Python."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from seeker import PATTERN, Seeker, planted_tokens, probes, random_tokens, seeker
from torch import nn

import toys
from ribocyte.errors import DataError, ModelError, RequestError
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import LETTERS, PADDING, letters, one_hot, tokens
from ribocyte.rna.discovery import (
    FoundMotif,
    Probes,
    discover,
    find_by_filters,
    find_by_kmers,
    mutate,
)
from ribocyte.rna.discovery.alignment import MISMATCHES, SHIFT, align_to, cut_out, group_words, lay_out
from ribocyte.rna.discovery.filters import first_convolution
from ribocyte.rna.discovery.matching import SCHEMA, false_discovery_rates, match_motifs
from ribocyte.rna.discovery.motif import count_bases, information, make_motif, normalise, spell, trim
from ribocyte.rna.discovery.mutants import (
    Mutants,
    best_sites,
    delete,
    hit_by_deletions,
    hit_by_substitutions,
)
from ribocyte.rna.encoding import RNAEncoding

WORD = st.text("ACGU", min_size=5, max_size=5)


def pwm_of(pattern: str, sure: float = 0.94) -> np.ndarray:
    """Write a pattern as a matrix; N is any base."""
    rows = np.full((len(pattern), 4), (1 - sure) / 3)
    for at, base in enumerate(pattern):
        rows[at] = 0.25 if base == "N" else rows[at]
        if base != "N":
            rows[at, LETTERS.index(base)] = sure
    return rows


def found(pwm: np.ndarray, name: str = "found") -> FoundMotif:
    return FoundMotif(name, pwm, "kmers", 10)


def codes(words: list[str]) -> np.ndarray:
    return tokens(words).numpy()


# What a motif is


@pytest.mark.parametrize(
    ("row", "letter"),
    [
        ((0.97, 0.01, 0.01, 0.01), "A"),
        ((0.6, 0.3, 0.1, 0.0), "A"),
        ((0.5, 0.4, 0.05, 0.05), "M"),
        ((0.32, 0.14, 0.48, 0.06), "R"),
        ((0.34, 0.0, 0.33, 0.33), "D"),
        ((0.3, 0.2, 0.25, 0.25), "N"),
        ((0.25, 0.25, 0.25, 0.25), "N"),
        ((0.0, 0.5, 0.0, 0.5), "Y"),
    ],
)
def test_a_position_is_spelled_by_what_it_allows(row: tuple[float, ...], letter: str) -> None:
    assert spell(np.array([row])) == letter


def test_trimming_keeps_what_is_between_the_telling_columns() -> None:
    pwm = pwm_of("NNGCNAUN")
    np.testing.assert_array_equal(trim(pwm), pwm[2:7])
    assert len(trim(pwm_of("NNNN"))) == 0
    assert found(pwm).consensus == "GCNAU"
    assert found(pwm).best_site == "GCNAU"


def test_information_is_two_bits_for_certainty_and_none_for_chance() -> None:
    np.testing.assert_allclose(information(np.array([[0, 0, 1, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])), [2, 0, 1])


def test_n_and_padding_count_for_no_base() -> None:
    rows = np.array([[0, 3, 4], [0, 2, 5]], dtype=np.uint8)
    np.testing.assert_array_equal(count_bases(rows), [[2, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    np.testing.assert_allclose(normalise(count_bases(rows)).sum(axis=1), 1)


def test_sites_that_have_nothing_in_common_make_no_motif() -> None:
    from ribocyte.rna.discovery.motif import Aligned

    assert make_motif("kmers", Aligned("1", np.full((7, 4), 50.0), 200)) is None
    assert make_motif("kmers", Aligned("1", 50 * pwm_of("NNNGCANN"), 200)) is None


# Alignment


def distance(seed: str, word: str, offset: int) -> int:
    pairs = [(seed[at], word[at - offset]) for at in range(len(seed)) if 0 <= at - offset < len(word)]
    return sum(a != b for a, b in pairs)


@given(WORD, st.lists(WORD, min_size=1, max_size=8))
def test_a_word_is_aligned_where_it_differs_least(seed: str, words: list[str]) -> None:
    mismatches, offsets = align_to(codes([seed])[0], codes(words))
    for word, least, offset in zip(words, mismatches, offsets, strict=True):
        tried = {o: distance(seed, word, o) for o in range(-SHIFT, SHIFT + 1)}
        assert least == min(tried.values()) == tried[int(offset)]
        assert abs(offset) == min(abs(o) for o, count in tried.items() if count == least)


@given(st.lists(WORD, min_size=1, max_size=20, unique=True))
def test_every_word_is_in_one_group_near_its_seed(words: list[str]) -> None:
    groups = group_words(codes(words))
    members = [int(member) for group in groups for member in group.members]
    assert sorted(members) == list(range(len(words)))
    seeds = [words[group.members[0]] for group in groups]
    for number, group in enumerate(groups):
        for member, offset in zip(group.members, group.offsets, strict=True):
            assert distance(seeds[number], words[member], int(offset)) <= MISMATCHES
            for earlier in seeds[:number]:
                assert min(distance(earlier, words[member], o) for o in (-2, -1, 0, 1, 2)) > MISMATCHES


def test_words_are_laid_out_and_windows_cut_with_blanks_at_the_ends() -> None:
    laid = lay_out(codes(["ACG", "CGU"]), np.array([0, 1]), PADDING)
    assert letters(torch.from_numpy(laid)) == ["--ACG", "---CGU"]
    cut = cut_out(codes(["ACGUA"] * 3), np.array([-1, 1, 3]), 3, PADDING)
    assert letters(torch.from_numpy(cut)) == ["-AC", "CGU", "UA"]


# Finding what a network seeks


def test_kmers_find_the_pattern() -> None:
    model = seeker()
    first = next(iter(find_by_kmers(probes(model, random_tokens(6000)), k=6)))
    motif = make_motif("kmers", first)
    assert motif is not None
    assert PATTERN in motif.best_site or motif.best_site in PATTERN
    assert len(motif.best_site) >= 5


def test_kmers_longer_than_every_sequence_are_refused() -> None:
    with pytest.raises(DataError, match="none holds a 7-mer"):
        next(find_by_kmers(Probes(random_tokens(20, 5), np.arange(20.0))))
    with pytest.raises(DataError, match="one a sequence"):
        Probes(random_tokens(20, 5), np.arange(3.0))


def test_filters_find_the_pattern_and_pass_over_the_idle_one() -> None:
    model = seeker()
    aligned = list(find_by_filters(model, probes(model, planted_tokens())))
    assert [one.label for one in aligned] == ["0"]
    motif = make_motif("filters", aligned[0])
    assert motif is not None
    assert motif.consensus == PATTERN


def test_filters_of_an_ensemble_are_numbered_through() -> None:
    other = "CCGGAA"
    model = Predictor(Ensemble([Seeker(other), Seeker()]), RNAEncoding(length=30), {})
    rows = torch.cat([planted_tokens(), planted_tokens(pattern=other)])
    labels = {one.label: spell(normalise(one.counts)) for one in find_by_filters(model, probes(model, rows))}
    assert labels == {"0": other, "2": PATTERN}


def test_a_filter_responds_as_the_network_convolves() -> None:
    """The sites of a random filter are all windows above half its maximum, counted one by one."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(4, 1, 5), nn.AdaptiveMaxPool1d(1), nn.Flatten())
    model = Predictor(network, RNAEncoding(length=20, stride=10), {})
    rows = random_tokens(300, 20)
    rows[:, 17:] = PADDING
    with torch.inference_mode():
        hits = network[0](one_hot(rows))[:, 0, :13].numpy()
    above = hits > hits.max() / 2
    (aligned,) = find_by_filters(model, probes(model, rows))
    assert aligned.sites == above.sum()
    windows = rows.unfold(1, 5, 1).numpy()[:, :13][above]
    np.testing.assert_array_equal(aligned.counts, count_bases(windows))


@pytest.mark.parametrize(
    "network",
    [toys.Linear(torch.zeros(4, 30)), nn.Linear(3, 1), nn.Conv1d(5, 2, 3), nn.Conv2d(4, 2, 3), nn.Identity()],
)
def test_a_network_without_filters_over_bases_is_refused(network: nn.Module) -> None:
    with pytest.raises(ModelError, match="filters cannot be read"):
        first_convolution(network)


@pytest.mark.parametrize("methods", [("magic",), (), ("kmers", "kmers")])
def test_methods_that_do_not_exist_are_refused(methods: tuple[str, ...]) -> None:
    model, rows = seeker(), random_tokens(10)
    with pytest.raises(RequestError, match="method"):
        discover(model, probes(model, rows), Mutants(rows, torch.zeros(10, 4, 30)), rows, methods=methods)


# What mutations cost


def test_the_best_site_is_the_one_a_search_finds() -> None:
    pwm = pwm_of("NGCAN", 0.91)
    rows = random_tokens(40, 12, seed=3)
    rows[0, 4:] = PADDING
    rows[1] = PADDING
    starts, width = best_sites(pwm, rows)
    assert width == 3
    for row, start in zip(letters(rows), starts, strict=True):
        fits = [sum(a == b for a, b in zip(row[at:], "GCA", strict=False)) for at in range(len(row) - 2)]
        assert fits[start] == max(fits) if fits else start == -1


def test_substitutions_that_cost_most_hit_the_pattern() -> None:
    model, rows = seeker(), planted_tokens()
    rows = rows[model.outputs(rows)[:, 0] == 2]  # the pattern, and nothing that one substitution makes of it
    mutants = mutate(model, probes(model, rows), 30)
    assert all(PATTERN in rna for rna in letters(mutants.tokens))
    hits = hit_by_substitutions(pwm_of(PATTERN), mutants)
    assert hits.share == 1.0
    assert hits.chance == pytest.approx(6 / 30)
    assert hits.sequences == 30


def test_deletions_that_cost_most_hit_the_pattern() -> None:
    model = seeker()
    mutants = mutate(model, probes(model, planted_tokens()), 30)
    hits = hit_by_deletions(model, pwm_of(PATTERN), mutants.tokens, width=3)
    assert hits.share > 0.9  # what moves up may make the pattern anew
    assert hits.chance == pytest.approx(8 / 28, rel=0.1)  # fewer places near an end
    short = tokens(["GCAUG"] * 3, 30)
    assert hit_by_deletions(model, pwm_of(PATTERN), short, width=3).sequences == 0


def test_what_follows_a_deletion_moves_up() -> None:
    assert letters(delete(tokens(["ACGUA", "ACG"]), 1, 2)) == ["AUA", "A"]


# Known motifs


def decoys(count: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {f"decoy{at}": random.dirichlet([0.3] * 4, size=8) for at in range(count)}


def test_a_motif_is_matched_at_its_place_and_not_on_the_other_strand() -> None:
    site = pwm_of("GCAUGGA")
    known = decoys() | {
        "inside": np.vstack([np.full((2, 4), 0.25), site, np.full((1, 4), 0.25)]),
        "reverse": site[::-1, ::-1],
    }
    table = match_motifs([found(site)], known)
    assert table.columns == list(SCHEMA)
    assert table.height == len(known)
    best = table.row(0, named=True)
    assert (best["target"], best["offset"], best["overlap"], best["rank"]) == ("inside", 2, 7, 1)
    assert best["q"] < 1e-3
    reverse = table.filter(table["target"] == "reverse").row(0, named=True)
    assert reverse["q"] > 0.05
    begins_before = match_motifs([found(known["inside"])], decoys() | {"site": site}).row(0, named=True)
    assert (begins_before["target"], begins_before["offset"]) == ("site", -2)


def test_few_known_motifs_warn_nobody_and_none_are_refused() -> None:
    table = match_motifs([found(pwm_of("GCAUG"))], {"one": pwm_of("GCAUG")})
    assert table["rank"].to_list() == [1]
    with pytest.raises(DataError, match="known motifs: none"):
        match_motifs([found(pwm_of("GCAUG"))], {})
    assert match_motifs([], {"one": pwm_of("GCAUG")}).height == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_false_discovery_rates_are_those_of_scipy(p: list[float]) -> None:
    np.testing.assert_allclose(false_discovery_rates(np.array(p)), false_discovery_control(p), atol=1e-12)


def test_spelling_covers_every_set_of_bases() -> None:
    for size in range(1, 5):
        for bases in itertools.combinations(range(4), size):
            row = np.zeros(4)
            row[list(bases)] = 1 / size
            assert len(spell(row[None])) == 1
