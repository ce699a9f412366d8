"""Networks and data sets as a straightforward user writes them: what our speed is measured against."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor, nn

from ribocyte.learn.splits import Split
from ribocyte.rna.alphabet import letters


class CellRows(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """One picture at a time: PIL, float, normalised, channels first."""

    def __init__(self, split: Split) -> None:
        self.images, self.labels = split.inputs.numpy(), split.targets

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        pixels = torch.frombuffer(bytearray(Image.fromarray(self.images[row]).tobytes()), dtype=torch.uint8)
        return (pixels.view(28, 28, 3).permute(2, 0, 1).float() / 255 - 0.5) / 0.5, self.labels[row]


class RNARows(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Probes one-hot encoded letter by letter beforehand, one row at a time."""

    def __init__(self, split: Split) -> None:
        self.inputs = torch.zeros(len(split), 4, split.inputs.shape[1])
        for row, probe in enumerate(letters(split.inputs)):
            for position, letter in enumerate(probe):
                self.inputs[row, "ACGU".index(letter), position] = 1
        self.targets = split.targets[:, 0].nan_to_num()

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.inputs[row], self.targets[row]


def cell_network(pool: bool) -> nn.Module:
    """The assignment's CNN, layer by layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()] + ([nn.MaxPool2d(2)] if pool else [])
    side = 3 if pool else 28
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(128 * side * side, 256), nn.ReLU(), nn.Linear(256, 8)
    )


def rna_network(kind: str) -> nn.Module:
    """A network of each kind, written plainly and of the published size."""
    return {"cnn": _PlainCNN, "bilstm": _PlainBiLSTM, "residual": _PlainResidual}[kind]()


class _PlainCNN(nn.Module):
    """Convolution, ReLU, maximum, two dense layers (Alipanahi et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.detect = nn.Conv1d(4, 96, 8, padding=4)
        self.regress = nn.Sequential(nn.Dropout(0.5), nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, rna: Tensor) -> Tensor:
        out: Tensor = self.regress(self.detect(rna).relu().amax(dim=2))
        return out.squeeze(1)


class _PlainBiLSTM(nn.Module):
    """Convolution, bidirectional LSTM, maximum, two dense layers (Hassanzadeh & Wang 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.detect = nn.Conv1d(4, 96, 9, padding=4)
        self.read = nn.LSTM(96, 128, batch_first=True, bidirectional=True)
        self.regress = nn.Sequential(nn.Dropout(0.5), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, rna: Tensor) -> Tensor:
        states, _ = self.read(self.detect(rna).relu().transpose(1, 2))
        out: Tensor = self.regress(states.amax(dim=1))
        return out.squeeze(1)


class _PlainResidual(nn.Module):
    """Convolution, dilated residual block, average pooling, two dense layers (Koo et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()

        def convolution(inputs: int, width: int, dilation: int) -> list[nn.Module]:
            reach = dilation * (width // 2)
            layer = nn.Conv1d(inputs, 96, width, padding=reach, dilation=dilation, bias=False)
            return [layer, nn.BatchNorm1d(96)]

        self.stem = nn.Sequential(*convolution(4, 11, 1), nn.ReLU(), nn.Dropout(0.1))
        inner = convolution(96, 3, 1)
        for dilation in (2, 4, 8):
            inner += [nn.ReLU(), nn.Dropout(0.1), *convolution(96, 3, dilation)]
        self.block = nn.Sequential(*inner)
        self.regress = nn.Sequential(
            nn.AvgPool1d(10),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(384, 256, bias=False),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(256, 1),
        )

    def forward(self, rna: Tensor) -> Tensor:
        maps = self.stem(rna)
        out: Tensor = self.regress((maps + self.block(maps)).relu())
        return out.squeeze(1)
