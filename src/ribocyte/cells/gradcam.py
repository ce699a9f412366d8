"""Where in a picture a network finds the class it names: Grad-CAM, occlusion, and both over the photograph.

Both are captum's. They tell what the answer hangs on, not whether it is right. Grad-CAM is as coarse as the last
feature maps, 7 x 7 for the networks here; occlusion is as fine as its patch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ribocyte.cells.images import CellEncoding, Pixels, centre_box, fit
from ribocyte.extras import need
from ribocyte.learn.ensemble import members_of
from ribocyte.learn.predictor import Predictor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BATCH = 64
"""Pictures at a time; occlusion looks at `WINDOWS` copies of each."""
WINDOWS = 8
_LARGEST = 400
"""Side of a photograph in a figure, px; its place and that of the map stay exact."""
_LOWEST = 0.35
"""Where on the scale of colours a map begins."""
_PURPOSE = "showing where a network looks"

Images = UInt8[Tensor, "batch height width 3"]
Maps = Float[Tensor, "batch height width"]


def gradcam(model: Predictor, images: Images, output: int | None = None) -> Maps:
    """Show where the network finds a class (Grad-CAM, Selvaraju et al. 2017).

    The last feature maps are averaged, each weighted by the mean gradient of the class's logit at it; what is
    negative speaks for other classes and is left out.

    Parameters
    ----------
    model : Predictor
        Of cells. Its mode is put back as it was, and its gradients are left alone.
    images : Tensor, uint8, shape (N, H, W, 3)
        As the model's encoding gives them.
    output : int, optional
        Number of the class; each picture's most probable one where it is not given.

    Returns
    -------
    Tensor, float32, shape (N, H, W)
        From 0 to 1, the largest of each picture; all 0 where nothing speaks for the class. Of an ensemble the
        mean over the members, scaled in the same way.

    Raises
    ------
    RequestError
        If captum is not installed.
    ValueError
        If the network has no feature maps, or no such class.
    """
    attribution = need("captum.attr", "bio", _PURPOSE)

    def explain(
        network: nn.Module, forward: Callable[[Tensor], Tensor], given: Tensor, wanted: Tensor
    ) -> Tensor:
        layer = find_last_maps(network, given[:1])
        given.requires_grad_()  # also where the network's own weights are frozen
        method = attribution.LayerGradCam(forward, layer)
        coarse = method.attribute(given, target=wanted, relu_attributions=True).detach()
        return nn.functional.interpolate(coarse, size=given.shape[2:], mode="bilinear", align_corners=False)[
            :, 0
        ]

    return _scaled(_explain(model, images, output, explain))


def occlusion(
    model: Predictor, images: Images, output: int | None = None, patch: int = 5, stride: int = 2
) -> Maps:
    """Show what the answer loses when a patch of the picture is covered (Zeiler & Fergus 2014).

    Parameters
    ----------
    model, images, output
        As for `gradcam`.
    patch, stride : int
        Side of the square that is covered with the background's colour, the median of the picture's frame; and
        by how much it is moved. At most `patch`, so that every pixel is covered at some time.

    Returns
    -------
    Tensor, float32, shape (N, H, W)
        How much the class's logit falls, averaged over the patches that cover a pixel; negative where it rises.
        Of a network that ends in a softmax, the logarithm of the probability takes the logit's place.

    Raises
    ------
    RequestError
        If captum is not installed.
    ValueError
        If patch or stride is impossible, or there is no such class.
    """
    if not 1 <= stride <= patch <= min(images.shape[1:3]):
        raise ValueError(
            f"patch {patch}, stride {stride}: at most the picture's side, and no gap between patches"
        )
    attribution = need("captum.attr", "bio", _PURPOSE)
    shape, steps = (3, patch, patch), (3, stride, stride)

    def explain(_: nn.Module, forward: Callable[[Tensor], Tensor], given: Tensor, wanted: Tensor) -> Tensor:
        with torch.no_grad():
            loss: Tensor = attribution.Occlusion(forward).attribute(
                given,
                sliding_window_shapes=shape,
                strides=steps,
                baselines=_background(given),
                target=wanted,
                perturbations_per_eval=WINDOWS,
            )
        return loss[:, 0]

    return _explain(model, images, output, explain)


def find_last_maps(network: nn.Module, picture: Tensor) -> nn.Module:
    """Find the layer that gives the last feature maps: of those as large as the last convolution's, the last.

    So normalisation, activation and what a shortcut adds before them count, and a pooling after them does not.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    picture : Tensor, float, shape (1, 3, H, W)
        What it is tried on.

    Raises
    ------
    ValueError
        If there is no two-dimensional convolution.
    """
    seen: list[tuple[nn.Module, torch.Size]] = []

    def note(layer: nn.Module, _: object, made: object) -> None:
        if isinstance(made, Tensor) and made.ndim == 4:
            seen.append((layer, made.shape[2:]))

    leaves = [layer for layer in network.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in leaves]
    try:
        with torch.no_grad():
            network(picture)
    finally:
        for hook in hooks:
            hook.remove()
    sizes = [size for layer, size in seen if isinstance(layer, nn.Conv2d)]
    if not sizes:
        raise ValueError("the network has no two-dimensional convolution, so there are no maps to look at")
    return next(layer for layer, size in reversed(seen) if size == sizes[-1])


def plot_maps(
    photographs: Sequence[Pixels],
    maps: Tensor,
    names: Sequence[str],
    *,
    crop: int = 200,
    simulated: bool = False,
) -> Figure:
    """Lay maps over what the network saw and, in their true place, over the photographs.

    Parameters
    ----------
    photographs : sequence of numpy array, uint8, each of shape (H, W, 3)
        The originals, of any size.
    maps : Tensor, float, shape (N, S, S)
        From `gradcam` or `occlusion`, one for each; what is negative is not shown, the largest value of each is
        full colour.
    names : sequence of str
        What stands above each.
    crop : int
        Side in px of the centre of a photograph that becomes the picture; see `ribocyte.cells.images.read_image`.
    simulated : bool
        Print SIMULATED in the figure.

    Returns
    -------
    Figure
        One page wide; three photographs in a row, the picture left of each.
    """
    from ribocyte.learn.plots import PAGE, blank_figure, house_style

    columns = 3
    rows = -(-len(photographs) // columns)
    with house_style():
        figure = blank_figure(PAGE, 1.28 * rows, simulated)
        panels = figure.subplots(rows, 2 * columns, squeeze=False).reshape(-1, 2)
        for pair in panels:
            for panel in pair:
                panel.set_axis_off()
        for (small, large), photograph, shown, name in zip(
            panels, photographs, _scaled(maps), names, strict=False
        ):
            _overlay(small, large, photograph, shown, crop)
            small.set_title(name.replace("$", r"\$"), fontsize=6.0)
    return figure


def _overlay(small: Axes, large: Axes, photograph: Pixels, shown: Tensor, crop: int) -> None:
    """Draw a map twice, in the pixels of what the network saw and in those of the photograph."""
    from PIL import Image

    size, (height, width) = shown.shape[0], photograph.shape[:2]
    whole = Image.fromarray(photograph)
    left, top, right, bottom = centre_box(width, height, size, crop)
    picture = fit(whole, size, crop)
    whole.thumbnail((_LARGEST, _LARGEST))
    small.imshow(picture, interpolation="none", extent=(0, size, size, 0))
    small.imshow(_heat(shown), interpolation="none", extent=(0, size, size, 0))
    large.imshow(whole, interpolation="none", extent=(0, width, height, 0))
    large.imshow(_heat(shown), interpolation="none", extent=(left, right, bottom, top))
    large.set(xlim=(0, width), ylim=(height, 0))
    frame = ([left, right, right, left, left], [top, top, bottom, bottom, top])
    large.plot(*frame, color="white", linewidth=0.5)


def _heat(shown: Tensor) -> Pixels:
    """Colour a map: nothing where it is 0, clear yellow to green-blue where it is high."""
    from matplotlib import colormaps

    values = shown.numpy()
    colours = colormaps["viridis"](_LOWEST + (1 - _LOWEST) * values)
    colours[..., 3] = 0.75 * values
    heat: Pixels = (255 * colours).round().astype("uint8")
    return heat


def _explain(
    model: Predictor,
    images: Images,
    output: int | None,
    explain: Callable[[nn.Module, Callable[[Tensor], Tensor], Tensor, Tensor], Tensor],
) -> Maps:
    """Run a method over batches and members, in evaluation mode, and average over the members."""
    encoding = model.encoding
    assert isinstance(encoding, CellEncoding)
    classes = len(encoding.classes)
    if output is not None and not 0 <= output < classes:
        raise ValueError(f"output {output}: there are {classes} classes")
    if not len(images):
        return torch.empty(images.shape[:3])
    wanted = (
        model.outputs(images).argmax(dim=1) if output is None else torch.full((len(images),), output)
    ).to(model.device)
    was_training = model.network.training
    model.network.eval()
    try:
        members = [
            torch.cat(
                [
                    explain(
                        member, _logits_of(member, encoding), encoding.expand(part.to(model.device)), chosen
                    )
                    for part, chosen in zip(
                        torch.split(images, BATCH), torch.split(wanted, BATCH), strict=True
                    )
                ]
            )
            for member in members_of(model.network)
        ]
    finally:
        model.network.train(was_training)
    return torch.stack(members).mean(dim=0).float().cpu()


def _logits_of(network: nn.Module, encoding: CellEncoding) -> Callable[[Tensor], Tensor]:
    """Give a network's forward pass up to its logits."""
    if not encoding.probabilities:
        return network
    # The gradient of a probability near 1 vanishes, that of its logarithm does not; they point the same way.
    return lambda given: network(given).clamp(min=torch.finfo(torch.float32).tiny).log()


def _background(given: Tensor) -> Tensor:
    """Give pictures (N, 3, H, W) of one colour each: the median of the picture's frame, one pixel wide."""
    frame = torch.cat([given[:, :, 0], given[:, :, -1], given[:, :, 1:-1, 0], given[:, :, 1:-1, -1]], dim=2)
    return frame.median(dim=2).values[:, :, None, None].expand_as(given)


def _scaled(maps: Tensor) -> Tensor:
    """Bring each map to 0 up to 1; what is negative is 0, and so is all of a map without anything positive."""
    above = maps.clamp(min=0)
    return above / above.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
