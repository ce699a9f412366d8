"""Sites as rows on the genome: what a site is worth, and the BED and TSV files that say so."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO

from ribocyte.rna.accessibility import WINDOW, unpaired
from ribocyte.rna.scan.null import Null
from ribocyte.rna.scan.sites import Site
from ribocyte.rna.scan.targets import Letters, Target

AROUND = 7
"""Nucleotides to either side of a summit that a row spells."""
CORE = 3
"""Nucleotides to either side of a summit whose accessibility counts: 7 nt are what one domain binds, at most."""
SHUT = 0.001
"""Accessibility counts as this where it is smaller: folding energies tell no finer."""


BED_COLUMNS = (
    *("chrom", "chromStart", "chromEnd", "name", "score", "strand", "thickStart", "thickEnd"),
    *("itemRgb", "blockCount", "blockSizes", "blockStarts"),
)
EXTRA_COLUMNS = ("score", "fpr", "accessibility", "weighted")

SPOOLED = ".part"
"""Ending of the files of one strand."""


@dataclass(frozen=True)
class SiteRow:
    """A site on its contig; positions are 0-based and half-open, as in BED.

    Parameters
    ----------
    contig, start, end, name, gene, strand
        Where, and of which target.
    score : float
        Of its best window: a z-score of log intensity.
    fpr : float
        Share of windows of shuffled RNA that score as high: (r + 1) / (n + 1).
    summit : int
        The nucleotide on the contig that its windows agree on.
    windows : int
        How many were called.
    blocks : tuple of (int, int)
        Its intervals on the contig: several where it spans a junction.
    target_start, target_end, target_summit : int
        The same in the target, from its 5' end.
    rna : str
        The summit's surroundings, 5' to 3'.
    accessibility : float, optional
        Mean probability that the 7 nt around the summit are unpaired.
    weighted : float, optional
        The score with the accessibility as a weight: the log intensity plus the log of the accessibility, as
        a z-score. That is the predicted binding times the share of molecules that are open.
    """

    contig: str
    start: int
    end: int
    name: str
    gene: str
    strand: str
    score: float
    fpr: float
    summit: int
    windows: int
    blocks: tuple[tuple[int, int], ...]
    target_start: int
    target_end: int
    target_summit: int
    rna: str
    accessibility: float | None = None
    weighted: float | None = None


def place(site: Site, target: Target, letters: Letters, null: Null) -> SiteRow:
    """Lift a site to its contig."""
    blocks = target.lift(site.start, site.end)
    return SiteRow(
        contig=target.contig,
        start=blocks[0][0],
        end=blocks[-1][1],
        name=target.name,
        gene=target.gene,
        strand=target.strand,
        score=site.score,
        fpr=float(null.rate(site.score)),
        summit=target.lift(site.summit, site.summit + 1)[0][0],
        windows=site.windows,
        blocks=blocks,
        target_start=site.start,
        target_end=site.end,
        target_summit=site.summit,
        rna=target.read(letters, site.summit - AROUND, site.summit + AROUND + 1),
    )


def measure_accessibility(site: Site, target: Target, letters: Letters) -> float:
    """Give the mean probability that the 7 nt around a site's summit are unpaired in the target's own RNA."""
    low, high = max(site.summit - CORE, 0), min(site.summit + CORE + 1, target.length)
    start = max(low - WINDOW, 0)
    folded = unpaired(target.read(letters, start, high + WINDOW))
    return float(folded[low - start : high - start].mean())


def weigh(score: float, accessibility: float, deviation: float) -> float:
    """Give the z-score of a log intensity once the share of open molecules is a factor of the intensity.

    Parameters
    ----------
    score : float
        A z-score of log intensity.
    accessibility : float
        From 0 to 1.
    deviation : float
        Standard deviation of the log intensities that the z-scores are of.
    """
    return score + math.log(max(accessibility, SHUT)) / deviation


class SiteFile:
    """Writes rows of one strand, ascending, for `merge_sites` to read. Use it as a context manager."""

    def __init__(self, folder: Path, strand: str) -> None:
        self._stream = (folder / f"sites{strand}{SPOOLED}").open("w")

    def __enter__(self) -> SiteFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def add(self, rows: Iterable[SiteRow]) -> None:
        """Write rows."""
        self._stream.writelines("\t".join(_cells(row).values()) + "\n" for row in rows)


def merge_sites(folder: Path, contigs: Iterable[str], accessibility: bool) -> None:
    """Merge the rows of both strands into ``sites.bed`` and ``sites.tsv``, ordered along the contigs.

    ``sites.bed`` is BED12 with the raw score and the false-positive rate (and the accessibility and weighted score)
    after it: browsers draw the summit thick, the junctions as gaps, and shade by column 5, -100 log10 of the
    rate.
    """
    files = sorted(folder.glob(f"*{SPOOLED}"))
    order = {contig: number for number, contig in enumerate(contigs)}
    shown = [field.name for field in fields(SiteRow)][: None if accessibility else -2]
    extra = EXTRA_COLUMNS[: None if accessibility else 2]
    with ExitStack() as stack:
        streams = [stack.enter_context(path.open()) for path in files]
        bed, tsv = (stack.enter_context((folder / name).open("w")) for name in ("sites.bed", "sites.tsv"))
        bed.write("\t".join(["#chrom", *BED_COLUMNS[1:], "rawScore", *extra[1:]]) + "\n")
        tsv.write("\t".join(shown) + "\n")
        for row in heapq.merge(
            *map(_read, streams), key=lambda row: (order[row["contig"]], int(row["start"]))
        ):
            bed.write("\t".join([*_bed(row), *(row[name] for name in extra)]) + "\n")
            tsv.write("\t".join(row[name] for name in shown) + "\n")
    for path in files:
        path.unlink()


def _cells(row: SiteRow) -> dict[str, str]:
    cells = {field.name: str(getattr(row, field.name)) for field in fields(SiteRow)}
    cells |= {"score": f"{row.score:.4f}", "fpr": f"{row.fpr:.3g}"}
    cells["blocks"] = ",".join(f"{start}-{end}" for start, end in row.blocks)
    for name in ("accessibility", "weighted"):
        value = getattr(row, name)
        cells[name] = "" if value is None else f"{value:.4f}"
    return cells


def _read(stream: IO[str]) -> Iterator[Mapping[str, str]]:
    names = [field.name for field in fields(SiteRow)]
    for line in stream:
        yield dict(zip(names, line.rstrip("\n").split("\t"), strict=True))


def _bed(row: Mapping[str, str]) -> list[str]:
    start, summit = int(row["start"]), int(row["summit"])
    blocks = [tuple(map(int, block.split("-"))) for block in row["blocks"].split(",")]
    shade = min(round(-100 * math.log10(float(row["fpr"]))), 1000)
    sizes = ",".join(str(high - low) for low, high in blocks)
    starts = ",".join(str(low - start) for low, _ in blocks)
    columns = [row["contig"], start, row["end"], row["name"], shade, row["strand"], summit, summit + 1, 0]
    return [*map(str, columns), str(len(blocks)), sizes, starts]
