"""The command line, command by command, on tiny simulated data."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.stats import spearmanr

from command_line import CELL_RECIPE, RNA_RECIPE, ask, call, simulate, start, succeed, write_recipe
from file_server import serve
from ribocyte import Predictor
from ribocyte.cells import bloodmnist
from ribocyte.cells.smear import draw_cells
from ribocyte.cli.guard import StopRequest
from ribocyte.learn.recipe import override

PROBES = ["AGAUUGCAUGUAAGGCUUACGAUUCGAUCA", "AGGACCCGUAUUACGGACUUACGGAUACCCUA", "GCAUG"]


@dataclass(frozen=True)
class World:
    """A data folder, recipes and finished runs."""

    root: Path
    data: Path
    rna: Path
    other: Path
    cells: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("cli")
    data = simulate(root / "data")
    write_recipe(root / "rna.toml", RNA_RECIPE)
    write_recipe(root / "cells.toml", CELL_RECIPE)
    made = World(root, data, root / "first", root / "second", root / "cells")
    succeed("train", root / "rna.toml", "--out", made.rna, "--data", data)
    succeed("train", root / "rna.toml", "--out", made.other, "--data", data, "--set", "training.seed=1")
    succeed("train", root / "cells.toml", "--out", made.cells, "--data", data)
    return made


# The frame


def test_help_needs_nothing_heavy() -> None:
    heavy = "{'torch', 'polars', 'numpy', 'matplotlib', 'scipy', 'PIL'}"
    script = f"import sys, ribocyte.cli; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_version_and_help() -> None:
    from ribocyte import __version__

    assert succeed("--version") == f"ribocyte {__version__}\n"
    for command in ("train", "evaluate", "compare", "predict", "models", "demo", "data"):
        assert command in succeed("--help")
        assert len(succeed(command, "--help").splitlines()) > 5


def test_usage_error_is_a_wrong_request() -> None:
    for arguments in ((), ("train",), ("trane",), ("models", "--jsn"), ("evaluate", "x", "--split", "all")):
        assert call(*arguments).exit_code == 2


# Data


def test_simulated_data_is_found_and_described(world: World) -> None:
    with gzip.open(world.data / "rnacompete" / "norm_data.txt.gz", "rt") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    facts = ask("data", "check", "--data", world.data)
    assert facts["rnacompete"]["simulated"]
    assert facts["rnacompete"]["rows"] == len(rows)
    assert facts["rnacompete"]["sets"]["SetA"] == sum(row["Probe_Set"] == "SetA" for row in rows)
    assert facts["bloodmnist"]["images"] == {"train": 200, "val": 60, "test": 80}
    shown = succeed("data", "check", "bloodmnist", "--data", world.data)
    assert "SIMULATED" in shown
    assert "train 200, val 60, test 80" in shown


def test_status_says_where_and_how(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIBOCYTE_DATA", str(tmp_path))
    facts = ask("data", "status")
    assert [(folder["name"], folder["exists"]) for folder in facts["folders"]] == [
        ("RIBOCYTE_DATA", True),
        ("cache", False),
    ]
    how = {file["name"]: file["get"] for file in facts["files"]}
    assert how["bloodmnist/bloodmnist.npz"] == "with: ribocyte data fetch bloodmnist"
    assert how["rnacompete/metadata.xlsx"].endswith(str(tmp_path / "rnacompete" / "metadata.xlsx"))
    monkeypatch.setenv("RIBOCYTE_DATA", str(world.data))
    found = {file["name"]: file for file in ask("data", "status")["files"]}["bloodmnist/bloodmnist.npz"]
    assert found["found_by"] == "RIBOCYTE_DATA"
    assert found["bytes"] == Path(found["path"]).stat().st_size
    assert str(found["path"]) in succeed("data", "status")


def test_proteins_and_settings_of_a_simulation(tmp_path: Path) -> None:
    wanted = ("--protein", "hur", "--protein", "UGUANAUA", "--seed", 5, "--set", "k=4", "--set", "copies=2")
    shown = succeed("data", "simulate", "rna", "--out", tmp_path, *wanted)
    record = json.loads((tmp_path / "rnacompete" / "norm_data.simulation.json").read_text())
    names = [motif["experiment"] for motif in record["motifs"]]
    assert names[0] == "SIM_HuR"
    assert len(names) == 2
    assert (record["assay"]["seed"], record["assay"]["k"]) == (5, 4)
    command = shlex.split(next(line for line in shown.splitlines() if line.startswith("Next: "))[6:])
    assert command[-4:-1] == ["--data", str(tmp_path), "--set"]
    assert override({}, command[-1:]) == {"data": {"experiments": names}}


def test_folder_of_photographs_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = tmp_path / "data" / "my cells"
    for name, side in (("blast", 40), ("other", 50)):
        (cells / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (side, side + 4), (side, number, 0)).save(cells / name / f"{number}.png")
    (cells / "other" / "copy.png").write_bytes((cells / "blast" / "1.png").read_bytes())
    (cells / "other" / "torn.png").write_bytes(b"no picture")
    [(path, facts)] = ask("data", "check", cells).items()
    assert path == facts["path"] == str(cells)
    assert (facts["images"], facts["classes"]) == (8, {"blast": 3, "other": 5})
    assert facts["sizes"] == {"40 x 44": 4, "50 x 54": 3}
    assert facts["unreadable"] == [f"{cells / 'other' / 'torn.png'}: not an image"]
    assert (facts["repeats"], facts["conflicts"]) == (1, ["blast/1.png = other/copy.png"])
    assert "blast 3, other 5" in succeed("data", "check", "my cells", "--data", tmp_path / "data")
    monkeypatch.chdir(cells)
    assert call("data", "check", "blast").stderr.count("0 subfolders") == 1


def test_fetched_data_is_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"not really images" * 9999
    digest = hashlib.sha256(content).hexdigest()
    with serve(content) as server:
        published = replace(bloodmnist.BLOODMNIST, url=server.url, checksum=f"sha256:{digest}")
        monkeypatch.setattr(bloodmnist, "BLOODMNIST", published)
        monkeypatch.setenv("RIBOCYTE_DATA", str(tmp_path))
        first, second = call("data", "fetch", "bloodmnist"), call("data", "fetch", "bloodmnist")
        assert len(server.requests) == 1
    path = tmp_path / "bloodmnist" / "bloodmnist.npz"
    assert path.read_bytes() == content
    assert first.stdout == f"{path}: fetched\n    SHA-256 {digest}\n"
    assert re.search(r"bloodmnist\.npz: 0\.2 MB of 0\.2 MB, .* [kM]B/s\n$", first.stderr)
    assert second.stdout == f"{path}: there already, and verified\n    SHA-256 {digest}\n"


def test_unpacked_table_needs_no_fetching(tmp_path: Path) -> None:
    path = tmp_path / "rnacompete" / "norm_data.txt"
    path.parent.mkdir()
    path.write_text("unpacked")
    result = call("data", "fetch", "rnacompete", "--data", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{path}: there already")
    assert f"place it by hand at {tmp_path / 'rnacompete' / 'metadata.xlsx'}" in result.stderr


# Training and judging


def test_training_reports(world: World, tmp_path: Path) -> None:
    result = call("train", world.root / "rna.toml", "--out", tmp_path / "run", "--data", world.data, "--json")
    scores = json.loads(result.stdout)
    table = pl.read_parquet(tmp_path / "run" / "predictions.parquet").drop_nans()
    rho = spearmanr(table["predicted/SIM_RBFOX1"], table["measured/SIM_RBFOX1"]).statistic
    assert scores["test"]["spearman"]["value"] == pytest.approx(rho, abs=1e-6)
    assert scores["simulated"]
    lines = result.stderr.splitlines()
    assert re.match(r"epoch 1/2  train loss [\d.]+  val spearman -?[\d.]+  [\d,]+ examples/s", lines[0])
    assert lines[-1].startswith("epoch 2/2")


def test_training_ends_with_what_to_do_next(world: World) -> None:
    again = call("train", world.root / "rna.toml", "--out", world.rna, "--data", world.data, "--resume")
    assert "finished already" in again.stderr
    assert "SIMULATED" in again.stdout
    assert "model.safetensors" in again.stdout
    command = re.search(r"Next: ribocyte (.*)", again.stdout)
    assert command
    assert succeed(*shlex.split(command[1])).startswith("name\t")


@pytest.mark.parametrize("how", [("--precision", "bf16"), ("--set", 'training.precision="bf16"')])
def test_precision_is_named_in_one_way_or_the_other(
    world: World, tmp_path: Path, how: tuple[str, str]
) -> None:
    succeed("train", world.root / "rna.toml", "--out", tmp_path / "run", "--data", world.data, *how)
    assert 'precision = "bf16"' in (tmp_path / "run" / "recipe.toml").read_text()


def test_default_folder_is_named_by_the_recipe(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    succeed("train", world.root / "rna.toml", "--data", world.data, "--set", "training.epochs=1")
    assert (tmp_path / "runs" / "rna" / "scores.json").is_file()


def test_evaluation_repeats_the_scores(world: World) -> None:
    for run in (world.rna, world.cells):
        found = ask("evaluate", run, "--data", world.data)
        trained = json.loads((run / "scores.json").read_text())
        assert found["same_data"]
        assert found["rows"] == trained["rows"]["test"]
        for name, score in trained["test"].items():
            assert found["scores"][name] == pytest.approx(score, abs=1e-5)
    shown = succeed("evaluate", world.rna / "model.safetensors", "--data", world.data, "--split", "val")
    assert "SIMULATED" in shown
    assert re.search(r"spearman +-?0\.\d{4} +\[-?0\.\d{4}, -?0\.\d{4}\]", shown)


def test_evaluation_on_other_data_warns(world: World, tmp_path: Path) -> None:
    settings = ("--seed", 7, "--set", "k=4", "--set", "copies=4")
    succeed("data", "simulate", "rna", "--out", tmp_path, *settings)
    result = call("evaluate", world.rna, "--data", tmp_path)
    assert result.exit_code == 0
    assert result.stderr.startswith("ribocyte: warning: this is not the data")


def test_comparison_is_with_the_first(world: World, tmp_path: Path) -> None:
    found = ask("compare", world.rna, world.other, "--figures", tmp_path / "figures")
    assert found["reference"] == "first"
    rho = found["runs"]["second"]["spearman"]
    assert rho["gain"] == pytest.approx(rho["second"] - rho["first"])
    assert rho["low"] <= rho["gain"] <= rho["high"]
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"curves.svg", "losses.svg"}
    shown = succeed("compare", world.rna, world.other)
    assert "second, compared with the first, first:" in shown
    assert rho["verdict"] in shown


# Prediction


def read_tsv(text: str) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(text), separator="\t")


def test_sequences_files_and_pipes_say_the_same(world: World, tmp_path: Path) -> None:
    fasta = "".join(f">p{number}\n{rna.replace('U', 'T').lower()}\n" for number, rna in enumerate(PROBES))
    (tmp_path / "probes.fa").write_text(fasta)
    (tmp_path / "probes.csv").write_text("name,sequence\n" + "".join(f"x,{rna}\n" for rna in PROBES))
    typed = read_tsv(succeed("predict", world.rna, *PROBES))
    assert typed["name"].to_list() == PROBES
    expected = Predictor.load(world.rna).predict(PROBES)
    np.testing.assert_allclose(typed["SIM_RBFOX1"], expected["SIM_RBFOX1"], rtol=1e-5)
    for text in (
        succeed("predict", world.rna, tmp_path / "probes.fa"),
        succeed("predict", world.rna, tmp_path / "probes.csv"),
        succeed("predict", world.rna, "-", stdin=fasta.encode()),
    ):
        assert read_tsv(text).drop("name").equals(typed.drop("name"))
    assert read_tsv(succeed("predict", world.rna, tmp_path / "probes.fa"))["name"].to_list() == [
        "p0",
        "p1",
        "p2",
    ]


def test_formats_hold_the_same_rows(world: World, tmp_path: Path) -> None:
    rows = read_tsv(succeed("predict", world.rna, *PROBES))
    assert json.loads(succeed("predict", world.rna, *PROBES, "--format", "json"))[1]["name"] == PROBES[1]
    for name in ("a.tsv", "a.json", "a.parquet"):
        assert succeed("predict", world.rna, *PROBES, "--out", tmp_path / name) == ""
    assert read_tsv((tmp_path / "a.tsv").read_text()).equals(rows)
    parquet = pl.read_parquet(tmp_path / "a.parquet")
    assert parquet.columns == rows.columns
    assert parquet["name"].to_list() == PROBES
    assert json.loads((tmp_path / "a.json").read_text())[2]["SIM_RBFOX1"] == pytest.approx(
        parquet["SIM_RBFOX1"][2], rel=1e-6
    )


def test_long_inputs_come_in_portions_and_in_order(world: World, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    probes = ["".join(random.choice(list("ACGU"), 35)) for _ in range(5000)]
    (tmp_path / "many.txt").write_text("\n".join(probes))
    succeed("predict", world.rna, tmp_path / "many.txt", "--out", tmp_path / "many.tsv")
    table = read_tsv((tmp_path / "many.tsv").read_text())
    assert table["name"].to_list() == [f"sequence_{number}" for number in range(1, 5001)]
    expected = Predictor.load(world.rna).predict(probes[4000:4200])["SIM_RBFOX1"]
    np.testing.assert_allclose(table["SIM_RBFOX1"][4000:4200], expected, atol=1e-5)
    succeed("predict", world.rna, tmp_path / "many.txt", "--out", tmp_path / "many.parquet")
    assert pl.read_parquet(tmp_path / "many.parquet")["name"].equals(table["name"])


def test_sequence_longer_than_any_file_name(world: World) -> None:
    table = read_tsv(succeed("predict", world.rna, "ACGUUGCAUG" * 500))
    assert table["windows"].to_list() == [1 + (5000 - 41 + 9) // 10]


def test_pictures_and_folders_of_them(world: World, tmp_path: Path) -> None:
    cells = draw_cells([0, 7, 3], seed=1)
    (tmp_path / "deeper").mkdir()
    names = ["a.png", "b.png", "deeper/c.png"]
    for name, pixels in zip(names, cells, strict=True):
        Image.fromarray(pixels).save(tmp_path / name)
    table = read_tsv(succeed("predict", world.cells, tmp_path))
    assert table["name"].to_list() == [str(tmp_path / name) for name in names]
    assert table["class"].to_list() == Predictor.load(world.cells).predict(list(cells))["class"].to_list()


def test_grey_and_transparent_pictures_are_converted(world: World, tmp_path: Path) -> None:
    for mode in ("L", "RGBA", "P"):
        Image.new(mode, (40, 40)).save(tmp_path / f"{mode}.png")
    assert len(read_tsv(succeed("predict", world.cells, tmp_path))) == 3


def test_bad_picture_can_be_left_out(world: World, tmp_path: Path) -> None:
    Image.fromarray(draw_cells([2], seed=1)[0]).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no picture")
    result = call("predict", world.cells, tmp_path, "--skip-bad")
    assert result.exit_code == 0
    assert read_tsv(result.stdout)["name"].to_list() == [str(tmp_path / "good.png")]
    assert f"warning: left out: {tmp_path / 'bad.png'}: not an image" in result.stderr


def test_models_say_what_they_cost(world: World) -> None:
    listed = {model["kind"]: model for model in ask("models")["models"]}
    rna = {"rna-cnn", "rna-bilstm", "rna-residual", "rna-transformer", "rna-multi", "rna-towers", "rna-film"}
    assert rna | {"cell-cnn", "cell-residual"} == set(listed)
    # By hand: convolutions of 32, 64, 128 channels on 28, 14, 7 px, then 1152 to 256 to 8.
    convolutions = (3 * 9 * 32, 32 * 9 * 64, 64 * 9 * 128)
    dense = 1152 * 256 + 256 * 8
    assert listed["cell-cnn"]["parameters"] == sum(convolutions) + 32 + 64 + 128 + dense + 256 + 8
    work = sum(weights * side**2 for weights, side in zip(convolutions, (28, 14, 7), strict=True)) + dense
    assert listed["cell-cnn"]["multiply_adds"] == work
    assert listed["cell-cnn"]["settings"] == {"pool": True, "softmax": False}
    assert "pool = true, softmax = false" in succeed("models")
    assert "folder (required)" in succeed("models")


def test_demo_in_the_smallest(tmp_path: Path) -> None:
    small = ("cell_epochs=1", "rna_epochs=1", "contexts=3", "assay.k=4", "assay.copies=4")
    cells = ("smear.train=16", "smear.val=16", "smear.test=16")
    settings = [part for one in (*small, *cells) for part in ("--set", one)]
    result = call("demo", "--out", tmp_path / "demo", *settings)
    assert result.exit_code == 0, result.output
    assert "SIMULATED" in result.stdout
    assert str(tmp_path / "demo" / "index.html") in result.stdout
    assert "train pooled-logits\nepoch 1/1" in result.stderr
    assert "SIMULATED" in (tmp_path / "demo" / "index.html").read_text()


# Being stopped


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_training_goes_on_with_the_command_it_names(
    world: World, tmp_path: Path, how: signal.Signals
) -> None:
    settings = ("--set", "training.epochs=60", "--set", "training.batch_size=4", "--threads", "1")
    run = tmp_path / "a run"
    process = start("train", world.root / "rna.toml", "--out", run, "--data", world.data, *settings)
    assert process.stdout
    assert process.stderr
    assert process.stderr.readline().startswith("epoch 1/60")
    process.send_signal(how)
    output, messages = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert "finishing this step" in messages
    said = messages.splitlines()[-1]
    assert re.search(rf"ribocyte: error: {run}: stopped in epoch \d+ of 60, after step \d+ of \d+", said)
    command = said.partition("go on with: ribocyte ")[2]
    assert shlex.split(command)[-4:] == ["--data", str(world.data), "--threads", "1"]
    if how is signal.SIGINT:
        result = call(*shlex.split(command))
        assert result.exit_code == 0, result.output
        assert "of 60" in result.stdout
        assert len((run / "history.csv").read_text().splitlines()) == 61


def test_second_request_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_before_the_first_step_one_request_is_enough() -> None:
    with StopRequest(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


# Ends of pipes


def test_reader_that_goes_away_is_no_error() -> None:
    process = start("models")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    messages = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert messages == ""


def test_full_disk_behind_the_output_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "ribocyte", "models", "--json"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "ribocyte: error: standard output: No space left on device\n"
