"""Effects of variants against brute force: apply the allele to a string, cut all windows, ask the network."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import genomes
import toys
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.genes import Transcript, TranscriptIndex
from ribocyte.rna.genome import Genome, reverse_complement
from ribocyte.rna.variants.alleles import Change, Skip, read_allele, trim
from ribocyte.rna.variants.effects import Effect, Scorer, measure_effects
from ribocyte.rna.variants.loci import Locus, Windows, find_locus
from ribocyte.rna.variants.readings import Kind, Reader, Reading, Region

LENGTH = 5
MODEL = genomes.weigher(LENGTH)


def as_rna(dna: str) -> str:
    return dna.upper().replace("T", "U")


def cut(rna: str, length: int) -> list[str]:
    """List all windows; one that is short where there is no whole one."""
    return [rna[at : at + length] for at in range(max(len(rna) - length, 0) + 1)]


def covering(rna: str, places: list[tuple[int, int]], length: int) -> list[int]:
    """List the windows that share a letter with any of these stretches, or hold both neighbours of an empty one.

    Where there is none, at an end of the RNA, the one next to the stretch.
    """
    last = max(len(rna) - length, 0)
    found = [at for at in range(last + 1) if any(at < stop and start < at + length for start, stop in places)]
    return found or [min(max(places[0][0] - length + 1, 0), last)]


def brute_force(before: str, after: str, change: tuple[int, int, str], length: int = LENGTH) -> Effect:
    """Compute an effect from the RNA before and after, with one network call a window."""
    start, stop, inserted = change
    shift = len(inserted) - (stop - start)
    places = [start]
    if (start == stop) != (not inserted):  # an insertion or deletion: wherever else it can be written
        removed = stop - start
        places = []
        for at in range(max(start - length, 0), min(start + length, len(before) - removed) + 1):
            written = after[at : at + len(inserted)]
            if before[:at] + written + before[at + removed :] == after:
                places.append(at)
    spans_before = [(at, at + stop - start) for at in places]
    spans_after = [(at, at + len(inserted)) for at in places]
    old = {at: genomes.score(MODEL, cut(before, length)[at]) for at in covering(before, spans_before, length)}
    new = {at: genomes.score(MODEL, cut(after, length)[at]) for at in covering(after, spans_after, length)}
    falls = {at: max(_at(new, at), _at(new, at + shift)) - value for at, value in old.items()}
    rises = {at: value - max(_at(old, at), _at(old, at - shift)) for at, value in new.items()}
    unknown = sum("N" in cut(before, length)[at] for at in old) + sum(
        "N" in cut(after, length)[at] for at in new
    )
    return Effect(
        before=max(old.values()),
        after=max(new.values()),
        loss=min(0.0, *falls.values()),
        gain=max(0.0, *rises.values()),
        losing=min(falls, key=lambda at: (round(falls[at], 4), at)),
        gaining=min(rises, key=lambda at: (-round(rises[at], 4), at)),
        windows=len(old) + len(new),
        unknown=unknown,
    )


def _at(scores: dict[int, float], start: int) -> float:
    return scores[min(scores, key=lambda at: abs(at - start))]


def check(found: Effect, offset: int, expected: Effect) -> None:
    for name in ("before", "after", "loss", "gain"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-4), name
    assert (found.windows, found.unknown) == (expected.windows, expected.unknown)
    assert found.delta == pytest.approx(expected.after - expected.before, abs=1e-4)
    if expected.loss < -1e-3:
        assert found.losing + offset == expected.losing
    if expected.gain > 1e-3:
        assert found.gaining + offset == expected.gaining


@st.composite
def variants(draw: st.DrawFn) -> tuple[str, int, str, str]:
    """Draw a genome with repeats, and a position (from 0), REF and ALT that fit it."""
    letters = draw(st.sampled_from(["AC", "ACGT", "ACGTN"]))
    genome = draw(st.text(letters, min_size=3, max_size=40))
    position = draw(st.integers(0, len(genome) - 1))
    reference = genome[position : position + draw(st.integers(1, 12))]
    anchored = draw(st.booleans())
    tail = draw(st.text("AC" if letters == "AC" else "ACGT", min_size=0 if anchored else 1, max_size=12))
    return genome, position, reference, reference[0] * anchored + tail


@settings(max_examples=150)
@given(variants(), st.sampled_from("+-"))
def test_every_effect_is_that_of_brute_force(variant: tuple[str, int, str, str], strand: str) -> None:
    letters, position, reference, alternative = variant
    with tempfile.TemporaryDirectory() as folder:
        path = genomes.write_fasta(Path(folder) / "g.fa", {"c": letters})
        with Genome(path) as genome:
            change = read_allele(genome, "c", position + 1, reference, alternative)
            if isinstance(change, Skip):
                unknown = Skip.reference_unknown if "N" in reference else Skip.unchanged
                assert change is (Skip.letters if "N" in alternative else unknown)
                return
            rna = Transcript("", "", "c", strand, ((0, len(letters)),))
            locus = find_locus(rna, change, genome, LENGTH)
    before = as_rna(letters)
    after = as_rna(letters[:position] + alternative + letters[position + len(reference) :])
    assert before[: change.start] + change.inserted + before[change.stop :] == after
    if not after:
        assert locus is None
        return
    assert locus is not None
    oriented = change.start, change.stop, change.inserted
    if strand == "-":
        before, after = reverse_complement(before), reverse_complement(after)
        oriented = (
            len(letters) - change.stop,
            len(letters) - change.start,
            reverse_complement(change.inserted),
        )
    (found,) = measure_effects(Scorer(MODEL), [locus])
    check(found, locus.offset, brute_force(before, after, oriented))
    check_places(locus, len(letters))


def check_places(locus: Locus, contig: int) -> None:
    """Hold the places of all nucleotides that the change left as they were to the whole contig's own."""

    def place(position: int) -> int:
        return position if locus.rna.strand == "+" else contig - 1 - position

    start, stop = locus.changed_after()
    for at in range(len(locus.before)):
        assert locus.place(at, at + 1) == place(locus.offset + at)
    for at in range(len(locus.after)):
        if at < start or at >= stop:
            before = at if at < start else at - locus.shift
            assert locus.place(at, at + 1, after=True) == place(locus.offset + before)


@pytest.mark.parametrize(("strand", "leftmost"), [("+", 4), ("-", 11)])
def test_a_gain_at_the_5_prime_end_of_an_rna_is_where_its_window_lies(
    strand: str, leftmost: int, tmp_path: Path
) -> None:
    rna = "ACCUGAUUGCAGUCUAAGCC"  # loses its first 4 nt
    letters = rna if strand == "+" else reverse_complement(rna)
    with Genome(genomes.write_fasta(tmp_path / "g.fa", {"c": letters})) as genome:
        change = Change("c", 0, 4, "") if strand == "+" else Change("c", 16, 20, "")
        locus = find_locus(Transcript("", "", "c", strand, ((0, 20),)), change, genome, LENGTH)
    assert locus is not None
    assert locus.place(0, LENGTH, after=True) == leftmost


@settings(max_examples=100)
@given(variants())
def test_the_change_undone_loses_what_it_gained(variant: tuple[str, int, str, str]) -> None:
    letters, position, reference, alternative = variant
    after = letters[:position] + alternative + letters[position + len(reference) :]
    with tempfile.TemporaryDirectory() as folder:
        if not after or reference == alternative or not alternative or "N" in reference:
            return
        path = genomes.write_fasta(Path(folder) / "g.fa", {"c": letters, "d": after})
        with Genome(path) as genome:
            loci = []
            for contig, old, new in (("c", reference, alternative), ("d", alternative, reference)):
                change = read_allele(genome, contig, position + 1, old, new)
                assert isinstance(change, Change)
                rna = Transcript("", "", contig, "+", ((0, genome.contigs[contig]),))
                locus = find_locus(rna, change, genome, LENGTH)
                assert locus is not None
                loci.append(locus)
    there, back = measure_effects(Scorer(MODEL), loci)
    assert (there.before, there.after) == (back.after, back.before)
    assert (there.loss, there.gain) == pytest.approx((-back.gain, -back.loss))


@settings(max_examples=100)
@given(
    unit=st.text("ACGT", min_size=1, max_size=3),
    copies=st.integers(2, 5),
    edges=st.tuples(st.text("ACGT", min_size=8, max_size=8), st.text("ACGT", min_size=8, max_size=8)),
    inserted=st.booleans(),
)
def test_it_does_not_matter_where_in_a_repeat_an_indel_is_written(
    unit: str, copies: int, edges: tuple[str, str], inserted: bool
) -> None:
    letters = edges[0] + unit * copies + edges[1]
    found = set()
    with tempfile.TemporaryDirectory() as folder:
        path = genomes.write_fasta(Path(folder) / "g.fa", {"c": letters})
        with Genome(path) as genome:
            for copy in range(copies):
                at = len(edges[0]) + copy * len(unit)
                short, long = letters[at - 1], letters[at - 1 : at + len(unit)]
                alleles = (short, short + unit) if inserted else (long, short)
                change = read_allele(genome, "c", at, *alleles)
                assert isinstance(change, Change)
                rna = Transcript("", "", "c", "+", ((0, len(letters)),))
                locus = find_locus(rna, change, genome, 16)
                assert locus is not None
                found.add((locus.offset, *locus._letters))
    assert len(found) == 1


def test_the_effect_of_a_substitution_on_a_linear_network_is_a_difference_of_weights(tmp_path: Path) -> None:
    """A window with the change at place i changes by the weight of the new base there less that of the old."""
    weights = torch.arange(4.0 * LENGTH).view(4, LENGTH) ** 1.5
    model = genomes.predictor(toys.Linear(weights), LENGTH)
    with Genome(genomes.write_fasta(tmp_path / "g.fa", {"c": "A" * 20})) as genome:
        change = read_allele(genome, "c", 11, "A", "G")
        assert change == Change("c", 10, 11, "G")
        locus = find_locus(Transcript("", "", "c", "+", ((0, 20),)), change, genome, LENGTH)
    assert locus is not None
    (effect,) = measure_effects(Scorer(model), [locus])
    gains = weights[2] - weights[0]  # G less A, by place in the window
    assert (effect.loss, effect.windows) == (0.0, 2 * LENGTH)
    assert effect.gain == pytest.approx(float(gains.max()))
    # The first place has the largest gain in the window that begins there, at the change itself.
    place = int(gains.argmax())
    assert locus.offset + effect.gaining == 10 - place


def test_an_indel_beside_a_site_loses_nothing(tmp_path: Path) -> None:
    """The site is still whole in the window that begins, or ends, at the same nucleotide."""
    model = genomes.predictor(genomes.Finder("GCAUG"), 12)
    letters = "ACCACC" * 4 + "GCATG" + "CACCAA" * 4
    effects = []
    with Genome(genomes.write_fasta(tmp_path / "g.fa", {"c": letters})) as genome:
        rna = Transcript("", "", "c", "+", ((0, len(letters)),))
        for position, reference, alternative in (
            (24, "C", "CAAAA"),  # just before the site
            (29, "G", "GAAAA"),  # just behind it
            (27, "A", "AAAAA"),  # in its middle
            (25, "GCATGCAC", "G"),  # most of it
        ):
            change = read_allele(genome, "c", position, reference, alternative)
            assert isinstance(change, Change)
            locus = find_locus(rna, change, genome, 12)
            assert locus is not None
            effects += measure_effects(Scorer(model), [locus])
    assert [(effect.before, effect.loss, effect.delta) for effect in effects] == [
        (1, 0, 0),
        (1, 0, 0),
        (1, -1, -1),
        (1, -1, -1),
    ]


def test_a_large_batch_gives_what_single_loci_give_and_computes_windows_once(tmp_path: Path) -> None:
    letters = "".join(random.Random(3).choices("ACGT", k=300))
    with Genome(genomes.write_fasta(tmp_path / "g.fa", {"c": letters})) as genome:
        rna = Transcript("", "", "c", "-", ((0, 300),))
        changes = [read_allele(genome, "c", at, letters[at - 1], "ACGT"[at % 4]) for at in range(1, 300)]
        loci = [find_locus(rna, one, genome, LENGTH) for one in changes if isinstance(one, Change)]
    together = Scorer(MODEL)
    known = [locus for locus in loci if locus is not None]
    for effect, locus in zip(measure_effects(together, known), known, strict=True):
        (alone,) = measure_effects(Scorer(MODEL), [locus])
        check(effect, 0, alone)
    assert together.computed <= 4**LENGTH < together.asked


@given(st.lists(st.lists(st.integers(0, 5), min_size=50, max_size=50), max_size=30), st.integers(1, 50))
def test_scores_are_those_of_each_window_on_its_own(rows: list[list[int]], length: int) -> None:
    windows = torch.tensor(rows, dtype=torch.uint8).reshape(-1, 50)[:, :length].repeat(2, 1)
    model = genomes.weigher(length, seed=1)
    scorer = Scorer(model)
    np.testing.assert_allclose(
        scorer.score(windows), model.outputs(windows)[:, 0].numpy() if len(windows) else [], atol=1e-5
    )
    assert scorer.computed == len({tuple(row) for row in windows.tolist()})


@pytest.mark.parametrize("training", [False, True])
def test_threads_side_by_side_give_the_same_scores_and_leave_all_as_it_was(training: bool) -> None:
    windows = torch.randint(
        0, 5, (3000, LENGTH), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    alone = Scorer(MODEL).score(windows)
    noisy = torch.nn.Sequential(MODEL.network, torch.nn.Dropout(0.5))
    model = genomes.predictor(noisy, LENGTH)
    model.network.train(training)
    torch.set_num_threads(3)
    try:
        side_by_side = Scorer(model).score(windows)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
    np.testing.assert_array_equal(side_by_side, alone)
    assert model.network.training is training


def test_no_loci_have_no_effects() -> None:
    assert measure_effects(Scorer(MODEL), []) == []


@pytest.mark.parametrize(
    ("reference", "alternative", "expected"),
    [
        ("A", "G", Change("c", 100, 101, "G")),
        ("AUG", "ACG", Change("c", 101, 102, "C")),
        ("ACC", "AC", Change("c", 101, 102, "")),
        ("A", "AUU", Change("c", 101, 101, "UU")),
        ("GA", "A", Change("c", 100, 101, "")),
        ("ACG", "GCA", Change("c", 100, 103, "GCA")),
        ("A", "A", Skip.unchanged),
    ],
)
def test_trimming(reference: str, alternative: str, expected: Change | Skip) -> None:
    assert trim("c", 100, reference, alternative) == expected


@pytest.fixture
def spliced(tmp_path: Path) -> tuple[Genome, list[Transcript]]:
    """Give a genome and two transcripts of a gene: exons 20-40, 60-80, 100-120; the second skips the middle one."""
    letters = "".join(random.Random(5).choices("ACGT", k=140))
    genome = Genome(genomes.write_fasta(tmp_path / "g.fa", {"c": letters}))
    exons = ((20, 40), (60, 80), (100, 120))
    return genome, [
        Transcript("long", "G", "c", "-", exons),
        Transcript("short", "G", "c", "-", (exons[0], exons[2])),
    ]


def read(
    spliced: tuple[Genome, list[Transcript]], position: int, reference: str, alternative: str, **options: bool
) -> list[Reading] | Skip:
    genome, transcripts = spliced
    change = read_allele(
        genome, "c", position + 1, reference or genome.fetch("c", position, position + 1), alternative
    )
    assert isinstance(change, Change)
    return Reader(genome, LENGTH, TranscriptIndex(transcripts, genome), **options).read(change)  # type: ignore[arg-type]


def other(genome: Genome, position: int) -> str:
    return "ACGU"[("ACGU".index(genome.fetch("c", position, position + 1)) + 1) % 4]


def test_readings_of_a_gene_by_hand(spliced: tuple[Genome, list[Transcript]]) -> None:
    def kinds(position: int) -> list[tuple[str, str, tuple[str, ...]]]:
        found = read(spliced, position, "", other(spliced[0], position))
        assert not isinstance(found, Skip)
        assert {one.strand for one in found} == {"-"}
        return [(one.kind.value, one.region.value, one.transcripts) for one in found]

    both = ("long", "short")
    assert kinds(30) == [("pre-mRNA", "exon", both)]  # far from every junction: all read the same
    assert kinds(50) == [("pre-mRNA", "intron", both)]
    # Near an exon's edge each transcript joins it to another exon.
    assert kinds(38) == [
        ("pre-mRNA", "exon", both),
        ("mature", "exon", ("long",)),
        ("mature", "exon", ("short",)),
    ]
    assert kinds(70) == [("pre-mRNA", "exon", both)]
    assert kinds(61) == [("pre-mRNA", "exon", both), ("mature", "exon", ("long",))]
    assert kinds(20) == [("pre-mRNA", "exon", both)]  # at the 3′ end: nothing lies beyond in either


def test_a_change_at_a_junction_is_read_over_the_next_exon(spliced: tuple[Genome, list[Transcript]]) -> None:
    genome, transcripts = spliced
    found = read(spliced, 60, "", other(genome, 60))
    assert not isinstance(found, Skip)
    mature = next(one for one in found if one.kind is Kind.mature)
    whole = transcripts[0].spliced(genome)
    at = transcripts[0].to_rna(60)
    assert at is not None
    assert mature.locus.before == whole[at - LENGTH + 1 : at + LENGTH]
    effects = measure_effects(Scorer(MODEL), [mature.locus])
    after = whole[:at] + reverse_complement(other(genome, 60)) + whole[at + 1 :]
    check(effects[0], mature.locus.offset, brute_force(whole, after, (at, at + 1, after[at])))
    # The first window ends with the changed nucleotide; the last begins with it, and ends in the next exon.
    assert mature.locus.place(0, LENGTH) == 60
    assert mature.locus.place(LENGTH - 1, 2 * LENGTH - 1) == 36


@settings(max_examples=100)
@given(
    exons=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 14)), min_size=1, max_size=4),
    strand=st.sampled_from("+-"),
    data=st.data(),
)
def test_mature_effects_are_those_of_the_whole_spliced_rna(
    exons: list[tuple[int, int]], strand: str, data: st.DataObject
) -> None:
    spans, at = [], 0
    for intron, length in exons:
        start = at + intron + (at > 0)
        spans.append((start, start + length))
        at = start + length
    letters = data.draw(st.text("ACG", min_size=at + 3, max_size=at + 3))
    start, stop = data.draw(st.sampled_from(spans))
    position = data.draw(st.integers(start, stop - 1))
    reference = letters[position : data.draw(st.integers(position + 1, stop))]
    alternative = data.draw(st.text("ACGT", min_size=1, max_size=6))
    one = Transcript("t", "g", "c", strand, tuple(spans))
    with tempfile.TemporaryDirectory() as folder:
        path = genomes.write_fasta(Path(folder) / "g.fa", {"c": letters})
        with Genome(path) as genome:
            change = read_allele(genome, "c", position + 1, reference, alternative)
            touched = (0, 0) if isinstance(change, Skip) else change.touched(len(letters))
            if isinstance(change, Skip) or not (start <= touched[0] and touched[1] <= stop):
                return
            locus = find_locus(one, change, genome, LENGTH)
            before = one.spliced(genome)
    pieces = [as_rna(letters[low:high]) for low, high in spans]
    number = spans.index((start, stop))
    piece = pieces[number]
    pieces[number] = piece[: change.start - start] + change.inserted + piece[change.stop - start :]
    after = "".join(pieces)
    if not after:
        assert locus is None
        return
    offset = sum(high - low for low, high in spans[:number]) + change.start - start
    oriented = offset, offset + change.stop - change.start, change.inserted
    if strand == "-":
        after = reverse_complement(after)
        oriented = len(before) - oriented[1], len(before) - offset, reverse_complement(change.inserted)
    assert locus is not None
    check(measure_effects(Scorer(MODEL), [locus])[0], locus.offset, brute_force(before, after, oriented))


def test_a_change_over_an_exons_edge_has_no_mature_reading(spliced: tuple[Genome, list[Transcript]]) -> None:
    genome, _ = spliced
    found = read(spliced, 38, genome.fetch("c", 38, 43), genome.fetch("c", 38, 39))
    assert not isinstance(found, Skip)
    assert [(one.kind, one.region) for one in found] == [(Kind.pre_mrna, Region.edge)]


def test_an_insertion_between_exon_and_intron_is_at_the_edge(
    spliced: tuple[Genome, list[Transcript]],
) -> None:
    genome, _ = spliced
    last, first = genome.fetch("c", 39, 40), genome.fetch("c", 40, 41)
    letter = next(one for one in "ACGU" if one not in (last, first))
    found = read(spliced, 39, last, last + letter)
    assert not isinstance(found, Skip)
    assert [one.region for one in found] == [Region.edge]


def test_outside_of_genes_nothing_is_read_unless_asked_for(spliced: tuple[Genome, list[Transcript]]) -> None:
    genome, _ = spliced
    assert read(spliced, 5, "", other(genome, 5)) is Skip.intergenic
    asked = read(spliced, 5, "", other(genome, 5), intergenic=True)
    assert not isinstance(asked, Skip)
    assert [(one.kind, one.region, one.strand) for one in asked] == [
        (Kind.genome, Region.intergenic, "+"),
        (Kind.genome, Region.intergenic, "-"),
    ]


def test_the_pre_mrna_ends_where_the_gene_does(spliced: tuple[Genome, list[Transcript]]) -> None:
    genome, _ = spliced
    found = read(spliced, 119, "", other(genome, 119))  # the gene's first nucleotide, 5′ to 3′
    assert not isinstance(found, Skip)
    assert found[0].locus.windows_before == Windows(0, 0)
    assert found[0].locus.offset == 0


def test_genes_on_both_strands_are_read_on_both(spliced: tuple[Genome, list[Transcript]]) -> None:
    genome, transcripts = spliced
    opposite = Transcript("anti", "H", "c", "+", ((45, 56),))
    found = read((genome, [*transcripts, opposite]), 50, "", other(genome, 50))
    assert not isinstance(found, Skip)
    assert [(one.gene, one.strand, one.region) for one in found] == [
        ("G", "-", Region.intron),
        ("H", "+", Region.exon),
    ]
    assert found[0].locus.before == reverse_complement(found[1].locus.before)


def test_tokens_and_padding_of_an_rna_shorter_than_a_window(tmp_path: Path) -> None:
    with Genome(genomes.write_fasta(tmp_path / "g.fa", {"c": "ACG"})) as genome:
        change = read_allele(genome, "c", 2, "C", "T")
        assert isinstance(change, Change)
        locus = find_locus(Transcript("", "", "c", "+", ((0, 3),)), change, genome, LENGTH)
    assert locus is not None
    (effect,) = measure_effects(Scorer(MODEL), [locus])
    expected = MODEL.outputs(tokens(["ACG", "AUG"], LENGTH))[:, 0]
    assert (effect.before, effect.after, effect.windows) == (*expected.tolist(), 2)
