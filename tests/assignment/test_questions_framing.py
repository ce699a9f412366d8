"""Around the answers: the article says what was studied, how much, and nothing that was not asked."""

from __future__ import annotations

import re
from pathlib import Path

import crafted
import pytest

import searching
from ribocyte.assignment.questions import (
    CELL_RUNS,
    Answer,
    answer_attention,
    answer_many_proteins,
    answer_pooling_and_softmax,
    answer_two_networks,
    frame_answers,
)
from ribocyte.documents.document import Document, Section, number_document
from ribocyte.learn.runs import Run
from ribocyte.learn.searches import Search
from ribocyte.literature import LITERATURE


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("cells")
    return {name: crafted.cell_run(folder / name, 0.9) for name in CELL_RUNS}


@pytest.fixture(scope="module")
def rna(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    folder = tmp_path_factory.mktemp("rna")
    noise = {"rna-cnn": 0.9, "rna-bilstm": 0.7}
    return {
        kind: [crafted.rna_run(folder / f"{kind}-{seed}", miss, seed, kind=kind) for seed in range(2)]
        for kind, miss in noise.items()
    }


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    return searching.search_in(tmp_path_factory.mktemp("search") / "found")


@pytest.fixture(scope="module")
def answers(
    cells: dict[str, Run],
    rna: dict[str, list[Run]],
    search: Search,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Answer]:
    folder = tmp_path_factory.mktemp("figures")
    names = ("curves", "health", "costs", "losses", "trials", "importance", "effects", "profile")
    figures = {name: crafted.svg(folder / f"{name}.svg") for name in names}
    variant = crafted.rna_run(folder / "self", 0.9, kind="rna-bilstm", attention="self", heads=4)
    return [
        answer_pooling_and_softmax(cells, figures),
        answer_two_networks({"rna-cnn": search}, rna, figures),
        answer_attention({"none": rna["rna-bilstm"], "self-4": [variant]}, None, figures),
        answer_many_proteins(),
    ]


def paragraphs(sections: tuple[Section, ...]) -> str:
    return " ".join(" ".join([*s.paragraphs, paragraphs(s.subsections)]) for s in sections)


def every_run(rna: dict[str, list[Run]]) -> list[Run]:
    return [run for runs in rna.values() for run in runs]


def test_every_reference_and_citation_of_the_whole_article_leads_somewhere(
    answers: list[Answer], cells: dict[str, Run], rna: dict[str, list[Run]]
) -> None:
    framed = frame_answers(answers, list(cells.values()), every_run(rna))
    document = Document(
        framed.title, abstract=framed.abstract, sections=framed.sections, references=LITERATURE
    )
    numbered = number_document(document)
    said = paragraphs(framed.sections)
    labels = [
        block.label
        for s in framed.sections
        for part in (s, *s.subsections)
        for block in (*part.tables, *part.figures)
    ]
    assert all(f"[#{label}]" in said for label in labels)
    assert {"yang2023", "ray2013", "karin2021", "vaswani2017", "akiba2019"} <= {
        ref.key for ref in numbered.cited
    }
    assert not re.search(r"\d\.\d{5}|nan|None|\{|\}| \.|\.\.", said + framed.abstract)


def test_figures_and_tables_are_mentioned_as_they_are_numbered(answers: list[Answer]) -> None:
    numbered = number_document(
        Document("x", sections=tuple(answer.section for answer in answers), references=LITERATURE)
    )
    mentioned = re.findall(r"\[#([a-z0-9-]+)\]", paragraphs(numbered.document.sections))
    names = [numbered.names[label] for label in dict.fromkeys(mentioned)]
    for kind in ("Figure", "Table"):
        numbers = [int(name.split()[1]) for name in names if name.startswith(kind)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_the_abstract_of_a_whole_study_is_short(tmp_path: Path) -> None:
    def group(name: str, noise: float, **model: str | int) -> list[Run]:
        kind = str(model.pop("kind", "rna-cnn"))
        return [crafted.rna_run(tmp_path / f"{name}-{s}", noise, s, kind=kind, **model) for s in range(2)]  # type: ignore[arg-type]

    cells = {name: crafted.cell_run(tmp_path / name, 0.9) for name in CELL_RUNS}
    noise = {"rna-cnn": 0.9, "rna-bilstm": 0.7, "rna-residual": 0.6, "rna-transformer": 0.95}
    tuned = {kind: group(kind, miss, kind=kind) for kind, miss in noise.items()}
    attention = {"none": tuned["rna-cnn"]}
    attention |= {f"{a}-4": group(f"{a}-4", 0.9, attention=a, heads=4) for a in ("self", "pool")}
    answers = [
        answer_pooling_and_softmax(cells, {}),
        answer_two_networks({}, tuned, {}),
        answer_attention(attention, None, {}),
        answer_many_proteins(),
    ]
    runs = [run for runs in (*tuned.values(), *attention.values()) for run in runs]
    abstract = frame_answers(answers, list(cells.values()), runs).abstract
    assert abstract.count("Whether test accuracy changes with pooling or a softmax") == 1
    assert abstract.count("Whether") == 1
    assert len(abstract.split()) < 155, abstract  # among them A1CF's excuse


def test_the_protein_really_used_is_named_and_why(rna: dict[str, list[Run]], answers: list[Answer]) -> None:
    framed = frame_answers(answers[1:2], [], every_run(rna), instead="the table at hand does not hold it")
    assert "A1CF" in framed.title
    for text in (framed.abstract, paragraphs(framed.sections)):
        assert "A1CF is studied in its place, because the table at hand does not hold it" in text
    assert "blood" not in framed.title + framed.abstract + paragraphs(framed.sections)


def test_rbfox1_needs_no_excuse(tmp_path: Path) -> None:
    runs = [crafted.rna_run(tmp_path / "run", 0.9, experiment="RNCMPT00168")]
    framed = frame_answers([answer_two_networks({}, {"rna-cnn": runs}, {})], [], runs)
    assert "in its place" not in framed.abstract + paragraphs(framed.sections)
    assert framed.title == "Deep networks for the binding of RBFOX1 to RNA"


def test_the_size_of_what_was_run_is_said_and_no_run_counts_twice(
    answers: list[Answer], cells: dict[str, Run], rna: dict[str, list[Run]], search: Search
) -> None:
    framed = frame_answers(answers, list(cells.values()), every_run(rna) * 2, [search])
    said = paragraphs(framed.sections[:1])
    assert "4 cell networks (3 epochs, one seed)" in said
    assert "4 RNA networks (3 epochs, 2 seeds)" in said
    assert f"{search.trials.height} trials of settings" in said
    assert re.search(
        r"8(\.0\d?)? min of training in all", said
    )  # 8 runs of a minute each; the search took none


def test_expectations_are_counted_once_each(answers: list[Answer], cells: dict[str, Run]) -> None:
    framed = frame_answers(answers[:1], list(cells.values()), [])
    claims = answers[0].claims
    met = sum(claim.agreement == "as expected" for claim in claims)
    assert f"Of {len(claims)} expectations {met or 'none'}" in framed.abstract.replace(" one ", " 1 ")
    assert framed.sections[-1].heading == "Conclusion"


def test_simulated_results_are_called_that_in_the_abstract(tmp_path: Path) -> None:
    runs = [crafted.rna_run(tmp_path / "run", 0.9, experiment="SIM_RBFOX1", simulated=True)]
    framed = frame_answers([answer_two_networks({}, {"rna-cnn": runs}, {})], [], runs)
    assert framed.simulated
    assert framed.abstract.startswith("Everything here was learned from simulated data")
    said = paragraphs(framed.sections)
    assert "A simulated RNAcompete experiment (`SIM_RBFOX1`)" in said
    assert "in its place" not in said


def test_question_2_3_alone_claims_nothing_measured() -> None:
    answer = answer_many_proteins()
    framed = frame_answers([answer], [], [])
    said = paragraphs(framed.sections)
    assert "none of it was trained for this article" in said
    assert "not measured" in framed.abstract
    assert not answer.claims
    assert not framed.simulated
    for fact in ("0.693", "0.608", "+0.085", "219", "244", "RNCMPT00123", "[@karin2021]"):
        assert fact in said
    for part in (
        "Data and labels.",
        "Architecture.",
        "Objective and evaluation.",
        "A benefit:",
        "A challenge:",
    ):
        assert part in said
