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
    between = write_range(scale * difference.low, scale * difference.high, digits, "+")
    moved = write_number(scale * difference.gain, digits, "+")
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
        if count >= size:
            return f"{count / size:.3g} {letter}" if count < 1000 * size else f"{count / size:,.0f} {letter}"
    return f"{count:.0f}"


def write_number(value: float, digits: int, sign: str = "") -> str:
    """Write a number with a minus that is as wide as a plus; NaN is undefined."""
    return "undefined" if math.isnan(value) else f"{value:{sign}.{digits}f}".replace("-", "−")


def write_range(low: float, high: float, digits: int, sign: str = "") -> str:
    """Write an interval; "to" rather than a dash, which would be read as a minus."""
    return f"{write_number(low, digits, sign)} to {write_number(high, digits, sign)}"


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
            return f"{seconds / size:.3g} {unit}"
    return f"{write_short(seconds)} s"


def write_ratio(less: float, more: float) -> str:
    """Write how many times as much one is as the other: ``6.8``, ``66``, ``1,300``."""
    return write_short(more / less, 2 if more < 100 * less else 3)


def join_words(words: Sequence[str], last: str) -> str:
    """Join words by commas, and the last by ``and`` or ``or``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def write_device(cost: Mapping[str, Any]) -> str:
    """Write what a run was trained on, from the ``cost`` of its scores, such as ``cpu, 2 threads, float32``."""
    threads = f"{cost['threads']} thread{'s' if cost['threads'] > 1 else ''}"
    return f"{cost['device']}, {threads}, {'float32' if cost['precision'] == '32' else cost['precision']}"
