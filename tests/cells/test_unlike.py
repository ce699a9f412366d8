"""Pictures made unlike cells: what each kind is, computed pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ribocyte.cells.unlike import make_unlike


@pytest.fixture
def cells() -> Tensor:
    random = torch.Generator().manual_seed(1)
    base = torch.randint(60, 180, (5, 1, 1, 3), generator=random)
    return (base + torch.randint(-50, 50, (5, 9, 9, 3), generator=random)).to(torch.uint8)


def test_all_are_pictures_of_the_same_form_and_the_same_every_time(cells: Tensor) -> None:
    made, again = make_unlike(cells), make_unlike(cells)
    assert list(made) == ["noise", "tissue", "inverted", "blurred"]
    for kind, pictures in made.items():
        assert (pictures.shape, pictures.dtype) == (cells.shape, torch.uint8)
        assert pictures.equal(again[kind])
        assert not pictures.equal(cells)


def test_noise_has_the_colours_of_its_picture() -> None:
    plain = torch.tensor([200, 100, 50], dtype=torch.uint8).expand(2, 40, 40, 3)
    assert make_unlike(plain)["noise"].equal(plain)
    spotted = plain.clone()
    spotted[:, ::2] -= 20
    noise = make_unlike(spotted)["noise"].double()
    torch.testing.assert_close(noise.mean(dim=(1, 2)), spotted.double().mean(dim=(1, 2)), atol=1.0, rtol=0)
    torch.testing.assert_close(noise.std(dim=(1, 2)), spotted.double().std(dim=(1, 2)), atol=0.7, rtol=0)


def test_tissue_is_the_middles_of_four_pictures(cells: Tensor) -> None:
    tissue, middle = make_unlike(cells)["tissue"], cells[:, 2:7, 2:7]
    assert tissue[3, :5, :5].equal(middle[3])
    assert tissue[3, :5, 5:].equal(middle[2, :, :4])
    assert tissue[3, 5:, :5].equal(middle[1, :4])
    assert tissue[3, 5:, 5:].equal(middle[0, :4, :4])


def test_blurred_pixels_are_the_mean_of_those_about_them(cells: Tensor) -> None:
    soft, values = make_unlike(cells)["blurred"].numpy(), cells.numpy().astype(float)
    for row, column in ((4, 4), (0, 0), (8, 3)):
        around = values[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].mean(axis=(1, 2))
        np.testing.assert_allclose(soft[:, row, column], around, atol=0.51)


def test_the_negative_of_the_negative_is_the_picture(cells: Tensor) -> None:
    assert make_unlike(make_unlike(cells)["inverted"])["inverted"].equal(cells)


def test_nothing_gives_nothing(cells: Tensor) -> None:
    assert all(len(pictures) == 0 for pictures in make_unlike(cells[:0]).values())
