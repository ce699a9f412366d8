"""Many rows of a VCF scored together: what is read for each, and what comes of it, in the order of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ribocyte.rna.variants.alleles import LONGEST, Skip, read_allele
from ribocyte.rna.variants.effects import Effect, Scorer, measure_effects
from ribocyte.rna.variants.readings import Reader, Reading
from ribocyte.rna.variants.rows import Row
from ribocyte.rna.variants.sites import Namer, Site, name_sites
from ribocyte.rna.variants.verdicts import Scored, Verdict

WINDOWS_TOGETHER = 1 << 16
"""Windows scored at a time: so many that neighbouring variants share some, so few that memory stays flat."""
ROWS_TOGETHER = 1 << 12

Result = tuple[Effect, tuple[Site | None, Site | None]]


@dataclass(frozen=True)
class Plan:
    """A row, and for each of its ALTs where it is read, or why it is not."""

    row: Row
    alleles: tuple[Skip | list[Reading], ...]

    @property
    def readings(self) -> list[Reading]:
        """All readings of all ALTs."""
        return [one for allele in self.alleles if not isinstance(allele, Skip) for one in allele]

    @property
    def windows(self) -> int:
        """How many windows are to be scored."""
        loci = [reading.locus for reading in self.readings]
        return sum(len(locus.windows_before) + len(locus.windows_after) for locus in loci)


def plan_row(row: Row, reader: Reader, longest: int = LONGEST) -> Plan:
    """Find out where each ALT of a row is read."""
    return Plan(row, tuple(_plan_allele(row, one, reader, longest) for one in row.alternatives))


def score_rows(
    rows: Iterable[Row],
    reader: Reader,
    scorer: Scorer,
    namer: Namer,
    named: float = 1.0,
    longest: int = LONGEST,
) -> Iterator[tuple[Row, tuple[Verdict, ...]]]:
    """Score a stream of rows in flat memory.

    Parameters
    ----------
    rows : iterable of Row
    reader : Reader
        Finds the RNAs that each change is read in.
    scorer : Scorer
        Of windows of the reader's length.
    namer : Namer
        Names the sites of losses and gains of `named` and more; 0 names none.
    named : float
    longest : int
        Longer alleles are skipped.

    Yields
    ------
    (Row, tuple of Verdict)
        Every row, in order, with one verdict an ALT.
    """
    for plans in _portions(plan_row(row, reader, longest) for row in rows):
        loci = [reading.locus for plan in plans for reading in plan.readings]
        effects = measure_effects(scorer, loci)
        sites = name_sites(namer, loci, effects, scorer.length, named)
        scored = iter(zip(effects, sites, strict=True))
        for plan in plans:
            yield plan.row, tuple(_judge(allele, scored) for allele in plan.alleles)


def _plan_allele(row: Row, alternative: str, reader: Reader, longest: int) -> Skip | list[Reading]:
    change = read_allele(reader.genome, row.contig, row.position, row.reference, alternative, longest)
    return change if isinstance(change, Skip) else reader.read(change)


def _portions(plans: Iterable[Plan]) -> Iterator[list[Plan]]:
    portion, windows = list[Plan](), 0
    for plan in plans:
        portion.append(plan)
        windows += plan.windows
        if windows >= WINDOWS_TOGETHER or len(portion) == ROWS_TOGETHER:
            yield portion
            portion, windows = [], 0
    if portion:
        yield portion


def _judge(allele: Skip | Sequence[Reading], scored: Iterator[Result]) -> Verdict:
    if isinstance(allele, Skip):
        return Verdict(skip=allele)
    found = []
    for reading in allele:
        effect, (lost, gained) = next(scored)
        found.append(Scored(reading, effect, lost, gained))
    return Verdict(scored=tuple(found))
