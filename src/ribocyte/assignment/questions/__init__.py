"""The assignment's questions, answered from finished runs: expectation, result, and whether they agree.

Every sentence is composed from numbers. Comparative words come from `claims` alone, which claims a difference only
where its interval does.
"""

from __future__ import annotations

from ribocyte.assignment.questions.answer import Answer
from ribocyte.assignment.questions.attention import answer_attention
from ribocyte.assignment.questions.cells import CELL_RUNS, answer_pooling_and_softmax
from ribocyte.assignment.questions.claims import Claim, Expectation, Measure
from ribocyte.assignment.questions.facts import Answers, best_run, count_answers
from ribocyte.assignment.questions.framing import Framed, frame_answers
from ribocyte.assignment.questions.many import answer_many_proteins
from ribocyte.assignment.questions.miniature import answer_cells, answer_rna
from ribocyte.assignment.questions.networks import answer_two_networks

__all__ = [
    "CELL_RUNS",
    "Answer",
    "Answers",
    "Claim",
    "Expectation",
    "Framed",
    "Measure",
    "answer_attention",
    "answer_cells",
    "answer_many_proteins",
    "answer_pooling_and_softmax",
    "answer_rna",
    "answer_two_networks",
    "best_run",
    "count_answers",
    "frame_answers",
]
