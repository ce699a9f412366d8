"""``ribocyte bench`` as a person meets it: small and real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import refused, succeed

TINY = ("--set", "steps=1", "--set", "rows=128", "--repetitions", 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    sizes = ("train=160", "val=64", "test=64")
    succeed("data", "simulate", "cells", "--out", folder, *(part for one in sizes for part in ("--set", one)))
    return folder


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What one real run prints, and the JSON it writes."""
    folder = tmp_path_factory.mktemp("bench")
    where = ("--data", data, "--folder", folder / "made", "--out", folder / "bench.json")
    printed = succeed("bench", "cells-pooled", *TINY, *where)
    return printed, json.loads((folder / "bench.json").read_text())


def test_a_work_is_compared_with_its_peer(measured: tuple[str, dict[str, Any]]) -> None:
    printed, found = measured
    ours, peer = found["works"]["cells-pooled"]["sides"]
    assert peer["name"] == "cells_skeleton.py"
    assert peer["ratio"]["median"] == pytest.approx(peer["seconds"][0] / ours["seconds"][0])
    assert found["works"]["cells-pooled"]["precision"] in ("32", "bf16")
    assert 0 < found["works"]["cells-pooled"]["share_of_limit"] < 1
    row = next(line for line in printed.splitlines() if line.startswith("cells-pooled"))
    assert "cells_skeleton.py" in row
    assert "images/s" in row


def test_the_machine_and_its_limits_are_told(measured: tuple[str, dict[str, Any]]) -> None:
    printed, found = measured
    assert {"date", "torch", "python", "processor", "cores", "load_average"} <= found["machine"].keys()
    limits = found["limits"]
    assert min(limits["multiply_adds_32"], limits["multiply_adds_bf16"], limits["bytes"]) > 1e8
    assert limits["threads"] == 1
    assert found["settings"]["repetitions"] == 1
    assert "TFLOP/s" in printed.splitlines()[1]


def test_made_data_is_said_to_be_made(measured: tuple[str, dict[str, Any]]) -> None:
    printed, found = measured
    assert "on made data: cells-pooled" in printed
    assert found["works"]["cells-pooled"]["simulated"]


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    assert "did you mean rna-cnn?" in refused("bench", "rna-cn")
    assert "did you mean rna-cnn?" in refused("bench", "accuracy", "rna-cn", "--out", tmp_path)
    assert "nothing would be measured" in refused("bench", "--repetitions", 0)
    assert "nothing would be trained" in refused("bench", "accuracy", "--epochs", 0)
    assert "no such folder" in refused("bench", "help", "--peers", tmp_path / "nowhere")
    assert "holds no peer" in refused("bench", "help", "--peers", tmp_path)
    assert "no such folder" in refused("bench", "help", "--data", tmp_path / "nowhere")
    assert "nothing that grows" in refused("bench", "growth", "probe")


def test_speed_is_what_is_meant_where_no_command_is_named() -> None:
    listed = succeed("bench", "--list")
    assert listed == succeed("bench", "speed", "--list")
    assert [line.split()[0] for line in listed.splitlines()][:2] == ["cells-pooled", "cells-unpooled"]
    assert "growth" in succeed("bench", "--help")
