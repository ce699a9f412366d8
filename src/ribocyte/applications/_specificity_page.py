"""The page of predicted specificities."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from ribocyte.applications._panel import NO_TRUST
from ribocyte.applications.proteins import write_domains
from ribocyte.documents.document import Document, FigureBlock, Section, TableBlock
from ribocyte.documents.text import as_code
from ribocyte.literature import LITERATURE
from ribocyte.rna.discovery.motif import spell
from ribocyte.rna.kmers import name_kmer
from ribocyte.version import VERSION

if TYPE_CHECKING:
    from ribocyte.applications.specificity import Specificity, SpecificityStudy

SHOWN = 10
"""7-mers listed for each protein."""


def describe_specificity(study: SpecificityStudy, folder: Path) -> Document:
    """Compose the page; its figures lie in `folder`."""
    names = [as_code(one.name) for one in study.found]
    few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    sections = [_tell_protein(one, number, study, folder) for number, one in enumerate(study.found, 1)]
    return Document(
        title=f"Which RNA {study.found[0].name} prefers"
        if len(names) == 1
        else f"Which RNA {len(names)} proteins prefer",
        abstract=f"What a joint model predicts for {few}.",
        sections=(*sections, _tell_how(study)),
        references=LITERATURE,
        footer=f"Made by `ribocyte specificity`, ribocyte {VERSION}.",
        simulated=study.simulated,
    )


def describe_query(one: Specificity, simulated: bool) -> list[str]:
    """Say in sentences what a protein is, and how far to trust what is predicted of it."""
    query, first = one.query, one.query.nearest[0]
    domains = write_domains(query.protein.domains)
    residues = f"{len(query.protein):,} residue{'s' if len(query.protein) > 1 else ''}"
    said = [f"{residues}; {domains or 'no RNA-binding domain recognised'}."]
    if query.measured:
        others = f", and {len(query.measured) - 1} more experiments" if len(query.measured) > 1 else ""
        said.append(
            f"Measured: it has the binding region of {as_code(query.measured[0])}{others}, and what follows is the "
            "model's own output for that."
        )
        if not math.isnan(one.reliability):
            said.append(
                f"With probes that did not train it, that output has a rank correlation of {one.reliability:.2f}."
            )
    else:
        gene = f" ({first.protein.gene})" if first.protein.gene else ""
        said.append(
            f"Not measured: its nearest known protein is {as_code(first.protein.name)}{gene}; their binding regions, "
            f"the shorter {100 * query.coverage:.0f} % as long as the longer, have {100 * first.identity:.0f} % "
            "identity."
        )
        said.append(_tell_reliability(one, simulated))
    if query.warning:
        said.append(
            f"Warning: {query.warning}. Numbers are given for every sequence, whether it binds or not."
        )
    return said


def _tell_reliability(one: Specificity, simulated: bool) -> str:
    if not math.isnan(one.reliability):
        return (
            f"For proteins as like any known one ({100 * one.query.likeness:.0f} %, identity times coverage), "
            f"predictions have reached a rank correlation of {one.reliability:.2f} with "
            f"{'simulated' if simulated else 'measured'} intensities."
        )
    if NO_TRUST in one.query.warnings:
        return "How reliable that is, the model does not know: its trust was never calibrated on unseen proteins."
    return "How reliable that is, nobody knows: of proteins without a binding domain none was ever held out."


def _tell_protein(one: Specificity, number: int, study: SpecificityStudy, folder: Path) -> Section:
    figure = folder / "logos" / f"{number}.svg"
    figures = (
        (
            FigureBlock(
                figure,
                f"The motif of the best 7-mers predicted for {one.name}"
                + (
                    f", above measured ones of its nearest relatives ({as_code(study.motifs)})."
                    if one.known
                    else "."
                ),
                label=f"logos-{number}",
            ),
        )
        if figure.is_file()
        else ()
    )
    words = [" ".join(describe_query(one, study.simulated))]
    if one.motif is None:
        words.append("The best 7-mers have nothing in common, so no motif is made of them.")
    else:
        words.append(f"The motif of its best 7-mers is {as_code(one.motif.consensus)}.")
    return Section(one.name, tuple(words), figures, (_list_best(one, number), _list_nearest(one, number)))


def _list_best(one: Specificity, number: int) -> TableBlock:
    order = sorted(range(len(one.z)), key=lambda at: -one.z[at])[:SHOWN]
    rows = [(as_code(name_kmer(at, 7)), f"{one.z[at]:.2f}", *_spread_at(one, at)) for at in order]
    header = ("7-mer", "z", *(() if one.spread is None else ("spread",)))
    return TableBlock(
        header,
        tuple(rows),
        f"The {SHOWN} 7-mers predicted highest for {one.name}, of 16,384: standard deviations above their mean"
        + ("" if one.spread is None else ", and how much the members of the ensemble differ")
        + ".",
        label=f"best-{number}",
    )


def _spread_at(one: Specificity, at: int) -> tuple[str, ...]:
    return () if one.spread is None else (f"{one.spread[at]:.2f}",)


def _list_nearest(one: Specificity, number: int) -> TableBlock:
    motifs = {known.name: spell(known.pwm).strip("N") for known in one.known}
    rows = []
    for protein, identity in one.query.nearest:
        shown = next((motifs[name] for name in (protein.name, *protein.experiments) if name in motifs), "")
        row = (
            as_code(protein.name),
            protein.gene,
            protein.species,
            write_domains(protein.domains),
            f"{identity:.2f}",
        )
        rows.append((*row, as_code(shown)) if motifs else row)
    header = ("protein", "gene", "species", "domains", "identity", *(("motif",) if motifs else ()))
    return TableBlock(
        header,
        tuple(rows),
        f"The known proteins most like {one.name}, by the identity of the binding regions"
        + ("; their measured motifs." if motifs else "."),
        label=f"nearest-{number}",
        wide=True,
        published=True,  # measured proteins and their measured motifs, whatever the model learned from
    )


def _tell_how(study: SpecificityStudy) -> Section:
    return Section(
        "How",
        (
            f"Each of the 16,384 7-mers was put into the middle of the same {study.contexts} random RNAs, and the "
            "predictions averaged; z is how many standard deviations that lies above the mean of all 7-mers, as "
            "RNAcompete's Z-scores are [@ray2013]. The ten best that align to the best one make the motif.",
            "`kmers.tsv` holds z of every 7-mer, `proteins.tsv` what is known of the proteins, `motifs.meme` the "
            "matrices for other tools, `logos/` the logos.",
        ),
    )
