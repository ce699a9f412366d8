"""A folder of photographs: the table, the page, and what cannot be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from command_line import CELL_RECIPE, succeed, write_recipe
from ribocyte import Predictor
from ribocyte.applications import cells
from ribocyte.applications.cells import classify_cells
from ribocyte.cells.images import CLASSES
from ribocyte.cells.smear import SmearConfig, draw_cells, write_bloodmnist
from ribocyte.errors import DataError, RequestError
from ribocyte.rna.encoding import RNAEncoding


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    root = tmp_path_factory.mktemp("model")
    write_bloodmnist(root / "bloodmnist" / "bloodmnist.npz", SmearConfig(train=200, val=300, test=80))
    recipe = write_recipe(root / "cells.toml", CELL_RECIPE)
    succeed("train", recipe, "--out", root / "run", "--data", root)
    return Predictor.load(root / "run", device="cpu")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve drawn cells in two folders, a picture of noise, and two files that are no pictures."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, pixels in enumerate(draw_cells(np.arange(12) % 8, seed=5)):
        path = folder / f"slide {number % 2}" / f"cell-{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    noise = np.random.default_rng(0).integers(0, 256, (300, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    (folder / "broken.jpg").write_text("no picture")
    (folder / "empty.tif").touch()
    return folder


def table_of(out: Path) -> pl.DataFrame:
    return pl.read_csv(out / "cells.tsv", separator="\t")


def test_every_photograph_has_its_row(model: Predictor, photographs: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    found = classify_cells(model, [photographs], tmp_path / "out", maps=2, progress=seen.append)
    table = table_of(tmp_path / "out")
    readable = sorted(photographs.rglob("*.png"))
    assert table["file"].to_list() == [str(path) for path in readable]
    assert table.columns[:8] == list(cells.COLUMNS)
    wanted = model.predict(readable)
    assert table["class"].to_list() == wanted["class"].to_list()
    for name in ("probability", "novelty", "doubt", *(f"p_{name}" for name in CLASSES)):
        np.testing.assert_allclose(table[name].to_numpy(), wanted[name].to_numpy(), atol=2e-6)
    assert table["set"].fill_null("").to_list() == wanted["set"].to_list()
    assert sum(found.counts.values()) == found.total == 13
    assert found.counts == {name: (table["class"] == name).sum() for name in CLASSES}
    assert seen[-1] == 15


def test_what_cannot_be_read_is_listed_and_left_out(
    model: Predictor, photographs: Path, tmp_path: Path
) -> None:
    found = classify_cells(model, [photographs], tmp_path / "out", maps=0)
    assert [Path(name).name for name, _ in found.unreadable] == ["broken.jpg", "empty.tif"]
    listed = pl.read_csv(tmp_path / "out" / "unreadable.tsv", separator="\t")
    assert list(listed.iter_rows()) == found.unreadable
    assert found.files == ("cells.tsv", "index.html", "unreadable.tsv")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "broken.jpg" in page
    assert "2 files could not be read" in page


def test_the_page_needs_nothing_else_and_shows_the_most_doubtful_first(
    model: Predictor, photographs: Path, tmp_path: Path
) -> None:
    classify_cells(model, [photographs], tmp_path / "out", shown=5, maps=2)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "SIMULATED" in page  # the model learned drawn cells
    assert (
        page.count("data:image/png;base64,") == 1 + 2 * 4
    )  # the sheet; both kinds of picture, each with a map
    assert "<script" not in page
    table = table_of(tmp_path / "out").sort("doubt", descending=True)
    names = [Path(name).name for name in table["file"]]
    places = [page.index(name) for name in names[:5]]
    assert places == sorted(places)
    assert not any(name in page for name in names[5:])
    assert names[0] == "noise.png"
    assert table["unlike"][0]


def test_portions_change_nothing(
    model: Predictor, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = classify_cells(model, [photographs], tmp_path / "whole", maps=0)
    monkeypatch.setattr(cells, "PORTION", 4)
    parts = classify_cells(model, [photographs], tmp_path / "parts", maps=0)
    assert whole == parts
    one, other = (table_of(tmp_path / name) for name in ("whole", "parts"))
    assert one["set"].equals(other["set"], null_equal=True)
    np.testing.assert_allclose(one["doubt"].to_numpy(), other["doubt"].to_numpy(), atol=1e-5)


def test_a_higher_level_gives_larger_sets(model: Predictor, photographs: Path, tmp_path: Path) -> None:
    sizes = {}
    for level in (0.5, 0.9):
        found = classify_cells(model, [photographs], tmp_path / str(level), level=level, maps=0)
        assert found.level == level
        sizes[level] = table_of(tmp_path / str(level))["set_size"].sum()
    assert sizes[0.5] < sizes[0.9]
    assert model.trust is not None
    assert model.trust.facts()["level"] == 0.95  # the model itself stays as it was


def test_files_may_be_given_beside_folders(model: Predictor, photographs: Path, tmp_path: Path) -> None:
    given = [photographs / "slide 1", photographs / "noise.png"]
    assert classify_cells(model, given, tmp_path / "out", maps=0).total == 7


def test_a_photograph_counts_once(
    model: Predictor, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photographs)
    given = [photographs, Path("slide 1"), Path("slide 0/../noise.png")]
    found = classify_cells(model, given, tmp_path / "out", maps=0)
    assert (found.total, len(found.unreadable)) == (13, 2)


def test_the_page_tells_files_of_one_name_apart(model: Predictor, photographs: Path, tmp_path: Path) -> None:
    for slide in ("one", "two"):
        (tmp_path / "slides" / slide).mkdir(parents=True)
        shutil.copy(photographs / "noise.png", tmp_path / "slides" / slide / "cell.png")
    classify_cells(model, [tmp_path / "slides"], tmp_path / "out", maps=0)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "one/cell.png" in page
    assert "two/cell.png" in page
    assert str(tmp_path) not in page


def test_nothing_to_classify_is_refused_and_leaves_nothing(
    model: Predictor, photographs: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image"):
        classify_cells(model, [tmp_path / "empty"], tmp_path / "out")
    bad = tmp_path / "bad"
    bad.mkdir()
    shutil.copy(photographs / "broken.jpg", bad)
    with pytest.raises(DataError, match=r"broken\.jpg: not an image; expected JPEG"):
        classify_cells(model, [bad], tmp_path / "out")
    shutil.copy(photographs / "empty.tif", bad)
    with pytest.raises(DataError, match=r"not an image; nor can any other of 2 files be read"):
        classify_cells(model, [bad], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "empty"]


def test_a_folder_that_holds_something_is_never_written_into(
    model: Predictor, photographs: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="not an empty folder"):
        classify_cells(model, [photographs], tmp_path, maps=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_model_that_was_never_calibrated_says_how_to(
    model: Predictor, photographs: Path, tmp_path: Path
) -> None:
    older = Predictor(model.network, model.encoding, model.card, "cpu")
    with pytest.raises(RequestError, match=r"never calibrated.*ribocyte calibrate"):
        classify_cells(older, [photographs], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_of_rna_is_refused(model: Predictor, photographs: Path, tmp_path: Path) -> None:
    reader = Predictor(model.network, RNAEncoding(experiments=("RBFOX1",)), model.card, "cpu")
    with pytest.raises(RequestError, match="reads RNA"):
        classify_cells(reader, [photographs], tmp_path / "out")
