"""Models in files: they come back as they were, and nothing but a model is ever loaded."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

import toys
from ribocyte.errors import ModelError
from ribocyte.learn.predictor import FORMAT, Predictor, read_model

CARD = {"data": {"outputs": ["sum"]}, "version": "0", "note": "naïve µ"}


def predictor(network: nn.Module | None = None) -> Predictor:
    return Predictor(network or toys.Deep(), toys.Numbers(), CARD)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    predictor().save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


# There and back


def test_a_saved_model_predicts_the_same_to_the_last_bit(tmp_path: Path) -> None:
    network = toys.Deep(seed=3)
    network(torch.randn(64, 3))  # moves the statistics of the batch normalisation: buffers travel too
    first = predictor(network)
    first.save(tmp_path / "model.safetensors")
    card, weights = read_model(tmp_path / "model.safetensors")
    assert card == CARD
    second = toys.Deep(seed=4)
    second.load_state_dict(weights)
    inputs = toys.numbers(50)
    assert torch.equal(predictor(second).outputs(inputs), first.outputs(inputs))


def test_a_runs_folder_stands_for_its_model(model: Path) -> None:
    assert read_model(model.parent)[0] == read_model(model)[0] == CARD


def test_weights_in_any_memory_order_are_saved(tmp_path: Path) -> None:
    network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    Predictor(network, toys.Numbers(), CARD).save(tmp_path / "m.safetensors")
    assert torch.equal(read_model(tmp_path / "m.safetensors")[1]["weight"], network.weight)


def test_the_same_model_gives_the_same_file(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.safetensors" for i in range(6)]
    for path in files:
        predictor().save(path)
    assert len({path.read_bytes() for path in files}) == 1


def test_a_model_loads_whatever_the_length_of_its_header(tmp_path: Path) -> None:
    lengths = set()
    for words in range(0, 256, 8):
        card = {"data": {"outputs": ["sum"]}, "note": "x" * words}
        path = tmp_path / "m.safetensors"
        Predictor(toys.Dense(), toys.Numbers(), card).save(path)
        assert read_model(path)[0] == card
        lengths.add(path.read_bytes()[0])
    assert len(lengths) == 32  # the first byte of the file took every value it can: one is a pickle's


@pytest.mark.parametrize("size", [1, 2, 7, 49, 50, 1000])
def test_outputs_do_not_depend_on_the_size_of_the_batch(size: int) -> None:
    inputs = toys.numbers(50)
    torch.testing.assert_close(predictor().outputs(inputs, size), predictor().outputs(inputs))


class Modes(nn.Module):
    """Says in which mode it was called, and works in double precision."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Dropout(0.5)
        self.layer = nn.Linear(3, 1).double()

    def forward(self, inputs: Tensor) -> Tensor:
        assert not self.training
        assert not self.inner.training
        assert torch.is_inference_mode_enabled()
        out: Tensor = self.layer(inputs.double())
        return out


@pytest.mark.parametrize("training", [True, False])
def test_prediction_needs_no_mode_and_puts_it_back(training: bool) -> None:
    made = predictor(Modes())
    made.network.train(training)
    outputs = made.outputs(toys.numbers(4))
    assert made.network.training is training
    assert made.network.inner.training is training  # type: ignore[union-attr]
    assert outputs.dtype == torch.float32
    assert outputs.device.type == "cpu"
    assert not outputs.requires_grad
    assert torch.is_grad_enabled()


def test_the_mode_is_put_back_even_when_prediction_fails() -> None:
    made = predictor()
    made.network.train()
    with pytest.raises(RuntimeError):
        made.outputs(toys.numbers(4, features=5))
    assert made.network.training


def test_raw_inputs_are_predicted_one_row_each_in_order() -> None:
    raw = toys.numbers(10).tolist()
    table = predictor(toys.Dense()).predict(iter(raw))
    assert table.columns == ["sum"]
    assert table["sum"].to_list() == [0.0] * 10
    made = predictor()
    whole = made.predict(raw)["sum"].to_list()
    pieces = [value for part in made.predict_in_chunks(raw, chunk=3) for value in part["sum"]]
    assert whole == pytest.approx(pieces)
    assert whole == pytest.approx(made.outputs(torch.tensor(raw, dtype=torch.uint8))[:, 0].tolist())


def test_no_inputs_give_a_table_without_rows() -> None:
    table = predictor().predict([])
    assert table.columns == ["sum"]
    assert len(table) == 0


# What is refused


class Bomb:
    def __init__(self, fuse: Path) -> None:
        self.fuse = fuse

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.fuse,)


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "model.pkl", "last.ckpt", "model"])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_is_refused_by_any_name_and_not_run(tmp_path: Path, name: str, protocol: int) -> None:
    fuse = tmp_path / "ran"
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(fuse), protocol=protocol))
    with pytest.raises(ModelError, match=f"{name}: "):
        read_model(tmp_path / name)
    assert not fuse.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "last.ckpt"])
@pytest.mark.parametrize("archive", [True, False])
def test_what_torch_saved_is_refused_and_not_run(tmp_path: Path, name: str, archive: bool) -> None:
    fuse = tmp_path / "ran"
    torch.save(
        {"w": torch.zeros(1), "evil": Bomb(fuse)}, tmp_path / name, _use_new_zipfile_serialization=archive
    )
    with pytest.raises(ModelError, match="can run any code when it is loaded: refused"):
        read_model(tmp_path / name)
    assert not fuse.exists()


def test_a_model_under_the_name_of_a_pickle_is_refused(model: Path) -> None:
    with pytest.raises(ModelError, match="refused"):
        read_model(model.rename(model.with_suffix(".pt")))


def test_a_model_cut_short_anywhere_is_refused(model: Path) -> None:
    whole = model.read_bytes()
    header = struct.unpack("<Q", whole[:8])[0]
    for length in (0, 4, 8, 9, 20, 8 + header - 1, 8 + header, len(whole) - 1):
        model.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"model\.safetensors: (damaged|not a safetensors)"):
            read_model(model)


def test_the_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    for card in (
        None,
        {"format": FORMAT},
        {"ribocyte": "{}"},
        {"ribocyte": "[1]"},
        {"ribocyte": '{"format": "x/2"}'},
    ):
        save_file({"w": torch.zeros(2)}, path, metadata=card)
        with pytest.raises(ModelError, match=f"not a ribocyte model; expected the format {FORMAT}"):
            read_model(path)
    save_file({"w": torch.zeros(2)}, path, metadata={"ribocyte": "{not json"})
    with pytest.raises(ModelError, match="damaged"):
        read_model(path)


def test_what_is_no_model_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.safetensors: cannot be read: No such file"):
        read_model(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be read"):
        read_model(tmp_path)  # a folder without a model
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(1))
    for content in (b"text, nothing more", json.dumps({"a": 1}).encode(), buffer.getvalue(), bytes(100)):
        (tmp_path / "x.safetensors").write_bytes(content)
        with pytest.raises(ModelError, match=r"x\.safetensors: "):
            read_model(tmp_path / "x.safetensors")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(at=st.integers(0, 2000), value=st.integers(0, 255))
def test_a_damaged_byte_gives_a_model_or_a_model_error(model: Path, at: int, value: int) -> None:
    whole = bytearray(model.read_bytes())
    whole[at % len(whole)] = value
    damaged = model.with_name("damaged.safetensors")
    damaged.write_bytes(whole)
    with contextlib.suppress(ModelError):
        read_model(damaged)
