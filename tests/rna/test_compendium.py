"""All experiments at once: built from a table or simulated, opened, and what it costs in accuracy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ribocyte.errors import DataError, RecipeError, RequestError
from ribocyte.rna import assay, rnacompete
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.compendium import (
    A1CF,
    Compendium,
    Conditions,
    SimulationConfig,
    build,
    load_splits,
    read_design,
    simulate,
)
from ribocyte.rna.compendium.array import (
    add_noise,
    ceiling,
    count_trimers,
    expect,
    sum_sites,
    trimer_affinity,
)
from ribocyte.rna.compendium.fitting import fit_experiment
from ribocyte.rna.compendium.simulation import SimulatedArray
from ribocyte.rna.motifs import Motif, known_motifs, occupancy, read_hmot
from ribocyte.rna.rnacompete import RNAcompeteConfig
from ribocyte.rna.table import check_probes

MOTIFS = [
    Motif.from_consensus(text, name=f"RNCMPT0000{number}")
    for number, text in enumerate(("UGCAUG", "UUUUU", "ACUAAY"), 1)
]
QUIET = Conditions(background=0.3, contrast=40.0, concentration=5.0, scatter=0.01, noise=0.01, floor=0.01)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def design() -> pl.DataFrame:
    sets, rna = assay.design_probes(assay.AssayConfig(k=5, copies=8))
    probes = {
        "Probe_Set": sets,
        "Probe_ID": [f"RNA_{number:06d}" for number in range(len(rna))],
        "RNA_Seq": rna,
    }
    return check_probes(Path("design"), pl.DataFrame(probes))


def write_table(folder: Path, rows: int = 300, experiments: int = 3, scale: float = 1.0) -> Path:
    """Write a table of the official format, with spots that failed, repeats, and both sets."""
    generator = np.random.default_rng(3)
    rna = ["".join(generator.choice(list("ACGU"), generator.integers(30, 42))) for _ in range(rows)]
    rna[5] = rna[2]
    columns = {
        "Probe_Set": ["SetA" if number % 2 else "SetB" for number in range(rows)],
        "Probe_ID": [f"RNA_{number:06d}" for number in range(rows)],
        "RNA_Seq": rna,
    }
    for number in range(experiments):
        values = (generator.gamma(1.5, 2.0, rows) - 1.5) * scale
        values[generator.random(rows) < 0.05] = np.nan
        columns[f"RNCMPT{number:05d}"] = values.round(6)
    path = folder / "norm_data.txt.gz"
    text = pl.DataFrame(columns).write_csv(separator="\t").encode()
    path.write_bytes(gzip.compress(text))
    return path


# From measurements


def test_a_table_becomes_arrays_with_the_same_numbers(tmp_path: Path) -> None:
    path = write_table(tmp_path)
    calls: list[tuple[int, int]] = []
    found = build(path, tmp_path / "all", report=lambda done, total: calls.append((done, total)))
    table = pl.read_csv(path, separator="\t")
    assert found.experiments == ("RNCMPT00000", "RNCMPT00001", "RNCMPT00002")
    assert found.intensities.dtype == np.float16
    assert not found.simulated
    assert found.facts["source"] == "norm_data.txt.gz"
    for name in found.experiments:
        np.testing.assert_array_equal(found.column(name), table[name].to_numpy().astype(np.float16))
    np.testing.assert_array_equal(found.tokens, tokens(table["RNA_Seq"].to_list(), 41).numpy())
    assert found.names.astype(str).tolist() == table["Probe_ID"].to_list()
    np.testing.assert_array_equal(found.in_test, (table["Probe_Set"] == "SetB").to_numpy())
    assert found.first_row[5] == 2
    assert calls[-1] == (300, 0)


def test_many_blocks_are_written_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_table(tmp_path)
    whole = build(path, tmp_path / "whole")
    monkeypatch.setattr("ribocyte.rna.columns.BLOCK", 3000)
    pieces = build(path, tmp_path / "pieces")
    for name in ("tokens", "intensities", "names", "in_test", "first_row"):
        assert (tmp_path / "whole" / f"{name}.npy").read_bytes() == (
            tmp_path / "pieces" / f"{name}.npy"
        ).read_bytes()
    assert len(pieces) == len(whole) == 300


def test_some_experiments_can_be_chosen(tmp_path: Path) -> None:
    found = build(write_table(tmp_path), tmp_path / "some", experiments=["RNCMPT00002"])
    assert found.intensities.shape == (300, 1)
    with pytest.raises(DataError, match=r"no experiment 'RNCMPT00001'.*did you mean RNCMPT00002"):
        found.column("RNCMPT00001")


def test_rounding_is_told_and_far_below_the_noise(tmp_path: Path) -> None:
    path = write_table(tmp_path)
    half, full = build(path, tmp_path / "half"), build(path, tmp_path / "full", precision="float32")
    exact = pl.read_csv(path, separator="\t").select(half.experiments).to_numpy()
    error = half.intensities.astype(np.float64) - exact
    told = half.facts["precision"]
    assert told["rms_error"] == pytest.approx(np.sqrt(np.nanmean(error**2)))
    assert told["largest_error"] == pytest.approx(np.nanmax(np.abs(error)))
    assert (np.abs(error[~np.isnan(exact)]) <= np.abs(exact[~np.isnan(exact)]) * 2.0**-11 + 2.0**-25).all()
    assert full.facts["precision"]["largest_error"] < 1e-6
    targets = [load_splits(one).train.targets for one in (half, full)]
    assert float((targets[0] - targets[1]).nan_to_num().abs().max()) < 0.01  # z-scores; noise is 0.6


def test_an_intensity_beyond_half_precision_is_refused_and_kept_in_single(tmp_path: Path) -> None:
    path = write_table(tmp_path, scale=1e5)
    with pytest.raises(DataError, match=r"after row 0: the intensity .*keep them in float32"):
        build(path, tmp_path / "half")
    assert not (tmp_path / "half").exists()
    assert build(path, tmp_path / "full", precision="float32").intensities.dtype == np.float32


@pytest.mark.parametrize("experiments", [(), ("RNCMPT00001",)])
def test_splits_are_those_of_the_table(tmp_path: Path, experiments: tuple[str, ...]) -> None:
    path = write_table(tmp_path)
    mine = load_splits(build(path, tmp_path / "all", precision="float32"), experiments)
    config = RNAcompeteConfig(experiments=experiments or ("RNCMPT00000", "RNCMPT00001", "RNCMPT00002"))
    theirs = rnacompete.load(config, path)
    for name in ("train", "val", "test"):
        one, other = getattr(mine, name), getattr(theirs, name)
        torch.testing.assert_close(one.targets, other.targets, equal_nan=True)
        assert torch.equal(one.inputs, other.inputs)
        assert one.names.tolist() == other.names.tolist()
    assert mine.info.outputs == theirs.info.outputs
    assert mine.info.protocol == "strict"


def test_an_experiment_that_was_not_measured_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path)
    table = pl.read_csv(path, separator="\t").with_columns(pl.lit(float("nan")).alias("RNCMPT00001"))
    path.write_bytes(table.write_csv(separator="\t").encode())
    with pytest.raises(DataError, match="RNCMPT00001 has no intensities that differ in train"):
        load_splits(build(path, tmp_path / "all"))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    path = write_table(tmp_path)
    with pytest.raises(RequestError, match="not an empty folder"):
        build(path, tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["norm_data.txt.gz"]


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = write_table(tmp_path)
    cut = tmp_path / "cut.txt.gz"
    cut.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError):
        build(cut, tmp_path / "all")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["cut.txt.gz", "norm_data.txt.gz"]


@pytest.mark.parametrize("harm", ["missing", "truncated", "shape", "json", "key", "letters", "rows", "dtype"])
def test_a_damaged_folder_is_refused(tmp_path: Path, harm: str) -> None:
    folder = build(write_table(tmp_path), tmp_path / "all").path
    match harm:
        case "missing":
            (folder / "names.npy").unlink()
        case "truncated":
            content = (folder / "intensities.npy").read_bytes()
            (folder / "intensities.npy").write_bytes(content[:-100])
        case "shape":
            np.save(folder / "intensities.npy", np.zeros((300, 2), dtype=np.float16))
        case "json":
            (folder / "compendium.json").write_text("{")
        case "key":
            (folder / "compendium.json").write_text("{}")
        case "letters" | "rows":
            name = "tokens.npy" if harm == "letters" else "first_row.npy"
            values = np.load(folder / name)
            values[3] = 6 if harm == "letters" else len(values)
            np.save(folder / name, values)
        case "dtype":
            np.save(folder / "tokens.npy", np.load(folder / "tokens.npy").astype(np.float32))
    with pytest.raises(DataError, match=r"all(/\w+.npy)?: .*build it again"):
        Compendium.open(folder)


def test_no_folder_is_no_compendium(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no compendium"):
        Compendium.open(tmp_path / "none")


# Simulated


def test_everything_simulated_says_so(tmp_path: Path, design: pl.DataFrame) -> None:
    calls: list[tuple[int, int]] = []
    found = simulate(tmp_path / "sim", design, MOTIFS, report=lambda *call: calls.append(call))
    assert found.simulated
    assert found.experiments == ("SIM_RNCMPT00001", "SIM_RNCMPT00002", "SIM_RNCMPT00003")
    assert all(name.startswith(b"SIM_RNA_") for name in found.names)
    assert found.facts["what"].startswith("SIMULATED")
    assert load_splits(found).info.simulated
    assert calls == [(1, 3), (2, 3), (3, 3)]
    written = json.loads((tmp_path / "sim" / "compendium.json").read_text())
    assert [one["experiment"] for one in written["drawn"]] == list(found.experiments)
    assert written["simulation"]["conditions"]["contrast"] == A1CF.contrast


def test_the_same_seed_gives_the_same_bytes_however_many_are_written_together(
    tmp_path: Path, design: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = simulate(tmp_path / "one", design, MOTIFS)
    monkeypatch.setattr("ribocyte.rna.compendium.simulation._COLUMNS", 2)
    second = simulate(tmp_path / "two", design, MOTIFS)
    np.testing.assert_array_equal(first.intensities, second.intensities)
    other = simulate(tmp_path / "three", design, MOTIFS, SimulationConfig(seed=1))
    assert not np.array_equal(first.intensities, other.intensities)


def test_strong_probes_are_those_that_hold_the_motif(tmp_path: Path, design: pl.DataFrame) -> None:
    config = SimulationConfig(conditions=QUIET, strength=0, noise=0, background=0)
    found = simulate(tmp_path / "sim", design, MOTIFS, config)
    rna = design["RNA_Seq"].to_list()
    for name, site in zip(found.experiments[:2], ("UGCAUG", "UUUUU"), strict=True):
        values = found.column(name)
        held = np.array([site in one for one in rna])
        assert np.nanmedian(values[held]) > 5 * np.nanquantile(values[~held], 0.9)
    assert all(one["ceiling"]["spearman"] > 0.95 for one in found.facts["drawn"])


def test_intensities_lie_where_published_ones_do(tmp_path: Path, design: pl.DataFrame) -> None:
    found = simulate(tmp_path / "sim", design, MOTIFS, SimulationConfig(failed=0.02))
    for name in found.experiments:
        values = found.column(name)
        assert np.isnan(values).mean() == pytest.approx(0.02, abs=0.01)
        measured = values[~np.isnan(values)]
        assert np.median(measured) == pytest.approx(0, abs=0.05)
        assert 1.4826 * np.median(np.abs(measured - np.median(measured))) == pytest.approx(1, abs=0.05)


def test_proteins_differ_in_how_well_they_are_measured(tmp_path: Path, design: pl.DataFrame) -> None:
    motifs = [Motif.from_consensus("UGCAUG", name=f"M{number}") for number in range(12)]
    found = simulate(tmp_path / "sim", design, motifs)
    ceilings = [one["ceiling"]["spearman"] for one in found.facts["drawn"]]
    assert np.ptp(ceilings) > 0.2
    assert all(0 < value < 1 for value in ceilings)


def test_like_motifs_have_like_backgrounds_and_the_others_do_not(design: pl.DataFrame) -> None:
    rna = tokens(design["RNA_Seq"].to_list(), 41)
    array = SimulatedArray(rna, SimulationConfig())
    one, relative, other = (
        array.potential(Motif.from_consensus(text)) for text in ("UUUUU", "UUUUA", "GCGCG")
    )
    assert one.mean() == pytest.approx(0, abs=0.01)
    assert one.std() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(one, relative)[0, 1] > 0.8
    assert np.corrcoef(one, other)[0, 1] < 0.5


def test_the_ceiling_of_a_perfect_measurement_is_one(design: pl.DataFrame) -> None:
    rna = tokens(design["RNA_Seq"].to_list(), 41)
    bound = sum_sites(rna, MOTIFS[0]) * MOTIFS[0].kd
    background, signal = expect(bound, np.zeros(len(rna)), QUIET)
    np.testing.assert_allclose(signal, 40.0 * occupancy(rna, MOTIFS[0], 5.0 * MOTIFS[0].kd))
    intensities = add_noise(background, signal, QUIET, np.zeros((3, len(rna))))
    assert ceiling(background + signal, intensities)["spearman"] == pytest.approx(1.0)


@settings(max_examples=25)
@given(st.lists(st.text("ACGUN", min_size=1, max_size=41), min_size=1, max_size=5))
def test_trimers_are_counted(sequences: list[str]) -> None:
    counts = count_trimers(tokens(sequences, 41))
    for row, rna in zip(counts, sequences, strict=True):
        expected = [rna[at : at + 3] for at in range(len(rna) - 2) if "N" not in rna[at : at + 3]]
        assert row.sum() == len(expected)
        assert row[63] == expected.count("UUU")
        assert row[1] == expected.count("AAC")


def test_a_motifs_trimers_are_those_in_it() -> None:
    affinity = trimer_affinity(Motif.from_consensus("GGG"))
    assert affinity.argmax() == 0b101010  # GGG
    assert affinity.mean() == pytest.approx(0)
    assert np.linalg.norm(affinity) == pytest.approx(1)
    assert trimer_affinity(Motif.from_consensus("A")).shape == (64,)
    np.testing.assert_array_equal(trimer_affinity(Motif.from_consensus("NNNN")), np.zeros(64))


def test_no_motif_or_one_twice_is_refused(tmp_path: Path, design: pl.DataFrame) -> None:
    for motifs in ([], [MOTIFS[0], MOTIFS[0]]):
        with pytest.raises(RecipeError, match="motifs"):
            simulate(tmp_path / "sim", design, motifs)
    with pytest.raises(RecipeError, match=r"conditions\.noise"):
        Conditions(1, 1, 1, 1, -1, 1)
    with pytest.raises(RecipeError, match=r"simulation\.failed"):
        SimulationConfig(failed=1.0)


def test_the_fit_finds_the_quantiles_of_what_it_is_given(design: pl.DataFrame) -> None:
    rna = tokens(design["RNA_Seq"].to_list(), 41)
    motif = known_motifs()["RBFOX1"]
    bound = sum_sites(rna, motif) * motif.kd
    potential = SimulatedArray(rna, SimulationConfig()).potential(motif)
    background, signal = expect(bound, potential, A1CF)
    intensities = add_noise(background, signal, A1CF, np.random.default_rng(0).standard_normal((3, len(rna))))
    agreement = ceiling(background + signal, intensities)
    fit = fit_experiment(rna, intensities, motif, agreement["spearman"], agreement["pearson"], seed=5)
    differences = np.arcsinh(fit.simulated) - np.arcsinh(fit.measured)
    assert np.sqrt(np.mean(differences**2)) < 0.1
    assert fit.ceiling["spearman"] == pytest.approx(agreement["spearman"], abs=0.05)


# Real probes and measurements


@pytest.mark.real_data
def test_the_whole_array_and_the_fitted_conditions(data_root: Path, tmp_path: Path) -> None:
    folder = data_root / "rnacompete"
    design = read_design(folder / "array_design.tsv.gz")
    assert design.height == 241_399
    motif = Motif.from_pwm("RNCMPT00001", read_hmot(folder / "pwms.hmot")["RNCMPT00001"])
    config = SimulationConfig(level=1.0, strength=0, noise=0, background=0)
    found = simulate(tmp_path / "sim", design, [motif], config)
    measured = rnacompete.read_table(folder / "norm_data.txt.gz", ["RNCMPT00001"]).intensities["RNCMPT00001"]
    quantiles = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]
    made = np.nanquantile(found.column("SIM_RNCMPT00001"), quantiles)
    assert np.abs(np.arcsinh(made) - np.arcsinh(np.nanquantile(measured, quantiles))).max() < 0.3
