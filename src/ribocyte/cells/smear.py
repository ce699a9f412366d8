"""A simulated blood smear: eight classes of drawn cells in the BloodMNIST format.

No measurement is behind these pictures. They let everything that reads BloodMNIST run where the real file is
not. The classes differ as stained cells do, in nucleus, cytoplasm, granules and size (shapes and colours were
chosen by eye beside photographs of Acevedo et al. 2020), and overlap as they do, so that a small network errs
now and then. What a network scores here says nothing about real cells.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ribocyte.cells.bloodmnist import SIMULATION, SPLITS
from ribocyte.cells.images import CLASSES, Pixels
from ribocyte.files import atomic_write
from ribocyte.learn.recipe import check

SIDE = 28
SHARES = (0.071, 0.182, 0.091, 0.169, 0.071, 0.083, 0.195, 0.137)
"""Part of each class in BloodMNIST (1,218 basophils to 2,348 platelets of 17,092)."""

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Range = tuple[float, float]
Colour = tuple[int, int, int]

_SLIDE: Colour = (253, 228, 206)
_RED_CELL: Colour = (206, 170, 168)
_SPECK: Colour = (112, 66, 146)
_CHUNK = 256  # images drawn at a time: their layers stay in the processor's cache
_RED_CELLS = 9


@dataclass(frozen=True)
class SmearConfig:
    """How many cells to draw, and how.

    Parameters
    ----------
    train, val, test : int
        Images per split, classes in the proportions of BloodMNIST.
    seed : int
        Same seed, same file.
    noise : float
        Standard deviation of the camera's noise, in grey levels of 255.
    """

    train: int = 2800
    val: int = 400
    test: int = 800
    seed: int = 0
    noise: float = 4.0

    def __post_init__(self) -> None:
        for name in SPLITS:
            check(getattr(self, name) >= 1, f"smear.{name}", getattr(self, name), "1 or more")
        check(0 <= self.seed < 2**32, "smear.seed", self.seed, "from 0 to 4294967295")
        check(0 <= self.noise <= 100, "smear.noise", self.noise, "from 0 to 100")


@dataclass(frozen=True)
class Look:
    """What the cells of a class look like; every pair is a range that each cell draws from evenly.

    Parameters
    ----------
    radius : (float, float)
        Of the cell, in px of 7 photographed ones.
    lobes : (int, int)
        Parts of the nucleus, drawn as ellipses along an arc; 0 where there is none.
    arc : (float, float)
        Angle between the first and the last lobe, in radians.
    reach, lobe : (float, float)
        Distance of the lobes from the cell's centre, and their radius, as parts of the cell's.
    cytoplasm, nucleus, granule : (int, int, int)
        Colours, red green blue.
    granules, cover : (float, float)
        How dense granules lie over the cytoplasm and over the nucleus, 0 to 1.
    wobble : float
        How far the outline strays from an ellipse, as a part of the radius.
    """

    radius: Range
    lobes: tuple[int, int]
    arc: Range
    reach: Range
    lobe: Range
    cytoplasm: Colour
    nucleus: Colour
    granule: Colour
    granules: Range
    cover: Range
    wobble: float


LOOKS: dict[str, Look] = {
    "basophil": Look(
        (7.0, 10.4), (1, 4), (1.0, 4.0), (0.15, 0.4), (0.45, 0.75),
        (172, 128, 174), (90, 52, 136), (58, 26, 108), (0.5, 1.5), (0.3, 1.4), 0.05,
    ),
    "eosinophil": Look(
        (8.0, 10.6), (2, 4), (1.5, 3.2), (0.35, 0.5), (0.3, 0.44),
        (208, 150, 172), (84, 44, 132), (208, 106, 100), (0.1, 1.3), (0.0, 0.2), 0.07,
    ),
    "erythroblast": Look(
        (5.2, 7.6), (1, 1), (0.0, 0.0), (0.0, 0.2), (0.5, 0.78),
        (162, 142, 188), (52, 28, 98), (120, 96, 160), (0.0, 0.25), (0.0, 0.1), 0.07,
    ),
    "immature granulocytes": Look(
        (7.8, 11.2), (1, 3), (0.3, 2.0), (0.1, 0.36), (0.54, 0.78),
        (158, 120, 180), (94, 50, 142), (132, 74, 154), (0.15, 0.8), (0.1, 0.45), 0.07,
    ),
    "lymphocyte": Look(
        (5.6, 8.4), (1, 1), (0.0, 0.0), (0.0, 0.14), (0.78, 0.95),
        (134, 118, 194), (76, 38, 128), (110, 80, 160), (0.0, 0.25), (0.0, 0.25), 0.08,
    ),
    "monocyte": Look(
        (8.2, 11.4), (2, 5), (1.2, 3.4), (0.24, 0.46), (0.38, 0.58),
        (164, 144, 190), (98, 54, 142), (134, 106, 168), (0.05, 0.5), (0.0, 0.3), 0.14,
    ),
    "neutrophil": Look(
        (7.6, 10.2), (3, 5), (1.8, 4.4), (0.4, 0.54), (0.26, 0.36),
        (216, 174, 194), (76, 40, 126), (188, 128, 170), (0.1, 0.7), (0.0, 0.15), 0.08,
    ),
    "platelet": Look(
        (2.4, 4.8), (0, 0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0),
        (176, 134, 178), (120, 70, 150), (98, 48, 132), (0.3, 1.0), (0.0, 0.0), 0.14,
    ),
}  # fmt: skip


def draw_cells(
    classes: Sequence[int] | np.ndarray[Any, np.dtype[Any]], seed: int, noise: float = 4.0
) -> Pixels:
    """Draw synthetic cells, as a camera above a stained smear might see them.

    Parameters
    ----------
    classes : sequence of int, shape (N,)
        Numbers of `CLASSES`.
    seed : int
        Same seed and classes, same pictures.
    noise : float
        Standard deviation of the camera's noise, in grey levels.

    Returns
    -------
    numpy array, uint8, shape (N, 28, 28, 3)
    """
    numbers = np.asarray(classes, dtype=np.int64)
    images = np.empty((len(numbers), SIDE, SIDE, 3), dtype=np.uint8)
    for number, start in enumerate(range(0, len(numbers), _CHUNK)):
        rows = slice(start, start + _CHUNK)
        images[rows] = _Smear(numbers[rows], np.random.default_rng([seed, number])).photograph(noise)
    return images


def write_bloodmnist(path: Path, config: SmearConfig | None = None) -> None:
    """Write a simulated data set in the layout of ``bloodmnist.npz``, atomically.

    A seventh key, ``simulation``, holds a JSON text that says so; same configuration, same bytes.

    Parameters
    ----------
    path : Path
        The file; one that exists is replaced.
    config : SmearConfig, optional
        How many cells, and how they are drawn.

    Raises
    ------
    DiskError
        If the file cannot be written.
    """
    config = config or SmearConfig()
    stamp = {"simulated": True, "by": "ribocyte.cells.smear", "about": "drawn cells, no measurement"}
    arrays: dict[str, np.ndarray[Any, np.dtype[Any]]] = {
        SIMULATION: np.array(json.dumps({**stamp, **asdict(config)}))
    }
    for number, name in enumerate(SPLITS):
        labels = _labels(getattr(config, name), np.random.default_rng([config.seed, number]))
        # Seeds of their own: the validation images must not repeat the training images.
        arrays[f"{name}_images"] = draw_cells(labels, config.seed * len(SPLITS) + number, config.noise)
        arrays[f"{name}_labels"] = labels.astype(np.uint8)[:, None]
    with atomic_write(path) as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # no key of ours is a parameter


def _labels(count: int, random: np.random.Generator) -> Numbers:
    """Give `count` labels in random order; the classes' counts are BloodMNIST's shares, rounded."""
    edges = np.rint(np.cumsum(SHARES) / sum(SHARES) * count).astype(np.int64)
    return random.permutation(np.repeat(np.arange(len(CLASSES)), np.diff(edges, prepend=0)))


class _Smear:
    """A batch of pictures while they are painted, layer upon layer.

    `canvas` is float32 (N, 3, 28, 28) in grey levels. Masks are (N, 28, 28), 0 outside to 1 inside, with an
    edge about a px wide. Numbers per picture have the shape (N, 1, 1), colours (N, 3, 1, 1) or (3, 1, 1).
    """

    def __init__(self, classes: Numbers, random: np.random.Generator) -> None:
        self.random, self.count = random, len(classes)
        self.looks = [LOOKS[CLASSES[i]] for i in classes]
        place = np.arange(SIDE, dtype=np.float32) - np.float32((SIDE - 1) / 2)
        self.x, self.y = place[None, None, :], place[None, :, None]
        self.canvas: Floats = np.tile(_colour(_SLIDE), (self.count, 1, SIDE, SIDE))

    def photograph(self, noise: float) -> Pixels:
        """Paint all layers, then look at them through stain, lens and camera."""
        self.paint_red_cells()
        self.paint_specks()
        self.paint_cells()
        self.stain()
        self.blur()
        self.canvas += noise * self.random.standard_normal(self.canvas.shape, dtype=np.float32)
        levels: Pixels = np.rint(self.canvas.clip(0, 255)).astype(np.uint8)
        return levels.transpose(0, 2, 3, 1)

    def paint_red_cells(self) -> None:
        """Paint pale discs with a paler middle around, and partly under, where the cell will lie."""
        for _ in range(_RED_CELLS):
            angle, distance = self.between(0, 2 * np.pi), self.between(8, 20)
            x, y, wide = distance * np.cos(angle), distance * np.sin(angle), self.between(3.4, 5.2)
            high, tilt = wide * self.between(0.75, 1), self.between(0, np.pi)
            tint = _colour(_RED_CELL) + self.between(-14, 14)[:, None]
            self.paint(self.between(0.4, 1) * self.ellipse(x, y, wide, high, tilt), tint)
            dent = self.between(0, 1.1).clip(0, 1)
            self.paint(dent * self.ellipse(x, y, wide / 2, high / 2, tilt, soft=2.0), _colour(_SLIDE))

    def paint_specks(self) -> None:
        """Paint, in one picture of five, a stray platelet or a grain of stain somewhere."""
        x, y, radius = self.between(-14, 14), self.between(-14, 14), self.between(0.6, 1.8)
        there = (self.between(0, 1) < 0.2).astype(np.float32)
        self.paint(there * self.ellipse(x, y, radius, radius, radius), _colour(_SPECK))

    def paint_cells(self) -> None:
        """Paint the cell: cytoplasm and its granules, nucleus and what covers it."""
        x, y, turn = self.between(-2, 2), self.between(-2, 2), self.between(0, 2 * np.pi)
        radius = self.drawn("radius")
        cell = self.outline(x, y, radius, turn)
        nucleus = cell * self.nucleus(x, y, radius, turn)
        granule = self.colours("granule")
        # The same colour differs more from stain to stain than the colours of some classes differ.
        cytoplasm = self.colours("cytoplasm") + self.between(-16, 16)[:, None] + self.tint(12)
        self.paint(cell * self.between(0.8, 1), cytoplasm)
        self.paint(cell * (self.drawn("granules") * self.grain(0.3)).clip(0, 1), granule)
        chromatin = self.between(-12, 16) + self.between(10, 60) * (self.grain(0.5) - 0.5)
        self.paint(nucleus, self.colours("nucleus") + chromatin[:, None] + self.tint(9))
        self.paint(nucleus * (self.drawn("cover") * self.grain(0.3)).clip(0, 1), granule)

    def outline(self, x: Floats, y: Floats, radius: Floats, turn: Floats) -> Floats:
        """Give the mask of a cell whose outline strays a little from a circle."""
        wobble = np.array([look.wobble for look in self.looks], dtype=np.float32)[:, None, None]
        angle = np.arctan2(self.y - y, self.x - x)
        oval, pear = np.cos(2 * (angle - turn)), np.cos(3 * angle + turn)
        stray = self.between(0, 1.5) * oval + self.between(0, 1) * pear
        return _inside(np.hypot(self.x - x, self.y - y) - radius * (1 + wobble * stray), 1.2)

    def nucleus(self, x: Floats, y: Floats, radius: Floats, turn: Floats) -> Floats:
        """Give the mask of a nucleus: lobes along an arc around the cell's centre, some melted together."""
        lobes, arc = self.counted("lobes"), self.drawn("arc")
        reach, size = self.drawn("reach") * radius, self.drawn("lobe") * radius
        mask = np.zeros((self.count, SIDE, SIDE), dtype=np.float32)
        for number in range(max(look.lobes[1] for look in LOOKS.values())):
            angle = turn + arc * (number / np.maximum(lobes - 1, 1) - 0.5) + self.between(-0.15, 0.15)
            wide, high = size * self.between(0.85, 1.15), size * self.between(0.85, 1.15)
            across, down = x + reach * np.cos(angle), y + reach * np.sin(angle)
            lobe = self.ellipse(across, down, wide.clip(0.1), high.clip(0.1), angle)
            np.maximum(mask, lobe * (number < lobes), out=mask)
        return mask

    def ellipse(
        self, x: Floats, y: Floats, wide: Floats, high: Floats, turn: Floats, soft: float = 1.2
    ) -> Floats:
        """Give the mask of an ellipse with half axes `wide`, at `turn` to the x axis, and `high`."""
        right, down = self.x - x, self.y - y
        along = (right * np.cos(turn) + down * np.sin(turn)) / wide
        across = (down * np.cos(turn) - right * np.sin(turn)) / high
        return _inside((np.hypot(along, across) - 1) * np.minimum(wide, high), soft)

    def grain(self, smooth: float) -> Floats:
        """Give a random texture of dots from 0 to 1, more or less fused with their neighbours."""
        dots: Floats = self.random.random((self.count, SIDE, SIDE), dtype=np.float32)
        near: Floats = np.roll(dots, 1, 1) + np.roll(dots, 1, 2)
        return dots * np.float32(1 - smooth) + near * np.float32(smooth / 2)

    def paint(self, mask: Floats, colour: Floats) -> None:
        """Lay a colour over the canvas where the mask is."""
        self.canvas += mask[:, None] * (colour - self.canvas)

    def stain(self) -> None:
        """Change how deeply everything took the stain, and the light's colour."""
        depth = self.between(0.86, 1.15)[:, None]
        self.canvas = 255 - depth * (255 - self.canvas) + self.tint(4)

    def blur(self) -> None:
        """Put each picture more or less out of focus."""
        edge = np.pad(self.canvas, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        rows = (edge[:, :, :-2] + edge[:, :, 1:-1] * 2 + edge[:, :, 2:]) / 4
        soft = (rows[..., :-2] + rows[..., 1:-1] * 2 + rows[..., 2:]) / 4
        self.canvas += self.between(0, 0.9)[:, None] * (soft - self.canvas)

    def between(self, low: float, high: float) -> Floats:
        """Draw a number per picture."""
        return self.random.random((self.count, 1, 1), dtype=np.float32) * (high - low) + low

    def tint(self, most: float) -> Floats:
        """Draw a change of colour per picture, up to `most` grey levels in each channel."""
        return self.random.random((self.count, 3, 1, 1), dtype=np.float32) * (2 * most) - most

    def drawn(self, name: str) -> Floats:
        """Draw a number per picture from the range that the look of its class gives."""
        low, high = self.ranges(name)
        return low + (high - low) * self.random.random(low.shape, dtype=np.float32)

    def counted(self, name: str) -> Floats:
        """Draw a whole number per picture, both ends of its class's range included."""
        low, high = self.ranges(name)
        return np.floor(low + (high - low + 1) * self.random.random(low.shape, dtype=np.float32))

    def ranges(self, name: str) -> tuple[Floats, Floats]:
        """Give the ends of a range per picture, as the look of its class has it."""
        ends = np.array([getattr(look, name) for look in self.looks], dtype=np.float32)[:, :, None, None]
        return ends[:, 0], ends[:, 1]

    def colours(self, name: str) -> Floats:
        """Give a colour per picture, as the look of its class has it."""
        return np.stack([_colour(getattr(look, name)) for look in self.looks])


def _colour(levels: Colour) -> Floats:
    return np.array(levels, dtype=np.float32)[:, None, None]


def _inside(distance: Floats, soft: float) -> Floats:
    """Turn signed distances from an outline, negative inside, into a mask with an edge `soft` px wide."""
    return (np.float32(0.5) - distance / np.float32(soft)).clip(0, 1)
