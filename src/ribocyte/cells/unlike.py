"""Pictures that show no cell as it should be, made of pictures of cells: what a score of novelty is tried on."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

BLUR = 3
"""Side of the square that is averaged, px: of 28 px, a slight lack of focus."""


def make_unlike(
    images: UInt8[Tensor, "batch size size 3"],
) -> dict[str, UInt8[Tensor, "batch size size 3"]]:
    """Make of each picture four that are unlike it, the same every time.

    Parameters
    ----------
    images : Tensor, uint8, shape (N, size, size, 3), on the CPU

    Returns
    -------
    dict of str to Tensor, uint8, same shape
        ``noise``: normal, with each picture's own mean and spread of red, green and blue, so that colours alone
        do not tell it. ``tissue``: the middles of four pictures side by side, cell next to cell; a stand-in for
        photographed tissue, of which there is none in a data set of cells. ``inverted``: the negative.
        ``blurred``: each pixel the mean of the 3 x 3 about it.
    """
    random = torch.Generator().manual_seed(0)
    values = images.float()
    mean = values.mean(dim=(1, 2), keepdim=True)
    spread = (values - mean).square().mean(dim=(1, 2), keepdim=True).sqrt()
    noise = mean + spread * torch.randn(values.shape, generator=random)
    soft = nn.functional.avg_pool2d(
        values.permute(0, 3, 1, 2), BLUR, stride=1, padding=BLUR // 2, count_include_pad=False
    )
    made = {
        "noise": noise,
        "tissue": _pack(values),
        "inverted": 255 - values,
        "blurred": soft.permute(0, 2, 3, 1),
    }
    return {name: pictures.round().clamp(0, 255).to(torch.uint8) for name, pictures in made.items()}


def _pack(pictures: Tensor) -> Tensor:
    """Lay the middles of each picture and of the three after it side by side, two and two."""
    size = pictures.shape[1]
    half = -(-size // 2)
    first = (size - half) // 2
    middles = pictures[:, first : first + half, first : first + half]
    one, two, three, four = (middles.roll(number, dims=0) for number in range(4))
    rows = torch.cat([torch.cat([one, two], dim=2), torch.cat([three, four], dim=2)], dim=1)
    return rows[:, :size, :size]
