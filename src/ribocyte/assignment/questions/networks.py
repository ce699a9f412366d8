"""Question 2.1: two architectures, tuned on the validation split and compared over seeds and probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ribocyte.assignment.phrases import join_words, write_end
from ribocyte.assignment.questions.answer import Answer
from ribocyte.assignment.questions.claims import (
    SPEARMAN,
    Claim,
    Expectation,
    capitalise,
    describe_seeds,
    expect,
)
from ribocyte.assignment.questions.facts import any_simulated, name_protein, refer, show_figures
from ribocyte.assignment.questions.published import tabulate_published_probes
from ribocyte.assignment.questions.settings import describe_tuning, tabulate_settings
from ribocyte.assignment.questions.tables import tabulate_groups, write_interval
from ribocyte.documents.document import Section
from ribocyte.learn.evaluation import Score
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search
from ribocyte.pipeline import compare_groups, score_group


@dataclass(frozen=True)
class Architecture:
    """What is said of a kind of network before anything is trained.

    Parameters
    ----------
    name : str
        Such as ``CNN``.
    choice : str
        Why it is tried: a sentence.
    rank : int
        A network of higher rank was expected to do better, one of the same rank as well.
    strength : str
        Why it would do better than one of a lower rank, as a clause.
    """

    name: str
    choice: str
    rank: int
    strength: str = ""


ARCHITECTURES = {
    "rna-cnn": Architecture(
        "CNN",
        "The CNN [@alipanahi2015] says what is known of such proteins: a binding site is a short word that may stand "
        "anywhere, a filter is a motif, and the maximum over positions is its best match.",
        0,
    ),
    "rna-bilstm": Architecture(
        "BiLSTM",
        "The BiLSTM [@hochreiter1997; @hassanzadeh2016] reads the detected motifs from both ends and can use what the "
        "CNN's maximum throws away: how many sites there are, in which order, how far apart and what surrounds them.",
        1,
        "order, number and surroundings of the sites are open to it, and every published group that tried both found "
        "it ahead",
    ),
    "rna-residual": Architecture(
        "residual network",
        "The residual network [@he2016; @koo2021] widens its view by dilation, to 31 nt and more, without a "
        "recurrence.",
        2,
        "its dilated filters see most of a probe at once, and averages over parts of it tell where a site lies",
    ),
    "rna-transformer": Architecture(
        "transformer",
        "The transformer [@vaswani2017] compares all pairs of positions, and has to learn what the others are given: "
        "that neighbours matter.",
        1,
        "every position sees every other",
    ),
}
_RESULTS = (
    "The chosen configurations on the test probes (Set B), each the mean over its seeds; 95 % intervals over seeds and "
    "probes. The difference is paired: the same probes in every resample. Parameters, and median time of an epoch with "
    "its scoring."
)
_LOSSES = {"mse": "the squared error", "huber": "Huber's loss", "log-cosh": "log-cosh"}
_CAPTIONS = {
    "trials": "The searches, trial by trial: validation score of each, and of the best so far.",
    "importance": "Share of the validation score's variance that each setting explains (fANOVA over complete trials).",
    "losses": (
        "Loss on the training and the validation split of the chosen configurations, epoch by epoch: mean and range "
        "over the seeds."
    ),
}


def answer_two_networks(
    searches: Mapping[str, Search], tuned: Mapping[str, Sequence[Run]], figures: Mapping[str, Path]
) -> Answer:
    """Answer question 2.1.

    Parameters
    ----------
    searches : mapping of str to Search
        By the same names as `tuned`; what was not searched may be left out, and the text says so.
    tuned : mapping of str to sequence of Run
        Finished runs of the chosen configurations, by kind of network, at one seed or more each. The first is
        what the others are compared with; the first two are the ones the question asks for.
    figures : mapping of str to Path
        SVG files, those there are of ``trials``, ``importance`` and ``losses``.

    Raises
    ------
    RunError
        If a run is unfinished, or they were not tested on the same probes.
    """
    groups = {name_network(name): runs for name, runs in tuned.items()}
    scores = {name: score_group(runs) for name, runs in groups.items()}
    claims = _compare(tuned)
    simulated = any_simulated(run for runs in tuned.values() for run in runs)
    names = {kind: name_network(kind) for kind in tuned}
    expected = [claim.expectation for claim in claims.values()]
    paragraphs = (
        " ".join(ARCHITECTURES[kind].choice for kind in tuned if kind in ARCHITECTURES),
        describe_objectives(groups),
        describe_tuning(searches, names, figures),
        expect(expected, SPEARMAN),
        f"{_describe_result(groups, scores, claims, figures)} [#probes-published] gives what others reached.",
    )
    shown = {
        name: path for name, path in figures.items() if any(f"[#networks-{name}]" in p for p in paragraphs)
    }
    ranked = {name: found["spearman"] for name, found in scores.items()}
    section = Section(
        heading="Two architectures (question 2.1)",
        paragraphs=tuple(filter(None, paragraphs)),
        tables=(
            *tabulate_settings(searches, names),
            tabulate_groups(groups, scores, claims, _RESULTS, "networks-results"),
            tabulate_published_probes(groups, ranked, ("CNN", "BiLSTM")),
        ),
        figures=show_figures(shown, _write_captions(groups), "networks", simulated),
        simulated=simulated,
    )
    first, *_ = groups
    headline, lesson = _write_headline(groups[first][0], scores, claims), _draw_lesson(first, claims)
    untold = tuple(claim for claim in claims.values() if not claim.told)
    return Answer(section, headline, tuple(claims.values()), lesson, untold)


def _write_captions(groups: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """Write the captions; where networks minimise different losses, say that their levels do not compare."""
    losses: dict[str, list[str]] = {}
    for name, runs in groups.items():
        losses.setdefault(str(runs[0].recipe["objective"]["loss"]), []).append(name)
    if len(losses) < 2:
        return _CAPTIONS
    said = [f"{_LOSSES[loss]} for {join_words(names, 'and')}" for loss, names in losses.items()]
    unlike = f" The loss is {join_words(said, 'and')}: levels compare only where it is the same."
    return {**_CAPTIONS, "losses": f"{_CAPTIONS['losses']}{unlike}"}


def name_network(kind: str) -> str:
    """Call a kind of network by its name in the article."""
    return ARCHITECTURES[kind].name if kind in ARCHITECTURES else kind


def expect_of(first: str, second: str) -> Expectation:
    """Say what was expected of the second kind of network in the place of the first."""
    one, other = (ARCHITECTURES.get(kind, Architecture(kind, "", 0)) for kind in (first, second))
    subject = f"replacing the {one.name} by the {other.name}"
    if one.rank == other.rank:
        return Expectation(subject, "no difference", "neither sees what the other cannot")
    if other.rank > one.rank:
        return Expectation(subject, "better", other.strength)
    return Expectation(subject, "worse", f"of the {one.name} we thought that {one.strength}")


def describe_objectives(groups: Mapping[str, Sequence[Run]]) -> str:
    """Say which networks minimise another loss than the assignment asks for; nothing where none does."""
    losses = {name: str(runs[0].recipe["objective"]["loss"]) for name, runs in groups.items()}
    others = dict.fromkeys(loss for loss in losses.values() if loss != "mse")
    if not others:
        return ""
    said = []
    for loss in others:
        names = [f"the {name}" for name, found in losses.items() if found == loss]
        verb = "minimises" if len(names) == 1 else "minimise"
        said.append(f"{join_words(names, 'and')} {verb} {_LOSSES[loss]} in its place")
    asked = [f"the {name}" for name, loss in losses.items() if loss == "mse"]
    verb = "minimises" if len(asked) == 1 else "minimise"
    kept = f", and {join_words(asked, 'and')} {verb} it" if asked else ""
    return f"The assignment asks for the masked mean squared error{kept}; {join_words(said, 'and')}, masked alike."


def describe_losses(groups: Mapping[str, Sequence[Run]]) -> str:
    """Say in which epoch the validation loss was lowest, on average over the seeds, and how it ended."""
    said = []
    for name, runs in groups.items():
        lows, ends, epochs = [], [], runs[0].history.height
        for run in runs:
            losses = run.history["val_loss"].fill_nan(None)
            lowest = losses.arg_min()
            if lowest is None or losses[-1] is None:
                break
            lows.append(lowest + 1)
            ends.append(losses[-1] / losses[lowest])
        if len(lows) == len(runs):
            ended = write_end(sum(ends) / len(ends), epochs, min(lows))  # falling, if in every run
            said.append(f"{sum(lows) / len(lows):.0f} of {epochs} ({name}; {ended})")
    listed = join_words(said, "and")
    return f"On average over seeds the validation loss is lowest in epoch {listed}." if said else ""


def _compare(tuned: Mapping[str, Sequence[Run]]) -> dict[str, Claim]:
    """Compare every network with the first."""
    (first, runs), *others = tuned.items()
    return {
        name_network(kind): Claim(
            expect_of(first, kind),
            compare_groups(runs, group)["spearman"],
            SPEARMAN,
            min(len(runs), len(group)),
        )
        for kind, group in others
    }


def _describe_result(
    groups: Mapping[str, Sequence[Run]],
    scores: Mapping[str, Mapping[str, Score]],
    claims: Mapping[str, Claim],
    figures: Mapping[str, Path],
) -> str:
    """Say what they reach, what the comparisons claim, and whether it was expected."""
    reached = [f"{write_interval(found['spearman'])} for the {name}" for name, found in scores.items()]
    said = [f"Test Spearman ([#networks-results]) is {join_words(reached, 'and')}."]
    said += [claim.sentence() for claim in claims.values()]
    said += [describe_seeds(list(claims.values()), "probes")] if claims else []
    said += [describe_losses(groups), refer(figures, "losses", "networks", "both losses")]
    return " ".join(filter(None, said))


def _write_headline(run: Run, scores: Mapping[str, Mapping[str, Score]], claims: Mapping[str, Claim]) -> str:
    name, found = next(iter(scores.items()))
    interval = write_interval(found["spearman"]).replace("(", "(95 % interval ")
    said = [
        f"for {name_protein(run)} and {run.scores['rows']['test']:,} RNA probes, the {name} reaches a test Spearman of "
        f"{interval}",
    ]
    told = [claim.brief(f"the {other}", again=True) for other, claim in claims.items() if claim.told]
    said += [f"in its place {join_words(told, 'and')}"] if told else []
    return f"{capitalise('; '.join(said))}."


def _draw_lesson(first: str, claims: Mapping[str, Claim]) -> str:
    """Say which networks are worth their price, and which are not known to be."""
    words = {
        "ranked probes better than": [name for name, claim in claims.items() if claim.lesson == "better"],
        "ranked probes worse than": [name for name, claim in claims.items() if claim.lesson == "worse"],
        "ranked probes, for all that matters, as well as": [
            name for name, claim in claims.items() if claim.negligible
        ],
        "could not be told from": [
            name for name, claim in claims.items() if claim.lesson == "no difference" and not claim.negligible
        ],
    }
    return " ".join(
        f"{capitalise(join_words([f'the {name}' for name in names], 'and'))} {said} the {first}."
        for said, names in words.items()
        if names
    )
