"""``ribocyte bind``, ``specificity`` and ``proteins`` as a person meets them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from torch import float64, linspace, tensor, zeros

import binders
import untrained
from command_line import ask, call, refused, succeed
from ribocyte.catalog import Predictor, build_network, calibrate_trust, make_encoding, parse_recipe
from ribocyte.errors import RequestError
from ribocyte.learn.splits import Split
from ribocyte.rna.joint.margins import Margins
from ribocyte.rna.joint.trust import unseen_trust
from ribocyte.version import VERSION

ASKED = [binders.RELATIVE, binders.WHOLE, binders.STRANGER]


def joint(path: Path, calibrated: bool = False, members: int = 1) -> Path:
    """Write the file of an untrained joint network of the known proteins."""
    info = binders.joint_model(simulated=True).info
    recipe = parse_recipe(
        {
            "data": {"kind": "compendium"},
            "model": {"kind": "rna-multi", "detectors": 4, "hidden": 8},
            "training": {"members": members},
        },
        "joint",
    )
    card = {"version": VERSION, "recipe": recipe.as_tables(), "data": info.as_json()}
    model = Predictor(build_network(recipe, info), make_encoding(recipe, info), card)
    if calibrated:
        weights = tensor([1.0, 0.5, 0, 0], dtype=float64)
        curve = (tensor([0.0, 1.0], dtype=float64), tensor([0.2, 0.6], dtype=float64))
        model.trust = unseen_trust(
            model, Margins(weights, linspace(1, 2, 491, dtype=float64), *curve, 9, 0.5)
        )
    model.save(path)
    return path


def trusted_as_known(path: Path) -> Path:
    """Write the file of a network as training leaves it: it knows how far to trust it for known proteins alone."""
    model = Predictor.load(joint(path))
    rnas, _ = model.encoding.encode(binders.draw_rna(40))
    targets = model.outputs(rnas) + linspace(-1, 1, 40)[:, None]
    names = np.array([f"r{number}" for number in range(40)])
    model.trust = calibrate_trust(model, Split(rnas, targets, names))
    model.save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bind")
    joint(made / "joint.safetensors", calibrated=True, members=2)
    binders.write_fasta(made / "proteins.fa", ASKED)
    binders.write_fasta(made / "rna.fa", {f"r{n}": rna for n, rna in enumerate(binders.draw_rna(5))})
    binders.write_fasta(made / "three.fa", {f"r{n}": rna for n, rna in enumerate(binders.draw_rna(3))})
    (made / "rnacompete").mkdir()
    binders.write_constructs(made / "rnacompete" / "constructs.tsv")
    return made


def table(text: str) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(text), separator="\t")


def asked(folder: Path, rna: str = "rna.fa") -> tuple[object, ...]:
    return ("bind", folder / "joint.safetensors", "--protein", folder / "proteins.fa", "--rna", folder / rna)


def test_every_pair_is_a_row_with_how_far_to_trust_it(folder: Path) -> None:
    result = call(*asked(folder))
    assert result.exit_code == 0, result.output
    found = table(result.stdout)
    assert found.select("rna", "protein").rows() == [(f"r{n}", one.name) for n in range(5) for one in ASKED]
    unseen = found.filter(pl.col("measured").is_null())
    assert unseen["protein"].unique().sort().to_list() == ["relative", "stranger"]
    for column in ("low", "high", "spread", "identity", "coverage", "likeness", "nearest"):
        assert unseen[column].null_count() == 0
    assert found["simulated"].all()
    reliable = found.filter(pl.col("reliability").is_not_null())["protein"].unique().to_list()
    assert reliable == ["relative"]  # of the stranger nothing is known
    assert (found["low"] < found["score"]).all()
    assert "SIMULATED" in result.stderr
    assert "relative: not measured; nearest E1 (FOX1), identity 0." in result.stderr
    assert (
        "relative: more like a known protein than any that intervals were learned from (0.50" in result.stderr
    )
    assert "whole: measured, E3; its own output is used" in result.stderr
    assert "warning: stranger: no RNA-binding domain recognised" in " ".join(result.stderr.split())
    assert "15 pairs" in result.stderr


def test_pairs_are_rows_of_the_whole_table(folder: Path) -> None:
    whole = table(succeed(*asked(folder, "three.fa")))
    paired = table(succeed(*asked(folder, "three.fa"), "--pairs"))
    assert paired.height == 3
    assert paired.equals(whole[[0, 4, 8]])
    said = refused(*asked(folder), "--pairs")
    assert "3 proteins in" in said
    assert "5 RNAs in" in said


@pytest.mark.parametrize("name", ["out.tsv", "out.json", "out.parquet"])
def test_files_hold_what_standard_output_would(folder: Path, tmp_path: Path, name: str) -> None:
    expected = table(succeed(*asked(folder)))
    out = tmp_path / name
    assert call(*asked(folder), "--out", out).stdout == ""
    read = {".tsv": lambda: table(out.read_text()), ".json": lambda: pl.read_json(out)}
    found = read.get(out.suffix, lambda: pl.read_parquet(out))()
    assert found.columns == expected.columns
    assert found["score"].to_list() == pytest.approx(expected["score"].to_list(), abs=1e-6)


def test_level_widens_and_a_model_without_trust_says_so(folder: Path, tmp_path: Path) -> None:
    wide, narrow = (table(succeed(*asked(folder), "--level", level)) for level in (0.99, 0.5))
    assert (
        ((wide["high"] - wide["low"]) > (narrow["high"] - narrow["low"]))
        .filter(wide["measured"].is_null())
        .all()
    )
    bare = joint(tmp_path / "bare.safetensors")
    rest = ("--protein", folder / "proteins.fa", "--rna", folder / "rna.fa")
    assert "no interval and no reliability" in " ".join(call("bind", bare, *rest).stderr.split())
    assert "gives no intervals" in refused("bind", bare, *rest, "--level", 0.5)


def test_a_model_as_training_leaves_it_says_what_it_does_not_know(folder: Path, tmp_path: Path) -> None:
    model = trusted_as_known(tmp_path / "trained.safetensors")
    rest = ("--protein", folder / "proteins.fa", "--rna", folder / "rna.fa")
    result = call("bind", model, *rest)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "relative, stranger: no interval and no reliability" in said
    assert "ribocyte transfer cluster" in said
    found = table(result.stdout)
    whole = found.filter(pl.col("protein") == "whole")
    assert whole["low"].null_count() == whole["warning"].is_not_null().sum() == 0
    others = found.filter(pl.col("protein") != "whole")
    assert others["low"].null_count() == 10
    assert others["warning"].str.contains("never calibrated on unseen proteins").all()


def test_what_is_wrong_with_the_rna_or_the_level_is_told_before_anything_else(
    folder: Path, tmp_path: Path
) -> None:
    model, protein = folder / "joint.safetensors", folder / "proteins.fa"
    bad = binders.write_fasta(tmp_path / "bad.fa", {"good": "ACGU", "bad": "ACGUPE"})
    told = call("bind", model, "--protein", protein, "--rna", bad)
    assert told.exit_code == 2
    assert told.stderr.startswith("ribocyte: error: ")
    assert "did you mean --level 0.9?" in refused(*asked(folder), "--level", 90)
    (tmp_path / "study").mkdir()
    joint(tmp_path / "study" / "model.safetensors")
    (tmp_path / "study" / "model").mkdir()
    (tmp_path / "study" / "model.safetensors").rename(tmp_path / "study" / "model" / "model.safetensors")
    said = refused("bind", tmp_path / "study", "--protein", protein, "--rna", folder / "rna.fa")
    assert f"did you mean {tmp_path / 'study' / 'model'}?" in said


def test_rnas_of_one_name_are_told(folder: Path, tmp_path: Path) -> None:
    twice = tmp_path / "twice.fa"
    twice.write_text(">a\nACGUACGU\n>a\nACGUACGG\n>b\nACGU\n")
    result = call("bind", folder / "joint.safetensors", "--protein", folder / "proteins.fa", "--rna", twice)
    assert result.exit_code == 0, result.output
    assert result.stderr.rstrip().endswith("RNAs of the same name: a")
    assert "same name" not in call(*asked(folder)).stderr


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("MKVLW1", "'1' at residue 6"),
        ("", "no residues"),
        ("M" * 20_000, "20000 residues"),
        ("ACGUACGUACGUACGU", "RNA, nothing but"),
        ("MKVLWG-HIK", "gaps of an alignment"),
    ],
)
def test_what_is_no_protein_is_refused_in_a_line(
    folder: Path, tmp_path: Path, letters: str, said: str
) -> None:
    fasta = binders.write_fasta(tmp_path / "p.fa", {"bad": letters})
    line = refused("bind", folder / "joint.safetensors", "--protein", fasta, "--rna", folder / "rna.fa")
    assert said in line
    assert str(fasta) in line


def test_letters_that_may_stand_in_a_protein_are_read(folder: Path, tmp_path: Path) -> None:
    fasta = binders.write_fasta(tmp_path / "p.fa", {"odd": binders.RELATIVE.sequence + "XUBZ*"})
    found = table(
        succeed("bind", folder / "joint.safetensors", "--protein", fasta, "--rna", folder / "rna.fa")
    )
    assert found.height == 5


def test_wrong_files_and_models_are_explained_in_a_line(folder: Path, tmp_path: Path) -> None:
    model, protein, rna = folder / "joint.safetensors", folder / "proteins.fa", folder / "rna.fa"
    twice = tmp_path / "twice.fa"
    twice.write_text(">a\nMKVLW\n>a\nMKVLW\n")
    assert "both named 'a'" in refused("bind", model, "--protein", twice, "--rna", rna)
    swapped = refused("bind", model, "--protein", rna, "--rna", protein)
    assert "expected a protein" in swapped
    out = tmp_path / "out.tsv"
    said = refused("bind", model, "--protein", protein, "--rna", protein, "--out", out)
    assert "a protein, perhaps?" in said
    assert not out.exists()
    single = untrained.save(tmp_path / "single.safetensors")
    assert "ribocyte predict" in refused("bind", single, "--protein", protein, "--rna", rna)
    cells = untrained.save(tmp_path / "cells.safetensors", "cell-cnn")
    assert "images of cells" in refused("bind", cells, "--protein", protein, "--rna", rna)
    assert "is an input" in refused(
        "bind", model, "--protein", protein, "--rna", rna, "--format", "tsv", "--out", rna
    )
    assert "cannot be read" in refused("bind", model, "--protein", tmp_path / "none", "--rna", rna)


def test_specificity_writes_a_folder_and_shows_the_motifs(folder: Path, tmp_path: Path) -> None:
    rest = ("--protein", folder / "proteins.fa", "--contexts", 1)
    shown = succeed("specificity", folder / "joint.safetensors", *rest, "--out", tmp_path / "a")
    assert "SIMULATED" in shown
    assert "E1 (FOX1)" in shown
    assert (tmp_path / "a" / "index.html").is_file()
    found = ask("specificity", folder / "joint.safetensors", *rest, "--out", tmp_path / "b")
    assert [one["protein"] for one in found["proteins"]] == [one.name for one in ASKED]
    assert len(found["proteins"][0]["best"]) == 10
    assert found["proteins"][1]["reliability"] is None
    assert "kmers.tsv" in found["files"]
    said = refused("specificity", folder / "joint.safetensors", *rest, "--out", tmp_path / "a")
    assert "not an empty folder" in said
    single = untrained.save(tmp_path / "single.safetensors")
    assert "ribocyte predict" in refused("specificity", single, *rest, "--out", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_proteins_are_listed_searched_and_compared(folder: Path, tmp_path: Path) -> None:
    data = ("--data", folder)
    listed = ask("proteins", "list", *data)
    assert [one["protein"] for one in listed] == ["E1", "E2", "E3", "E4"]
    assert ask("proteins", "list", "--model", folder / "joint.safetensors") == listed
    assert "CELF9" in succeed("proteins", "search", "celf", *data)
    found = ask("proteins", "search", "--domain", "KH", "--species", "homo", *data)
    assert [one["gene"] for one in found] == ["STAR", "NOVA"]
    result = call("proteins", "nearest", "--protein", folder / "proteins.fa", "--count", 2, *data)
    assert result.exit_code == 0, result.output
    assert "stranger: no RNA-binding domain recognised" in " ".join(result.stderr.split())
    near = ask("proteins", "nearest", "--protein", folder / "proteins.fa", "--count", 2, *data)
    assert [(one["query"], one["rank"]) for one in near][:3] == [
        ("relative", 1),
        ("relative", 2),
        ("whole", 1),
    ]


def test_wrong_questions_about_proteins_are_explained(folder: Path, tmp_path: Path) -> None:
    data = ("--data", folder)
    assert "for what?" in refused("proteins", "search", *data)
    assert "did you mean NOVA" in refused("proteins", "search", "NOVE", *data)
    assert "not found in" in refused("proteins", "list", "--data", tmp_path)
    both = refused("proteins", "list", *data, "--model", folder / "joint.safetensors")
    assert "both are given" in both
    for kind, data_kind in (("rna-cnn", "rnacompete"), ("cell-cnn", "bloodmnist")):
        model = untrained.save(tmp_path / f"{kind}.safetensors", kind)
        said = refused("proteins", "list", "--model", model)
        assert f"learned from {data_kind}, and does not know the sequence of any protein" in said


def test_json_is_one_array_of_rows(folder: Path) -> None:
    rows = json.loads(succeed(*asked(folder), "--json"))
    assert len(rows) == 15
    assert rows[0]["nearest_gene"] == "FOX1"


def test_trust_in_unseen_proteins_is_never_replaced_by_one_in_known_ones(folder: Path) -> None:
    model = Predictor.load(folder / "joint.safetensors")
    rnas, _ = model.encoding.encode(binders.draw_rna(20))
    names = np.array([f"r{number}" for number in range(len(rnas))])
    with pytest.raises(RequestError, match="ribocyte transfer cluster"):
        calibrate_trust(model, Split(rnas, zeros(len(rnas), len(model.info.outputs)), names))
