"""Networks as ONNX: what onnxruntime computes from the file is what the model computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import untrained
from ribocyte import Predictor
from ribocyte.applications.export import OPSET, describe_model, export_onnx
from ribocyte.catalog import NETWORKS
from ribocyte.errors import RequestError, WorkError

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("rna-cnn", {}),
    ("rna-cnn", {"attention": "self"}),
    ("rna-cnn", {"attention": "pool"}),
    ("rna-bilstm", {"attention": "self", "stride": 3}),
    ("rna-residual", {}),
    ("rna-transformer", {}),
    ("rna-multi", {}),
    ("rna-towers", {}),
    ("rna-film", {}),
    ("cell-cnn", {"softmax": True}),
    ("cell-cnn", {"softmax": False}),
    ("cell-residual", {}),
]
NAMES = ["-".join([kind, *map(str, settings.values())]) for kind, settings in SETTINGS]


def compute(path: Path, inputs: Tensor) -> NDArray[np.float32]:
    """Run an ONNX file as someone without PyTorch would."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})[0]
    return found


def raw_inputs(model: Predictor) -> list[Any]:
    """Give inputs as people have them: RNA of several lengths with an N, or pictures."""
    if model.domain == "rna":
        return ["UGCAUGUUUUACGGAGAGCAUGCAUGCAUGCAUGCAUGCAU", "ACGU", "GGNNAUUGCAUGACGGAUGCAUGCAUGCAU"]
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (28, 28, 3), dtype=np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one exported file that several tests read."""
    return export_onnx(untrained.model("rna-cnn"), tmp_path_factory.mktemp("onnx") / "model.onnx").path


@pytest.mark.parametrize(("kind", "settings"), SETTINGS, ids=NAMES)
def test_the_file_computes_what_the_model_does(kind: str, settings: dict[str, Any], tmp_path: Path) -> None:
    model = untrained.model(kind, **settings)
    export = export_onnx(model, tmp_path / "model.onnx")
    compact, _ = model.encoding.encode(raw_inputs(model))
    found = compute(export.path, model.encoding.expand(compact).contiguous())
    np.testing.assert_allclose(found, model.outputs(compact).numpy(), atol=1e-5)
    assert export.difference < 1e-4
    onnx.checker.check_model(onnx.load(export.path), full_check=True)


def test_every_kind_of_network_is_among_them() -> None:
    assert {kind for kind, _ in SETTINGS} == set(NETWORKS)


def test_a_raw_export_takes_bytes_and_needs_no_preparation(tmp_path: Path) -> None:
    model = untrained.model("rna-cnn")
    export = export_onnx(model, tmp_path / "model.onnx", raw=True)
    compact, _ = model.encoding.encode(raw_inputs(model))
    assert (export.input.dtype, export.input.shape[1:]) == ("uint8", tuple(compact.shape[1:]))
    np.testing.assert_allclose(compute(export.path, compact), model.outputs(compact).numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", ["rna-cnn", "cell-cnn"])
def test_of_an_ensemble_the_members_are_exported_as_one(kind: str, tmp_path: Path) -> None:
    model = untrained.model(kind, training={"members": 2})
    export = export_onnx(model, tmp_path / "model.onnx")
    compact, _ = model.encoding.encode(raw_inputs(model))
    members = model.member_outputs(compact)
    assert len(members) == 2
    found = torch.from_numpy(compute(export.path, model.encoding.expand(compact).contiguous()))
    if kind == "rna-cnn":
        torch.testing.assert_close(found, members.mean(dim=0), atol=1e-5, rtol=0)
    else:  # the mean of probabilities
        torch.testing.assert_close(found.softmax(-1), members.softmax(-1).mean(dim=0), atol=1e-5, rtol=0)


def test_the_file_says_what_it_is(exported: Path) -> None:
    proto, info = onnx.load(exported), untrained.model("rna-cnn").info
    facts = {entry.key: entry.value for entry in proto.metadata_props}
    assert facts["ribocyte.network"] == "rna-cnn"
    assert json.loads(facts["ribocyte.outputs"]) == list(untrained.EXPERIMENTS)
    assert json.loads(facts["ribocyte.normalisation"]) == dict(info.normalisation)
    assert (facts["ribocyte.protocol"], facts["ribocyte.simulated"]) == ("strict", "false")
    assert proto.producer_name == "ribocyte"
    assert proto.opset_import[0].version == OPSET
    assert "one-hot in the order A C G U" in proto.doc_string
    shape = proto.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in shape] == ["batch", 4, 41]


def test_what_the_file_says_of_simulated_data_is_that_it_was_simulated() -> None:
    model = untrained.model("cell-cnn", info={"simulated": True})
    assert describe_model(model)["ribocyte.simulated"] == "true"


def test_what_was_learned_of_its_doubt_goes_along(tmp_path: Path) -> None:
    model = untrained.calibrated("cell-cnn")
    assert model.trust is not None
    facts = model.trust.facts()
    assert json.loads(describe_model(model)["ribocyte.trust"]) == facts
    export = export_onnx(model, tmp_path / "model.onnx", raw=True)
    assert f"softmax(logits / {facts['temperature']:.4g}) is the probability" in export.output.about
    compact, _ = model.encoding.encode(raw_inputs(model))
    shares = torch.from_numpy(compute(export.path, compact)).double() / facts["temperature"]
    wanted = model.predict(raw_inputs(model)).select(f"p_{name}" for name in model.info.outputs).to_numpy()
    np.testing.assert_allclose(shares.softmax(dim=1).numpy(), wanted, atol=1e-5)


def test_the_file_names_nothing_of_this_machine(exported: Path) -> None:
    content = exported.read_bytes()
    for trace in (b".py", b"site-packages", str(Path(torch.__file__).parents[1]).encode()):
        assert trace not in content


def test_the_same_model_gives_the_same_bytes_and_stays_as_it_was(exported: Path, tmp_path: Path) -> None:
    model = untrained.model("rna-cnn")
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    assert export_onnx(model, tmp_path / "model.onnx").path.read_bytes() == exported.read_bytes()
    assert all(torch.equal(before[name], now) for name, now in model.network.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.network.parameters())


def test_newer_operators_can_be_asked_for(tmp_path: Path) -> None:
    export = export_onnx(untrained.model("rna-cnn"), tmp_path / "model.onnx", opset=23)
    assert onnx.load(export.path).opset_import[0].version == export.opset == 23


@pytest.mark.parametrize("opset", [-1, 0, 17, 1000])
def test_operators_that_cannot_be_written_are_refused(opset: int, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=rf"opset {opset}: cannot be written; expected from 18 to \d\d$"):
        export_onnx(untrained.model("rna-cnn"), tmp_path / "model.onnx", opset=opset)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is a folder; expected a file to write"):
        export_onnx(untrained.model("rna-cnn"), tmp_path)


def test_what_onnxruntime_computes_otherwise_is_not_written(tmp_path: Path) -> None:
    """NaN weights: whatever the runtimes make of them, they never agree on a number."""
    model = untrained.model("rna-cnn")
    with torch.no_grad():
        next(model.network.parameters()).fill_(torch.nan)
    target = tmp_path / "model.onnx"
    target.write_bytes(b"what was there before")
    with pytest.raises(WorkError, match="differ by nan on 1 inputs: nothing was written"):
        export_onnx(model, target)
    assert target.read_bytes() == b"what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
