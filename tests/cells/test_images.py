"""Reading pictures, and writing them as numbers."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ribocyte.cells.images import CLASSES, CellEncoding, list_images, read_image
from ribocyte.errors import DataError
from ribocyte.learn.splits import Info

RANDOM = np.random.default_rng(0)
PHOTOGRAPH = RANDOM.integers(0, 256, (363, 360, 3), dtype=np.uint8)
SMALL = RANDOM.integers(0, 256, (28, 28, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image | np.ndarray, **how: object) -> Path:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **how)
    return path


def test_the_classes_are_those_of_bloodmnist_in_its_order() -> None:
    assert len(CLASSES) == 8
    assert (CLASSES[0], CLASSES[3], CLASSES[7]) == ("basophil", "immature granulocytes", "platelet")


class TestReading:
    @pytest.mark.parametrize("resample", ["bicubic", "bilinear", "lanczos"])
    def test_a_photograph_is_its_centre_made_small(self, tmp_path: Path, resample: str) -> None:
        path = saved(tmp_path / "cell.png", PHOTOGRAPH)
        centre = Image.fromarray(PHOTOGRAPH[81:281, 80:280].copy())
        expected = centre.resize((28, 28), getattr(Image.Resampling, resample.upper()))
        np.testing.assert_array_equal(read_image(path, resample=resample), np.asarray(expected))

    def test_a_picture_of_the_right_size_is_taken_as_it_is(self, tmp_path: Path) -> None:
        np.testing.assert_array_equal(read_image(saved(tmp_path / "cell.png", SMALL)), SMALL)

    def test_a_picture_smaller_than_the_crop_gives_its_largest_square(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "cell.tif", PHOTOGRAPH[:60, :101])
        expected = Image.fromarray(PHOTOGRAPH[:60, 20:80].copy()).resize((28, 28), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(read_image(path), np.asarray(expected))

    def test_size_and_crop_are_asked_for(self, tmp_path: Path) -> None:
        assert read_image(saved(tmp_path / "cell.png", PHOTOGRAPH), size=64, crop=300).shape == (64, 64, 3)

    def test_grey_pictures_have_three_equal_channels(self, tmp_path: Path) -> None:
        read = read_image(saved(tmp_path / "cell.png", SMALL[..., 0]))
        np.testing.assert_array_equal(read, np.repeat(SMALL[..., :1], 3, axis=2))

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_16_bit_grey_keeps_the_upper_8(self, tmp_path: Path, suffix: str) -> None:
        deep = SMALL[..., 0].astype(np.uint16) * 256 + 77
        read = read_image(saved(tmp_path / f"cell.{suffix}", deep))
        np.testing.assert_array_equal(read[..., 1], SMALL[..., 0])

    def test_a_transparent_picture_lies_on_white(self, tmp_path: Path) -> None:
        alpha = np.zeros((28, 28, 1), dtype=np.uint8)
        alpha[:, 14:] = 255
        read = read_image(saved(tmp_path / "cell.png", np.concatenate([SMALL, alpha], axis=2)))
        assert (read[:, :14] == 255).all()
        np.testing.assert_array_equal(read[:, 14:], SMALL[:, 14:])

    def test_a_palette_is_looked_up_and_its_transparent_entry_is_white(self, tmp_path: Path) -> None:
        picture = Image.fromarray((np.arange(784).reshape(28, 28) % 2).astype(np.uint8), mode="L").convert(
            "P"
        )
        picture.putpalette([10, 20, 30, 40, 50, 60])
        opaque = read_image(saved(tmp_path / "opaque.png", picture))
        clear = read_image(saved(tmp_path / "clear.png", picture, transparency=0))
        assert opaque[0, 0].tolist() == [10, 20, 30]
        assert clear[0, :2].tolist() == [[255] * 3, [40, 50, 60]]

    def test_black_and_white_and_cmyk_pictures_are_read(self, tmp_path: Path) -> None:
        flat = Image.new("CMYK", (40, 40), (0, 0, 0, 0))
        assert (read_image(saved(tmp_path / "cell.jpg", flat)) == 255).all()
        assert (read_image(saved(tmp_path / "cell.png", Image.new("1", (40, 40), 1))) == 255).all()

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_the_camera_s_orientation_is_respected(self, tmp_path: Path, suffix: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # the top of the scene is the right side of the stored picture
        path = saved(tmp_path / f"cell.{suffix}", np.rot90(SMALL).copy(), exif=exif)
        np.testing.assert_array_equal(read_image(path), SMALL)

    @pytest.mark.real_data
    def test_the_originals_become_exactly_the_images_of_bloodmnist(self, data_root: Path) -> None:
        with np.load(data_root / "bloodmnist" / "bloodmnist.npz") as stored:
            known = dict(zip(map(bytes, stored["test_images"]), stored["test_labels"][:, 0], strict=True))
        photographs = list_images(data_root / "cells_raw")
        labels = [known[read_image(path).tobytes()] for path in photographs]
        assert labels == [number for number in range(8) for _ in range(3)]


def png_of_claimed_size(width: int, height: int) -> bytes:
    """A small file that says it is large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


class TestBadPictures:
    @pytest.mark.parametrize("side", [10_000, 30_000])  # Pillow warns of the first and refuses the second
    def test_a_bomb_is_refused_and_nothing_global_changes(self, tmp_path: Path, side: int) -> None:
        path = tmp_path / "bomb.png"
        path.write_bytes(png_of_claimed_size(side, side))
        before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
        with pytest.raises(DataError, match=r"bomb\.png.*too many pixels"):
            read_image(path)
        assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before

    @pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 7)])
    def test_a_tiny_picture_is_refused(self, tmp_path: Path, shape: tuple[int, int]) -> None:
        path = saved(tmp_path / "dot.png", np.zeros((*shape, 3), dtype=np.uint8))
        with pytest.raises(DataError, match=r"dot\.png: .* px shows no cell; expected 8 px or more"):
            read_image(path)

    def test_what_is_no_image_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.jpg"
        path.write_text("cells seen on Monday")
        with pytest.raises(DataError, match=r"notes\.jpg: not an image; expected a JPEG"):
            read_image(path)

    def test_formats_that_are_not_asked_for_are_no_images(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="not an image"):
            read_image(saved(tmp_path / "cell.png", SMALL, format="BMP"))

    @pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
    def test_a_truncated_image_is_refused(self, tmp_path: Path, suffix: str) -> None:
        path = saved(tmp_path / f"cell.{suffix}", PHOTOGRAPH)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match=r"cell\.\w+: (cannot be read|not an image)"):
            read_image(path)

    def test_an_empty_file_a_missing_one_and_a_folder_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "empty.png").touch()
        with pytest.raises(DataError, match="not an image"):
            read_image(tmp_path / "empty.png")
        with pytest.raises(DataError, match=r"gone\.png: no such file"):
            read_image(tmp_path / "gone.png")
        with pytest.raises(DataError, match="cannot be read"):
            read_image(tmp_path)

    def test_numbers_that_are_no_grey_levels_are_refused(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "cell.tif", np.zeros((28, 28), dtype=np.float32))
        with pytest.raises(DataError, match="more than 16 bits"):
            read_image(path)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        kind=st.sampled_from(["JPEG", "PNG", "TIFF"]),
        damage=st.lists(
            st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6
        ),
        kept=st.floats(0, 1),
    )
    def test_damaged_bytes_give_an_image_or_a_clear_error(
        self, tmp_path: Path, kind: str, damage: list[tuple[float, bytes]], kept: float
    ) -> None:
        stream = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 3
        Image.fromarray(PHOTOGRAPH[:40, :44].copy()).save(stream, kind, exif=exif)
        content = bytearray(stream.getvalue())
        for where, what in damage:
            # Squared: most of what can go wrong is in the header.
            start = int(where**2 * len(content))
            content[start : start + len(what)] = what
        path = tmp_path / "damaged"
        path.write_bytes(content[: int(len(content) * (kept if kept < 0.9 else 1))])
        try:
            assert read_image(path).shape == (28, 28, 3)
        except DataError as error:
            said = error.problem
        else:
            said = str(path)
        assert str(path) in said


def test_images_are_listed_in_order_without_hidden_files(tmp_path: Path) -> None:
    names = ["b/2.JPG", "b/1.jpeg", "a.png", "c.TIFF", "d.tif", "notes.txt", ".hidden.png", ".trash/x.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "e.png").symlink_to("nowhere")
    (tmp_path / "folder.png").mkdir()
    listed = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert listed == ["a.png", "b/1.jpeg", "b/2.JPG", "c.TIFF", "d.tif", "e.png"]
    with pytest.raises(DataError, match=r"a\.png: no such folder"):
        list_images(tmp_path / "a.png")


class TestEncoding:
    def test_files_and_arrays_are_encoded_in_order(self, tmp_path: Path) -> None:
        compact, owner = CellEncoding().encode([SMALL, saved(tmp_path / "cell.png", PHOTOGRAPH), PHOTOGRAPH])
        assert (compact.dtype, compact.shape, owner.tolist()) == (torch.uint8, (3, 28, 28, 3), [0, 1, 2])
        np.testing.assert_array_equal(compact[0].numpy(), SMALL)
        assert torch.equal(compact[1], compact[2])

    def test_nothing_is_encoded_as_nothing(self) -> None:
        compact, owner = CellEncoding().encode([])
        assert compact.shape == (0, 28, 28, 3)
        assert CellEncoding().decode(torch.empty(0, 8), owner).shape == (0, 10)

    @pytest.mark.parametrize(
        "bad", [np.zeros((28, 28, 3)), np.zeros((28, 28), np.uint8), np.zeros((28, 28, 4), np.uint8)]
    )
    def test_an_array_that_is_no_rgb_picture_is_named(self, bad: np.ndarray) -> None:
        with pytest.raises(DataError, match="image 2 is"):
            CellEncoding().encode([SMALL, bad])

    def test_expanding_normalises_and_moves_nothing(self) -> None:
        compact = torch.from_numpy(RANDOM.integers(0, 256, (5, 28, 28, 3), dtype=np.uint8))
        expanded = CellEncoding(mean=0.25, std=0.125).expand(compact)
        expected = (compact.numpy().transpose(0, 3, 1, 2).astype(np.float64) / 255 - 0.25) / 0.125
        np.testing.assert_allclose(expanded.numpy(), expected, rtol=0, atol=2e-6)
        assert expanded.is_contiguous(memory_format=torch.channels_last)

    def test_by_default_it_is_the_assignment_s_normalisation_to_the_bit(self) -> None:
        levels = torch.arange(256, dtype=torch.uint8).repeat_interleave(3).view(1, 16, 16, 3)
        assert torch.equal(
            CellEncoding().expand(levels)[0, 0].flatten(), (torch.arange(256) / 255 - 0.5) / 0.5
        )

    @given(st.lists(st.lists(st.floats(-20, 20, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
    def test_logits_become_probabilities(self, logits: list[list[float]]) -> None:
        encoding = CellEncoding(classes=("x", "y", "z"))
        table = encoding.decode(torch.tensor(logits), torch.arange(len(logits)))
        assert table.columns == ["class", "probability", "p_x", "p_y", "p_z"]
        shares = np.exp(np.array(logits))
        shares /= shares.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(table.select("^p_.*$").to_numpy(), shares, atol=1e-6)
        np.testing.assert_allclose(table["probability"], shares.max(axis=1), atol=1e-6)
        chosen = np.array([["x", "y", "z"].index(name) for name in table["class"]])
        np.testing.assert_allclose(shares[np.arange(len(shares)), chosen], shares.max(axis=1), atol=1e-6)

    def test_probabilities_stay_as_they_are(self) -> None:
        table = CellEncoding(classes=("x", "y"), probabilities=True).decode(
            torch.tensor([[0.3, 0.7]]), torch.tensor([0])
        )
        assert table.row(0) == pytest.approx(("y", 0.7, 0.3, 0.7))
        assert table.schema["p_x"] == pl.Float32

    def test_it_is_rebuilt_from_what_a_data_set_says_of_itself(self) -> None:
        encoding = CellEncoding(classes=("x", "y"), size=64, crop=300, mean=0.4, std=0.2, resample="lanczos")
        info = Info("cell-folder", "cells", "", "stratified", ("x", "y"), encoding.normalisation)
        assert CellEncoding.from_info(Info.from_json(info.as_json())) == encoding
        assert CellEncoding.from_info(info, probabilities=True).probabilities
