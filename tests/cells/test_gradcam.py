"""Where a network looks: against captum's own, brute force, and networks whose maps can be worked out by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from ribocyte.cells.gradcam import find_last_maps, gradcam, occlusion, plot_maps
from ribocyte.cells.images import CLASSES, CellEncoding, centre_box
from ribocyte.cells.networks import CellCNN, CellCNNConfig, CellResidual, CellResidualConfig
from ribocyte.cells.smear import draw_cells
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.plots import save_figure
from ribocyte.learn.predictor import Predictor

CARD = {"data": {"outputs": list(CLASSES)}}


class Brightness(nn.Module):
    """The first class's logit is the mean of red, the second's the negative of it."""

    def __init__(self) -> None:
        super().__init__()
        self.pick = nn.Conv2d(3, 1, 1, bias=False)
        self.pick.weight.data = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        red = self.pick(images).mean(dim=(2, 3))
        return torch.cat([red, -red, torch.zeros(len(red), 6)], dim=1)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def predictor(network: nn.Module, probabilities: bool = False) -> Predictor:
    return Predictor(network, CellEncoding(probabilities=probabilities), CARD)


def residual() -> CellResidual:
    return CellResidual(CellResidualConfig(widths=(4, 8), blocks=1), 8)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.from_numpy(draw_cells([0, 2, 4, 6, 7], seed=0))


@pytest.mark.parametrize("make", [residual, lambda: CellCNN(CellCNNConfig(), 8)], ids=["residual", "cnn"])
@pytest.mark.parametrize("output", [None, 3])
def test_gradcam_is_that_of_captum(
    make: Callable[[], nn.Module], output: int | None, pictures: Tensor
) -> None:
    model = predictor(seeded(make))
    given = model.encoding.expand(pictures)
    target = model.network(given).argmax(1) if output is None else output
    coarse = LayerGradCam(model.network, find_last_maps(model.network, given[:1])).attribute(given, target)
    fine = nn.functional.interpolate(coarse.detach().clamp(min=0), (28, 28), mode="bilinear")[:, 0]
    found = gradcam(model, pictures, output)
    assert (found.shape, found.dtype) == (pictures.shape[:3], torch.float32)
    for one, other in zip(found, fine, strict=True):
        torch.testing.assert_close(
            one, other / other.max() if other.max() > 0 else other, atol=1e-5, rtol=1e-4
        )
    assert found.amax() == 1
    assert found.amin() >= 0


def test_gradcam_of_a_network_that_looks_at_red_is_red(pictures: Tensor) -> None:
    model = predictor(Brightness())
    red = model.encoding.expand(pictures)[:, 0].clamp(min=0)
    torch.testing.assert_close(gradcam(model, pictures, 0), red / red.amax(dim=(1, 2), keepdim=True))
    dark = (-model.encoding.expand(pictures)[:, 0]).clamp(min=0)
    torch.testing.assert_close(gradcam(model, pictures, 1), dark / dark.amax(dim=(1, 2), keepdim=True))
    assert not gradcam(model, pictures, 5).any()  # nothing speaks for a class that looks at nothing


@pytest.mark.parametrize(("patch", "stride"), [(5, 2), (7, 7), (3, 3)])
def test_occlusion_is_what_covering_each_patch_costs(patch: int, stride: int, pictures: Tensor) -> None:
    model = predictor(seeded(residual))
    found = occlusion(model, pictures[:2], 4, patch, stride)
    given = model.encoding.expand(pictures[:2])
    frame = torch.ones(28, 28, dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    for picture, image in zip(given, found, strict=True):
        ground = picture[:, frame].sort(dim=1).values[:, (int(frame.sum()) - 1) // 2]
        total, covered = torch.zeros(28, 28), torch.zeros(28, 28)
        for top in range(0, 28 - patch + stride, stride):
            for left in range(0, 28 - patch + stride, stride):
                changed = picture.clone()
                changed[:, top : top + patch, left : left + patch] = ground[:, None, None]
                with torch.no_grad():
                    loss = (model.network(picture[None]) - model.network(changed[None]))[0, 4]
                total[top : top + patch, left : left + patch] += loss
                covered[top : top + patch, left : left + patch] += 1
        torch.testing.assert_close(image, total / covered, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("explain", [gradcam, occlusion])
def test_a_network_is_left_as_it_was(explain: Callable[..., Tensor], pictures: Tensor) -> None:
    model = predictor(seeded(residual))
    model.network.requires_grad_(False).train()
    before = copy.deepcopy(model.network.state_dict())
    explain(model, pictures[:1])
    assert model.network.training
    assert all(parameter.grad is None for parameter in model.network.parameters())
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert all(not m._forward_hooks and not m._backward_hooks for m in model.network.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


@pytest.mark.parametrize("explain", [gradcam, occlusion])
def test_a_softmax_at_the_end_changes_nothing_where_it_can(
    explain: Callable[..., Tensor], pictures: Tensor
) -> None:
    ending = seeded(lambda: CellCNN(CellCNNConfig(softmax=True), 8))
    plain = seeded(lambda: CellCNN(CellCNNConfig(), 8))
    one = explain(predictor(ending, probabilities=True), pictures[:2], 1)
    other = explain(predictor(nn.Sequential(plain, nn.LogSoftmax(dim=1))), pictures[:2], 1)
    torch.testing.assert_close(one, other, atol=1e-3, rtol=0)


@pytest.mark.parametrize("explain", [gradcam, occlusion])
def test_an_ensemble_looks_where_its_members_look_on_average(
    explain: Callable[..., Tensor], pictures: Tensor
) -> None:
    one = predictor(seeded(residual))
    twins = predictor(Ensemble([seeded(residual), seeded(residual)], logits=True))
    torch.testing.assert_close(explain(twins, pictures[:2]), explain(one, pictures[:2]), atol=1e-4, rtol=1e-3)


def test_maps_do_not_depend_on_the_batch_and_of_nothing_are_nothing(pictures: Tensor) -> None:
    model = predictor(seeded(residual))
    many = pictures.repeat(15, 1, 1, 1)  # more than a batch
    torch.testing.assert_close(gradcam(model, many)[70:], gradcam(model, pictures), atol=1e-5, rtol=1e-4)
    assert gradcam(model, pictures[:0]).shape == (0, 28, 28)


def test_the_last_maps_are_those_before_pooling() -> None:
    picture = torch.zeros(1, 3, 28, 28)
    network = residual().eval()
    assert find_last_maps(network, picture) is network.features[-1]  # after the shortcut and the ReLU
    pooled = CellCNN(CellCNNConfig(), 8).eval()
    assert (
        find_last_maps(pooled, picture) is pooled.features[6]
    )  # the third convolution; its pooling is smaller
    with pytest.raises(ValueError, match="no two-dimensional convolution"):
        find_last_maps(nn.Sequential(nn.Flatten(), nn.Linear(3 * 784, 8)), picture)


def test_what_is_impossible_is_refused(pictures: Tensor) -> None:
    model = predictor(Brightness())
    with pytest.raises(ValueError, match="8 classes"):
        gradcam(model, pictures, 8)
    for patch, stride in ((0, 1), (3, 4), (29, 1), (3, 0)):
        with pytest.raises(ValueError, match="patch"):
            occlusion(model, pictures, 0, patch, stride)


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (360, 363, (80, 81, 280, 281)),  # the published photographs
        (200, 200, (0, 0, 200, 200)),
        (150, 100, (25, 0, 125, 100)),
        (28, 28, (0, 0, 28, 28)),
    ],
)
def test_a_map_lies_where_the_network_saw_it(width: int, height: int, box: tuple[int, int, int, int]) -> None:
    assert centre_box(width, height, 28, 200) == box
    left, top, right, bottom = box
    photograph = np.zeros((height, width, 3), dtype=np.uint8)
    figure = plot_maps([photograph], torch.rand(1, 28, 28), ["one"])
    small, large = figure.axes[:2]
    assert small.images[1].get_extent() == [0, 28, 28, 0]
    assert large.images[0].get_extent() == [0, width, height, 0]
    assert large.images[1].get_extent() == [left, right, bottom, top]


def test_a_mark_in_the_photograph_lies_under_its_mark_in_the_map() -> None:
    """What lies in pixel (row, column) of the 28 is, in the photograph, in that part of its 200 px."""
    photograph = np.full((363, 360, 3), 255, dtype=np.uint8)
    left, top, right, _ = centre_box(360, 363, 28, 200)
    step = (right - left) / 28
    row, column = 9, 20
    down, across = round(top + (row + 0.5) * step), round(left + (column + 0.5) * step)
    photograph[down - 2 : down + 3, across - 2 : across + 3] = 0
    small, _ = CellEncoding().encode([photograph])
    darkest = int(small[0].sum(dim=2).argmin())
    assert divmod(darkest, 28) == (row, column)


def test_the_figure_holds_any_photographs(tmp_path: Path) -> None:
    photographs = [np.full((side, side + 7, 3), 120, dtype=np.uint8) for side in (28, 300, 900, 50)]
    maps = torch.cat([torch.rand(3, 28, 28), -torch.ones(1, 28, 28)])
    for simulated in (False, True):
        figure = plot_maps(photographs, maps, ["$a", "b", "c", "d"], simulated=simulated)
        save_figure(figure, tmp_path / f"{simulated}.svg")
    assert (tmp_path / "True.svg").stat().st_size > (tmp_path / "False.svg").stat().st_size
