"""Which known motif a found one is: Tomtom's p-values and false discovery rates."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from ribocyte.errors import DataError
from ribocyte.extras import need
from ribocyte.rna.discovery.motif import Array, FoundMotif, spell

FEW = 25
"""Fewer known motifs than this are too few for p-values: their columns are what chance is estimated from."""
SCHEMA = {
    "motif": pl.String,
    "target": pl.String,
    "p": pl.Float64,
    "q": pl.Float64,
    "offset": pl.Int64,
    "overlap": pl.Int64,
    "rank": pl.Int64,
    "target_consensus": pl.String,
}


def match_motifs(found: Sequence[FoundMotif], known: Mapping[str, Array]) -> pl.DataFrame:
    """Compare found motifs with known ones, as Tomtom does (Gupta et al. 2007).

    RNA has one strand: a motif is never compared with a reverse complement. The comparison is memelite's,
    without its approximation of similar columns.

    Parameters
    ----------
    found : sequence of FoundMotif
        What was found.
    known : mapping of str to numpy array, shape (L, 4)
        Probabilities of A, C, G, U by name, as `ribocyte.rna.meme.read_motifs` gives them. Columns of fewer than
        `FEW` motifs are a poor estimate of chance.

    Returns
    -------
    DataFrame
        A row for every pair, the motifs in their order and the best match of each first: ``motif``, ``target``;
        ``p``, that a random motif matches the target as well; ``q``, the false discovery rate among the targets
        (Benjamini & Hochberg 1995), as MEME's Tomtom has it; ``offset``, the position in the target, from 0, that
        the motif begins at, negative where it begins before; ``overlap`` in nt; ``rank``, from 1;
        ``target_consensus``.

    Raises
    ------
    DataError
        If there is no known motif.
    """
    if not known:
        raise DataError("known motifs: none", expected="one or more to compare with")
    if not found:
        return pl.DataFrame(schema=SCHEMA)
    names, matrices = list(known), [np.asarray(pwm, dtype=np.float64) for pwm in known.values()]
    consensus = [spell(pwm) for pwm in matrices]
    p, offset, overlap = _tomtom([motif.pwm for motif in found], matrices)
    tables = []
    for row, motif in enumerate(found):
        order = np.lexsort((-overlap[row], p[row]))
        columns = {
            "motif": [motif.name] * len(names),
            "target": [names[i] for i in order],
            "p": p[row][order],
            "q": false_discovery_rates(p[row])[order],
            "offset": offset[row][order],
            "overlap": overlap[row][order],
            "rank": np.arange(1, len(names) + 1),
            "target_consensus": [consensus[i] for i in order],
        }
        tables.append(pl.DataFrame(columns, schema=SCHEMA))
    return pl.concat(tables)


def false_discovery_rates(p: Array) -> Array:
    """Turn p-values (N,) into q-values: the false discovery rate if this one and all below are accepted.

    Benjamini & Hochberg 1995.
    """
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    rates = np.empty(len(p))
    rates[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return rates


def _tomtom(queries: Sequence[Array], targets: Sequence[Array]) -> tuple[Array, Array, Array]:
    """Give p-value, offset and overlap of every pair (Q, T)."""
    memelite = need("memelite", "bio", "matching motifs")
    with warnings.catch_warnings():  # few targets: the caller is told by `FEW`
        warnings.filterwarnings("ignore", message="tomtom was given .* target motifs", category=UserWarning)
        p, _, offset, overlap, _ = memelite.tomtom(
            [np.ascontiguousarray(pwm.T) for pwm in queries],
            [np.ascontiguousarray(pwm.T) for pwm in targets],
            reverse_complement=False,
            n_target_bins=None,
        )
    return p.clip(0.0, 1.0), offset, overlap
