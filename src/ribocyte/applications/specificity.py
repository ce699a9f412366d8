"""Which short sequences a protein prefers, measured or not: every 7-mer ranked, and the motif of the best.

The page is composed by `_specificity_page`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.applications._panel import Panel, Query, identify
from ribocyte.applications.binding import Proteins, load_proteins
from ribocyte.documents.page import render_page
from ribocyte.errors import DataError, ModelError, RequestError
from ribocyte.files import atomic_write, new_folder, write_text
from ribocyte.learn.plots import save_figure
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.discovery.enrichment import find_by_kmers
from ribocyte.rna.discovery.motif import FoundMotif, Probes, make_motif
from ribocyte.rna.importance import draw_contexts
from ribocyte.rna.joint.trust import UnseenTrust
from ribocyte.rna.kmers import name_kmer, rank_kmers
from ribocyte.rna.logos import information, plot_logos
from ribocyte.rna.meme import read_motifs, write_meme
from ribocyte.rna.proteins.constructs import SIMULATED

K = 7
"""Nucleotides, as RNAcompete scores its probes."""
CONTEXTS = 8
"""Random RNAs that every 7-mer is put into."""
MOST = 50
"""Proteins at a time: each has a section of the page, and 16,384 scores."""
NEIGHBOURS = 3
"""Known proteins whose motifs are shown beside the predicted one."""

LEARNED_FROM = {
    True: "SIMULATED: predicted by a model that learned from simulated intensities, not from a measurement",
    False: "predicted by a model that learned from measured intensities",
}
"""Said in a file of motifs, by whether the model learned from a simulation."""

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
"""Called with (7-mers so far, 7-mers in all)."""


@dataclass(frozen=True, eq=False)
class KnownMotif:
    """The measured motif of a known protein.

    Parameters
    ----------
    name : str
        The experiment.
    gene, species : str
        Of the protein.
    identity : float
        To the protein asked about.
    pwm : numpy array, float64, shape (L, 4)
        Probabilities of A, C, G, U.
    """

    name: str
    gene: str
    species: str
    identity: float
    pwm: Array


@dataclass(frozen=True, eq=False)
class Specificity:
    """What a protein is predicted to prefer.

    Parameters
    ----------
    query : Query
        The protein, its domains and its nearest known relatives.
    z : numpy array, float64, shape (4**7,)
        How many standard deviations above the mean of all 7-mers each is predicted, in the order AAAAAAA,
        AAAAAAC, … UUUUUUU; comparable with RNAcompete's Z-scores.
    spread : numpy array, float64, shape (4**7,), optional
        Standard deviation of the ensemble members' z; None of a single network.
    reliability : float
        Rank correlation with measured intensities to expect, from proteins as far from any that trained; NaN
        where that is not known, or no binding domain is recognised.
    motif : FoundMotif, optional
        Of the ten best 7-mers; None where they have nothing in common.
    known : tuple of KnownMotif
        Measured motifs of its nearest relatives, most alike first; empty where none were given.
    """

    query: Query
    z: Array
    spread: Array | None
    reliability: float
    motif: FoundMotif | None
    known: tuple[KnownMotif, ...]

    @property
    def name(self) -> str:
        """The protein's name."""
        return self.query.protein.name

    def best(self, count: int = 10) -> pl.DataFrame:
        """List the 7-mers predicted highest: ``kmer`` and ``z``."""
        return rank_kmers(self.z, count)


@dataclass(frozen=True, eq=False)
class SpecificityStudy:
    """What was found for some proteins.

    Parameters
    ----------
    found : tuple of Specificity
        One for each.
    contexts, seed : int
        How many random RNAs each 7-mer was put into, and which.
    simulated : bool
        Whether the model learned from a simulation.
    motifs : str
        Where the known motifs came from; empty where none were given.
    """

    found: tuple[Specificity, ...]
    contexts: int
    seed: int
    simulated: bool
    motifs: str = ""

    @property
    def table(self) -> pl.DataFrame:
        """A row for each protein."""
        rows = [
            {
                **one.query.facts,
                "reliability": one.reliability,
                "motif": one.motif.consensus if one.motif else None,
                "best_kmer": one.best(1)["kmer"][0],
                "simulated": self.simulated,
            }
            for one in self.found
        ]
        return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col("reliability").fill_nan(None))


def find_specificity(
    model: Predictor,
    proteins: Proteins,
    *,
    known: Path | None = None,
    contexts: int = CONTEXTS,
    seed: int = 0,
    progress: Progress | None = None,
) -> SpecificityStudy:
    """Predict which 7-mers proteins prefer.

    Every one of the 16,384 is put into the middle of the same random RNAs, and the predictions are averaged.

    Parameters
    ----------
    model : Predictor
        Trained on a compendium.
    proteins : Path, str, mapping, or sequence of Protein or str
        As for `ribocyte.applications.binding.bind`.
    known : Path, optional
        Measured motifs named by experiments, such as ``pwms.hmot``: those of the nearest known proteins are shown.
    contexts : int
        How many random RNAs.
    seed : int
        Of them.
    progress : callable, optional
        Told how far it is.

    Raises
    ------
    ModelError
        If the model does not know any protein, cannot be aimed at others, or predicts the same for all 7-mers.
    DataError
        For a protein that is none, or a file of motifs that is none or has no motif of a known protein.
    RequestError
        If a value is impossible, there are too many proteins, or the extra [bio] is not installed.
    """
    if not 1 <= contexts <= 1000:
        raise RequestError(f"contexts = {contexts}", expected="from 1 to 1,000")
    loaded = load_proteins(proteins)
    if len(loaded) > MOST:
        raise RequestError(
            f"proteins: {len(loaded)}", expected=f"at most {MOST} at a time", mend="split the file"
        )
    motifs = read_motifs(known) if known else {}
    queries = identify(model, loaded)
    panel = Panel.of(model, queries)
    members = _score(panel, contexts, seed, progress)
    reliabilities = _reliabilities(panel)
    found = tuple(
        _describe(query, members[:, :, column], reliabilities[column], motifs)
        for column, query in enumerate(queries)
    )
    if known and not any(one.known for one in found):
        raise DataError(
            f"{known}: none of its {len(motifs)} motifs is of a protein near those asked about",
            expected=f"motifs named by experiments, such as {queries[0].nearest[0].protein.name}",
            mend=f"its first is called {next(iter(motifs))}",
        )
    return SpecificityStudy(found, contexts, seed, model.info.simulated, known.name if known else "")


def write_specificity(study: SpecificityStudy, out: Path) -> list[str]:
    """Write what was found as a folder.

    ``index.html`` is to be read first; ``kmers.tsv``, every 7-mer and its z for each protein, laid out as
    RNAcompete's own tables, with a last column ``simulated``; ``spread.tsv``, the same of the members' spread;
    ``proteins.tsv``; ``motifs.meme``; and ``logos/``. Every file says whether the model learned from a simulation.

    Parameters
    ----------
    study : SpecificityStudy
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
    from ribocyte.applications._specificity_page import describe_specificity

    with new_folder(out) as folder:
        _write_kmers({one.name: one.z for one in study.found}, folder / "kmers.tsv", study.simulated)
        spread = {one.name: one.spread for one in study.found if one.spread is not None}
        if spread:
            _write_kmers(spread, folder / "spread.tsv", study.simulated)
        with atomic_write(folder / "proteins.tsv") as stream:
            study.table.write_csv(stream, separator="\t")
        pwms = {one.name: one.motif.pwm for one in study.found if one.motif}
        if pwms:
            write_meme(folder / "motifs.meme", pwms, comment=LEARNED_FROM[study.simulated])
        for number, one in enumerate(study.found, 1):
            logos = _logos(one)
            if logos:
                figure = plot_logos(logos, "information (bits)", simulated=study.simulated)
                save_figure(figure, folder / "logos" / f"{number}.svg")
        write_text(folder / "index.html", render_page(describe_specificity(study, folder)))
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def embed_kmers(contexts: Tensor, first: int, last: int, k: int = K) -> Tensor:
    """Put k-mers into the middle of every context.

    Parameters
    ----------
    contexts : Tensor, uint8, shape (C, L)
        Tokens.
    first, last : int
        Which k-mers: those with these numbers (`ribocyte.rna.kmers.name_kmer`), the last left out.
    k : int
        Their length.

    Returns
    -------
    Tensor, uint8, shape (last - first, C, L)
    """
    digits = 2 * torch.arange(k - 1, -1, -1)
    words = (torch.arange(first, last)[:, None] >> digits & 3).to(torch.uint8)
    start = (contexts.shape[1] - k) // 2
    embedded = contexts.repeat(last - first, 1, 1)
    embedded[:, :, start : start + k] = words[:, None, :]
    return embedded


def _score(panel: Panel, contexts: int, seed: int, progress: Progress | None) -> Array:
    """Give every member's mean prediction of each 7-mer and protein, (M, 4**7, Q); the models share the contexts."""
    lengths = {getattr(model.encoding, "length", 0) for model, _, _ in panel.parts}
    if min(lengths) < K:
        raise ModelError(f"model: reads windows of {min(lengths)} nt", expected=f"{K} nt or more")
    surroundings = draw_contexts(max(lengths), contexts, seed)
    count, step = 4**K, max(1, 4096 // contexts)
    parts = []
    for first in range(0, count, step):
        last = min(first + step, count)
        windows = embed_kmers(surroundings, first, last).flatten(0, 1)
        parts.append(_average(panel.member_outputs(windows), contexts))
        if progress is not None:
            progress(last, count)
    scores: Array = torch.cat(parts, dim=1).numpy()
    return scores


def _average(outputs: Tensor, contexts: int) -> Tensor:
    """Average over contexts, which lie next to each other: (M, N · contexts, Q) to (M, N, Q)."""
    members, rows, proteins = outputs.shape
    return outputs.reshape(members, rows // contexts, contexts, proteins).double().mean(dim=2)


def _describe(query: Query, members: Array, reliability: float, motifs: Mapping[str, Array]) -> Specificity:
    """Turn the members' means of each 7-mer, (M, 4**7), into what is said of a protein."""
    z = _standardise(members.mean(axis=0), query.protein.name)
    spread = None
    if len(members) > 1:
        spread = np.std([_standardise(member, query.protein.name) for member in members], axis=0, ddof=1)
    every = (torch.arange(4**K)[:, None] >> 2 * torch.arange(K - 1, -1, -1) & 3).to(torch.uint8)
    aligned = next(find_by_kmers(Probes(every, z), K), None)
    motif = make_motif("kmers", aligned) if aligned is not None else None
    return Specificity(query, z, spread, reliability, motif, _known_motifs(query, motifs))


def _standardise(scores: Array, name: str) -> Array:
    spread = float(scores.std())
    if not np.isfinite(scores).all() or spread <= 1e-6 * max(1.0, float(np.abs(scores).max())):
        raise ModelError(
            f"{name}: predicted the same for all 7-mers, or what is no number",
            expected="predictions that differ",
        )
    z: Array = (scores - scores.mean()) / spread
    return z


def _known_motifs(query: Query, motifs: Mapping[str, Array]) -> tuple[KnownMotif, ...]:
    """Give the measured motifs of the nearest known proteins, one each."""
    found = []
    for protein, identity in query.nearest:
        names = [name.removeprefix(SIMULATED) for name in (*protein.experiments, protein.name)]
        name = next((name for name in names if name in motifs), None)
        if name is not None:
            found.append(KnownMotif(name, protein.gene, protein.species, identity, motifs[name]))
    return tuple(found)


def _reliabilities(panel: Panel) -> list[float]:
    """Give the rank correlation to expect of each protein; NaN where the model's trust does not say."""
    found = [float("nan")] * len(panel.queries)
    for model, numbers, names in panel.parts:
        if isinstance(model.trust, UnseenTrust):
            of = dict(zip(model.info.outputs, model.trust.reliabilities(), strict=True))
            for number, name in zip(numbers, names, strict=True):
                found[number] = of[name]
    return found


def _write_kmers(columns: Mapping[str, Array], path: Path, simulated: bool) -> None:
    """Write a number for every k-mer and protein, as RNAcompete's tables are laid out; `simulated` at the end."""
    header = "\t".join(["kmer", *(" ".join(name.split()) for name in columns), "simulated"])
    kmers = [name_kmer(number, K) for number in range(4**K)]
    # Columns by number: a protein may be called as a column is.
    numbers = {f"{number}": column for number, column in enumerate(columns.values())}
    table = pl.DataFrame({"kmer": kmers} | numbers).with_columns(pl.lit(simulated).alias("simulated"))
    with atomic_write(path) as stream:
        stream.write(f"{header}\n".encode())
        table.write_csv(stream, separator="\t", include_header=False, float_precision=4)


def _logos(one: Specificity) -> dict[str, Array]:
    """Give the predicted logo and those measured of its relatives, by title."""
    logos = {}
    if one.motif is not None:
        logos[f"{one.name}, predicted"] = information(one.motif.pwm)
    for known in one.known[:NEIGHBOURS]:
        gene = f" ({known.gene})" if known.gene else ""
        logos[f"{known.name}{gene}, measured, identity {known.identity:.2f}"] = information(known.pwm)
    return logos
