"""Model cards: every fact of a run, none besides, in a form that the hub reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

import untrained
from ribocyte.applications._card_sections import DATA, TRUST
from ribocyte.applications.card import make_card, read_subject
from ribocyte.catalog import DATA as KINDS
from ribocyte.errors import ModelError, RunError
from ribocyte.learn.runs import Run
from ribocyte.learn.splits import Split
from workbook import write_workbook


def card_of(path: Path, **options: Any) -> str:
    return make_card(read_subject(path), **options)


def section(card: str, heading: str) -> str:
    """Give the text between a heading and the next."""
    return card.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]


@pytest.fixture
def rna(tmp_path: Path) -> Path:
    return untrained.finished_run(tmp_path / "run")


def test_scores_stand_with_their_intervals_and_rows(rna: Path) -> None:
    told = section(card_of(rna), "Scores")
    assert "| Spearman correlation | 0.7123 | 0.6934 to 0.7345 |" in told
    assert "| Pearson correlation | undefined | not known |" in told
    assert "3,456 rows of RNAcompete, protocol `strict`" in told
    assert "| coverage | 0.8973 |" in told
    assert "| width | undefined |" in told


def test_the_hub_reads_what_stands_in_front(rna: Path) -> None:
    facts = ModelCard(card_of(rna, licence="cc-by-4.0")).data
    assert (facts.library_name, facts.license) == ("ribocyte", "cc-by-4.0")
    assert {"rnacompete", "rna-cnn", "rna-binding-protein"} <= set(facts.tags)
    assert "simulated" not in facts.tags
    (result,) = facts.eval_results  # the undefined one is no result
    assert (result.metric_type, result.metric_value, result.dataset_name) == (
        "spearmanr",
        0.7123,
        "RNAcompete",
    )


def test_how_it_was_trained_is_told_whole(rna: Path) -> None:
    card = card_of(rna)
    training = section(card, "Training")
    assert (rna / "recipe.toml").read_text().strip() in training
    for fact in ("| seed | 0 |", "| epochs | 7 |", "| time | 42 s |", "| device | cpu; CPU threads: 3 |"):
        assert fact in training
    data = section(card, "Data")
    assert f"| fingerprint (SHA-256) | `{'ab' * 32}` |" in data
    assert "train 12,345, val 2,345, test 3,456" in data


def test_a_model_file_alone_has_no_scores_and_the_card_says_so(tmp_path: Path) -> None:
    card = card_of(untrained.save(tmp_path / "model.safetensors"))
    assert "came without scores on test data" in section(card, "Scores")
    assert "model-index" not in card
    assert "42 s" not in card


def test_a_part_of_a_study_has_no_scores_of_its_own(rna: Path) -> None:
    (rna / "scores.json").write_text('{"what": "part of a study of many proteins, which scores it"}')
    assert "where it is part of a study, the study has them" in section(card_of(rna), "Scores")


def test_a_model_file_in_its_runs_folder_is_told_about_as_the_run(rna: Path) -> None:
    assert card_of(rna / "model.safetensors") == card_of(rna)
    (rna / "model.safetensors").rename(rna / "other.safetensors")
    assert "came without scores" in card_of(rna / "other.safetensors")


def test_proteins_are_named_where_the_recipe_asked_for_them_or_a_workbook_tells(
    rna: Path, tmp_path: Path
) -> None:
    assert "| `RNCMPT00168` | not recorded |" in card_of(rna)
    (tmp_path / "rnacompete").mkdir()
    rows = [("Motif_ID", "Protein_name", "Species"), ("RNCMPT00168", "RBFOX1", "Homo_sapiens")]
    write_workbook(tmp_path / "rnacompete" / "metadata.xlsx", rows)
    named = make_card(read_subject(rna, tmp_path))
    assert "| `RNCMPT00168` | `RBFOX1` |" in named
    assert "# small: RNA bound by RBFOX1, RNCMPT00001" in named
    asked = untrained.save(tmp_path / "asked.safetensors", data={"experiments": ["HuR", "RNCMPT00001"]})
    assert "# small: RNA bound by HuR, RNCMPT00001" in card_of(asked)


def test_limits_come_from_the_facts(rna: Path, tmp_path: Path) -> None:
    limits = section(card_of(rna), "Intended use and limits")
    assert "reads 41 nt at a time" in limits
    assert "in vitro" in limits
    assert "keeps repeats of a probe on one side" in card_of(rna)
    leaking = untrained.finished_run(tmp_path / "leaking", info={"protocol": "assignment"})
    assert "scales the test probes by their own statistics" in section(card_of(leaking), "Scores")
    cells = card_of(untrained.finished_run(tmp_path / "cells", "cell-residual"))
    assert "28 × 28 px, made from the central 200 × 200 px" in section(cells, "Intended use and limits")
    assert "not for diagnosis" in cells
    assert "CC BY 4.0" in section(cells, "Sources and licences")
    assert ModelCard(cells).data.pipeline_tag == "image-classification"


@pytest.mark.parametrize("kind", ["rna-cnn", "cell-cnn"])
def test_what_is_simulated_is_stamped_and_promises_nothing(kind: str, tmp_path: Path) -> None:
    card = card_of(untrained.finished_run(tmp_path / "run", kind, info={"simulated": True}))
    assert "> **SIMULATED** Every number" in card
    assert "says nothing about" in section(card, "Intended use and limits")
    assert "no measurement to cite" in section(card, "Sources and licences")
    assert "doi" not in card
    assert "simulated" in ModelCard(card).data.tags


def test_a_calibrated_model_says_which_columns_tell_its_doubt(rna: Path, tmp_path: Path) -> None:
    assert "NAME_low" not in card_of(rna)
    for kind, said in (
        ("rna-cnn", "`NAME_low` and `NAME_high`, 90 % of the measurements"),
        ("cell-cnn", "the right one for 95 % of cells like those it knows; `unlike` marks"),
    ):
        untrained.calibrated(kind).save(tmp_path / "model.safetensors")
        assert said in section(card_of(tmp_path), "What it predicts")
        assert "NAME_spread" not in card_of(tmp_path)
    untrained.calibrated("rna-cnn", training={"members": 2}).save(tmp_path / "model.safetensors")
    assert "`NAME_spread` is the standard deviation over the networks" in card_of(tmp_path)


def test_every_number_about_trust_is_explained(tmp_path: Path) -> None:
    for kind in ("rna-cnn", "cell-cnn"):
        model = untrained.calibrated(kind)
        assert model.trust is not None
        raw, targets = (
            (["ACGUACGU"], torch.zeros(1, len(model.info.outputs)))
            if kind == "rna-cnn"
            else ([np.zeros((28, 28, 3), np.uint8)], torch.zeros(1, dtype=torch.int64))
        )
        split = Split(model.encoding.encode(raw)[0], targets, np.array(["row"]))
        measured = model.trust.measure(model, split)
        told = TRUST[model.domain]
        for name in {name.split("_")[0] for name in measured} - {"empty", "set", "temperature"}:
            assert name in told
    assert TRUST["rna"] in section(card_of(untrained.finished_run(tmp_path / "run")), "Scores")


def test_an_ensemble_says_how_many_it_is(tmp_path: Path) -> None:
    card = card_of(untrained.save(tmp_path / "model.safetensors", training={"members": 3}))
    assert "an ensemble of 3 networks of the kind `rna-cnn`" in card


def test_how_to_use_it_names_where_it_lies(rna: Path) -> None:
    assert 'from_pretrained("lab/rbfox1")' in section(card_of(rna, repo="lab/rbfox1"), "Use")
    assert 'Predictor.load("model.safetensors")' in section(card_of(rna), "Use")


def test_names_cannot_break_the_card(tmp_path: Path) -> None:
    """Names come from people's tables: backticks, bars, citations and line breaks are text."""
    names = ["a`b|c", "[@nobody]\n---", "x" * 300]
    numbers = {"shift": [1.0] * 3, "mean": [1.0] * 3, "std": [1.0] * 3, "length": 41}
    path = untrained.save(tmp_path / "m.safetensors", info={"outputs": names, "normalisation": numbers})
    card = card_of(path)
    assert ModelCard(card).data.library_name == "ribocyte"
    rows = [line for line in section(card, "What it predicts").splitlines() if "not recorded" in line]
    assert len(rows) == 3


def test_scores_of_something_else_are_refused(rna: Path, tmp_path: Path) -> None:
    other = untrained.finished_run(tmp_path / "other", info={"fingerprint": "ef" * 32})
    (other / "model.safetensors").replace(rna / "model.safetensors")
    with pytest.raises(RunError, match=r"scores\.json: of other data than model\.safetensors"):
        read_subject(rna)


@pytest.mark.parametrize("part", ["test", "rows", "cost", "epochs", "fingerprint"])
def test_damaged_scores_are_refused(rna: Path, part: str) -> None:
    scores = Run(rna).scores
    (rna / "scores.json").write_text(json.dumps({k: v for k, v in scores.items() if k != part}))
    with pytest.raises(RunError, match=rf"scores\.json: damaged: '{part}' is missing"):
        read_subject(rna)


def test_no_model_is_no_card(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_subject(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ModelError, match="a pickle"):
        read_subject(tmp_path)


def test_a_card_knows_every_kind_of_data() -> None:
    assert set(DATA) == set(KINDS)
