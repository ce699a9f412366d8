from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from ribocyte import catalog
from ribocyte.assignment.report import report_runs
from ribocyte.documents.document import Document, Section
from ribocyte.documents.text import as_words
from ribocyte.documents.writing import write_document
from ribocyte.errors import RequestError, RunError
from ribocyte.learn import evaluation, plots
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Split

COUNT = 400
MEASURED = np.random.default_rng(0).normal(size=COUNT).astype(np.float32)
COST = {
    "parameters": 22_800,
    "multiply_adds": 247_000,
    "seconds": 12.0,
    "examples_per_second": 20_000.0,
    "peak_mb": 520.0,
    "device": "cpu",
    "threads": 1,
    "precision": "32",
}


def make_run(
    path: Path, noise: float | None, *, seed: int = 0, validation: float = 0.6, width: int = 11, **facts: Any
) -> Run:
    """Make a finished run whose predictions are the measurements and some noise; None for a constant answer."""
    tables = {
        "data": {"kind": "rnacompete", "experiments": ["RNCMPT00001"], "protocol": "assignment"},
        "model": {"kind": "rna-cnn", "width": width},
        "training": {"epochs": 2, "seed": seed},
    }
    recipe = catalog.parse_recipe(tables, path.name.partition("-")[0])
    run = Run.create(path, recipe.as_tables())
    random = np.random.default_rng([seed, width])
    predicted = MEASURED + (noise or 0) * random.normal(size=COUNT).astype(np.float32)
    if noise is None:
        predicted = np.zeros_like(MEASURED)
    outputs, targets = torch.from_numpy(predicted)[:, None], torch.from_numpy(MEASURED)[:, None]
    names = [f"probe {i}" for i in range(COUNT)]
    split = Split(torch.zeros(COUNT, 1), targets, names)
    run.write_predictions(evaluation.prediction_table(outputs, split, ("RNCMPT00001",)))
    history = {"train_loss": 1.0, "val_loss": 1.0, "val_spearman": validation, "seconds": 6.0}
    run.write_history([{"epoch": 1, **history, "val_spearman": 0.1}, {"epoch": 2, **history}])
    judged = evaluation.judge(recipe.objective, outputs, targets)  # type: ignore[arg-type]
    run.write_resamples(judged.resamples)
    plain = {
        "name": recipe.name,
        "version": "0.2.0",
        "simulated": False,
        "protocol": "assignment",
        "outputs": ["RNCMPT00001"],
        "rows": {"train": 1200, "val": 300, "test": COUNT},
        "fingerprint": "f" * 64,
        "seed": seed,
        "epochs": 2,
        "best": {"epoch": 2, "metric": "spearman", "value": validation},
        "cost": COST,
        "test": evaluation.as_json(evaluation.score(judged)),
    }
    figure = plots.plot_density(MEASURED, predicted)
    plots.save_figure(figure, path / "figures" / "density.svg")
    run.write_scores({**plain, **facts})
    return run


def words(document: Document) -> str:
    """Give all of a document's prose."""

    def read(sections: Sequence[Section]) -> list[str]:
        found = [as_words(paragraph) for section in sections for paragraph in section.paragraphs]
        return found + [text for section in sections for text in read(section.subsections)]

    return " ".join([as_words(document.abstract), *read(document.sections), *read(document.appendix)])


def rows(document: Document, label: str) -> dict[str, tuple[str, ...]]:
    """Give a table's rows by their first cells."""
    sections = (*document.sections, *document.appendix)
    (table,) = [table for section in sections for table in section.tables if table.label == label]
    return {as_words(first): cells for first, *cells in ((r[0], *r[1:]) for r in table.rows)}  # type: ignore[misc]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Give a good network, one just as good, and a bad one: none to be changed."""
    root = tmp_path_factory.mktemp("runs")
    return {
        "good": make_run(root / "good", 0.5, validation=0.9),
        "twin": make_run(root / "twin", 0.5, validation=0.88, width=13),
        "bad": make_run(root / "bad", 3.0, validation=0.3, width=9),
    }


def test_differences_are_claimed_where_the_interval_says_so(three: dict[str, Run], tmp_path: Path) -> None:
    document = report_runs([three["bad"], three["twin"], three["good"]], tmp_path)
    said = words(document)
    assert document.title == "Three networks on RNAcompete, RNCMPT00001"
    assert "The best by validation, good, reaches a test Spearman ρ of 0.8" in said
    assert "bad is lower on the same examples." in said
    assert "twin is not told apart from it by this test." in said
    assert re.search(
        r"bad instead of good lowers it from 0\.8\d\d to 0\.\d{3} \(−0\.\d{3}, 95 % interval −", said
    )
    assert re.search(
        r"twin instead of good takes it from \S+ to \S+, no difference that this test can tell", said
    )
    assert "higher" not in said
    assert list(rows(document, "scores")) == ["good", "twin", "bad"]


def test_the_best_is_chosen_by_validation_even_where_the_test_disagrees(
    three: dict[str, Run], tmp_path: Path
) -> None:
    hasty = make_run(tmp_path / "hasty", 3.0, validation=0.99, width=7)
    said = words(report_runs([three["good"], hasty], tmp_path / "drawn"))
    assert "The best by validation, hasty," in said
    assert "good is higher on the same examples, whatever validation said." in said


def test_scores_are_those_of_the_predictions(three: dict[str, Run], tmp_path: Path) -> None:
    predicted = three["good"].predictions["predicted/RNCMPT00001"].to_numpy()
    table = rows(report_runs([three["good"]], tmp_path), "scores")
    assert table["good"][0] == f"{spearmanr(MEASURED, predicted).statistic:.3f}"
    assert table["good"][-1] == "0.900"


def test_seeds_of_one_recipe_are_one_network(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / f"net-{seed}", 0.5, seed=seed, validation=0.5 + seed / 10) for seed in (2, 0, 1)
    ]
    other = make_run(tmp_path / "other", 3.0, width=9, validation=0.2)
    document = report_runs([*runs, other], tmp_path / "drawn")
    values = [
        spearmanr(MEASURED, run.predictions["predicted/RNCMPT00001"].to_numpy()).statistic for run in runs
    ]
    assert rows(document, "scores")["net"][0] == f"{np.mean(values):.3f}"
    assert rows(document, "scores")["net"][-1] == "0.600"
    assert rows(document, "networks")["net"][-1] == "0, 1, 2"
    assert "Two networks, trained four times in all, learned from 1,200 examples" in words(document)
    (trainings,) = document.appendix[0].tables
    assert [row[1] for row in trainings.rows] == ["0", "1", "2", "0"]


def test_many_networks_are_counted_and_only_the_best_are_drawn(tmp_path: Path) -> None:
    noises = [0.5, 0.5, 0.5, 0.5, 3.0, 0.5, 0.5, 3.0]
    runs = [
        make_run(tmp_path / f"net{at}", noise, width=2 * at + 5, validation=0.9 - at / 100)
        for at, noise in enumerate(noises)
    ]
    document = report_runs(runs, tmp_path / "drawn")
    said = words(document)
    assert "Two others are lower on the same examples. Five others are not told apart" in said
    assert re.search(
        r"stands in : two of 7 differ from it: net4 instead of net0 lowers it .*; net7 instead",
        said,
    )
    assert "net1" not in said.partition("What was reached")[0]
    (curves, _) = document.sections[1].figures
    assert "of the 6 networks best by validation, epoch by epoch" in curves.caption
    assert len(rows(document, "differences")) == 7


def test_one_run_alone_is_compared_with_nothing(three: dict[str, Run], tmp_path: Path) -> None:
    document = report_runs([three["good"]], tmp_path)
    said = words(document)
    assert document.title == "One network on RNAcompete, RNCMPT00001"
    assert "good reaches a test Spearman ρ of" in said
    assert "best by validation" not in said
    assert "instead of" not in said
    assert [table.label for table in document.sections[1].tables] == ["scores"]


def test_a_constant_answer_has_no_score(three: dict[str, Run], tmp_path: Path) -> None:
    constant = make_run(tmp_path / "constant", None, validation=float("nan"), width=5)
    alone = report_runs([constant], tmp_path / "alone")
    assert "constant gives a constant answer, which has no Spearman ρ." in words(alone)
    document = report_runs([constant, three["good"]], tmp_path / "both")
    assert list(rows(document, "scores")) == ["good", "constant"]
    assert rows(document, "scores")["constant"][0] == "—"
    assert "constant instead of good cannot be judged" in words(document)


def test_a_simulation_is_said_to_be_one(tmp_path: Path) -> None:
    document = report_runs([make_run(tmp_path / "run", 0.5, simulated=True)], tmp_path / "drawn")
    assert document.simulated
    assert "here simulated" in words(document)


def test_the_recipe_stands_in_the_appendix_and_can_be_trained_again(
    three: dict[str, Run], tmp_path: Path
) -> None:
    document = report_runs([three["good"]], tmp_path)
    (listed,) = document.appendix[1].subsections
    path = tmp_path / "again.toml"
    path.write_text("\n".join(listed.commands))
    assert catalog.read_recipe(path).as_tables() == three["good"].recipe


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"protocol": "strict"}, "protocol assignment and protocol strict"),
        ({"fingerprint": "0" * 64}, "data ffffffffffff and data 000000000000"),
        ({"outputs": ["RNCMPT00002"]}, "outputs RNCMPT00001 and outputs RNCMPT00002"),
        ({"rows": {"train": 1200, "val": 300, "test": 399}}, "400 test rows and 399 test rows"),
        ({"simulated": True}, "measurements and simulations"),
    ],
)
def test_runs_that_measure_different_things_are_not_ranked(
    facts: dict[str, Any], says: str, three: dict[str, Run], tmp_path: Path
) -> None:
    other = make_run(tmp_path / "other", 0.5, **facts)
    with pytest.raises(RunError, match=f"good and other measure different things.*: {says}; ") as refused:
        report_runs([three["good"], other, three["twin"]], tmp_path)
    assert str(refused.value).endswith("make a report of each of these: good twin; other")


def test_what_cannot_be_reported_is_refused(three: dict[str, Run], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run was named"):
        report_runs([], tmp_path)
    begun = Run.create(tmp_path / "begun", three["good"].recipe)
    with pytest.raises(
        RunError, match=r"begun: not finished.*finish it with: ribocyte train \S+ --out \S+ --resume"
    ):
        report_runs([three["good"], begun], tmp_path)
    again = Run.open(three["good"].path / ".." / "good")
    with pytest.raises(RunError, match="good: the same run is named twice"):
        report_runs([three["good"], again], tmp_path)


@pytest.mark.parametrize(
    ("ending", "made"),
    [
        (".pdf", ["r-figures", "r.html", "r.pdf", "r.typ"]),
        (".typ", ["r-figures", "r.typ"]),
        (".html", ["r.html"]),
        (".md", ["r-figures", "r.md"]),
    ],
)
def test_the_ending_says_what_is_written(
    ending: str, made: list[str], three: dict[str, Run], tmp_path: Path
) -> None:
    document = report_runs([three["good"], three["bad"]], tmp_path / "drawn")
    folder = tmp_path / "out"
    for _ in range(2):  # the second replaces the first
        written = write_document(document, folder / f"r{ending}")
        assert sorted(path.name for path in written.files) == made
        assert sorted(path.name for path in folder.iterdir()) == made
        assert written.files[0].suffix == ending
        assert (written.pages is not None) == (ending == ".pdf")


@pytest.mark.parametrize("name", ["r.docx", "r", "folder.pdf"])
def test_other_endings_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.pdf").mkdir()
    with pytest.raises(
        RequestError, match=r"expected a file's name that ends in \.pdf, \.html, \.typ or \.md"
    ):
        write_document(Document("t"), tmp_path / name)
