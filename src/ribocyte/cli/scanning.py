"""``ribocyte scan``: where a protein binds on transcripts or on a genome."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ribocyte.cli import options, present
from ribocyte.cli.progress import OFTEN, Pace, make_bar

if TYPE_CHECKING:
    from ribocyte.applications.scan import Summary


def scan(
    model: options.Model,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Write here: a new or empty folder.", show_default=False)
    ],
    sequences: Annotated[
        Path | None,
        typer.Argument(
            metavar="SEQUENCES",
            help="Transcripts: FASTA, or a table or list of sequences; gzipped or not.",
            show_default=False,
        ),
    ] = None,
    fasta: Annotated[
        Path | None,
        typer.Option(
            metavar="GENOME",
            help="A genome instead, plain or bgzipped FASTA; all of it, or:",
            show_default=False,
        ),
    ] = None,
    bed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Its intervals of a BED file, on their strand.", show_default=False
        ),
    ] = None,
    gtf: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Its spliced transcripts; sites come back to the genome.", show_default=False
        ),
    ] = None,
    both_strands: Annotated[bool, typer.Option("--both-strands", help="Scan the other strand too.")] = False,
    fpr: Annotated[
        float, typer.Option(help="Share of windows of shuffled RNA that score as high as a window called.")
    ] = 0.001,
    stride: Annotated[
        int, typer.Option(metavar="NT", help="Distance between windows.", show_default="the model's, 10")
    ] = 0,
    null: Annotated[
        int, typer.Option("--null", metavar="WINDOWS", help="Windows of dinucleotide-shuffled RNA to score.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the shuffles.")] = 0,
    max_n: Annotated[
        float, typer.Option("--max-n", metavar="SHARE", help="Windows with more N than this are not scored.")
    ] = 0.25,
    output: Annotated[
        str,
        typer.Option(metavar="EXPERIMENT", help="Which output of the model.", show_default="its only one"),
    ] = "",
    accessibility: Annotated[
        bool, typer.Option("--accessibility", help="Fold the RNA around each site, and weigh its score.")
    ] = False,
    tracks: Annotated[
        bool, typer.Option(help="Write bedGraph and bigWig, as large as the RNA is long.")
    ] = True,
    plot: Annotated[
        str, typer.Option(metavar="NAME", help="Draw the track of this sequence.", show_default=False)
    ] = "",
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Compute in bfloat16: faster, scores off by up to about 0.05.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Find where a protein binds on RNA of any length.

    Writes sites.bed and sites.tsv, a bedGraph and a bigWig for each strand, and summary.json. A site is a run of
    overlapping windows that score higher than windows of shuffled RNA do; a track gives each nucleotide the mean
    score of the windows that cover it.
    """
    from ribocyte.applications import scan as scanning
    from ribocyte.catalog import Predictor
    from ribocyte.rna.scan.source import Source

    source = Source(sequences, fasta, bed, gtf)
    settings = scanning.ScanSettings(
        output=output,
        both_strands=both_strands,
        stride=stride,
        fpr=fpr,
        null=null,
        seed=seed,
        max_unknown=max_n,
        accessibility=accessibility,
        bf16=bf16,
        tracks=tracks,
        plot=plot,
    )
    with watch_scan() as progress:
        summary = scanning.scan(Predictor.load(model), source, out, settings, progress)
    if as_json:
        present.show_json({"out": out, **summary.as_json()})
        return
    _tell(summary, out)


@contextlib.contextmanager
def watch_scan() -> Iterator[Callable[[int, int], None] | None]:
    """Give the callback that shows how far a scan is, on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with make_bar("{task.fields[rate]}") as bar:
        task, began, shown = bar.add_task("scanning", rate=""), time.monotonic(), Pace(OFTEN)

        def report(done: int, total: int) -> None:
            if shown.due() or done == total:
                rate = f"{done / 1e6 / (time.monotonic() - began):.2f} Mb/s"
                bar.update(task, completed=done, total=total, rate=rate, refresh=True)

        yield report


def _tell(summary: Summary, out: Path) -> None:
    """Say what was found on stdout, what was left out on stderr."""
    if summary.simulated:
        present.show(present.SIMULATED)
    by_chance = summary.null_sites_per_kb * summary.nucleotides / 1000
    windows = f"{summary.windows - summary.unscored:,} windows every {summary.settings.stride} nt"
    present.show_facts(
        {
            "scanned": f"{summary.targets:,} sequences, {summary.nucleotides:,} nt, {windows}",
            "sites": f"{summary.sites:,}; shuffled RNA gives {by_chance:,.1f}",
            "threshold": f"{summary.threshold:.4f}, false-positive rate {summary.settings.fpr:g} of a window, "
            f"from {summary.null_windows:,} windows of shuffled RNA",
            "time": f"{present.duration(summary.seconds['scan'])}, {summary.mb_per_second:.3f} Mb/s; "
            f"shuffled RNA {present.duration(summary.seconds['null'])}",
            "written": ", ".join(str(out / name) for name in summary.files),
        }
    )
    if summary.unscored:
        present.say(f"not scored: {summary.unscored:,} windows with too many N")
    for reason, count in summary.skipped.items():
        present.say(f"skipped: {count:,}, {reason}, such as {summary.examples[reason]}")
