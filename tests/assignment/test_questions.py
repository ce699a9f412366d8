"""What the questions' answers rest on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from ribocyte.assignment.questions import best_run, count_answers
from ribocyte.learn.runs import Run


def make_run(path: Path, answers: list[int], value: float = 0.5) -> Run:
    run = Run.create(path, {})
    outputs = np.eye(3)[answers]
    columns = {f"predicted/{name}": outputs[:, i] for i, name in enumerate("abc")}
    run.write_predictions(pl.DataFrame({"name": list("uvwx"), "class": [0, 1, 2, 0], **columns}))
    run.write_scores({"outputs": ["a", "b", "c"], "best": {"value": value}})
    return run


def test_answers_are_counted_whatever_would_have_been_right(tmp_path: Path) -> None:
    some = count_answers(make_run(tmp_path / "some", [2, 2, 0, 2]))
    assert (some.commonest, some.share, some.never) == ("c", 0.75, ("b",))
    constant = count_answers(make_run(tmp_path / "constant", [1, 1, 1, 1]))
    assert (constant.commonest, constant.share, constant.never) == ("b", 1.0, ("a", "c"))


def test_the_best_run_is_chosen_by_validation(tmp_path: Path) -> None:
    runs = {name: make_run(tmp_path / name, [0, 0, 0, 0], value) for name, value in (("x", 0.6), ("y", 0.7))}
    assert best_run(runs) == "y"
