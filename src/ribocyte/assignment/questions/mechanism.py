"""Why a softmax before the cross-entropy hurts, or does not: read from the histories, not asserted."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ribocyte.assignment.phrases import join_words, write_ratio, write_short
from ribocyte.assignment.questions.claims import Claim
from ribocyte.assignment.questions.facts import CONSTANT, collapse_epoch, count_answers, last_value
from ribocyte.learn.runs import Run

WEAKER = 2.0
"""A gradient is called weaker, or stronger, by this factor at least: seeds alone change it by less."""


def describe_gradients(logits: Run, softmax: Run, claim: Claim) -> str:
    """Say what reaches the logits with and without a softmax, how sure each network is, and what this explains.

    Parameters
    ----------
    logits, softmax : Run
        Two networks that differ in the softmax alone.
    claim : Claim
        What the softmax did to the accuracy.
    """
    columns = ("wrong_gradient", "logit_gradient")
    pulls = {column: (last_value(logits, column), last_value(softmax, column)) for column in columns}
    if all(math.isnan(value) for pair in pulls.values() for value in pair):
        return (
            "The histories of these runs hold no gradients, so why is not answered; `ribocyte train` records them "
            "when the networks are trained again."
        )
    said, cells = [], "a misclassified validation cell"
    plain, behind = pulls["wrong_gradient"]
    if math.isnan(plain) or math.isnan(behind):
        (plain, behind), cells = pulls["logit_gradient"], "a validation cell"
        said.append("One of the two misclassifies no validation cell, so all cells are looked at.")
    said.append(
        f"In the last epoch the loss pulls at the logits of {cells} with a gradient of length {write_short(plain)}, "
        f"and of {write_short(behind)} behind the softmax: {_compare_pulls(plain, behind)}."
    )
    said += [_describe_certainty(logits, softmax), _explain(plain, behind, claim)]
    return " ".join(filter(None, said))


def describe_collapse(runs: Mapping[str, Run]) -> str:
    """Say which networks give everything the same name, since when, and which never give some name."""
    answers = {name: count_answers(run) for name, run in runs.items()}
    said, never = [], []
    for name, answer in answers.items():
        if answer.share >= CONSTANT:
            since = collapse_epoch(runs[name])
            when = f" (from epoch {since} on)" if since else ""
            said.append(
                f"`{name}` collapsed{when}: it calls {100 * answer.share:.0f} % of the test cells {answer.commonest}, "
                "whatever they are."
            )
        elif answer.never:
            never.append(f"`{name}` never answers {join_words(answer.never, 'or')}")
    said += [f"{join_words(never, 'and')}."] if never else []
    if not any(answer.share >= CONSTANT for answer in answers.values()):
        count = {2: "Neither", 4: "None of the four"}.get(len(runs), "None")
        said.append(f"{count} collapsed to a constant answer.")
    return " ".join(said)


def _compare_pulls(plain: float, behind: float) -> str:
    if behind == 0:
        return "it has vanished altogether" if plain else "nothing in either"
    if plain >= WEAKER * behind:
        return f"{write_ratio(behind, plain)} times weaker"
    if behind >= WEAKER * plain:
        return f"{write_ratio(plain, behind)} times stronger" if plain else "stronger"
    return "about as strong"


def _describe_certainty(logits: Run, softmax: Run) -> str:
    """Set the mean of the largest probability beside the share of right answers."""
    sure = {run: last_value(run, "saturation") for run in (logits, softmax)}
    right = {run: last_value(run, "val_accuracy") for run in (logits, softmax)}
    if any(map(math.isnan, (*sure.values(), *right.values()))):
        return ""
    plain, behind = (
        f"{write_short(100 * sure[run], 3)} % sure and {100 * right[run]:.1f} % right" for run in sure
    )
    return f"On average the network is {plain} there, behind the softmax {behind}."


def _explain(plain: float, behind: float, claim: Claim) -> str:
    """Say whether the gradient can be the reason for what happened to the accuracy."""
    if not claim.defined or claim.verdict == "better":
        return ""
    weaker = plain >= WEAKER * behind and plain > 0
    if claim.verdict == "worse":
        return (
            "So its mistakes stay: what could mend them hardly reaches the weights."
            if weaker
            else "So a vanishing gradient is not what lowers the accuracy here."
        )
    return "Yet this costs no accuracy that these cells can tell." if weaker else ""
