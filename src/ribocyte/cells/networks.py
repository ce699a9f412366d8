"""Networks that look at cells: each takes (N, 3, 28, 28) and gives (N, classes)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ribocyte.learn.layout import channels_last
from ribocyte.learn.normalisation import BatchNorm2d
from ribocyte.learn.quick import Dropout
from ribocyte.learn.recipe import check

Images = Float[Tensor, "batch 3 height width"]
Maps = Float[Tensor, "batch channels height width"]
NewMaps = Float[Tensor, "batch wider shorter narrower"]
Classes = Float[Tensor, "batch classes"]


@dataclass(frozen=True)
class CellCNNConfig:
    """The assignment's network: three 3 × 3 convolutions of 32, 64 and 128 channels, then 256 units.

    Parameters
    ----------
    pool : bool
        A 2 × 2 maximum after each convolution's ReLU.
    softmax : bool
        A softmax at the end, in front of the cross-entropy which takes one of its own: the assignment asks
        what that does. Never what one would use.
    """

    pool: bool = True
    softmax: bool = False


class CellCNN(nn.Module):
    """Convolutions, optionally pooled, and two dense layers; for images of one size (px a side)."""

    def __init__(self, config: CellCNNConfig, classes: int, size: int = 28) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
            layers.append(nn.Conv2d(inputs, outputs, 3, stride=1, padding=1))
            # ReLU(max) is max(ReLU), on a quarter of the pixels.
            layers += [nn.MaxPool2d(2), nn.ReLU()] if config.pool else [nn.ReLU()]
        side = size // 8 if config.pool else size
        self.features = channels_last(nn.Sequential(*layers))
        self.classify = nn.Sequential(nn.Linear(128 * side * side, 256), nn.ReLU(), nn.Linear(256, classes))
        self.end = nn.Softmax(dim=1) if config.softmax else nn.Identity()

    def forward(self, images: Images) -> Classes:
        """Give logits, or probabilities where the network ends in a softmax."""
        # Flattened in the order in which the channels-last maps lie in memory: any order will do, this is free.
        flat = self.features(images).permute(0, 2, 3, 1).flatten(1)
        out: Tensor = self.end(self.classify(flat))
        return out


@dataclass(frozen=True)
class CellResidualConfig:
    """A residual network for 28 px images (after He et al. 2016, with pre-activation).

    Parameters
    ----------
    widths : tuple of int
        Channels of each stage; every stage after the first halves height and width.
    blocks : int
        Residual blocks a stage.
    dropout : float
        Share of features dropped before the last layer.
    """

    widths: tuple[int, ...] = (48, 96, 192)
    blocks: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check(
            bool(self.widths) and all(w >= 1 for w in self.widths),
            "model.widths",
            self.widths,
            "numbers of channels",
        )
        check(self.blocks >= 1, "model.blocks", self.blocks, "1 or more")
        check(0 <= self.dropout < 1, "model.dropout", self.dropout, "from 0 to below 1")


class CellResidual(nn.Module):
    """Stages of residual blocks at falling resolution, averaged over the picture."""

    def __init__(self, config: CellResidualConfig, classes: int) -> None:
        super().__init__()
        first = config.widths[0]
        layers: list[nn.Module] = [nn.Conv2d(3, first, 3, padding=1, bias=False)]
        before = first
        for stage, width in enumerate(config.widths):
            for block in range(config.blocks):
                stride = 2 if stage and not block else 1
                layers.append(_ResidualBlock(before, width, stride))
                before = width
        layers += [BatchNorm2d(before), nn.ReLU()]
        self.features = channels_last(nn.Sequential(*layers))
        self.classify = nn.Sequential(Dropout(config.dropout), nn.Linear(before, classes))

    def forward(self, images: Images) -> Classes:
        """Give logits."""
        out: Tensor = self.classify(self.features(images).mean(dim=(2, 3)))
        return out


class _ResidualBlock(nn.Module):
    """Two normalised convolutions beside a shortcut that is as plain as the shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.prepare = nn.Sequential(BatchNorm2d(inputs), nn.ReLU())
        self.convolve = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        )
        plain = stride == 1 and inputs == outputs
        shrink = (
            nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
        )
        self.shortcut = (
            nn.Identity() if plain else nn.Sequential(shrink, nn.Conv2d(inputs, outputs, 1, bias=False))
        )

    def forward(self, maps: Maps) -> NewMaps:
        ready = self.prepare(maps)
        through: Tensor = self.convolve(ready)
        beside: Tensor = self.shortcut(maps if isinstance(self.shortcut, nn.Identity) else ready)
        return through + beside
