"""The protocols, each in miniature: what they leave, that nothing leaks, and that they go on where they stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from small_study import TINY, write_data

from ribocyte import catalog
from ribocyte.errors import InterruptedRunError, RunError
from ribocyte.learn.jobs import Job, run_jobs
from ribocyte.rna.joint.aiming import aim
from ribocyte.rna.joint.trust import UnseenTrust
from ribocyte.rna.proteins.sequences import Protein
from ribocyte.transfer.protocols import cluster, few_shot, known
from ribocyte.transfer.report import PROTOCOLS, write_results
from ribocyte.transfer.study import Study, TransferConfig, begin_study
from ribocyte.transfer.training import begin_from
from ribocyte.transfer.work import BLEND, TOWERS, UNSEEN


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("transfer") / "data")


@pytest.fixture(scope="module")
def study(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    config = TransferConfig(size=TINY, precision="32")
    return begin_study(tmp_path_factory.mktemp("transfer") / "study", config, data=data)


def finish(study: Study, protocol: str) -> dict[str, object]:
    """Run a protocol to its end; give what it wrote."""
    run_jobs(PROTOCOLS[protocol].plan(study), study.locks)
    write_results(study, protocol)
    found: dict[str, object] = json.loads((study.results(protocol) / "results.json").read_text())
    return found


def check_files(study: Study, protocol: str, results: dict[str, object]) -> pl.DataFrame:
    """Look at what every protocol leaves; give the table of proteins."""
    folder = study.results(protocol)
    table = pl.read_csv(folder / "proteins.tsv", separator="\t")
    page = (folder / "index.html").read_text()
    assert results["simulated"] is True
    assert results["protocol"] == protocol
    assert table["simulated"].all()
    assert "SIMULATED" in page
    assert page.count("<svg") == len(list((folder / "figures").glob("*.svg"))) > 0
    assert results["claims"]
    return table


def test_cluster_holds_relatives_out_and_ends_with_a_model_that_trusts_itself(study: Study) -> None:
    results = finish(study, "cluster")
    table = check_files(study, "cluster", results)
    assert set(table["method"]) == set(UNSEEN)
    assert table.filter(pl.col("method") == TOWERS)["experiment"].sort().to_list() == sorted(
        study.bench.experiments
    )
    assert table["identity"].max() <= 0.5
    for fold in range(3):
        trained = catalog.Predictor.load(study.run(f"cluster/fold-{fold}")).info.outputs
        held = [n for n, owner in zip(study.bench.experiments, study.bench.owner, strict=True)
                if study.bench.folds[owner] == fold]  # fmt: skip
        assert sorted([*trained, *held]) == sorted(study.bench.experiments)
    trust = results["trust"]
    assert isinstance(trust, dict)
    assert 0 <= trust["coverage"]["value"] <= 1
    assert [row["method"] for row in results["kmers"]][:2] == [TOWERS, BLEND]  # type: ignore[index]
    model = catalog.Predictor.load(study.model)
    assert isinstance(model.trust, UnseenTrust)
    assert len(model.trust.known) == 12
    stranger = Protein("stranger", "".join(np.random.default_rng(3).choice(list("ACDEFGHIKLMNPQRSTVWY"), 80)))
    said = aim(model, [stranger]).predict(["UGCAUGUUUUUACUAACGGAGGAAAAUAAUCC"])
    assert said["stranger_low"][0] < said["stranger"][0] < said["stranger_high"][0]
    assert said["stranger_warning"][0]
    assert "stranger_reliability" in said.columns


def test_the_scores_are_those_of_the_models_that_never_saw_the_protein(study: Study) -> None:
    run_jobs([cluster.fold_job(study, 0)], study.locks)
    bench = study.bench
    model = catalog.Predictor.load(study.run("cluster/fold-0"))
    run_jobs(cluster.plan(study), study.locks)
    table = pl.read_parquet(study.scores("cluster/fold-0")).filter(pl.col("method") == TOWERS)
    row = table.row(0, named=True)
    outputs = aim(model, [bench.protein(row["experiment"])]).outputs(bench.tokens)[:, 0].numpy()
    intensities = bench.measured[bench.experiments.index(row["experiment"])].intensities
    there = ~np.isnan(intensities)
    from scipy.stats import spearmanr

    assert row["spearman"] == pytest.approx(spearmanr(outputs[there], intensities[there]).statistic, abs=1e-6)


def test_known_lists_who_loses_and_scores_everybody_on_the_same_probes(study: Study) -> None:
    results = finish(study, "known")
    table = check_files(study, "known", results)
    singles = known.choose_singles(study)
    assert len(singles) == 2
    rows = table.filter(pl.col("method") == "single")
    assert sorted(rows["experiment"]) == sorted(singles)
    assert table.filter(pl.col("method") == "joint, two towers").height == 12
    assert table["rows"].min() > 150
    losers = results["losers"]
    assert isinstance(losers, dict)
    assert len(losers) == 2
    for method in (known.TUNED, known.SINGLE, known.PAIR):
        assert sorted(table.filter(pl.col("method") == f"{method}{known.FEW}")["experiment"]) == sorted(
            singles
        )
    claims = results["claims"]
    assert isinstance(claims, list)
    assert all(claim["found"].startswith(known.TUNED) for claim in claims)


def test_a_tuned_network_begins_as_the_joint_one_and_moves_from_there(study: Study) -> None:
    run_jobs(known.plan(study), study.locks)
    experiment = known.choose_singles(study)[-1]
    joint = catalog.Predictor.load(study.run("known/multi"))
    tuned = catalog.Predictor.load(study.run(f"known/tuned-{experiment}"))
    network = begin_from(study.run("known/multi"), tuned.info).eval()
    rna = joint.encoding.expand(study.bench.tokens)
    with torch.inference_mode():
        begun, said = network(rna), tuned.network(rna)
        column = joint.network(rna)[:, [joint.info.outputs.index(experiment)]]
    torch.testing.assert_close(begun, column)
    assert tuned.info.outputs == (experiment,)
    assert not torch.allclose(said, begun)


def test_a_tuned_network_waits_for_the_joint_one(study: Study) -> None:
    *plan, _ = known.plan(study)
    names = [job.name for job in plan]
    origins = known.list_origins(len(known.joint_methods(study)), len(known.choose_singles(study)))
    assert [job.needs for job in plan] == [tuple(names[at] for at in each) for each in origins]
    jobs = {job.name: job for job in plan}
    experiment = known.choose_singles(study)[0]
    assert jobs[f"known/tuned-tenth-{experiment}"].needs == ("known/multi-tenth",)
    assert jobs[f"known/single-tenth-{experiment}"].needs == ()


def test_few_shot_takes_newcomers_of_clusters_the_trunk_never_saw(study: Study) -> None:
    results = finish(study, "few-shot")
    table = check_files(study, "few-shot", results)
    newcomers = few_shot.choose_newcomers(study)
    trained = catalog.Predictor.load(study.run("cluster/fold-0")).info.outputs
    assert not set(newcomers) & set(trained)
    assert set(table["experiment"]) == set(newcomers)
    assert table["cluster"].n_unique() == len(newcomers)
    assert set(table["method"]) == {TOWERS, "tuned, 8 probes", "tuned, 32 probes", "alone, 32 probes"}


def test_family_holds_out_every_protein_with_the_domain(study: Study) -> None:
    results = finish(study, "family")
    table = check_files(study, "family", results)
    assert results["families"].keys() == {"KH", "RRM"}  # type: ignore[union-attr]
    for kind in ("KH", "RRM"):
        held = set(table.filter(pl.col("family") == kind)["experiment"].str.split(" ").list.first())
        trained = set(catalog.Predictor.load(study.run(f"family/{kind}")).info.outputs)
        assert not held & trained
        assert all(kind in domain.kind for name in held for domain in study.bench.protein(name).domains)


def test_what_is_done_is_not_done_again(study: Study) -> None:
    finish(study, "cluster")

    def refuse(*_: object) -> None:
        raise AssertionError("done already")

    jobs = [Job(job.name, job.done, refuse, job.needs) for job in cluster.plan(study)]
    run_jobs(jobs, study.locks)


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(study: Study, tmp_path: Path) -> None:
    run_jobs([cluster.fold_job(study, 1)], study.locks)
    other = begin_study(tmp_path / "stopped", study.config, data=study.data)
    job, asked = cluster.fold_job(other, 1), iter([False, True])
    with pytest.raises(InterruptedRunError):
        run_jobs([job], other.locks, stop=lambda: next(asked, True))
    assert not job.done()
    run_jobs([job], other.locks)
    one, two = (catalog.Predictor.load(each.run("cluster/fold-1")).network for each in (study, other))
    for mine, theirs in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_another_wish_needs_another_folder(study: Study, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"identity is 0\.5 there, 0\.4 here"):
        begin_study(study.path, TransferConfig(size=TINY, precision="32", identity=0.4), data=study.data)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="no study of many proteins"):
        begin_study(tmp_path, study.config, data=study.data)
    assert (
        begin_study(study.path, TransferConfig(size=TINY, precision="auto"), data=study.data).config
        == study.config
    )
