"""A compendium as data of a recipe: which experiments and probes, which proteins are held out, and what is refused."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from ribocyte.errors import DataError, RecipeError
from ribocyte.rna import assay
from ribocyte.rna.compendium import Compendium, simulate
from ribocyte.rna.compendium.config import (
    CompendiumConfig,
    find_constructs,
    held_out,
    load,
    open_compendium,
)
from ribocyte.rna.motifs import Motif
from ribocyte.rna.proteins.constructs import KINDS
from ribocyte.rna.proteins.records import proteins_of
from ribocyte.rna.rnacompete import RNAcompeteConfig
from ribocyte.rna.rnacompete import load as load_table
from ribocyte.rna.table import check_probes

HEADER = [
    "rnacompete_id",
    "gene_name",
    "tax_name",
    "construct_aa_seq",
    "construct_domains",
    "construct_domain_boundaries",
]
# Seven experiments: two of one construct, two relatives, two with the same domain in other surroundings, one alone.
GENES = {1: "FOX", 2: "FOX", 3: "FOX2", 4: "KHA", 5: "KHB", 6: "LONE", 7: "FOX3"}


def letters(count: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACDEFGHIKLMNPQRSTVWY", k=count))


def constructs() -> list[tuple[str, str, str, tuple[int, int]]]:
    fox, shared, lone = letters(80, 1), letters(60, 2), letters(70, 3)
    relative = fox[:60] + letters(20, 4)
    distant = fox[:50] + letters(30, 6)
    return [
        ("FOX", fox, "RRMs_3D_hmm_extended", (0, 80)),
        ("FOX", fox, "RRMs_3D_hmm_extended", (0, 80)),
        ("FOX2", relative, "RRMs_3D_hmm_extended", (0, 80)),
        ("KHA", "MM" + shared, "KH_1", (2, 62)),
        ("KHB", "GGG" + shared + "LL", "KH_1", (3, 63)),
        ("LONE", lone, "zf-CCCH", (0, 70)),
        ("FOX3", distant, "RRMs_3D_hmm_extended", (0, 80)),
    ]


def name(number: int) -> str:
    return f"RNCMPT{number:05d}"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RIBOCYTE_DATA", raising=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder with a compendium of seven experiments and their proteins."""
    root = tmp_path_factory.mktemp("data")
    sets, rna = assay.design_probes(assay.AssayConfig(k=5, copies=8))
    probes = {"Probe_Set": sets, "Probe_ID": [f"R{i}" for i in range(len(rna))], "RNA_Seq": rna}
    motifs = [
        Motif.from_consensus(text, name=name(number))
        for number, text in enumerate(
            ("UGCAUG", "UGCAUG", "UGCAUA", "ACUAAY", "ACUAAY", "UUUUU", "UGCAUG"), 1
        )
    ]
    simulate(root / "rnacompete" / "compendium", check_probes(Path("design"), pl.DataFrame(probes)), motifs)
    rows = [
        (name(number), gene, "Homo sapiens", sequence, kind, f"{begin};{end}")
        for number, (gene, sequence, kind, (begin, end)) in enumerate(constructs(), 1)
    ]
    text = "\n".join("\t".join(cells) for cells in [HEADER, *rows]) + "\n"
    (root / "rnacompete" / "constructs.tsv").write_text(text)
    return root


def divided(folder: Path, **settings: Any) -> tuple[list[int], list[int]]:
    config, compendium = CompendiumConfig(**settings), open_compendium(folder)
    sides = held_out(config, compendium, find_constructs(config, compendium, folder))
    train, test = ([int(one.removeprefix("SIM_RNCMPT")) for one in side] for side in sides)
    return train, test


# What is loaded


def test_all_experiments_are_loaded_with_their_proteins(folder: Path) -> None:
    splits, compendium = load(CompendiumConfig(), folder), open_compendium(folder)
    assert splits.info.kind == "compendium"
    assert splits.info.simulated
    assert splits.info.outputs == compendium.experiments
    assert splits.train.targets.shape == (len(splits.train), 7)
    proteins = proteins_of(splits.info)
    assert [protein.gene for protein in proteins] == list(GENES.values())
    assert proteins[0].experiments == (name(1), name(2))
    assert proteins[3].domains[0].kind == KINDS["KH_1"]
    assert splits.info.normalisation["hold_out"] == {"how": "none", "test": []}


def test_experiments_are_asked_for_by_id_or_gene(folder: Path) -> None:
    wanted = ("RNCMPT00006", "fox", "SIM_RNCMPT00004")
    found = load(CompendiumConfig(experiments=wanted), folder).info.outputs
    assert [int(one[-1]) for one in found] == [6, 1, 2, 4]


def test_fewer_probes_are_a_part_of_more_and_the_rest_stays(folder: Path) -> None:
    whole, some, few = (load(CompendiumConfig(probes=probes), folder) for probes in (0, 100, 30))
    assert set(few.train.names) < set(some.train.names) < set(whole.train.names)
    assert (len(some.train), len(few.train)) == (100, 30)
    assert np.array_equal(few.test.names, whole.test.names)
    assert np.array_equal(few.val.names, whole.val.names)
    # Scaled by what is trained on: mean 0, standard deviation 1.
    torch.testing.assert_close(few.train.targets.nanmean(dim=0), torch.zeros(7), atol=1e-5, rtol=0)
    other = load(CompendiumConfig(probes=30, seed=1), folder)
    assert set(other.train.names) != set(few.train.names)


def test_a_table_is_built_once_into_the_cache(tmp_path: Path) -> None:
    motifs = [Motif.from_consensus(text) for text in ("UGCAUG", "ACUAAY")]
    assay.write_experiment(tmp_path / "rnacompete", motifs, assay.AssayConfig(k=4, copies=4))
    splits = load(CompendiumConfig(), tmp_path)
    wanted = load_table(RNAcompeteConfig(("SIM_UGCAUG", "SIM_ACUAAY")), tmp_path)
    torch.testing.assert_close(splits.val.targets, wanted.val.targets, atol=5e-3, rtol=0, equal_nan=True)
    assert splits.info.source == "norm_data.txt.gz"
    assert "proteins" not in splits.info.normalisation
    built = open_compendium(tmp_path).path
    before = (built / "compendium.json").stat().st_mtime_ns
    again = load(CompendiumConfig(), tmp_path / "rnacompete" / "norm_data.txt.gz")
    assert again.info.fingerprint == splits.info.fingerprint
    assert (built / "compendium.json").stat().st_mtime_ns == before


def test_a_compendium_itself_can_be_named(folder: Path) -> None:
    splits = load(CompendiumConfig(), folder / "rnacompete" / "compendium")
    assert len(proteins_of(splits.info)) == 7


def test_proteins_come_from_a_file_of_ones_own(folder: Path, tmp_path: Path) -> None:
    fasta = tmp_path / "mine.fasta"
    fasta.write_text("".join(f">{name(at)}\n{letters(50, min(at, 6))}\n" for at in range(1, 8)))
    splits = load(CompendiumConfig(proteins=str(fasta)), folder)
    proteins = proteins_of(splits.info)
    assert proteins[5] == proteins[6]
    assert proteins[6].experiments == (name(6), name(7))
    with pytest.raises(DataError, match=r"data.proteins = 'none.fasta': no such file"):
        load(CompendiumConfig(proteins="none.fasta"), folder)


# What is held out


def test_the_cluster_of_a_protein_goes_out_with_all_its_experiments(folder: Path) -> None:
    train, test = divided(folder, hold_out="cluster:FOX2")
    assert test == [1, 2, 3, 7]
    assert train == [4, 5, 6]


def test_a_threshold_says_who_is_a_relative(folder: Path) -> None:
    assert divided(folder, hold_out="cluster:FOX", identity=0.7)[1] == [1, 2, 3]


def test_every_protein_is_held_out_in_one_fold(folder: Path) -> None:
    folds = [divided(folder, hold_out="cluster", folds=3, fold=fold) for fold in range(3)]
    assert sorted(number for _, test in folds for number in test) == list(range(1, 8))
    assert all(sorted(train + test) == list(range(1, 8)) for train, test in folds)
    together = [{1, 2, 3, 7}, {4, 5}]
    assert all(group <= set(test) or not group & set(test) for group in together for _, test in folds)


def test_a_family_goes_out_whole(folder: Path) -> None:
    assert divided(folder, hold_out="family:KH") == ([1, 2, 3, 6, 7], [4, 5])


def test_held_out_columns_are_in_no_split_and_are_stamped(folder: Path) -> None:
    splits = load(CompendiumConfig(hold_out="cluster:KHA"), folder)
    assert splits.train.targets.shape[1] == 5
    assert not any(f"RNCMPT0000{number}" in " ".join(splits.info.outputs) for number in (4, 5))
    stamp = splits.info.normalisation["hold_out"]
    assert stamp["how"] == "cluster:KHA"
    assert stamp["test"] == [f"SIM_{name(4)}", f"SIM_{name(5)}"]
    assert len(proteins_of(splits.info)) == 5


def test_a_test_protein_that_also_trains_is_refused_unless_forced(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"RNCMPT00004 is to be tested and is the same protein as RNCMPT00005"
    ):
        divided(folder, hold_out="protein:KHA")
    assert divided(folder, hold_out="protein:KHA", force=True) == ([1, 2, 3, 5, 6, 7], [4])
    # Two experiments of one construct are no two proteins.
    assert divided(folder, hold_out="protein:RNCMPT00001")[1] == [1, 2]


# What is refused


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"hold_out": "cluster:FOX", "experiments": ("FOX", "FOX2")},
            "leaves none of the 2 proteins to train on",
        ),
        ({"hold_out": "family:PUF"}, "no protein has such a domain; expected one of RRM, KH"),
        ({"hold_out": "cluster:LONE", "experiments": ("FOX",)}, "not among the 2 experiments chosen"),
        ({"experiments": ("FOXX",)}, "called 'FOXX'.*did you mean FOX"),
        ({"probes": 10**6}, "data.probes = 1000000; expected at most"),
    ],
)
def test_what_cannot_be_divided_is_refused(folder: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(CompendiumConfig(**settings), folder)


def test_more_folds_than_clusters_are_refused(folder: Path) -> None:
    with pytest.raises(RecipeError, match="folds = 5: the 6 proteins make 3 clusters"):
        divided(folder, hold_out="cluster")


def test_nothing_is_held_out_of_unknown_proteins(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "rnacompete"
    shutil.copytree(folder / "rnacompete" / "compendium", alone / "compendium")
    assert "proteins" not in load(CompendiumConfig(), alone.parent).info.normalisation
    with pytest.raises(DataError, match=r"its proteins are not known.*constructs.tsv"):
        load(CompendiumConfig(hold_out="cluster"), alone.parent)


@pytest.mark.parametrize(
    "settings",
    [
        {"hold_out": "clusters"},
        {"hold_out": "cluster:"},
        {"hold_out": "family"},
        {"hold_out": "none:KH"},
        {"experiments": ("A", "A")},
        {"folds": 1},
        {"fold": 5},
        {"identity": 1.5},
        {"probes": -1},
        {"validation": 0.0},
    ],
)
def test_an_impossible_setting_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        CompendiumConfig(**settings)


def test_a_column_that_failed_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder / "rnacompete" / "compendium", broken)
    values = np.load(broken / "intensities.npy")
    values[:, 2] = np.nan
    np.save(broken / "intensities.npy", values)
    with pytest.raises(DataError, match="SIM_RNCMPT00003 has no intensities that differ in train"):
        load(CompendiumConfig(), broken)
    kept = tuple(one for one in Compendium.open(broken).experiments if not one.endswith("3"))
    assert len(load(replace(CompendiumConfig(), experiments=kept), broken).info.outputs) == 6
