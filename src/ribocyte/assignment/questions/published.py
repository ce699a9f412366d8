"""What others published, beside ours: and whether the two may be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ribocyte.assignment.phrases import count_things, join_words, write_number, write_score
from ribocyte.assignment.questions.facts import any_simulated
from ribocyte.assignment.questions.tables import as_values
from ribocyte.assignment.references import Published, find_published
from ribocyte.documents.document import TableBlock
from ribocyte.learn.evaluation import Score
from ribocyte.learn.runs import Run

ASKED = 200
"""Epochs that the assignment asks of the networks of question 1."""
RBFOX1 = "RNCMPT00168"
WHOLE_SET_B = 100_000
"""A test split of fewer probes is a sample of Set B, not Set B."""


def tabulate_published_cells(runs: Mapping[str, Run], official: bool) -> TableBlock:
    """Set the networks of question 1 beside what others reached with them.

    Parameters
    ----------
    runs : mapping of str to Run
        Ours, by the names that the published ones have, too.
    official : bool
        Whether ours learned from the official file, whose split the published ones share.
    """
    ours = [write_score(run.scores["test"]["accuracy"], 1, 100)[0] for run in runs.values()]
    reason = _why_cells_differ(next(iter(runs.values())), official)
    simulated = any_simulated(runs.values())
    rows = [(_name_ours(simulated), *ours, "—")]
    sources = _by_source(find_published("bloodmnist", "accuracy"), list(runs))
    for source, found in sources.items():
        comparable = not reason and all(one.comparable for one in found.values())
        cells = [_write_published(found[name], 100, 1) for name in runs]
        rows.append((_name_source(source, found), *cells, _say_comparable(comparable)))
    said = (
        f"Ours may not be compared with them: {reason}."
        if reason
        else ("Not comparable is what was read off a plot, or comes from the last epoch or an unknown one.")
    )
    return TableBlock(
        ("test accuracy, %", *runs, "comparable"),
        tuple(rows),
        f"What others published for the same networks on the official split, in 200 epochs. {said} "
        f"{_list_repositories(sources)}",
        simulated,
        label="cells-published",
        published=True,
    )


def tabulate_published_probes(
    groups: Mapping[str, Sequence[Run]],
    scores: Mapping[str, Score],
    names: Sequence[str],
    label: str = "probes-published",
) -> TableBlock:
    """Set test Spearman of our networks beside what others reached for RBFOX1 with the assignment's preprocessing.

    Parameters
    ----------
    groups : mapping of str to sequence of Run
        Ours, by what they are called.
    scores : mapping of str to Score
        Test Spearman of each.
    names : sequence of str
        Networks to show, as the published ones are called: ``CNN``, ``BiLSTM``, ``BiLSTM + attention``.
    label : str
        Of the table.
    """
    run = next(iter(groups.values()))[0]
    reason = why_probes_differ(run)
    ours = [write_score(as_values(scores[name]))[0] if name in scores else "—" for name in names]
    simulated = any_simulated(run for runs in groups.values() for run in runs)
    rows = [(_name_ours(simulated), *ours, "—")]
    sources = _by_source(find_published("rbfox1", "spearman"), names)
    for source, found in sources.items():
        comparable = not reason and all(one.comparable for one in found.values())
        cells = [_write_published(found[name], 1, 3) for name in names]
        rows.append((_name_source(source, found), *cells, _say_comparable(comparable)))
    said = (
        f"Ours may not be compared with them: {reason}."
        if reason
        else "Epochs and settings differ between them."
    )
    return TableBlock(
        ("test Spearman", *names, "comparable"),
        tuple(rows),
        f"What others published for RBFOX1 (`{RBFOX1}`), Set B, the assignment's preprocessing. {said} "
        f"{_list_repositories(sources)}",
        simulated,
        label=label,
        published=True,
    )


def why_probes_differ(run: Run) -> str:
    """Say why a run may not be compared with what was published for RBFOX1; empty where it may."""
    scores = run.scores
    if scores["simulated"]:
        return "our intensities are simulated"
    if scores["outputs"] != [RBFOX1]:
        return f"our protein is another one (`{', '.join(scores['outputs'])}`)"
    if scores["protocol"] != "assignment":
        return f"our protocol is `{scores['protocol']}`, theirs `assignment`"
    if scores["rows"]["test"] < WHOLE_SET_B:
        return f"our test split holds {scores['rows']['test']:,} probes, a part of Set B"
    return ""


def _why_cells_differ(run: Run, official: bool) -> str:
    scores = run.scores
    if scores["simulated"]:
        return "our cells are drawn, not photographed"
    if not official:
        return "our split of the pictures is not the official one"
    if scores["epochs"] < ASKED:
        return f"ours were trained for {count_things(scores['epochs'], 'epoch')}"
    return ""


def _by_source(published: Sequence[Published], names: Sequence[str]) -> dict[str, dict[str, Published]]:
    """Gather published figures by source and network, leaving out sources that lack one of the networks."""
    found: dict[str, dict[str, Published]] = {}
    for one in published:
        if one.network in names:
            found.setdefault(one.source, {})[one.network] = one
    return {source: figures for source, figures in found.items() if len(figures) == len(names)}


def _write_published(one: Published, scale: float, digits: int) -> str:
    return f"{'≈ ' if one.approximate else ''}{write_number(scale * one.value, 0 if one.approximate else digits)}"


def _name_source(source: str, found: Mapping[str, Published]) -> str:
    key = next(iter(found.values())).key
    return f"{source} [@{key}]" if key else source.partition("/")[0]


def _name_ours(simulated: bool) -> str:
    return "ours, simulated" if simulated else "ours"


def _list_repositories(sources: Iterable[str]) -> str:
    """Say where on GitHub the published figures stand."""
    return f"On GitHub: {join_words([f'`{source}`' for source in sources if '/' in source], 'and')}."


def _say_comparable(comparable: bool) -> str:
    return "yes" if comparable else "no"
