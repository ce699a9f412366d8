"""A study claims its folder, settles what is open, and refuses to become another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ribocyte.assignment.plan import choose_length, plan_jobs
from ribocyte.assignment.reproduce import write_command
from ribocyte.assignment.simulation import simulate_data
from ribocyte.assignment.sizes import SIZES, Size
from ribocyte.assignment.study import NETWORKS, QUESTIONS, StudyConfig, begin_study
from ribocyte.cells.smear import SmearConfig
from ribocyte.errors import DataError, RecipeError, RequestError, RunError
from ribocyte.rna.assay import AssayConfig

TINY = Size(1, 1, 2, 1, SmearConfig(train=16, val=16, test=16), AssayConfig(k=4, copies=4))
SIMULATED = StudyConfig(TINY, simulated=True)


def test_what_was_settled_stays_settled(tmp_path: Path) -> None:
    study = begin_study(tmp_path / "study", SIMULATED)
    assert (study.config.experiment, study.config.precision) == ("SIM_RBFOX1", "32")
    note = (tmp_path / "study" / "study.json").read_text()
    assert set(json.loads(note)["data"]) == {"cells", "rna"}
    assert begin_study(tmp_path / "study", SIMULATED) == study
    assert (tmp_path / "study" / "study.json").read_text() == note


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "its seed is 0, asked for 1"),
        ({"extend": "rna-bilstm"}, "its extend is rna-cnn, asked for rna-bilstm"),
        ({"precision": "bf16"}, "its precision is 32, asked for bf16"),
        ({"size": replace(TINY, trials=3)}, r"its size\.trials is 2, asked for 3; expected"),
    ],
)
def test_another_study_in_the_folder_is_refused_by_what_differs(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    begin_study(tmp_path / "study", SIMULATED, ["1.1"])
    with pytest.raises(RunError, match=f"holds another study: .*{named}") as refused:
        begin_study(tmp_path / "study", replace(SIMULATED, **change), ["1.1"])  # type: ignore[arg-type]
    assert "--out" in str(refused.value)


def test_another_version_and_other_data_are_refused(tmp_path: Path) -> None:
    begin_study(tmp_path / "study", SIMULATED)
    note = tmp_path / "study" / "study.json"
    written = json.loads(note.read_text())
    note.write_text(json.dumps({**written, "version": "0.0.1"}))
    with pytest.raises(RunError, match=r"study: of ribocyte 0\.0\.1, this is [0-9.]+; expected"):
        begin_study(tmp_path / "study", SIMULATED)
    note.write_text(json.dumps({**written, "data": {**written["data"], "rna": "f" * 64}}))
    with pytest.raises(RunError, match=r"was begun on other rna data \(fingerprint ffffffffffff"):
        begin_study(tmp_path / "study", SIMULATED)


@pytest.mark.parametrize("content", ["{", "[]", "\x00", '{"config": 5, "data": {}}', '{"config": {}}'])
def test_a_damaged_note_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(RunError, match=r"study\.json: "):
        begin_study(tmp_path, SIMULATED)


def test_a_study_killed_while_it_simulates_goes_on(tmp_path: Path) -> None:
    study = begin_study(tmp_path / "study", SIMULATED)
    note = tmp_path / "study" / "study.json"
    whole = note.read_text()
    written = json.loads(whole)
    note.write_text(json.dumps({**written, "data": {}}))  # as it is before the data are there
    next((tmp_path / "study" / "data").rglob("*.npz")).unlink()
    assert begin_study(tmp_path / "study", SIMULATED) == study
    assert note.read_text() == whole


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="exists already and is no study"):
        begin_study(tmp_path, SIMULATED)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_data_it_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not found in .*ribocyte data fetch"):
        begin_study(tmp_path / "study", StudyConfig(TINY), data=tmp_path)
    assert not (tmp_path / "study").exists()


def test_a_table_without_rbfox1_and_a1cf_wants_a_name(tmp_path: Path) -> None:
    data = simulate_data(tmp_path / "data", TINY.smear, TINY.assay)
    with pytest.raises(DataError, match=r"neither RBFOX1.*--experiment, such as SIM_RBFOX1"):
        begin_study(tmp_path / "study", StudyConfig(TINY), ["2.1"], data=data)
    study = begin_study(tmp_path / "study", StudyConfig(TINY, experiment="SIM_RBFOX1"), ["2.1"], data=data)
    assert study.config.experiment == "SIM_RBFOX1"


@pytest.mark.real_data
def test_a1cf_is_taken_where_there_is_no_rbfox1_and_the_article_is_told_why(
    tmp_path: Path, data_root: Path
) -> None:
    study = begin_study(tmp_path / "study", StudyConfig(TINY), ["2.1"], data=data_root)
    assert study.config.experiment == "RNCMPT00001"
    assert "does not hold" in study.instead
    asked = StudyConfig(TINY, experiment="RNCMPT00001")
    assert begin_study(tmp_path / "study", asked, ["2.1"], data=data_root) == study  # it is the same
    other = begin_study(tmp_path / "b", asked, ["2.1"], data=data_root)
    assert (other.config.experiment, other.instead) == ("RNCMPT00001", "")
    with pytest.raises(DataError, match=r"'A1CF' means 2 experiments.*--experiment RNCMPT00001"):
        begin_study(tmp_path / "c", replace(asked, experiment="A1CF"), ["2.1"], data=data_root)


@pytest.mark.real_data
def test_questions_can_be_asked_one_after_the_other(tmp_path: Path, data_root: Path) -> None:
    wanted = StudyConfig(TINY)
    assert begin_study(tmp_path / "study", wanted, ["2.3"]).config.experiment == ""  # needs no data
    assert begin_study(tmp_path / "study", wanted, ["1.1"], data=data_root).config.experiment == ""
    later = begin_study(tmp_path / "study", wanted, ["2.1"], data=data_root)
    assert later.config.experiment == "RNCMPT00001"
    assert begin_study(tmp_path / "study", wanted, ["1.1"], data=data_root) == later


def test_a_simulation_has_one_experiment(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"RNCMPT00168.*SIM_RBFOX1"):
        begin_study(tmp_path / "study", replace(SIMULATED, experiment="RNCMPT00168"))


@pytest.mark.parametrize("change", [{"trials": 1}, {"seeds": 0}, {"cell_epochs": 0}, {"rna_epochs": -1}])
def test_impossible_sizes_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match=f"study.{next(iter(change))}"):
        replace(TINY, **change)


def test_unknown_questions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"3\.1: no such question"):
        begin_study(tmp_path / "study", SIMULATED, ["3.1"])


def test_each_question_brings_what_it_needs_and_no_more(tmp_path: Path) -> None:
    study = begin_study(tmp_path / "study", SIMULATED, ["2.3"])

    def names(*questions: str) -> set[str]:
        return {job.name for job in plan_jobs(study, questions)}

    assert names("1.1") == {"cells/unpooled-logits", "cells/unpooled-softmax"}
    assert names("1.2") == names("1.1") | {"cells/pooled-logits", "cells/pooled-softmax"}
    assert names("2.1") == {f"search/{kind}" for kind in NETWORKS} | {
        f"networks/{kind}-0" for kind in NETWORKS
    }
    variants = {f"attention/{kind}-{heads}-0" for kind in ("self", "pool") for heads in (1, 2, 4, 8)}
    assert names("2.2") == {"search/rna-cnn", "networks/rna-cnn-0", "attention/profile"} | variants
    assert names("2.3") == set()
    everything = plan_jobs(study, QUESTIONS)
    assert len({job.name for job in everything}) == len(everything)
    assert {need for job in everything for need in job.needs} <= {job.name for job in everything}


@pytest.mark.parametrize("amount", SIZES)
def test_the_command_that_repeats_a_study_is_written_in_full(amount: str) -> None:
    config = StudyConfig(SIZES[amount], simulated=True, precision="32", seed=3)
    flag = "" if amount == "standard" else f" --{amount}"
    assert write_command(config) == f"ribocyte reproduce{flag} --simulated --precision 32 --seed 3"
    assert "--question 1.1 --simulated" in write_command(config, ["1.1"])
    lengths = replace(config, size=replace(config.size, assay=replace(config.size.assay, lengths=(30, 35))))
    assert "--set 'assay.lengths=[30, 35]'" in write_command(lengths)
    other = replace(config, size=replace(config.size, trials=7, smear=replace(config.size.smear, train=99)))
    assert "--set trials=7 --set smear.train=99 --simulated" in write_command(other)


@pytest.mark.parametrize(("probes", "k"), [(96_000, 7), (24_000, 7), (3_000, 6), (500, 4), (5, 1), (0, 1)])
def test_kmers_are_as_long_as_probes_allow(probes: int, k: int) -> None:
    assert choose_length(probes) == k
