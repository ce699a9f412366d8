"""Question 2.1: what is said of two architectures, whichever is ahead, and of how they were tuned."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import crafted
import pytest

import searching
from ribocyte.assignment.questions import Answer, answer_two_networks
from ribocyte.assignment.questions.networks import ARCHITECTURES, expect_of
from ribocyte.assignment.questions.published import tabulate_published_probes, why_probes_differ
from ribocyte.learn.evaluation import Score
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search

KINDS = ("rna-cnn", "rna-bilstm")


def tuned(folder: Path, noise: dict[str, float], seeds: int = 3) -> dict[str, list[Run]]:
    return {
        kind: [crafted.rna_run(folder / f"{kind}-{seed}", miss, seed, kind=kind) for seed in range(seeds)]
        for kind, miss in noise.items()
    }


def words(answer: Answer) -> str:
    return " ".join(answer.section.paragraphs)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    return searching.search_in(tmp_path_factory.mktemp("search") / "found")


def test_the_network_that_is_ahead_is_said_to_be(tmp_path: Path) -> None:
    answer = answer_two_networks({}, tuned(tmp_path, {"rna-cnn": 1.0, "rna-bilstm": 0.7}), {})
    said = words(answer)
    assert re.search(
        r"Replacing the CNN by the BiLSTM raises test Spearman from 0\.\d{3} to 0\.\d{3} \(\+0\.", said
    )
    assert "as we expected" in said
    assert "Each network was trained from 3 seeds" in said
    assert answer.lesson == "The BiLSTM ranked probes better than the CNN."


def test_the_network_that_is_behind_is_said_to_be(tmp_path: Path) -> None:
    answer = answer_two_networks({}, tuned(tmp_path, {"rna-cnn": 0.7, "rna-bilstm": 1.0}), {})
    assert "lowers test Spearman" in words(answer)
    assert "against what we expected" in words(answer)
    assert answer.lesson == "The BiLSTM ranked probes worse than the CNN."
    assert "better" not in words(answer) + answer.headline + answer.lesson


def test_networks_that_tie_are_not_ranked(tmp_path: Path) -> None:
    runs = tuned(tmp_path, {"rna-cnn": 0.9})
    runs["rna-bilstm"] = [
        crafted.rna_run(tmp_path / f"tie-{seed}", 0.9, seed + 10, kind="rna-bilstm") for seed in range(3)
    ]
    answer = answer_two_networks({}, runs, {})
    shown = words(answer) + answer.headline + answer.lesson
    assert not re.search(
        r"\b(raises|lowers|better|worse|best)\b",
        shown.replace("its best match", ""),
    )
    assert answer.claims[0].verdict == "no difference"
    assert "as well as the CNN" in answer.lesson or "could not be told from the CNN" in answer.lesson


def test_a_constant_network_is_not_judged(tmp_path: Path) -> None:
    runs = tuned(tmp_path, {"rna-cnn": 0.9}, 1)
    runs["rna-bilstm"] = [crafted.rna_run(tmp_path / "constant", 0.9, kind="rna-bilstm", constant=True)]
    answer = answer_two_networks({}, runs, {})
    said = words(answer)
    assert "Replacing the CNN by the BiLSTM cannot be judged" in said
    assert "nan" not in said
    assert answer.claims[0].agreement == "cannot be told"
    results = next(table for table in answer.section.tables if table.label == "networks-results")
    assert results.rows[1][2] == "—"


def test_one_seed_is_said(tmp_path: Path) -> None:
    answer = answer_two_networks({}, tuned(tmp_path, {"rna-cnn": 1.0, "rna-bilstm": 0.7}, seeds=1), {})
    assert "Each network was trained once" in words(answer)
    assert "not what another seed would change" in words(answer)


def test_further_networks_are_further_rows(tmp_path: Path) -> None:
    runs = tuned(tmp_path, dict.fromkeys(ARCHITECTURES, 0.9), seeds=2)
    answer = answer_two_networks({}, runs, {})
    results = next(table for table in answer.section.tables if table.label == "networks-results")
    assert [row[0] for row in results.rows] == ["CNN", "BiLSTM", "residual network", "transformer"]
    assert len(answer.claims) == 3


def test_a_search_is_described_and_its_choices_tabulated(tmp_path: Path, search: Search) -> None:
    runs = tuned(tmp_path, {"rna-cnn": 1.0, "rna-bilstm": 0.7}, 1)
    answer = answer_two_networks({"rna-cnn": search}, runs, {})
    said, states = words(answer), search.trials["state"].to_list()
    assert f"The CNN had {len(states)} trials" in said
    if pruned := states.count("pruned"):
        assert f"{pruned} stopped early" in said
    assert "The test split was never handed to a search." in said
    assert (
        "No search of the BiLSTM is at hand: `ribocyte tune rna/bilstm --out search/rna-bilstm` makes one."
        in said
    )
    table = answer.section.tables[0]
    assert table.label == "networks-settings"
    rows = {row[0]: row for row in table.rows}
    assert rows.keys() == {f"`{name}`" for name in search.names}
    assert rows["`training.batch_size`"][1] == "16, 32"
    assert rows["`training.batch_size`"][2].startswith(str(search.best["training.batch_size"]))
    assert "log" in rows["`training.learning_rate`"][1]


def test_a_search_without_a_complete_trial_counts_as_none(tmp_path: Path) -> None:
    begun = Search.create(tmp_path / "begun", searching.definition())
    answer = answer_two_networks({"rna-cnn": begun}, tuned(tmp_path, {"rna-cnn": 1.0}, 1), {})
    assert "No search of the CNN is at hand" in words(answer)
    assert "networks-settings" not in [table.label for table in answer.section.tables]
    assert answer.claims == ()


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ("rna-cnn", "rna-bilstm", "better"),
        ("rna-bilstm", "rna-cnn", "worse"),
        ("rna-bilstm", "rna-transformer", "no difference"),
    ],
)
def test_an_expectation_is_the_same_from_either_side(first: str, second: str, outcome: str) -> None:
    assert expect_of(first, second).outcome == outcome


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"simulated": True}, "simulated"),
        ({"experiment": "RNCMPT00001"}, "another one (`RNCMPT00001`)"),
        ({"test_rows": 30_000}, "30,000 probes, a part of Set B"),
    ],
)
def test_published_figures_are_comparable_only_with_rbfox1_on_the_whole_of_set_b(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    kept = {"experiment": "RNCMPT00168", "test_rows": 121_031, **changes}
    run = crafted.rna_run(tmp_path / "run", 0.9, **kept)  # type: ignore[arg-type]
    assert reason in why_probes_differ(run)
    assert bool(reason) == bool(why_probes_differ(run))
    table = tabulate_published_probes({"CNN": [run]}, {"CNN": Score(0.67, 0.66, 0.68)}, ("CNN", "BiLSTM"))
    ours = "ours, simulated" if "simulated" in changes else "ours"
    assert table.rows[0] == (ours, "0.670", "—", "—")
    assert table.published  # others measured what they published, whatever ours is
    assert "xOagge/DeepLearning_Homework2" in table.caption
    assert {row[-1] for row in table.rows[1:]} == {"no" if reason else "yes"}
    assert ("xOagge", "0.665", "0.681") in [row[:3] for row in table.rows]


def test_another_loss_than_asked_for_is_owned_up_to(tmp_path: Path) -> None:
    runs = tuned(tmp_path, dict.fromkeys(ARCHITECTURES, 0.9), seeds=1)
    assert "The assignment asks for" not in words(answer_two_networks({}, runs, {}))  # all minimise it
    for kind in ("rna-residual", "rna-transformer"):
        runs[kind] = [crafted.rna_run(tmp_path / f"{kind}-huber", 0.9, kind=kind, loss="huber")]
    assert (
        "The assignment asks for the masked mean squared error, and the CNN and the BiLSTM minimise it; the residual "
        "network and the transformer minimise Huber's loss in its place, masked alike."
    ) in words(answer_two_networks({}, runs, {}))


def test_each_search_is_described_by_its_own_settings(tmp_path: Path, search: Search) -> None:
    other = searching.definition()
    patient = replace(other, tuning=replace(other.tuning, startup=4, warmup=3))
    searches = {"rna-cnn": search, "rna-bilstm": searching.search_in(tmp_path / "patient", patient, trials=2)}
    answer = answer_two_networks(searches, tuned(tmp_path, {"rna-cnn": 1.0, "rna-bilstm": 0.7}, 1), {})
    assert "come first (3 (CNN) or 4 (BiLSTM) trials)" in words(answer)
    assert "after 2 (CNN) or 3 (BiLSTM) epochs at the earliest" in words(answer)


def test_importance_is_not_spoken_of_where_there_are_too_few_trials(tmp_path: Path) -> None:
    few = searching.search_in(tmp_path / "few", trials=2)
    assert few.importance() == {}
    figures = {"importance": crafted.svg(tmp_path / "importance.svg")}
    answer = answer_two_networks({"rna-cnn": few}, tuned(tmp_path, {"rna-cnn": 1.0}, 1), figures)
    assert "For the CNN too few trials ran to their end" in words(answer)
    assert "explained" not in words(answer)
    assert "explains" not in answer.section.tables[0].caption
    assert answer.section.figures == ()
