"""What is given to a model that reads something else, and inputs of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ribocyte.catalog import Predictor
from ribocyte.cells.images import CLASSES, CellEncoding
from ribocyte.errors import DataError
from ribocyte.predictions import predict, read_inputs
from ribocyte.rna.encoding import RNAEncoding


class CountG(nn.Module):
    """How often G is in a window; keeps the largest batch it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def forward(self, rna: Tensor) -> Tensor:
        self.largest = max(self.largest, len(rna))
        return rna[:, 2].sum(1, keepdim=True)


class Black(nn.Module):
    """The same logits for every picture."""

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.zeros(len(pictures), len(CLASSES))


def rna_model() -> Predictor:
    return Predictor(CountG(), RNAEncoding(experiments=("g",)), {"data": {"outputs": ["g"]}})


def cell_model() -> Predictor:
    return Predictor(Black(), CellEncoding(), {"data": {"outputs": list(CLASSES)}})


def said(model: Predictor, given: str | Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(read_inputs(model, [str(given)], **options))
    return str(caught.value)


def test_folders_and_images_are_no_rna(tmp_path: Path) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "cell.PNG")
    expected = "this model reads RNA sequences; expected files of sequences (FASTA"
    assert f"{tmp_path}: a folder, and {expected}" in said(rna_model(), tmp_path)
    assert f"{tmp_path / 'cell.PNG'}: an image, and {expected}" in said(rna_model(), tmp_path / "cell.PNG")


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.fa", ">a\nACGU\n"), ("a.tsv", "name\tRNA_Seq\nx\tACGT\n"), ("reads", "ACGU\nGG\n")],
)
@pytest.mark.parametrize("skipping", [True, False])
def test_sequences_are_no_images(tmp_path: Path, name: str, text: str, skipping: bool) -> None:
    (tmp_path / name).write_text(text)
    skipped: list[DataError] = []
    line = said(cell_model(), tmp_path / name, skip=skipped.append if skipping else None)
    assert line.startswith(
        f"{tmp_path / name}: RNA sequences, and this model reads images of cells; expected"
    )
    assert skipped == []


@pytest.mark.parametrize(
    ("given", "what"), [("ACGU", "RNA"), ("acgt" * 2000, "RNA"), ("-", "standard input")]
)
def test_letters_and_pipes_are_no_images(given: str, what: str) -> None:
    assert said(cell_model(), given).startswith(f"{given}: {what}, and this model reads images of cells")


def test_bad_image_stays_a_bad_image(tmp_path: Path) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("ACGU")
    skipped: list[DataError] = []
    [(name, pixels)] = read_inputs(cell_model(), [str(tmp_path)], skip=skipped.append)
    assert (name, pixels.shape) == (str(tmp_path / "good.png"), (28, 28, 3))
    assert ["not an image" in str(error) for error in skipped] == [True]
    (tmp_path / "notes.txt").write_text("no picture")
    assert "not an image" in said(cell_model(), tmp_path / "notes.txt")


def test_one_long_sequence_meets_the_network_in_pieces() -> None:
    letters = np.random.default_rng(0).choice(list("ACGU"), 300_007)
    letters[200_000:200_041] = "G"
    model = rna_model()
    [table] = predict(model, [("chromosome", "".join(letters))])
    assert table["windows"].to_list() == [29_998]
    assert table["g"].to_list() == [41.0]
    assert table["g_window"].to_list() == [200_001]
    assert 0 < model.network.largest <= 4096
