"""Files: where data lies, how it is fetched, and how anything is written so that nothing is ever half there."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ribocyte.errors import DataError, DiskError, FetchError, RequestError

ENVIRONMENT = "RIBOCYTE_DATA"
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
# The empty block that ends a whole file (SAM specification, 4.1.2).
Progress = Callable[[int, int], None]
"""Called with (bytes so far, bytes in all; 0 when unknown)."""


@dataclass(frozen=True)
class Source:
    """A published file: what it is called in a data folder, where it comes from, what it should hash to.

    Parameters
    ----------
    name : str
        Path below a data folder, such as ``bloodmnist/bloodmnist.npz``.
    url : str
        The official address; empty where there is none to fetch from.
    about : str
        One line for a person: what the file holds and under which licence.
    checksum : str
        ``md5:…`` or ``sha256:…`` as published; empty where none is.
    alternatives : tuple of str
        Other names accepted for the same content, such as the unpacked file.
    """

    name: str
    url: str
    about: str
    checksum: str = ""
    alternatives: tuple[str, ...] = ()


def cache_directory() -> Path:
    """Give the user's cache directory for this package (not created)."""
    from platformdirs import user_cache_path

    return user_cache_path("ribocyte", appauthor=False)


def data_directories(explicit: Path | None = None) -> list[tuple[str, Path]]:
    """List where data is looked for, first wins: ``--data``, ``$RIBOCYTE_DATA``, the user's cache.

    Parameters
    ----------
    explicit : Path, optional
        The folder asked for. When given it is the only one: a typed wish is never silently replaced.

    Returns
    -------
    list of (str, Path)
        What names the folder, and the folder.
    """
    if explicit is not None:
        return [("--data", explicit)]
    named = os.environ.get(ENVIRONMENT)
    found = [(ENVIRONMENT, Path(named).expanduser())] if named else []
    return [*found, ("cache", cache_directory() / "data")]


def find(source: Source, explicit: Path | None = None) -> Path | None:
    """Find a published file in the data folders, by its path there or by its bare name; None if absent."""
    for _, directory in data_directories(explicit):
        for name in (source.name, *source.alternatives):
            for candidate in (directory / name, directory / Path(name).name):
                if candidate.is_file():
                    return candidate
    return None


def locate(source: Source, explicit: Path | None = None) -> Path:
    """Find a published file, or say where it was looked for and how to get it.

    Raises
    ------
    DataError
        If no data folder holds it.
    """
    path = find(source, explicit)
    if path is not None:
        return path
    looked = ", ".join(f"{directory} ({name})" for name, directory in data_directories(explicit))
    raise DataError(
        f"{source.name}: not found in {looked}",
        expected=source.about,
        mend=f"get it with: ribocyte data fetch {Path(source.name).parts[0]}"
        if source.url
        else f"place the file at {data_directories(explicit)[0][1] / source.name}",
    )


def fetch(source: Source, directory: Path, progress: Progress | None = None) -> tuple[Path, str]:
    """Download a published file into a data folder; a broken download leaves nothing behind.

    The bytes go to a temporary file beside the target and are moved there once complete and verified, so
    fetching again after a failure starts cleanly. The SHA-256 is recorded in ``NAME.sha256``; where no
    checksum is published, a later fetch is held to the recorded one.

    Parameters
    ----------
    source : Source
        What to fetch.
    directory : Path
        The data folder; created when missing.
    progress : callable, optional
        Called with (bytes so far, bytes in all).

    Returns
    -------
    (Path, str)
        The file, and its SHA-256.

    Raises
    ------
    FetchError
        With the address, the reason, and how to place the file by hand.
    DataError
        If another file stands there: it is never replaced.
    """
    import pooch
    import requests
    from pooch.hashes import hash_matches

    target = directory / source.name
    recorded = target.with_name(target.name + ".sha256")
    known = source.checksum or (f"sha256:{recorded.read_text().split()[0]}" if recorded.is_file() else None)
    if target.is_file() and known and not hash_matches(target, known, strict=False):
        raise DataError(
            f"{target}: is there, but is not the published file",
            expected=f"checksum {known}",
            mend="move it away to fetch the published one, or fetch into another folder with --data",
        )
    downloader = pooch.HTTPDownloader(
        progressbar=_PoochProgress(progress) if progress else False, chunk_size=1 << 16, timeout=60
    )
    pooch.get_logger().setLevel("ERROR")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(source.url, known, fname=target.name, path=target.parent, downloader=downloader)
    except (requests.RequestException, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise FetchError(
            f"{source.url}: could not be fetched: {reason}",
            expected=source.about,
            mend=f"try again later, or download it by hand and place it at {target}",
        ) from error
    digest = sha256(target)
    with atomic_write(recorded) as stream:
        stream.write(f"{digest}  {target.name}\n".encode())
    return target, digest


class _PoochProgress:
    """What pooch asks of a progress bar, handed on to a callback."""

    def __init__(self, report: Progress) -> None:
        self.report, self.total, self.done = report, 0, 0

    def update(self, count: int) -> None:
        self.done = min(
            self.done + count, self.total or self.done + count
        )  # the last piece counts as a whole one
        self.report(self.done, self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        self.report(self.done, self.total)


def sha256(path: Path) -> str:
    """Hash a file's bytes.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def is_bgzipped(path: Path) -> bool:
    """Say whether a file is packed by bgzip: gzip in blocks, any of which can be found without the others.

    Raises
    ------
    DataError
        If it cannot be read, or the empty block that ends such a file is missing: what is left of one that was cut
        between two blocks unpacks without complaint.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(18)
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(size - len(_BGZIP_END), 0))
            tail = stream.read()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if head[:4] != b"\x1f\x8b\x08\x04" or head[12:14] != b"BC":
        return False
    if tail != _BGZIP_END:
        raise DataError(
            f"{path}: cut short: the block that ends a bgzipped file is missing",
            expected="a whole file",
            mend="fetch or copy it again",
        )
    return True


@contextlib.contextmanager
def open_unpacked(path: Path) -> Iterator[io.BufferedReader | gzip.GzipFile]:
    """Open a plain or gzipped file for reading; its content decides which it is, not its name.

    Raises
    ------
    DataError
        If it cannot be read, or, at any time while it is read, turns out to be damaged or cut short.
    """
    if path.is_file():  # a pipe is read once
        is_bgzipped(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            with gzip.open(file) if packed else contextlib.nullcontext(file) as stream:
                yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}: damaged or cut short: {error}",
            expected="a whole .gz file",
            mend="fetch or copy it again",
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears at `path` whole, or not at all.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and replace `path` in one
    step. Whatever stood at `path` survives any failure.

    Raises
    ------
    DiskError
        If the bytes cannot be written (a full disk, no permission).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise _disk_error(path, error) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o666 & ~_umask())  # noqa: PTH101 - mkstemp makes files private
        os.replace(name, path)  # noqa: PTH105
    except OSError as error:
        raise _disk_error(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; see `atomic_write` for the errors."""
    with atomic_write(path) as stream:
        stream.write(text.encode())


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write in that becomes `path` once all went well, and is gone otherwise.

    Raises
    ------
    RequestError
        If `path` is there and is not an empty folder.
    DiskError
        If anything cannot be written (a full disk, no permission).
    """
    refuse_folder(path)
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        part.mkdir(parents=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise _disk_error(path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refuse_folder(path: Path) -> None:
    """Refuse what `new_folder` would, before minutes of work.

    Raises
    ------
    RequestError
        If `path` is there and is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RequestError(f"{path}: exists and is not an empty folder", expected="a new or empty folder")


def _disk_error(path: Path, error: OSError) -> DiskError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DiskError(
        f"{path}: could not be written: {error.strerror or error}",
        mend="free some space and repeat the command; what was there before is untouched"
        if full
        else "choose a folder you can write to",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
