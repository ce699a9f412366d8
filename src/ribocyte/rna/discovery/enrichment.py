"""Motifs from k-mers: those of the sequences that a model predicts to bind, aligned as RNAcompete does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ribocyte.errors import DataError
from ribocyte.rna.alphabet import PADDING
from ribocyte.rna.discovery.alignment import group_words, lay_out
from ribocyte.rna.discovery.motif import Aligned, Probes, count_bases
from ribocyte.rna.kmers import score_kmers

ALIGNED = 10
"""K-mers a motif is made of: Ray et al. 2013 align the ten best 7-mers."""
CONSIDERED = 100
"""K-mers, the best ones, in which further motifs are looked for."""
FEWEST_KMERS = 3
"""A motif is what several k-mers have in common."""


def find_by_kmers(probes: Probes, k: int = 7) -> Iterator[Aligned]:
    """Align the k-mers that score highest by the model's predictions.

    A k-mer's score is RNAcompete's Z-score (`ribocyte.rna.kmers.score_kmers`), of predictions where Ray et al.
    (2013) have intensities. The ten best that align to the best one make the first motif; of what does not align
    to it, the best makes the next.

    Parameters
    ----------
    probes : Probes
        Sequences, and what the model predicts for them.
    k : int
        Length of the k-mers in nt.

    Yields
    ------
    Aligned
        Those of the strongest k-mers first.

    Raises
    ------
    DataError
        If no sequence holds a k-mer of this length.
    """
    scores = score_kmers(probes.tokens, probes.outputs, k)
    known = np.flatnonzero(~np.isnan(scores))
    if len(known) == 0:
        raise DataError(
            f"{len(probes)} sequences: none holds a {k}-mer of A, C, G, U", expected=f"{k} nt or more in one"
        )
    best = known[np.argsort(-scores[known], kind="stable")][:CONSIDERED]
    words = (best[:, None] >> 2 * np.arange(k)[::-1] & 3).astype(np.uint8)
    groups = [group for group in group_words(words) if len(group.members) >= FEWEST_KMERS]
    for number, group in enumerate(groups, start=1):
        members = group.members[:ALIGNED]
        counts = count_bases(lay_out(words[members], group.offsets[:ALIGNED], PADDING))
        # What a k-mer does not reach may be any base: a column that few reach tells little.
        counts += (len(members) - counts.sum(axis=1, keepdims=True)) / 4
        yield Aligned(str(number), counts, len(members))
