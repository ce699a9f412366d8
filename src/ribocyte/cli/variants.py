"""``ribocyte variants`` and ``ribocyte affinities``: what variants do to binding, and a test by measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribocyte.cli import options, present
from ribocyte.cli.progress import watch_predictions

if TYPE_CHECKING:
    from ribocyte.applications.variants import VariantFiles, VariantReport

SUSPICIOUS = 0.05
"""Share of alleles whose REF may mismatch before the genome is doubted."""
SHOWN = 5
"""Strongest losses and gains that are shown."""


class Strand(StrEnum):
    """Which strands are read where no gene says."""

    both = "both"
    plus = "+"
    minus = "-"


def variants(
    model: options.Model,
    vcf: Annotated[
        Path, typer.Option(metavar="VCF", help="Variants: VCF or BCF, bgzipped or not.", show_default=False)
    ],
    fasta: Annotated[
        Path,
        typer.Option(
            metavar="GENOME",
            help="The genome they are of: FASTA, plain or bgzipped; indexed where that is not done.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The same rows, annotated: .vcf.gz, .vcf or .bcf. With an index where the rows are sorted.",
            show_default=False,
        ),
    ],
    gtf: Annotated[
        Path | None,
        typer.Option(
            metavar="GENES",
            help="Read RNAs, not the genome: the pre-mRNA of every gene, on its strand, and spliced transcripts "
            "where a splice junction is near.",
            show_default=False,
        ),
    ] = None,
    tsv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a table too: a row a reading.", show_default=False),
    ] = None,
    output: Annotated[
        str,
        typer.Option(metavar="EXPERIMENT", help="Which output of the model.", show_default="its only one"),
    ] = "",
    strand: Annotated[Strand, typer.Option(help="Which strands are read where no gene says.")] = Strand.both,
    intergenic: Annotated[
        bool, typer.Option("--intergenic", help="With --gtf: score variants outside of genes too.")
    ] = False,
    motifs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Name sites by the motif that matches best, of this MEME or hmot file; else by the nucleotides "
            "that the score rests on.",
            show_default=False,
        ),
    ] = None,
    named: Annotated[
        float, typer.Option("--name-from", help="Smallest loss or gain whose site is named; 0 names none.")
    ] = 1.0,
    longest: Annotated[int, typer.Option(help="Alleles longer than this, in nt, are skipped.")] = 10_000,
    bf16: Annotated[
        bool,
        typer.Option(
            "--bf16", help="Compute in bfloat16: faster where the processor has it, scores to ±0.05."
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Say which variants change the binding of RNA.

    Every window that covers a variant is scored as the reference has it and as the variant makes it. The effect,
    RC_DELTA, is the best window after less the best before; the largest loss and gain of a window, where they are,
    and the sites lost and gained are given too. Rows that cannot be scored are kept and say why.
    """
    from ribocyte.applications.variants import VariantFiles, VariantSettings, annotate_variants
    from ribocyte.catalog import Predictor

    files = VariantFiles(vcf=vcf, fasta=fasta, out=out, gtf=gtf, tsv=tsv, motifs=motifs)
    settings = VariantSettings(
        output=output,
        strand=strand.value,
        intergenic=intergenic,
        longest=longest,
        named=named,
        bf16=bf16,
    )
    predictor, name = Predictor.load(model), model.resolve().name
    with watch_predictions(True) as count:
        report = annotate_variants(predictor, files, settings, name=name, progress=count)
    if as_json:
        present.show_json({"model": model, "out": out, **report.as_json()})
    else:
        _tell(report, files)


def affinities(
    model: options.Model,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw it: .svg, .png or .pdf.", show_default=False),
    ] = None,
    output: Annotated[
        str,
        typer.Option(metavar="EXPERIMENT", help="Which output of the model.", show_default="its only one"),
    ] = "",
    contexts: Annotated[int, typer.Option(min=1, help="Random probes each RNA is put into.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the probes.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Test predicted effects by RBFOX1's measured affinities.

    For a model of RBFOX1 or a relative: the predicted effects of six substitutions in its best site, UGCAUGU,
    beside their dissociation constants (Auweter et al. 2006), which are no part of RNAcompete.
    """
    from dataclasses import asdict

    from ribocyte.applications.affinities import check_affinities, plot_affinities
    from ribocyte.catalog import Predictor
    from ribocyte.learn.plots import save_figure

    test = check_affinities(Predictor.load(model), output, contexts, seed)
    if out:
        save_figure(plot_affinities(test), out)
    if as_json:
        present.show_json({"model": model, **asdict(test), "figure": out})
        return
    if test.simulated:
        present.show(present.SIMULATED)
    rows = [
        (rna, f"{kd:g}", f"{effect:+.3f}")
        for rna, kd, effect in zip(test.rnas, test.kd, test.effects, strict=True)
    ]
    present.show_table(("RNA", "Kd (nM)", "predicted effect"), rows, numbers=(1, 2))
    present.show(
        f"with log Kd: Pearson {present.number(test.pearson)}, Spearman {present.number(test.spearman)}"
    )
    if out:
        present.say(f"Drawn: {out}")


def _tell(report: VariantReport, files: VariantFiles) -> None:
    """Say on stderr what was done."""
    from ribocyte.rna.variants.alleles import REASONS, Skip

    out = files.out
    if report.simulated:
        present.say(present.SIMULATED)
    rate = report.alleles / max(report.seconds, 1e-9) * 60
    present.say(
        f"{out}: {report.rows:,} rows, {report.alleles:,} alleles, {report.scored:,} scored in "
        f"{report.readings:,} readings ({present.duration(report.seconds)}, {rate:,.0f} a minute)"
    )
    _say_table(
        [
            (f"{count:,}", f"skipped: {REASONS[Skip(why)]}", f"such as {report.examples[why]}")
            for why, count in report.skipped.items()
        ]
    )
    if report.skipped.get(Skip.reference_mismatch, 0) > SUSPICIOUS * report.alleles:
        present.warn(f"many REF are not what the genome has: is {files.fasta} the genome of {files.vcf}?")
    if report.unknown:
        present.say(f"{report.unknown:,} scored alleles have N in some of their windows")
    if report.transcripts_left_out:
        places = ", ".join(list(report.transcripts_left_out)[:3])
        count = sum(report.transcripts_left_out.values())
        present.warn(
            f"{count:,} transcripts lie on contigs that the genome lacks or beyond its ends: {places}"
        )
    if not report.sorted:
        present.warn(f"{out}: the rows are not sorted, so no index was made; bcftools sort sorts them")
    for what, listed in (("losses", report.losses), ("gains", report.gains)):
        if listed:
            present.say(f"largest {what}:")
            _say_table(list(map(_describe, listed[:SHOWN])))


def _describe(one: Mapping[str, Any]) -> tuple[str, ...]:
    where = f"{one['gene']} {one['reading']} ({one['strand']})".lstrip()
    return f"{one['delta']:+.3f}", one["variant"], where, one["site"]


def _say_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = row
        cells = (f"{cell:{width}}" for cell, width in zip(others, widths[1:], strict=True))
        present.say("  ".join((f"  {first:>{widths[0]}}", *cells)).rstrip())
