"""Which 7-mers a protein prefers: all of them scored as by hand, the motif of the best, and what the folder says."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

import binders
from ribocyte import find_specificity
from ribocyte.applications.specificity import embed_kmers, write_specificity
from ribocyte.errors import DataError, ModelError, RequestError
from ribocyte.learn.ensemble import Ensemble
from ribocyte.rna.alphabet import letters
from ribocyte.rna.importance import draw_contexts
from ribocyte.rna.kmers import name_kmer
from ribocyte.rna.meme import read_motifs, write_meme

MODEL = binders.joint_model(simulated=True)
ASKED = [binders.RELATIVE, binders.WHOLE, binders.STRANGER]


class Same(nn.Module):
    """Says the same of every RNA."""

    def forward(self, rna: Tensor) -> Tensor:
        return rna.new_zeros(len(rna), 4)


def test_every_7mer_lies_in_the_middle_of_every_context() -> None:
    contexts = draw_contexts(41, 3, seed=5)
    embedded = embed_kmers(contexts, 100, 104)
    assert embedded.shape == (4, 3, 41)
    for number, kmer in enumerate(embedded, 100):
        for context, rna in zip(letters(contexts), letters(kmer), strict=True):
            assert rna == context[:17] + name_kmer(number, 7) + context[24:]


def test_z_is_the_mean_over_contexts_in_standard_deviations_of_all_7mers() -> None:
    found = find_specificity(MODEL, ASKED[:1], contexts=2, seed=3).found[0]
    contexts = letters(draw_contexts(41, 2, seed=3))
    chosen = random.Random(1).sample(range(4**7), 40)
    by_hand = [
        np.mean([binders.count_matches(c[:17] + name_kmer(n, 7) + c[24:], "UGCAUGU") for c in contexts])
        for n in chosen
    ]
    assert np.corrcoef(by_hand, found.z[chosen])[0, 1] == pytest.approx(1, abs=1e-9)
    assert found.z.mean() == pytest.approx(0, abs=1e-9)
    assert found.z.std() == pytest.approx(1)


def test_each_protein_prefers_what_it_or_its_nearest_relative_does() -> None:
    related, measured, strange = find_specificity(MODEL, ASKED).found
    assert related.best(1)["kmer"].to_list() == ["UGCAUGU"]
    assert measured.best(1)["kmer"].to_list() == ["ACUAACA"]
    assert related.motif is not None
    assert related.motif.consensus == "UGCAUGU"
    assert (related.spread, measured.query.measured) == (None, ("E3",))
    assert strange.query.warning


def test_an_ensemble_says_how_much_its_members_differ() -> None:
    other = binders.Seeker(["UGCAUGU", "GGGGGGG", "GGGGGGG", "GGGGGGG"])
    model = binders.joint_model(Ensemble([MODEL.network, other]))
    agreed, differed = find_specificity(model, ASKED[:2], contexts=1).found
    assert agreed.spread is not None
    assert differed.spread is not None
    np.testing.assert_allclose(agreed.spread, 0, atol=1e-9)
    assert differed.spread.max() > 1


def test_the_folder_has_every_7mer_the_motif_and_the_nearest_known_proteins(tmp_path: Path) -> None:
    motifs = tmp_path / "known.meme"
    write_meme(motifs, {"E1": binders.site_weights("UGCAUGU").T.numpy(), "E9": np.full((4, 4), 0.25)})
    study = find_specificity(MODEL, ASKED, known=motifs)
    files = write_specificity(study, tmp_path / "out")
    assert files == [
        "index.html", "kmers.tsv", "logos/1.svg", "logos/2.svg", "logos/3.svg", "motifs.meme", "proteins.tsv",
    ]  # fmt: skip
    kmers = pl.read_csv(tmp_path / "out" / "kmers.tsv", separator="\t")
    assert kmers.columns == ["kmer", "relative", "whole", "stranger", "simulated"]
    assert kmers["simulated"].all()
    assert kmers["kmer"].to_list() == [name_kmer(number, 7) for number in range(4**7)]
    np.testing.assert_allclose(kmers["whole"].to_numpy(), study.found[1].z, atol=1e-4)
    written = read_motifs(tmp_path / "out" / "motifs.meme")
    assert list(written) == ["relative", "whole", "stranger"]
    table = pl.read_csv(tmp_path / "out" / "proteins.tsv", separator="\t")
    assert table["nearest_gene"].to_list()[:2] == ["FOX1", "STAR"]
    assert table["simulated"].to_list() == [True] * 3
    assert "SIMULATED" in (tmp_path / "out" / "motifs.meme").read_text().splitlines()[2]
    page = (tmp_path / "out" / "index.html").read_text()
    for said in ("SIMULATED", "FOX1", "Not measured", "Measured", "Warning", "UGCAUGU"):
        assert said in page
    assert [known.name for known in study.found[0].known] == ["E1"]


def test_a_protein_may_be_called_as_a_column_is_or_as_no_file_can_be(tmp_path: Path) -> None:
    named = [replace(binders.RELATIVE, name="kmer"), replace(binders.WHOLE, name="sp|Q9/../x|RFOX1_HUMAN")]
    out = tmp_path / "out"
    write_specificity(find_specificity(MODEL, named, contexts=1), out)
    header = (out / "kmers.tsv").read_text().splitlines()[0]
    assert header == "kmer\tkmer\tsp|Q9/../x|RFOX1_HUMAN\tsimulated"
    assert sorted(path.name for path in (out / "logos").iterdir()) == ["1.svg", "2.svg"]


def test_what_cannot_be_ranked_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="predicted the same for all 7-mers"):
        find_specificity(binders.joint_model(Same()), [binders.WHOLE], contexts=1)
    with pytest.raises(RequestError, match="contexts = 0"):
        find_specificity(MODEL, ASKED, contexts=0)
    with pytest.raises(RequestError, match="at most 50"):
        find_specificity(MODEL, {f"p{n}": "MKVLW" for n in range(51)})
    strange = tmp_path / "known.meme"
    write_meme(strange, {"M001": binders.site_weights("UGCAUGU").T.numpy()})
    with pytest.raises(DataError, match="none of its 1 motifs"):
        find_specificity(MODEL, ASKED, known=strange, contexts=1)


def test_progress_ends_with_all_7mers() -> None:
    told: list[tuple[int, int]] = []
    find_specificity(MODEL, ASKED[:1], contexts=1, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (4**7, 4**7)
    assert torch.tensor([done for done, _ in told]).diff().min() > 0
