"""Quick formulations give what PyTorch's own give, and only where they are wanted."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ribocyte.learn.quick import Dropout, MapDropout, draw_mask, is_quick, strongest, turn

DEVIATIONS = 5.0  # of a mean over many draws: five standard errors


def mixed() -> torch.autocast:
    """Give the surroundings of a training in mixed precision."""
    return torch.autocast("cpu", torch.bfloat16)


@settings(deadline=None, max_examples=50)
@given(
    count=st.integers(1, 5), channels=st.integers(1, 9), length=st.integers(1, 50), seed=st.integers(0, 99)
)
def test_maximum_and_its_gradient_equal_pytorchs(count: int, channels: int, length: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Few levels, so that maxima are met more than once: then the first of them has the gradient.
    maps = torch.randint(-3, 3, (count, channels, 1, length), generator=generator).double()
    upstream = torch.randn(count, channels, generator=generator, dtype=torch.float64)
    for layout in (torch.contiguous_format, torch.channels_last):
        ours, theirs = (maps.clone(memory_format=layout).requires_grad_() for _ in range(2))
        found = strongest(ours)
        expected = nn.functional.max_pool2d(theirs, (1, length)).flatten(1)
        assert torch.equal(found, expected)
        found.backward(upstream)
        expected.backward(upstream)
        assert ours.grad is not None
        assert torch.equal(ours.grad, theirs.grad)


def test_gradient_of_the_maximum_is_that_of_finite_differences() -> None:
    maps = torch.randperm(2 * 3 * 7).view(2, 3, 1, 7).double().requires_grad_()
    assert torch.autograd.gradcheck(strongest, (maps,))


@settings(deadline=None, max_examples=50)
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=5), channels=st.integers(1, 4))
def test_turning_around_and_its_gradient_equal_gather(lengths: list[int], channels: int) -> None:
    rows = [[*range(n - 1, -1, -1), *range(n, 9)] for n in lengths]
    order = torch.tensor(rows)
    steps = torch.randn(len(lengths), 9, channels, dtype=torch.float64)
    upstream = torch.randn_like(steps)
    ours, theirs = steps.clone().requires_grad_(), steps.clone().requires_grad_()
    found = turn(ours, order)
    expected = theirs.gather(1, order.unsqueeze(-1).expand_as(theirs))
    assert torch.equal(found, expected)
    found.backward(upstream)
    expected.backward(upstream)
    assert ours.grad is not None
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.9, 0.999])
def test_mask_drops_the_share_it_says_and_keeps_the_mean(share: float) -> None:
    count = 200_000
    with torch.random.fork_rng():
        torch.manual_seed(1)
        mask = draw_mask(torch.Size((count,)), share, torch.float64)
    dropped = min(round(share * 256), 255) / 256
    error = math.sqrt(dropped * (1 - dropped) / count)
    assert abs(float((mask == 0).double().mean()) - dropped) <= DEVIATIONS * error
    assert abs(dropped - share) <= 1 / 256
    kept = mask[mask > 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / (1 - dropped)))
    assert abs(float(mask.mean()) - 1) <= DEVIATIONS * error / (1 - dropped)


def test_neighbouring_numbers_are_dropped_independently() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        dropped = (draw_mask(torch.Size((100_000, 8)), 0.5, torch.float32) == 0).double()
    correlation = torch.corrcoef(dropped.T) - torch.eye(8, dtype=torch.float64)
    assert float(correlation.abs().max()) < DEVIATIONS / math.sqrt(100_000)


@pytest.mark.parametrize("layer", [Dropout(0.3), MapDropout(0.3)])
def test_dropout_passes_on_its_mask_as_gradient(layer: nn.Module) -> None:
    maps = torch.randn(4, 6, 1, 5, requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        with mixed():
            out = layer(maps)
    out.sum().backward()
    assert maps.grad is not None
    assert torch.equal(out, maps * maps.grad)
    assert 0 < int((maps.grad == 0).sum()) < maps.numel()
    if isinstance(layer, MapDropout):  # a map is dropped whole or not at all
        assert torch.equal(maps.grad, maps.grad[..., :1].expand_as(maps))


@pytest.mark.parametrize(("ours", "theirs"), [(Dropout, nn.Dropout), (MapDropout, nn.Dropout2d)])
def test_full_precision_draws_as_pytorch_does(ours: type[nn.Module], theirs: type[nn.Module]) -> None:
    maps = torch.randn(4, 6, 1, 5)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        found = ours(0.4)(maps)
        torch.manual_seed(4)
        assert torch.equal(found, theirs(0.4)(maps))


@pytest.mark.parametrize("layer", [Dropout(0.5), MapDropout(0.5)])
def test_nothing_is_dropped_when_a_network_is_used(layer: nn.Module) -> None:
    maps = torch.randn(3, 4, 1, 5)
    with mixed():
        assert torch.equal(layer.eval()(maps), maps)
    layer.train()


def test_quick_only_while_training_in_mixed_precision() -> None:
    maps = torch.ones(1)
    assert not is_quick(maps)
    with mixed():
        assert is_quick(maps)
        with torch.no_grad():
            assert not is_quick(maps)
        with torch.inference_mode():
            assert not is_quick(maps)
