"""A joint network adapted to a new protein: better than before, the same once saved, and honest about itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import spearmanr

import binders
import newcomer
import untrained
from ribocyte import Predictor, adapt_protein, aim
from ribocyte.applications.adapting import Adaptation, write_adaptation
from ribocyte.applications.card import make_card, read_subject
from ribocyte.errors import DataError, ModelError, RequestError
from ribocyte.learn.ensemble import Ensemble
from ribocyte.rna.joint.few_shot import fit_head
from ribocyte.rna.proteins.sequences import Protein
from ribocyte.rna.protocols import Scale

NEW = Protein("newcomer", binders.draw(150, 77))
RNAS = newcomer.draw_rnas(150, seed=2)
MEASURED = newcomer.measure(RNAS)
OTHERS = newcomer.draw_rnas(400, seed=3)
TRUTH = newcomer.measure(OTHERS, noise=0.0)
KINDS = ("rna-multi", "rna-towers", "rna-film")


def adapted(kind: str = "rna-towers", members: int = 1, protein: Protein | None = NEW) -> Adaptation:
    return adapt_protein(newcomer.joint(kind, members), protein, RNAS, MEASURED, name="newcomer")


def rank(model: Predictor) -> float:
    return float(spearmanr(model.predict(OTHERS)["newcomer"], TRUTH).statistic)


@pytest.mark.parametrize("kind", KINDS)
def test_it_predicts_new_rnas_better_than_the_sequence_alone(kind: str) -> None:
    before = rank(aim(newcomer.joint(kind), [NEW]))
    found = adapted(kind)
    after = rank(found.model)
    assert after > 0.85
    assert after > before + 0.1
    assert found.fit.gains["spearman"].verdict == "better"
    assert found.fit.scores["spearman"].low - 0.05 <= after
    assert found.fit.simulated


@pytest.mark.parametrize(
    ("kind", "members"), [("rna-multi", 1), ("rna-towers", 1), ("rna-towers", 2), ("rna-film", 1)]
)
@pytest.mark.parametrize("protein", [NEW, None], ids=["sequence", "none"])
def test_it_is_saved_and_loaded_and_says_the_same(
    kind: str, members: int, protein: Protein | None, tmp_path: Path
) -> None:
    found = adapted(kind, members, protein)
    files = write_adaptation(found, tmp_path / "new")
    assert sorted(files) == sorted(path.name for path in (tmp_path / "new").iterdir())
    loaded = Predictor.load(tmp_path / "new")
    assert isinstance(loaded.network, Ensemble) == (members > 1)
    assert loaded.predict(OTHERS[:20]).equals(found.model.predict(OTHERS[:20]))
    assert loaded.info == found.model.info
    assert loaded.info.simulated
    again = tmp_path / "again.safetensors"
    loaded.save(again)
    assert again.read_bytes() == (tmp_path / "new" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protein", [NEW, None])
def test_the_network_is_the_head_of_what_the_joint_one_says(kind: str, protein: Protein | None) -> None:
    joint = newcomer.joint(kind)
    trunk = joint.network.trunk
    scores = torch.from_numpy(Scale.measure(MEASURED).apply(MEASURED))

    def read(rnas: list[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tokens = joint.encoding.encode(rnas)[0]
        known = joint.outputs(tokens)
        own = known.mean(dim=1) if protein is None else aim(joint, [protein]).outputs(tokens)[:, 0]
        with torch.no_grad():
            return known, own, trunk(joint.encoding.expand(tokens))

    known, own, features = read(RNAS)
    head = fit_head(known, own, scores, features)
    expected = head.apply(*read(OTHERS))
    found = adapted(kind, protein=protein)
    said = found.model.outputs(joint.encoding.encode(OTHERS)[0])
    torch.testing.assert_close(said[:, 0], expected, atol=1e-4, rtol=1e-4)
    assert found.fit.share == pytest.approx(head.prior)


def test_the_known_proteins_that_it_binds_like_count_most() -> None:
    voices = adapted().fit.voices
    assert voices["protein"].to_list()[0] == "E3"
    assert sorted(voices["protein"]) == ["E1", "E2", "E3", "E4"]
    assert voices["weight"][0] > 0
    assert voices["identity"].is_between(0, 1).all()
    assert adapted(protein=None).fit.voices["identity"].null_count() == 4


def test_what_it_says_of_itself_is_of_rnas_left_out() -> None:
    """Measurements that are noise must be seen to be noise: neither fitted, nor gone against."""
    found = []
    for seed in range(4):
        noise = np.exp(np.random.default_rng(seed).normal(size=len(RNAS)))
        fit = adapt_protein(newcomer.joint(), NEW, RNAS, noise).fit
        score = fit.scores["spearman"]
        assert score.value == pytest.approx(spearmanr(fit.predicted.numpy(), noise).statistic, abs=1e-6)
        found.append(score.value)
    assert abs(np.mean(found)) < 0.1


def test_intensities_and_intervals_are_of_the_measured_scale() -> None:
    found = adapted()
    table = found.model.predict(OTHERS)
    scale = Scale.measure(MEASURED)
    back = np.exp(table["newcomer"].to_numpy().astype(float) * (scale.std + 1e-6) + scale.mean) - 1e-6
    np.testing.assert_allclose(table["newcomer_intensity"], back, rtol=1e-5)
    measured = scale.apply(newcomer.measure(OTHERS, seed=9))
    held = (table["newcomer_low"].to_numpy() <= measured) & (measured <= table["newcomer_high"].to_numpy())
    assert 0.8 < held.mean() <= 1.0


def test_logarithms_and_z_scores_are_taken_as_such() -> None:
    joint = newcomer.joint()
    raw, logs = adapted(), adapt_protein(joint, NEW, RNAS, np.log2(MEASURED), values="log")
    np.testing.assert_allclose(
        logs.model.predict(OTHERS)["newcomer"], raw.model.predict(OTHERS)["newcomer"], atol=0.02
    )
    assert "newcomer_intensity" not in logs.model.predict(OTHERS[:1]).columns
    scores = 3 + 0.5 * raw.fit.measured.numpy()
    zscores = adapt_protein(joint, NEW, RNAS, scores, values="zscore")
    np.testing.assert_allclose(zscores.fit.measured, scores, rtol=1e-6)
    assert zscores.model.predict(OTHERS)["newcomer"].mean() == pytest.approx(3, abs=0.2)


def test_intensities_may_be_negative_as_published_ones_are() -> None:
    found = adapt_protein(newcomer.joint(), NEW, RNAS, MEASURED - 3)
    assert "shifted by" in found.fit.scale
    assert rank(found.model) > 0.9


def test_repeats_are_averaged_and_failed_spots_left_out() -> None:
    rnas = [*RNAS, RNAS[0].lower().replace("u", "t"), "ACGUACGU"]
    found = adapt_protein(newcomer.joint(), NEW, rnas, [*MEASURED, MEASURED[0] * 4, np.nan])
    assert (len(found.fit.rnas), found.fit.repeats, found.fit.missing) == (150, 1, 1)
    scale = Scale.measure(np.array([*MEASURED, MEASURED[0] * 4]))
    both = scale.apply(np.array([MEASURED[0], MEASURED[0] * 4]))
    assert float(found.fit.measured[0]) == pytest.approx(both.mean(), abs=1e-5)


def test_with_few_rnas_there_is_a_model_but_no_opinion_of_it() -> None:
    few = adapt_protein(newcomer.joint(), NEW, RNAS[:4], MEASURED[:4])
    assert few.fit.scores == {}
    assert few.model.trust is None
    assert few.model.predict(OTHERS).columns == [
        "windows",
        "newcomer",
        "newcomer_window",
        "newcomer_intensity",
    ]
    assert json.dumps(few.fit.facts(), allow_nan=False)


def test_the_joint_model_stays_as_it_is() -> None:
    joint = newcomer.joint()
    before = {name: tensor.clone() for name, tensor in joint.network.state_dict().items()}
    card = json.dumps(joint.card)
    adapted()
    assert all(torch.equal(before[name], tensor) for name, tensor in joint.network.state_dict().items())
    assert json.dumps(joint.card) == card


def test_the_card_tells_what_it_was_adapted_to(tmp_path: Path) -> None:
    write_adaptation(adapted(), tmp_path / "new")
    card = make_card(read_subject(tmp_path / "new"))
    section = card.split("\n## Adaptation", 1)[1].split("\n## ", 1)[0]
    assert "| measured RNAs | 150 |" in section
    assert "`STAR`" in section
    assert "Spearman correlation" in section
    assert "RNA bound by newcomer" in card
    assert "simulated" in card


def test_tables_hold_what_was_measured(tmp_path: Path) -> None:
    found = adapted()
    write_adaptation(found, tmp_path / "new")
    table = pl.read_csv(tmp_path / "new" / "measured.tsv", separator="\t")
    assert table["rna"].to_list() == RNAS
    assert spearmanr(table["predicted"], table["measured"]).statistic == pytest.approx(
        found.fit.scores["spearman"].value, abs=1e-6
    )
    facts = json.loads((tmp_path / "new" / "adaptation.json").read_text())
    assert facts["rnas"] == 150
    assert facts["simulated"] is True
    assert [row["protein"] for row in facts["voices"]] == found.fit.voices["protein"].to_list()


def test_a_known_protein_is_sent_to_its_own_output() -> None:
    whole = binders.WHOLE
    with pytest.raises(RequestError, match="trained on this protein, as E3"):
        adapt_protein(newcomer.joint(), whole, RNAS, MEASURED)


def test_models_that_are_none_of_many_proteins_are_refused(tmp_path: Path) -> None:
    found = adapted()
    with pytest.raises(ModelError, match="adapted to newcomer already"):
        adapt_protein(found.model, NEW, RNAS, MEASURED)
    with pytest.raises(ModelError, match="aimed at newcomer already"):
        adapt_protein(aim(newcomer.joint(), [NEW]), NEW, RNAS, MEASURED)
    with pytest.raises(ModelError, match="speaks of no other"):
        aim(found.model, [NEW])
    for kind, protein, said in (
        ("rna-cnn", NEW, "does not know the sequence"),
        ("rna-cnn", None, "which proteins the outputs are is not known"),
        ("cell-cnn", NEW, "images of cells"),
        ("cell-cnn", None, "which proteins the outputs are is not known"),
    ):
        model = Predictor.load(untrained.save(tmp_path / f"{kind}.safetensors", kind))
        with pytest.raises(RequestError, match=said):
            adapt_protein(model, protein, RNAS, MEASURED, name="x")


@pytest.mark.parametrize(
    ("rnas", "values", "said"),
    [
        (RNAS[:3], MEASURED[:3], "3 different RNAs"),
        ([RNAS[0]] * 8, MEASURED[:8], "1 different RNAs"),
        (RNAS[:8], [np.nan] * 8, "0 different RNAs"),
        (RNAS[:8], [2.5] * 8, "all 8 are 2.5"),
        (RNAS[:8], MEASURED[:7], "7 of 8 RNAs"),
        (RNAS[:8], [*MEASURED[:7], np.inf], "measurement 8 is infinite"),
        ([*RNAS[:7], "MKVLW"], MEASURED[:8], "'M' at position 1"),
        ([*RNAS[:7], "A" * 42], MEASURED[:8], "42 nt"),
        ([*RNAS[:7], ""], MEASURED[:8], "empty"),
        (RNAS[0], [1.0], "of 1 RNAs"),
    ],
)
def test_measurements_that_are_none_are_refused(rnas: list[str], values: list[float], said: str) -> None:
    with pytest.raises((DataError, RequestError), match=said):
        adapt_protein(newcomer.joint(), NEW, rnas, values)


def test_the_output_needs_a_name_that_no_column_has() -> None:
    with pytest.raises(RequestError, match="has none"):
        adapt_protein(newcomer.joint(), None, RNAS, MEASURED)
    with pytest.raises(RequestError, match="'windows': cannot be"):
        adapt_protein(newcomer.joint(), replace(NEW, name="windows"), RNAS, MEASURED)
    named = adapt_protein(newcomer.joint(), {"E1": NEW.sequence}, RNAS, MEASURED)
    assert named.model.info.outputs == ("E1",)  # what a known protein is called as well
    np.testing.assert_allclose(
        named.model.predict(OTHERS)["E1"], adapted().model.predict(OTHERS)["newcomer"], atol=1e-5
    )
