"""Cell networks: the assignment's network to the letter, and a residual one, against plain PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ribocyte.cells.networks import CellCNN, CellCNNConfig, CellResidual, CellResidualConfig
from ribocyte.errors import RecipeError
from ribocyte.learn.measure import multiply_adds, parameters

four_networks = pytest.mark.parametrize(
    "config",
    [CellCNNConfig(pool=pool, softmax=softmax) for pool in (True, False) for softmax in (True, False)],
    ids=lambda c: f"{'pooled' if c.pool else 'unpooled'}-{'softmax' if c.softmax else 'logits'}",
)
TINY = CellResidualConfig(widths=(4, 6, 8), blocks=2)


def images(count: int = 3, side: int = 28, seed: int = 0) -> Tensor:
    return 2 * torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) - 1


def literal(config: CellCNNConfig, side: int, classes: int = 8) -> nn.Sequential:
    """Write the assignment's network down as its text does: convolution, ReLU, pooling; and so on."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, kernel_size=3, stride=1, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(kernel_size=2, stride=2)] if config.pool else []
    features = 128 * (side // 8 if config.pool else side) ** 2
    layers += [nn.Flatten(), nn.Linear(features, 256), nn.ReLU(), nn.Linear(256, classes)]
    layers += [nn.Softmax(dim=1)] if config.softmax else []
    return nn.Sequential(*layers)


def weights(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


@four_networks
def test_the_assignments_network_is_the_one_it_describes(config: CellCNNConfig) -> None:
    side = (
        28 if config.pool else 12
    )  # double precision, where a ReLU turns over at the same places, takes room
    ours, theirs = CellCNN(config, 8, side).double(), literal(config, side).double()
    for mine, other in zip(weights(ours), weights(theirs), strict=True):
        other.load_state_dict(mine.state_dict())
    first = weights(theirs)[3]  # ours flattens pixel by pixel, nn.Flatten channel by channel
    pixels = first.in_features // 128
    first.weight.data = first.weight.data.view(256, pixels, 128).transpose(1, 2).reshape(256, -1)
    given, other_given = (images(side=side).double().requires_grad_() for _ in range(2))
    outputs, expected = ours(given), theirs(other_given)
    torch.testing.assert_close(outputs, expected)
    targets = torch.tensor([1, 5, 7])
    nn.functional.cross_entropy(outputs, targets).backward()
    nn.functional.cross_entropy(expected, targets).backward()
    torch.testing.assert_close(given.grad, other_given.grad)
    first.weight.grad = first.weight.grad.view(256, 128, pixels).transpose(1, 2).reshape(256, -1)
    for mine, other in zip(weights(ours), weights(theirs), strict=True):
        torch.testing.assert_close(mine.weight.grad, other.weight.grad)
        torch.testing.assert_close(mine.bias.grad, other.bias.grad)


def test_the_networks_have_as_many_parameters_as_the_assignment_counts() -> None:
    convolutions = (3 * 9 * 32 + 32) + (32 * 9 * 64 + 64) + (64 * 9 * 128 + 128)
    last = 256 * 8 + 8
    pooled, unpooled = 128 * 3 * 3 * 256 + 256, 128 * 28 * 28 * 256 + 256
    assert parameters(CellCNN(CellCNNConfig(pool=True), 8)) == convolutions + pooled + last == 390_472
    assert parameters(CellCNN(CellCNNConfig(pool=False), 8)) == convolutions + unpooled + last == 25_785_672


def test_multiply_adds_of_the_pooled_network_are_the_ones_made_by_hand() -> None:
    by_hand = (
        28 * 28 * 3 * 9 * 32 + 14 * 14 * 32 * 9 * 64 + 7 * 7 * 64 * 9 * 128 + 128 * 3 * 3 * 256 + 256 * 8
    )
    assert multiply_adds(CellCNN(CellCNNConfig(), 8), images()) == by_hand


def test_probabilities_add_up_to_one_and_logits_need_not() -> None:
    shares = CellCNN(CellCNNConfig(softmax=True), 8)(images())
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(3))
    assert (shares > 0).all()
    assert (CellCNN(CellCNNConfig(), 8)(images()) < 0).any()


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("side", [8, 20, 28, 33])
def test_the_assignments_network_is_built_for_other_sizes(pool: bool, side: int) -> None:
    assert CellCNN(CellCNNConfig(pool=pool), 5, side)(images(2, side)).shape == (2, 5)


@pytest.mark.parametrize(("rows", "classes", "side"), [(1, 8, 28), (5, 3, 28), (2, 2, 20), (2, 8, 50)])
def test_the_residual_network_gives_a_row_a_cell(rows: int, classes: int, side: int) -> None:
    outputs = CellResidual(TINY, classes).eval()(images(rows, side))
    assert outputs.shape == (rows, classes)
    assert outputs.isfinite().all()


def residual() -> CellResidual:
    """Make a network whose normalisation has seen data."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = CellResidual(TINY, 8)
        network(images(16))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval()


def test_the_residual_network_is_the_one_described() -> None:
    network = residual()
    first, *blocks, norm, relu = network.features
    maps = first(images())
    before = 4
    for number, block in enumerate(blocks):
        width, stride = TINY.widths[number // 2], 2 if number in (2, 4) else 1
        ready = block.prepare[0](maps).clamp(min=0)
        inner = block.convolve[0](ready)
        assert inner.shape[-1] == maps.shape[-1] // stride
        inner = block.convolve[3](block.convolve[1](inner).clamp(min=0))
        if stride == 1 and width == before:
            maps = maps + inner
        else:
            pooled = ready.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(-1, -2)) if stride == 2 else ready
            maps = torch.einsum("oi,nihw->nohw", block.shortcut[1].weight[:, :, 0, 0], pooled) + inner
        before = width
    assert maps.shape == (3, 8, 7, 7)
    expected = network.classify(relu(norm(maps)).mean(dim=(2, 3)))
    torch.testing.assert_close(network(images()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [residual, lambda: CellCNN(CellCNNConfig(), 8)])
def test_a_cell_scores_the_same_alone_in_company_and_in_any_memory_order(build: Any) -> None:
    network, cells = build().eval(), images(5)
    together = network(cells)
    torch.testing.assert_close(
        torch.cat([network(cell[None]) for cell in cells]), together, rtol=1e-4, atol=1e-5
    )
    last = cells.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(last), together, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.double()(cells.double()).float(), together, rtol=1e-4, atol=1e-5)


def test_training_moves_every_parameter_of_the_residual_network() -> None:
    network = residual().train()
    network(images(16)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("settings", [{"widths": ()}, {"widths": (4, 0)}, {"blocks": 0}, {"dropout": 1.0}])
def test_an_impossible_network_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=rf"^model\.{next(iter(settings))} = .* is impossible"):
        CellResidualConfig(**settings)
