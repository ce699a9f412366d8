"""Many small pictures of cells on one sheet, each with a number and two lines about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ribocyte.cells.images import Pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 7
GAP, TEXT = 0.14, 0.42
"""Between pictures and below each, in sides of a picture."""
LETTERS = 22
"""That fit below a picture."""


def plot_sheet(
    pictures: Sequence[Pixels], labels: Sequence[tuple[str, str]], *, simulated: bool = False
) -> Figure:
    """Lay pictures out in rows of seven, numbered from 1.

    Parameters
    ----------
    pictures : sequence of numpy array, uint8, each of shape (S, S, 3)
        At least one; all of one size.
    labels : sequence of (str, str)
        The two lines below each.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One page wide. All pictures are one embedded image, so that a page with it needs nothing else.
    """
    from matplotlib.patheffects import withStroke

    from ribocyte.learn.plots import PAGE, blank_figure, house_style

    rows = -(-len(pictures) // COLUMNS)
    wide, high = COLUMNS * (1 + GAP) - GAP, rows * (1 + TEXT)
    with house_style():
        figure = blank_figure(PAGE, PAGE * high / wide, simulated)
        panel = figure.subplots()
        panel.set_axis_off()
        panel.imshow(_montage(pictures, rows), interpolation="none", extent=(0, wide, high, 0))
        for number, (first, second) in enumerate(labels):
            x, y = (number % COLUMNS) * (1 + GAP), (number // COLUMNS) * (1 + TEXT)
            outline = [withStroke(linewidth=1.5, foreground="white")]
            panel.text(x + 0.03, y + 0.04, str(number + 1), va="top", weight="bold", path_effects=outline)
            for line, (text, colour) in enumerate(((first, "#222222"), (second, "#767676"))):
                below = y + 1.03 + 0.15 * line
                panel.text(x, below, _shorten(text).replace("$", r"\$"), va="top", fontsize=5.4, color=colour)
    return figure


def _montage(pictures: Sequence[Pixels], rows: int) -> Pixels:
    """Put the pictures where `plot_sheet` wants them, on white."""
    side = pictures[0].shape[0]
    across, down = side + round(GAP * side), side + round(TEXT * side)
    sheet = np.full((rows * down, COLUMNS * across - round(GAP * side), 3), 255, dtype=np.uint8)
    for number, picture in enumerate(pictures):
        x, y = (number % COLUMNS) * across, (number // COLUMNS) * down
        sheet[y : y + side, x : x + side] = picture
    return sheet


def _shorten(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
