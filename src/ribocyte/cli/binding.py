"""``ribocyte bind``, ``specificity`` and ``proteins``: predictions for proteins, measured or not."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ribocyte.cli import options, present
from ribocyte.cli.guard import Command
from ribocyte.cli.introducing import SHOWN, Written, introduce, load_model, read_first, refuse_percent
from ribocyte.cli.progress import OFTEN, Pace, make_bar, watch_predictions
from ribocyte.cli.tables import WRITERS, Format, counted, open_output, refuse_to_replace, settle_format

if TYPE_CHECKING:
    from ribocyte.applications.proteins import Collection
    from ribocyte.applications.specificity import SpecificityStudy

ProteinFile = Annotated[
    Path,
    typer.Option("--protein", metavar="FASTA", help="Proteins: FASTA, gzipped or not.", show_default=False),
]
JointModel = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Those a model was trained on.",
        show_default="all that were measured, from the data folder",
    ),
]
proteins_app = typer.Typer(
    no_args_is_help=True,
    help="List, search and compare the proteins that were measured.",
    rich_markup_mode=None,
)


def bind(
    model: options.Model,
    protein: ProteinFile,
    rna: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="RNAs: FASTA, TSV, CSV, Parquet or plain lines; gzipped or not.",
            show_default=False,
        ),
    ],
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs",
            help="The first protein with the first RNA, and so on; else every protein with every RNA.",
        ),
    ] = False,
    out: options.Table = None,
    wanted: Annotated[
        Format | None, typer.Option("--format", help="How.", show_default="by --out, else tsv")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    level: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How many of the measurements the intervals are to hold.",
            show_default="the model's own, 0.9",
        ),
    ] = None,
) -> None:
    """Predict how strongly proteins bind RNAs.

    Of proteins that were measured, and of any other. One row a pair: the score, a z-score of log intensity; between
    what a measurement is expected; the rank correlation with measurements that proteins as strange have reached; the
    nearest known protein and its identity. A protein that the model was trained on is recognised, and its own
    output used.
    """
    from ribocyte.applications.binding import (
        bind_in_chunks,
        count_rnas,
        find_reach,
        identify,
        load_proteins,
    )
    from ribocyte.errors import RequestError

    form = settle_format(Format.json if as_json else wanted, out)
    refuse_to_replace(out, [str(model), str(protein), str(rna)])
    refuse_percent(level)
    predictor, proteins = load_model(model), load_proteins(protein)
    if pairs and (count := count_rnas(rna)) != len(proteins):
        raise RequestError(
            f"--pairs: {len(proteins):,} proteins in {protein}, {count:,} RNAs in {rna}",
            expected="as many of one as of the other",
            mend="leave out --pairs to have every protein with every RNA",
        )
    queries = identify(predictor, proteins)
    read_first(rna)
    if predictor.info.simulated:
        present.say(present.SIMULATED)
    introduce(queries, find_reach(predictor))
    chunks = bind_in_chunks(predictor, queries, rna, pairs=pairs, level=level)
    written = Written(1 if pairs else len(queries))
    with watch_predictions(bool(out) or not sys.stdout.isatty()) as count_rows, open_output(out) as stream:
        WRITERS[form](counted(written.note(chunks), count_rows), stream)
    present.say(f"{written.rows:,} pairs{f' in {out}' if out else ''}")
    if written.repeated and not pairs:
        present.warn(f"{rna}: RNAs of the same name: {', '.join(list(written.repeated)[:SHOWN])}")


def specificity(
    model: options.Model,
    protein: ProteinFile,
    out: options.NewFolder,
    known: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Show the measured motifs of the nearest known proteins, named by experiment: MEME or .hmot.",
            show_default=False,
        ),
    ] = None,
    contexts: Annotated[int, typer.Option(metavar="N", help="Random RNAs that every 7-mer is put into.")] = 8,
    seed: Annotated[int, typer.Option(help="Of them.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Predict which 7-mers proteins prefer.

    Of proteins that were measured, and of any other. Writes a folder: index.html to be read first, every 7-mer
    ranked, motifs.meme for other tools, logos, and the nearest known proteins.
    """
    from ribocyte.applications.specificity import find_specificity, write_specificity
    from ribocyte.files import refuse_folder

    refuse_folder(out)
    with _watch_kmers() as report:
        study = find_specificity(
            load_model(model), protein, known=known, contexts=contexts, seed=seed, progress=report
        )
    files = write_specificity(study, out)
    if as_json:
        present.show_json(
            {
                "out": out,
                "files": files,
                "simulated": study.simulated,
                "proteins": [
                    {**row, "best": one.best().to_dicts()}
                    for row, one in zip(study.table.to_dicts(), study.found, strict=True)
                ],
            }
        )
        return
    _tell_specificity(study, out)


@proteins_app.command("list", cls=Command)
def list_proteins(model: JointModel = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """List the proteins that were measured."""
    _show_collection(_collection(model, data), as_json)


@proteins_app.command("search", cls=Command)
def search(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="Part of a gene, experiment, species or kind of domain.")
    ] = "",
    species: Annotated[
        str, typer.Option(metavar="NAME", help="Part of the species.", show_default=False)
    ] = "",
    domain: Annotated[
        str, typer.Option(metavar="KIND", help="Part of a kind of domain, such as KH.", show_default=False)
    ] = "",
    model: JointModel = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Find measured proteins by name, species or domain."""
    from ribocyte.applications.proteins import search_proteins
    from ribocyte.errors import RequestError

    if not (text or species or domain):
        raise RequestError("search: for what?", expected="TEXT, --species or --domain")
    _show_collection(search_proteins(_collection(model, data), text, species, domain), as_json)


@proteins_app.command("nearest", cls=Command)
def nearest(
    protein: ProteinFile,
    count: Annotated[int, typer.Option(metavar="N", help="How many to show for each.")] = 5,
    model: JointModel = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Find the measured proteins that others are most like, by the identity of their binding regions."""
    from ribocyte.applications.proteins import nearest_proteins
    from ribocyte.rna.proteins.sequences import read_proteins

    found = nearest_proteins(read_proteins(protein), _collection(model, data), count)
    if as_json:
        present.show_json(found.to_dicts())
        return
    rows = [
        (
            row["query"] if row["rank"] == 1 else "",
            f"{row['identity']:.2f}",
            f"{row['coverage']:.2f}",
            row["protein"],
            row["gene"],
            row["species"],
            row["domains"],
        )
        for row in found.iter_rows(named=True)
    ]
    header = ("query", "identity", "coverage", "protein", "gene", "species", "domains")
    present.show_table(header, rows, numbers=(1, 2))
    warned = found.filter(found["query_warning"].is_not_null() & (found["rank"] == 1))
    for name, warning in warned.select("query", "query_warning").iter_rows():
        present.warn(f"{name}: {warning}")


def _collection(model: Path | None, data: Path | None) -> Collection:
    from ribocyte.applications.proteins import measured_proteins, model_proteins
    from ribocyte.errors import RequestError

    if model is not None and data is not None:
        raise RequestError("--model and --data: both are given", expected="one of them")
    return measured_proteins(data) if model is None else model_proteins(model)


def _show_collection(collection: Collection, as_json: bool) -> None:
    table = collection.table
    if as_json:
        present.show_json(table.to_dicts())
        return
    rows = [
        (
            row["protein"],
            row["gene"],
            row["species"],
            f"{row['residues']}",
            row["domains"],
            row["experiments"],
        )
        for row in table.iter_rows(named=True)
    ]
    present.show_table(tuple(table.columns), rows, numbers=(3,))
    present.say(f"{len(rows):,} {'protein' if len(rows) == 1 else 'proteins'}, {collection.source}")


def _tell_specificity(study: SpecificityStudy, out: Path) -> None:
    if study.simulated:
        present.show(present.SIMULATED)
    rows = []
    for one in study.found:
        facts, first = one.query.facts, one.query.nearest[0]
        whom = f"{facts['nearest']} ({first.protein.gene})" if first.protein.gene else facts["nearest"]
        rows.append(
            (
                one.name,
                one.motif.consensus if one.motif else "–",
                one.best(1)["kmer"][0],
                f"{one.best(1)['z'][0]:.1f}",
                whom,
                "measured" if one.query.measured else f"{first.identity:.2f}",
                f"{one.query.coverage:.2f}",
                "–" if one.reliability != one.reliability else f"{one.reliability:.2f}",
            )
        )
    header = ("protein", "motif", "best 7-mer", "z", "nearest known", "identity", "coverage", "reliability")
    present.show_table(header, rows, numbers=(3, 5, 6, 7))
    for one in study.found:
        if one.query.warning:
            present.warn(f"{one.name}: {one.query.warning}")
    present.show(f"Read {out / 'index.html'}")


@contextlib.contextmanager
def _watch_kmers() -> Iterator[Callable[[int, int], None]]:
    """Give the callback that shows how many 7-mers are done, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with make_bar("{task.completed:,.0f} of {task.total:,.0f} 7-mers") as bar:
        task, pace = bar.add_task("predicting", total=None), Pace(OFTEN)

        def report(done: int, total: int) -> None:
            if pace.due() or done == total:
                bar.update(task, completed=done, total=total, refresh=True)

        yield report
