"""Whatever is wrong gets one line that says what, where, what was expected and how to mend it; and nothing is lost."""

from __future__ import annotations

import gzip
import pickle
import resource
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from command_line import CELL_RECIPE, RNA_RECIPE, call, refused, simulate, start, succeed, write_recipe
from ribocyte.cells import bloodmnist
from ribocyte.cells.smear import draw_cells
from ribocyte.cli.guard import Command


@dataclass(frozen=True)
class World:
    """A data folder, recipes and two models."""

    root: Path
    data: Path
    rna: Path
    cells: Path

    @property
    def table(self) -> Path:
        return self.data / "rnacompete" / "norm_data.txt.gz"

    @property
    def images(self) -> Path:
        return self.data / "bloodmnist" / "bloodmnist.npz"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("bad")
    made = World(root, simulate(root / "data"), root / "rna", root / "cells")
    write_recipe(root / "rna.toml", RNA_RECIPE)
    write_recipe(root / "cells.toml", CELL_RECIPE)
    succeed("train", root / "rna.toml", "--out", made.rna, "--data", made.data, "--set", "training.epochs=1")
    succeed("train", root / "cells.toml", "--out", made.cells, "--data", made.data)
    return made


@pytest.fixture
def broken(world: World, tmp_path: Path) -> World:
    """Give a copy of the data that a test may break."""
    return replace(world, data=Path(shutil.copytree(world.data, tmp_path / "broken")))


def cut(path: Path, keep: float = 0.6) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def edit_table(path: Path, change: Callable[[str], str]) -> None:
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()).decode()).encode()))


# Data files


def test_truncated_table(broken: World, tmp_path: Path) -> None:
    cut(broken.table)
    line = refused("train", broken.root / "rna.toml", "--out", tmp_path / "run", "--data", broken.data)
    assert str(broken.table) in line
    assert "cut short" in line
    assert not (tmp_path / "run").exists()
    assert line == refused("data", "check", "rnacompete", "--data", broken.data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("RNA_Seq", "Sequenz", 1), "no column 'RNA_Seq'"),
        (lambda text: text.replace("\tAGA", "\tEGA", 1), "'E'"),
        (lambda text: text.split("\n")[0] + "\n", "no rows"),
    ],
)
def test_table_that_is_none(broken: World, tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    edit_table(broken.table, change)
    line = refused("train", broken.root / "rna.toml", "--out", tmp_path / "run", "--data", broken.data)
    assert said in line


def test_experiment_without_a_measurement(broken: World, tmp_path: Path) -> None:
    def empty(text: str) -> str:
        header, *rows = text.splitlines()
        return "\n".join([header, *(row.rpartition("\t")[0] + "\tNaN" for row in rows)]) + "\n"

    edit_table(broken.table, empty)
    line = refused("train", broken.root / "rna.toml", "--out", tmp_path / "run", "--data", broken.data)
    assert "SIM_RBFOX1 has no measured intensity" in line


def test_unknown_experiment_names_the_nearest(world: World, tmp_path: Path) -> None:
    wanted = ("--set", "data.experiments=SIM_RBFOX2")
    line = refused("train", world.root / "rna.toml", "--out", tmp_path / "run", "--data", world.data, *wanted)
    assert "'SIM_RBFOX2' is not in the table" in line
    assert "SIM_RBFOX1" in line


@pytest.mark.real_data
def test_ambiguous_experiment_lists_the_candidates(world: World, data_root: Path, tmp_path: Path) -> None:
    wanted = ("--set", "data.experiments=A1CF")
    line = refused("train", world.root / "rna.toml", "--out", tmp_path / "run", "--data", data_root, *wanted)
    assert "'A1CF' means 2 experiments" in line
    assert "data.experiments=RNCMPT00001" in line


def test_truncated_npz(broken: World, tmp_path: Path) -> None:
    cut(broken.images)
    line = refused("train", broken.root / "cells.toml", "--out", tmp_path / "run", "--data", broken.data)
    assert str(broken.images) in line
    assert "damaged or cut short" in line


def test_npz_with_pickled_objects_is_never_unpickled(broken: World, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    arrays = dict(np.load(broken.images))
    np.savez(broken.images, **{**arrays, "val_labels": np.array([Trap(trap)], dtype=object)})
    line = refused("train", broken.root / "cells.toml", "--out", tmp_path / "run", "--data", broken.data)
    assert "pickled objects" in line
    assert not trap.exists()


class Trap:
    """An object that leaves a trace when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_no_data_anywhere_says_where_it_looked_and_what_to_do(world: World, tmp_path: Path) -> None:
    line = refused("train", world.root / "rna.toml", "--out", tmp_path / "run", "--data", tmp_path)
    assert f"{tmp_path} (--data)" in line
    assert "get it with: ribocyte data fetch rnacompete" in line
    line = refused("data", "check", "--data", tmp_path)
    assert "ribocyte data fetch all" in line


def test_simulation_never_overwrites(broken: World) -> None:
    before = broken.table.read_bytes()
    assert "exists already" in refused("data", "simulate", "rna", "--out", broken.data)
    assert "exists already" in refused("data", "simulate", "cells", "--out", broken.data)
    assert broken.table.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rna", "--protein", "RBFOXX"), "RBFOXX"),
        (("rna", "--set", "koncentration=3"), "did you mean assay.concentration?"),
        (("rna", "--set", "k=99"), "assay.k = 99 is impossible"),
        (("cells", "--protein", "HuR"), "--protein"),
        (("cells", "--set", "train=0"), "smear.train = 0 is impossible"),
    ],
)
def test_impossible_simulation(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in refused("data", "simulate", *arguments, "--out", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_failed_download_says_what_to_do_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = replace(bloodmnist.BLOODMNIST, url="http://127.0.0.1:9/bloodmnist.npz")
    monkeypatch.setattr(bloodmnist, "BLOODMNIST", nobody)
    line = refused("data", "fetch", "bloodmnist", "--data", tmp_path, code=1)
    assert nobody.url in line
    assert f"place it at {tmp_path / nobody.name}" in line
    assert not list((tmp_path / "bloodmnist").iterdir())


def test_unknown_data() -> None:
    assert "did you mean bloodmnist?" in refused("data", "fetch", "bloodmist")
    assert "expected one of rnacompete, compendium, bloodmnist, all" in refused("data", "check", "genome")


# Recipes


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.epoch=3", "training.epoch: unknown key; expected one of epochs"),
        ("training.epoch=3", "did you mean training.epochs?"),
        ("training.epochs=0", "training.epochs = 0 is impossible; expected from 1 to 1,000,000"),
        ("training.epochs=many", "training.epochs = 'many'; expected a value of type int"),
        ("training.optimizer=adamv", "is not a choice; expected one of adamw, adam, sgd; did you mean adam"),
        ("model.kind=rna-cmn", "did you mean rna-cnn?"),
        ("model.kind=cell-cnn", "does not take rnacompete data"),
        ("data.protocol=loose", "one of strict, assignment"),
        ("trainin.epochs=3", "did you mean training?"),
        ("epochs", "expected key=value"),
    ],
)
def test_recipe_that_cannot_be(world: World, tmp_path: Path, setting: str, said: str) -> None:
    run = tmp_path / "run"
    assert said in refused("train", world.root / "rna.toml", "--out", run, "--set", setting)
    assert not run.exists()


def test_recipe_that_is_none(world: World, tmp_path: Path) -> None:
    assert "none.toml: no such recipe" in refused("train", tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[data\nkind = 3")
    line = refused("train", tmp_path / "broken.toml")
    assert str(tmp_path / "broken.toml") in line
    assert "line 1" in line
    assert f"{world.images}: " in refused("train", world.images)


# Runs


def test_folder_that_exists_is_left_alone(world: World, tmp_path: Path) -> None:
    train = ("train", world.root / "rna.toml", "--data", world.data, "--out")
    before = (world.rna / "model.safetensors").read_bytes()
    assert "exists already" in refused(*train, world.rna)
    assert "--resume" in refused(*train, world.rna)
    assert (world.rna / "model.safetensors").read_bytes() == before
    (tmp_path / "note").write_text("mine")
    assert "choose another with --out" in refused(*train, tmp_path)
    other = ("--resume", "--set", "training.epochs=5")
    assert "was begun with training.epochs = 1, now it is 5" in refused(*train, world.rna, *other)


def test_runs_that_cannot_be_compared(world: World, tmp_path: Path) -> None:
    assert "one run alone" in refused("compare", world.rna)
    assert "named twice" in refused("compare", world.rna, world.rna)
    assert "not a run" in refused("compare", world.rna, tmp_path)
    assert "their outputs differ" in refused("compare", world.rna, world.cells)
    shutil.copy(world.rna / "recipe.toml", tmp_path)
    assert "predictions.parquet: not there" in refused("compare", world.rna, tmp_path)


def test_full_disk_while_a_checkpoint_is_written(world: World, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: writes fail in the middle, whoever we are."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    run = tmp_path / "run"
    train = ("train", world.root / "rna.toml", "--out", run, "--data", world.data)
    process = start(*train, "--set", "model.hidden=64", "--set", "model.detectors=64", preexec_fn=limit)
    output, messages = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert messages.splitlines()[-1].startswith(f"ribocyte: error: {run / 'last.ckpt'}: could not be written")
    assert {path.name for path in run.iterdir()} == {".lock", "recipe.toml", "history.csv"}
    settings = ("--set", "model.hidden=64", "--set", "model.detectors=64")
    assert call(*train, *settings, "--resume").exit_code == 0


# Models


def test_pickles_are_refused(world: World, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    torch.save({"weights": torch.zeros(2)}, tmp_path / "model.pt")
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Trap(trap)))
    for path in (tmp_path / "model.pt", tmp_path / "model.safetensors"):
        line = refused("predict", path, "ACGU")
        assert str(path) in line
        assert "refused" in line
    assert not trap.exists()


def test_damaged_models(world: World, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for keep in (0.0, 0.01, 0.5, 0.99):
        shutil.copy(world.rna / "model.safetensors", path)
        cut(path, keep)
        line = refused("evaluate", path, "--data", world.data)
        assert str(path) in line
        assert "expected" in line
    assert "cannot be read" in refused("predict", tmp_path / "none", "ACGU")


def test_data_with_other_outputs_than_the_model(world: World, tmp_path: Path) -> None:
    settings = ("--protein", "HuR", "--set", "k=4", "--set", "copies=4")
    succeed("data", "simulate", "rna", "--out", tmp_path, *settings)
    assert "'SIM_RBFOX1' is not in the table" in refused("evaluate", world.rna, "--data", tmp_path)


# Inputs


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b">a\nACGU\n>b\nACEU\n", "line 3, record 'b': 'E' at position 3"),
        (b"name\tletters\na\tACGU\n", "no column of sequences"),
        (b"", "empty"),
        (b"\x89PNG\0\0", "binary"),
        (gzip.compress(b"ACGU\n" * 500, mtime=0)[:-9], "cut short"),
    ],
)
def test_sequences_that_are_none(world: World, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "input"
    path.write_bytes(content)
    line = refused("predict", world.rna, path)
    assert said in line
    assert str(path) in line
    line = refused("predict", world.rna, "-", stdin=content)
    assert said in line
    assert "standard input" in line


def test_input_that_is_neither_file_nor_sequence(world: World) -> None:
    assert "ACGX: no such file, and no RNA" in refused("predict", world.rna, "ACGX")


def test_failure_leaves_the_earlier_output(world: World, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text(
        "ACGU\n" * 5000 + "ACGX\n"
    )  # the first portion is written before the error
    for name in ("out.tsv", "out.json", "out.parquet"):
        (tmp_path / name).write_text("earlier")
        assert "line 5001" in refused("predict", world.rna, tmp_path / "in.txt", "--out", tmp_path / name)
        assert (tmp_path / name).read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 4


def test_output_that_cannot_be(world: World, tmp_path: Path) -> None:
    (tmp_path / "in.tsv").write_text("ACGU\n")
    assert "add --out FILE" in refused("predict", world.rna, "ACGU", "--format", "parquet")
    assert "what format?" in refused("predict", world.rna, "ACGU", "--out", tmp_path / "a.xlsx")
    line = refused("predict", world.rna, tmp_path / "in.tsv", "--out", tmp_path / "in.tsv")
    assert "is an input as well" in line
    line = refused("predict", world.rna, "ACGU", "--out", "/proc/nowhere/a.tsv", code=1)
    assert "/proc/nowhere/a.tsv: could not be written" in line
    assert "--skip-bad" in refused("predict", world.rna, "ACGU", "--skip-bad")


def png_of(width: int, height: int) -> bytes:
    """Make the head of a PNG that claims to be of some size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture", "not an image"),
        (b"", "not an image"),
        (png_of(60_000, 60_000), "decompression bomb"),
        (png_of(1, 1), "1 x 1 px"),
        (png_of(100, 100), "cannot be read as an image"),
    ],
)
def test_one_bad_picture_among_good_ones_is_named(
    world: World, tmp_path: Path, content: bytes, said: str
) -> None:
    for number, pixels in enumerate(draw_cells([0, 1], seed=0)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "1.5.png").write_bytes(content)
    line = refused("predict", world.cells, tmp_path, "--out", tmp_path / "out.tsv")
    assert str(tmp_path / "1.5.png") in line
    assert said in line
    assert not (tmp_path / "out.tsv").exists()


def test_no_picture_at_all(world: World, tmp_path: Path) -> None:
    assert "no image in the folder" in refused("predict", world.cells, tmp_path)
    assert "no such file" in refused("predict", world.cells, tmp_path / "none.png")
    (tmp_path / "a.png").write_text("none")
    assert "no image that can be read" in refused("predict", world.cells, tmp_path, "--skip-bad")


# Tracebacks


def test_traceback_only_on_demand(world: World) -> None:
    assert "Traceback" not in call("predict", world.root, "ACGU").stderr
    result = call("--debug", "predict", world.root, "ACGU")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "ModelError" in result.stderr
    assert "ribocyte: error: " in result.stderr.splitlines()[-1]


def test_bug_is_called_a_bug() -> None:
    app = typer.Typer()

    @app.callback()
    def common(debug: Annotated[bool, typer.Option("--debug")] = False) -> None: ...

    @app.command(cls=Command)
    def divide() -> None:
        raise ZeroDivisionError("division\nby zero")

    result = CliRunner().invoke(app, ["divide"])
    assert result.exit_code == 1
    assert "a bug in ribocyte" in result.stderr
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" in CliRunner().invoke(app, ["--debug", "divide"]).stderr
