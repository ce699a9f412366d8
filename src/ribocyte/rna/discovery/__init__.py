"""Motifs from a trained model, found in four ways and compared with known ones.

``kmers``
    The k-mers whose sequences are predicted to be bound best, aligned: RNAcompete's way, with predictions in the
    place of measurements. The first choice: on real A1CF data its first motif is the measured one for every
    architecture, and it needs nothing but predictions.
``seqlets``
    What substitutions cost, cut out and aligned: also finds what only some of the sequences hold.
``modisco``
    The same, clustered by TF-MoDISco.
``filters``
    What excites the filters of the first convolution. A deep network spreads a motif over several of them, so
    they look less like the protein's motif than the others do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from torch import Tensor

from ribocyte.errors import RequestError, suggest
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.discovery.enrichment import find_by_kmers
from ribocyte.rna.discovery.filters import find_by_filters
from ribocyte.rna.discovery.matching import match_motifs
from ribocyte.rna.discovery.modisco import find_by_modisco
from ribocyte.rna.discovery.motif import Aligned, FoundMotif, Probes, make_motif
from ribocyte.rna.discovery.mutants import Mutants, mutate
from ribocyte.rna.discovery.seqlets import find_by_seqlets
from ribocyte.rna.importance import measure

__all__ = [
    "DEFAULT_METHODS",
    "METHODS",
    "FoundMotif",
    "Mutants",
    "Probes",
    "check_methods",
    "discover",
    "find_by_filters",
    "find_by_kmers",
    "find_by_modisco",
    "find_by_seqlets",
    "match_motifs",
    "mutate",
]

METHODS = ("kmers", "seqlets", "modisco", "filters")
"""What motifs can be found by."""
DEFAULT_METHODS = ("kmers", "seqlets")
"""What they are found by where nobody asks: both together take the time of the substitutions."""
Report = Callable[[str], None]
"""Called with what is being done."""


def discover(
    model: Predictor,
    probes: Probes,
    mutants: Mutants,
    contexts: Tensor,
    *,
    output: int = 0,
    methods: Sequence[str] = DEFAULT_METHODS,
    k: int = 7,
    top: int = 5,
    report: Report | None = None,
) -> list[FoundMotif]:
    """Find motifs in a trained model.

    Parameters
    ----------
    model : Predictor
        Reads RNA.
    probes : Probes
        Sequences, best ones not trained on, and what the model predicts for them.
    mutants : Mutants
        Some of them with every substitution; see `mutate`.
    contexts : Tensor, uint8, shape (C, L)
        What each motif's best site is put into, to score it; see `ribocyte.rna.importance.draw_contexts`.
    output : int
        Which of the network's outputs.
    methods : sequence of str
        Of `METHODS`, in the order wanted.
    k : int
        Length of the k-mers and of the words that seqlets are aligned by, nt.
    top : int
        Motifs to give at most, for each method.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    list of FoundMotif
        Method by method, the one with the most evidence first. The first of all is the one to look at.

    Raises
    ------
    RequestError
        For an unknown method.
    DataError
        If the sequences are too short for k-mers.
    ModelError
        If filters are asked of a network that has none to read.
    """
    check_methods(methods)
    found = []
    for method in methods:
        if report:
            report(f"motifs by {method}")
        made = (make_motif(method, aligned) for aligned in _find(method, model, probes, mutants, k))
        found += list(islice((motif for motif in made if motif is not None), top))
    return [
        replace(motif, score=float(measure(model, contexts, motif.best_site, output=output).mean()))
        for motif in found
    ]


def check_methods(methods: Sequence[str]) -> None:
    """Refuse methods that are unknown, asked for twice, or none at all.

    Raises
    ------
    RequestError
        For any of these.
    """
    for method in methods:
        if method not in METHODS:
            raise RequestError(
                f"method {method!r}: unknown", expected=", ".join(METHODS), mend=suggest(method, METHODS)
            )
    if not methods or len(set(methods)) < len(methods):
        raise RequestError(
            f"methods {', '.join(methods)!r}", expected=f"each of {', '.join(METHODS)} once at most"
        )


def _find(method: str, model: Predictor, probes: Probes, mutants: Mutants, k: int) -> Iterator[Aligned]:
    match method:
        case "kmers":
            return find_by_kmers(probes, k)
        case "seqlets":
            return find_by_seqlets(mutants.tokens, mutants.effects, k)
        case "modisco":
            return find_by_modisco(mutants.tokens, mutants.effects)
        case _:
            return find_by_filters(model, probes)
