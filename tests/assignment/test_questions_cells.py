"""Questions 1.1 and 1.2: what is said of softmax and pooling, from runs that went one way or the other."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import crafted
import pytest

from ribocyte.assignment.questions import CELL_RUNS, Answer, answer_pooling_and_softmax
from ribocyte.documents.document import Section
from ribocyte.errors import RunError
from ribocyte.learn.runs import Run

Watched = dict[str, Sequence[float]]
LIVELY: Watched = {
    "logit_gradient": (0.8, 0.2, 0.1),
    "wrong_gradient": (1.2, 1.3, 1.3),
    "saturation": (0.5, 0.9, 0.95),
    "commonest": (0.3, 0.2, 0.2),
}
DEAD: Watched = {
    "logit_gradient": (0.1, 1e-5, 1e-6),
    "wrong_gradient": (0.1, 1e-5, 1.3e-6),
    "saturation": (0.7, 1.0, 1.0),
    "commonest": (0.5, 1.0, 1.0),
}
Make = Callable[..., dict[str, Run]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make the four runs as good as a test wants them; the softmax without pooling may be collapsed."""

    def runs(right: Sequence[float], collapsed: bool = False, **changes: Any) -> dict[str, Run]:
        made = {}
        for name, share in zip(CELL_RUNS, right, strict=False):
            constant = collapsed and name == "unpooled-softmax"
            kept: dict[str, Any] = {
                "watched": DEAD if constant else LIVELY,
                "softmax": name.endswith("softmax"),
                "pool": name.startswith("pooled"),
                "constant": constant,
                **changes.get(name.replace("-", "_"), {}),
            }
            made[name] = crafted.cell_run(tmp_path / name, share, **kept)
        return made

    return runs


def words(*sections: Section) -> str:
    return " ".join(
        " ".join([*section.paragraphs, words(*section.subsections)]) for section in sections
    ).strip()


def answer(runs: dict[str, Run], **keywords: Any) -> tuple[Answer, str]:
    found = answer_pooling_and_softmax(runs, {}, **keywords)
    return found, words(found.section)


def test_a_collapse_is_shown_with_its_gradient_and_its_beginning(make: Make) -> None:
    found, said = answer(make([0.9, 0.1, 0.96, 0.93], collapsed=True))
    assert "A softmax before the cross-entropy lowers test accuracy from 90.0 to 12.5 %" in said
    assert "of length 1.3, and of 1.3 × 10⁻⁶ behind the softmax: 1,000,000 times weaker" in said
    assert "hardly reaches the weights" in said
    assert "`unpooled-softmax` collapsed (from epoch 2 on): it calls 100 % of the test cells basophil" in said
    assert "Cross-entropy wants logits" in found.lesson
    assert found.claims[0].agreement == "as expected"


def test_a_softmax_that_does_no_harm_is_not_said_to(make: Make) -> None:
    found, said = answer(make([0.9, 0.9, 0.9, 0.9]))
    assert [claim.verdict for claim in found.claims] == ["no difference"] * 4
    assert not re.search(r"\b(raises|lowers|hurts|better|worse)\b", said + found.headline + found.lesson)
    assert "with a gradient of length 1.3, and of 1.3 behind the softmax: about as strong" in said
    assert "Neither collapsed to a constant answer." in said
    assert "hardly reaches" not in said
    assert "Cross-entropy wants" not in found.lesson
    assert "for its cost here" in found.lesson


def test_a_weaker_gradient_that_costs_nothing_is_said_to_cost_nothing(make: Make) -> None:
    weak = {**LIVELY, "wrong_gradient": (0.5, 0.1, 0.013)}
    _, said = answer(make([0.9, 0.9, 0.9, 0.9], unpooled_softmax={"watched": weak}))
    assert "100 times weaker" in said
    assert "Yet this costs no accuracy that these cells can tell." in said


def test_a_loss_of_accuracy_without_a_weaker_gradient_is_not_explained_by_it(make: Make) -> None:
    _, said = answer(make([0.95, 0.6, 0.9, 0.9]))
    assert "lowers test accuracy from 95.0 to 60.0 %" in said
    assert "So a vanishing gradient is not what lowers the accuracy here." in said


def test_pooling_that_is_worse_is_said_to_be(make: Make) -> None:
    slow = {"seconds": 9.0, "cost": {"peak_mb": 1600.0}}
    found, said = answer(make([0.95, 0.5, 0.7, 0.5], pooled_logits=slow))
    assert "Pooling lowers test accuracy from 95.0 to 70.0 %" in said
    assert "against what we expected" in said
    assert "an epoch takes 9.0 s instead of 2.0 s (4.5 times slower)" in said
    assert "memory peaks at 1,600 MB instead of 800 MB (2.0 times more)" in said
    assert "not quite as we expected" in said
    assert "Pooling trades accuracy for" in found.lesson


def test_efficiency_and_effectiveness_stand_side_by_side(make: Make) -> None:
    heavy = {
        "seconds": 21.0, "cost": {"parameters": 25_786_824, "multiply_adds": 97e6, "peak_mb": 2100.0},
        "accuracies": (0.5, 0.8, 0.85), "losses": (1.0, 0.5, 0.9),
    }  # fmt: skip
    found, said = answer(make([0.9, 0.5, 0.96, 0.9], unpooled_logits=heavy))
    assert "25.8 M (66 times fewer)" in said
    assert "an epoch takes 2.0 s instead of 21 s (10 times faster)" in said
    assert "memory peaks at 800 MB instead of 2.1 GB" in said
    assert "90 % validation accuracy was reached after 4.0 s with and never without it." in said
    assert (
        "without pooling in epoch 2 of 3 (ends 1.8 times as high) and with pooling in epoch 3 of 3 (still falling)"
        in said
    )
    assert "without pooling the network overfits, if a rise by 20 % is called so." in said
    table = found.section.tables[0]
    assert table.rows[0][:2] == ("unpooled-logits", "90.0")
    assert table.rows[0][-1] == "never"
    assert table.rows[2][-1] == "4.0 s"


def test_question_1_1_alone_says_nothing_of_pooling(make: Make) -> None:
    found, said = answer(make([0.9, 0.5]))
    assert "Two networks learn" in said
    shown = said + found.headline + found.lesson + found.section.heading
    assert "pooling" not in shown.casefold().replace("`unpooled", "")
    assert "maximum" not in said
    assert len(found.claims) == 1
    assert len(found.section.tables[0].rows) == 2


@pytest.mark.parametrize("official", [False, True])
def test_published_figures_are_comparable_only_on_the_official_split_and_at_full_length(
    make: Make, official: bool
) -> None:
    long = {"losses": [0.5] * 200, "accuracies": [0.95] * 200, "watched": {}}
    runs = make([0.9, 0.8, 0.9, 0.9], **{name.replace("-", "_"): long for name in CELL_RUNS})
    found, _ = answer(runs, official=official)
    table = found.section.tables[1]
    marks = {row[0]: row[-1] for row in table.rows}
    assert marks["ours"] == "—"
    assert marks["xOagge"] == ("yes" if official else "no")
    assert marks["mafaldabbrito"] == "no"
    assert ("not the official one" in table.caption) != official


def test_a_short_training_is_owned_up_to_and_not_comparable(make: Make) -> None:
    found, said = answer(make([0.9, 0.8, 0.9, 0.9]), official=True)
    assert "The assignment asks for 200 epochs; what follows holds for 3 of them." in said
    assert all(row[-1] != "yes" for row in found.section.tables[1].rows)
    assert "ours were trained for 3 epochs" in found.section.tables[1].caption
    assert "Each network was trained once" in said


def test_a_history_without_gradients_is_not_explained(make: Make) -> None:
    none = {"watched": {}}
    _, said = answer(make([0.9, 0.5], unpooled_logits=none, unpooled_softmax=none))
    assert "hold no gradients, so why is not answered" in said
    assert "nan" not in said.casefold()


def test_where_nothing_is_misclassified_all_cells_are_looked_at(make: Make) -> None:
    perfect = {**LIVELY, "wrong_gradient": (1.0, math.nan, math.nan)}
    _, said = answer(make([1.0, 0.9], unpooled_logits={"watched": perfect}))
    assert "One of the two misclassifies no validation cell" in said
    assert "at the logits of a validation cell with a gradient of length 0.10, and of 0.10" in said
    assert "nan" not in said


def test_a_gradient_of_zero_has_vanished(make: Make) -> None:
    gone = {**DEAD, "wrong_gradient": (0.1, 0.0, 0.0)}
    _, said = answer(make([0.9, 0.1], unpooled_softmax={"watched": gone, "constant": True}))
    assert "and of 0 behind the softmax: it has vanished altogether" in said


def test_figures_are_shown_where_there_are_any_and_referred_to(make: Make, tmp_path: Path) -> None:
    runs = make([0.9, 0.5, 0.9, 0.9])
    figures = {"curves": crafted.svg(tmp_path / "a.svg", 497), "costs": crafted.svg(tmp_path / "b.svg")}
    section = answer_pooling_and_softmax(runs, figures).section
    blocks = [block for part in section.subsections for block in part.figures]
    assert [(block.label, block.wide) for block in blocks] == [("cells-curves", True), ("cells-costs", False)]
    said = words(section)
    assert "[#cells-curves]" in said
    assert "[#cells-costs]" in said
    assert "[#cells-health]" not in said


def test_different_cells_are_not_compared(make: Make) -> None:
    runs = make([0.9, 0.5])
    table = runs["unpooled-softmax"].predictions
    runs["unpooled-softmax"].write_predictions(table.head(100))
    with pytest.raises(RunError, match="their test rows differ"):
        answer_pooling_and_softmax(runs, {})


def test_what_adam_may_make_up_for_is_not_called_the_reason(make: Make) -> None:
    weak = {**LIVELY, "wrong_gradient": (0.5, 0.1, 0.026)}
    _, said = answer(make([0.95, 0.6, 0.9, 0.9], unpooled_softmax={"watched": weak}))
    assert "50 times weaker" in said
    assert "which Adam's scaling may make up for: that this lowers the accuracy is not shown." in said
    assert "hardly reaches" not in said


def test_the_pooled_softmax_is_explained_too(make: Make) -> None:
    gone = {"watched": {**LIVELY, "wrong_gradient": (0.5, 0.1, 0.001)}, "constant": True}
    _, said = answer(make([0.9, 0.9, 0.95, 0.1], pooled_softmax=gone))
    assert (
        "With pooling the gradient of a misclassified validation cell has a length of 1.3, and of 0.0010"
        in said
    )
    assert "1,300 times weaker. So its mistakes stay" in said
    assert "`pooled-softmax` collapsed: it calls 100 % of the test cells basophil" in said


def test_two_collapsed_networks_are_not_compared(make: Make) -> None:
    constant = {"watched": DEAD, "constant": True}
    found, said = answer(make([0.9, 0.1, 0.9, 0.1], unpooled_softmax=constant, pooled_softmax=constant))
    assert (
        "Pooling behind a softmax cannot be judged by test accuracy, since both networks answer always"
        in said
    )
    assert "too little to matter" not in said
    assert found.claims[2].agreement == "cannot be told"


def test_what_cannot_be_told_is_left_out_of_the_headline(make: Make) -> None:
    found, _ = answer(make([0.9, 0.9, 0.9, 0.9]))
    assert found.headline.startswith(
        "On 160 blood cells, the best network by validation names 90.0 % rightly"
    )
    assert [claim.expectation.subject for claim in found.untold] == [
        "pooling",
        "a softmax before the cross-entropy",
    ]


def test_one_epoch_is_one(make: Make) -> None:
    short = {"losses": (1.0,), "accuracies": (0.5,), "watched": {}}
    _, said = answer(make([0.9] * 4, **{name.replace("-", "_"): short for name in CELL_RUNS}))
    assert "cross-entropy, 1 epoch, " in said
    assert "1 epochs" not in said
    assert "in epoch 1 of 1 (the only one)" in said
