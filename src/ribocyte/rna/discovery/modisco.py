"""Motifs by TF-MoDISco (Shrikumar et al. 2018): seqlets clustered by what they contribute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.extras import need
from ribocyte.rna.alphabet import PADDING, UNKNOWN
from ribocyte.rna.discovery.alignment import cut_out
from ribocyte.rna.discovery.motif import FEWEST, Aligned, Codes, count_bases

Tracks = NDArray[np.float32]

CORE = 9
"""Nucleotides that a seqlet is called by; TF-MoDISco's 21 are meant for DNA, where motifs are longer."""
FLANK = 4
"""Nucleotides on either side that are aligned with them."""
PASSING = 0.1
"""Share of the windows that seqlets are called in. TF-MoDISco would choose it by a false discovery rate, against a
background that short probes, which are mostly site, do not have."""
RUNS = 3
"""Clusterings, of which the best is taken; TF-MoDISco's 50 take minutes and change little here."""
_WHISPER = np.float32(1e-6)
"""Of the largest contribution."""
_EDGE = 2 * FLANK + CORE
"""Zeros put at either end: TF-MoDISco calls no seqlet that reaches beyond the sequence."""


def find_by_modisco(tokens: Tensor, effects: Tensor) -> Iterator[Aligned]:
    """Cluster what predictions rest on, by modisco-lite.

    modisco-lite reads DNA: it may put a seqlet and the reverse complement of another into one pattern. RNA has one
    strand, so the seqlets that a pattern reads forward and those that it reads backward make two motifs here, each
    counted in the direction in which the RNA is written.

    Parameters
    ----------
    tokens : Tensor, uint8, shape (M, L)
        The sequences that were attributed.
    effects : Tensor, shape (M, 4, L)
        Mutant minus original, as `ribocyte.rna.attribution.mutagenesis` gives them.

    Yields
    ------
    Aligned
        Patterns of `FEWEST` seqlets or more, the largest first; none where TF-MoDISco finds none, for which it
        wants a hundred seqlets.
    """
    one_hot, hypothetical = make_tracks(tokens, effects)
    if len(tokens) < FEWEST or not hypothetical.any():
        return
    letters = np.pad(tokens.cpu().numpy(), ((0, 0), (_EDGE, _EDGE)), constant_values=PADDING)
    patterns = _cluster(one_hot, hypothetical)
    for number, sites in enumerate(sorted(_strands(patterns, letters), key=len, reverse=True), start=1):
        if len(sites) >= FEWEST:
            yield Aligned(str(number), count_bases(sites), len(sites))


def _cluster(one_hot: Tracks, hypothetical: Tracks) -> list[Any]:
    """Give TF-MoDISco's patterns."""
    run = need("modiscolite.tfmodisco", "bio", "TF-MoDISco").TFMoDISco
    with np.errstate(invalid="ignore"):  # it divides by the bases of a column that holds padding alone
        patterns, _ = run(
            one_hot,
            _whisper(one_hot, hypothetical),
            sliding_window_size=CORE,
            flank_size=FLANK,
            trim_to_window_size=CORE + 2,
            initial_flank_to_add=3,
            min_passing_windows_frac=PASSING,
            max_passing_windows_frac=PASSING,
            n_leiden_runs=RUNS,
        )
    return patterns or []


def _whisper(one_hot: Tracks, hypothetical: Tracks) -> Tracks:
    """Fill what is no nucleotide with noise too small to count.

    TF-MoDISco divides by all that two stretches contribute, and fails where neither contributes anything, as
    beyond the end of a short sequence or within a run of N.
    """
    random = np.random.default_rng(0)
    noise = (
        random.standard_normal(hypothetical.shape).astype(np.float32) * _WHISPER * np.abs(hypothetical).max()
    )
    return np.where(one_hot.any(axis=2, keepdims=True), hypothetical, noise)


def make_tracks(tokens: Tensor, effects: Tensor) -> tuple[Tracks, Tracks]:
    """Write sequences and hypothetical contributions as TF-MoDISco takes them.

    A base's hypothetical contribution is its effect above the mean of all four at its position, so the base that
    is there has minus the mean loss over its substitutions, by three quarters.

    Returns
    -------
    one_hot, hypothetical : numpy arrays, float32, shape (M, L + 2 * edge, 4)
        Zero at N and at padding.
    """
    rows = tokens.cpu().numpy()
    one_hot = (rows[:, :, None] == np.arange(4)).astype(np.float32)
    centred = (effects - effects.mean(dim=1, keepdim=True)).float().cpu().numpy().transpose(0, 2, 1)
    hypothetical = np.where((rows < UNKNOWN)[:, :, None], centred, np.float32(0))
    edges = ((0, 0), (_EDGE, _EDGE), (0, 0))
    return np.pad(one_hot, edges), np.pad(hypothetical, edges)


def _strands(patterns: list[Any], letters: Codes) -> list[Codes]:
    """Cut the seqlets of each pattern out of the sequences as they are written, by the strand it reads them on."""
    windows = []
    for pattern in patterns:
        for reverse in (False, True):
            seqlets = [seqlet for seqlet in pattern.seqlets if seqlet.is_revcomp is reverse]
            if seqlets:
                rows = np.array([seqlet.example_idx for seqlet in seqlets])
                starts = np.array([seqlet.start for seqlet in seqlets])
                width = seqlets[0].end - seqlets[0].start
                windows.append(cut_out(letters[rows], starts, width, PADDING))
    return windows
