"""What stands around the answers: title, abstract, data and protocol, and the conclusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ribocyte.assignment.phrases import count_things, join_words, write_seconds
from ribocyte.assignment.questions.answer import Answer
from ribocyte.assignment.questions.claims import count_agreements, list_untold
from ribocyte.assignment.questions.facts import name_protein
from ribocyte.documents.document import Section
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search


@dataclass(frozen=True)
class Framed:
    """An article but for its authors and its references.

    Parameters
    ----------
    title, abstract : str
        What it is called, and what was asked and found.
    sections : tuple of Section
        Data and protocol, the answers, the conclusion.
    simulated : bool
        True where all that was learned from is simulated.
    """

    title: str
    abstract: str
    sections: tuple[Section, ...]
    simulated: bool


def frame_answers(
    answers: Sequence[Answer],
    cells: Sequence[Run],
    rna: Sequence[Run],
    searches: Sequence[Search] = (),
    *,
    instead: str = "",
) -> Framed:
    """Put answers between data and conclusion, and under a title and an abstract.

    Parameters
    ----------
    answers : sequence of Answer
        Of the questions that were asked, in their order: the article speaks of no others.
    cells, rna : sequence of Run
        All runs behind them, of question 1 and of question 2; empty where there are none. One that is given twice
        counts once.
    searches : sequence of Search
        All searches behind them.
    instead : str
        Why another protein than RBFOX1 was studied, as a clause, such as ``the table at hand does not hold it``.
    """
    cells, rna = _once(cells), _once(rna)
    runs = [*cells, *rna]
    return Framed(
        _write_title(cells, rna),
        _write_abstract(answers, cells, rna, instead),
        (
            *([_describe_data(answers, cells, rna, searches, instead)] if runs else []),
            *(answer.section for answer in answers),
            *([_conclude(answers, runs)] if runs else []),
        ),
        _all_simulated(answers, runs),
    )


def _all_simulated(answers: Sequence[Answer], runs: Sequence[Run]) -> bool:
    """Say whether nothing was measured: of the runs, or where there are none, of the answers."""
    if runs:
        return all(run.scores["simulated"] for run in runs)
    return any(answer.section.simulated for answer in answers)


def _write_title(cells: Sequence[Run], rna: Sequence[Run]) -> str:
    parts = ["blood cells in pictures"] if cells else []
    parts += [f"the binding of {name_protein(rna[0])} to RNA"] if rna else []
    return (
        f"Deep networks for {join_words(parts, 'and')}"
        if parts
        else "A network for many RNA-binding proteins"
    )


def _write_abstract(answers: Sequence[Answer], cells: Sequence[Run], rna: Sequence[Run], instead: str) -> str:
    runs = [*cells, *rna]
    warning = (
        "Everything here was learned from simulated data and says nothing about cells or proteins. "
        if _all_simulated(answers, runs)
        else ""
    )
    parts = [answer.headline for answer in answers]
    parts.append(list_untold([claim for answer in answers for claim in answer.untold]))
    parts += [_name_substitute(rna[0], instead)] if rna else []
    parts += [_judge_expectations(answers)] if any(answer.claims for answer in answers) else []
    return f"{warning}{' '.join(filter(None, parts))}"


def _describe_data(
    answers: Sequence[Answer],
    cells: Sequence[Run],
    rna: Sequence[Run],
    searches: Sequence[Search],
    instead: str,
) -> Section:
    """Say what was learned from, by which protocol, how intervals come about and how much was trained."""
    paragraphs = [_describe_cells(cells[0])] if cells else []
    paragraphs += [_describe_probes(rna[0], instead)] if rna else []
    paragraphs.append(
        "Before each result stands what was expected of it, fixed in the program whatever the numbers turn out to be; "
        "what others had published was known by then. Intervals are 95 % bootstraps [@efron1979]; a difference is "
        "drawn on the same test rows for both sides and is called one only where its interval leaves zero out."
    )
    paragraphs.append(_describe_size(answers, cells, rna, searches))
    return Section("Data, protocol and size", tuple(paragraphs))


def _describe_cells(run: Run) -> str:
    rows = run.scores["rows"]
    what = (
        "Cells drawn by a program in the layout of BloodMNIST [@yang2023]"
        if run.scores["simulated"]
        else "BloodMNIST [@yang2023; @acevedo2020], 28 × 28 pixels"
    )
    return (
        f"{what}: {rows['train']:,} pictures to learn from, {rows['val']:,} to validate, {rows['test']:,} to test, of "
        f"{len(run.scores['outputs'])} kinds."
    )


def _describe_probes(run: Run, instead: str) -> str:
    scores, rows, protein = run.scores, run.scores["rows"], name_protein(run)
    experiment = scores["outputs"][0]
    if scores["simulated"]:
        what = (
            f"A simulated RNAcompete experiment (`{experiment}`), made from the measured motif of {protein}"
        )
    else:
        what = f"RNAcompete [@ray2013] intensities of {protein} (`{experiment}`)"
    protocol = {
        "assignment": "the assignment's protocol: each split is clipped, log-transformed and z-scored by its own "
        "statistics, and repeated probes may fall on both sides of training and validation",
        "strict": "the strict protocol: statistics of the training probes alone, repeated probes kept together",
    }.get(scores["protocol"], f"the protocol `{scores['protocol']}`")
    return (
        f"{what}: {rows['train']:,} probes of Set A to learn from, {rows['val']:,} to validate, {rows['test']:,} of "
        f"Set B to test, under {protocol}. {_name_substitute(run, instead)}"
    )


def _name_substitute(run: Run, instead: str) -> str:
    """Say that another protein than the assignment's was studied, where it was, and why."""
    protein = name_protein(run)
    if protein == "RBFOX1":
        return ""
    why = f", because {instead}" if instead else ""
    return f"The assignment asks for RBFOX1; {protein} is studied in its place{why}, and nothing here speaks of RBFOX1."


def _describe_size(
    answers: Sequence[Answer], cells: Sequence[Run], rna: Sequence[Run], searches: Sequence[Search]
) -> str:
    """Say how much was trained, in epochs, seeds and time."""
    said = []
    if cells:
        said.append(f"{count_things(len(cells), 'cell network')} ({_count_epochs(cells)}, one seed)")
    if rna:
        seeds = len({run.scores["seed"] for run in rna})
        trained = f"{_count_epochs(rna)}, {count_things(seeds, 'seed')}"
        said.append(f"{count_things(len(rna), 'RNA network')} ({trained})")
    seconds = sum(float(run.scores["cost"]["seconds"]) for run in (*cells, *rna))
    tried = [search.trials for search in searches]
    if tried:
        seconds += sum(float(trials["seconds"].sum()) for trials in tried)
        said.append(f"{count_things(sum(trials.height for trials in tried), 'trial')} of settings")
    if others := sum(answer.trainings for answer in answers):
        seconds += sum(answer.seconds for answer in answers)
        said.append(f"{count_things(others, 'network')} of question 2.3")
    return f"Behind these pages are {join_words(said, 'and')}: {write_seconds(seconds)} of training in all."


def _conclude(answers: Sequence[Answer], runs: Sequence[Run]) -> Section:
    lessons = " ".join(answer.lesson for answer in answers if answer.lesson)
    limits = "All of it holds for these data, this many epochs and these seeds."
    if any(run.scores["simulated"] for run in runs):
        limits = "All of it holds for simulated data of this size, and would have to be asked again of measurements."
    elif any(answer.section.simulated for answer in answers):
        limits = f"{limits} What is said of many proteins holds for a simulation."
    judged = [_judge_expectations(answers)] if any(answer.claims for answer in answers) else []
    return Section("Conclusion", (" ".join(filter(None, (lessons, *judged, limits))),))


def _judge_expectations(answers: Sequence[Answer]) -> str:
    return count_agreements([claim for answer in answers for claim in answer.claims])


def _once(runs: Sequence[Run]) -> list[Run]:
    return list({run.path.resolve(): run for run in runs}.values())


def _count_epochs(runs: Sequence[Run]) -> str:
    epochs = [run.scores["epochs"] for run in runs]
    low, high = min(epochs), max(epochs)
    return count_things(low if low == high else f"{low} to {high}", "epoch")
