"""Scan transcripts or a genome with a trained model: sites, tracks for a genome browser, and what was left out."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ribocyte.errors import RequestError, suggest
from ribocyte.files import new_folder, write_text
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.scan.null import Null, sample_null
from ribocyte.rna.scan.rows import SiteFile, SiteRow, measure_accessibility, merge_sites, place, weigh
from ribocyte.rna.scan.sites import Site
from ribocyte.rna.scan.source import Source
from ribocyte.rna.scan.targets import Letters, Skips, Target, arrange
from ribocyte.rna.scan.tiles import Scorer, Tiling
from ribocyte.rna.scan.tracks import Canvas, Track
from ribocyte.rna.scan.walk import Step, walk

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRANDS = {"+": "plus", "-": "minus"}

Progress = Callable[[int, int], None]
"""Called with (nucleotides so far, nucleotides in all)."""


@dataclass(frozen=True)
class ScanSettings:
    """How to scan.

    Parameters
    ----------
    output : str
        Which output of the model; its only one where empty.
    both_strands : bool
        Scan the other strand too. Transcripts have one.
    stride : int
        Distance between windows in nt; the model's own where 0, such that each site lies whole in a window.
    fpr : float
        Windows are called that at most this share of windows of shuffled RNA equals or exceeds. One in a thousand:
        at a stride of 10 nt a false window every 10 kb.
    null : int
        Windows of shuffled RNA to score: with 100,000 a rate of 0.001 rests on a hundred of them, so on ± 10 %.
    seed : int
        Of the shuffles.
    max_unknown : float
        Windows with a larger share of N are not scored: a quarter leaves 31 of 41 nt, as many as a short probe has.
    accessibility : bool
        Fold the RNA around each site.
    bf16 : bool
        See `ribocyte.rna.windows.WindowScorer`.
    tracks : bool
        Write bedGraph and bigWig.
    plot : str
        Draw the track of the target of this name.
    """

    output: str = ""
    both_strands: bool = False
    stride: int = 0
    fpr: float = 0.001
    null: int = 100_000
    seed: int = 0
    max_unknown: float = 0.25
    accessibility: bool = False
    bf16: bool = False
    tracks: bool = True
    plot: str = ""

    def __post_init__(self) -> None:
        for name, right, expected in (
            ("stride", self.stride >= 0, "1 nt or more"),
            ("fpr", 0 < self.fpr <= 0.5, "above 0, and at most 0.5"),
            ("null", 1 <= self.null <= 100_000_000, "from 1 to 100,000,000 windows"),
            ("max_unknown", 0 <= self.max_unknown < 1, "a share, from 0 to below 1"),
        ):
            if not right:
                raise RequestError(f"{name} = {getattr(self, name)}", expected=expected)


@dataclass
class Summary:
    """What a scan did.

    Parameters
    ----------
    settings : ScanSettings
        With the output and the stride that were used.
    simulated : bool
        Whether the model learned from a simulation.
    targets, nucleotides, windows : int
        Scanned; on both strands they count twice.
    unscored : int
        Windows left out for their N.
    sites : int
        Called.
    threshold : float
        The score that a window exceeds to be called.
    null_windows : int
        Of shuffled RNA that were scored.
    null_sites_per_kb : float
        Sites called in the shuffled RNA with the same threshold: what chance alone gives, per 1,000 nt.
    skipped, examples : dict
        How many of what was left out and why, and the first of each.
    seconds : dict
        Time of the ``null``, and of the ``scan`` with its tracks and sites.
    files : list of str
        Written in the folder.
    """

    settings: ScanSettings
    simulated: bool
    targets: int = 0
    nucleotides: int = 0
    windows: int = 0
    unscored: int = 0
    sites: int = 0
    threshold: float = 0.0
    null_windows: int = 0
    null_sites_per_kb: float = 0.0
    skipped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def mb_per_second(self) -> float:
        """Nucleotides scanned in the time of the scan, in millions a second."""
        return self.nucleotides / 1e6 / self.seconds["scan"]

    def as_json(self) -> dict[str, object]:
        """Give everything as JSON values."""
        return {**asdict(self), "mb_per_second": self.mb_per_second}


def scan(
    model: Predictor,
    source: Source,
    out: Path,
    settings: ScanSettings | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Scan, and write a folder: ``sites.bed``, ``sites.tsv``, tracks of each strand, ``summary.json``.

    Memory does not grow with the length of the sequences. The null distribution comes first, from a sample of the
    RNA, so that each site is called, and its track written, as the scan reaches it.

    Parameters
    ----------
    model : Predictor
        Of RNA; any network.
    source : Source
        What to scan.
    out : Path
        A new or empty folder; it appears whole, or not at all.
    settings : ScanSettings, optional
        How.
    progress : callable, optional
        Told how far the scan is.

    Raises
    ------
    RequestError
        If the model reads no RNA, or something was asked for that is not there.
    DataError
        For files that are not what they should be, or nothing to scan in them.
    """
    settings = settings or ScanSettings()
    encoding = model.encoding
    if not isinstance(encoding, RNAEncoding):
        raise RequestError("model: reads images of cells", expected="a model that reads RNA")
    output = model.info.find_output(settings.output)
    tiling = Tiling(encoding.length, settings.stride or encoding.stride)
    settings = replace(settings, stride=tiling.stride, output=model.info.outputs[output])
    scorer = Scorer(model, output, settings.max_unknown, bf16=settings.bf16)
    summary = Summary(settings, model.info.simulated)
    with new_folder(out) as folder, source.opened() as letters:
        targets = source.targets(letters, settings.both_strands, Skips(summary.skipped, summary.examples))
        summary.targets, view = len(targets), _View.of(settings.plot, targets)
        with _timed(summary, "null"):
            null = sample_null(targets, letters, scorer, tiling, settings.null, settings.seed)
            summary.threshold, summary.null_windows = null.threshold(settings.fpr), len(null.scores)
            summary.null_sites_per_kb = null.sites_per_kb(tiling, summary.threshold)
        deviation = encoding.std[output] if encoding.std else 1.0
        describe = _Describer(letters, null, deviation if settings.accessibility else None)
        watch = _Watch(summary, view, progress, sum(target.length for target in targets))
        with _timed(summary, "scan"):
            for strand, loci in arrange(targets, letters).items():
                steps = map(watch, walk(loci, letters, scorer, tiling, summary.threshold))
                with SiteFile(folder, strand) as sites, _track(folder, strand, settings.tracks) as track:
                    _write_strand(steps, describe, sites, track)
                    if track is not None:
                        track.finish(letters.contigs)
            merge_sites(folder, letters.contigs, settings.accessibility)
        if view is not None:
            from ribocyte.learn.plots import save_figure

            save_figure(view.draw(summary), folder / "track.svg")
        summary.files = sorted([*(path.name for path in folder.iterdir()), "summary.json"])
        write_text(folder / "summary.json", json.dumps(summary.as_json(), indent=2) + "\n")
    return summary


def _write_strand(steps: Iterable[Step], describe: _Describer, sites: SiteFile, track: Track | None) -> None:
    """Write the sites and the track of one strand, locus by locus."""
    for locus, of_locus in itertools.groupby(steps, lambda step: step.part.locus):
        canvas = Canvas(locus, track) if track is not None else None
        held = list[SiteRow]()
        for step in of_locus:
            if canvas is not None:
                canvas.add(step.part, step.values)
            held += [describe(site, step.part.target) for site in step.sites]
            if locus.streams:  # its sites come in order; those of several targets do not
                sites.add(held)
                held = []
        sites.add(sorted(held, key=lambda row: (row.start, row.end, row.name)))
        if canvas is not None:
            canvas.finish()


@dataclass(frozen=True)
class _Describer:
    """Makes rows of sites; with a standard deviation of log intensities, their accessibility too."""

    letters: Letters
    null: Null
    deviation: float | None

    def __call__(self, site: Site, target: Target) -> SiteRow:
        row = place(site, target, self.letters, self.null)
        if self.deviation is None:
            return row
        accessibility = measure_accessibility(site, target, self.letters)
        return replace(
            row, accessibility=accessibility, weighted=weigh(site.score, accessibility, self.deviation)
        )


@dataclass
class _View:
    """The track and the sites of the one target that is drawn."""

    target: Target
    values: NDArray[np.float32]
    sites: list[Site]

    @classmethod
    def of(cls, name: str, targets: Sequence[Target]) -> _View | None:
        """Prepare for the first target of a name; None where no name is given."""
        if not name:
            return None
        found = next((target for target in targets if target.name == name), None)
        if found is None:
            known = [target.name for target in itertools.islice(targets, 10_000)]
            raise RequestError(
                f"plot = {name!r}: nothing of that name is scanned",
                expected=f"a name such as {known[0]}",
                mend=suggest(name, known),
            )
        return cls(found, np.full(found.length, np.nan, dtype=np.float32), [])

    def draw(self, summary: Summary) -> Figure:
        """Draw them."""
        from ribocyte.rna.scan.plots import plot_track  # matplotlib only where something is drawn

        return plot_track(
            self.values,
            self.sites,
            summary.threshold,
            self.target.name,
            f"{summary.settings.output}, z-score",
            simulated=summary.simulated,
        )


@dataclass(frozen=True)
class _Watch:
    """Counts what is scanned, tells how far it is, and keeps what is drawn."""

    summary: Summary
    view: _View | None
    progress: Progress | None
    total: int

    def __call__(self, step: Step) -> Step:
        summary, part = self.summary, step.part
        summary.nucleotides += part.end - part.start
        summary.windows += step.windows
        summary.unscored += step.unscored
        summary.sites += len(step.sites)
        if self.view is not None and part.target is self.view.target:
            self.view.values[part.start : part.end] = step.values
            self.view.sites.extend(step.sites)
        if self.progress is not None:
            self.progress(summary.nucleotides, self.total)
        return step


def _track(folder: Path, strand: str, wanted: bool) -> contextlib.AbstractContextManager[Track | None]:
    return Track(folder / f"track.{STRANDS[strand]}") if wanted else contextlib.nullcontext()


@contextlib.contextmanager
def _timed(summary: Summary, stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    summary.seconds[stage] = time.perf_counter() - began
