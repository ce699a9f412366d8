"""What a protocol leaves: results.json, proteins.tsv, its figures, and a page to read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ribocyte.documents.document import Document, FigureBlock, Section, TableBlock
from ribocyte.documents.page import render_page
from ribocyte.documents.text import as_words
from ribocyte.files import atomic_write, write_text
from ribocyte.learn.plots import save_figure
from ribocyte.literature import LITERATURE
from ribocyte.transfer.protocols import cluster, family, few_shot, known
from ribocyte.transfer.results import Results, say
from ribocyte.transfer.scoring import METRICS
from ribocyte.transfer.study import Study
from ribocyte.transfer.training import seconds_of
from ribocyte.version import VERSION

PROTOCOLS = {"known": known, "cluster": cluster, "few-shot": few_shot, "family": family}
"""The module of each."""
HEADINGS = ("Spearman", "clipped", "Pearson, log", "raw", "clipped")
"""What `METRICS` are called in a table."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Parameters
    ----------
    results : Results
        What was found.
    files : tuple of Path
        results.json, proteins.tsv, index.html and the figures.
    simulated : bool
        Whether of a simulation.
    """

    results: Results
    files: tuple[Path, ...]
    simulated: bool


def write_results(study: Study, protocol: str) -> Written:
    """Conclude a protocol whose jobs are done, and write it down.

    Raises
    ------
    RunError
        If what a job has left is damaged.
    DiskError
        If something cannot be written.
    """
    results: Results = PROTOCOLS[protocol].conclude(study)
    folder, simulated = study.results(protocol), study.bench.simulated
    figures = []
    for drawing in results.drawings:
        path = folder / "figures" / f"{drawing.name}.svg"
        save_figure(drawing.figure, path)
        figures.append(path)
    with atomic_write(folder / "proteins.tsv") as stream:
        _tabulate_proteins(results.table, simulated).write_csv(stream, separator="\t", float_precision=5)
    write_text(
        folder / "results.json",
        json.dumps(_plain({**_facts(study, protocol), **results.as_json()}), indent=1, ensure_ascii=False)
        + "\n",
    )
    write_text(folder / "index.html", render_page(compose(study, results, figures)))
    files = (folder / "results.json", folder / "proteins.tsv", folder / "index.html", *figures)
    return Written(results, files, simulated)


def compose(study: Study, results: Results, figures: Sequence[Path]) -> Document:
    """Compose the page of a protocol."""
    shown = [
        FigureBlock(path, drawing.caption, wide=True, label=drawing.name)
        for path, drawing in zip(figures, results.drawings, strict=True)
    ]
    verdicts = tuple(
        (claim.text, "yes" if claim.holds else "no", as_words(claim.found)) for claim in results.claims
    )
    sections = [
        Section("Design", results.design),
        Section(
            "What it shows",
            (
                "Intervals are 95 % bootstraps [@efron1979] in which whole clusters of relatives are drawn: relatives "
                "are no independent evidence. Experiments of one protein are averaged first.",
                *results.notes,
            ),
            tuple(shown),
            (
                TableBlock(
                    ("claim", "holds", "found"), verdicts, "What was to be shown.", wide=True, label="claims"
                ),
                _tabulate_means(results),
                _tabulate_differences(results),
            ),
        ),
        Section("Each protein", ("All of it is in `proteins.tsv`.",), tables=(_tabulate_extremes(results),)),
    ]
    size = ", ".join(f"{name} {value}" for name, value in asdict(study.size).items())
    return Document(
        title=f"{results.heading}: the protocol {results.protocol}",
        abstract=" ".join(
            f"{claim.text[0].upper()}{claim.text[1:]}: {'yes' if claim.holds else 'no'}, {as_words(claim.found)}."
            for claim in results.claims
        ),
        sections=tuple(sections),
        references=LITERATURE,
        appendix=(
            Section(
                "Sizes",
                (
                    f"Of this study: {size}; 0 is all. Seed {study.config.seed}, precision {study.config.precision}. "
                    f"Trainings took {_training_seconds(study, results.protocol):,.0f} s in all. The compendium is "
                    "that of Ray et al. [@ray2013]"
                    + (
                        ": real proteins and the real array, with intensities simulated from real motifs."
                        if study.bench.simulated
                        else "."
                    ),
                ),
            ),
        ),
        footer=f"ribocyte {VERSION}, `ribocyte transfer {results.protocol}`",
        simulated=study.bench.simulated,
    )


def _tabulate_means(results: Results) -> TableBlock:
    whole = {"spearman", "pearson"}
    rows = tuple(
        (
            method,
            str(row["spearman"].proteins),
            *(say(row[metric]) if metric in whole else f"{row[metric].value:.3f}" for metric in METRICS),
        )
        for method, row in results.means.items()
    )
    return TableBlock(
        ("method", "proteins", *HEADINGS),
        rows,
        "Means over proteins, with intervals over clusters; all intervals are in `results.json`. Spearman's rho "
        "against raw and clipped intensities (99.95th percentile); Pearson's r against the logarithm that networks "
        "learn, and against raw and clipped intensities.",
        wide=True,
        label="means",
    )


def _tabulate_differences(results: Results) -> TableBlock:
    rows = tuple(
        (
            f"{one.first} − {one.second}",
            one.metric.replace("_", ", "),
            say(one.mean, "+"),
            f"[{one.mean.low_proteins:+.3f}, {one.mean.high_proteins:+.3f}]",
            one.mean.verdict,
        )
        for one in results.differences
    )
    return TableBlock(
        ("difference", "metric", "mean [over clusters]", "over proteins", "first is"),
        rows,
        "Paired differences: the same proteins and probes.",
        wide=True,
        label="differences",
    )


def _tabulate_extremes(results: Results, count: int = 8) -> TableBlock:
    """List the proteins that the first method does best and worst for."""
    method = next(iter(results.means))
    ranked = results.table.filter(pl.col("method") == method, pl.col("spearman").is_not_null()).sort(
        "spearman", descending=True, maintain_order=True
    )
    few = ranked if ranked.height <= 2 * count else pl.concat([ranked.head(count), ranked.tail(count)])
    rows = tuple(
        (
            as_words(row["gene"]),
            as_words(row["experiment"]),
            as_words(row["species"]),
            as_words(row["domains"]),
            f"{row['spearman']:.3f}",
            f"{row['identity']:.2f}",
            as_words(row["nearest"]),
        )
        for row in few.iter_rows(named=True)
    )
    return TableBlock(
        ("gene", "experiment", "species", "domains", "Spearman", "identity", "nearest"),
        rows,
        f"The best and the worst of {ranked.height} experiments for: {as_words(method)}.",
        wide=True,
        label="extremes",
    )


def _tabulate_proteins(table: pl.DataFrame, simulated: bool) -> pl.DataFrame:
    return table.with_columns(simulated=pl.lit(simulated))


def _facts(study: Study, protocol: str) -> dict[str, Any]:
    bench = study.bench
    return {
        "what": f"ribocyte transfer {protocol}",
        "protocol": protocol,
        "simulated": bench.simulated,
        "version": VERSION,
        "config": asdict(study.config),
        "data": {
            "fingerprint": bench.fingerprint,
            "experiments": len(bench.experiments),
            "proteins": len(bench.proteins),
            "clusters": len(np.unique(bench.clusters)),
            "test_probes": len(bench.tokens),
        },
        "training_seconds": _training_seconds(study, protocol),
    }


def _training_seconds(study: Study, protocol: str) -> float:
    """Add up the seconds of a protocol's trainings."""
    names = [job.name for job in PROTOCOLS[protocol].plan(study)]
    places = [study.model if name == cluster.ALL else study.run(name) for name in names]
    return sum(seconds_of(place) for place in places if (place / "scores.json").is_file())


def _plain(value: Any) -> Any:
    """Make what is not a number null."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
