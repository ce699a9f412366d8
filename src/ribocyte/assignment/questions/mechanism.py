"""Why a softmax before the cross-entropy hurts, or does not: read from the histories, not asserted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ribocyte.assignment.phrases import join_words, write_ratio, write_short
from ribocyte.assignment.questions.claims import Claim
from ribocyte.assignment.questions.facts import CONSTANT, collapse_epoch, count_answers, last_value
from ribocyte.learn.runs import Run

WEAKER = 2.0
"""A gradient is called weaker, or stronger, by this factor at least: seeds alone change it by less."""
VANISHED = 100.0
"""One that is weaker by this factor is taken for a reason: Adam divides what is less by the gradient's own size."""


@dataclass(frozen=True)
class _Pulls:
    """How strongly the loss pulls at the logits in the last epoch: without the softmax, and behind it."""

    plain: float
    behind: float
    misclassified: bool  # of misclassified cells alone, which are what there is to learn from

    @property
    def cells(self) -> str:
        return "a misclassified validation cell" if self.misclassified else "a validation cell"


def describe_gradients(logits: Run, softmax: Run, claim: Claim) -> str:
    """Say what reaches the logits with and without a softmax, how sure each network is, and what this explains.

    Parameters
    ----------
    logits, softmax : Run
        Two networks that differ in the softmax alone.
    claim : Claim
        What the softmax did to the accuracy.
    """
    pulls = _read_pulls(logits, softmax)
    if pulls is None:
        return (
            "The histories of these runs hold no gradients, so why is not answered; `ribocyte train` records them "
            "when the networks are trained again."
        )
    said = [
        ""
        if pulls.misclassified
        else "One of the two misclassifies no validation cell, so all cells are looked at.",
        f"In the last epoch the loss pulls at the logits of {pulls.cells} with a gradient of length "
        f"{write_short(pulls.plain)}, and of {write_short(pulls.behind)} behind the softmax: {_compare_pulls(pulls)}.",
        _describe_certainty(logits, softmax),
        _explain(pulls, claim, softmax),
    ]
    return " ".join(filter(None, said))


def describe_gradients_briefly(logits: Run, softmax: Run, claim: Claim) -> str:
    """Say the same of two pooled networks, without their certainty; nothing where no gradients were recorded."""
    pulls = _read_pulls(logits, softmax)
    if pulls is None:
        return ""
    said = (
        f"With pooling the gradient of {pulls.cells} has a length of {write_short(pulls.plain)}, and of "
        f"{write_short(pulls.behind)} behind the softmax: {_compare_pulls(pulls)}."
    )
    return f"{said} {_explain(pulls, claim, softmax)}".rstrip()


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


def _read_pulls(logits: Run, softmax: Run) -> _Pulls | None:
    """Read gradients of the last epoch: of misclassified cells, else of all; None where there are none."""
    for column in ("wrong_gradient", "logit_gradient"):
        plain, behind = last_value(logits, column), last_value(softmax, column)
        if not (math.isnan(plain) or math.isnan(behind)):
            return _Pulls(plain, behind, column == "wrong_gradient")
    return None


def _compare_pulls(pulls: _Pulls) -> str:
    plain, behind = pulls.plain, pulls.behind
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


def _explain(pulls: _Pulls, claim: Claim, softmax: Run) -> str:
    """Say whether the gradient can be the reason for what happened to the accuracy."""
    if not claim.defined or claim.verdict == "better":
        return ""
    weaker = pulls.plain > 0 and pulls.plain >= WEAKER * pulls.behind
    if claim.verdict == "no difference":
        return "Yet this costs no accuracy that these cells can tell." if weaker else ""
    if not pulls.misclassified:
        return "Whether a vanishing gradient lowers the accuracy cannot be read from that."
    if not weaker:
        return "So a vanishing gradient is not what lowers the accuracy here."
    if pulls.plain >= VANISHED * pulls.behind:
        return "So its mistakes stay: what could mend them hardly reaches the weights."
    if str(softmax.recipe["training"]["optimizer"]).startswith("adam"):
        return (
            "It is weaker, which Adam's scaling may make up for: that this lowers the accuracy is not shown."
        )
    return "It is weaker, and the steps are as much shorter; that this lowers the accuracy is not shown."
