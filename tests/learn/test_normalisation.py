"""Batch normalisation shared by processes does what PyTorch's own does of the whole batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ribocyte.learn.normalisation import BatchNorm1d, BatchNorm2d

PART = """
import sys
from pathlib import Path
import torch
from torch import distributed, nn
from ribocyte.learn.normalisation import BatchNorm1d, BatchNorm2d

folder, rank, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=(folder / "meet").as_uri(), rank=rank, world_size=2)
inputs, upstream = torch.load(folder / "whole.pt")
rows = slice(0, count) if rank == 0 else slice(count, None)
torch.manual_seed(0)
layer = (BatchNorm1d if inputs.ndim == 2 else BatchNorm2d)(inputs.shape[1]).double()
nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)
mine = inputs[rows].clone().requires_grad_()
out = layer(mine)
out.backward(upstream[rows])
found = {"out": out.detach(), "inputs": mine.grad, "weight": layer.weight.grad, "bias": layer.bias.grad}
torch.save({**found, **layer.state_dict(prefix="layer.")}, folder / f"part{rank}.pt")
distributed.destroy_process_group()
"""


@pytest.mark.parametrize("shape", [(11, 5), (7, 3, 4, 6)])
def test_two_processes_normalise_as_one_does(shape: tuple[int, ...], tmp_path: Path) -> None:
    inputs, upstream = (
        torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 2)
    )
    inputs = 3 * inputs + 100  # a mean far from zero costs no digits
    torch.save((inputs, upstream), tmp_path / "whole.pt")
    started = [
        subprocess.Popen([sys.executable, "-c", PART, str(tmp_path), str(rank), "4"], stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors[-2000:]
    parts: list[dict[str, Tensor]] = [torch.load(tmp_path / f"part{rank}.pt") for rank in range(2)]

    torch.manual_seed(0)
    layer = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1]).double()
    nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)
    whole = inputs.clone().requires_grad_()
    out = layer(whole)
    out.backward(upstream)
    assert whole.grad is not None
    torch.testing.assert_close(torch.cat([part["out"] for part in parts]), out.detach())
    torch.testing.assert_close(torch.cat([part["inputs"] for part in parts]), whole.grad)
    torch.testing.assert_close(parts[0]["weight"] + parts[1]["weight"], layer.weight.grad)
    torch.testing.assert_close(parts[0]["bias"] + parts[1]["bias"], layer.bias.grad)
    for name, value in layer.state_dict(prefix="layer.").items():
        for part in parts:
            torch.testing.assert_close(part[name], value)


def test_one_process_normalises_as_pytorch_does() -> None:
    for ours, theirs, shape in (
        (BatchNorm1d, nn.BatchNorm1d, (6, 4)),
        (BatchNorm2d, nn.BatchNorm2d, (6, 4, 2, 3)),
    ):
        inputs = torch.randn(shape)
        one, other = ours(4), theirs(4)
        assert torch.equal(one(inputs), other(inputs))
        assert torch.equal(one.eval()(inputs), other.eval()(inputs))
        assert one.state_dict().keys() == other.state_dict().keys()
