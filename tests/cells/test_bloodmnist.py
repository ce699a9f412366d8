"""Reading and describing labelled cells."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ribocyte.cells import bloodmnist
from ribocyte.cells.bloodmnist import BloodMNISTConfig, CellFolderConfig, check, load, load_folder
from ribocyte.cells.images import CLASSES
from ribocyte.errors import DataError, RecipeError

COUNTS = {"train": 20, "val": 9, "test": 11}


def toy_arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {}
    for name, count in COUNTS.items():
        arrays[f"{name}_images"] = random.integers(0, 256, (count, 28, 28, 3), dtype=np.uint8)
        arrays[f"{name}_labels"] = (np.arange(count) % 8).astype(np.uint8)[:, None]
    return arrays


def written(root: Path, arrays: dict[str, np.ndarray]) -> Path:
    path = root / "bloodmnist" / "bloodmnist.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


class TestLoading:
    def test_every_image_and_label_arrives_in_order(self, tmp_path: Path) -> None:
        arrays = toy_arrays()
        written(tmp_path, arrays)
        splits = load(BloodMNISTConfig(), tmp_path)
        for name in COUNTS:
            split = getattr(splits, name)
            np.testing.assert_array_equal(split.inputs.numpy(), arrays[f"{name}_images"])
            np.testing.assert_array_equal(split.targets.numpy(), arrays[f"{name}_labels"][:, 0])
            assert split.inputs.dtype == torch.uint8
            assert split.inputs.is_contiguous()
            assert split.targets.dtype == torch.int64
        assert splits.train.names[1] == "train/00001"

    def test_it_says_what_it_is(self, tmp_path: Path) -> None:
        written(tmp_path, toy_arrays())
        info = load(BloodMNISTConfig(), tmp_path).info
        assert (info.kind, info.protocol, info.source) == ("bloodmnist", "official", "bloodmnist.npz")
        assert info.outputs == CLASSES
        assert not info.simulated
        assert info.normalisation == {"size": 28, "crop": 200, "mean": 0.5, "std": 0.5, "resample": "bicubic"}

    def test_the_fingerprint_follows_the_content(self, tmp_path: Path) -> None:
        arrays = toy_arrays()
        written(tmp_path, arrays)
        first = load(BloodMNISTConfig(), tmp_path).info.fingerprint
        assert load(BloodMNISTConfig(augment=True), tmp_path).info.fingerprint == first
        arrays["test_images"][3, 2, 1, 0] ^= 1
        written(tmp_path, arrays)
        assert load(BloodMNISTConfig(), tmp_path).info.fingerprint != first

    @pytest.mark.real_data
    def test_the_real_file_has_the_published_counts(self, data_root: Path) -> None:
        splits = load(BloodMNISTConfig(), data_root)
        assert [len(part) for part in (splits.train, splits.val, splits.test)] == [11959, 1712, 3421]


class TestBadFiles:
    def test_a_missing_file_says_how_to_get_it(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="ribocyte data fetch"):
            load(BloodMNISTConfig(), tmp_path)

    @pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
    def test_a_truncated_file(self, tmp_path: Path, kept: float) -> None:
        path = written(tmp_path, toy_arrays())
        path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
        with pytest.raises(DataError, match=r"bloodmnist\.npz: "):
            load(BloodMNISTConfig(), tmp_path)

    def test_a_flipped_bit(self, tmp_path: Path) -> None:
        path = written(tmp_path, toy_arrays())
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 0x10
        path.write_bytes(content)
        with pytest.raises(DataError, match="damaged"):
            load(BloodMNISTConfig(), tmp_path)

    def test_pickled_objects_are_refused_and_never_run(self, tmp_path: Path) -> None:
        arrays = toy_arrays()
        marker = tmp_path / "ran"
        arrays["train_labels"] = np.array([_Evil(marker)] * COUNTS["train"], dtype=object)[:, None]
        written(tmp_path, arrays)
        with pytest.raises(DataError, match=r"bloodmnist\.npz: holds pickled objects.*refused"):
            load(BloodMNISTConfig(), tmp_path)
        assert not marker.exists()

    def test_a_bare_pickle_is_refused_and_never_run(self, tmp_path: Path) -> None:
        marker = tmp_path / "ran"
        path = written(tmp_path, toy_arrays())
        path.write_bytes(pickle.dumps(_Evil(marker)))
        with pytest.raises(DataError, match="refused"):
            load(BloodMNISTConfig(), tmp_path)
        assert not marker.exists()

    def test_a_single_array_or_a_web_page(self, tmp_path: Path) -> None:
        path = written(tmp_path, toy_arrays())
        with path.open("wb") as stream:
            np.save(stream, np.zeros(3))
        with pytest.raises(DataError, match="not an npz file"):
            load(BloodMNISTConfig(), tmp_path)
        path.write_text("<html>404</html>")
        with pytest.raises(DataError, match="not an npz file"):
            load(BloodMNISTConfig(), tmp_path)

    def test_an_archive_of_something_else(self, tmp_path: Path) -> None:
        path = written(tmp_path, toy_arrays())
        rewrite(path, lambda name, content: b"no array")
        with pytest.raises(DataError, match="train_images is "):
            load(BloodMNISTConfig(), tmp_path)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(where=st.integers(0, 127), what=st.binary(min_size=1, max_size=3))
    def test_a_damaged_array_header_is_an_error_or_harmless(
        self, tmp_path: Path, where: int, what: bytes
    ) -> None:
        # The archive's own checksums are right: only the array's header is wrong.
        path = written(tmp_path, {key: value[:9] for key, value in toy_arrays().items()})
        rewrite(
            path,
            lambda name, content: (
                content[:where] + what + content[where + len(what) :] if name == "val_labels.npy" else content
            ),
        )
        try:
            assert len(load(BloodMNISTConfig(), tmp_path).val) == 9
        except DataError as error:
            said = error.problem
        else:
            said = str(path)
        assert str(path) in said

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("val_images", None, "no key 'val_images'"),
            ("val_images", np.zeros((9, 28, 28), np.uint8), r"val_images is uint8 of shape \(9, 28, 28\)"),
            ("val_images", np.zeros((9, 64, 64, 3), np.uint8), r"expected uint8 of shape \(N, 28, 28, 3\)"),
            ("val_images", np.zeros((9, 28, 28, 3), np.float32), "val_images is float32"),
            ("val_labels", np.zeros((9,), np.uint8), r"val_labels is uint8 of shape \(9,\)"),
            ("val_labels", np.zeros((9, 1), np.float32), "val_labels is float32"),
            ("val_labels", np.zeros((8, 1), np.uint8), "9 val_images, but 8 val_labels"),
            ("val_labels", np.full((9, 1), 8, np.uint8), "val_labels has 8 in row 0; expected 0 to 7"),
            ("val_labels", np.full((9, 1), -1, np.int8), "val_labels has -1"),
        ],
    )
    def test_another_layout(self, tmp_path: Path, key: str, value: np.ndarray | None, said: str) -> None:
        arrays = toy_arrays()
        if value is None:
            del arrays[key]
        else:
            arrays[key] = value
        written(tmp_path, arrays)
        with pytest.raises(DataError, match=said):
            load(BloodMNISTConfig(), tmp_path)

    def test_a_split_without_images(self, tmp_path: Path) -> None:
        arrays = toy_arrays()
        arrays["val_images"], arrays["val_labels"] = arrays["val_images"][:0], arrays["val_labels"][:0]
        written(tmp_path, arrays)
        with pytest.raises(DataError, match="val split is empty"):
            load(BloodMNISTConfig(), tmp_path)

    def test_impossible_settings(self) -> None:
        with pytest.raises(RecipeError, match=r"data\.shift"):
            BloodMNISTConfig(shift=28)
        with pytest.raises(RecipeError, match=r"data\.size"):
            CellFolderConfig("cells", size=0)


def rewrite(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    """Change the files of an archive."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, change(name, content))


class _Evil:
    """Leaves a mark where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.marker,)


def photographs(folder: Path, counts: dict[str, int]) -> Path:
    """A folder whose pictures can be told apart: image i of class c is filled with (c, i, 0)."""
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (30, 32), (number, i, 0)).save(folder / name / f"{i:03d}.png")
    return folder


class TestFolders:
    def test_every_image_is_in_one_split_with_its_class(self, tmp_path: Path) -> None:
        folder = photographs(tmp_path / "cells", {"blast": 20, "other": 10, "rare": 3})
        splits = load_folder(CellFolderConfig(str(folder)))
        assert splits.info.outputs == ("blast", "other", "rare")
        parts = [splits.train, splits.val, splits.test]
        assert [np.bincount(part.targets).tolist() for part in parts] == [[14, 7, 1], [2, 1, 1], [4, 2, 1]]
        names = np.concatenate([part.names for part in parts])
        assert sorted(names) == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
        for part in parts:
            for image, target, name in zip(part.inputs, part.targets, part.names, strict=True):
                stem = name.split("/")[1].removesuffix(".png")
                assert image[5, 5].tolist() == [int(target), int(stem), 0]

    def test_the_seed_alone_decides(self, tmp_path: Path) -> None:
        folder = str(photographs(tmp_path / "cells", {"a": 30, "b": 30}))
        first = load_folder(CellFolderConfig(folder)).info
        assert load_folder(CellFolderConfig(folder)).info == first
        assert load_folder(CellFolderConfig(folder, seed=1)).info.fingerprint != first.fingerprint
        assert (first.kind, first.protocol, first.source) == ("cell-folder", "stratified", "cells")

    def test_the_eight_classes_keep_the_order_of_bloodmnist(self, tmp_path: Path) -> None:
        names = [name if name != "immature granulocytes" else "ig" for name in CLASSES]
        folder = photographs(tmp_path / "cells", dict.fromkeys(names, 3))
        splits = load_folder(CellFolderConfig(str(folder)))
        assert splits.info.outputs == CLASSES
        assert splits.test.names[3].startswith("ig/")
        assert splits.test.targets.tolist() == list(range(8))

    def test_an_alias_means_nothing_among_other_classes(self, tmp_path: Path) -> None:
        folder = photographs(tmp_path / "cells", {"ig": 3, "a": 3})
        assert load_folder(CellFolderConfig(str(folder))).info.outputs == ("a", "ig")

    def test_a_relative_folder_is_found_in_the_data_then_here(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        photographs(tmp_path / "here" / "cells", {"a": 3, "b": 3})
        monkeypatch.chdir(tmp_path / "here")
        config = CellFolderConfig("cells")
        assert load_folder(config, tmp_path / "data").info.outputs == ("a", "b")
        photographs(tmp_path / "data" / "cells", {"c": 3, "d": 3})
        assert load_folder(config, tmp_path / "data").info.outputs == ("c", "d")

    def test_the_way_images_are_made_is_recorded(self, tmp_path: Path) -> None:
        folder = photographs(tmp_path / "cells", {"a": 3, "b": 3})
        splits = load_folder(CellFolderConfig(str(folder), size=16, crop=20, resample="lanczos"))
        assert splits.train.inputs.shape == (2, 16, 16, 3)
        assert splits.info.normalisation["resample"] == "lanczos"
        assert (splits.info.normalisation["size"], splits.info.normalisation["crop"]) == (16, 20)

    def test_a_class_too_small_to_split_is_named(self, tmp_path: Path) -> None:
        folder = photographs(tmp_path / "cells", {"many": 5, "few": 2})
        with pytest.raises(DataError, match="class 'few' has 2 images; expected at least 3"):
            load_folder(CellFolderConfig(str(folder)))

    def test_no_folder_and_no_classes(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"data\.folder = 'nowhere': no such folder"):
            load_folder(CellFolderConfig("nowhere"), tmp_path)
        with pytest.raises(DataError, match="0 subfolders"):
            load_folder(CellFolderConfig(str(tmp_path)))

    @pytest.mark.real_data
    def test_the_original_photographs_load(self, data_root: Path) -> None:
        splits = load_folder(CellFolderConfig("cells_raw"), data_root)
        assert splits.info.outputs == CLASSES
        assert [part.targets.tolist() for part in (splits.train, splits.val, splits.test)] == [
            list(range(8))
        ] * 3


class TestChecking:
    def test_repeats_leakage_and_conflicts_are_counted(self, tmp_path: Path) -> None:
        arrays = toy_arrays()
        images = {name: arrays[f"{name}_images"] for name in COUNTS}
        images["train"][1] = images["train"][0]  # a repeat, with another label
        images["test"][2] = images["test"][3] = images["train"][8]  # leaks twice, row 8 and 2 differ in class
        images["val"][4] = images["train"][4]  # leaks, with the same label
        path = written(tmp_path, arrays)
        facts = check(tmp_path)
        assert json.loads(json.dumps(facts)) == facts
        assert facts["images"] == COUNTS
        assert facts["classes"]["val"] == {name: 2 if name == "basophil" else 1 for name in CLASSES}
        assert facts["repeats"] == {"train": 1, "val": 0, "test": 1}
        assert facts["leakage"] == {"train/val": 1, "train/test": 2, "val/test": 0}
        assert facts["conflicts"] == 2
        assert facts["image_shape"] == [28, 28, 3]
        assert (facts["official"], facts["simulated"], facts["path"]) == (False, False, str(path))

    @pytest.mark.real_data
    def test_the_real_file_is_described(self, data_root: Path) -> None:
        facts = check(data_root)
        assert sum(facts["images"].values()) == 17092
        assert sum(facts["classes"]["train"].values()) == 11959
        assert facts["official"] == (facts["md5"] in bloodmnist.BLOODMNIST.checksum)
