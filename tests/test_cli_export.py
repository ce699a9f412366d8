"""``ribocyte export``, ``card`` and ``push`` as a person meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

import hub_server
import untrained
from command_line import ask, refused, start, succeed
from ribocyte import Predictor


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return untrained.finished_run(tmp_path / "run", info={"simulated": True})


def test_an_export_says_what_it_takes_and_gives(run: Path, tmp_path: Path) -> None:
    said = succeed("export", run, "--onnx", tmp_path / "net.onnx").splitlines()
    assert said[0].startswith(f"Written: {tmp_path / 'net.onnx'} (")
    assert said[0].endswith("kB, opset 18)")
    assert said[1].startswith("takes   rna, float32 (batch, 4, 41): one-hot in the order A C G U")
    assert said[2].startswith("gives   affinities, float32 (batch, 2): z-scores")
    assert said[3].startswith("Checked: differs from PyTorch by at most ")
    assert (
        onnxruntime.InferenceSession(tmp_path / "net.onnx")
        .get_modelmeta()
        .custom_metadata_map["ribocyte.simulated"]
        == "true"
    )


def test_a_raw_export_in_json(run: Path, tmp_path: Path) -> None:
    told = ask("export", run, "--onnx", tmp_path / "net.onnx", "--raw", "--opset", "20")
    assert (told["opset"], told["input"]["dtype"], told["input"]["shape"]) == (20, "uint8", ["batch", 41])
    assert 0 <= told["difference"] < 1e-4
    assert Path(told["path"]) == tmp_path / "net.onnx"


def test_what_cannot_be_exported_is_refused(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "net.onnx"
    assert "cannot be read" in refused("export", tmp_path / "none", "--onnx", out)
    assert "cannot be read" in refused("export", tmp_path, "--onnx", out)
    assert "a pickle" in refused("export", pickle_in(tmp_path), "--onnx", out)
    assert "is a folder" in refused("export", run, "--onnx", tmp_path)
    assert "opset 0: cannot be written; expected from 18" in refused(
        "export", run, "--onnx", out, "--opset", 0
    )
    assert "is the model itself" in refused("export", run, "--onnx", run / "model.safetensors")
    assert not out.exists()


def pickle_in(folder: Path) -> Path:
    path = folder / "model.pt"
    path.write_bytes(b"\x80\x04K\x01.")
    return path


@pytest.mark.parametrize(
    ("library", "extra", "command"),
    [
        ("onnxscript", "export", ["export", "--onnx", "net.onnx"]),
        ("huggingface_hub", "hub", ["push", "lab/model"]),
    ],
    ids=["export", "hub"],
)
def test_without_its_library_a_command_names_the_extra(
    library: str, extra: str, command: list[str], run: Path
) -> None:
    """A process in which the library cannot be imported, as where the extra was never installed."""
    code = (
        "import sys, importlib.abc\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {library!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from ribocyte.cli import main\n"
        f"sys.argv = ['ribocyte', {command[0]!r}, {str(run)!r}, *{command[1:]!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=run.parent
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"ribocyte: error: {library}: not installed, and ")
    assert f"pip install 'ribocyte[{extra}]'" in done.stderr
    assert not (run.parent / "net.onnx").exists()


def test_a_card_goes_to_stdout_or_to_a_file(run: Path, tmp_path: Path) -> None:
    printed = succeed("card", run, "--license", "mit")
    assert printed.startswith("---\nlibrary_name: ribocyte\nlicense: mit\n")
    assert "**SIMULATED**" in printed
    out = tmp_path / "new" / "README.md"
    assert succeed("card", run, "--licence", "mit", "--out", out) == f"Written: {out}\n"
    assert out.read_text() == printed
    bare = untrained.save(tmp_path / "bare.safetensors")
    assert "came without scores on test data" in succeed("card", bare)


def test_what_cannot_have_a_card_is_refused(run: Path, tmp_path: Path) -> None:
    assert "is a folder" in refused("card", run, "--out", tmp_path)
    assert "is the model itself" in refused("card", run, "--out", run / "model.safetensors")
    assert "cannot be read" in refused("card", tmp_path)
    (run / "scores.json").write_text(json.dumps({"test": {}}))
    assert "scores.json: damaged: 'rows' is missing" in refused("card", run)


def test_a_model_is_pushed_to_the_hub_that_the_environment_names(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_server.serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        process = start("push", run, "lab/model", "--licence", "cc-by-4.0", "--json")
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert errors == ""
        address = f"{hub.url}/lab/model/commit/{hub_server.COMMIT}"
        assert json.loads(output) == {"repo": "lab/model", "commit": address}
        (tmp_path / "back.safetensors").write_bytes(hub.files["lab/model"]["model.safetensors"])
        assert b"license: cc-by-4.0" in hub.files["lab/model"]["README.md"]
    Predictor.load(tmp_path / "back.safetensors")


def test_what_cannot_be_pushed_is_refused(run: Path, tmp_path: Path) -> None:
    assert "no name for a repository" in refused("push", run, "just-a-name")
    assert "cannot be read" in refused("push", tmp_path, "lab/model")
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "ribocyte", "push", str(run), "lab/model"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("ribocyte: error: lab/model: http://127.0.0.1:9 cannot be reached: ")
