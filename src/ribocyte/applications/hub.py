"""Models on the Hugging Face hub, or on any server that speaks as it does (``HF_ENDPOINT``).

What is pushed is a model file, its card and the small files of its run; what is pulled is the model file alone,
which is read without executing anything. Who is pushing, the hub's library knows from ``hf auth login``.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ribocyte.applications.card import Subject, make_card, read_subject
from ribocyte.catalog import Predictor
from ribocyte.errors import FetchError, ModelError, RequestError
from ribocyte.extras import need
from ribocyte.files import write_text
from ribocyte.version import VERSION

MODEL = "model.safetensors"
OF_A_RUN = ("recipe.toml", "history.csv", "scores.json")
"""What else of a run is given away; checkpoints, predictions and resamples stay at home."""
_REPO = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def from_pretrained(
    source: Path | str,
    *,
    revision: str | None = None,
    cache: Path | None = None,
    device: str = "auto",
    endpoint: str | None = None,
) -> Predictor:
    """Load a model from a folder, a file, or the hub.

    Parameters
    ----------
    source : Path or str
        A run's folder or a model file; what is neither is taken for ``ORGANISATION/NAME`` on the hub.
    revision : str, optional
        Branch, tag or commit on the hub; the main branch where not given.
    cache : Path, optional
        Where downloads are kept; the hub library's own cache where not given. A model that is there is not
        fetched again, and is used where the hub cannot be reached.
    device : str
        As for `Predictor.load`.
    endpoint : str, optional
        Address of the hub; else ``HF_ENDPOINT``, then the public one.

    Raises
    ------
    ModelError
        If there is no such model here or on the hub, or it cannot be used.
    RequestError
        If it is not here, and the extra [hub] is missing.
    FetchError
        If the hub cannot be reached, or the download broke.
    """
    if Path(source).exists():
        return Predictor.load(source, device)
    repo = str(source)
    if not _REPO.fullmatch(repo):
        raise ModelError(
            f"{repo}: not there",
            expected="a run's folder, its model.safetensors, or ORGANISATION/NAME on the hub",
        )
    return Predictor.load(_download(repo, revision, cache, endpoint), device)


def push_to_hub(
    model: Predictor | Path | str,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    licence: str = "",
    message: str = "",
    endpoint: str | None = None,
) -> str:
    """Give a model to the hub, with its card; the repository is made where there is none.

    Parameters
    ----------
    model : Predictor, Path or str
        A run's folder or a model file; of a `Predictor` alone no scores are known.
    repo : str
        ``ORGANISATION/NAME``, or ``USER/NAME``.
    private : bool
        Whether a new repository is hidden from others; one that exists stays as it is.
    revision : str, optional
        An existing branch to push to; the main branch where not given.
    licence : str
        Of the weights, as the hub names licences (``mit``, ``cc-by-4.0``); the card says where none is named.
    message : str
        Of the commit.
    endpoint : str, optional
        As for `from_pretrained`.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    ModelError, RunError
        If there is no model, or no run as it should be; see `ribocyte.applications.card.read_subject`.
    RequestError
        If the name cannot be one, the extra [hub] is missing, or the hub refuses you.
    FetchError
        If the hub cannot be reached.
    """
    if not _REPO.fullmatch(repo):
        raise RequestError(f"{repo}: no name for a repository", expected="ORGANISATION/NAME, or USER/NAME")
    hub = _hub()
    api = hub.HfApi(endpoint, library_name="ribocyte", library_version=VERSION)
    with tempfile.TemporaryDirectory(prefix="ribocyte-") as folder:
        stage(model, Path(folder), repo=repo, licence=licence)
        with _explained(repo, endpoint), _without_bars():
            api.create_repo(repo, private=private or None, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                revision=revision,
                commit_message=message or f"Add a model of ribocyte {VERSION}",
            )
    return str(commit.commit_url)


def stage(model: Predictor | Path | str, folder: Path, *, repo: str = "", licence: str = "") -> list[Path]:
    """Lay out what is given away: model file, card as ``README.md``, and of a run recipe, history, scores, figures.

    Parameters
    ----------
    model, repo, licence
        As for `push_to_hub`.
    folder : Path
        A new or empty folder.

    Returns
    -------
    list of Path
        The files, sorted.

    Raises
    ------
    RequestError
        If the folder holds anything, or the extra [hub] is missing, which writes the card's facts.
    """
    if folder.exists() and any(folder.iterdir()):
        raise RequestError(f"{folder}: holds files already", expected="a new or empty folder")
    subject = Subject(model, model.recipe.name) if isinstance(model, Predictor) else read_subject(model)
    card = make_card(subject, repo=repo, licence=licence)
    subject.model.save(folder / MODEL)
    write_text(folder / "README.md", card)
    if subject.scores is not None and not isinstance(model, Predictor):
        run = Path(model) if Path(model).is_dir() else Path(model).parent
        found = [*(run / name for name in OF_A_RUN), *sorted((run / "figures").glob("*.svg"))]
        for file in filter(Path.is_file, found):
            target = folder / file.relative_to(run)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _download(repo: str, revision: str | None, cache: Path | None, endpoint: str | None) -> Path:
    hub = _hub()
    with _explained(repo, endpoint), _without_bars():
        found = hub.hf_hub_download(
            repo,
            MODEL,
            revision=revision,
            cache_dir=cache,
            endpoint=endpoint,
            library_name="ribocyte",
            library_version=VERSION,
        )
    return Path(found)


def _hub(part: str = "") -> ModuleType:
    """Import the hub's library, or a part of it, which it does not import by itself."""
    return need(f"huggingface_hub{part}", "hub", "talking to the Hugging Face hub")


@contextmanager
def _explained(repo: str, endpoint: str | None) -> Iterator[None]:
    """Turn what the hub's library raises into errors that say what to do."""
    errors, where = _hub(".errors"), endpoint or _hub(".constants").ENDPOINT
    try:
        yield
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"{repo}: neither a folder here nor a model at {where} that you may read",
            expected="the name of a public model, or to be logged in",
            mend="log in with: hf auth login",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(f"{repo}: has no such revision", expected="a branch, tag or commit of it") from error
    except errors.RemoteEntryNotFoundError as error:
        raise ModelError(
            f"{repo}: holds no {MODEL} at {where}", expected="a model that ribocyte pushed"
        ) from error
    except errors.HFValidationError as error:
        raise RequestError(f"{repo}: no name for a repository: {_in_a_line(error)}") from error
    except (errors.HTTPError, OSError) as error:  # that of whatever HTTP library the hub's is built on
        raise _explain_failure(repo, where, error) from error
    except ValueError as error:  # the hub reads the card before it takes it
        raise RequestError(f"{repo}: {where} refuses the card: {_in_a_line(error)}") from error


def _explain_failure(repo: str, where: str, error: Exception) -> RequestError | FetchError:
    """Say what a hub that answers has against the request, or that none answers."""
    cause = error.__cause__ or error
    response = getattr(error, "response", None) or getattr(cause, "response", None)
    if response is None:
        return FetchError(
            f"{repo}: {where} cannot be reached: {_in_a_line(cause)}",
            mend="try again when it answers, or give a folder that holds the model",
        )
    if response.status_code in (401, 403):
        return RequestError(
            f"{repo}: {where} does not let you (HTTP {response.status_code})",
            expected="a repository that is open to you",
            mend="log in with: hf auth login",
        )
    return FetchError(f"{repo}: {where} answers: {_in_a_line(error)}", mend="try again later")


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep the hub library's progress bars away: the library never prints."""
    bars = _hub(".utils")
    shown = not bars.are_progress_bars_disabled()
    bars.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bars()
