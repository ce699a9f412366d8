"""Pictures of cells as numbers: files to small RGB arrays, arrays to what networks take."""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ribocyte.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from ribocyte.learn.splits import Info

Resample = Literal["bicubic", "bilinear", "lanczos"]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Array = np.ndarray[Any, np.dtype[Any]]

CLASSES: tuple[str, ...] = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature granulocytes",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
"""The eight classes of BloodMNIST in the order of their labels (Yang et al. 2023; Acevedo et al. 2020)."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
FORMATS = ("JPEG", "PNG", "TIFF")
"""What is decoded, whatever a file is called; Pillow's other decoders (some start programs) are not tried."""
SMALLEST = 8
"""Shortest side, in px, that can still show a cell."""

# All that Pillow's decoders raise over damaged bytes; tests/cells/test_images.py damages files at random.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    struct.error,
)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError)
_warning_filters = threading.Lock()


def read_image(path: Path, size: int = 28, crop: int = 200, resample: Resample = "bicubic") -> Pixels:
    """Read a photograph of one cell, in the middle, as BloodMNIST was made from the originals.

    The centre `crop` x `crop` px are cut out and resized; of a picture smaller than that, its largest centred
    square; a picture of `size` x `size` px is taken as it is. EXIF orientation is applied. Grey, palette,
    CMYK and 16-bit grey (its full range) become RGB; what is transparent is laid on white, the bright field.

    Parameters
    ----------
    path : Path
        A JPEG, PNG or TIFF file; of several frames the first.
    size, crop : int
        Sides in px of the result and of the region it is made from.
    resample : {"bicubic", "bilinear", "lanczos"}
        How the region is resized.

    Returns
    -------
    numpy array, uint8, shape (size, size, 3)

    Raises
    ------
    DataError
        If the file is missing, no image, damaged, larger than Pillow's limit against decompression bombs,
        smaller than 8 px on a side, or has more than 16 bits per channel.
    """
    with _opened(path) as image:
        return fit(image, size, crop, resample, name=str(path))


def read_photograph(path: Path) -> Pixels:
    """Read a whole photograph, upright and in RGB: uint8, (H, W, 3); for its errors see `read_image`."""
    with _opened(path) as image:
        return np.asarray(_as_rgb(image, str(path)), dtype=np.uint8)


def centre_box(width: int, height: int, size: int, crop: int) -> tuple[int, int, int, int]:
    """Give what networks see of a picture of `width` x `height` px: left, top, right and bottom, in px.

    A picture of `size` x `size` px is seen whole; of others, the centre `crop` x `crop` px, or as much as there is.
    """
    if (width, height) == (size, size):
        return 0, 0, width, height
    side = min(crop, width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def fit(
    image: Image.Image, size: int, crop: int, resample: Resample = "bicubic", name: str = "image"
) -> Pixels:
    """Cut the centre out of an opened image and bring it to `size` x `size` px, RGB; see `read_image`.

    Raises
    ------
    DataError
        If a side is shorter than 8 px, or a channel has more than 16 bits; `name` says whose.
    """
    _refuse_tiny(image, name)
    image = _as_rgb(image.crop(centre_box(*image.size, size, crop)), name)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling[resample.upper()])
    return np.asarray(image, dtype=np.uint8)


def list_images(folder: Path) -> list[Path]:
    """List the image files in a folder and its subfolders, sorted by path.

    Files count by their suffix (.jpg, .jpeg, .png, .tif, .tiff, in upper or lower case), broken links too: whoever
    reads them tells of it. Hidden files and whatever lies in hidden folders are left out.

    Raises
    ------
    DataError
        If `folder` is no folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", expected="a folder with JPEG, PNG or TIFF images")
    named = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    files = (path for path in named if path.is_file() or not path.exists())  # a broken link does not exist
    shown = (
        path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    return sorted(shown)


@dataclass(frozen=True)
class CellEncoding:
    """How pictures of cells and their classes are written as numbers; a `ribocyte.learn.predictor.Encoding`.

    Parameters
    ----------
    classes : tuple of str
        In the order of the network's outputs.
    size, crop : int
        As in `read_image`.
    mean, std : float
        What networks see is (value / 255 - mean) / std, the same for red, green and blue.
    probabilities : bool
        True where the network already ends in a softmax; otherwise its outputs are logits.
    resample : {"bicubic", "bilinear", "lanczos"}
        As in `read_image`.
    """

    classes: tuple[str, ...] = CLASSES
    size: int = 28
    crop: int = 200
    mean: float = 0.5
    std: float = 0.5
    probabilities: bool = False
    resample: Resample = "bicubic"

    @classmethod
    def from_info(cls, info: Info, probabilities: bool = False) -> CellEncoding:
        """Make the encoding that repeats how a data set was prepared, from what it says of itself."""
        how = info.normalisation
        return cls(
            classes=tuple(info.outputs),
            size=int(how["size"]),
            crop=int(how["crop"]),
            mean=float(how["mean"]),
            std=float(how["std"]),
            probabilities=probabilities,
            resample=how["resample"],
        )

    @property
    def normalisation(self) -> dict[str, Any]:
        """What `from_info` needs to find in an ``Info.normalisation``; JSON values."""
        return {name: getattr(self, name) for name in ("size", "crop", "mean", "std", "resample")}

    def encode(
        self, raw: Sequence[Path | str | Array]
    ) -> tuple[UInt8[Tensor, "batch size size 3"], Int64[Tensor, " batch"]]:
        """Read images; each is one window.

        Parameters
        ----------
        raw : sequence of Path or numpy array
            Files, or RGB pictures as uint8 of shape (H, W, 3).

        Returns
        -------
        Tensor, uint8, shape (N, size, size, 3)
            The images.
        Tensor, int64, shape (N,)
            0 to N - 1: the input each belongs to.

        Raises
        ------
        DataError
            For what is no readable picture; see `read_image`.
        """
        images = np.empty((len(raw), self.size, self.size, 3), dtype=np.uint8)
        for row, item in enumerate(raw):
            images[row] = self._pixels(item, row)
        return torch.from_numpy(images), torch.arange(len(raw))

    def expand(self, compact: UInt8[Tensor, "batch height width 3"]) -> Float[Tensor, "batch 3 height width"]:
        """Turn compact images into what networks take, on the device they lie on.

        Returns
        -------
        Tensor, float32, shape (N, 3, H, W)
            In channels-last order in memory, as the compact images are: nothing is moved, and convolutions
            are faster that way.
        """
        return compact.permute(0, 3, 1, 2).float().div_(255).sub_(self.mean).div_(self.std)

    def decode(self, outputs: Float[Tensor, "batch classes"], owner: Int64[Tensor, " batch"]) -> pl.DataFrame:
        """Turn network outputs into one row per image.

        Parameters
        ----------
        outputs : Tensor, float, shape (N, P)
            Logits, or probabilities where the network ends in a softmax.
        owner : Tensor, int64, shape (N,)
            As `encode` gave it.

        Returns
        -------
        DataFrame
            ``class``: the most probable; ``probability``: how probable; then ``p_CLASS`` for each class.
        """
        import polars as pl

        shares = outputs.float().cpu()[owner.argsort().cpu()]
        shares = shares if self.probabilities else shares.softmax(dim=1)
        best, number = shares.max(dim=1)
        columns = {
            "class": pl.Series([self.classes[i] for i in number.tolist()], dtype=pl.String),
            "probability": best.numpy(),
        }
        each = {
            f"p_{name}": column.numpy() for name, column in zip(self.classes, shares.unbind(1), strict=True)
        }
        return pl.DataFrame(columns | each)

    def _pixels(self, item: Path | str | Array, row: int) -> Pixels:
        if isinstance(item, Path | str):
            return read_image(Path(item), self.size, self.crop, self.resample)
        if item.dtype != np.uint8 or item.ndim != 3 or item.shape[2] != 3:
            raise DataError(
                f"image {row + 1} is {item.dtype} of shape {item.shape}",
                expected="uint8 of shape (height, width, 3)",
            )
        return fit(Image.fromarray(item), self.size, self.crop, self.resample, name=f"image {row + 1}")


def _as_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in {"I", "F"}:
        raise DataError(
            f"{name}: more than 16 bits per channel", expected="8 or 16 bits", mend="convert it to 8 bits"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        slide = Image.new("RGBA", image.size, "white")
        slide.alpha_composite(image)
        image = slide
    return image.convert("RGB")


def _refuse_tiny(image: Image.Image, name: Path | str) -> None:
    width, height = image.size
    if min(width, height) < SMALLEST:
        raise DataError(
            f"{name}: {width} x {height} px shows no cell", expected=f"{SMALLEST} px or more on each side"
        )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture, turned upright; all that opening and decoding may raise becomes a DataError."""
    try:
        with _warnings_of_pillow(), Image.open(path, formats=FORMATS) as image:
            _refuse_tiny(image, path)
            ImageOps.exif_transpose(image, in_place=True)
            yield image
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file", expected="a JPEG, PNG or TIFF image") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image", expected="a JPEG, PNG or TIFF image") from error
    except _BOMB as error:
        raise DataError(
            f"{path}: too many pixels, perhaps a decompression bomb: refused",
            expected=f"at most {Image.MAX_IMAGE_PIXELS} pixels",
            mend="crop the cell out of the picture",
        ) from error
    except _DAMAGE as error:
        raise DataError(
            f"{path}: cannot be read as an image: {_first_line(error)}",
            expected="a whole JPEG, PNG or TIFF image",
            mend="copy it again",
        ) from error


@contextmanager
def _warnings_of_pillow() -> Iterator[None]:
    """Make Pillow's warning about a bomb an error, and keep its others (odd EXIF tags) to itself.

    Python's warning filters belong to the whole process, so only one thread at a time may change them.
    """
    with _warning_filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
