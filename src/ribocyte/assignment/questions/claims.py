"""What was expected, what was found, and whether the two agree; every comparative word of the article is made here.

An expectation is a constant of the code, written before any result. A claim sets a measured difference beside
it. Its words follow from the interval of that difference and from nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ribocyte.assignment.phrases import finer_digits, join_words, write_number, write_range
from ribocyte.learn.evaluation import Difference

Outcome = Literal["better", "worse", "no difference"]
Agreement = Literal["as expected", "not as expected", "cannot be told"]

_OPPOSITE = {"better": "worse", "worse": "better"}
_VERBS = {"better": "raises", "worse": "lowers", "no difference": "takes"}
_HOPES = {"better": "to raise", "worse": "to lower", "no difference": "to make no difference to"}


@dataclass(frozen=True)
class Measure:
    """How a metric is named and written.

    Parameters
    ----------
    name : str
        Such as ``test accuracy``.
    scale, digits : float, int
        What it is multiplied by to be written, and with how many digits behind the point.
    unit, step : str
        Behind a value, and behind a difference.
    matters : float
        Smallest difference, unscaled, that would make one choose the one network over the other. An interval
        wholly within ± this says that there is no difference worth having, which is more than not finding one.
    """

    name: str
    scale: float
    digits: int
    unit: str
    step: str
    matters: float

    def write(self, value: float, sign: str = "") -> str:
        """Write a value, or a difference without its unit."""
        return write_number(self.scale * value, self.digits, sign)

    def write_difference(self, difference: Difference) -> str:
        """Write a gain and its interval; finer where the gain would else be written as zero."""
        gain = self.scale * difference.gain
        written = write_number(gain, finer_digits([gain], self.digits), "+")
        return f"{written}{self.step}, {self.write_ends(difference)}"

    def write_size(self, gain: float) -> str:
        """Write how large a difference is, without its sign: ``0.012``, or ``less than 0.001``."""
        least = 10.0**-self.digits
        if 0 < self.scale * abs(gain) < 0.5 * least:
            return f"less than {write_number(least, self.digits)}{self.step}"
        return f"{self.write(abs(gain))}{self.step}"

    def write_ends(self, difference: Difference) -> str:
        """Write the interval of a gain; finer where a clear end would else be written as zero."""
        ends = (self.scale * difference.low, self.scale * difference.high)
        return f"95 % interval {write_range(*ends, finer_digits(ends, self.digits), '+')}"


ACCURACY = Measure("test accuracy", 100.0, 1, " %", " points", 0.005)
SPEARMAN = Measure("test Spearman", 1.0, 3, "", "", 0.005)


@dataclass(frozen=True)
class Expectation:
    """What one change was expected to do to a network, and why.

    Parameters
    ----------
    subject : str
        What is changed, as the subject of a sentence: ``pooling``, ``replacing the CNN by the BiLSTM``.
    outcome : {"better", "worse", "no difference"}
        What it was expected to do.
    why : str
        The reason, as a clause that can follow "because".
    """

    subject: str
    outcome: Outcome
    why: str

    def sentence(self, measure: Measure) -> str:
        """Say what was expected: ``We expected pooling to raise test accuracy, because …``."""
        return f"We expected {self.subject} {_HOPES[self.outcome]} {measure.name}, because {self.why}."


@dataclass(frozen=True)
class Claim:
    """What a comparison shows of an expectation.

    Parameters
    ----------
    expectation : Expectation
        Fixed beforehand.
    difference : Difference
        Of the second network, which has the change, over the first.
    measure : Measure
        Of what.
    seeds : int
        Trainings of each network, the fewer of the two. With one, the interval does not hold what another
        seed would change, and cannot show that there is no difference.
    constant : bool
        Whether both networks answer (nearly) always the same, right or wrong: then there is nothing to compare.
    """

    expectation: Expectation
    difference: Difference
    measure: Measure
    seeds: int = 1
    constant: bool = False

    @property
    def defined(self) -> bool:
        """Whether there is a difference to judge: a constant prediction has no rank correlation."""
        numbers = (self.difference.gain, self.difference.low, self.difference.high)
        return not self.constant and not any(map(math.isnan, numbers))

    @property
    def verdict(self) -> Outcome:
        """What the interval says: ``better`` or ``worse`` only where it leaves zero out."""
        if not self.defined or self.difference.low <= 0 <= self.difference.high:
            return "no difference"
        return "better" if self.difference.low > 0 else "worse"

    @property
    def little(self) -> bool:
        """Whether the whole interval lies within what would not matter; one without any width says nothing."""
        low, high = self.difference.low, self.difference.high
        return self.defined and low < high and max(abs(low), abs(high)) <= self.measure.matters

    @property
    def negligible(self) -> bool:
        """Whether there is no difference worth having: `little`, and over the seeds too."""
        return self.little and self.seeds > 1

    @property
    def told(self) -> bool:
        """Whether anything was found out: a difference, or that there is none worth having."""
        return self.negligible or self.verdict != "no difference"

    @property
    def lesson(self) -> Outcome:
        """What one would act on: the verdict, unless it is too little to matter."""
        return "no difference" if self.little else self.verdict

    @property
    def agreement(self) -> Agreement:
        """Whether it came as expected; an interval that allows both cannot tell."""
        if not self.defined:
            return "cannot be told"
        expected, found = self.expectation.outcome, self.verdict
        if expected == "no difference":
            if self.negligible:
                return "as expected"
            return "cannot be told" if self.lesson == "no difference" else "not as expected"
        if found == expected:
            return "as expected"
        refuted = found == _OPPOSITE[expected] or self.negligible
        return "not as expected" if refuted else "cannot be told"

    def finding(self) -> str:
        """Say what was found, with numbers and interval, as a clause without its full stop."""
        subject, measure, difference = self.expectation.subject, self.measure, self.difference
        if not self.defined:
            return f"{subject} cannot be judged by {measure.name}, {self._why_undefined()}"
        said = (
            f"{subject} {_VERBS[self.verdict]} {measure.name} from {measure.write(difference.first)} to "
            f"{measure.write(difference.second)}{measure.unit} ({measure.write_difference(difference)})"
        )
        return f"{said}, {doubt}" if (doubt := self._doubt()) else said

    def sentence(self) -> str:
        """Say what was found and whether it was expected, in a whole sentence."""
        return f"{capitalise(self.finding())}{_AGREEMENTS[self.agreement]}."

    def brief(self, subject: str = "", again: bool = False) -> str:
        """Say what was found in few words, for an abstract: the change and its interval alone.

        Parameters
        ----------
        subject : str
            What to call the change; as the expectation does where empty.
        again : bool
            Leave the score's name and "95 % interval" out: they have just been said.
        """
        subject, measure = subject or self.expectation.subject, self.measure
        name = "it" if again else measure.name
        if not self.told:
            return f"whether {subject} changes {name} cannot be told"
        ends = measure.write_ends(self.difference).removeprefix("95 % interval " if again else "")
        if self.negligible:
            return f"{subject} changes {name} too little to matter ({ends})"
        size = measure.write_size(self.difference.gain)
        return f"{subject} {_VERBS[self.verdict]} {name} by {size} ({ends})"

    def _doubt(self) -> str:
        least = f"we would act on {self.measure.write(self.measure.matters)}{self.measure.step}"
        if self.negligible:
            return f"too little to matter ({least})"
        if self.verdict != "no difference":
            return f"too little to act on ({least})" if self.little else ""
        if self.difference.low == self.difference.high:
            return "the same in every resample, which tells nothing of other data"
        return "no difference that these data can tell"

    def _why_undefined(self) -> str:
        if self.constant:
            return "since both networks answer always, or nearly always, the same"
        return "which a constant answer does not have"


_AGREEMENTS: dict[Agreement, str] = {
    "as expected": ", as we expected",
    "not as expected": ", against what we expected",
    "cannot be told": "; whether we expected rightly cannot be told",
}


def expect(expectations: Sequence[Expectation], measure: Measure) -> str:
    """Say several expectations one after the other."""
    return " ".join(expectation.sentence(measure) for expectation in expectations)


def tell(claims: Sequence[Claim]) -> list[str]:
    """Say briefly what was found out, by one score; what cannot be told is left to `list_untold`."""
    told = [claim for claim in claims if claim.told]
    return [claim.brief(again=claim is not told[0]) for claim in told]


def list_untold(claims: Sequence[Claim]) -> str:
    """Name in one sentence all changes whose effect cannot be told, by what they were judged by; empty without any."""
    subjects: dict[str, list[str]] = {}
    for claim in claims:
        if not claim.told:
            subjects.setdefault(claim.measure.name, []).append(claim.expectation.subject)
    parts = [
        f"{measure}{' with' if at else ' changes with'} {join_words(changed, 'or')}"
        for at, (measure, changed) in enumerate(subjects.items())
    ]
    return f"Whether {join_words(parts, 'or')} cannot be told." if parts else ""


def count_agreements(claims: Sequence[Claim]) -> str:
    """Say how many of several claims came as expected: ``Of 4 expectations 2 were met, 1 was not, …``."""
    if len(claims) == 1:
        return {
            "as expected": "Our one expectation was met.",
            "not as expected": "Our one expectation was not met.",
            "cannot be told": "Whether our one expectation was met cannot be told.",
        }[claims[0].agreement]
    met, failed, untold = (sum(claim.agreement == kind for claim in claims) for kind in _AGREEMENTS)
    parts = [f"{_number(met)} {_was(met)} met"]
    parts += [f"{_number(failed)} {_was(failed)} not"] if failed else []
    parts += [f"{_number(untold)} cannot be told"] if untold else []
    return f"Of {len(claims)} expectations {join_words(parts, 'and')}."


def describe_seeds(claims: Sequence[Claim], rows: str) -> str:
    """Say what the intervals of some claims cover.

    Parameters
    ----------
    claims : sequence of Claim
        Not empty.
    rows : str
        What the networks were tested on: ``cells``, ``probes``.
    """
    least = min(claim.seeds for claim in claims)
    if least == 1:
        return (
            f"Each network was trained once: the intervals cover the choice of test {rows}, not what another seed "
            "would change."
        )
    return f"Each network was trained from {least} seeds: the intervals cover the seeds and the choice of test {rows}."


def capitalise(clause: str) -> str:
    """Begin a sentence: only the first letter changes."""
    return clause[:1].upper() + clause[1:]


def _number(count: int) -> str:
    return {0: "none", 1: "one"}.get(count, str(count))


def _was(count: int) -> str:
    return "was" if count < 2 else "were"
