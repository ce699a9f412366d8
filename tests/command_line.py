"""The command line as a person meets it: in this process, or in one of its own; and small things to give it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from ribocyte.cli import app

RNA_RECIPE = """
[data]
kind = "rnacompete"
experiments = ["SIM_RBFOX1"]
[model]
kind = "rna-cnn"
detectors = 8
hidden = 8
[training]
epochs = 2
precision = "32"
device = "cpu"
"""
CELL_RECIPE = """
[data]
kind = "bloodmnist"
[model]
kind = "cell-cnn"
[training]
epochs = 1
precision = "32"
device = "cpu"
"""


def call(*arguments: object, stdin: bytes = b"") -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def succeed(*arguments: object, stdin: bytes = b"") -> str:
    """Run a command that must succeed; give what it printed."""
    result = call(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def ask(*arguments: object) -> Any:
    """Run a command with ``--json`` and read what it printed: nothing else may be on stdout."""
    return json.loads(succeed(*arguments, "--json"))


def refused(*arguments: object, code: int = 2, stdin: bytes = b"") -> str:
    """Run a command that must fail with this exit code, in one line on stderr and nothing on stdout; give the line."""
    result = call(*arguments, stdin=stdin)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("ribocyte: error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start a real process of the command line."""
    command = [sys.executable, "-m", "ribocyte", *map(str, arguments)]
    return subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ), **options
    )


def simulate(folder: Path) -> Path:
    """Make a tiny data folder: 289 probes, 340 cells."""
    succeed("data", "simulate", "rna", "--out", folder, "--set", "k=5", "--set", "copies=4")
    cells = ("train=200", "val=60", "test=80")
    succeed("data", "simulate", "cells", "--out", folder, *(part for one in cells for part in ("--set", one)))
    return folder


def write_recipe(path: Path, text: str) -> Path:
    """Write a recipe."""
    path.write_text(text)
    return path
