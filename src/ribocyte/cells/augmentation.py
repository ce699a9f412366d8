"""Random views of pictures of cells, for training."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def augment(
    images: Float[Tensor, "batch 3 height width"], generator: torch.Generator, shift: int = 2
) -> Float[Tensor, "batch 3 height width"]:
    """Give each image a random view: one of the eight flips and quarter turns, moved by up to `shift` px.

    A cell on a slide has no up and no left, so every view is as likely as the original. What a move uncovers
    is filled with the reflection of what lies inside.

    Parameters
    ----------
    images : Tensor, float, shape (N, 3, H, H), on any device
        In either memory order, which the result keeps.
    generator : torch.Generator
        The only source of randomness; one draw per image is taken from it.
    shift : int
        Largest move along each axis, in px; less than H.

    Returns
    -------
    Tensor, same shape, dtype and memory order
        Copies; the images are left as they are.

    Raises
    ------
    ValueError
        If the images are not square, or `shift` is not from 0 to H - 1.
    """
    count, channels, side, width = images.shape
    if side != width or not 0 <= shift < side:
        raise ValueError(
            f"square images and a shift below their side are needed, not {side} x {width} and {shift}"
        )
    source = _views(count, side, shift, generator, images.device).view(count, 1, side * side)
    viewed = torch.empty_like(images)
    # Written where it stays: gathering first and ordering then takes half as long again.
    flat = viewed.view(count, channels, side * side)
    torch.gather(images.flatten(2), 2, source.expand(-1, channels, -1), out=flat)
    return viewed


def _views(
    count: int, side: int, shift: int, generator: torch.Generator, device: torch.device
) -> Int64[Tensor, "batch side side"]:
    """Draw a view per image: for each of its pixels, the number of the pixel to show there."""
    moves = 2 * shift + 1
    draw = torch.randint(8 * moves * moves, (count, 1), generator=generator, device=generator.device).to(
        device
    )
    turn, move = draw % 8, draw // 8
    here = torch.arange(side, device=device)

    def along(moved: Tensor, flipped: Tensor) -> Tensor:
        last = side - 1
        inside = last - (last - (here + moved - shift).abs()).abs()
        return torch.where(flipped.bool(), last - inside, inside)

    down, right = along(move % moves, turn & 1), along(move // moves, turn & 2)
    # A flip of both axes is a half turn; a flip and the exchange of the axes a quarter turn.
    step = torch.where((turn & 4).bool(), torch.tensor(1, device=device), torch.tensor(side, device=device))
    return (down * step)[:, :, None] + (right * (side + 1 - step))[:, None, :]
