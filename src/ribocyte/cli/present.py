"""What the command line shows: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

SIMULATED = "SIMULATED: these numbers come from a simulator, not from a measurement"


def is_helper() -> bool:
    """Say whether this is one of several training processes, and not the first: the first speaks for all."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def say(text: str) -> None:
    """Tell the person something beside the results."""
    if not is_helper():
        messages().print(text, soft_wrap=True, markup=False, highlight=False)


def warn(text: str) -> None:
    """Warn in one line."""
    _marked("warning", "yellow", text)


def complain(text: str) -> None:
    """Report an error in one line."""
    _marked("error", "red", text)


def show(text: str = "") -> None:
    """Print a line of results; the terminal wraps it, so that paths and commands can be copied whole."""
    results().print(text, soft_wrap=True, markup=False, highlight=False)


def show_json(value: Any) -> None:
    """Print a result as JSON; what is not a number is null."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def show_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
    """Print a table; the columns `numbers` are set flush right."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            f"{cell:>{width}}" if at in numbers else f"{cell:{width}}"
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        show("   ".join(cells).rstrip())


def show_facts(facts: Mapping[str, str]) -> None:
    """Print names and what they are, one a line."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        show(f"{name:{width}}   {value}")


def show_scores(scores: Mapping[str, Mapping[str, float | None]], drawn: str = "rows") -> None:
    """Print metrics with their 95 % intervals; `drawn` says what the bootstrap drew."""
    rows = [(name, number(score["value"]), interval(score)) for name, score in scores.items()]
    over = "" if drawn == "rows" else f", over {drawn}"
    show_table(("metric", "value", f"95 % interval{over}"), rows, numbers=(1,))


def show_outputs(outputs: Mapping[str, Mapping[str, float | None]]) -> None:
    """Print how the first metric is spread over the outputs: the extremes by name, and the quartiles between."""
    metric = next(name for name in next(iter(outputs.values())) if name != "rows")
    known = {name: one[metric] for name, one in outputs.items() if one[metric] is not None}
    ranked = sorted(known, key=lambda name: known[name] or 0.0)
    if len(ranked) < 2:
        return
    quarters = {share: ranked[round(share * (len(ranked) - 1))] for share in (0, 0.25, 0.5, 0.75, 1)}
    show()
    said = [
        f"{number(known[name])} {name}" if share in (0, 1) else number(known[name])
        for share, name in quarters.items()
    ]
    show(f"{metric} of each of {len(outputs)} outputs, lowest, quartiles, highest: {', '.join(said)}")


def show_trust(trust: Mapping[str, float | None] | None) -> None:
    """Print how far a model can be trusted, as measured; nothing where it was never calibrated."""
    if trust:
        show()
        rows = [(name.replace("_", " "), number(value)) for name, value in trust.items()]
        show_table(("trust", "value"), rows, numbers=(1,))


def number(value: float | None) -> str:
    """Write a score."""
    return "undefined" if value is None or math.isnan(value) else f"{value:.4f}"


def interval(score: Mapping[str, float | None], sign: str = "") -> str:
    """Write the interval of a score; `sign` is ``+`` where the sign matters."""
    low, high = score["low"], score["high"]
    if low is None or high is None or math.isnan(low):
        return ""
    return f"[{low:{sign}.4f}, {high:{sign}.4f}]"


def megabytes(size: float) -> str:
    """Write a number of bytes."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def duration(seconds: float) -> str:
    """Write a time as a person would say it."""
    minutes, rest = divmod(round(seconds), 60)
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def outline(value: Any) -> str:
    """Write a JSON value in a line: names and values of a table, values of a list."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case Mapping():
            return ", ".join(f"{key} {outline(item)}" for key, item in value.items()) or "none"
        case list() | tuple():
            return ", ".join(map(outline, value)) or "none"
        case _:
            return str(value)


def report_lines(facts: Mapping[str, Any]) -> dict[str, str]:
    """Lay nested facts out as lines: a table of tables gets a line for each of its own."""
    lines: dict[str, str] = {}
    for key, value in facts.items():
        nested = isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value.values())
        if nested:
            lines |= {f"{key}, {name}": outline(item) for name, item in value.items()}
        else:
            lines[key] = outline(value)
    return {key.replace("_", " "): line for key, line in lines.items()}


@cache
def results() -> Console:
    """Give the console of results: as wide as the terminal, and not cut at all where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200)


@cache
def messages() -> Console:
    """Give the console of progress and messages."""
    from rich.console import Console

    return Console(stderr=True)


def quoted(path: Path) -> str:
    """Write a path as a shell takes it."""
    import shlex

    return shlex.quote(str(path))


def _marked(kind: str, colour: str, text: str) -> None:
    from rich.text import Text

    line = Text.assemble("ribocyte: ", (f"{kind}:", colour), " ", " ".join(text.splitlines()))
    messages().print(line, soft_wrap=True, highlight=False)


def _plain(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case Path():
            return str(value)
        case _:
            return value
