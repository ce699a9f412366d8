"""Handing a model over: what is assembled, and the way to a hub and back through real requests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import hub_server
import untrained
from hub_server import Hub
from ribocyte import Predictor, from_pretrained, push_to_hub
from ribocyte.applications.hub import stage
from ribocyte.errors import FetchError, ModelError, RequestError

NOBODY = "http://127.0.0.1:9"  # the port that discards what it is sent; nothing listens there


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with hub_server.serve() as served:
        yield served


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return untrained.finished_run(tmp_path / "run")


def same_model(one: Predictor, other: Predictor) -> bool:
    weights, others = one.network.state_dict(), other.network.state_dict()
    return one.card == other.card and all(torch.equal(weights[name], others[name]) for name in weights)


def test_what_is_given_away_is_laid_out_whole(run: Path, tmp_path: Path) -> None:
    files = stage(run, tmp_path / "staged", repo="lab/rbfox1")
    names = [file.relative_to(tmp_path / "staged").as_posix() for file in files]
    assert names == [
        "README.md",
        "figures/history.svg",
        "history.csv",
        "model.safetensors",
        "recipe.toml",
        "scores.json",
    ]
    assert 'from_pretrained("lab/rbfox1")' in (tmp_path / "staged" / "README.md").read_text()
    assert (tmp_path / "staged" / "scores.json").read_bytes() == (run / "scores.json").read_bytes()
    assert same_model(from_pretrained(tmp_path / "staged", device="cpu"), Predictor.load(run, "cpu"))


def test_of_a_model_without_a_run_the_card_says_so(tmp_path: Path) -> None:
    model = untrained.model("rna-cnn")
    files = stage(model, tmp_path / "staged")
    assert [file.name for file in files] == ["README.md", "model.safetensors"]
    assert "came without scores on test data" in files[0].read_text()


def test_nothing_is_laid_over_what_is_there(run: Path) -> None:
    with pytest.raises(RequestError, match="holds files already"):
        stage(run, run)


def test_a_model_goes_to_the_hub_and_comes_back(hub: Hub, run: Path, tmp_path: Path) -> None:
    address = push_to_hub(run, "lab/there-and-back", private=True, licence="mit", endpoint=hub.url)
    assert address.startswith(f"{hub.url}/lab/there-and-back/commit/")
    assert hub.private["lab/there-and-back"]
    stored = hub.files["lab/there-and-back"]
    assert b"license: mit" in stored["README.md"]
    assert "last.ckpt" not in stored
    shutil.copytree(run, tmp_path / "before")
    model = from_pretrained("lab/there-and-back", cache=tmp_path / "cache", device="cpu", endpoint=hub.url)
    assert same_model(model, Predictor.load(tmp_path / "before", "cpu"))
    assert model.predict(["UGCAUGU"]).height == 1


def test_a_model_is_fetched_once_and_a_revision_is_that_one(hub: Hub, run: Path, tmp_path: Path) -> None:
    push_to_hub(run, "lab/once", endpoint=hub.url)
    for _ in range(2):
        from_pretrained("lab/once", revision=hub_server.COMMIT, cache=tmp_path / "cache", endpoint=hub.url)
    fetched = f"GET /lab/once/resolve/{hub_server.COMMIT}/model.safetensors"
    assert hub.requests.count(fetched) == 1
    # One that lies in the cache needs no hub at all.
    from_pretrained("lab/once", revision=hub_server.COMMIT, cache=tmp_path / "cache", endpoint=NOBODY)


def test_pushing_again_goes_on_in_the_same_repository(hub: Hub, run: Path) -> None:
    push_to_hub(run, "lab/again", endpoint=hub.url)
    push_to_hub(Predictor.load(run, "cpu"), "lab/again", endpoint=hub.url)
    assert b"came without scores on test data" in hub.files["lab/again"]["README.md"]


def test_what_the_hub_does_not_have_is_told(hub: Hub, run: Path, tmp_path: Path) -> None:
    def fetch(repo: str, revision: str | None = None) -> None:
        from_pretrained(repo, revision=revision, cache=tmp_path / "cache", endpoint=hub.url)

    push_to_hub(run, "lab/empty", endpoint=hub.url)
    del hub.files["lab/empty"]["model.safetensors"]
    with pytest.raises(ModelError, match="lab/none: neither a folder here nor a model at http://127"):
        fetch("lab/none")
    with pytest.raises(ModelError, match="lab/empty: has no such revision"):
        fetch("lab/empty", "v9")
    with pytest.raises(ModelError, match=r"lab/empty: holds no model\.safetensors at"):
        fetch("lab/empty")
    hub.files["lab/empty"]["model.safetensors"] = b"\x80\x04K\x01."
    with pytest.raises(ModelError, match="a pickle or PyTorch archive"):
        fetch("lab/empty")


def test_a_hub_that_refuses_or_fails_is_told_apart(hub: Hub, run: Path, tmp_path: Path) -> None:
    try:
        hub.refuse = 403
        with pytest.raises(RequestError, match=r"does not let you \(HTTP 403\).*hf auth login"):
            push_to_hub(run, "lab/model", endpoint=hub.url)
        with pytest.raises(RequestError, match=r"does not let you \(HTTP 403\)"):
            from_pretrained("lab/model", cache=tmp_path, endpoint=hub.url)
        hub.refuse = 500
        with pytest.raises(FetchError, match=r"answers: .*500"):
            push_to_hub(run, "lab/model", endpoint=hub.url)
    finally:
        hub.refuse = 0


def test_a_hub_that_is_not_there_is_told(run: Path) -> None:
    with pytest.raises(FetchError, match=f"lab/model: {NOBODY} cannot be reached: .*refused"):
        push_to_hub(run, "lab/model", endpoint=NOBODY)


def test_a_process_that_loads_from_the_hub_first_of_all_is_told_too(tmp_path: Path) -> None:
    """Nothing has imported any part of the hub's library there."""
    code = (
        "from ribocyte import from_pretrained\n"
        "from ribocyte.errors import FetchError\n"
        "try:\n"
        f"    from_pretrained('lab/model', cache={str(tmp_path)!r}, endpoint={NOBODY!r})\n"
        "except FetchError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "lab/model: " in done.stdout
    assert "cannot be reached" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["model", "a/b/c", "lab/", "/model", "a b/c", "läb/model", ""])
def test_what_is_no_name_is_refused_before_anything_is_asked(name: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no name for a repository; expected ORGANISATION/NAME"):
        push_to_hub(run, name, endpoint=NOBODY)
    if name:  # an empty path is the working directory
        with pytest.raises(ModelError, match="not there; expected a run's folder"):
            from_pretrained(tmp_path.name + name + "/missing/", endpoint=NOBODY)


@pytest.mark.parametrize("name", ["lab/a--b", "lab/.hidden", "lab/" + "x" * 100])
def test_what_the_hub_calls_no_name_is_refused(name: str, run: Path) -> None:
    with pytest.raises(RequestError, match="no name for a repository"):
        push_to_hub(run, name, endpoint=NOBODY)
    with pytest.raises(RequestError, match="no name for a repository"):
        from_pretrained(name, endpoint=NOBODY)


def test_a_local_folder_needs_no_hub(run: Path) -> None:
    assert from_pretrained(str(run), device="cpu", endpoint=NOBODY).info.outputs == untrained.EXPERIMENTS
    assert from_pretrained(run / "model.safetensors", device="cpu").domain == "rna"


def test_no_model_no_push(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        push_to_hub(tmp_path, "lab/model", endpoint=NOBODY)
