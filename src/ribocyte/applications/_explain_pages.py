"""What an explanation's page says: what was predicted and why, how far it adds up, and how to read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ribocyte.documents.document import Document, FigureBlock, Section, TableBlock
from ribocyte.documents.text import as_code
from ribocyte.literature import LITERATURE
from ribocyte.version import VERSION

if TYPE_CHECKING:
    from ribocyte.applications.explain import Summary


_READING = {
    "mutagenesis": (
        "Each substitution was tried, and the network asked again [@alipanahi2015]. A letter's height is what the "
        "nucleotide that is there gives over the mean of the four bases: a tall one cannot be replaced, one that hangs "
        "below the axis weakens the binding, and one of no height may be anything.",
        "Heights do not add up to the prediction: one change at a time is tried. Where either of two sites is enough, "
        "changing one does little, and both look unimportant: then compare with `--method integrated-gradients`.",
    ),
    "integrated-gradients": (
        "A letter's height is what the nucleotide contributes to the prediction, compared with the same sequence with "
        "its dinucleotides shuffled, the mean over ten shuffles: gradients were summed along the way from each "
        "[@sundararajan2017].",
        "Gradients between two sequences pass through mixtures of bases that no RNA has. What stands out here and by "
        "mutagenesis both is to be relied on.",
    ),
    "deep-lift-shap": (
        "A letter's height is what the nucleotide contributes to the prediction, compared with the same sequence with "
        "its dinucleotides shuffled, the mean over twenty shuffles: DeepLIFT's rules [@shrikumar2017; "
        "@lundberg2017] share the difference out, layer by layer.",
        "What stands out here and by mutagenesis both is to be relied on.",
    ),
    "attention": (
        "A letter's height is the share of attention that the nucleotide receives, the mean over the heads. Attention "
        "says where the network looks, not what it makes of it: it may look at a nucleotide that weakens the binding, "
        "and the prediction may rest on another [@jain2019]. Compare with `--method mutagenesis`.",
    ),
    "grad-cam": (
        "The warmer a place, the more the last convolution found there that speaks for the class [@selvaraju2017]. The "
        "map of each picture is scaled to its own maximum, so its height cannot be compared between pictures, and it "
        "is as coarse as that convolution's output.",
    ),
    "occlusion": (
        "A small patch of the background's colour was moved over the picture, and the network asked again "
        "[@zeiler2014]. The map shows by how much the class's score falls where the patch lay.",
    ),
}


@dataclass(frozen=True)
class Figures:
    """The figures in a page of RNA: logos and, for mutagenesis, maps of all substitutions."""

    logos: Path
    substitutions: Path | None = None


def describe_rna(summary: Summary, figures: Figures, deltas: Tensor | None) -> Document:
    """Compose the page of explained sequences."""
    attended = summary.method == "attention"
    label = "attention" if attended else "contribution"
    first = FigureBlock(
        figures.logos,
        f"The sequences with the largest predictions, strongest first. Height: {label} of each nucleotide. Positions "
        "are those of the sequence, from 1.",
        wide=True,
        label="logos",
    )
    parts = [
        Section(
            "Sites",
            (
                _say_done(summary, "sequence"),
                "[#sites] names, of each, the stretch that counts most; [#logos] shows all of it.",
            ),
            (first,),
            (_tabulate_sites(summary.strongest, label),),
        )
    ]
    if figures.substitutions is not None:
        maps = FigureBlock(
            figures.substitutions,
            "Every substitution: purple weakens the predicted binding, orange strengthens it. A dot marks the base "
            "that is there.",
            wide=True,
            label="substitutions",
        )
        parts.append(Section("What each substitution would do", figures=(maps,)))
    if deltas is not None:
        parts.append(Section("How far it adds up", (_say_deltas(deltas),)))
    parts.append(Section("How to read it", _READING[summary.method]))
    parts.append(Section("The files beside this page", _say_files(summary)))
    return Document(
        title=f"What predictions for {summary.output} rest on",
        abstract=_lead(summary),
        sections=tuple(parts),
        references=LITERATURE,
        footer=_footer(),
        simulated=summary.simulated,
    )


def describe_cells(summary: Summary, figure: Path, drawn: int) -> Document:
    """Compose the page of explained pictures, of which the first `drawn` are in the figure."""
    rows = tuple(
        (as_code(row["file"]), row["class"], f"{row['probability']:.3f}", row["explained"])
        for row in summary.strongest
    )
    table = TableBlock(
        ("picture", "predicted", "probability", "map for"),
        rows,
        "The pictures in the figure, in its order.",
        label="pictures",
    )
    maps = FigureBlock(
        figure,
        f"Where {drawn} pictures speak for the class, by {summary.method}: on what the network saw, left, and on the "
        "photographs.",
        wide=True,
        label="maps",
    )
    sections = (
        Section("Maps", (_say_done(summary, "picture"),), (maps,), (table,)),
        Section("How to read it", _READING[summary.method]),
        Section(
            "The files beside this page", ("`maps.npz` holds the maps of all pictures and their names.",)
        ),
    )
    return Document(
        title=f"Where {_the_class(summary)} is seen",
        abstract=f"Which part of each picture speaks for {_the_class(summary)}, by {summary.method}.",
        sections=sections,
        references=LITERATURE,
        footer=_footer(),
        simulated=summary.simulated,
    )


def _lead(summary: Summary) -> str:
    best = summary.strongest[0]
    verb = "looks most at" if summary.method == "attention" else "rests most on"
    of = "The" if summary.explained == 1 else f"Of {summary.explained:,} sequences, the one with the largest"
    return (
        f"{of} prediction for {as_code(summary.output)} ({best['prediction']:.2f}) {verb} {as_code(best['site'])}, "
        f"nt {best['from']} to {best['to']}."
    )


def _say_done(summary: Summary, what: str) -> str:
    left = "".join(f"; {count:,} left out ({why})" for why, count in summary.skipped.items())
    given = f"{summary.given:,} {what}{'' if summary.given == 1 else 's'}"
    return f"{given} given, {summary.explained:,} explained by {summary.method}{left}."


def _the_class(summary: Summary) -> str:
    return summary.output or "the most probable class"


def _say_deltas(deltas: Tensor) -> str:
    sizes = deltas.abs()
    return (
        "The contributions of a sequence should add up to its prediction less the mean prediction for its shuffles. "
        f"They miss it by {sizes.median():.1e} in the median and by {sizes.max():.1e} at most, in z-scores."
    )


def _tabulate_sites(rows: Sequence[dict[str, Any]], label: str) -> TableBlock:
    cells = tuple(
        (
            as_code(_short(row["sequence"])),
            f"{row['length']}",
            f"{row['prediction']:.2f}",
            f"`{row['site']}`",
            f"{row['from']}–{row['to']}",
            f"{row['counts']:.2f}",
        )
        for row in rows
    )
    return TableBlock(
        ("sequence", "nt", "prediction", "site", "at", label),
        cells,
        "The sequences with the largest predictions (z-scores), and the seven neighbouring nucleotides of each that "
        "count most.",
        wide=True,
        label="sites",
    )


def _say_files(summary: Summary) -> tuple[str, ...]:
    if summary.method == "attention":
        columns, arrays = "and of each head", "`attention` (sequences, heads, positions)"
    else:
        columns = (
            "and by how much the prediction changes with each other base in its place (`to_A` …)"
            if summary.method == "mutagenesis"
            else "and the hypothetical contributions of the four bases (`hypothetical_A` …)"
        )
        arrays = "`hypothetical` (sequences, 4, positions), as tangermeme and TF-MoDISco take them"
    return (
        f"`attributions.tsv` has a row for each nucleotide: what it counts for, {columns}. `attributions.npz` holds "
        f"the same as arrays: `one_hot` and {arrays}. In `logos/` each of the strongest sequences has a figure.",
    )


def _short(name: str) -> str:
    return name if len(name) <= 45 else f"{name[:44]}…"


def _footer() -> str:
    return f"Made by `ribocyte explain`, ribocyte {VERSION}."
