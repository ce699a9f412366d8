"""The RNA around a change, before and after it, and the windows that cover the change."""

from __future__ import annotations

from dataclasses import dataclass

from ribocyte.rna.genes import Transcript
from ribocyte.rna.genome import Genome, reverse_complement
from ribocyte.rna.variants.alleles import Change, count_common


@dataclass(frozen=True)
class Windows:
    """Windows that begin at every position from `first` to `last`, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Locus:
    """The RNA around a change, before and after it: as much as the windows that cover the change read.

    An insertion or deletion in a repeat can be written in several places: the changed stretch is all of them, so
    that effects do not depend on which was chosen (a repeat longer than a window is followed that far).

    Parameters
    ----------
    rna : Transcript
        What is read.
    offset : int
        Where in the RNA, from 0, `before` and `after` begin.
    before, after : str
        RNA letters, 5′ to 3′.
    changed : (int, int)
        The changed stretch of `before`, half-open; empty for an insertion outside of a repeat.
    shift : int
        How much longer the change makes the RNA.
    windows_before, windows_after : Windows
        Those that cover the changed stretch, or, where nothing is left of it, both its neighbours. At the end of
        an RNA where there is none, the last window stands in; an RNA shorter than a window is one window, padded.
    length : int
        Of a window, in nt.
    """

    rna: Transcript
    offset: int
    before: str
    after: str
    changed: tuple[int, int]
    shift: int
    windows_before: Windows
    windows_after: Windows
    length: int

    def reads_like(self, other: Locus) -> bool:
        """Say whether the windows of both are the same, letter by letter."""
        return self._letters == other._letters

    def changed_after(self) -> tuple[int, int]:
        """Give the changed stretch of `after`."""
        return self.changed[0], self.changed[1] + self.shift

    def place(self, start: int, stop: int, *, after: bool = False) -> int:
        """Give the leftmost position in the genome, from 0, of a stretch of `before` or `after`.

        Nucleotides that the change brought lie where those they replace lay; where there were none, at the
        neighbour to the left, as in a VCF.
        """
        ends = (start, stop - 1)
        if after:
            ends = self._back(start), self._back(stop - 1)
        return min(self.rna.to_genome(self.offset + end) for end in ends)

    @property
    def _letters(self) -> tuple[object, ...]:
        return self.before, self.after, self.windows_before, self.windows_after

    def _back(self, position: int) -> int:
        """Turn a position in `after` into one in `before`."""
        start, stop = self.changed
        if position < start:
            return position
        if position >= stop + self.shift:
            return position - self.shift
        if start == stop:  # the neighbour that is to the left in the genome, as in a VCF
            neighbour = start - 1 if self.rna.strand == "+" else start
            return min(max(neighbour, 0), len(self.before) - 1)
        return min(position, stop - 1)


def find_locus(rna: Transcript, change: Change, genome: Genome, length: int) -> Locus | None:
    """Cut out the RNA around a change, as far as windows of `length` nt that cover the change reach.

    Parameters
    ----------
    rna : Transcript
        One of its exons holds all that the change touches.
    change : Change
    genome : Genome
    length : int
        Of a window, in nt.

    Returns
    -------
    Locus or None
        None where nothing of the RNA is left.
    """
    start, stop, inserted = _orient(rna, change)
    if len(rna) - (stop - start) + len(inserted) == 0:
        return None
    indel = (start == stop) != (not inserted)
    flank = 2 * length if indel else length
    low, high = max(start - flank, 0), min(stop + flank, len(rna))
    before = rna.fetch(genome, low, high)
    after = before[: start - low] + inserted + before[stop - low :]
    first, last = _places(before, after, start - low, length) if indel else (start - low, start - low)
    changed = first, last + stop - start
    shift = len(inserted) - (stop - start)
    return _cut(rna, low, before, after, changed=changed, shift=shift, length=length)


def _orient(rna: Transcript, change: Change) -> tuple[int, int, str]:
    """Write a change as the RNA has it: start, stop and the inserted letters, 5′ to 3′."""
    forward = rna.strand == "+"
    inserted = change.inserted if forward else reverse_complement(change.inserted)
    if change.start < change.stop:
        start = rna.to_rna(change.start if forward else change.stop - 1)
        assert start is not None, "the change lies in an exon"
        return start, start + change.stop - change.start, inserted
    # An insertion lies between two nucleotides; at an end of the RNA only one of them is there.
    left, right = rna.to_rna(change.start - 1), rna.to_rna(change.start)
    upstream, downstream = (left, right) if forward else (right, left)
    if downstream is not None:
        return downstream, downstream, inserted
    assert upstream is not None, "the insertion lies beside an exon's nucleotide"
    return upstream + 1, upstream + 1, inserted


def _places(before: str, after: str, start: int, limit: int) -> tuple[int, int]:
    """Give the first and last place where an insertion or deletion can be written, at most `limit` nt away."""
    shorter = min(len(before), len(after))
    same_left = count_common(before, after)
    same_right = count_common(before[::-1], after[::-1])
    return max(shorter - same_right, start - limit, 0), min(same_left, start + limit)


def _cut(
    rna: Transcript,
    low: int,
    before: str,
    after: str,
    *,
    changed: tuple[int, int],
    shift: int,
    length: int,
) -> Locus:
    """Find the windows, and keep only the letters they read."""
    old = _cover(changed[0], changed[1], len(before), length)
    new = _cover(changed[0], changed[1] + shift, len(after), length)
    begin = min(old.first, new.first)
    return Locus(
        rna=rna,
        offset=low + begin,
        before=before[begin : old.last + length],
        after=after[begin : new.last + length],
        changed=(changed[0] - begin, changed[1] - begin),
        shift=shift,
        windows_before=Windows(old.first - begin, old.last - begin),
        windows_after=Windows(new.first - begin, new.last - begin),
        length=length,
    )


def _cover(start: int, stop: int, letters: int, length: int) -> Windows:
    """Give the windows within `letters` that share a letter with a stretch, or hold both neighbours of none."""
    end = max(letters - length, 0)
    first = min(max(start - length + 1, 0), end)
    return Windows(first, max(min(stop - 1, end), first))
