"""Along all targets, part by part: their windows' scores become a track and sites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ribocyte.rna.scan.sites import Site, SiteCaller
from ribocyte.rna.scan.targets import Letters, Locus
from ribocyte.rna.scan.tiles import TOGETHER, Part, Scorer, Tiling, cut_parts, score_parts
from ribocyte.rna.scan.tracks import average


@dataclass(frozen=True, eq=False)
class Step:
    """What one part of a target gave.

    Parameters
    ----------
    part : Part
        Which.
    windows, unscored : int
        Its own windows, and how many of them were not scored for their N.
    values : numpy array, shape (part.end - part.start,), float32
        Its track, 5' to 3' in the target.
    sites : tuple of Site
        Those of the target that are whole by now, and were not given before; ascending on the contig.
    """

    part: Part
    windows: int
    unscored: int
    values: NDArray[np.float32]
    sites: tuple[Site, ...]


def walk(
    loci: Iterable[Locus],
    letters: Letters,
    scorer: Scorer,
    tiling: Tiling,
    threshold: float,
    together: int = TOGETHER,
) -> Iterator[Step]:
    """Scan loci in their order.

    Parameters
    ----------
    loci : iterable of Locus
        As `ribocyte.rna.scan.targets.arrange` orders them.
    letters : Letters
        Where their RNA is read.
    scorer, tiling
        The model, and how windows lie.
    threshold : float
        A window that scores more is called.
    together : int
        Windows scored at a time. The result depends on it as a network's output depends on the size of a batch:
        by rounding at most.

    Yields
    ------
    Step
        Target by target; of a target on the minus strand the 3' end comes first, so that positions on the contig
        ascend.
    """
    caller: SiteCaller | None = None
    for part, scores in score_parts(cut_parts(loci, tiling, together), letters, scorer, tiling, together):
        if caller is None or caller.target is not part.target:
            caller = SiteCaller(part.target, tiling, threshold)
        sites = caller.add(part, scores)
        if part.ends_target:
            sites += caller.finish()
        own = scores[part.first - part.read_from :]
        unscored = int(np.isnan(own).sum())
        yield Step(part, len(own), unscored, average(part, scores, tiling), tuple(sites))
