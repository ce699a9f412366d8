"""``ribocyte report`` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pypdf import PdfReader

from command_line import RNA_RECIPE, ask, refused, simulate, succeed, write_recipe
from ribocyte.learn.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a finished run on simulated data, which no test may change."""
    root = tmp_path_factory.mktemp("world")
    recipe = write_recipe(root / "net.toml", RNA_RECIPE)
    succeed("train", recipe, "--data", simulate(root / "data"), "--out", root / "run")
    return root / "run"


def test_a_report_says_what_was_written(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.pdf"
    said = succeed("report", run, "-o", out, "--author", "Ada", "--author", "Grace", "--group", "G7")
    assert said.splitlines() == [
        "SIMULATED: these numbers come from a simulator, not from a measurement",
        f"Written: {out}, {out.with_suffix('.html')}, {out.with_suffix('.typ')}, {tmp_path / 'report-figures'}",
        "Pages: 1, and 1 of appendix",
    ]
    text = PdfReader(out).pages[0].extract_text()
    assert "Ada, Grace" in text
    assert "G7" in text
    assert "SIMULATED" in text
    assert ask("report", run, "-o", out) == {
        "files": [
            str(tmp_path / name) for name in ("report.pdf", "report.html", "report.typ", "report-figures")
        ],
        "pages": {"body": 1, "appendix": 1},
        "simulated": True,
    }


def test_a_title_may_hold_anything(run: Path, tmp_path: Path) -> None:
    title = '50 % of #1 [@nobody] $x$ *_`"\\ </title> 日本'
    succeed("report", run, "-o", tmp_path / "r.pdf", "--title", title)
    facts = PdfReader(tmp_path / "r.pdf").metadata
    assert facts is not None
    assert facts.title == title


def test_a_new_report_replaces_the_old_one(run: Path, tmp_path: Path) -> None:
    for title in ("First", "Second"):
        succeed("report", run, "-o", tmp_path / "r.html", "--title", title)
    assert "<h1>Second</h1>" in (tmp_path / "r.html").read_text()


def test_what_cannot_be_reported_is_refused(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.pdf"
    assert "r.txt: no known kind of report" in refused("report", run, "-o", tmp_path / "r.txt")
    assert "not a run" in refused("report", tmp_path, "-o", out)
    assert "the same run is named twice" in refused("report", run, run, "-o", out)
    begun = Run.create(tmp_path / "begun", Run.open(run).recipe)
    assert "finish it with: ribocyte train" in refused("report", begun.path, "-o", out)
    (tmp_path / "file").write_text("")
    assert "could not be written" in refused("report", run, "-o", tmp_path / "file" / "r.pdf", code=1)
    assert not out.exists()


def test_a_damaged_run_is_named(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in run.rglob("*"):
        if path.is_file():
            (copy / path.relative_to(run)).parent.mkdir(exist_ok=True)
            (copy / path.relative_to(run)).write_bytes(path.read_bytes())
    figure = copy / "figures" / "density.svg"
    figure.write_bytes(figure.read_bytes()[:1000])
    said = refused("report", copy, "-o", tmp_path / "r.pdf")
    assert "density.svg: not an SVG figure" in said
    assert "draw the figure again" in said
    scores = json.loads((copy / "scores.json").read_text())
    (copy / "scores.json").write_text(json.dumps(scores)[:100])
    assert "scores.json: damaged" in refused("report", copy, "-o", tmp_path / "r.pdf")
