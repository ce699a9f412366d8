"""The answer to a question: a section, and what the abstract and the conclusion say of it."""

from __future__ import annotations

from dataclasses import dataclass

from ribocyte.assignment.questions.claims import Claim
from ribocyte.documents.document import Section


@dataclass(frozen=True)
class Answer:
    """What one question's part of the article holds.

    Parameters
    ----------
    section : Section
        Expectation, result, and whether they agree; with figures and tables.
    headline : str
        A sentence or two for the abstract, of what was found out; may be empty.
    claims : tuple of Claim
        Everything that was expected and found.
    lesson : str
        A sentence or two for the conclusion: what follows from it.
    untold : tuple of Claim
        Those that belong into the abstract and cannot be told; it names all of them together.
    trainings, seconds : int, float
        Networks that were trained for it beside the runs of questions 1 and 2, and the time that took.
    """

    section: Section
    headline: str
    claims: tuple[Claim, ...] = ()
    lesson: str = ""
    untold: tuple[Claim, ...] = ()
    trainings: int = 0
    seconds: float = 0.0
