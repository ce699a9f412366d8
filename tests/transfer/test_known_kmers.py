"""Measured 7-mer Z-scores: read, and reproduced from measured intensities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from ribocyte.errors import DataError
from ribocyte.rna.kmers import name_kmer, score_kmers
from ribocyte.rna.rnacompete import RNAcompeteConfig, load
from ribocyte.transfer.kmers import read_known_kmers


def test_kmers_are_read_in_any_order_as_rna_or_dna(tmp_path: Path) -> None:
    names = [name_kmer(number, 7) for number in range(4**7)]
    shuffled = np.random.default_rng(0).permutation(4**7)[:-5]
    table = {"kmer": [names[at].replace("U", "T") for at in shuffled], "RNCMPT00009": shuffled / 10}
    pl.DataFrame(table).write_csv(tmp_path / "zscores_7mer.tsv", separator="\t")
    found = read_known_kmers(tmp_path)
    assert found is not None
    assert found.experiment == "RNCMPT00009"
    known = ~np.isnan(found.z)
    assert known.sum() == 4**7 - 5
    np.testing.assert_allclose(found.z[known], np.flatnonzero(known) / 10)


def test_no_file_is_nothing_and_another_table_is_refused(tmp_path: Path) -> None:
    assert read_known_kmers(tmp_path) is None
    (tmp_path / "zscores_7mer.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(DataError, match="columns kmer"):
        read_known_kmers(tmp_path)


@pytest.mark.real_data
def test_the_measured_scores_of_a1cf_follow_from_its_measured_intensities(data_root: Path) -> None:
    found = read_known_kmers(data_root)
    assert found is not None
    assert found.experiment == "RNCMPT00001"
    splits = load(RNAcompeteConfig(experiments=("RNCMPT00001",)), data_root)
    tokens = np.concatenate([part.inputs.numpy() for part in (splits.train, splits.val, splits.test)])
    targets = np.concatenate([part.targets.numpy() for part in (splits.train, splits.val, splits.test)])
    z = score_kmers(tokens, targets[:, 0], 7)
    assert spearmanr(z, found.z, nan_policy="omit").statistic > 0.85
