"""``ribocyte motifs``: which motifs a model looks for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ribocyte.cli import options, present

if TYPE_CHECKING:
    from ribocyte.applications.motifs import MotifStudy


class Contexts(StrEnum):
    """What patterns are put into."""

    shuffled = "shuffled"
    random = "random"


def motifs(
    model: options.Model,
    out: options.NewFolder,
    data: options.Data = None,
    sequences: Annotated[
        Path | None,
        typer.Option(
            "--input",
            metavar="FILE",
            help="Look at these sequences (FASTA, table or list; gzipped or not).",
            show_default="the model's test split",
        ),
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Compare with these motifs, MEME or .hmot, of DNA or RNA.",
            show_default=False,
        ),
    ] = None,
    methods: Annotated[
        str,
        typer.Option(
            metavar="NAME,…",
            help="Of kmers, seqlets, modisco, filters, or all; the first motif of the first is looked at closely.",
        ),
    ] = "kmers,seqlets",
    top: Annotated[int, typer.Option(metavar="N", help="Motifs at most, for each method.")] = 5,
    output: Annotated[
        str,
        typer.Option(metavar="EXPERIMENT", help="Which output of the model.", show_default="its only one"),
    ] = "",
    k: Annotated[int, typer.Option("--k", metavar="NT", help="Length of the k-mers that are counted.")] = 7,
    attributed: Annotated[
        int, typer.Option(metavar="N", help="Try every substitution in the N sequences predicted highest.")
    ] = 500,
    contexts: Annotated[
        Contexts, typer.Option(help="Put patterns into shuffles of the sequences, or into random RNA.")
    ] = Contexts.shuffled,
    seed: Annotated[int, typer.Option(help="Of shuffles and bootstrap.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Find the motifs a model looks for, and compare them with known ones.

    Writes a folder: index.html to be read first, motifs.meme for other tools, logos, and tables of the motifs, of
    known motifs like them, and of what the first one does to predictions wherever it is put.
    """
    from ribocyte.applications.motifs import MotifSettings, find_motifs, write_motifs
    from ribocyte.catalog import Predictor
    from ribocyte.files import refuse_folder
    from ribocyte.rna.discovery import METHODS

    chosen = METHODS if methods == "all" else tuple(name.strip() for name in methods.split(","))
    settings = MotifSettings(chosen, top, output, k, attributed, contexts is Contexts.shuffled, seed)
    refuse_folder(out)
    study = find_motifs(
        Predictor.load(model),
        data=data,
        sequences=sequences,
        known=known,
        settings=settings,
        report=present.say,
    )
    files = write_motifs(study, out)
    if as_json:
        present.show_json({"out": out, "files": files, **_as_json(study)})
        return
    _tell(study, out)


def _as_json(study: MotifStudy) -> dict[str, object]:
    from dataclasses import asdict

    best = None if study.matches is None else study.matches.filter(study.matches["rank"] == 1).to_dicts()
    return {
        "output": study.output,
        "simulated": study.simulated,
        "source": study.source,
        "sequences": study.sequences,
        "left_out": study.left_out,
        "known": study.known,
        "motifs": study.motifs.to_dicts(),
        "best_matches": best,
        "importance": study.importance.filter(study.importance["question"] == "whole").to_dicts()[0],
        "hits": [asdict(hit) for hit in study.hits],
    }


def _tell(study: MotifStudy, out: Path) -> None:
    from ribocyte.applications._motif_page import best_match, write_left_out, write_rate
    from ribocyte.rna.discovery.matching import FEW

    if study.simulated:
        present.show(present.SIMULATED)
    present.show(f"{study.output}: {study.sequences:,} sequences, {study.source}{write_left_out(study)}")
    rows = []
    for motif in study.found:
        match = best_match(study, motif.name)
        like = (match[0], write_rate(match[1])) if match else ("–", "–")
        rows.append((motif.name, motif.consensus, f"{motif.sites:,}", f"{motif.score:+.2f}", *like))
    present.show_table(("motif", "consensus", "sites", "effect", "most like", "q"), rows, numbers=(2, 3, 5))
    for hit in study.hits:
        present.show(
            f"The costliest {hit.mutation} hits {study.found[0].consensus} in {100 * hit.share:.0f} % of "
            f"{hit.sequences} sequences; by chance in {100 * hit.chance:.0f} %"
        )
    if study.known and study.known < FEW:
        present.warn(f"{study.known} known motifs: with fewer than {FEW}, p and q only give an order")
    empty = [name for name in study.settings.methods if name not in {motif.method for motif in study.found}]
    if empty:
        present.warn(f"nothing found by {', '.join(empty)}")
    present.show(f"Read {out / 'index.html'}")
