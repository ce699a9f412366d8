"""Files: found in order, fetched whole or not at all, written whole or not at all. The server and the disk are real."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pysam
import pytest

from file_server import Server, serve
from ribocyte import files
from ribocyte.errors import DataError, DiskError, FetchError
from ribocyte.files import Source, atomic_write, fetch, find, locate, sha256, write_text

CONTENT = bytes(range(256)) * 2000
MD5 = "md5:" + hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CONTENT) as serving:
        yield serving


def source_of(server: Server, checksum: str = MD5) -> Source:
    return Source("things/data.bin", server.url, "some bytes (CC0)", checksum)


def names_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


# Finding


def test_folders_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(files.ENVIRONMENT, str(tmp_path / "named"))
    source = Source("things/data.bin", "", "some bytes", alternatives=("things/data.txt",))
    cached, named = (folder / source.name for _, folder in reversed(files.data_directories()))
    assert find(source) is None
    for path in (cached, named):  # the later one is searched first
        write_text(path, "x")
        assert find(source) == path
    explicit = tmp_path / "explicit"
    assert find(source, explicit) is None  # a typed wish is never replaced
    write_text(explicit / "data.txt", "x")
    assert find(source, explicit) == explicit / "data.txt"


def test_missing_file_says_where_and_how(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        locate(Source("things/data.bin", "http://somewhere", "some bytes"), tmp_path)
    assert f"{tmp_path} (--data)" in str(caught.value)
    assert caught.value.mend == "get it with: ribocyte data fetch things"
    with pytest.raises(DataError, match=r"place the file at .*things/data\.bin"):
        locate(Source("things/data.bin", "", "some bytes"), tmp_path)


# Fetching


@pytest.mark.parametrize("checksum", [MD5, f"sha256:{SHA256}", ""])
def test_fetched_file_is_whole_and_its_hash_recorded(server: Server, tmp_path: Path, checksum: str) -> None:
    seen: list[tuple[int, int]] = []
    path, digest = fetch(source_of(server, checksum), tmp_path, lambda *progress: seen.append(progress))
    assert path == tmp_path / "things" / "data.bin"
    assert path.read_bytes() == CONTENT
    assert digest == SHA256 == sha256(path)
    assert (tmp_path / "things" / "data.bin.sha256").read_text() == f"{SHA256}  data.bin\n"
    done = [count for count, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_second_fetch_asks_nobody(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        assert fetch(source_of(server), tmp_path) == (tmp_path / "things" / "data.bin", SHA256)
    assert server.requests == ["/data.bin"]


@pytest.mark.parametrize("checksum", [MD5, ""])
def test_broken_connection_leaves_nothing_and_the_next_try_starts_cleanly(
    server: Server, tmp_path: Path, checksum: str
) -> None:
    server.keep = 300_000
    with pytest.raises(FetchError) as caught:
        fetch(source_of(server, checksum), tmp_path)
    assert server.url in str(caught.value)
    assert str(tmp_path / "things" / "data.bin") in caught.value.mend
    assert names_below(tmp_path) == set()
    server.keep = None
    assert fetch(source_of(server, checksum), tmp_path)[1] == SHA256


def test_wrong_content_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[::-1]
    with pytest.raises(FetchError, match="hash"):
        fetch(source_of(server), tmp_path)
    assert names_below(tmp_path) == set()


def test_without_a_published_checksum_the_recorded_one_holds(server: Server, tmp_path: Path) -> None:
    path, _ = fetch(source_of(server, ""), tmp_path)
    path.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(FetchError, match="hash"):
        fetch(source_of(server, ""), tmp_path)
    assert not path.exists()


@pytest.mark.parametrize("status", [404, 503])
def test_refusal_of_the_server(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(FetchError, match=str(status)):
        fetch(source_of(server), tmp_path)
    assert names_below(tmp_path) == set()


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/data.bin"
        with pytest.raises(
            FetchError, match=r"could not be fetched: .*; try again later, or download it by hand"
        ):
            fetch(Source("things/data.bin", url, "some bytes"), tmp_path)
    assert names_below(tmp_path) == set()


def test_folder_that_is_a_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "things").write_text("in the way")
    with pytest.raises(FetchError):
        fetch(source_of(server), tmp_path)
    assert (tmp_path / "things").read_text() == "in the way"


# Writing


def test_written_file_is_there_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with atomic_write(path) as stream:
        stream.write(b"one")
        assert not path.exists()
    write_text(path, "zwölf")
    assert path.read_bytes() == "zwölf".encode()
    assert names_below(tmp_path) == {"file"}
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_in_the_middle_leaves_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "file"
    write_text(path, "before")

    def write_half() -> None:
        with atomic_write(path) as stream:
            stream.write(b"half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert path.read_text() == "before"
    assert names_below(tmp_path) == {"file"}


def test_killed_writer_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "before")
    script = (
        "import os, signal, sys; from pathlib import Path; from ribocyte.files import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert path.read_text() == "before"


def test_file_that_cannot_be_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", Path("/proc/nowhere/file")):
        with pytest.raises(DiskError) as caught:
            write_text(path, "x")
        assert caught.value.problem.startswith(f"{path}: could not be written: ")
        assert caught.value.exit_code == 1
    assert names_below(tmp_path) == set()


ON_A_SMALL_DISK = """
import sys
from pathlib import Path
from ribocyte.errors import DiskError
from ribocyte.files import write_text
folder = Path(sys.argv[1])
write_text(folder / "file", "before")
try:
    write_text(folder / "file", "x" * 200_000)
except DiskError as error:
    print(error)
print((folder / "file").read_text(), sorted(path.name for path in folder.iterdir()))
"""


def test_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """A file system of 64 kB is mounted in a name space of its own, where only this process sees it."""
    mount = f'mount -t tmpfs -o size=64k none "{tmp_path}"'
    run = f'{mount} && exec "{sys.executable}" -c "$0" "{tmp_path}"'
    unshare = [shutil.which("unshare") or "unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*unshare, mount], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system; the limit on file sizes is tested instead")
    result = subprocess.run([*unshare, run, ON_A_SMALL_DISK], check=True, capture_output=True, text=True)
    told, left = result.stdout.splitlines()
    assert told == (
        f"{tmp_path / 'file'}: could not be written: No space left on device; "
        "free some space and repeat the command; what was there before is untouched"
    )
    assert left == "before ['file']"


def test_limit_on_file_sizes_leaves_what_was_there(tmp_path: Path) -> None:
    """What a full disk does, for machines without `unshare`: a write fails in the middle."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))"
    command = [sys.executable, "-c", limit + ON_A_SMALL_DISK, str(tmp_path)]
    told, left = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert told.startswith(f"{tmp_path / 'file'}: could not be written: File too large")
    assert left == "before ['file']"


def test_unreadable_file_cannot_be_hashed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        sha256(tmp_path / "none")


def test_a_bgzipped_file_cut_between_two_blocks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "genes.gtf.gz"
    with pysam.BGZFile(str(path), "w") as stream:
        stream.write(b"a line\n" * 20_000)  # several blocks
    with files.open_unpacked(path) as stream:
        assert files.is_bgzipped(path)
        assert len(stream.read()) == 140_000
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(DataError, match=r"genes\.gtf\.gz: cut short"), files.open_unpacked(path) as stream:
        stream.read()
