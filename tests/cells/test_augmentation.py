"""Random views of pictures: each is one that numpy makes too."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from ribocyte.cells.augmentation import augment

RANDOM = np.random.default_rng(0)


def all_views(image: np.ndarray, shift: int) -> dict[bytes, tuple[int, ...]]:
    """Every flip, quarter turn and move of a picture (H, H, 3), made with numpy's own functions."""
    views = {}
    side = len(image)
    for turns, flipped in itertools.product(range(4), (False, True)):
        turned = np.rot90(image[:, ::-1] if flipped else image, turns)
        padded = np.pad(turned, ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
        for down, right in itertools.product(range(2 * shift + 1), repeat=2):
            views[padded[down : down + side, right : right + side].tobytes()] = (turns, flipped, down, right)
    return views


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_each_image_becomes_one_of_its_views_and_all_are_reached(shift: int) -> None:
    image = RANDOM.random((6, 6, 3), dtype=np.float32)
    views = all_views(image, shift)
    copies = torch.from_numpy(image).permute(2, 0, 1).repeat(40 * len(views), 1, 1, 1)
    seen = augment(copies, torch.Generator().manual_seed(1), shift).permute(0, 2, 3, 1).contiguous().numpy()
    drawn = [views[one.tobytes()] for one in seen]  # a KeyError would be a view that is none
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == len(views) == 8 * (2 * shift + 1) ** 2
    assert counts.min() > 10  # 40 expected


def test_images_in_a_batch_stay_apart_and_are_not_changed() -> None:
    images = torch.rand(16, 3, 12, 12)
    before = images.clone()
    seen = augment(images, torch.Generator().manual_seed(0), 3).permute(0, 2, 3, 1).contiguous().numpy()
    for image, view in zip(before.permute(0, 2, 3, 1).numpy(), seen, strict=True):
        assert view.tobytes() in all_views(image, 3)
    assert torch.equal(images, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_order_in_memory_is_kept_and_does_not_matter(dtype: torch.dtype) -> None:
    images = torch.rand(9, 3, 28, 28).to(dtype)
    last = images.contiguous(memory_format=torch.channels_last)
    one, two = (augment(x, torch.Generator().manual_seed(3)) for x in (images, last))
    assert torch.equal(one, two)
    assert one.is_contiguous()
    assert two.is_contiguous(memory_format=torch.channels_last)
    assert one.dtype == two.dtype == dtype


def test_the_generator_alone_decides() -> None:
    images = torch.rand(32, 3, 28, 28)
    torch.manual_seed(0)
    first = augment(images, torch.Generator().manual_seed(5))
    torch.manual_seed(1)
    assert torch.equal(first, augment(images, torch.Generator().manual_seed(5)))
    assert not torch.equal(first, augment(images, torch.Generator().manual_seed(6)))


def test_oblong_images_and_impossible_moves_are_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        augment(torch.rand(2, 3, 8, 9), torch.Generator())
    with pytest.raises(ValueError, match="shift"):
        augment(torch.rand(2, 3, 8, 8), torch.Generator(), shift=8)
