"""Motifs of a network that learned from simulated RBFOX1, whose source is known, and of requests gone wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from torch import nn

import untrained
from ribocyte import Predictor, read_recipe, train
from ribocyte.applications.motifs import MotifSettings, MotifStudy, find_motifs, write_motifs
from ribocyte.errors import DataError, ModelError, RequestError
from ribocyte.rna.assay import AssayConfig, write_experiment
from ribocyte.rna.meme import read_motifs, write_meme
from ribocyte.rna.motifs import find_motif

SOURCE = find_motif("RBFOX1")
SETTINGS = (
    "data.experiments=SIM_RBFOX1",
    "model.detectors=64",
    "training.precision=32",
    "objective.best=pearson",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_experiment(folder / "rnacompete", [SOURCE], AssayConfig(copies=8))
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    run = train(read_recipe("rna/cnn", SETTINGS), tmp_path_factory.mktemp("runs") / "rbfox1", data=data)
    return Predictor.load(run.path)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the source, as likely as its energies make each base, among fifty motifs drawn at random."""
    random = np.random.default_rng(0)
    motifs = {f"decoy{at}": random.dirichlet([0.3] * 4, size=7) for at in range(50)}
    weights = np.exp(-SOURCE.energies)
    motifs["source"] = weights / weights.sum(axis=1, keepdims=True)
    path = tmp_path_factory.mktemp("known") / "known.meme"
    write_meme(path, motifs)
    return path


@pytest.fixture(scope="module")
def study(model: Predictor, data: Path, known: Path) -> MotifStudy:
    return find_motifs(
        model, data=data, known=known, settings=MotifSettings(methods=("kmers",), attributed=200, top=2)
    )


def test_the_source_of_the_simulation_is_found_and_matched(study: MotifStudy) -> None:
    first = study.found[0]
    assert "GCAUG" in first.best_site
    assert study.matches is not None
    best = study.matches.filter(pl.col("motif") == first.name).row(0, named=True)
    assert best["target"] == "source"
    assert best["q"] < 0.01
    assert (study.simulated, study.output, study.known) == (True, "SIM_RBFOX1", 51)


def test_the_costliest_mutations_hit_it_and_it_alone_raises_predictions(study: MotifStudy) -> None:
    assert [hits.mutation for hits in study.hits] == ["substitution", "deletion of 5 nt"]
    assert all(hits.share > 0.85 > 2 * hits.chance for hits in study.hits)
    whole = study.importance.filter(pl.col("question") == "whole").row(0, named=True)
    assert whole["low"] > 1
    assert study.motifs["effect"][0] == pytest.approx(whole["effect"])


def test_the_folder_holds_what_was_found(study: MotifStudy, tmp_path: Path) -> None:
    files = write_motifs(study, tmp_path / "motifs")
    names = [motif.name for motif in study.found]
    tables = {f"{name}.tsv" for name in ("motifs", "matches", "importance")}
    logos = {f"logos/{name}.svg" for name in names}
    assert set(files) == {"index.html", "motifs.meme", "logos.svg", "importance.svg", *tables, *logos}
    written = read_motifs(tmp_path / "motifs" / "motifs.meme")
    assert list(written) == names
    for motif in study.found:
        np.testing.assert_allclose(written[motif.name], motif.pwm, atol=1e-6)
    page = (tmp_path / "motifs" / "index.html").read_text()
    assert "SIMULATED" in page
    assert "It matches" in page
    with pytest.raises(RequestError, match="not an empty folder"):
        write_motifs(study, tmp_path / "motifs")


def fasta(path: Path, sequences: list[str]) -> Path:
    path.write_text("".join(f">{number}\n{rna}\n" for number, rna in enumerate(sequences)))
    return path


def drawn(count: int, length: int = 30) -> list[str]:
    random = np.random.default_rng(0)
    return ["".join(row) for row in random.choice(list("ACGU"), size=(count, length))]


def test_what_holds_no_kmer_is_left_out_and_counted(model: Predictor, tmp_path: Path) -> None:
    path = fasta(tmp_path / "rna.fa", [*drawn(150), *["N" * 30] * 20, *["ACG"] * 5, *["ACGUNNACGUAC"] * 3])
    found = find_motifs(
        model, sequences=path, settings=MotifSettings(methods=("kmers",), attributed=20, top=1)
    )
    assert (found.sequences, found.left_out, found.source) == (150, 28, str(path))
    write_motifs(found, tmp_path / "motifs")
    assert "28 left out (no 7 nt of A, C, G, U in a row)" in (tmp_path / "motifs" / "index.html").read_text()


@pytest.mark.parametrize(
    ("sequences", "said"),
    [
        (["ACGU"] * 200, "200 sequences, of 4 nt at most; expected 7 nt or more"),
        (["N" * 20] * 200, "200 sequences, of 0 nt at most"),
        (
            [*drawn(90), *["N" * 9] * 20],
            "90 sequences, and 20 without 7 nt of A, C, G, U in a row; expected 100",
        ),
        (drawn(200, 12), "12 nt or fewer, too few to put a motif into; .* add --contexts random"),
        ([f"{rna}N" for rna in drawn(200)], "every sequence has an N, .* add --contexts random"),
    ],
)
def test_sequences_that_tell_nothing_are_refused(
    model: Predictor, tmp_path: Path, sequences: list[str], said: str
) -> None:
    with pytest.raises(DataError, match=f"rna.fa: .*{said}"):
        find_motifs(model, sequences=fasta(tmp_path / "rna.fa", sequences))


def test_a_model_that_says_the_same_of_all_is_refused(tmp_path: Path) -> None:
    made = untrained.model("rna-cnn")
    for parameter in made.network.parameters():
        nn.init.zeros_(parameter)
    path = fasta(tmp_path / "rna.fa", drawn(120))
    with pytest.raises(ModelError, match="for all of 120 sequences"):
        find_motifs(made, sequences=path, settings=MotifSettings(output=untrained.EXPERIMENTS[0]))


def test_pictures_have_no_motifs_and_an_output_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="images of cells, which have no motifs"):
        find_motifs(untrained.model("cell-cnn"))
    with pytest.raises(RequestError, match="did you mean RNCMPT00168"):
        find_motifs(untrained.model("rna-cnn"), settings=MotifSettings(output="RNCMPT00186"))


@pytest.mark.parametrize(
    "settings", [{"top": 0}, {"k": 3}, {"k": 11}, {"attributed": 0}, {"seed": -1}, {"methods": ("kmer",)}]
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(RequestError, match=next(iter(settings)).rstrip("s")):
        MotifSettings(**settings)  # type: ignore[arg-type]
