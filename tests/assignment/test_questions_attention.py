"""Question 2.2: what is said of attention where it wins, loses or changes nothing, and of what it attends to."""

from __future__ import annotations

import re
from pathlib import Path

import crafted
import numpy as np
import pytest

from ribocyte.assignment.questions import Answer, answer_attention
from ribocyte.assignment.questions.attention import EXPECTED, choose_variants, describe_profile
from ribocyte.learn.evaluation import Score
from ribocyte.learn.runs import Run
from ribocyte.rna.attention_profile import Aligned, AttentionProfile, Band, Enrichment

COMPARATIVE = re.compile(r"\b(raises|lowers|better|worse|earned)\b")


def make(
    folder: Path, noise: dict[str, float], seeds: int = 2, base: str = "rna-bilstm", shift: int = 0
) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for name, miss in noise.items():
        kind, _, heads = name.partition("-")
        model = {"attention": kind, "heads": int(heads)} if heads else {}
        other = shift if heads else 0
        groups[name] = [
            crafted.rna_run(folder / f"{name}-{seed}", miss, seed + other, kind=base, **model)
            for seed in range(seeds)
        ]
    return groups


def words(answer: Answer) -> str:
    return " ".join(answer.section.paragraphs)


def results(answer: Answer) -> str:
    return answer.section.paragraphs[2]


def enrichment(low: float, high: float) -> Enrichment:
    gain = (low + high) / 2
    return Enrichment(Score(1.1 + gain, 1, 2), Score(1.1, 1, 1.2), Score(gain, low, high))


def profile(low: float, high: float, commonest: int = 900) -> AttentionProfile:
    flat = Band(*(np.ones(3) for _ in range(3)))
    around = Aligned(flat, Band(*(np.ones((2, 3)) for _ in range(3))))
    found = enrichment(low, high)
    kmers = {"UGCAUGU": commonest, "UGCAUGA": 7}
    return AttentionProfile(np.arange(-1, 2), around, around, found, (found, found), 2000, 7, kmers)


def test_attention_that_loses_is_said_to_lose(tmp_path: Path) -> None:
    answer = answer_attention(make(tmp_path, {"none": 0.7, "self-1": 1.1, "pool-1": 1.2}), None, {})
    said = results(answer)
    assert "Self-attention over the states of the BiLSTM (1 head) lowers test Spearman" in said
    assert "raises" not in said
    assert "against what we expected" in said
    assert answer.lesson == "The BiLSTM is better off without attention."


def test_attention_that_wins_is_said_to_win(tmp_path: Path) -> None:
    answer = answer_attention(make(tmp_path, {"none": 1.1, "self-1": 0.7, "pool-1": 1.1}), None, {})
    assert "(1 head) raises test Spearman" in results(answer)
    assert answer.lesson == "Self-attention earned a place in the BiLSTM."


def test_attention_that_changes_nothing_is_said_to_change_nothing(tmp_path: Path) -> None:
    groups = make(tmp_path, {"none": 0.9, "self-2": 0.9}, shift=20)
    answer = answer_attention(groups, None, {})
    assert not COMPARATIVE.search(results(answer) + answer.headline + answer.lesson)
    assert answer.lesson == "That the BiLSTM needs attention is not shown."


def test_the_same_loss_is_expected_of_one_network_and_not_of_the_other(tmp_path: Path) -> None:
    assert EXPECTED["rna-cnn", "pool"].outcome == "worse"
    groups = make(tmp_path, {"none": 0.7, "pool-1": 1.1}, base="rna-cnn")
    said = results(answer_attention(groups, None, {}))
    assert "attention pooling in the place of the maximum (1 head) lowers" in said.casefold()
    assert ", as we expected" in said


def test_the_variant_shown_is_chosen_by_validation(tmp_path: Path) -> None:
    noise = {"none": 0.9, "self-1": 0.8, "self-4": 0.9, "pool-2": 1.0, "pool-8": 0.95}
    groups = make(tmp_path, noise)
    variants = {name: runs for name, runs in groups.items() if name != "none"}
    assert choose_variants(variants) == {"self": "self-1", "pool": "pool-8"}
    best = crafted.rna_run(tmp_path / "else", 2.0, kind="rna-bilstm", attention="self", heads=4, value=0.99)
    assert choose_variants({**variants, "self-4": [best]})["self"] == "self-4"
    undefined = crafted.rna_run(tmp_path / "none", 2.0, kind="rna-bilstm", value=float("nan"))
    assert choose_variants({"self-1": [undefined], "self-2": variants["self-1"]})["self"] == "self-2"


def test_heads_are_compared_at_equal_width(tmp_path: Path) -> None:
    answer = answer_attention(make(tmp_path, {"none": 0.9, "self-1": 0.7, "self-8": 1.1}), None, {})
    said = results(answer)
    assert "Taking 8 heads in the place of 1 (`self`) lowers test Spearman" in said
    assert "With 3 intervals side by side" in said
    assert "the parameters stay as many" in words(answer)
    table = answer.section.tables[0]
    assert [row[0] for row in table.rows] == ["no attention", "self, 1 head", "self, 8 heads"]
    assert table.rows[0][5:8] == ("—", "—", "—")


def test_published_attention_stands_beside_what_it_is(tmp_path: Path) -> None:
    lstm = answer_attention(make(tmp_path / "a", {"none": 0.9, "self-1": 0.9}), None, {}).section.tables[1]
    assert lstm.header[1:3] == ("BiLSTM", "BiLSTM + attention")
    assert [row[0] for row in lstm.rows] == ["ours", "xOagge", "mafaldabbrito", "catarinassgoncalves"]
    alone = make(tmp_path / "b", {"none": 0.9, "self-1": 0.9}, base="rna-cnn")
    assert len(answer_attention(alone, None, {}).section.tables) == 1  # nobody published that


def test_one_seed_is_said(tmp_path: Path) -> None:
    groups = make(tmp_path, {"none": 0.9, "self-1": 0.7}, seeds=1)
    assert "Each network was trained once" in words(answer_attention(groups, None, {}))


def test_a_constant_variant_is_not_judged(tmp_path: Path) -> None:
    groups = make(tmp_path, {"none": 0.9}, seeds=1)
    groups["self-1"] = [
        crafted.rna_run(tmp_path / "c", 1, kind="rna-bilstm", attention="self", heads=1, constant=True)
    ]
    answer = answer_attention(groups, None, {})
    assert "cannot be judged" in results(answer)
    assert "nan" not in words(answer)


@pytest.mark.parametrize(
    ("low", "high", "says", "agreement"),
    [
        (0.5, 0.9, "looks where the protein binds", "as expected"),
        (-0.9, -0.5, "looks away from where the protein binds", "not as expected"),
        (-0.3, 0.4, "is not shown", "cannot be told"),
        (0.01, 0.04, "is not shown", "as expected"),  # too little to act on
    ],
)
def test_what_attention_attends_to_is_what_the_profile_shows(
    tmp_path: Path, low: float, high: float, says: str, agreement: str
) -> None:
    answer = answer_attention(make(tmp_path, {"none": 0.9, "self-1": 0.9}), profile(low, high), {})
    said = answer.section.paragraphs[3]
    assert says in said
    assert "2,000 test probes" in said
    assert "`UGCAUGU`, in 900 of them" in said
    assert (
        "One training was looked at, that of the first seed, and the interval covers the probes alone."
        in said
    )
    assert answer.claims[-1].agreement == agreement
    assert ("raises" in said) == (low > 0)


def test_a_missing_profile_names_the_command_that_makes_it() -> None:
    said = describe_profile(None, {}, "self-1")
    assert "`ribocyte reproduce --question 2.2`" in said
    assert "binds" not in said


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.5, 0.9, "gathers on that k-mer."),
        (-0.9, -0.5, "keeps off"),
        (-0.3, 0.4, "on that k-mer is not shown"),
    ],
)
def test_of_binding_nothing_is_said_where_the_kmers_do_not_agree(low: float, high: float, says: str) -> None:
    said = describe_profile(profile(low, high, 8), {}, "self-1")
    assert "in 8 of them" in said
    assert says in said
    assert "protein binds" not in said


def test_what_attention_changes_of_a_network_besides_is_said(tmp_path: Path) -> None:
    noise = {"none": 0.9, "self-1": 0.9}
    lstm = words(answer_attention(make(tmp_path / "a", noise), None, {}))
    cnn = words(answer_attention(make(tmp_path / "b", noise, base="rna-cnn"), None, {}))
    assert "attention is all that changes" in lstm
    assert "attention is all" not in cnn
    assert "padding takes part in the statistics of the normalisation" in cnn
    for said in (lstm, cnn):
        assert "that the search of question 2.1 chose for it, without attention" in said
        assert "We tried 1 head of `self`." in said
