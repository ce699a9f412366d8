"""``ribocyte adapt``: a model of a new protein, from a joint one and a few hundred measured RNAs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ribocyte.cli import options, present

if TYPE_CHECKING:
    from ribocyte.applications.adapting import Fit

SHOWN = 5
"""Known proteins that are shown; a file has them all."""


class Kind(StrEnum):
    """What measurements are."""

    intensity = "intensity"
    log = "log"
    zscore = "zscore"


def adapt(
    model: options.Model,
    measured: Annotated[
        Path,
        typer.Option(
            metavar="TABLE",
            help="RNAs and what was measured of them: TSV, CSV or Parquet with a header; gzipped or not.",
            show_default=False,
        ),
    ],
    out: options.NewFolder,
    protein: Annotated[
        Path | None,
        typer.Option(
            metavar="FASTA",
            help="The protein that was measured; without it the known proteins and the trunk speak alone.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Of the model's output.", show_default="the protein's, or the table's"
        ),
    ] = "",
    rna_column: Annotated[
        str, typer.Option(metavar="COLUMN", help="Of RNAs.", show_default="RNA_Seq, sequence, seq or rna")
    ] = "",
    value_column: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Of measurements.",
            show_default="intensity, value, measured or signal",
        ),
    ] = "",
    values: Annotated[
        Kind, typer.Option(help="Raw intensities, their logarithms, or z-scores of those.")
    ] = Kind.intensity,
    seed: Annotated[int, typer.Option(min=0, help="Of the parts it is judged by.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Make a model of a new protein from a few hundred measured RNAs.

    MODEL is a joint network. What it says of the proteins it knows, and finds in the RNA, is weighed anew to fit
    what was measured. Writes a folder that predict, motifs, scan, variants, explain, export and card take as a
    model. How good it is, is measured on the RNAs given, each predicted without it.
    """
    from ribocyte.applications.adapting import adapt_protein, write_adaptation
    from ribocyte.catalog import Predictor
    from ribocyte.files import refuse_folder
    from ribocyte.rna.measured import read_measured

    refuse_folder(out)
    joint = Predictor.load(model)
    probes = read_measured(measured, rna_column, value_column, longest=getattr(joint.encoding, "length", 0))
    found = adapt_protein(joint, protein, probes, name=name, values=values.value, seed=seed)
    files = write_adaptation(found, out)
    if as_json:
        present.show_json({"out": out, "files": files, **found.fit.facts()})
        return
    _tell(found.fit, out)


def _tell(fit: Fit, out: Path) -> None:
    if fit.simulated:
        present.show(present.SIMULATED)
    present.show(f"{fit.name}: adapted to {len(fit.rnas):,} measured RNAs{_left_out(fit)}")
    present.show(f"Scale: {fit.scale}")
    whose = "the protein's sequence" if fit.query else "the mean over the known proteins"
    present.show(f"Share of what is predicted from {whose}: {fit.share:.2f}")
    present.show()
    rows = [
        (
            row["protein"],
            row["gene"],
            row["species"],
            "–" if row["identity"] is None else f"{row['identity']:.2f}",
            f"{row['weight']:+.3f}",
        )
        for row in fit.voices.head(SHOWN).iter_rows(named=True)
    ]
    header = ("counts most", "gene", "species", "identity", "weight")
    present.show_table(header, rows, numbers=(3, 4))
    present.show()
    _tell_scores(fit)
    if fit.warnings:
        present.warn(f"{fit.name}: {'; '.join(fit.warnings)}")
    present.show(f"Written: {out}")
    present.show(f"Predict with: ribocyte predict {present.quoted(out)} RNA")


def _left_out(fit: Fit) -> str:
    """Say what of the table is not among the RNAs."""
    parts = []
    if fit.repeats:
        parts.append(f"{fit.repeats:,} repeated measurements averaged")
    if fit.missing:
        parts.append(f"{fit.missing:,} rows without a measurement left out")
    return f" ({', '.join(parts)})" if parts else ""


def _tell_scores(fit: Fit) -> None:
    if not fit.scores:
        present.warn(f"{fit.name}: too few RNAs to tell how good it is, and no intervals")
        return
    before = "by sequence" if fit.query else "by the mean"
    rows = [
        (
            metric,
            present.number(score.value),
            present.interval({"low": score.low, "high": score.high}),
            present.number(fit.gains[metric].first),
            f"{fit.gains[metric].gain:+.4f}",
            present.interval({"low": fit.gains[metric].low, "high": fit.gains[metric].high}, "+"),
        )
        for metric, score in fit.scores.items()
    ]
    header = ("of these RNAs, each left out", "adapted", "95 % interval", before, "gain", "95 % interval")
    present.show_table(header, rows, numbers=(1, 3, 4))
    if not fit.scores["spearman"].low > 0:
        present.warn(
            f"{fit.name}: these measurements do not show that the model predicts anything of this protein"
        )
