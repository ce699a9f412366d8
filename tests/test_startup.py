"""What a command imports before it has done its work: what people wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from untrained import save

HEAVY = ("torch", "polars", "numpy", "scipy", "sklearn", "matplotlib", "PIL", "rich.progress")
NOT_TO_PREDICT = (
    "scipy",
    "sklearn",
    "matplotlib",
    "lightning_fabric",
    "optuna",
    "pandas",
    "pooch",
    "requests",
    "fastexcel",
    "typst",
    "torch._dynamo",
    "torch._inductor",
    "ribocyte.pipeline",
    "ribocyte.learn.training",
    "ribocyte.learn.plots",
)


def imported(names: tuple[str, ...], program: str) -> list[str]:
    """Run a program in a process of its own; say which of these modules it imported."""
    asked = (
        f"import sys\n{program}\nprint(*(name for name in {names} if name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return done.stderr.split()


def command(*arguments: object) -> str:
    return (
        f"sys.argv = {['ribocyte', *map(str, arguments)]}\n"
        "from ribocyte.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code"
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["data", "--help"]])
def test_to_ask_for_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert imported(HEAVY, command(*arguments)) == []


def test_to_predict_imports_the_network_and_little_else(tmp_path: Path) -> None:
    model = save(tmp_path / "model.safetensors")
    out = tmp_path / "out.tsv"
    assert imported(("torch", *NOT_TO_PREDICT), command("predict", model, "ACGUACGU", "--out", out)) == [
        "torch"
    ]
    assert len(out.read_text().splitlines()) == 2


def test_the_predictor_comes_alone() -> None:
    assert imported(("torch", *NOT_TO_PREDICT), "from ribocyte import Predictor") == ["torch"]
