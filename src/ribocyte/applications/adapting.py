"""A model of a new protein, from a joint network and a few hundred measured RNAs.

>>> from ribocyte import Predictor, adapt_protein
>>> joint = Predictor.load("runs/joint")                                   # doctest: +SKIP
>>> found = adapt_protein(joint, "protein.fasta", rnas, intensities)       # doctest: +SKIP
>>> found.fit.scores["spearman"], found.model.predict(["UGCAUGUUUUACGGA"])  # doctest: +SKIP
>>> found.model.save("my-protein.safetensors")                             # doctest: +SKIP

How good the model is, is measured on the RNAs that it is given, each predicted by a head fitted without it
(`FOLDS`); so are the intervals of its predictions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ribocyte.applications._panel import NO_TRUST, Query, identify
from ribocyte.applications.binding import Proteins, load_proteins
from ribocyte.catalog import Predictor
from ribocyte.errors import DataError, RequestError
from ribocyte.files import new_folder, write_text
from ribocyte.learn import evaluation
from ribocyte.learn.conformal import Intervals
from ribocyte.learn.evaluation import Difference, Score
from ribocyte.learn.objectives import Regression
from ribocyte.learn.predictor import Predictor as AnyPredictor
from ribocyte.learn.splits import Info
from ribocyte.rna.alphabet import letters, tokens
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.joint.adapting import (
    Readings,
    adapt_network,
    adapted_predictor,
    aim_at_all,
    describe_adapted,
    read_rnas,
    refuse_aimed,
    weigh_outputs,
)
from ribocyte.rna.joint.few_shot import Head
from ribocyte.rna.joint.known import known_proteins
from ribocyte.rna.measured import (
    MeasuredProbes,
    Values,
    describe_scale,
    merge_repeats,
    pair_measured,
    scale_table,
    scale_values,
)
from ribocyte.rna.proteins.alignment import identity_matrix
from ribocyte.rna.proteins.sequences import Protein
from ribocyte.rna.trust import RNATrust

FEWEST = 4
"""Different RNAs that must have been measured."""
JUDGED = 20
"""From which on it is measured how good the model is: with fewer a correlation may be anything."""
FOLDS = 10
"""Parts of the RNAs, each predicted by heads fitted to the others."""
REMEMBERED = 10
"""Known proteins that a model's card names: those that count most."""
METRICS = ("spearman", "pearson")
RESERVED = ("name", "windows")
"""Columns that predictions have anyway."""


@dataclass(frozen=True, eq=False)
class Fit:
    """How a joint model was adapted to measurements of one protein, and how good that is.

    Parameters
    ----------
    name : str
        What the protein, and the model's output, is called.
    query : Query, optional
        What the joint model knows of the protein; None where no sequence was given.
    rnas : tuple of str
        Measured, each once.
    measured, predicted : Tensor, float32, shape (N,)
        z-scores of log intensity: as measured, and as predicted by heads fitted without that RNA; the latter
        NaN with fewer than `JUDGED`.
    repeats : int
        Measurements that were of an RNA measured before; they are averaged.
    missing : int
        RNAs left out, because their measurement is NaN.
    scale : str
        How measurements became z-scores.
    share : float
        How much the protein's own prediction from its sequence counts, from 0 to 1; without one, that of the mean
        over the known proteins.
    voices : DataFrame
        A row for each known protein, those that count most first: ``protein``, ``gene``, ``species``,
        ``identity`` (null without a sequence) and ``weight``: by how much the prediction changes when what the
        network says of that protein does by its standard deviation.
    scores : mapping of str to Score
        ``spearman`` and ``pearson`` of `predicted`, with 95 % intervals over the RNAs; empty with too few.
    gains : mapping of str to Difference
        The same against the prediction from the protein's sequence alone (without one, the mean over the known).
    simulated : bool
        Whether the joint model learned from a simulator.
    """

    name: str
    query: Query | None
    rnas: tuple[str, ...]
    measured: Tensor
    predicted: Tensor
    repeats: int
    missing: int
    scale: str
    share: float
    voices: pl.DataFrame
    scores: Mapping[str, Score]
    gains: Mapping[str, Difference]
    simulated: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against the protein's sequence; that the joint model gives no intervals does not matter here."""
        return tuple(one for one in self.query.warnings if one != NO_TRUST) if self.query else ()

    def facts(self) -> dict[str, Any]:
        """Give what is known of it as JSON values."""
        return {
            "protein": self.name,
            "rnas": len(self.rnas),
            "repeats": self.repeats,
            "missing": self.missing,
            "scale": self.scale,
            "sequence": self.query is not None,
            "share": self.share,
            "voices": self.voices.head(REMEMBERED).to_dicts(),
            "scores": evaluation.as_json(self.scores),
            "gains": evaluation.as_json(self.gains),
            "simulated": self.simulated,
        }


@dataclass(frozen=True, eq=False)
class Adaptation:
    """A model of one protein, and how it came about.

    Parameters
    ----------
    model : Predictor
        Of one output; it can be saved, and used as any other. It gives intervals from `JUDGED` RNAs on.
    fit : Fit
        How it was made of a joint one.
    """

    model: Predictor
    fit: Fit


def adapt_protein(
    model: AnyPredictor,
    protein: Proteins | Protein | None,
    rnas: Sequence[str] | MeasuredProbes,
    measured: Sequence[float] | np.ndarray[Any, Any] = (),
    *,
    name: str = "",
    values: Values = "intensity",
    seed: int = 0,
) -> Adaptation:
    """Adapt a joint model to a protein of which some RNAs were measured.

    The networks stay as they are. Fitted is how much their outputs for the known proteins, their features of the RNA
    and the prediction from the protein's own sequence count: `ribocyte.rna.joint.few_shot`.

    Parameters
    ----------
    model : Predictor
        Trained on a compendium: rna-multi, rna-towers or rna-film, or an ensemble of those.
    protein : Path, str, mapping, Protein or None
        One protein: a FASTA file, or residues by name. None where its sequence is not known; the known proteins
        and the trunk then speak alone.
    rnas : sequence of str, or MeasuredProbes
        Each of at most the model's window (41 nt); or what `ribocyte.rna.measured.read_measured` read.
    measured : sequence of float
        What was measured of them; NaN where it failed.
    name : str
        Of the output; the protein's, or the file's of the measurements, where not given.
    values : {"intensity", "log", "zscore"}
        What the measurements are: see `ribocyte.rna.measured.scale_values`. Only raw intensities let the model
        predict intensities.
    seed : int
        Of the parts that it is measured on how good the model is.

    Raises
    ------
    ModelError
        If the model is no joint model, or was aimed or adapted before.
    DataError
        For what is no protein or RNA, an RNA that is too long, fewer than four RNAs, or measurements that are all
        equal.
    RequestError
        If there is not one protein, the model was trained on it, it has no name, or the extra [bio] is not
        installed.
    """
    refuse_aimed(model.info)
    probes = rnas if isinstance(rnas, MeasuredProbes) else pair_measured(rnas, measured)
    given = _take_protein(protein)
    query = None if given is None else _meet(model, given)
    called = _name(name, given, probes)
    asked = query.protein if query else None
    panel = aim_at_all(model, asked)
    written = _spell(panel, probes)
    scores, scale = scale_values(probes.values, values)
    spelled, targets = merge_repeats(written, scores)
    measurements = torch.from_numpy(targets).float()
    readings = read_rnas(panel, panel.encoding.encode(spelled)[0], asked is not None)
    heads = readings.fit(measurements, torch.arange(len(spelled)))
    predicted = _predict_apart(readings, measurements, heads, seed)
    judged, gains = _judge(predicted, readings.own.mean(dim=0), measurements)
    fit = Fit(
        name=called,
        query=query,
        rnas=tuple(spelled),
        measured=measurements,
        predicted=predicted,
        repeats=len(probes.rnas) - len(spelled),
        missing=probes.missing,
        scale=describe_scale(values, scale),
        share=float(np.mean([head.prior for head in heads])),
        voices=_weigh_voices(model, asked, readings, heads),
        scores=judged,
        gains=gains,
        simulated=model.info.simulated,
    )
    info = describe_adapted(model.info, called, asked, scale_table(scale), fit.facts())
    return Adaptation(_assemble(panel, heads, info, fit), fit)


def write_adaptation(adaptation: Adaptation, out: Path) -> list[str]:
    """Write a folder that other commands take as a model.

    Parameters
    ----------
    adaptation : Adaptation
        As `adapt_protein` gives it.
    out : Path
        A new or empty folder. It appears whole, or not at all.

    Returns
    -------
    list of str
        The files: the model, ``adaptation.json`` (`Fit.facts`), ``voices.tsv``, and ``measured.tsv``: each
        RNA, its z-score, and its prediction by heads fitted without it.

    Raises
    ------
    RequestError
        If the folder is there and not empty.
    DiskError
        If it cannot be written.
    """
    fit = adaptation.fit
    table = pl.DataFrame(
        {"rna": fit.rnas, "measured": fit.measured.numpy(), "predicted": fit.predicted.numpy()},
        schema={"rna": pl.String, "measured": pl.Float32, "predicted": pl.Float32},
    ).with_columns(pl.col("predicted").fill_nan(None))
    with new_folder(Path(out)) as folder:
        adaptation.model.save(folder / "model.safetensors")
        facts = json.dumps(fit.facts(), indent=2, ensure_ascii=False, allow_nan=False)
        write_text(folder / "adaptation.json", facts + "\n")
        write_text(folder / "voices.tsv", fit.voices.write_csv(separator="\t"))
        write_text(folder / "measured.tsv", table.write_csv(separator="\t"))
    return ["model.safetensors", "adaptation.json", "voices.tsv", "measured.tsv"]


def _take_protein(given: Proteins | Protein | None) -> Protein | None:
    """Give the one protein."""
    if given is None or isinstance(given, Protein):
        return given
    proteins = load_proteins(given)
    if len(proteins) != 1:
        raise RequestError(
            f"{given if isinstance(given, Path | str) else 'protein'}: {len(proteins)} proteins",
            expected="one, the one that was measured",
        )
    return proteins[0]


def _meet(model: AnyPredictor, protein: Protein) -> Query:
    """Find out what the model knows of the protein; refuse one that it was trained on."""
    query = identify(model, [protein])[0]
    if query.measured:
        raise RequestError(
            f"{protein.name}: the model was trained on this protein, as {query.measured[0]}",
            expected="a protein that it does not know",
            mend="use the output that it has: ribocyte bind MODEL --protein FASTA --rna FILE",
        )
    return query


def _name(wanted: str, protein: Protein | None, probes: MeasuredProbes) -> str:
    """Name the output."""
    found = wanted or (protein.name if protein else probes.source.partition(".")[0])
    if not found.strip() or found in RESERVED:
        raise RequestError(
            f"name {found!r}: cannot be that of an output" if found else "name: the protein has none",
            expected="what the protein is to be called",
            mend="give one with name (--name)",
        )
    return found


def _spell(panel: AnyPredictor, probes: MeasuredProbes) -> list[str]:
    """Write RNAs in one way, so that the same are the same; refuse those longer than the window, and too few."""
    encoding = panel.encoding
    assert isinstance(encoding, RNAEncoding), "it was aimed at proteins"
    written = letters(tokens(probes.rnas, encoding.length))
    if len(set(written)) < FEWEST:
        raise DataError(
            f"{probes.source or 'measurements'}: {len(set(written))} different RNAs with a measurement",
            expected="four or more; a few hundred are what makes it good",
        )
    return written


def _predict_apart(readings: Readings, targets: Tensor, heads: Sequence[Head], seed: int) -> Tensor:
    """Predict each RNA by heads fitted to the nine tenths of the RNAs that it is not among; NaN with too few.

    What such heads say on average is moved to what `heads`, fitted to all, do. Where a tenth was measured high, the
    mean of the others is low, and so is all that is predicted of that tenth: of measurements that are nothing but
    noise, predictions that are little more than that mean would go against them, with a Spearman of -0.36 in a test.
    """
    predicted = torch.full_like(targets, torch.nan)
    if len(targets) < JUDGED:
        return predicted
    mean = readings.apply(heads, torch.arange(len(targets))).mean()
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(targets)))
    for part in order.tensor_split(FOLDS):
        others = order[~torch.isin(order, part)]
        apart = readings.fit(targets, others)
        predicted[part] = readings.apply(apart, part) - readings.apply(apart, others).mean() + mean
    return predicted


def _judge(
    predicted: Tensor, alone: Tensor, targets: Tensor
) -> tuple[dict[str, Score], dict[str, Difference]]:
    """Score predictions, and compare them with those made without measurements."""
    if bool(predicted.isnan().any()):
        return {}, {}
    objective = Regression()
    first, second = (
        evaluation.judge(objective, said[:, None], targets[:, None]) for said in (alone, predicted)
    )
    scores, gains = evaluation.score(second), evaluation.differ(first, second)
    return {name: scores[name] for name in METRICS}, {name: gains[name] for name in METRICS}


def _weigh_voices(
    model: AnyPredictor, protein: Protein | None, readings: Readings, heads: Sequence[Head]
) -> pl.DataFrame:
    """Tell how much each known protein counts, those that do most first."""
    known = list(dict.fromkeys(known_proteins(model.info)))
    weights = torch.stack([weigh_outputs(head, len(known) + (protein is not None)) for head in heads])
    counted = (weights[:, : len(known)] * readings.known.std(dim=1)).mean(dim=0)
    identities = [None] * len(known) if protein is None else identity_matrix([protein], known)[0].tolist()
    table = pl.DataFrame(
        {
            "protein": [one.name for one in known],
            "gene": [one.gene for one in known],
            "species": [one.species for one in known],
            "identity": pl.Series(identities, dtype=pl.Float32),
            "weight": counted.numpy(),
        }
    )
    return table.sort(pl.col("weight").abs(), descending=True, maintain_order=True)


def _assemble(panel: AnyPredictor, heads: Sequence[Head], info: Info, fit: Fit) -> Predictor:
    """Make the model; where it was measured how far it is off, it says so with each prediction."""
    made = adapted_predictor(panel, adapt_network(panel, heads), info)
    trust = RNATrust(Intervals.fit(fit.predicted[:, None], fit.measured[:, None])) if fit.scores else None
    return Predictor(made.network, made.encoding, made.card, made.device, trust)
