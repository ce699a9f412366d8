"""The simulated experiment: what it covers, what it binds, what it writes, what it refuses."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from ribocyte.errors import DataError, RecipeError
from ribocyte.rna import assay, motifs
from ribocyte.rna.alphabet import tokens
from ribocyte.rna.assay import AssayConfig
from ribocyte.rna.meme import read_motifs
from ribocyte.rna.motifs import Motif, find_motif

SMALL = AssayConfig(k=5, copies=3, seed=4)
FORBIDDEN = 50.0  # kT: a mismatch that never binds
PWM = np.array([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 1.0, 0.0]])


def strict_motif(consensus: str = "UGCAUG", kd: float = 2.0) -> Motif:
    return Motif.from_consensus(consensus, mismatch=FORBIDDEN, kd=kd)


# Probes


@pytest.mark.parametrize(
    ("k", "copies", "lengths"), [(4, 1, (30,)), (5, 3, (30, 35, 38, 38)), (7, 2, (41, 33))]
)
def test_each_set_holds_every_kmer_often_enough(k: int, copies: int, lengths: tuple[int, ...]) -> None:
    sets, sequences = assay.design_probes(AssayConfig(k=k, copies=copies, lengths=lengths))
    assert set(sets) == {"SetA", "SetB"}
    for name in ("SetA", "SetB"):
        inserts = [rna[3:] for one, rna in zip(sets, sequences, strict=True) if one == name]
        counts = Counter(rna[at : at + k] for rna in inserts for at in range(len(rna) - k + 1))
        assert all(counts["".join(kmer)] >= copies for kmer in itertools.product("ACGU", repeat=k))


def test_no_probe_appears_twice_and_all_look_like_the_arrays() -> None:
    _, sequences = assay.design_probes(SMALL)
    assert len(set(sequences)) == len(sequences)
    assert {len(rna) for rna in sequences} == {30, 35, 38}
    assert {rna[:3] for rna in sequences} == {"AGA", "AGG"}
    assert set("".join(sequences)) == set("ACGU")


def test_the_sets_are_mixed() -> None:
    sets, _ = assay.design_probes(SMALL)
    half = sets[: len(sets) // 2].count("SetA")
    assert 0.3 < half / sets.count("SetA") < 0.7


def test_a_seed_gives_one_array_and_another_seed_another() -> None:
    again = AssayConfig(k=5, copies=3, seed=4)
    other = AssayConfig(k=5, copies=3, seed=5)
    assert assay.design_probes(SMALL) == assay.design_probes(again)
    assert not set(assay.design_probes(SMALL)[1]) & set(assay.design_probes(other)[1])


# Binding


def test_one_site_at_its_dissociation_constant_is_half_occupied() -> None:
    occupied = motifs.occupancy(tokens(["AAAUGCAUGAAA"]), strict_motif(kd=2.0), concentration=2.0)
    np.testing.assert_allclose(occupied, 0.5)


def test_two_sites_bind_as_one_of_twice_the_affinity() -> None:
    rna = tokens(["UGCAUGAAUGCAUG", "AAAAAAAAUGCAUG", "UGCAUGCAUGAAAA"])  # the last two sites overlap
    occupied = motifs.occupancy(rna, strict_motif(kd=2.0), concentration=2.0)
    np.testing.assert_allclose(occupied, [2 / 3, 1 / 2, 2 / 3])


def test_a_site_counts_only_where_it_fits_wholly() -> None:
    occupied = motifs.occupancy(tokens(["GCAUGAAA", "AAAUGCAU", "UGC"]), strict_motif(), 2.0)
    np.testing.assert_allclose(occupied, 0.0, atol=1e-20)


def test_padding_binds_nothing_and_n_is_the_mean_of_the_bases() -> None:
    motif = Motif.from_pwm("m", PWM, kd=3.0)
    rna = ["ACG", "CGGAN"]
    alone = [motifs.association(tokens([one]), motif)[0] for one in rna]
    np.testing.assert_allclose(motifs.association(tokens(rna, 41), motif), alone)
    mean = np.mean([motifs.association(tokens([f"A{base}G"]), motif)[0] for base in "ACGU"])
    np.testing.assert_allclose(motifs.association(tokens(["ANG"]), motif), mean)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("ACGUN", min_size=1, max_size=12), min_size=1, max_size=5))
def test_association_agrees_with_a_loop_over_windows(rna: list[str]) -> None:
    motif = Motif.from_pwm("m", PWM, kd=0.5)

    def weight(position: int, base: str) -> float:
        costs = motif.energies[position]
        return float(np.mean(np.exp(-costs)) if base == "N" else np.exp(-costs["ACGU".index(base)]))

    expected = [
        sum(np.prod([weight(i, one[at + i]) for i in range(3)]) for at in range(len(one) - 2)) / 0.5
        for one in rna
    ]
    np.testing.assert_allclose(motifs.association(tokens(rna), motif), expected)


def test_rbfox1_gives_back_its_measured_constants() -> None:
    panel, kd = assay.affinity_panel()
    np.testing.assert_allclose(1 / motifs.association(tokens(panel), motifs.find_motif("RBFOX1")), kd)
    assert panel[0] == "UGCAUGU"
    assert panel[-1] == "UGCAUAU"


def test_what_was_not_measured_costs_the_mean_of_its_position_or_of_all() -> None:
    energies = Motif.from_affinities("m", {"AC": 1.0, "GC": np.e, "UC": np.e**3}).energies
    np.testing.assert_allclose(energies, [[0, 2, 1, 3], [2, 0, 2, 2]])


def test_the_seven_affinities_keep_their_order_without_noise() -> None:
    panel, kd = assay.affinity_panel()
    rbfox1 = motifs.find_motif("RBFOX1")
    contexts = assay.embed(panel, rbfox1, contexts=30, seed=2)
    config = AssayConfig(noise=0.0, failed=0.0)
    intensities = assay.simulate_intensities(list(itertools.chain(*contexts)), rbfox1, config).reshape(7, 30)
    assert spearmanr(intensities.mean(axis=1), -np.log(kd)).statistic == pytest.approx(1.0)
    assert (np.diff(intensities, axis=0) < 0).all()  # in every single context


def test_embedded_rnas_share_contexts_that_hold_no_other_site() -> None:
    panel, kd = assay.affinity_panel()
    rbfox1 = motifs.find_motif("RBFOX1")
    rows = assay.embed(panel, rbfox1, contexts=20, length=35)
    assert [len(row) for row in rows] == [20] * 7
    for probes in zip(*rows, strict=True):
        assert len({probe.replace(rna, "-", 1) for probe, rna in zip(probes, panel, strict=True)}) == 1
        assert {len(probe) for probe in probes} == {35}
        extra = motifs.association(tokens(probes), rbfox1) - 1 / kd
        assert (extra < 1e-4 / 0.83).all()
    assert rows == assay.embed(panel, rbfox1, contexts=20, length=35)


# Intensities


def test_intensities_are_those_of_the_formula_without_noise() -> None:
    rna = ["UGCAUGAAUGCAUG", "AAAAAAAAUGCAUG", "A" * 14, "C" * 14, "A" * 14]
    config = AssayConfig(concentration=2.0, contrast=9.0, noise=0.0, failed=0.0)
    # Background 1; one site shines with 1 + 9/2, two with 1 + 9 · 2/3. Median 1, median deviation 0.
    np.testing.assert_allclose(
        assay.simulate_intensities(rna, strict_motif(), config), [6, 4.5, 0, 0, 0], atol=1e-12
    )


def test_background_alone_is_lognormal_with_the_stated_spread() -> None:
    config = AssayConfig(contrast=0.0, noise=0.3, failed=0.0)
    intensities = assay.simulate_intensities(["AC"] * 40_000, strict_motif(), config)
    assert np.median(intensities) == pytest.approx(0.0, abs=1e-9)
    shine = np.exp(0.3 * np.random.default_rng(9).standard_normal(400_000))
    deviation = shine - np.median(shine)
    expected = np.quantile(deviation / (1.4826 * np.median(np.abs(deviation))), [0.01, 0.25, 0.75, 0.99])
    np.testing.assert_allclose(np.quantile(intensities, [0.01, 0.25, 0.75, 0.99]), expected, rtol=0.06)


def test_failed_spots_are_as_many_as_asked_for_and_do_not_change_the_others() -> None:
    rna = ["ACGUACGUAC"] * 20_000
    some = assay.simulate_intensities(rna, strict_motif(), AssayConfig(failed=0.2))
    none = assay.simulate_intensities(rna, strict_motif(), AssayConfig(failed=0.0))
    assert np.isnan(some).mean() == pytest.approx(0.2, abs=0.01)
    assert not np.isnan(none).any()
    np.testing.assert_array_equal(some[~np.isnan(some)], none[~np.isnan(some)])


def test_experiments_on_one_array_have_their_own_noise() -> None:
    first, second = (assay.simulate_intensities(["A" * 30] * 500, strict_motif(), SMALL, e) for e in (0, 1))
    assert abs(np.corrcoef(np.nan_to_num(first), np.nan_to_num(second))[0, 1]) < 0.2


# The file


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    both = [motifs.find_motif("RBFOX1"), motifs.find_motif("QKI")]
    return assay.write_experiment(
        tmp_path_factory.mktemp("simulated"), both, AssayConfig(k=5, copies=5, failed=0.1)
    )


def test_the_table_is_in_the_official_format(written: Path) -> None:
    table = pl.read_csv(written, separator="\t")
    assert written.name == "norm_data.txt.gz"
    assert table.columns == ["Probe_Set", "Probe_ID", "RNA_Seq", "SIM_RBFOX1", "SIM_QKI"]
    assert table.dtypes == [pl.String, pl.String, pl.String, pl.Float64, pl.Float64]
    assert set(table["Probe_Set"]) == {"SetA", "SetB"}
    text = gzip.decompress(written.read_bytes()).decode()
    assert text.count("NaN") == table["SIM_RBFOX1"].is_nan().sum() + table["SIM_QKI"].is_nan().sum() > 0


def test_the_table_holds_what_was_simulated(written: Path) -> None:
    table = pl.read_csv(written, separator="\t")
    config = AssayConfig(k=5, copies=5, failed=0.1)
    qki = assay.simulate_intensities(
        table["RNA_Seq"].to_list(), motifs.find_motif("QKI"), config, experiment=1
    )
    np.testing.assert_allclose(table["SIM_QKI"].to_numpy(), qki, atol=1e-6)


def test_every_row_and_experiment_says_that_it_is_simulated(written: Path) -> None:
    table = pl.read_csv(written, separator="\t")
    assert table["Probe_ID"].str.starts_with("SIM_").all()
    assert table["Probe_ID"].n_unique() == len(table)
    assert all(name.startswith("SIM_") for name in table.columns[3:])
    record = json.loads((written.parent / "norm_data.simulation.json").read_text())
    assert "SIMULATED" in record["what"]
    assert sum(record["probes"].values()) == len(table)


def test_the_record_is_enough_to_repeat_the_simulation(written: Path, tmp_path: Path) -> None:
    record = json.loads((written.parent / "norm_data.simulation.json").read_text())
    config = AssayConfig(**{**record["assay"], "lengths": tuple(record["assay"]["lengths"])})
    again = [
        Motif(m["experiment"].removeprefix("SIM_"), np.array(m["energies_kT"]), m["kd_nM"], m["source"])
        for m in record["motifs"]
    ]
    assert assay.write_experiment(tmp_path, again, config).read_bytes() == written.read_bytes()


def test_a_simulation_replaces_an_earlier_one(tmp_path: Path) -> None:
    first = assay.write_experiment(tmp_path, [strict_motif()], AssayConfig(k=4, copies=1)).read_bytes()
    second = assay.write_experiment(
        tmp_path, [strict_motif()], AssayConfig(k=4, copies=1, seed=1)
    ).read_bytes()
    assert first != second
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "norm_data.simulation.json",
        "norm_data.simulation.meme",
        "norm_data.txt.gz",
    ]


def test_what_was_bound_can_be_compared_with(tmp_path: Path) -> None:
    motif = find_motif("RBFOX1")
    assay.write_experiment(tmp_path, [motif], SMALL)
    (name, matrix), *others = read_motifs(tmp_path / "norm_data.simulation.meme").items()
    assert (name, others) == ("SIM_RBFOX1", [])
    assert matrix.argmax(axis=1).tolist() == [3, 2, 1, 0, 3, 2, 3]  # UGCAUGU
    np.testing.assert_allclose(np.log(matrix[0] / matrix[0].max()), -motif.energies[0], atol=1e-4)


@pytest.mark.parametrize("name", ["norm_data.txt", "norm_data.txt.gz"])
@pytest.mark.parametrize(
    "content", [b"Probe_Set\tProbe_ID\tRNA_Seq\nSetA\tRNA_000001\tAGA\n", b"\xff\x00", b""]
)
def test_measurements_are_never_overwritten_or_hidden(tmp_path: Path, name: str, content: bytes) -> None:
    packed = gzip.compress(content) if name.endswith(".gz") else content
    (tmp_path / name).write_bytes(packed)
    with pytest.raises(DataError, match="already there"):
        assay.write_experiment(tmp_path, [strict_motif()], SMALL)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, packed)]


# What is refused


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"k": 28}, "assay.k"),
        ({"k": 3}, "assay.k"),
        ({"copies": 0}, "assay.copies"),
        ({"lengths": ()}, "assay.lengths"),
        ({"lengths": (38, 42)}, "assay.lengths"),
        ({"concentration": 0.0}, "assay.concentration"),
        ({"concentration": float("nan")}, "assay.concentration"),
        ({"contrast": -1.0}, "assay.contrast"),
        ({"noise": -0.1}, "assay.noise"),
        ({"failed": 1.0}, "assay.failed"),
        ({"failed": -0.1}, "assay.failed"),
        ({"seed": -1}, "assay.seed"),
    ],
)
def test_an_impossible_configuration_is_refused(values: dict[str, Any], key: str) -> None:
    with pytest.raises(RecipeError, match=f"^{key} = .* expected"):
        AssayConfig(**values)


def test_motifs_need_names_that_differ() -> None:
    for wrong in ([], [strict_motif(), strict_motif()]):
        with pytest.raises(RecipeError, match="motifs"):
            assay.simulate_table(wrong, SMALL)


def test_embedding_refuses_what_cannot_be_done() -> None:
    rbfox1 = motifs.find_motif("RBFOX1")
    for rnas, length in ([], 38), (["ACG", "AC"], 38), ([""], 38), (["A" * 36], 38):
        with pytest.raises(RecipeError):
            assay.embed(rnas, rbfox1, length=length)
    with pytest.raises(RecipeError, match="binds nearly everywhere"):
        assay.embed(["ACG"], Motif.from_consensus("N"), contexts=2)


def test_a_wrong_letter_in_a_consensus_is_named_with_its_position() -> None:
    with pytest.raises(RecipeError, match=r"'UGXA' has 'X' at position 3"):
        Motif.from_consensus("UGXA")
    with pytest.raises(RecipeError, match="consensus"):
        Motif.from_consensus("")


def test_a_consensus_reads_iupac_letters_t_and_lower_case() -> None:
    energies = Motif.from_consensus("tRn", mismatch=3.0).energies
    np.testing.assert_allclose(energies, [[3, 3, 3, 0], [0, 3, 0, 3], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    "rows", [[[0.5, 0.5, 0.5, 0.5]], [[1.2, -0.2, 0, 0]], [[np.nan, 0, 0, 1]], [[0.5, 0.5]], np.zeros((0, 4))]
)
def test_a_pwm_whose_rows_are_no_distribution_is_refused(rows: Any) -> None:
    with pytest.raises(DataError, match="mine"):
        Motif.from_pwm("mine", np.array(rows))


@pytest.mark.parametrize("name", ["", "a\tb", "a b", "../a"])
def test_a_motifs_name_must_fit_a_column(name: str) -> None:
    with pytest.raises(RecipeError, match=r"motif\.name"):
        Motif(name, np.zeros((3, 4)))


@pytest.mark.parametrize(
    "kd",
    [
        {"ACG": 1.0},
        {"ACG": 1.0, "AGC": 2.0},
        {"ACG": 1.0, "ACGU": 2.0},
        {"ACG": 1.0, "ACT": 2.0},
        {"A": 1.0, "C": 0.0},
    ],
)
def test_affinities_must_be_of_single_mutants(kd: dict[str, float]) -> None:
    with pytest.raises(DataError, match="mine"):
        Motif.from_affinities("mine", kd)


def test_a_motif_is_found_by_name_or_read_as_a_consensus() -> None:
    assert motifs.find_motif("rbfox1").name == "RBFOX1"
    assert motifs.find_motif("HuR").name == "HuR"  # also IUPAC letters: the name wins
    assert len(motifs.find_motif("UGUANAUA")) == 8
    with pytest.raises(RecipeError, match="did you mean RBFOX1"):
        motifs.find_motif("RBFOX2")


# .hmot

HMOT = """\
Motif\tone
#\tAC 10 3.5
Pos\tA\tC\tG\tU
1\t1\t0\t0\t0\t
2\t0.1\t0.7\t0.1\t0.1\t


Motif\ttwo
Pos\tA\tC\tG\tT
1\t0.25\t0.25\t0.25\t0.25
"""


def test_hmot_motifs_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "m.hmot").write_text(HMOT)
    read = motifs.read_hmot(tmp_path / "m.hmot")
    assert list(read) == ["one", "two"]
    np.testing.assert_array_equal(read["one"], [[1, 0, 0, 0], [0.1, 0.7, 0.1, 0.1]])
    assert read["two"].shape == (1, 4)


@pytest.mark.parametrize(
    ("was", "now", "where"),
    [
        ("1\t1\t0\t0\t0", "1\t1\t0\t0\t0.5", "line 4.*sums to 1.5"),
        ("1\t1\t0\t0\t0", "1\t1\t0\t0", "line 4"),
        ("1\t1\t0\t0\t0", "1\t1\t0\t0\tx", "line 4"),
        ("2\t0.1", "3\t0.1", "line 5"),
        ("Pos\tA\tC\tG\tU", "Pos\tA\tG\tC\tU", "line 3"),
        ("Motif\ttwo", "Motif\tone", "line 8"),
        ("Motif\tone\n", "", "line 2"),
        ("1\t0.25\t0.25\t0.25\t0.25\n", "", "motif two has no rows"),
    ],
)
def test_a_malformed_hmot_names_the_line(tmp_path: Path, was: str, now: str, where: str) -> None:
    (tmp_path / "m.hmot").write_text(HMOT.replace(was, now, 1))
    with pytest.raises(DataError, match=where):
        motifs.read_hmot(tmp_path / "m.hmot")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x80"])
def test_what_is_no_hmot_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.hmot").write_bytes(content)
    for path in (tmp_path / "m.hmot", tmp_path / "missing.hmot", tmp_path):
        with pytest.raises(DataError, match=str(path)):
            motifs.read_hmot(path)


# Real files


@pytest.mark.real_data
def test_the_built_in_affinities_are_the_published_table(data_root: Path) -> None:
    table = pl.read_csv(data_root / "rnacompete" / "rbfox1_affinities.tsv", separator="\t")
    assert dict(table.iter_rows()) == dict(motifs.RBFOX1_KD)


@pytest.mark.real_data
def test_every_published_motif_can_be_simulated(data_root: Path) -> None:
    read = motifs.read_hmot(data_root / "rnacompete" / "pwms.hmot")
    assert len(read) == 420
    for name, probabilities in read.items():
        best = "".join("ACGU"[at] for at in probabilities.argmax(axis=1))
        motif = Motif.from_pwm(name, probabilities, kd=4.0)
        np.testing.assert_allclose(motifs.association(tokens([best]), motif), 0.25)


@pytest.mark.real_data
def test_a_simulated_background_resembles_the_measured_one(data_root: Path) -> None:
    """The lower nine tenths of A1CF's intensities: real against simulated from its own motif."""
    real = pl.read_csv(data_root / "rnacompete" / "norm_data.txt.gz", separator="\t")[
        "RNCMPT00001"
    ].to_numpy()
    a1cf = motifs.read_hmot(data_root / "rnacompete" / "pwms.hmot")["RNCMPT00001"]
    simulated = assay.simulate_table([Motif.from_pwm("A1CF", a1cf)], AssayConfig())["SIM_A1CF"].to_numpy()
    steps = [0.01, 0.05, 0.25, 0.5, 0.75, 0.9]
    np.testing.assert_allclose(np.nanquantile(simulated, steps), np.nanquantile(real, steps), atol=0.2)
