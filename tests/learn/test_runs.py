"""A run's folder: nothing half written, nothing overwritten, nothing executed, one process at a time."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch

import toys
from ribocyte.errors import DataError, DiskError, RunError, WorkError
from ribocyte.learn.runs import Run

RECIPE = {"name": "x", "training": {"epochs": 3}}


# Beginning and taking up


def test_a_run_begins_in_a_new_folder_and_is_taken_up_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "deep" / "run", RECIPE)
    assert run.recipe == RECIPE
    assert run.name == "run"
    assert not run.finished
    assert Run.open(tmp_path / "deep" / "run").recipe == RECIPE


def test_an_empty_folder_is_as_good_as_a_new_one(tmp_path: Path) -> None:
    assert Run.create(tmp_path, RECIPE).recipe == RECIPE


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", RECIPE)
    with pytest.raises(RunError, match=r"run: exists already.*--resume"):
        Run.create(tmp_path / "run", {"name": "other"})
    assert Run.open(tmp_path / "run").recipe == RECIPE
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(RunError, match=r"photos: exists already.*choose another with --out") as caught:
        Run.create(tmp_path / "photos", RECIPE)
    assert "--resume" not in str(caught.value)  # there is nothing to resume
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="file: exists already"):
        Run.create(tmp_path / "file", RECIPE)
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_no_run_is_not_taken_up(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunError, match=r"not a run.*recipe\.toml"):
            Run.open(path)


def test_a_damaged_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("= nonsense")
    with pytest.raises(RunError, match=r"recipe\.toml: cannot be read"):
        _ = Run.open(tmp_path).recipe


@pytest.mark.parametrize("part", ["history", "scores", "predictions"])
def test_an_unfinished_run_says_what_it_lacks(tmp_path: Path, part: str) -> None:
    run = toys.run(tmp_path / "run")
    with pytest.raises(RunError, match=rf"{part}\.\w+: not there.*--resume"):
        getattr(run, part)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = toys.run(tmp_path / "run")
    rows = [{"epoch": 1, "val_spearman": float("nan")}, {"epoch": 2, "val_spearman": 0.1 + 0.2}]
    run.write_history(rows)
    assert run.history["epoch"].to_list() == [1, 2]
    assert run.history["val_spearman"][1] == 0.1 + 0.2  # to the last bit
    predictions = pl.DataFrame({"name": ["a"], "predicted/x": [1.5]})
    run.write_predictions(predictions)
    assert run.predictions.equals(predictions)
    run.write_scores({"simulated": True})
    assert run.scores == {"simulated": True}
    assert run.finished
    assert run.recipe == {"name": "run"}
    assert not list(run.path.glob(".*.part"))


def test_files_are_readable_by_whom_the_umask_allows(tmp_path: Path) -> None:
    run = toys.run(tmp_path / "run")
    mask = os.umask(0)
    os.umask(mask)
    assert (run.path / "recipe.toml").stat().st_mode & 0o777 == 0o666 & ~mask


def test_damaged_predictions_are_named(tmp_path: Path) -> None:
    run = toys.run(tmp_path / "run")
    run.write_predictions(pl.DataFrame({"name": ["a"]}))
    path = run.path / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match=r"predictions\.parquet: damaged"):
        _ = run.predictions


# Checkpoints


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    run = toys.run(tmp_path / "run")
    assert run.read_checkpoint() is None
    state = {
        "network": {"w": torch.randn(3, 4), "b": torch.tensor([float("nan"), -0.0])},
        "epoch": 3,
        "best": {"value": 0.1 + 0.2, "metric": "spearman"},
        "history": [{"loss": float("inf")}],
        "random": {"cpu": torch.get_rng_state()},
        "average": None,
    }
    run.write_checkpoint(state)
    back = run.read_checkpoint()
    assert back is not None
    assert torch.equal(back["network"]["w"], state["network"]["w"])  # type: ignore[index]
    assert back["network"]["b"].view(torch.int32).tolist() == state["network"]["b"].view(torch.int32).tolist()  # type: ignore[index]
    assert torch.equal(back["random"]["cpu"], state["random"]["cpu"])  # type: ignore[index]
    assert {k: back[k] for k in ("epoch", "best", "history", "average")} == {
        k: state[k] for k in ("epoch", "best", "history", "average")
    }


def test_a_checkpoint_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    run = toys.run(tmp_path / "run")
    run.write_checkpoint({"w": torch.randn(50)})
    path = run.path / "last.ckpt"
    whole = path.read_bytes()
    for length in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"last\.ckpt: damaged.*remove it") as caught:
            run.read_checkpoint()
        assert "\n" not in str(caught.value)
        assert "weights_only" not in str(caught.value)  # torch would advise to run what is in the file


class Bomb:
    def __init__(self, fuse: Path) -> None:
        self.fuse = fuse

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.fuse,)


def test_a_checkpoint_that_wants_to_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    run = toys.run(tmp_path / "run")
    fuse = tmp_path / "ran"
    torch.save({"w": torch.zeros(2), "evil": Bomb(fuse)}, run.path / "last.ckpt")
    with pytest.raises(RunError, match=r"last\.ckpt: damaged"):
        run.read_checkpoint()
    (run.path / "last.ckpt").write_bytes(pickle.dumps(Bomb(fuse)))
    with pytest.raises(RunError, match=r"last\.ckpt: damaged"):
        run.read_checkpoint()
    assert not fuse.exists()


def test_a_disk_that_fills_up_costs_nothing_that_was_there(tmp_path: Path) -> None:
    run = toys.run(tmp_path / "run")
    run.write_checkpoint({"epoch": 1, "w": torch.zeros(10)})
    before = (run.path / "last.ckpt").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as on a full disk, writing then fails part-way
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DiskError, match=r"last\.ckpt: could not be written"):
            run.write_checkpoint({"epoch": 2, "w": torch.zeros(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (run.path / "last.ckpt").read_bytes() == before
    assert sorted(path.name for path in run.path.iterdir()) == ["last.ckpt", "recipe.toml"]


def test_a_disk_that_is_really_full_says_so(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root; the limit on file sizes stands in for it above")
    try:
        run = toys.run(disk / "run")
        run.write_checkpoint({"epoch": 1})
        before = (run.path / "last.ckpt").read_bytes()
        with pytest.raises(
            DiskError, match=r"last\.ckpt: could not be written: No space left.*free some space"
        ):
            run.write_checkpoint({"epoch": 2, "w": torch.zeros(1_000_000)})
        assert (run.path / "last.ckpt").read_bytes() == before
        run.write_checkpoint({"epoch": 3})  # what failed has left its room
        assert run.read_checkpoint() == {"epoch": 3}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_without_permission_is_a_disk_error() -> None:
    run = Run(Path("/proc/self"))  # where nobody may write, not even root
    with pytest.raises(DiskError, match="choose a folder you can write to"):
        run.write_history([{"epoch": 1}])
    with pytest.raises(DiskError, match="choose a folder you can write to"), run.alone():
        pass


# One process at a time

HOLDER = """
import sys, time
from pathlib import Path
from ribocyte.learn.runs import Run
with Run.open(Path(sys.argv[1])).alone():
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_in_a_folder_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    run = toys.run(tmp_path / "run")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run.path)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WorkError, match="another process is training"), run.alone():
            pass
        with run.alone(really=False):  # the helpers of the first
            pass
        holder.kill()
    with run.alone():  # a killed process leaves no lock behind
        pass
    with run.alone():
        pass
