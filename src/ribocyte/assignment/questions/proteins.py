"""Question 2.3, measured: many proteins learned together, and proteins that nobody has measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ribocyte.assignment.phrases import count_things, join_words, write_number
from ribocyte.assignment.proteins import Found
from ribocyte.assignment.questions.answer import Answer
from ribocyte.assignment.questions.claims import Claim, Expectation, Measure, capitalise, expect, tell
from ribocyte.assignment.questions.facts import refer, show_figures
from ribocyte.assignment.questions.many import ALONE, TOGETHER
from ribocyte.assignment.questions.published import RBFOX1
from ribocyte.assignment.references import find_published
from ribocyte.documents.document import Section
from ribocyte.learn.evaluation import Difference
from ribocyte.rna.assay import STAMP
from ribocyte.transfer.protocols.known import FEW, SINGLE, TUNED
from ribocyte.transfer.results import average_methods, differ
from ribocyte.transfer.scoring import METRICS
from ribocyte.transfer.study import LOSS
from ribocyte.transfer.work import BLEND, TOWERS

SPEARMAN = Measure("mean test Spearman", 1.0, 3, "", "", 0.005)
JOINT, AVERAGE = "joint, two towers", "average"
"""Methods, as `ribocyte.transfer` calls them: the towers, and the baseline of an unseen protein."""

_TOGETHER_FEW = Expectation(
    "learning all proteins together first, on a tenth of the probes",
    "better",
    "what one experiment is too small to show, a motif or the array's background, others show as well",
)
_TOGETHER = Expectation(
    "learning them together first, on all probes", "better", "the published gain was found with all of them"
)
_UNSEEN = Expectation(
    "holding a protein and its relatives out",
    "worse",
    "what it binds must then be read from its sequence, which few families have taught",
)
_TOWERS = Expectation(
    "predicting unseen proteins by the second tower instead of an average by identity",
    "better",
    "a few residues decide what is bound, and identity counts all alike",
)
_BLEND = Expectation(
    "predicting them by the mean of both", "better", "where the two err differently it errs less"
)
_CAPTIONS = {
    "together": "Together or alone: Spearman with Set B, each learned together with all others first (up) "
    "and by a network of its own (across), both on a tenth of the probes. Above the line it gains.",
    "unseen": "Unseen proteins: Spearman with Set B of experiments whose proteins did not train, against identity to "
    "the nearest that did: the two towers, and the average of known proteins by identity. Lines are means over some 25 "
    "experiments each; right of the dotted line relatives trained.",
}
_PREFIX = "proteins"


@dataclass(frozen=True)
class _Shown:
    """Claims of the benefit and of the challenge."""

    few: Claim
    all: Claim
    unseen: Claim
    towers: Claim
    blend: Claim

    def list(self) -> tuple[Claim, ...]:
        return (self.few, self.all, self.unseen, self.towers, self.blend)


def answer_measured_proteins(found: Found, figures: Mapping[str, Path]) -> Answer:
    """Answer question 2.3 from a finished study of many proteins.

    Parameters
    ----------
    found : Found
        What the study found.
    figures : mapping of str to Path
        SVG files, those there are of ``together`` and ``unseen``.

    Returns
    -------
    Answer
        Marked as simulated where the compendium is.
    """
    bench = found.study.bench
    claims = _compare(found)
    section = Section(
        heading="Many proteins (question 2.3)",
        paragraphs=(
            _describe_data(found),
            _describe_architecture(found),
            _describe_evaluation(found),
            _describe_benefit(found, claims, figures),
            _describe_challenge(found, claims, figures),
        ),
        figures=show_figures(figures, _CAPTIONS, _PREFIX, bench.simulated),
        simulated=bench.simulated,
    )
    return Answer(
        section,
        _write_headline(found, claims),
        claims.list(),
        _draw_lesson(claims),
        tuple(claim for claim in (claims.few, claims.towers) if not claim.told),
        trainings=found.trainings,
        seconds=found.seconds,
    )


def _compare(found: Found) -> _Shown:
    both = _pool(found)
    return _Shown(
        _claim(_TOGETHER_FEW, found.known, f"{SINGLE}{FEW}", f"{TUNED}{FEW}"),
        _claim(_TOGETHER, found.known, SINGLE, TUNED),
        _claim(_UNSEEN, both, JOINT, TOWERS),
        _claim(_TOWERS, found.held, AVERAGE, TOWERS),
        _claim(_BLEND, found.held, AVERAGE, BLEND),
    )


def _pool(found: Found) -> pl.DataFrame:
    """Set what was predicted of proteins that trained beside what was of the same, held out."""
    columns = ["experiment", "method", "protein", "cluster", *METRICS]
    return pl.concat([found.known.select(columns), found.held.select(columns)])


def _claim(expectation: Expectation, table: pl.DataFrame, first: str, second: str) -> Claim:
    """Compare a second method with a first, on the experiments that both have; intervals over clusters."""
    rows = table.filter(pl.col("method").is_in([first, second]), pl.col("spearman").is_not_null())
    shared = rows.group_by("experiment").len().filter(pl.col("len") == 2)["experiment"]
    rows = rows.filter(pl.col("experiment").is_in(shared.implode()))
    found = average_methods(rows, [first, second])
    means = {name: mean["spearman"].value for name, mean in found.items()}
    mean = differ(rows, second, first).mean
    difference = Difference(means[first], means[second], mean.value, mean.low, mean.high, mean.verdict)
    return Claim(expectation, difference, SPEARMAN)


def _describe_data(found: Found) -> str:
    study, bench = found.study, found.study.bench
    made = (
        "Here the intensities are simulated: array, proteins and motifs are real [@ray2013], background and noise are "
        "as fitted to the measured column of A1CF. They show what the networks can learn, not what proteins bind. "
        if bench.simulated
        else ""
    )
    return (
        f"Data and labels. {len(bench.experiments)} experiments measured the same probes [@ray2013], so the label of a "
        "probe becomes a row of intensities, with gaps where a spot failed; each column is scaled by its own training "
        f"probes. {made}Each experiment brings the amino-acid sequence of its construct, with its domains: "
        f"{len(bench.proteins)} different proteins, in {len(np.unique(bench.clusters))} clusters of relatives that are "
        f"more than {study.config.identity:.0%} identical."
    ).replace("%", " %")


def _describe_architecture(found: Found) -> str:
    bench = found.study.bench
    return (
        "Architecture. Detectors of four widths side by side read a probe once, whatever the number of proteins, after "
        "MultiRBP [@karin2021]. Two networks stand on such a trunk. The shared trunk gives an output for each of the "
        f"{len(bench.experiments)} experiments, and knows only that proteins differ; to finish a protein, it is "
        "trained on for that one output, and the mean of before and after is taken. The two towers make a vector of "
        "the probe and one of the protein, whose product is the affinity. The vector of a measured protein is learned; "
        "that of any other is mixed from these by attention, in which the identity of the sequences is corrected by "
        "what a convolution reads in their residues."
    )


def _describe_evaluation(found: Found) -> str:
    study, bench = found.study, found.study.bench
    size = study.size
    loss = {"huber": "Huber's loss", "log-cosh": "log-cosh"}.get(LOSS, LOSS)
    together = f", {size.members} networks together" if size.members > 1 else ""
    copied = (
        ": RBFOX1 goes out with its relatives of fly and worm, from which it could be copied"
        if any(name.removeprefix(STAMP) == RBFOX1 for name in bench.experiments)
        else ""
    )
    return (
        f"Objective and evaluation. {capitalise(loss)}, masked, forgives outliers; validation chooses the epoch. All "
        f"learned from {_probes(found):,} probes of Set A and are scored on {len(bench.tokens):,} of Set B: Spearman "
        "for each protein, never over all pairs at once, where the proteins' levels would pass for skill. For new RNA, "
        f"{count_things(_singles(found), 'experiment')} also had networks of their own, the shared trunk with one "
        f"output. For new proteins, whole clusters were held out, in {size.folds} folds{together}{copied}. The "
        "yardstick there is the average of the known proteins, weighted by identity. Intervals draw whole clusters "
        f"[@efron1979], not seeds; {count_things(found.trainings, 'network')} were trained."
    )


def _describe_benefit(found: Found, claims: _Shown, figures: Mapping[str, Path]) -> str:
    published = {one.network: one.value for one in find_published("rnacompete", "pearson")}
    gain = write_number(published[TOGETHER] - published[ALONE], 3, "+")
    return _join(
        "A benefit: the proteins teach each other."
        if claims.few.verdict == "better"
        else "A benefit that was looked for, and is not shown here: that proteins teach each other.",
        expect([claims.few.expectation, claims.all.expectation], SPEARMAN),
        claims.few.sentence(),
        _count_losers(found),
        claims.all.sentence(),
        refer(figures, "together", _PREFIX, "each protein"),
        f"The published gain, with all probes and by Pearson, is {gain} [@karin2021].",
    )


def _describe_challenge(found: Found, claims: _Shown, figures: Mapping[str, Path]) -> str:
    return _join(
        f"A challenge: proteins are few, {len(found.study.bench.proteins)} against {_probes(found):,} probes, and a "
        "new one may be like none of them.",
        expect([claims.unseen.expectation, claims.towers.expectation, claims.blend.expectation], SPEARMAN),
        claims.unseen.sentence(),
        claims.towers.sentence(),
        claims.blend.sentence(),
        refer(figures, "unseen", _PREFIX, "both against identity"),
        _say_coverage(found),
    )


def _count_losers(found: Found) -> str:
    """Say how many proteins lose by being learned together first."""
    pairs = pair_spearmans(found)
    lost = int((pairs["joint"] < pairs["single"]).sum())
    return f"{lost or 'None'} of {count_things(pairs.height, 'experiment')} {'lose' if lost > 1 else 'loses'} by it."


def pair_spearmans(found: Found) -> pl.DataFrame:
    """Set networks of one protein and those begun from all proteins side by side, on a tenth of the probes.

    Returns
    -------
    DataFrame
        ``experiment``, ``single``, ``joint``; those that have both.
    """
    tables = [
        found.known.filter(pl.col("method") == f"{method}{FEW}", pl.col("spearman").is_not_null()).select(
            "experiment", pl.col("spearman").alias(name)
        )
        for method, name in ((SINGLE, "single"), (TUNED, "joint"))
    ]
    return tables[0].join(tables[1], on="experiment", maintain_order="left")


def _say_coverage(found: Found) -> str:
    if math.isnan(found.coverage):
        return ""
    return (
        "What can be said is how far to trust it: intervals that are to hold 90 % of the measurements of proteins held "
        f"out, learned from other clusters, hold {100 * found.coverage:.0f} %."
    )


def _write_headline(found: Found, claims: _Shown) -> str:
    """Say for the abstract what was found out of the benefit and of the challenge."""
    bench = found.study.bench
    told = tell([claims.few, claims.unseen, claims.towers])
    if not told:
        return ""
    where = "simulated on the real array" if bench.simulated else "measured on one array"
    return f"{capitalise(f'for {len(bench.proteins)} proteins {where}')}, {join_words(told, 'and')}."


def _draw_lesson(claims: _Shown) -> str:
    said = {
        "better": "Learn proteins together where probes are few.",
        "worse": "Learn proteins one by one, even where probes are few.",
    }.get(claims.few.lesson, "")
    unseen = (
        "Expect less for a protein whose relatives nobody measured."
        if claims.unseen.lesson == "worse"
        else ""
    )
    return _join(said, unseen)


def _probes(found: Found) -> int:
    return found.study.size.probes or found.study.bench.training_probes


def _singles(found: Found) -> int:
    return found.known.filter(pl.col("method") == SINGLE)["experiment"].n_unique()


def _join(*sentences: str) -> str:
    return " ".join(filter(None, sentences))
