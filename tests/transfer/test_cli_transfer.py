"""``ribocyte transfer`` as a person uses it: killed and given again, and asked for what cannot be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_study import write_data

from command_line import ask, refused

SIZE = ["probes=240", "test=160", "epochs=3", "detectors=4", "hidden=8", "members=1"]
SIZE += ["folds=3", "single_epochs=1", "newcomers=1", "shots=[8, 32]", "alone=[32]"]
SETTINGS = [part for setting in SIZE for part in ("--set", setting)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("transfer") / "data")


def command(out: Path, data: Path) -> list[str]:
    settings = [*SETTINGS, "--precision", "32", "--workers", "1"]
    return ["transfer", "few-shot", "--out", str(out), "--data", str(data), *settings]


def kill_in_the_middle(line: list[str], out: Path) -> None:
    """Start it as a process of its own, and kill it once it has trained a little."""
    with (out.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ribocyte", *line], stdout=log, stderr=log, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while not any(out.rglob("history.csv")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_killed_and_given_again_it_ends_as_if_nothing_had_happened(tmp_path: Path, data: Path) -> None:
    whole = ask(*command(tmp_path / "whole", data))
    kill_in_the_middle(command(tmp_path / "killed", data), tmp_path / "killed")
    assert not (tmp_path / "killed" / "few-shot" / "results.json").exists()
    again = ask(*command(tmp_path / "killed", data))
    assert again["means"] == whole["means"]
    assert again["simulated"] is True
    tables = [(tmp_path / name / "few-shot" / "proteins.tsv").read_bytes() for name in ("whole", "killed")]
    assert tables[0] == tables[1]
    written = json.loads((tmp_path / "whole" / "few-shot" / "results.json").read_text())
    assert written["config"]["size"]["shots"] == [8, 32]


def test_what_cannot_be_is_said_in_a_line(tmp_path: Path, data: Path) -> None:
    assert "known, cluster, few-shot, family" in refused("transfer", "all", "--out", tmp_path / "a")
    line = refused("transfer", "known", "--out", tmp_path / "a", "--data", data, "--set", "probez=4")
    assert "probez" in line
    assert "probes" in line
    line = refused("transfer", "known", "--out", tmp_path / "a", "--data", data, "--network", "cnn")
    assert "rna-towers" in line
    line = refused("transfer", "cluster", "--out", tmp_path / "a", "--data", data, "--set", "folds=7")
    assert "6 clusters" in line
    assert not (tmp_path / "a").exists()
