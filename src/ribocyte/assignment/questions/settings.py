"""What was tuned: where, how far, by which strategy, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ribocyte.assignment.phrases import count_things, join_words, write_seconds, write_short
from ribocyte.assignment.questions.claims import capitalise
from ribocyte.assignment.questions.facts import refer
from ribocyte.documents.document import TableBlock
from ribocyte.learn.searches import Search
from ribocyte.learn.space import write_choice

_IMPORTANT = 2
"""Settings named in the text for each network."""


def describe_tuning(
    searches: Mapping[str, Search], names: Mapping[str, str], figures: Mapping[str, Path]
) -> str:
    """Say how settings were searched, how much was tried, and what mattered; and what was not searched.

    Parameters
    ----------
    searches : mapping of str to Search
        By kind of network; those without a complete trial count as not there.
    names : mapping of str to str
        What each kind is called, of searched and other networks.
    figures : mapping of str to Path
        Those there are of ``trials`` and ``importance``.
    """
    searched = {kind: search for kind, search in searches.items() if kind in names and _complete(search)}
    said = []
    if searched:
        tunings = {names[kind]: search.tuning for kind, search in searched.items()}
        startup = _write_each({name: tuning.startup for name, tuning in tunings.items()}, "trial")
        warmup = _write_each({name: tuning.warmup for name, tuning in tunings.items()}, "epoch")
        metrics = dict.fromkeys(search.metric.capitalize() for search in searched.values())
        counts = [_count_trials(names[kind], search) for kind, search in searched.items()]
        said += [
            "Settings were searched with Optuna [@akiba2019] by a Parzen estimator, TPE [@bergstra2011]: the "
            f"recipe's own settings and random ones come first ({startup}), the others learn from these. "
            f"A trial whose best validation {join_words(list(metrics), 'or')} falls behind the median of the others is "
            f"stopped, after {warmup} at the earliest. The test split was never handed to a search.",
            f"{capitalise(join_words(counts, 'and'))}. [#networks-settings] gives ranges, scales and choices.",
            refer(figures, "trials", "networks", "the trials"),
        ]
        said.append(_describe_importance(searched, names, figures))
    missing = {kind: name for kind, name in names.items() if kind not in searched}
    for kind, name in missing.items():
        command = f"ribocyte tune rna/{kind.removeprefix('rna-')} --out search/{kind}"
        said.append(f"No search of the {name} is at hand: `{command}` makes one.")
    return " ".join(filter(None, said))


def tabulate_settings(searches: Mapping[str, Search], names: Mapping[str, str]) -> tuple[TableBlock, ...]:
    """Lay out what was searched and what was chosen: one table, or none without a search."""
    searched = {kind: search for kind, search in searches.items() if kind in names and _complete(search)}
    if not searched:
        return ()
    best = {kind: search.best for kind, search in searched.items()}
    shares = {kind: search.importance() for kind, search in searched.items()}
    ranges = dict.fromkeys(
        (key, parameter.describe()) for search in searched.values() for key, parameter in search.space.items()
    )
    rows = []
    for key, told in sorted(ranges, key=lambda pair: pair[0]):
        cells = [
            _write_chosen(best[kind][key], shares[kind].get(key))
            if key in search.space and search.space[key].describe() == told
            else "—"
            for kind, search in searched.items()
        ]
        rows.append((f"`{key}`", told.replace(" | ", ", "), *cells))
    explained = "; in parentheses, the share of the score's variance that the setting explains"
    if not any(shares.values()):
        explained = ""
    table = TableBlock(
        ("setting", "range", *(names[kind] for kind in searched)),
        tuple(rows),
        "What was tuned, between what ends (linear where nothing is said) or among which choices, and what the "
        f"validation split chose{explained}.",
        any(search.simulated for search in searched.values()),
        wide=len(searched) > 1,
        label="networks-settings",
    )
    return (table,)


def _complete(search: Search) -> bool:
    return "complete" in search.trials["state"].to_list()


def _count_trials(name: str, search: Search) -> str:
    """Say how many trials there were, what became of them, and what they took."""
    trials = search.trials
    states: Sequence[str] = trials["state"].to_list()
    ends = [
        f"{states.count(state)} {said}"
        for state, said in (("pruned", "stopped early"), ("diverged", "diverged"))
        if state in states
    ]
    what = f" ({join_words(ends, 'and')})" if ends else ""
    seconds = write_seconds(float(trials["seconds"].sum()))
    return f"the {name} had {count_things(len(states), 'trial')}{what} in {seconds}"


def _describe_importance(
    searched: Mapping[str, Search], names: Mapping[str, str], figures: Mapping[str, Path]
) -> str:
    said, silent = [], []
    for kind, search in searched.items():
        most = [(key, share) for key, share in search.importance().items() if share > 0][:_IMPORTANT]
        if most:
            listed = join_words([f"`{key}` ({100 * share:.0f} %)" for key, share in most], "and")
            said.append(f"for the {names[kind]} by {listed}")
        else:
            silent.append(f"the {names[kind]}")
    parts = []
    if said:
        where = refer(figures, "importance", "networks", "the others")
        parts += [f"The validation score is explained most {join_words(said, 'and')}.", where]
    if silent:
        parts.append(
            f"For {join_words(silent, 'and')} too few trials ran to their end, or differed, to say which settings "
            "matter."
        )
    return " ".join(filter(None, parts))


def _write_each(numbers: Mapping[str, int], noun: str) -> str:
    """Write one number where it is the same for all, else each with the names it holds for."""
    names: dict[int, list[str]] = {}
    for name, number in numbers.items():
        names.setdefault(number, []).append(name)
    if len(names) == 1:
        return count_things(next(iter(names)), noun)
    return count_things(
        join_words([f"{number} ({', '.join(held)})" for number, held in sorted(names.items())], "or"), noun
    )


def _write_chosen(value: Any, share: float | None) -> str:
    if isinstance(value, float):
        written = write_short(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        written = str(value)
    else:
        written = write_choice(value)
    return written if share is None else f"{written} ({100 * share:.0f} %)"
