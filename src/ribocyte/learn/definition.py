"""What makes two searches the same one, written down where a search begins and held against what goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ribocyte.learn.space import Tuning

FORMAT = 1
"""Raised whenever what a search's folder holds changes."""
FREE = ("recipe.name", "tuning.trials")
"""What may change while a search goes on."""


@dataclass(frozen=True)
class Definition:
    """What is searched: two searches that agree in it are one, whatever their number of trials.

    Parameters
    ----------
    recipe : mapping
        Complete tables of the base recipe, its precision settled.
    tuning : Tuning
        The space, and how it is searched.
    metric : str
        The validation metric that decides.
    data : mapping
        ``source`` and ``fingerprint`` of the data; ``simulated``.
    version : str
        Of this package.
    """

    recipe: Mapping[str, Any]
    tuning: Tuning
    metric: str
    data: Mapping[str, Any]
    version: str

    def as_json(self) -> dict[str, Any]:
        """Give the same as JSON values."""
        return {
            "format": FORMAT,
            "version": self.version,
            "metric": self.metric,
            "data": dict(self.data),
            "recipe": dict(self.recipe),
            "tuning": self.tuning.as_table(),
        }


def find_difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Find the first thing in which a search is not the one that is wanted.

    Parameters
    ----------
    found : mapping
        What `Definition.as_json` gave where the search began.
    wanted : mapping
        What it gives now, or some parts of it; only these are compared.

    Returns
    -------
    (str, str, str) or None
        The dotted key, what it was and what it is now, written short; None where they agree.
    """
    before, now = _flatten({part: found.get(part) for part in wanted}), _flatten(wanted)
    for key in dict.fromkeys([*now, *before]):
        settled = key == "recipe.training.precision" and now.get(key) == "auto"
        if key not in FREE and not settled and before.get(key) != now.get(key):
            return key, _short(before.get(key)), _short(now.get(key))
    return None


def _flatten(value: Any, before: str = "") -> dict[str, Any]:
    """Lay nested tables out with dotted keys."""
    if not isinstance(value, Mapping):
        return {before.removesuffix("."): value}
    return {k: v for key, item in value.items() for k, v in _flatten(item, f"{before}{key}.").items()}


def _short(value: Any) -> str:
    """Write a value for a message; fingerprints are long."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:13]}…"
