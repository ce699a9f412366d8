"""``ribocyte reproduce`` as a person uses it: whole, killed and resumed, and asked for what cannot be."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pypdf
import pytest

from command_line import call

TINY = ["cell_epochs=1", "rna_epochs=2", "trials=2", "seeds=2", "smear.train=32", "smear.val=16"]
TINY += ["smear.test=24", "assay.k=4", "assay.copies=16"]
SETTINGS = [part for setting in TINY for part in ("--set", setting)]
ATTENTION = ["--question", "2.2", "--question", "2.3"]
TIMES = ("seconds", "examples_per_second", "peak_mb")


def command(out: Path, *questions: str) -> list[str]:
    return ["reproduce", "--quick", "--simulated", *SETTINGS, *questions, "--workers", "2", "--out", str(out)]


def begin(out: Path, *questions: str) -> subprocess.Popen[bytes]:
    """Start it as a process group of its own, so that its helpers can be killed with it."""
    line = [sys.executable, "-m", "ribocyte", *command(out, *questions)]
    with (out.parent / f"{out.name}.log").open("ab") as log:
        return subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)


def forget_times(study: Path) -> None:
    """Write the same times and memory into every run and search of a study."""
    for path in study.rglob("scores.json"):
        scores = json.loads(path.read_text())
        scores["cost"] |= dict.fromkeys(TIMES, 1.0)
        path.write_text(json.dumps(scores))
    for path in study.rglob("history.csv"):
        history = pl.read_csv(path, infer_schema_length=None)
        history.with_columns(pl.lit(1.0).alias(name) for name in TIMES).write_csv(path)


def report_of(study: Path) -> dict[str, bytes]:
    names = ["report.pdf", "report.typ", "report.html", "report.md"]
    return {name: (study / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "study"
    assert begin(out, *ATTENTION).wait(300) == 0, (out.parent / "study.log").read_text()
    return out


def test_it_ends_with_an_article(whole: Path) -> None:
    said = (whole.parent / "study.log").read_text()
    assert "SIMULATED" in said
    assert str(whole / "report.pdf") in said
    pages = pypdf.PdfReader(whole / "report.pdf").pages
    text = " ".join(page.extract_text() for page in pages)
    assert 2 <= len(pages) <= 10
    for wanted in ("Abstract", "SIMULATED", "Attention", "Many proteins", "References", "Recipes"):
        assert wanted in text
    for absent in ("(question 1.1)", "(question 2.1)"):  # the headings of what was not asked for
        assert absent not in text


def test_killed_at_random_moments_it_ends_in_the_same_report(whole: Path, tmp_path: Path) -> None:
    out, chance = tmp_path / "study", random.Random(1)
    for kills in range(4):
        process = begin(out, *ATTENTION)
        time.sleep(4 + 6 * chance.random())
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert kills or process.returncode == -signal.SIGKILL  # the first is never done by then
    assert begin(out, *ATTENTION).wait(300) == 0, (out.parent / "study.log").read_text()
    undisturbed = tmp_path / "undisturbed" / "study"
    shutil.copytree(whole, undisturbed)
    for study in (out, undisturbed):
        forget_times(study)
        forget_search_times(study)
        assert begin(study, *ATTENTION).wait(120) == 0
    assert report_of(out) == report_of(undisturbed)


def forget_search_times(study: Path) -> None:

    for path in study.rglob("search.db"):
        with sqlite3.connect(path) as database:
            for key, value in database.execute(
                "select trial_user_attribute_id, value_json from trial_user_attributes where key = 'outcome'"
            ).fetchall():
                same = json.dumps({**json.loads(value), "seconds": 1.0})
                database.execute(
                    "update trial_user_attributes set value_json = ? where trial_user_attribute_id = ?",
                    (same, key),
                )


def test_what_is_finished_is_not_done_again(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("model.safetensors")}
    assert len(before) == 2 * 9  # without attention, and eight variants, two seeds each
    assert begin(whole, *ATTENTION).wait(120) == 0
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("model.safetensors")} == before


def test_a_question_can_be_added_later(whole: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(whole, study)
    result = call(*command(study, "--question", "2.3"))
    assert result.exit_code == 0, result.output
    text = (study / "report.md").read_text()
    assert "Many proteins" in text
    assert "Attention (question" not in text


def test_what_is_lost_or_damaged_is_made_again_or_named(whole: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(whole, study)
    (study / "profile.json").write_text("{")
    for path in study.glob("search/*/trials.csv"):
        path.write_text("")
    result = call(*command(study, *ATTENTION), "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["pages"]["body"] >= 1
    assert said["simulated"]
    assert json.loads((study / "profile.json").read_text())["probes"]
    assert report_of(study)["report.md"] == report_of(whole)["report.md"]


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    process = begin(tmp_path / "study", *ATTENTION)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("study/search/*/trials/000/history.csv")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 1
    assert "give the same command again" in (tmp_path / "study.log").read_text()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--quick", "--full"], "--quick and --full"),
        (["--question", "4"], "--question 4: no such question"),
        (["--simulated", "--data", "."], "--simulated and --data"),
        (["--simulated", "--experiment", "A1CF"], "A1CF: is not simulated; expected SIM_RBFOX1"),
        (["--simulated", "--set", "trails=3"], "study.size.trails: unknown key.*did you mean"),
        (["--simulated", "--set", "trials=many"], "study.size.trials = 'many'"),
        (["--simulated", "--precision", "64"], "study.precision = '64' is not a choice"),
        (["--simulated", "--extend", "gru"], "study.extend = 'rna-gru' is not a choice"),
        (["--data", "nowhere"], "not found in nowhere"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path: Path, wrong: list[str], said: str) -> None:

    result = call("reproduce", *wrong, "--out", str(tmp_path / "study"))
    assert result.exit_code == 2, result.output
    assert re.search(said, result.stderr)
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "study").exists()
