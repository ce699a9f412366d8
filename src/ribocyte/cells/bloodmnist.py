"""Labelled blood cells: the BloodMNIST file, and folders of photographs with one subfolder per class."""

from __future__ import annotations

import hashlib
import os
import tokenize
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ribocyte.cells.images import CLASSES, CellEncoding, Pixels, Resample, list_images, read_image
from ribocyte.errors import DataError
from ribocyte.files import Source, data_directories, locate
from ribocyte.learn.recipe import check as check_value
from ribocyte.learn.splits import Info, Split, Splits

BLOODMNIST = Source(
    name="bloodmnist/bloodmnist.npz",
    url="https://zenodo.org/records/10519652/files/bloodmnist.npz?download=1",
    about="BloodMNIST, 17,092 blood cells of eight classes, 28 x 28 px (MedMNIST v2, CC BY 4.0)",
    checksum="md5:7053d0359d879ad8a5505303e11de1dc",
)

SPLITS = ("train", "val", "test")
SIDE = 28
SIMULATION = "simulation"
"""Key that a simulator adds to the file: a JSON text that says how the cells were drawn."""
IG = "ig"
"""How the photographs' publishers call the folder of immature granulocytes (Acevedo et al. 2020)."""

_KEYS = tuple(f"{name}_{what}" for name in SPLITS for what in ("images", "labels"))
_LAYOUT = "an npz with " + ", ".join(_KEYS)

Labels = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class BloodMNISTConfig:
    """The BloodMNIST file, split as published.

    Parameters
    ----------
    augment : bool
        Show the network random flips, quarter turns and moves of the training images.
    shift : int
        Largest such move, in px.
    """

    augment: bool = False
    shift: int = 2

    def __post_init__(self) -> None:
        check_value(0 <= self.shift < SIDE, "data.shift", self.shift, f"from 0 to {SIDE - 1}")


@dataclass(frozen=True)
class CellFolderConfig:
    """A folder of photographs, ``CLASS/*.jpg|png|tif``, split 7:1:2 within each class.

    Parameters
    ----------
    folder : str
        The folder; a relative one is looked for in the data folders, then in the working directory.
    size, crop : int
        Side of the images made, and of the region of a photograph they are made from, in px.
    resample : {"bicubic", "bilinear", "lanczos"}
        How the region is resized. Bicubic is what BloodMNIST was made with: these defaults repeat its images.
    seed : int
        What the assignment of images to splits is drawn from.
    augment, shift
        As in `BloodMNISTConfig`.
    """

    folder: str
    size: int = 28
    crop: int = 200
    resample: Resample = "bicubic"
    seed: int = 42
    augment: bool = False
    shift: int = 2

    def __post_init__(self) -> None:
        check_value(8 <= self.size <= 1024, "data.size", self.size, "from 8 to 1024")
        check_value(self.crop >= 8, "data.crop", self.crop, "8 or more")
        check_value(0 <= self.seed < 2**32, "data.seed", self.seed, "from 0 to 4294967295")
        check_value(0 <= self.shift < self.size, "data.shift", self.shift, "from 0 to below data.size")


def load(config: BloodMNISTConfig, root: Path | None = None) -> Splits:  # noqa: ARG001 - augmenting comes later
    """Read the BloodMNIST file from the data folders.

    Parameters
    ----------
    config : BloodMNISTConfig
        Nothing in it changes what is read.
    root : Path, optional
        The only data folder to look in.

    Returns
    -------
    Splits
        Inputs uint8 (N, 28, 28, 3), targets int64 (N,) numbering `CLASSES`, names such as ``train/00001``.

    Raises
    ------
    DataError
        If the file is missing, damaged, holds pickled objects, or is not laid out as BloodMNIST is.
    """
    path = locate(BLOODMNIST, root)
    arrays = _read(path)
    train, val, test = (
        _split(name, arrays[f"{name}_images"], _labels(path, name, arrays)) for name in SPLITS
    )
    info = Info(
        kind="bloodmnist",
        source=path.name,
        fingerprint="",
        protocol="official",
        outputs=CLASSES,
        normalisation=CellEncoding().normalisation,
        simulated=SIMULATION in arrays,
    )
    return Splits(train, val, test, info).stamped()


def load_folder(config: CellFolderConfig, root: Path | None = None) -> Splits:
    """Read a folder of photographs and split it 7:1:2 within each class.

    Classes are the subfolders in alphabetical order; where they are the eight of BloodMNIST (``ig`` stands
    for the immature granulocytes, as its source has it), in BloodMNIST's order and with its names.

    Parameters
    ----------
    config : CellFolderConfig
        Which folder, and how its images are prepared and split.
    root : Path, optional
        The only data folder to look in for a relative folder.

    Returns
    -------
    Splits
        Inputs uint8 (N, size, size, 3), targets int64 (N,), names such as ``ig/MMY_4594.jpg``.

    Raises
    ------
    DataError
        If the folder is missing, has fewer than two subfolders, a class has fewer than three images, or a
        file is no readable image.
    """
    folder = _find_folder(config.folder, root)
    classes = _classes(folder)
    files = {name: list_images(folder / below) for name, below in classes.items()}
    for name, found in files.items():
        if len(found) < len(SPLITS):
            raise DataError(
                f"{folder / classes[name]}: class {name!r} has {len(found)} images",
                expected="at least 3: one each for training, validation and test",
            )
    shares = [_stratify(len(found), [config.seed, number]) for number, found in enumerate(files.values())]
    splits = []
    for part in range(len(SPLITS)):
        chosen = [
            [found[i] for i in share[part]] for found, share in zip(files.values(), shares, strict=True)
        ]
        splits.append(_read_photographs(chosen, folder, config))
    train, val, test = splits
    info = Info(
        kind="cell-folder",
        source=folder.name,
        fingerprint="",
        protocol="stratified",
        outputs=tuple(classes),
        normalisation=CellEncoding(
            size=config.size, crop=config.crop, resample=config.resample
        ).normalisation,
    )
    return Splits(train, val, test, info).stamped()


def check(root: Path | None = None) -> dict[str, Any]:
    """Describe the BloodMNIST file that `load` would read, without judging it.

    Parameters
    ----------
    root : Path, optional
        The only data folder to look in.

    Returns
    -------
    dict of JSON values
        ``path``, ``md5``, ``official`` (whether the MD5 is the published one), ``simulated``, ``simulation``
        (how, or None), ``image_shape``, ``images`` per split, ``classes`` per split and class, ``repeats``
        (images equal to an earlier one of their split), ``leakage`` (images of the later split found in the
        earlier one, such as ``train/test``), ``conflicts`` (distinct images that carry more than one label).

    Raises
    ------
    DataError
        As `load`.
    """
    path = locate(BLOODMNIST, root)
    arrays = _read(path)
    labels = {name: _labels(path, name, arrays) for name in SPLITS}
    prints = {name: [image.tobytes() for image in arrays[f"{name}_images"]] for name in SPLITS}
    return {
        "path": str(path),
        "md5": _md5(path),
        "official": is_official(path),
        "simulated": SIMULATION in arrays,
        "simulation": str(arrays[SIMULATION]) if SIMULATION in arrays else None,
        "image_shape": list(arrays["train_images"].shape[1:]),
        "images": {name: len(labels[name]) for name in SPLITS},
        "classes": {
            name: dict(zip(CLASSES, np.bincount(labels[name], minlength=len(CLASSES)).tolist(), strict=True))
            for name in SPLITS
        },
        "repeats": {name: len(prints[name]) - len(set(prints[name])) for name in SPLITS},
        "leakage": {
            f"{a}/{b}": sum(map(set(prints[a]).__contains__, prints[b])) for a, b in combinations(SPLITS, 2)
        },
        "conflicts": _conflicts(prints, labels),
    }


def is_official(path: Path) -> bool:
    """Say whether a file is the published one, by its checksum."""
    return f"md5:{_md5(path)}" == BLOODMNIST.checksum


def check_folder(folder: Path) -> dict[str, Any]:
    """Describe the folder of photographs that `load_folder` would read, without judging it.

    Parameters
    ----------
    folder : Path
        With a subfolder of images for each class.

    Returns
    -------
    dict of JSON values
        ``path``, ``images`` (how many files there are), ``classes`` (of each class), ``sizes`` (images of each
        width x height in px), ``unreadable`` (the errors), ``repeats`` (files equal, byte for byte, to an
        earlier one), ``conflicts`` (the names of equal files, where they are of more than one class).

    Raises
    ------
    DataError
        If the folder has fewer than two subfolders.
    """
    sizes, unreadable, equal = Counter[str](), list[str](), dict[bytes, list[tuple[str, str]]]()
    found = {name: list_images(folder / below) for name, below in _classes(folder).items()}
    for name, path in ((name, path) for name, paths in found.items() for path in paths):
        try:
            read_image(path)
        except DataError as error:
            unreadable.append(error.problem)
            continue
        sizes[_size(path)] += 1
        equal.setdefault(hashlib.sha256(path.read_bytes()).digest(), []).append(
            (name, _relative(path, folder))
        )
    conflicts = [same for same in equal.values() if len({name for name, _ in same}) > 1]
    return {
        "path": str(folder),
        "images": sum(map(len, found.values())),
        "classes": {name: len(paths) for name, paths in found.items()},
        "sizes": dict(sizes.most_common()),
        "unreadable": unreadable,
        "repeats": sum(len(same) - 1 for same in equal.values()),
        "conflicts": [" = ".join(written for _, written in same) for same in conflicts],
    }


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _read(path: Path) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Read the arrays of an npz; nothing in it is ever unpickled."""
    try:
        with path.open("rb") as stream:
            _refuse_other_formats(path, stream.read(4))
            stream.seek(0)
            stored = np.load(stream, allow_pickle=False)
            missing = [key for key in _KEYS if key not in stored]
            if missing:
                raise DataError(f"{path}: no key {missing[0]!r} in the file", expected=_LAYOUT)
            arrays = {key: np.asarray(stored[key]) for key in (*_KEYS, SIMULATION) if key in stored}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{path}: damaged or cut short: {error}", expected=_LAYOUT, mend="fetch or copy it again"
        ) from error
    except (ValueError, MemoryError, SyntaxError, tokenize.TokenError) as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: holds pickled objects, which can run any code when they are loaded: refused",
                expected=_LAYOUT,
                mend="fetch the official file",
            ) from error
        raise DataError(f"{path}: an array cannot be read: {error}", expected=_LAYOUT) from error
    _check_layout(path, arrays)
    return arrays


def _refuse_other_formats(path: Path, head: bytes) -> None:
    if head[:1] == b"\x80":
        raise DataError(
            f"{path}: a pickle, which can run any code when it is loaded: refused", expected=_LAYOUT
        )
    if head not in (b"PK\x03\x04", b"PK\x05\x06"):
        raise DataError(f"{path}: not an npz file", expected=_LAYOUT, mend="fetch or copy it again")


def _check_layout(path: Path, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
    for name in SPLITS:
        images, labels = arrays[f"{name}_images"], arrays[f"{name}_labels"]
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (SIDE, SIDE, 3):
            raise DataError(
                f"{path}: {name}_images is {images.dtype} of shape {images.shape}",
                expected=f"uint8 of shape (N, {SIDE}, {SIDE}, 3)",
            )
        if labels.dtype.kind not in "ui" or labels.ndim != 2 or labels.shape[1] != 1:
            raise DataError(
                f"{path}: {name}_labels is {labels.dtype} of shape {labels.shape}",
                expected="whole numbers of shape (N, 1)",
            )
        if len(images) != len(labels):
            raise DataError(
                f"{path}: {len(images)} {name}_images, but {len(labels)} {name}_labels",
                expected="as many of each",
            )


def _labels(path: Path, name: str, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> Labels:
    labels = arrays[f"{name}_labels"][:, 0]
    wrong = (labels < 0) | (labels >= len(CLASSES))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{path}: {name}_labels has {labels[row]} in row {row}", expected=f"0 to {len(CLASSES) - 1}"
        )
    return labels.astype(np.int64)


def _split(name: str, images: Pixels, labels: Labels) -> Split:
    names = np.array([f"{name}/{row:05d}" for row in range(len(labels))], dtype=np.str_)
    return Split(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels), names)


def _conflicts(prints: Mapping[str, Sequence[bytes]], labels: Mapping[str, Labels]) -> int:
    seen: dict[bytes, set[int]] = {}
    for name in SPLITS:
        for image, label in zip(prints[name], labels[name].tolist(), strict=True):
            seen.setdefault(image, set()).add(label)
    return sum(len(given) > 1 for given in seen.values())


def _find_folder(name: str, root: Path | None) -> Path:
    wanted = Path(name).expanduser()
    candidates = [*(directory / wanted for _, directory in data_directories(root)), wanted]
    for folder in candidates:  # an absolute folder is all of the candidates
        if folder.is_dir():
            return folder.resolve()
    looked = ", ".join(str(folder) for folder in dict.fromkeys(candidates))
    raise DataError(
        f"data.folder = {name!r}: no such folder: {looked}", expected="a folder of CLASS/*.jpg|png|tif"
    )


def _classes(folder: Path) -> dict[str, str]:
    """Give the classes in their order, each with the name of its subfolder."""
    below = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if len(below) < 2:
        raise DataError(
            f"{folder}: {len(below)} subfolders",
            expected="two or more, each with the images of the class it names",
        )
    spelled = {CLASSES[3] if name == IG else name: name for name in below}
    if len(spelled) == len(below) and set(spelled) == set(CLASSES):
        return {name: spelled[name] for name in CLASSES}
    return {name: name for name in below}


def _stratify(count: int, seed: Sequence[int]) -> list[list[int]]:
    """Draw the rows of one class, 3 or more, for train, val and test: 7:1:2, at least one in each."""
    rows: list[int] = np.random.default_rng(seed).permutation(count).tolist()
    val, test = max(1, round(0.1 * count)), max(1, round(0.2 * count))
    return [sorted(rows[val + test :]), sorted(rows[:val]), sorted(rows[val : val + test])]


def _read_photographs(chosen: Sequence[Sequence[Path]], folder: Path, config: CellFolderConfig) -> Split:
    files = [path for found in chosen for path in found]
    images = np.stack([read_image(path, config.size, config.crop, config.resample) for path in files])
    targets = torch.arange(len(chosen)).repeat_interleave(torch.tensor([len(found) for found in chosen]))
    names = np.array([_relative(path, folder) for path in files], dtype=np.str_)
    return Split(torch.from_numpy(images), targets, names)


def _relative(path: Path, folder: Path) -> str:
    """Name a file by its path in the folder; a file name may be no UTF-8, a name is."""
    return os.fsencode(path.relative_to(folder)).decode(errors="replace")


def _size(path: Path) -> str:
    """Write the width and height of an image that can be read."""
    with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
        return f"{image.width} x {image.height}"
