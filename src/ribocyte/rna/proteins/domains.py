"""Which parts of a protein look like RNA-binding domains: profiles made of the constructs' own annotated domains.

A profile hidden Markov model (HMMER 3, through pyhmmer) is built of each kind of domain that the constructs'
table annotates: 2 s for all ten kinds, no download. What was measured on its 392 different constructs (a domain
counts where its independent E-value is 0.001 or less):

- with whole clusters of relatives left out of the profiles (ten folds), 388 are recognised, and 826 of 863
  annotated domains, with nothing outside them. The four are both PUF proteins and the S1 protein, whose kinds are
  then in no profile, and one with zinc fingers alone;
- of 1,960 shuffled constructs and 392 reversed ones none is taken for a binder;
- of 2,100 proteins of a bacterium 9 are, eight of them by KH, S1 and cold-shock domains, which bacteria have.

A protein without any may still bind RNA: by a domain that no construct has. It cannot be predicted from these.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ribocyte import extras
from ribocyte.errors import DataError
from ribocyte.rna.proteins.sequences import Domain, Protein

E_VALUE = 1e-3
"""Domains as good as this that one unrelated protein has by chance, for each kind."""
_PURPOSE = "recognising domains"
_ROUNDS = 5
# Alignment to the profile, and a new profile of it. With whole clusters left out 39, 8, 6 and 4 of the 392 different
# constructs were missed after 1, 2, 3 and 5 rounds: a bad first alignment takes some to mend.


@dataclass(frozen=True, eq=False)
class DomainProfiles:
    """A profile for each kind of domain.

    Parameters
    ----------
    models : tuple of pyhmmer.plan7.HMM
        Named by the kind.
    """

    models: tuple[Any, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Name the kinds of domain there are profiles of."""
        return tuple(model.name for model in self.models)

    def to_bytes(self) -> bytes:
        """Write them as HMMER's own text, which its programs read too."""
        stream = io.BytesIO()
        for model in self.models:
            model.write(stream)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> DomainProfiles:
        """Read back what `to_bytes` gave.

        Raises
        ------
        DataError
            If it is no such text.
        """
        plan7 = extras.need("pyhmmer.plan7", "bio", _PURPOSE)
        try:
            with plan7.HMMFile(io.BytesIO(content)) as file:
                return cls(tuple(file))
        except (ValueError, EOFError) as error:
            raise DataError(f"domain profiles: {error}", expected="profiles in HMMER's format") from error


def build_profiles(proteins: Sequence[Protein]) -> DomainProfiles:
    """Build a profile of each kind of domain that proteins are known to have.

    The segments of a kind are aligned to a profile of the one of median length, and the profile is built anew
    of the alignment, five times. A single segment makes a profile as well, by BLOSUM62.

    Parameters
    ----------
    proteins : sequence of Protein
        With their domains; repeats count once.

    Raises
    ------
    DataError
        If none has a domain.
    RequestError
        If the extra [bio] is not installed.
    """
    segments: dict[str, dict[str, None]] = {}
    for protein in proteins:
        for kind, begin, end in protein.domains:
            segments.setdefault(kind, {})[protein.sequence[begin:end]] = None
    if not segments:
        raise DataError("domain profiles: no protein has a known domain", expected="one or more that have")
    return DomainProfiles(tuple(_build(kind, sorted(segments[kind], key=len)) for kind in sorted(segments)))


def recognise_domains(
    proteins: Sequence[Protein], profiles: DomainProfiles, e_value: float = E_VALUE
) -> list[tuple[Domain, ...]]:
    """Find the domains in proteins by their sequences alone; what is known of them is not looked at.

    Parameters
    ----------
    proteins : sequence of Protein
        Sequences.
    profiles : DomainProfiles
        What is looked for.
    e_value : float
        Largest E-value that counts, as for one protein and one kind.

    Returns
    -------
    list of tuple of Domain
        A tuple for each protein, in the order of its sequence; where two overlap the better one is kept. Empty
        where nothing is recognised.

    Raises
    ------
    RequestError
        If the extra [bio] is not installed.
    """
    hmmer = extras.need("pyhmmer.hmmer", "bio", _PURPOSE)
    found: list[list[tuple[float, Domain]]] = [[] for _ in proteins]
    if not proteins or not profiles.models:
        return [() for _ in proteins]
    # One protein's chance, however many are asked about: the database counts as one sequence.
    searches = hmmer.hmmsearch(
        profiles.models,
        _digitise([(str(number), protein.sequence) for number, protein in enumerate(proteins)]),
        cpus=1,
        Z=1,
        domZ=1,
        E=e_value,
        domE=e_value,
    )
    for model, hits in zip(profiles.models, searches, strict=True):
        for hit in hits.reported:
            found[int(hit.name)] += [
                (domain.i_evalue, Domain(model.name, domain.env_from - 1, domain.env_to))
                for domain in hit.domains.reported
            ]
    return [_keep_best(candidates) for candidates in found]


def with_domains(proteins: Sequence[Protein], known: Sequence[Protein]) -> list[Protein]:
    """Give proteins with the domains that are recognised in them, by profiles of the known ones' domains.

    Proteins that come with domains keep theirs, and those with the sequence of a known one get what is annotated of
    that. The profiles are built once in a process for the same `known`.

    Parameters
    ----------
    proteins : sequence of Protein
        As a FASTA file gives them.
    known : sequence of Protein
        With their domains; where none has any, nothing can be recognised.

    Raises
    ------
    RequestError
        If the extra [bio] is not installed.
    """
    annotated = {one.sequence: one.domains for one in reversed(known) if one.domains}
    if not annotated:
        return list(proteins)
    bare = [one for one in proteins if not one.domains and one.sequence not in annotated]
    found = recognise_domains(bare, _profiles(tuple(known))) if bare else []
    domains = annotated | {one.sequence: ones for one, ones in zip(bare, found, strict=True)}
    return [one if one.domains else replace(one, domains=domains[one.sequence]) for one in proteins]


@lru_cache(maxsize=4)
def _profiles(known: tuple[Protein, ...]) -> DomainProfiles:
    return build_profiles(known)


def _keep_best(candidates: list[tuple[float, Domain]]) -> tuple[Domain, ...]:
    """Leave out what overlaps a better domain by half, and let those that only touch end where the next begins."""
    kept: list[Domain] = []
    for _, domain in sorted(candidates):
        if all(2 * _overlap(domain, other) < min(_size(domain), _size(other)) for other in kept):
            kept.append(domain)
    kept.sort(key=lambda domain: domain.begin)
    ends = [min(domain.end, after.begin) for domain, after in itertools.pairwise(kept)] + [
        domain.end for domain in kept[-1:]
    ]
    return tuple(domain._replace(end=end) for domain, end in zip(kept, ends, strict=True))


def _overlap(one: Domain, other: Domain) -> int:
    return max(min(one.end, other.end) - max(one.begin, other.begin), 0)


def _size(domain: Domain) -> int:
    return domain.end - domain.begin


def _build(kind: str, segments: list[str]) -> Any:
    """Build one profile of segments sorted by length."""
    plan7 = extras.need("pyhmmer.plan7", "bio", _PURPOSE)
    hmmer = extras.need("pyhmmer.hmmer", "bio", _PURPOSE)
    block = _digitise([(f"{kind}_{number}", segment) for number, segment in enumerate(segments)])
    background = plan7.Background(block.alphabet)
    seed = block[len(block) // 2].copy()
    seed.name = kind
    model, _, _ = plan7.Builder(block.alphabet, seed=1).build(seed, background)
    for _ in range(_ROUNDS if len(segments) > 1 else 0):
        alignment = hmmer.hmmalign(model, block, digitize=True)
        alignment.name = kind
        # Without fragments: in a wide alignment every whole domain would pass for a piece of one. A builder of its
        # own: one that has built of a single sequence no longer weighs down the many relatives in an alignment.
        builder = plan7.Builder(block.alphabet, seed=1, fragthresh=0.0)
        model, _, _ = builder.build_msa(alignment, background)
    return model


def _digitise(named: Sequence[tuple[str, str]]) -> Any:
    easel = extras.need("pyhmmer.easel", "bio", _PURPOSE)
    alphabet = easel.Alphabet.amino()
    read = [
        easel.TextSequence(name=name, sequence=letters.replace("*", "X")).digitize(alphabet)
        for name, letters in named
    ]
    return easel.DigitalSequenceBlock(alphabet, read)
