"""Folders that explain predictions, of networks that are known to look for GCAUG, and of pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

import untrained
from ribocyte import Predictor
from ribocyte.applications.explain import ExplainSettings, Summary, explain
from ribocyte.errors import DataError, ModelError, RequestError
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.attribution import integrated_gradients, mutagenesis

SITE = "GCAUG"
LONG = "A" * 60 + "C" * 3 + SITE + "C" * 32
RNA = [("short", "AAC" + SITE + "AAA"), ("long", LONG), ("none", "AAAAAAAAAAAA")]


class Seeker(nn.Module):
    """How much of GCAUG is found at the best place: two outputs, the second ten times the first."""

    def __init__(self) -> None:
        super().__init__()
        weights = torch.zeros(1, 4, len(SITE))
        for at, letter in enumerate(SITE):
            weights[0, "ACGU".index(letter), at] = 1.0
        self.register_buffer("weights", weights)

    def forward(self, rna: Tensor) -> Tensor:
        found = nn.functional.conv1d(rna, self.weights).amax(dim=(1, 2))[:, None]  # type: ignore[arg-type]
        return torch.cat([found, 10 * found], dim=1)


def model(network: nn.Module | None = None, kind: str = "rna-cnn", **changes: Any) -> Predictor:
    made = untrained.model(kind, **changes)
    if network is not None:
        made.network = network.eval()
    return made


def first(**settings: Any) -> ExplainSettings:
    return ExplainSettings(**{"output": untrained.EXPERIMENTS[0], **settings})


def pictures(count: int = 3) -> list[tuple[str, np.ndarray]]:
    random = np.random.default_rng(0)
    return [(f"cell {n}", random.integers(0, 256, (28, 28, 3), dtype=np.uint8)) for n in range(count)]


@pytest.fixture
def found(tmp_path: Path) -> tuple[Path, Summary]:
    out = tmp_path / "why"
    return out, explain(model(Seeker()), RNA, out, first())


def test_the_site_is_named_where_it_is_in_the_whole_sequence(found: tuple[Path, Summary]) -> None:
    _, summary = found
    sites = {row["sequence"]: row for row in summary.strongest}
    for name, sequence in RNA[:2]:
        site = sites[name]
        assert SITE in site["site"]
        assert sequence[site["from"] - 1 : site["to"]].replace("T", "U") == site["site"]
        assert site["prediction"] == 5
    assert (sites["long"]["length"], summary.given, summary.explained) == (len(LONG), 3, 3)
    assert summary.largest_delta is None


def test_the_table_has_a_row_for_each_nucleotide(found: tuple[Path, Summary]) -> None:
    out, _ = found
    table = pl.read_csv(out / "attributions.tsv", separator="\t")
    assert table.columns == ["sequence", "position", "base", "contribution", "to_A", "to_C", "to_G", "to_U"]
    for name, sequence in RNA:
        rows = table.filter(pl.col("sequence") == name)
        at = rows["position"].to_numpy()
        assert "".join(rows["base"]) == sequence[at[0] - 1 : at[-1]]
        assert len(rows) == min(len(sequence), 41)
    short = table.filter(pl.col("sequence") == "short")
    expected = mutagenesis(model(Seeker()), tokens([RNA[0][1]], 41))[0, :, : len(RNA[0][1])]
    np.testing.assert_allclose(
        short.select("to_A", "to_C", "to_G", "to_U").to_numpy().T, expected.numpy(), atol=1e-5
    )


def test_the_arrays_are_as_tangermeme_and_modisco_take_them(found: tuple[Path, Summary]) -> None:
    out, _ = found
    with np.load(out / "attributions.npz") as arrays:
        assert arrays["names"].tolist() == [name for name, _ in RNA]
        assert arrays["one_hot"].shape == arrays["hypothetical"].shape == (3, 4, 41)
        projected = (arrays["one_hot"] * arrays["hypothetical"]).sum(axis=1)
        np.testing.assert_allclose(projected, arrays["contributions"], atol=1e-6)
        assert LONG[arrays["starts"][1] - 1 :][:41].count(SITE) == 1


def test_the_folder_holds_a_page_that_needs_nothing_else(found: tuple[Path, Summary]) -> None:
    out, summary = found
    page = (out / "index.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|https://doi)', page)
    assert "GCAUG" in page
    assert "3 sequences given, 3 explained by mutagenesis." in page
    assert len(summary.files) == 8
    assert all((out / name).is_file() for name in summary.files)
    assert len(list((out / "logos").glob("*.svg"))) == 3


def test_the_top_are_those_with_the_largest_predictions_in_the_order_given(tmp_path: Path) -> None:
    weaker = [(f"n{n}", "AAAAAAAAAA") for n in range(5)]
    summary = explain(model(Seeker()), [*weaker, *RNA], tmp_path / "why", first(top=2))
    with np.load(tmp_path / "why" / "attributions.npz") as arrays:
        assert arrays["names"].tolist() == ["short", "long"]
    assert (summary.given, summary.explained, summary.skipped) == (8, 2, {"not among the top": 6})


def test_the_output_asked_for_is_explained(tmp_path: Path) -> None:
    one, other = (tmp_path / name for name in ("one", "other"))
    explain(model(Seeker()), RNA, one, first())
    summary = explain(model(Seeker()), RNA, other, ExplainSettings(output=untrained.EXPERIMENTS[1]))
    with np.load(one / "attributions.npz") as first_output, np.load(other / "attributions.npz") as second:
        np.testing.assert_allclose(second["effects"], 10 * first_output["effects"], atol=1e-4)
    assert summary.output == untrained.EXPERIMENTS[1]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("integrated-gradients", "rna-residual"),
        ("deep-lift-shap", "rna-residual"),
        ("deep-lift-shap", "rna-cnn"),
    ],
)
def test_complete_methods_say_how_complete_they_are(tmp_path: Path, method: str, kind: str) -> None:
    out = tmp_path / "why"
    summary = explain(model(kind=kind), RNA[:1], out, first(method=method))
    assert summary.largest_delta is not None
    assert summary.largest_delta <= 1e-3
    with np.load(out / "attributions.npz") as arrays:
        change = arrays["prediction"] - arrays["reference"]
        np.testing.assert_allclose(arrays["contributions"].sum(axis=1), change + arrays["deltas"], atol=1e-5)
    assert "hypothetical_A" in (out / "attributions.tsv").read_text().splitlines()[0]
    assert "How far it adds up" in (out / "index.html").read_text()


def test_explaining_is_one_call_of_the_library(tmp_path: Path) -> None:
    made, rna = model(kind="rna-residual"), [("a", "ACGUACGUGGAUUCAUGCACGGA")]
    explain(made, rna, tmp_path / "why", first(method="integrated-gradients", seed=5))
    with np.load(tmp_path / "why" / "attributions.npz") as arrays:
        expected = integrated_gradients(made, tokens([rna[0][1]], 41), seed=5).values.numpy()
        np.testing.assert_allclose(arrays["hypothetical"], expected, atol=1e-6)


def test_attention_is_shown_head_by_head(tmp_path: Path) -> None:
    explain(model(kind="rna-transformer"), RNA, tmp_path / "why", first(method="attention"))
    table = pl.read_csv(tmp_path / "why" / "attributions.tsv", separator="\t")
    assert table.columns == ["sequence", "position", "base", "attention", "head_1", "head_2"]
    sums = table.group_by("sequence").agg(pl.col("attention").sum())["attention"]
    np.testing.assert_allclose(sums, 1, atol=1e-4)


def test_sequences_of_n_alone_are_left_out_and_runs_of_n_are_read(tmp_path: Path) -> None:
    given = [("empty", "NNNN"), ("some", "nnACGUNNNNGCAUG")]
    summary = explain(model(Seeker()), given, tmp_path / "why", first())
    assert (summary.explained, summary.skipped) == (1, {"only N": 1})
    table = pl.read_csv(tmp_path / "why" / "attributions.tsv", separator="\t")
    assert "".join(table["base"]) == "NNACGUNNNNGCAUG"


def test_names_that_are_alike_strange_or_long_are_told_apart(tmp_path: Path) -> None:
    given = [("a/../b", RNA[0][1]), ("`$x$` [@y]", RNA[0][1]), (LONG, LONG), (LONG, LONG), ("…", "ACGU" * 4)]
    explain(model(Seeker()), given, tmp_path / "why", first())
    drawn = [path.name for path in (tmp_path / "why" / "logos").iterdir()]
    assert len(drawn) == 5
    assert all(re.fullmatch(r"\d\d-[\w.-]+\.svg", name) for name in drawn)


@pytest.mark.parametrize(
    ("inputs", "settings", "error", "said"),
    [
        (
            RNA,
            {"output": "RNCMPT00018"},
            RequestError,
            "output 'RNCMPT00018': not of this model; .*did you mean RNCMPT0",
        ),
        (
            RNA,
            {"output": ""},
            RequestError,
            "output: the model has 2, and none is named; expected one of RNCMPT00168, RNCMPT00001",
        ),
        (
            RNA,
            {"method": "grad-cam"},
            RequestError,
            "--method grad-cam: this model reads RNA; expected one of muta",
        ),
        (RNA, {"method": "attention"}, ModelError, "CNN: |attention: CNN|attends to nothing"),
        ([], {}, DataError, "inputs: no sequence; expected at least one"),
        (
            [("n", "NNN")],
            {},
            DataError,
            "inputs: only N; expected at least one sequence with one of A, C, G, U",
        ),
        ([("p", "ACGE")], {}, DataError, "sequence 1 has 'E' at position 4"),
    ],
)
def test_what_cannot_be_explained_is_refused_and_leaves_nothing(
    tmp_path: Path, inputs: Any, settings: dict[str, str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        explain(model(), inputs, tmp_path / "why", first(**settings))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(
        RequestError, match="exists and is not an empty folder; expected a new or empty folder"
    ):
        explain(model(Seeker()), RNA, tmp_path, first())
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_learned_from_a_simulation_says_so(tmp_path: Path) -> None:
    summary = explain(model(Seeker(), info={"simulated": True}), RNA, tmp_path / "why", first())
    assert summary.simulated
    assert "SIMULATED · " in (tmp_path / "why" / "index.html").read_text()


@pytest.mark.parametrize("method", ["", "occlusion"])
def test_pictures_get_maps(tmp_path: Path, method: str) -> None:
    made, told = model(kind="cell-cnn"), list[int]()
    summary = explain(made, pictures(), tmp_path / "why", ExplainSettings(method), told.append)
    assert summary.method == (method or "grad-cam")
    assert told[-1] == summary.explained == 3
    with np.load(tmp_path / "why" / "maps.npz") as arrays:
        assert arrays["maps"].shape == (3, 28, 28)
        assert arrays["names"].tolist() == ["cell 0", "cell 1", "cell 2"]
    assert summary.files == ["index.html", "maps.npz", "maps.svg"]
    outputs = made.outputs(torch.from_numpy(np.stack([pixels for _, pixels in pictures()])))
    best = {f"cell {row}": made.info.outputs[int(one.argmax())] for row, one in enumerate(outputs)}
    assert {row["picture"]: row["explained"] for row in summary.strongest} == best


def test_the_probabilities_told_are_those_of_a_prediction(tmp_path: Path) -> None:
    made = untrained.calibrated("cell-cnn")
    summary = explain(made, pictures(), tmp_path / "why")
    wanted = made.predict([pixels for _, pixels in pictures()])["probability"].to_list()
    told = {row["picture"]: row["probability"] for row in summary.strongest}
    assert [told[name] for name, _ in pictures()] == pytest.approx(wanted, abs=1e-5)


def test_the_pictures_most_like_a_class_are_chosen_for_it(tmp_path: Path) -> None:
    made = model(kind="cell-cnn")
    summary = explain(made, pictures(6), tmp_path / "why", ExplainSettings(output="neutrophil", top=2))
    shares = made.outputs(torch.from_numpy(np.stack([pixels for _, pixels in pictures(6)]))).softmax(dim=1)
    best = shares[:, made.info.outputs.index("neutrophil")].argsort(descending=True)[:2]
    assert [row["picture"] for row in summary.strongest] == [f"cell {row}" for row in best]
    assert summary.skipped == {"not among the top": 4}


def test_a_model_of_cells_has_methods_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match="this model reads images of cells; expected one of grad-cam, occlusion"
    ):
        explain(model(kind="cell-cnn"), pictures(), tmp_path / "why", ExplainSettings("mutagenesis"))
    with pytest.raises(DataError, match="inputs: no picture"):
        explain(model(kind="cell-cnn"), [], tmp_path / "why")
