"""What can go wrong, as one small tree.

::

    RibocyteError
    ├── RequestError          the request was wrong (exit code 2)
    │   ├── DataError         a file or its contents
    │   ├── RecipeError       a recipe or one of its values
    │   ├── ModelError        a saved model
    │   └── RunError          a run's folder
    └── WorkError             the work failed (exit code 1)
        ├── FetchError        a download
        ├── DiskError         a file could not be written
        └── InterruptedRunError  stopped by the user, can be resumed

Every error says what was wrong and where, what was expected, and how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RibocyteError(Exception):
    """Base of everything this package raises on purpose.

    Parameters
    ----------
    problem : str
        What was wrong, and where: begins with the path, key or value concerned.
    expected : str, optional
        What would have been right.
    mend : str, optional
        What to do now; a command where there is one.
    """

    exit_code = 1

    def __init__(self, problem: str, *, expected: str = "", mend: str = "") -> None:
        self.problem, self.expected, self.mend = problem, expected, mend
        parts = [problem]
        if expected:
            parts.append(f"expected {expected}")
        if mend:
            parts.append(mend)
        super().__init__("; ".join(parts))


class RequestError(RibocyteError):
    """The request was wrong: nothing was done."""

    exit_code = 2


class DataError(RequestError):
    """A data file, or what it holds."""


class RecipeError(RequestError):
    """A recipe, or one of its values."""


class ModelError(RequestError):
    """A saved model that cannot be used."""


class RunError(RequestError):
    """A run's folder that is not in the state the request needs."""


class WorkError(RibocyteError):
    """The request was right, the work failed."""


class FetchError(WorkError):
    """A download that did not arrive."""


class DiskError(WorkError):
    """A file that could not be written."""


class InterruptedRunError(WorkError):
    """The user stopped the work; what was done is kept."""


def suggest(wanted: str, known: Iterable[str], before: str = "") -> str:
    """Ask whether the closest known name was meant; nothing where none is close.

    Parameters
    ----------
    wanted, known
        As for `nearest`.
    before : str
        Put in front of the name, such as the table a key belongs to.
    """
    near = nearest(wanted, known, 1)
    return f"did you mean {before}{near[0]}?" if near else ""


def nearest(wanted: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Give the known names closest to a misspelt one, best first; possibly none.

    Parameters
    ----------
    wanted : str
        What was asked for; upper and lower case are the same.
    known : iterable of str
        What exists.
    count : int
        How many to give at most.
    """
    names = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(wanted.casefold(), names, n=count, cutoff=0.4)
    return [names[name] for name in found]
