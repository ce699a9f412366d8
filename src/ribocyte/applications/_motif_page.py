"""The page of a search for motifs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ribocyte.documents.document import Document, FigureBlock, Section, TableBlock
from ribocyte.documents.text import as_code
from ribocyte.literature import LITERATURE
from ribocyte.rna.discovery.matching import FEW
from ribocyte.version import VERSION

if TYPE_CHECKING:
    from ribocyte.applications.motifs import MotifStudy

SHOWN = 3
"""Known motifs shown for each found one."""
CONVINCING = 0.05
"""False discovery rate up to which a match is called one."""
_METHODS = {
    "kmers": "`kmers`: the ten k-mers with the highest Z-scores of the predictions, aligned, as RNAcompete does with "
    "measurements [@ray2013].",
    "seqlets": "`seqlets`: the stretches that the largest predictions rest on, by mutagenesis, cut out by "
    "tangermeme and aligned.",
    "modisco": "`modisco`: the same, clustered by TF-MoDISco [@shrikumar2018]; seqlets it would read as reverse "
    "complements are kept apart, for RNA has one strand.",
    "filters": "`filters`: what excites a filter of the first convolution to more than half of its maximum "
    "[@alipanahi2015].",
}


def describe_motifs(study: MotifStudy, folder: Path) -> Document:
    """Compose the page of a study whose figures lie in `folder`."""
    parts = [_tell_motifs(study, folder / "logos.svg")]
    if study.matches is not None:
        parts.append(_tell_matches(study, study.matches))
    parts += [_tell_importance(study, folder), _tell_methods(study)]
    return Document(
        title=f"Motifs that a model of {study.output} looks for",
        abstract=_lead(study),
        sections=tuple(parts),
        references=LITERATURE,
        footer=f"Made by `ribocyte motifs`, ribocyte {VERSION}.",
        simulated=study.simulated,
    )


def write_rate(value: float) -> str:
    """Write a p- or q-value."""
    return f"{value:.1e}" if value < 0.001 else f"{value:.2g}"


def write_left_out(study: MotifStudy) -> str:
    """Say how many sequences were left out and why; nothing where none was."""
    why = f"no {study.settings.k} nt of A, C, G, U in a row"
    return f"; {study.left_out:,} left out ({why})" if study.left_out else ""


def best_match(study: MotifStudy, motif: str) -> tuple[str, float] | None:
    """Give the best known match of a motif and its q-value; None where nothing was compared."""
    if study.matches is None:
        return None
    row = study.matches.filter((pl.col("motif") == motif) & (pl.col("rank") == 1)).row(0, named=True)
    return row["target"], row["q"]


def _lead(study: MotifStudy) -> str:
    first = study.found[0]
    said = (
        f"The first motif is {as_code(first.consensus)}: put into random surroundings, {as_code(first.best_site)} "
        f"changes the prediction by {first.score:+.2f} standard deviations."
    )
    match = best_match(study, first.name)
    if match is None:
        return said
    alike = (
        "It matches" if match[1] <= CONVINCING else "No known motif is convincingly like it; the closest is"
    )
    return (
        f"{said} {alike} {as_code(match[0])} (q = {write_rate(match[1])}) among {study.known:,} known motifs."
    )


def _tell_motifs(study: MotifStudy, figure: Path) -> Section:
    rows = tuple(
        (as_code(motif.name), as_code(motif.consensus), f"{motif.sites:,}", f"{motif.score:+.2f}")
        for motif in study.found
    )
    table = TableBlock(
        ("motif", "consensus", "sites", "effect"),
        rows,
        "What was found, method by method, the motif with the most evidence first. The effect is what the best site "
        "adds to the prediction, in standard deviations, on average over contexts.",
        label="motifs",
    )
    logos = FigureBlock(
        figure,
        "Logos of the motifs found; the letters of a position add up to its information.",
        label="logos",
    )
    what = (
        f"{study.sequences:,} sequences ({as_code(study.source)}) were predicted for {as_code(study.output)}"
        f"{write_left_out(study)}."
    )
    return Section("Motifs", (what,), (logos,), (table,))


def _tell_matches(study: MotifStudy, matches: pl.DataFrame) -> Section:
    best = matches.filter(pl.col("rank") <= SHOWN)
    rows = tuple(
        (
            as_code(row["motif"]),
            as_code(row["target"]),
            as_code(row["target_consensus"]),
            write_rate(row["p"]),
            write_rate(row["q"]),
            f"{row['overlap']}",
        )
        for row in best.iter_rows(named=True)
    )
    table = TableBlock(
        ("motif", "known motif", "consensus", "p", "q", "overlap"),
        rows,
        f"The {SHOWN} known motifs most like each motif, by Tomtom; q is the false discovery rate among all of them, "
        "the overlap is in nt.",
        label="matches",
        wide=True,
    )
    said = [
        f"Each motif was compared with {study.known:,} known ones, on the strand as it is written, by Tomtom "
        "[@gupta2007]."
    ]
    if study.known < FEW:
        said.append(
            f"So few are a poor estimate of what chance gives: take these p-values for an order, and compare with "
            f"{FEW} motifs or more."
        )
    return Section("Known motifs like these", tuple(said), tables=(table,))


def _tell_importance(study: MotifStudy, folder: Path) -> Section:
    first = study.found[0]
    whole = study.importance.filter(pl.col("question") == "whole").row(0, named=True)
    kind = "dinucleotide shuffles of the sequences" if study.settings.shuffled else "random RNA"
    said = (
        f"{as_code(first.best_site)} in the middle of {whole['contexts']} contexts, {kind}, changes the prediction by "
        f"{whole['effect']:+.2f} (95 % interval {whole['low']:+.2f} to {whole['high']:+.2f}): its global importance "
        "[@koo2021]. [#importance] shows what becomes of it by substitutions, and by its place, copies and neighbours.",
        *(
            f"In {100 * hit.share:.0f} % of {hit.sequences} sequences with the largest predictions the {hit.mutation} "
            f"that costs most hits the best site of the motif; by chance it would in {100 * hit.chance:.0f} %."
            for hit in study.hits
            if not math.isnan(hit.share)
        ),
    )
    figures = (
        FigureBlock(
            folder / "importance.svg",
            f"What {first.best_site} does to the prediction: means over contexts, 95 % intervals. Above, the change "
            "that another base makes, in it (a) or beside it (b); below, its effect by place (c), number (d) and "
            "distance (e) of copies. The dashed line is one copy in the middle.",
            label="importance",
            wide=True,
        ),
    )
    return Section("What the first one does", said, figures)


def _tell_methods(study: MotifStudy) -> Section:
    attributed = min(study.settings.attributed, study.sequences)
    return Section(
        "How they were found",
        (
            *(_METHODS[method] for method in study.settings.methods),
            f"Every substitution was tried in the {attributed:,} sequences with the largest predictions.",
            "`motifs.meme` holds the matrices for other tools, `motifs.tsv`, `matches.tsv` and `importance.tsv` all "
            "numbers, `logos/` a logo each.",
        ),
    )
