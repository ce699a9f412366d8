"""A score for every nucleotide, and the files that a genome browser draws it from: bedGraph and bigWig."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ribocyte.errors import DiskError
from ribocyte.extras import need
from ribocyte.rna.scan.targets import Locus
from ribocyte.rna.scan.tiles import Part, Tiling
from ribocyte.rna.windows import Scores

DECIMALS = 4
"""Of a score in a track: far below what a network can tell, and neighbours that agree become one interval."""


def average(part: Part, scores: Scores, tiling: Tiling) -> NDArray[np.float32]:
    """Give each nucleotide of a part the mean score of the windows that cover it.

    The mean, not the maximum: a site lifts all windows that hold it, and the mean is highest where most of them
    overlap, at the site; the maximum would be as high a whole window's length to either side.

    Parameters
    ----------
    part : Part
        Which nucleotides.
    scores : numpy array, shape (last - read_from,)
        Of its windows, as `ribocyte.rna.scan.tiles.score_parts` gives them.
    tiling : Tiling
        How the windows lie.

    Returns
    -------
    numpy array, shape (end - start,), float32
        5' to 3' in the target; NaN where no window that covers the nucleotide was scored.
    """
    reach, stride = tiling.reach, tiling.stride
    steps = -(-(part.end - part.start) // stride)
    # Window number first - reach + 1 + i, and NaN where there is no such window.
    laid = np.full(reach - 1 + steps, np.nan)
    skipped = part.read_from - (part.first - reach + 1)
    laid[skipped : skipped + len(scores)] = scores
    known, filled = ~np.isnan(laid), np.nan_to_num(laid)
    total, count = np.zeros((steps, stride)), np.zeros((steps, stride))
    for back in range(reach):  # the window that began `back` strides earlier covers the first few of a stride
        covered, of = (
            min(tiling.length - back * stride, stride),
            slice(reach - 1 - back, reach - 1 - back + steps),
        )
        total[:, :covered] += filled[of, None]
        count[:, :covered] += known[of, None]
    with np.errstate(invalid="ignore"):  # 0 / 0 where nothing was scored
        return (total / count).ravel()[: part.end - part.start].astype(np.float32)


class Track:
    """Writes one strand's track as bedGraph while it comes, and as bigWig once it is whole.

    Use it as a context manager. What is added must ascend and not overlap; contigs come one after the other.

    Parameters
    ----------
    path : Path
        Without its ending: ``.bedgraph`` and ``.bw`` are added.
    """

    def __init__(self, path: Path) -> None:
        self.bedgraph, self.bigwig = (path.with_name(path.name + end) for end in (".bedgraph", ".bw"))
        self._stream: IO[bytes] = self.bedgraph.open("wb")
        self._last: tuple[str, int, int, float] | None = None
        self.intervals = 0

    def __enter__(self) -> Track:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def add(self, contig: str, start: int, values: NDArray[np.float32]) -> None:
        """Add values (nt,) from `start` on; NaN leaves a gap."""
        # Adding zero turns -0 into 0, which would be written otherwise.
        starts, ends, runs = _runs(np.asarray(values, dtype=np.float64).round(DECIMALS) + 0.0)
        if len(runs) == 0:
            return
        starts, ends = starts + start, ends + start
        if self._last is not None and (contig, starts[0], runs[0]) == (self._last[0], *self._last[2:]):
            starts[0] = self._last[1]  # one run, wherever the parts of the scan meet
        elif self._last is not None:
            self._write([self._last[0]], *([item] for item in self._last[1:]))
        self._write([contig] * (len(runs) - 1), starts[:-1], ends[:-1], runs[:-1])
        self._last = (contig, int(starts[-1]), int(ends[-1]), float(runs[-1]))

    def finish(self, contigs: Mapping[str, int]) -> list[Path]:
        """Write the rest, and the bigWig with the contigs' lengths. A track of nothing has no bigWig.

        Raises
        ------
        RequestError
            If pybigtools is not installed.
        DiskError
            If the bigWig cannot be written.
        """
        if self._last is None:
            return [self.bedgraph]
        self._write([self._last[0]], *([item] for item in self._last[1:]))
        self._stream.close()
        pybigtools = need("pybigtools", "bio", "writing a bigWig")
        try:
            pybigtools.open(os.fspath(self.bigwig), "w").write(dict(contigs), read_bedgraph(self.bedgraph))
        except (pybigtools.BBIReadError, OSError) as error:
            raise DiskError(
                f"{self.bigwig}: could not be written: {error}", mend="free some space"
            ) from error
        return [self.bedgraph, self.bigwig]

    def _write(self, contig: list[str], start: object, end: object, value: object) -> None:
        rows = pl.DataFrame({"contig": contig, "start": start, "end": end, "value": value})
        text = rows.write_csv(
            separator="\t", include_header=False, quote_style="never", float_precision=DECIMALS
        )
        self._stream.write(text.encode())
        self.intervals += rows.height


class Canvas:
    """Puts the values of a locus's targets on a track: where targets share a nucleotide, the highest.

    Parameters
    ----------
    locus : Locus
        Its span is held in memory only where it has several targets, or a spliced one.
    track : Track
        Of its strand.
    """

    def __init__(self, locus: Locus, track: Track) -> None:
        self.locus, self.track = locus, track
        self._values = None if locus.streams else np.full(locus.end - locus.start, np.nan, dtype=np.float32)

    def add(self, part: Part, values: NDArray[np.float32]) -> None:
        """Add the values of a part, 5' to 3' in its target."""
        left = values if part.target.strand == "+" else values[::-1]
        for low, high in part.target.lift(part.start, part.end):
            here, left = left[: high - low], left[high - low :]
            if self._values is None:
                self.track.add(self.locus.contig, low, here)
            else:
                there = self._values[low - self.locus.start : high - self.locus.start]
                np.fmax(there, here, out=there)

    def finish(self) -> None:
        """Hand over what was held."""
        if self._values is not None:
            self.track.add(self.locus.contig, self.locus.start, self._values)


def read_bedgraph(path: Path) -> Iterator[tuple[str, int, int, float]]:
    """Read what a `Track` wrote: contig, start, end (0-based, half-open) and value."""
    with path.open() as lines:
        for line in lines:
            contig, start, end, value = line.rstrip("\n").split("\t")
            yield contig, int(start), int(end), float(value)


def _runs(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Give starts, ends and values of the runs of equal values, those of NaN left out."""
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1  # NaN differs from NaN: gaps fall apart, and away
    starts = np.concatenate([[0], edges]).astype(np.int64)
    ends = np.concatenate([edges, [len(values)]]).astype(np.int64)
    known = ~np.isnan(values[starts])
    return starts[known], ends[known], values[starts[known]]
