"""The demo, smaller still: stopped and continued, finished and found again, and its page read as a person would."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from ribocyte import catalog, pipeline
from ribocyte.assignment.demo import (
    RNA_RUNS,
    DemoConfig,
    DemoResult,
    make_recipes,
    run_demo,
)
from ribocyte.assignment.questions import CELL_RUNS
from ribocyte.assignment.simulation import simulate_data
from ribocyte.cells.smear import SmearConfig
from ribocyte.errors import InterruptedRunError, RunError
from ribocyte.learn.runs import Run
from ribocyte.learn.training import Progress
from ribocyte.rna.assay import AssayConfig

TINY = DemoConfig(
    smear=SmearConfig(train=80, val=16, test=40),
    assay=AssayConfig(k=4, copies=12),
    cell_epochs=1,
    rna_epochs=1,
    contexts=3,
)
RECIPES = Path(__file__).parents[2] / "recipes"


class Log:
    """Remembers what was reported; asks to stop once a stage has taken some steps."""

    def __init__(self, stop_in: str = "", after: int = 0) -> None:
        self.steps: Counter[str] = Counter()
        self.stages: list[str] = []
        self.stop_in, self.after = stop_in, after

    def report(self, stage: str, progress: Progress | None) -> None:
        if progress is None:
            self.stages.append(stage)
        elif progress.row is None:
            self.steps[stage] += 1

    def stop(self) -> bool:
        return self.steps[self.stop_in] >= self.after > 0


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def stopped(out: Path) -> tuple[Log, InterruptedRunError]:
    log = Log("train pooled-softmax", after=1)
    with pytest.raises(InterruptedRunError) as caught:
        run_demo(out, config=TINY, report=log.report, stop=log.stop)
    return log, caught.value


@pytest.fixture(scope="module")
def continued(out: Path, stopped: tuple[Log, InterruptedRunError]) -> tuple[Log, DemoResult]:
    log = Log()
    return log, run_demo(out, config=TINY, report=log.report, stop=log.stop)


@pytest.fixture(scope="module")
def page(continued: tuple[Log, DemoResult]) -> str:
    return continued[1].page.read_text(encoding="utf-8")


def elements(html: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}[ >].*?</{tag}>", html, flags=re.DOTALL)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_stop_is_obeyed_at_once_and_says_how_to_go_on(
    out: Path, stopped: tuple[Log, InterruptedRunError]
) -> None:
    log, error = stopped
    assert log.steps == {"train pooled-logits": 2, "train pooled-softmax": 1}
    assert "runs/pooled-softmax" in str(error)
    assert "same command again" in str(error)


def test_a_second_call_goes_on_with_the_step_after(continued: tuple[Log, DemoResult]) -> None:
    log, _ = continued
    assert log.steps["train pooled-logits"] == 0
    assert log.steps["train pooled-softmax"] == 1
    assert log.steps["train unpooled-logits"] == 2
    assert log.stages[0] == "simulate data"
    assert log.stages[1:7] == [f"train {name}" for name in make_recipes(TINY)]


def test_the_continued_run_ends_as_if_it_had_never_been_stopped(
    out: Path, tmp_path: Path, continued: tuple[Log, DemoResult]
) -> None:
    whole = pipeline.train(make_recipes(TINY)["pooled-softmax"], tmp_path / "whole", data=out / "data")
    weights, resumed = (
        load_file(path / "model.safetensors") for path in (whole.path, out / "runs/pooled-softmax")
    )
    assert weights.keys() == resumed.keys()
    assert all(np.array_equal(weights[name], resumed[name]) for name in weights)


def test_everything_is_there(out: Path, continued: tuple[Log, DemoResult]) -> None:
    _, result = continued
    assert result.page == out / "index.html"
    assert {path.name for path in result.runs} == {*CELL_RUNS, *RNA_RUNS}
    assert all(Run.open(path).finished for path in result.runs)
    assert {path.relative_to(out / "figures").as_posix() for path in result.figures} == {
        "cells/confusion.svg", "cells/curves.svg", "cells/losses.svg",
        "rna/curves.svg", "rna/density.svg", "rna/losses.svg",
    }  # fmt: skip
    assert all(path.read_text(encoding="utf-8").endswith("</svg>\n") for path in result.figures)
    assert not list(out.rglob("last.ckpt"))  # half a gigabyte each, and of no use to a finished run


def test_simulated_stands_at_every_table_row_figure_and_section_of_results(page: str) -> None:
    title, banner = elements(page, "title")[0], page[: page.index("<main>")]
    assert "SIMULATED" in title
    assert 'class="banner"' in banner
    tables, figures = elements(page, "table"), elements(page, "figure")
    assert len(tables) == 7
    assert len(figures) == 5
    assert all("SIMULATED" in caption for caption in elements(page, "caption") + elements(page, "figcaption"))
    for table in tables:
        assert all("SIMULATED" in row for row in elements(table, "tr")[1:])
    for section in elements(page, "section"):
        if "<table" in section or "<figure" in section:
            assert "SIMULATED" in elements(section, "h2")[0]


def test_the_tables_say_what_the_runs_hold(out: Path, page: str) -> None:
    text = words(page)
    for name in CELL_RUNS:
        table = pl.read_parquet(out / "runs" / name / "predictions.parquet")
        answers = table.select(pl.col("^predicted/.*$")).to_numpy().argmax(axis=1)
        accuracy = 100 * np.mean(answers == table["class"].to_numpy())
        assert f" {name} SIMULATED {accuracy:.1f} " in text
        assert f" 1 of 1 {len(set(answers))} of 8 " in text
        share = np.bincount(answers).max() / len(answers)
        assert (f" {name} collapsed" in text) == (share >= 0.95)
    for rna, kd in (("UGCAUGU", "0.83"), ("UGCAUAU", "1830")):
        assert f"{rna} SIMULATED {kd} " in text
    assert "25.8 M" in text  # parameters without pooling: 128 * 28 * 28 * 256 and what is left


def test_the_page_needs_nothing_else_and_names_no_folder_of_this_machine(out: Path, page: str) -> None:
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!#)""", page)
    assert str(out) not in page


def test_the_last_lines_say_what_was_found_where_it_is_and_what_is_next(
    out: Path, continued: tuple[Log, DemoResult]
) -> None:
    summary = continued[1].summary
    assert summary[0].startswith("SIMULATED")
    text = "\n".join(summary)
    assert all(name in text for name in (*CELL_RUNS, *RNA_RUNS))
    assert str(out / "index.html") in text
    assert "ribocyte data fetch all" in text
    assert "ribocyte train recipes/cells/pooled-logits.toml" in text


def test_a_finished_demo_is_found_and_nothing_is_trained_again(
    out: Path, continued: tuple[Log, DemoResult], page: str
) -> None:
    watched = [path for path in (out / "data").rglob("*") if path.is_file()] + list(out.glob("runs/*/*.*"))
    before = {path: path.stat().st_mtime_ns for path in watched}
    log = Log()
    again = run_demo(out, config=TINY, report=log.report)
    assert not log.steps
    assert again == continued[1]
    assert again.page.read_text(encoding="utf-8") == page
    assert {path: path.stat().st_mtime_ns for path in watched} == before


def test_a_model_of_the_demo_predicts_for_new_rna(out: Path, continued: tuple[Log, DemoResult]) -> None:
    table = catalog.Predictor.load(out / "runs" / "rna-cnn").predict(["AGAUUGCAUGUAGC", "acgtacgt" * 20])
    assert table["SIM_RBFOX1"].is_finite().all()
    assert table.height == 2


def test_another_configuration_is_refused(out: Path, continued: tuple[Log, DemoResult]) -> None:
    with pytest.raises(RunError, match="another configuration"):
        run_demo(out, config=DemoConfig())


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(RunError, match="exists already"):
        run_demo(tmp_path, config=TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text() == "mine"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("harm", [truncate, Path.unlink])
def test_damaged_data_are_simulated_again_and_come_out_the_same(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    files = [
        simulate_data(tmp_path, TINY.smear, TINY.assay) / name
        for name in ("bloodmnist/bloodmnist.npz", "rnacompete/norm_data.txt.gz")
    ]
    before = [path.read_bytes() for path in files]
    for path in files:
        harm(path)
        simulate_data(tmp_path, TINY.smear, TINY.assay)
        assert [path.read_bytes() for path in files] == before
    assert "SIMULATED" in json.loads((tmp_path / "simulation.json").read_text())["what"]


@pytest.mark.parametrize("name", CELL_RUNS)
def test_the_cell_recipes_are_the_assignments_but_for_size(name: str) -> None:
    real = catalog.read_recipe(RECIPES / "cells" / f"{name}.toml").as_tables()
    demo = make_recipes(DemoConfig())[name].as_tables()
    for tables in (real, demo):
        for key in ("epochs", "precision"):
            del tables["training"][key]
    assert demo == real
