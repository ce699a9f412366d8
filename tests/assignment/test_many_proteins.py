"""Question 2.3: measured where the data allow it, resumed where it stopped, and told by its intervals."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from protein_data import TINY, write_sources

from ribocyte.assignment.plan import plan_jobs
from ribocyte.assignment.proteins import Found, find_source, gather_proteins
from ribocyte.assignment.questions import frame_answers
from ribocyte.assignment.questions.proteins import JOINT, answer_measured_proteins
from ribocyte.assignment.reproduce import write_reports
from ribocyte.assignment.sizes import Size
from ribocyte.assignment.study import Study, StudyConfig, begin_study
from ribocyte.errors import InterruptedRunError, RunError
from ribocyte.learn.jobs import run_jobs
from ribocyte.rna.compendium.preparing import simulate_folder
from ribocyte.transfer.protocols.known import FEW, SINGLE, TUNED
from ribocyte.transfer.work import TOWERS

CONFIG = StudyConfig(Size(1, 1, 2, 1, many=TINY, array=0), precision="32")
MEASURED = [f"{name}{few}" for name in (SINGLE, TUNED, JOINT) for few in ("", FEW)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("proteins") / "data")


@pytest.fixture(scope="module")
def study(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study of question 2.3."""
    path = tmp_path_factory.mktemp("proteins") / "study"
    study = begin_study(path, CONFIG, ["2.3"], data=data)
    run_jobs(plan_jobs(study, ["2.3"]), study.locks)
    return study


@pytest.fixture(scope="module")
def found(study: Study) -> Found:
    return gather_proteins(study.proteins)


def words(found: Found) -> str:
    return " ".join(answer_measured_proteins(found, {}).section.paragraphs)


def forget_times(folder: Path) -> None:
    for path in folder.rglob("scores.json"):
        scores = json.loads(path.read_text())
        path.write_text(json.dumps(scores | {"cost": scores["cost"] | {"seconds": 1.0}}))


def report_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("report.pdf", "report.html", "report.md")}


def test_where_the_proteins_come_from(data: Path, tmp_path: Path) -> None:
    nothing = find_source(tmp_path)
    assert (nothing.how, nothing.why) == (
        "",
        "the data at hand do not hold the proteins of RNAcompete experiments",
    )
    assert find_source(data).how == "simulated"
    assert len(find_source(data).experiments) == 20
    few = write_sources(tmp_path / "few")
    (few / "rnacompete" / "pwms.hmot").unlink()
    assert "neither 20 experiments" in find_source(few).why
    header = "\t".join(["Probe_Set", "Probe_ID", "RNA_Seq", *(f"RNCMPT{n:05d}" for n in range(1, 21))])
    table = few / "rnacompete" / "norm_data.txt"
    table.write_text(f"{header}\n")
    assert find_source(few).how == "measured"
    table.write_text(header.replace("RNCMPT00020", "RNCMPT00999") + "\n")  # a protein that nobody knows
    assert not find_source(few).how


def test_a_compendium_of_the_data_folder_goes_before_a_simulation(data: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    simulate_folder(own, ["all"], root=data)
    assert find_source(own).how == "measured"
    study = begin_study(tmp_path / "study", CONFIG, ["2.3"], data=own)
    first, *others = plan_jobs(study, ["2.3"])
    run_jobs([first], study.locks)
    assert not study.proteins.simulation.exists()
    assert len(others) == len(plan_jobs(study, ["2.3"])) - 1
    assert study.proteins.study.bench.simulated  # it says so itself


def test_every_job_is_planned_before_there_is_a_compendium_and_is_the_same_after(
    study: Study, data: Path, tmp_path: Path
) -> None:
    before = begin_study(tmp_path / "study", CONFIG, ["2.3"], data=data)
    planned = [(job.name, job.needs) for job in plan_jobs(before, ["2.3"])]
    assert planned == [(job.name, job.needs) for job in plan_jobs(study, ["2.3"])]
    assert not before.proteins.path.exists()
    assert {need for _, needs in planned for need in needs} <= {name for name, _ in planned}
    assert all(job.done() for job in plan_jobs(study, ["2.3"]))
    trained = [path for path in study.proteins.path.rglob("model.safetensors") if "runs" in path.parts]
    assert len(trained) == 3 + 1 + 2 * (2 + 3 * 2)  # folds, relatives, and `known`


def test_the_numbers_are_those_of_the_tables(study: Study, found: Found) -> None:
    table = pl.read_csv(study.proteins.path / "known" / "proteins.tsv", separator="\t")
    rows = {
        method: table.filter(pl.col("method") == f"{method}{FEW}").sort("experiment")
        for method in (TUNED, SINGLE)
    }
    shared = rows[TUNED].filter(pl.col("experiment").is_in(rows[SINGLE]["experiment"].to_list()))
    claim = answer_measured_proteins(found, {}).claims[0]
    gains = (shared["spearman"] - rows[SINGLE]["spearman"]).to_numpy()
    assert claim.difference.gain == pytest.approx(gains.mean(), abs=1e-4)
    assert claim.difference.first == pytest.approx(rows[SINGLE]["spearman"].mean(), abs=1e-4)
    assert found.trainings == 5 + 2 * (2 + 3 * 2)
    assert f"{(gains < 0).sum() or 'None'} of 2 experiments" in words(found)


def test_the_article_is_stamped_and_has_both_figures(study: Study) -> None:
    reports = write_reports(study, ["2.3"])
    text = (study.path / "report.md").read_text()
    assert reports.pages.body <= 3
    assert "SIMULATED" in text
    assert "Together or alone: Spearman" in text
    assert "Unseen proteins: Spearman" in text
    assert not re.search(r"nan|None\b(?! of)|\{|\.\.(?!/)", text.partition("## References")[0])
    for name in ("together", "unseen"):
        assert (study.path / "figures" / "proteins" / f"{name}.svg").is_file()
    for part in (
        "Data and labels.",
        "Architecture.",
        "Objective and evaluation.",
        "A benefit",
        "A challenge",
    ):
        assert part in text


def test_stopped_and_taken_up_it_ends_in_the_same_article(study: Study, data: Path, tmp_path: Path) -> None:
    path, steps = tmp_path / "study", iter(range(10**6))
    for patience in (1, 4, 9):
        again = begin_study(path, CONFIG, ["2.3"], data=data)
        start = next(steps)
        with pytest.raises(InterruptedRunError):
            run_jobs(
                plan_jobs(again, ["2.3"]),
                again.locks,
                stop=lambda end=start + patience: next(steps) >= end,
            )
    again = begin_study(path, CONFIG, ["2.3"], data=data)
    run_jobs(plan_jobs(again, ["2.3"]), again.locks)
    for one in (study, again):
        forget_times(one.path)
        write_reports(one, ["2.3"])
    assert report_of(study.path) == report_of(path)


def test_other_data_in_its_place_are_refused(study: Study, tmp_path: Path) -> None:
    note = study.proteins.path / "transfer.json"
    whole = note.read_text()
    note.write_text(whole.replace(study.proteins.study.bench.fingerprint, "f" * 64))
    with pytest.raises(RunError, match=r"holds another study: data\.fingerprint"):
        begin_study(study.path, CONFIG, ["2.3"], data=study.data)
    note.write_text(whole)


def reach(table: pl.DataFrame, method: str, gain: float) -> pl.DataFrame:
    """Let a method gain over all others on average; more in every second cluster, less in the others."""
    gains = gain + 0.05 * (-1) ** (pl.col("cluster") % 2).cast(pl.Int64)
    return table.with_columns(spearman=0.3 + pl.when(pl.col("method") == method).then(gains).otherwise(0.0))


@pytest.mark.parametrize(("gain", "verb"), [(0.1, "raises"), (-0.1, "lowers"), (0.0, "takes")])
def test_words_follow_from_the_interval(found: Found, gain: float, verb: str) -> None:
    each = found.known.filter(pl.col("method") == TUNED)
    known = pl.concat([each.with_columns(method=pl.lit(method)) for method in MEASURED])
    crafted = replace(found, known=reach(known, f"{TUNED}{FEW}", gain), held=reach(found.held, TOWERS, gain))
    answer = answer_measured_proteins(crafted, {})
    said = " ".join(answer.section.paragraphs)
    assert f"on a tenth of the probes {verb} mean test Spearman" in said
    assert f"instead of an average by identity {verb} mean test Spearman" in said
    assert ("A benefit: the proteins teach each other." in said) == (verb == "raises")
    assert ("is not shown here" in said) == (verb != "raises")
    told = verb != "takes"
    assert ("on a tenth of the probes" in answer.headline) == told
    assert bool(answer.untold) != told


def test_alone_it_is_framed_as_what_it_is(found: Found) -> None:
    answer = answer_measured_proteins(found, {})
    framed = frame_answers([answer], [], [])
    assert framed.simulated
    assert framed.abstract.startswith("Everything here was learned from simulated data")
