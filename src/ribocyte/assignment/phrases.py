"""Numbers, intervals and differences as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ribocyte.learn.evaluation import Difference


def describe_effect(subject: str, difference: Difference, percent: bool = True) -> str:
    """Say what a comparison shows, and no more.

    Parameters
    ----------
    subject : str
        What distinguishes the second run from the first, such as ``pooling``.
    difference : Difference
        Of an accuracy or a correlation.
    percent : bool
        Write an accuracy in percent, its difference in points.

    Returns
    -------
    str
        A clause without its full stop; "it" stands for the score.
    """
    if math.isnan(difference.gain):
        return f"{subject} cannot be judged, since a constant answer has no score"
    scale, digits, unit = (100, 1, " points") if percent else (1, 3, "")
    first, second = (write_number(scale * value, digits) for value in (difference.first, difference.second))
    change = {"better": "raises it", "worse": "lowers it"}.get(difference.verdict, "takes it")
    doubt = "" if difference.verdict != "no difference" else ", no difference that this test can tell"
    gain, low, high = (scale * value for value in (difference.gain, difference.low, difference.high))
    moved = write_number(gain, finer_digits([gain], digits), "+")
    between = write_range(low, high, finer_digits([low, high], digits), "+")
    text = f"{subject} {change} from {first} to {second}{' %' if percent else ''}{doubt}"
    return f"{text} ({moved}{unit}, 95 % interval {between})"


def write_score(score: Mapping[str, Any] | None, digits: int = 3, scale: float = 1.0) -> tuple[str, str]:
    """Write a score and its 95 % interval for two cells of a table; dashes where it is undefined."""
    if score is None or score["value"] is None:
        return "—", "—"
    value = write_number(score["value"] * scale, digits)
    if score["low"] is None:
        return value, "—"
    return value, write_range(score["low"] * scale, score["high"] * scale, digits)


def write_count(count: float) -> str:
    """Write a large number so that it can be compared at a glance."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if float(f"{count:.3g}") >= size:  # 999,950 is written as 1 M, not as 1000 k
            return f"{_write_three(count / size)} {letter}"
    return f"{count:.0f}"


def count_things(number: int | str, noun: str) -> str:
    """Write how many there are of something: ``1 epoch``, ``200 epochs``; a range of numbers is more than one."""
    return f"{number} {noun}{'' if str(number) == '1' else 's'}"


def write_number(value: float, digits: int, sign: str = "") -> str:
    """Write a number with a minus that is as wide as a plus; NaN is undefined."""
    return "undefined" if math.isnan(value) else f"{value:{sign}.{digits}f}".replace("-", "−")


def write_range(low: float, high: float, digits: int, sign: str = "") -> str:
    """Write an interval; "to" rather than a dash, which would be read as a minus."""
    return f"{write_number(low, digits, sign)} to {write_number(high, digits, sign)}"


def finer_digits(values: Sequence[float], digits: int) -> int:
    """Say with how many digits behind the point to write values, so that none but zero is written as zero.

    Two more than asked for at most; what is smaller still is written as zero.
    """
    for more in (digits, digits + 1):
        if all(value == 0 or not abs(value) < 0.5 * 10**-more for value in values):
            return more
    return digits + 2


def write_short(value: float, digits: int = 2) -> str:
    """Write any number with a few significant digits: ``0.0041``, ``1,320``, ``3.2 × 10⁻⁶``, ``0``."""
    if math.isnan(value):
        return "undefined"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if size < -3:
        power = str(size).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{value / 10**size:.{digits - 1}f} × 10{power}".replace("-", "−")
    return f"{round(value, digits - 1 - size):,.{max(0, digits - 1 - size)}f}".replace("-", "−")


def write_seconds(seconds: float) -> str:
    """Write a duration in the unit that suits it: ``0.42 s``, ``12 s``, ``3.5 min``, ``2.1 h``."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{_write_three(seconds / size)} {unit}"
    return f"{write_short(seconds)} s"


def write_end(ratio: float, epochs: int, lowest: int) -> str:
    """Say how a loss ended that was lowest in some epoch: ``ends 1.8 times as high``, ``still falling``.

    Parameters
    ----------
    ratio : float
        Its last value over its lowest.
    epochs, lowest : int
        How many epochs there were, and in which of them it was lowest.
    """
    if lowest == epochs:
        return "still falling" if epochs > 1 else "the only one"
    percent = 100 * (ratio - 1)
    if percent >= 50:
        return f"ends {ratio:.1f} times as high"
    if percent < 0.05:
        return "ends less than 0.1 % higher" if percent > 0 else "ends as low"
    return f"ends {percent:.{0 if percent >= 1 else 1}f} % higher"


def write_ratio(less: float, more: float) -> str:
    """Write how many times as much one is as the other: ``6.8``, ``66``, ``1,300``."""
    return write_short(more / less, 2 if more < 100 * less else 3)


def join_words(words: Sequence[str], last: str) -> str:
    """Join words by commas, and the last by ``and`` or ``or``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def write_device(cost: Mapping[str, Any]) -> str:
    """Write what a run was trained on, from the ``cost`` of its scores, such as ``cpu, 2 threads, float32``."""
    threads = count_things(cost["threads"], "thread")
    return f"{cost['device']}, {threads}, {'float32' if cost['precision'] == '32' else cost['precision']}"


def _write_three(value: float) -> str:
    """Write three digits, or all in front of the point where there are more."""
    return f"{value:.3g}" if float(f"{value:.3g}") < 1000 else f"{value:,.0f}"
