"""Which motifs a trained model looks for: one folder with matrices, logos, tables and a page.

The page is composed by `_motif_page`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from torch import Tensor

from ribocyte.catalog import Predictor, load_data
from ribocyte.documents.page import render_page
from ribocyte.errors import DataError, ModelError, RequestError
from ribocyte.files import atomic_write, new_folder, write_text
from ribocyte.learn.plots import save_figure
from ribocyte.rna.alphabet import UNKNOWN
from ribocyte.rna.discovery import (
    DEFAULT_METHODS,
    FoundMotif,
    Probes,
    check_methods,
    discover,
    match_motifs,
    mutate,
)
from ribocyte.rna.discovery.motif import Array
from ribocyte.rna.discovery.mutants import Hits, Mutants, hit_by_deletions, hit_by_substitutions
from ribocyte.rna.importance import draw_contexts, importance
from ribocyte.rna.importance_plots import plot_importance
from ribocyte.rna.logos import information, plot_logos
from ribocyte.rna.meme import read_motifs, write_meme
from ribocyte.rna.sequences import read_sequences

FEWEST_SEQUENCES = 100
"""Windows; the k-mers of fewer say little."""
SHORTEST_CONTEXT = 20
"""Nucleotides; a pattern in less has no surroundings."""
DELETED = 5
"""Nucleotides taken out at once, to see which deletions cost most: about a motif."""
Report = Callable[[str], None]
"""Told what is being done."""


@dataclass(frozen=True)
class MotifSettings:
    """What is looked for, and how.

    Parameters
    ----------
    methods : tuple of str
        Of `ribocyte.rna.discovery.METHODS`; the first motif of the first is the one that is looked at closely.
    top : int
        Motifs to give at most, for each method.
    output : str
        Which experiment of the model; its only one where empty.
    k : int
        Length of the k-mers that are counted, nt.
    attributed : int
        Sequences in which every substitution is tried: those with the largest predictions.
    shuffled : bool
        Put patterns into dinucleotide shuffles of the sequences; else into RNA in which every base is as likely.
    seed : int
        Of shuffles and of the bootstrap.

    Raises
    ------
    RequestError
        If a value is impossible.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    top: int = 5
    output: str = ""
    k: int = 7
    attributed: int = 500
    shuffled: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        check_methods(self.methods)
        for name, least, most in (
            ("top", 1, 100),
            ("k", 4, 10),
            ("attributed", 1, 1_000_000),
            ("seed", 0, 2**32 - 1),
        ):
            if not least <= getattr(self, name) <= most:
                raise RequestError(f"{name} = {getattr(self, name)}", expected=f"from {least} to {most:,}")


@dataclass(frozen=True, eq=False)
class MotifStudy:
    """What was found.

    Parameters
    ----------
    output : str
        The experiment.
    settings : MotifSettings
        How.
    source : str
        Where the sequences came from.
    sequences : int
        Windows that were looked at.
    left_out : int
        Windows that hold no whole k-mer of A, C, G and U.
    simulated : bool
        Whether the model, or the data, is simulated.
    found : tuple of FoundMotif
        Method by method; the first is the one looked at closely.
    known : int
        Known motifs compared with.
    matches : DataFrame, optional
        As `match_motifs` gives them; None where no known motifs were given.
    importance : DataFrame
        Of the first motif's best site; see `ribocyte.rna.importance.importance`.
    hits : tuple of Hits
        Whether the mutations that cost most hit the first motif.
    """

    output: str
    settings: MotifSettings
    source: str
    sequences: int
    left_out: int
    simulated: bool
    found: tuple[FoundMotif, ...]
    known: int
    matches: pl.DataFrame | None
    importance: pl.DataFrame
    hits: tuple[Hits, ...]

    @property
    def motifs(self) -> pl.DataFrame:
        """A row for each motif found."""
        return pl.DataFrame(
            [
                (motif.name, motif.method, motif.consensus, motif.best_site, motif.sites, motif.score)
                for motif in self.found
            ],
            schema={
                "motif": pl.String,
                "method": pl.String,
                "consensus": pl.String,
                "best_site": pl.String,
                "sites": pl.Int64,
                "effect": pl.Float64,
            },
            orient="row",
        )


def find_motifs(
    model: Predictor,
    *,
    data: Path | None = None,
    sequences: Path | None = None,
    known: Path | None = None,
    settings: MotifSettings | None = None,
    report: Report | None = None,
) -> MotifStudy:
    """Find the motifs a model looks for, compare them with known ones, and see what the first one does.

    Parameters
    ----------
    model : Predictor
        Of RNA.
    data : Path, optional
        A data folder: the sequences are the model's own test split.
    sequences : Path, optional
        A file of sequences instead; longer ones are read in the model's windows.
    known : Path, optional
        Known motifs, a MEME or ``.hmot`` file.
    settings : MotifSettings, optional
        How.
    report : callable, optional
        Told what is being done.

    Raises
    ------
    RequestError
        If the model reads no RNA, or has no such experiment.
    ModelError
        If its predictions are all alike, or a method does not hold for its network.
    DataError
        If a file is not what it should be, there are too few sequences, they are too short, or nothing is found.
    """
    settings, report = settings or MotifSettings(), report or _ignore
    if model.domain != "rna":
        raise RequestError(
            "model: reads images of cells, which have no motifs", expected="a model that reads RNA"
        )
    output = model.info.find_output(settings.output)
    targets = read_motifs(known) if known else {}
    given, source, simulated = _load(model, data, sequences)
    tokens = _leave_out(given, settings.k, source)
    report(f"predicting {len(tokens):,} sequences")
    probes = Probes(tokens, _predict(model, tokens, output))
    contexts = _draw(tokens, settings, source)
    report(f"trying every substitution in {min(settings.attributed, len(probes)):,} of them")
    mutants = mutate(model, probes, settings.attributed, output)
    found = discover(
        model,
        probes,
        mutants,
        contexts,
        output=output,
        methods=settings.methods,
        k=settings.k,
        top=settings.top,
        report=report,
    )
    if not found:
        raise DataError(
            f"{source}: no motif found by {', '.join(settings.methods)}",
            expected="sequences in which something stands out",
            mend="try --methods kmers",
        )
    report(f"importance of {found[0].best_site}")
    return MotifStudy(
        output=model.info.outputs[output],
        settings=settings,
        source=source,
        sequences=len(tokens),
        left_out=len(given) - len(tokens),
        simulated=simulated,
        found=tuple(found),
        known=len(targets),
        matches=match_motifs(found, targets) if targets else None,
        importance=importance(model, found[0].best_site, contexts, output=output, seed=settings.seed),
        hits=_count_hits(model, found[0].pwm, mutants, output),
    )


def write_motifs(study: MotifStudy, out: Path) -> list[str]:
    """Write what was found as a folder.

    ``index.html`` is to be read first; ``motifs.meme``, ``motifs.tsv``, ``matches.tsv`` (where there is something
    to match), ``importance.tsv``, ``importance.svg``, ``logos.svg``, and ``logos/`` with one logo each.

    Parameters
    ----------
    study : MotifStudy
        What was found.
    out : Path
        A new or empty folder; it appears whole, or not at all.

    Returns
    -------
    list of str
        The files in it.

    Raises
    ------
    RequestError
        If the folder holds something.
    DiskError
        If it cannot be written.
    """
    from ribocyte.applications._motif_page import describe_motifs

    with new_folder(out) as folder:
        sites = {motif.name: motif.sites for motif in study.found}
        write_meme(folder / "motifs.meme", {motif.name: motif.pwm for motif in study.found}, sites=sites)
        for name, table in (
            ("motifs", study.motifs),
            ("matches", study.matches),
            ("importance", study.importance),
        ):
            if table is not None:
                _write_table(table, folder / f"{name}.tsv")
        _draw_figures(study, folder)
        write_text(folder / "index.html", render_page(describe_motifs(study, folder)))
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _load(model: Predictor, data: Path | None, sequences: Path | None) -> tuple[Tensor, str, bool]:
    """Give windows, where they come from, and whether anything is simulated."""
    if sequences is None:
        splits = load_data(model.recipe, data)
        return splits.test.inputs, "test split", model.info.simulated or splits.info.simulated
    tokens, _ = model.encoding.encode([rna for _, rna in read_sequences(sequences)])
    return tokens, str(sequences), model.info.simulated


def _leave_out(tokens: Tensor, k: int, source: str) -> Tensor:
    """Give the windows that hold a whole k-mer; refuse too few of them."""
    known = tokens < UNKNOWN
    places = max(known.shape[1] - k + 1, 0)
    whole = known[:, :places].clone()
    for at in range(1, k):
        whole &= known[:, at : at + places]
    kept = tokens[whole.any(dim=1)]
    if len(kept) == 0:
        raise DataError(
            f"{source}: {len(tokens)} sequences, of {int(known.sum(dim=1).max())} nt at most",
            expected=f"{k} nt or more of A, C, G, U in a row, as many as the k-mers that are counted",
        )
    if len(kept) < FEWEST_SEQUENCES:
        left = f", and {len(tokens) - len(kept)} without {k} nt of A, C, G, U in a row"
        raise DataError(
            f"{source}: {len(kept)} sequences{left if len(kept) < len(tokens) else ''}",
            expected=f"{FEWEST_SEQUENCES} or more to learn from",
        )
    return kept


def _predict(model: Predictor, tokens: Tensor, output: int) -> Array:
    outputs = model.outputs(tokens)[:, output].double().numpy()
    if not np.isfinite(outputs).all() or np.ptp(outputs) <= 1e-6 * max(1.0, float(np.abs(outputs).max())):
        raise ModelError(
            f"model: predicts {outputs.flat[0]:.4g} for all of {len(outputs):,} sequences"
            if np.isfinite(outputs).all()
            else "model: predicts what is no number",
            expected="predictions that differ: from one that looks the same everywhere no motif can be read",
        )
    return outputs


def _draw(tokens: Tensor, settings: MotifSettings, source: str) -> Tensor:
    if not settings.shuffled:
        return draw_contexts(tokens.shape[1], seed=settings.seed)
    if (tokens == UNKNOWN).any(dim=1).all():
        raise DataError(
            f"{source}: every sequence has an N, and none can be shuffled to put a motif into",
            expected="sequences of A, C, G, U",
            mend="add --contexts random",
        )
    contexts = draw_contexts(tokens.shape[1], seed=settings.seed, like=tokens)
    shortest = int((contexts < UNKNOWN).sum(dim=1).min())
    if shortest < SHORTEST_CONTEXT:
        raise DataError(
            f"{source}: half of the sequences have {shortest} nt or fewer, too few to put a motif into",
            expected=f"{SHORTEST_CONTEXT} nt or more",
            mend="add --contexts random",
        )
    return contexts


def _count_hits(model: Predictor, pwm: Array, mutants: Mutants, output: int) -> tuple[Hits, ...]:
    return (
        hit_by_substitutions(pwm, mutants),
        hit_by_deletions(model, pwm, mutants.tokens, DELETED, output),
    )


def _draw_figures(study: MotifStudy, folder: Path) -> None:
    """Draw the logos, together and one by one, and what the first motif does."""
    logos = {f"{motif.name}: {motif.consensus}": information(motif.pwm) for motif in study.found}
    bits, simulated = "information (bits)", study.simulated
    save_figure(plot_logos(logos, bits, simulated=simulated), folder / "logos.svg")
    for motif, (title, heights) in zip(study.found, logos.items(), strict=True):
        figure = plot_logos({title: heights}, bits, simulated=simulated)
        save_figure(figure, folder / "logos" / f"{motif.name}.svg")
    figure = plot_importance(study.importance, "effect on the prediction (z)", simulated=simulated)
    save_figure(figure, folder / "importance.svg")


def _write_table(table: pl.DataFrame, path: Path) -> None:
    with atomic_write(path) as stream:
        table.write_csv(stream, separator="\t")


def _ignore(_: str) -> None:
    """Report to nobody."""
