"""Identity and domains of proteins, against another aligner and against sequences without any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ribocyte.errors import DataError, RequestError
from ribocyte.rna.proteins.alignment import (
    Neighbour,
    coverage_matrix,
    identity_matrix,
    likeness_matrix,
    nearest,
    region,
)
from ribocyte.rna.proteins.constructs import distinct, read_constructs
from ribocyte.rna.proteins.domains import DomainProfiles, build_profiles, recognise_domains
from ribocyte.rna.proteins.sequences import RESIDUES, Domain, Protein

LETTERS = np.array(list(RESIDUES))
DOMAIN = "".join(np.random.default_rng(7).choice(LETTERS, 80))


def draw(seed: int, length: int = 60) -> str:
    return "".join(np.random.default_rng(seed).choice(LETTERS, length))


def mutate(sequence: str, share: float, seed: int) -> str:
    """Replace a share of the residues, each by another."""
    generator = np.random.default_rng(seed)
    places = generator.choice(len(sequence), round(share * len(sequence)), replace=False)
    changed = list(sequence)
    for place in places:
        changed[place] = generator.choice([letter for letter in RESIDUES if letter != sequence[place]])
    return "".join(changed)


def protein(sequence: str, *domains: Domain, name: str = "") -> Protein:
    return Protein(name or sequence[:8], sequence, domains=domains)


def test_a_protein_is_identical_to_itself_and_to_what_contains_it() -> None:
    proteins = [protein(draw(1)), protein(draw(2) + draw(1) + draw(3))]
    np.testing.assert_array_equal(identity_matrix(proteins, proteins), np.ones((2, 2), dtype=np.float32))


def test_substitutions_are_counted() -> None:
    sequence = draw(1, 200)
    # Both ends agree, so that the best local alignment is the whole.
    changed = sequence[:20] + mutate(sequence[20:180], 0.25, 0) + sequence[180:]
    assert identity_matrix([protein(sequence)], [protein(changed)])[0, 0] == pytest.approx(160 / 200)


def test_a_gap_costs_the_residues_it_skips() -> None:
    sequence = draw(1, 100)
    shorter = sequence[:40] + sequence[50:]
    assert identity_matrix([protein(sequence)], [protein(shorter)])[0, 0] == 1.0
    inserted = sequence[:40] + draw(5, 10) + sequence[50:]
    assert identity_matrix([protein(sequence)], [protein(inserted)])[0, 0] <= 0.95


def test_only_domains_are_compared_where_they_are_known() -> None:
    left = Protein("left", draw(1) + DOMAIN, domains=(Domain("RRM", 60, 140),))
    right = Protein("right", DOMAIN + draw(2), domains=(Domain("RRM", 0, 80),))
    assert region(left) == region(right) == DOMAIN
    assert identity_matrix([left], [right])[0, 0] == 1.0
    assert identity_matrix([Protein("whole", left.sequence)], [Protein("other", right.sequence)])[0, 0] < 0.7


def test_every_accepted_letter_can_be_aligned() -> None:
    odd = protein("MKUVBZX*LW")
    assert identity_matrix([odd], [odd])[0, 0] == 1.0
    assert identity_matrix([protein("XXXX")], [protein("WWWW")])[0, 0] == 0.0


def test_nothing_to_align_gives_an_empty_matrix() -> None:
    assert identity_matrix([], [protein("MKV")]).shape == (0, 1)
    assert identity_matrix([protein("MKV")], []).shape == (1, 0)


@settings(max_examples=30)
@given(st.lists(st.text(RESIDUES + "XBZU", min_size=1, max_size=40), min_size=1, max_size=4))
def test_identities_are_shares_and_the_same_both_ways(sequences: list[str]) -> None:
    proteins = [protein(sequence) for sequence in sequences]
    found = identity_matrix(proteins, proteins)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    assert (found <= 1).all()
    np.testing.assert_array_equal(found, found.T)
    # Alignments as good as each other may have different identities; the score decides, not the order.
    np.testing.assert_allclose(found.diagonal(), identity_matrix(proteins, list(proteins)).diagonal())


def test_identities_agree_with_another_aligner() -> None:
    """Relatives have one best alignment, so two aligners must count the same."""
    best = [draw(seed, 70) for seed in range(4)]
    sequences = [*best, *(mutate(sequence, 0.2, 9) for sequence in best)]
    found = identity_matrix([protein(one) for one in sequences], [protein(one) for one in sequences])
    for row in range(4):
        expected = _brute_force(sequences[row], sequences[row + 4]) / 70
        assert found[row, row + 4] == pytest.approx(expected, abs=0.03)


def test_the_nearest_come_first_and_ties_keep_their_order() -> None:
    sequence = draw(1, 120)
    targets = [
        protein(draw(2, 120), name="unrelated"),
        protein(mutate(sequence, 0.3, 1), name="cousin"),
        protein(sequence, name="first"),
        protein(sequence, name="second"),
    ]
    found = nearest(protein(sequence), targets, 3)
    assert [neighbour.protein.name for neighbour in found] == ["first", "second", "cousin"]
    assert found[0] == Neighbour(targets[2], 1.0)
    assert len(nearest(protein(sequence), targets, 99)) == 4
    with pytest.raises(RequestError, match="no protein to compare it with"):
        nearest(protein(sequence), [])


def family(count: int = 8) -> list[Protein]:
    """Proteins with one of two made-up domains, each among other residues."""
    other = draw(70, 70)
    kinds = [("RRM", DOMAIN)] * count + [("KH", other)]
    return [
        Protein(
            f"P{number}",
            draw(100 + number) + mutate(domain, 0.3, number) + draw(200 + number),
            domains=(Domain(kind, 60, 60 + len(domain)),),
        )
        for number, (kind, domain) in enumerate(kinds)
    ]


def test_a_domain_is_found_where_it_is_and_nowhere_else() -> None:
    profiles = build_profiles(family())
    assert profiles.kinds == ("KH", "RRM")
    unseen = Protein("unseen", draw(300, 90) + mutate(DOMAIN, 0.35, 50) + draw(301, 40))
    twice = Protein("twice", mutate(DOMAIN, 0.3, 60) + draw(302, 30) + mutate(DOMAIN, 0.3, 61))
    odd = Protein("odd", unseen.sequence[:90] + "XB*Z" + unseen.sequence[90:])
    found = recognise_domains([unseen, Protein("none", draw(400, 300)), twice, odd], profiles)
    (domain,) = found[0]
    assert domain.kind == "RRM"
    assert abs(domain.begin - 90) <= 5
    assert abs(domain.end - 170) <= 5
    assert found[1] == ()
    assert [one.kind for one in found[2]] == ["RRM", "RRM"]
    assert len(found[3]) == 1
    for protein_, domains in zip([unseen, twice], [found[0], found[2]], strict=True):
        Protein("again", protein_.sequence, domains=domains)  # in order, apart, within


def test_shuffled_proteins_have_no_domain() -> None:
    proteins = family()
    profiles = build_profiles(proteins)
    generator = np.random.default_rng(0)
    shuffled = [
        Protein(f"S{number}", "".join(generator.permutation(list(one.sequence))))
        for number, one in enumerate(proteins * 5)
    ]
    assert recognise_domains(shuffled, profiles) == [()] * len(shuffled)


def test_profiles_survive_being_written() -> None:
    proteins = family()
    profiles = build_profiles(proteins)
    again = DomainProfiles.from_bytes(profiles.to_bytes())
    assert again.kinds == profiles.kinds
    assert recognise_domains(proteins, again) == recognise_domains(proteins, profiles)
    with pytest.raises(DataError, match="domain profiles"):
        DomainProfiles.from_bytes(b"nothing of the kind")


def test_without_domains_there_are_no_profiles() -> None:
    with pytest.raises(DataError, match="no protein has a known domain"):
        build_profiles([protein("MKVLW")])
    assert recognise_domains([], build_profiles(family())) == []


@pytest.mark.real_data
def test_the_constructs_domains_are_recognised_and_shuffled_ones_are_not(data_root: Path) -> None:
    proteins = distinct(read_constructs(data_root / "rnacompete" / "constructs.tsv"))
    held, known = proteins[::4], [one for number, one in enumerate(proteins) if number % 4]
    profiles = build_profiles(known)
    found = recognise_domains(held, profiles)
    assert sum(bool(domains) for domains in found) >= len(held) - 2
    generator = np.random.default_rng(0)
    shuffled = [Protein(one.name, "".join(generator.permutation(list(one.sequence)))) for one in held]
    reversed_ = [Protein(one.name, one.sequence[::-1]) for one in held]
    assert not any(recognise_domains(shuffled + reversed_, profiles))


def _brute_force(one: str, other: str) -> int:
    """Smith and Waterman's recursion with affine gaps (Gotoh), counting identities along the best path."""
    from scoring_matrices import ScoringMatrix

    scores = ScoringMatrix.from_name("BLOSUM62")
    size = (len(one) + 1, len(other) + 1)
    match, down, right = (np.full(size, -1e9) for _ in range(3))
    counts = {name: np.zeros(size, dtype=int) for name in ("match", "down", "right")}
    match[0, :] = match[:, 0] = 0.0
    best, same = 0.0, 0
    for i in range(1, size[0]):
        for j in range(1, size[1]):
            opened, extended = match[i - 1, j] - 11, down[i - 1, j] - 1
            down[i, j] = max(opened, extended)
            counts["down"][i, j] = counts["match" if opened >= extended else "down"][i - 1, j]
            opened, extended = match[i, j - 1] - 11, right[i, j - 1] - 1
            right[i, j] = max(opened, extended)
            counts["right"][i, j] = counts["match" if opened >= extended else "right"][i, j - 1]
            diagonal = match[i - 1, j - 1] + scores[one[i - 1]][scores.alphabet.index(other[j - 1])]
            match[i, j], counts["match"][i, j] = max(
                (0.0, 0),
                (diagonal, counts["match"][i - 1, j - 1] + (one[i - 1] == other[j - 1])),
                (down[i, j], counts["down"][i, j]),
                (right[i, j], counts["right"][i, j]),
                key=lambda pair: pair[0],
            )
            if match[i, j] > best:
                best, same = match[i, j], counts["match"][i, j]
    return same


def test_likeness_is_what_is_the_same_of_the_longer_region() -> None:
    domain = "MKVLAAGRRTWCDEFKLHPQSTNYIVMKEW"
    whole = Protein("whole", "GG" + domain, domains=(Domain("RRM", 2, 32),))
    half = Protein("half", domain[:15])
    identities = identity_matrix([whole, half], [whole, half])
    np.testing.assert_allclose(identities, 1.0)
    np.testing.assert_allclose(coverage_matrix([half], [whole, half]), [[0.5, 1.0]])
    np.testing.assert_allclose(
        likeness_matrix(identities, [whole, half], [whole, half]), [[1.0, 0.5], [0.5, 1.0]]
    )
