"""Drawn cells: repeatable, in the official layout, and neither trivial nor hopeless to tell apart."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ribocyte.cells.bloodmnist import BloodMNISTConfig, check, load
from ribocyte.cells.images import CLASSES
from ribocyte.cells.smear import LOOKS, SHARES, SmearConfig, draw_cells, write_bloodmnist
from ribocyte.errors import RecipeError

SMALL = SmearConfig(train=60, val=20, test=30, seed=3)


def test_every_class_has_a_look_and_a_share() -> None:
    assert tuple(LOOKS) == CLASSES
    assert sum(SHARES) == pytest.approx(1, abs=0.01)


def test_the_same_seed_draws_the_same_cells() -> None:
    classes = np.arange(300) % 8  # more than are drawn at a time
    first = draw_cells(classes, seed=1)
    assert (first.shape, first.dtype) == ((300, 28, 28, 3), np.uint8)
    np.testing.assert_array_equal(first, draw_cells(classes.tolist(), seed=1))
    assert (first != draw_cells(classes, seed=2)).mean() > 0.5
    assert len({image.tobytes() for image in first}) == 300


def test_no_cells_are_no_pictures() -> None:
    assert draw_cells([], seed=0).shape == (0, 28, 28, 3)


def test_the_file_is_the_same_to_the_byte_and_holds_no_clock(tmp_path: Path) -> None:
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    write_bloodmnist(one, SMALL)
    write_bloodmnist(two, SMALL)
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["one.npz", "two.npz"]


def test_the_loader_reads_it_and_says_that_it_is_simulated(tmp_path: Path) -> None:
    write_bloodmnist(tmp_path / "bloodmnist" / "bloodmnist.npz", SMALL)
    splits = load(BloodMNISTConfig(), tmp_path)
    assert splits.info.simulated
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [60, 20, 30]
    facts = check(tmp_path)
    assert facts["simulated"]
    assert not facts["official"]
    assert json.loads(facts["simulation"])["seed"] == 3
    assert set(facts["repeats"].values()) | set(facts["leakage"].values()) == {0}


def test_classes_come_in_the_proportions_of_the_real_file(tmp_path: Path) -> None:
    write_bloodmnist(tmp_path / "bloodmnist.npz", SmearConfig(train=1196, val=8, test=8))
    with np.load(tmp_path / "bloodmnist.npz") as stored:
        labels = stored["train_labels"][:, 0]
    real = [852, 2181, 1084, 2026, 849, 994, 2330, 1643]  # of 11,959
    np.testing.assert_allclose(np.bincount(labels, minlength=8), np.array(real) / 10, atol=3)
    assert (np.diff(labels.astype(int)) != 0).mean() > 0.5  # in no order


def test_the_noise_is_the_one_asked_for() -> None:
    classes = np.full(200, 7)  # platelets leave the corners to the slide and to red cells
    quiet, noisy = draw_cells(classes, 0, noise=0), draw_cells(classes, 0, noise=8)
    inside = (quiet > 40) & (quiet < 215)  # where no level is cut off at 0 or 255
    assert np.std(noisy[inside].astype(float) - quiet[inside]) == pytest.approx(8, rel=0.05)


def test_a_simple_rule_tells_many_cells_apart_but_not_all() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def seen(classes: np.ndarray, seed: int) -> np.ndarray:
        return draw_cells(classes, seed).reshape(-1, 7, 4, 7, 4, 3).mean((2, 4)).reshape(len(classes), -1)

    classes = np.arange(800) % 8
    rule = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=300)).fit(
        seen(classes, 0), classes
    )
    assert 0.5 < rule.score(seen(classes, 1), classes) < 0.95


def test_dark_nuclei_and_pale_slides_are_where_they_belong() -> None:
    images = draw_cells(np.repeat(np.arange(8), 50), seed=4).reshape(8, 50, 28, 28, 3).astype(float)
    middle = images[:, :, 10:18, 10:18].mean((1, 2, 3, 4))
    corners = images[:, :, :4, :4].mean((1, 2, 3, 4))
    assert (middle < corners - 20).all()
    red_minus_blue = images[:, :, 8:20, 8:20].mean((1, 2, 3)) @ [1, 0, -1]
    assert red_minus_blue[CLASSES.index("eosinophil")] == red_minus_blue[:7].max()


def test_impossible_settings_are_refused() -> None:
    for wrong in ({"train": 0}, {"seed": -1}, {"noise": -0.1}):
        with pytest.raises(RecipeError, match=f"smear.{next(iter(wrong))}"):
            SmearConfig(**wrong)
