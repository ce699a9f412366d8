"""The peers: plain loops that a user would otherwise write, as scripts of their own that know nothing of ribocyte."""

from __future__ import annotations

from pathlib import Path

from ribocyte.errors import RequestError

CELLS, RNA, LOAD = "cells_skeleton.py", "rna_skeleton.py", "load_skeleton.py"
PREDICT, MUTAGENESIS = "predict_skeleton.py", "mutagenesis_skeleton.py"
PEERS = (CELLS, RNA, LOAD, PREDICT, MUTAGENESIS)


def find_peers(folder: Path | None = None) -> dict[str, Path]:
    """Find the script of each peer.

    Parameters
    ----------
    folder : Path, optional
        Scripts of the same names that are taken instead; those it lacks are the package's own.

    Raises
    ------
    RequestError
        If the folder is none, or holds not a single peer.
    """
    scripts = {name: shipped_peer(name) for name in PEERS}
    if folder is None:
        return scripts
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder", expected=f"a folder with any of {', '.join(PEERS)}")
    given = {name: (folder / name).resolve() for name in PEERS if (folder / name).is_file()}
    if not given:
        raise RequestError(f"{folder}: holds no peer", expected=f"any of {', '.join(PEERS)}")
    return scripts | given


def shipped_peer(name: str) -> Path:
    """Find a peer that comes with the package: as installed, or in a clone.

    Raises
    ------
    RequestError
        If it is not there.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "peers", package.parents[1] / "benchmarks" / "peers"):
        if (folder / name).is_file():
            return folder / name
    raise RequestError(f"{name}: not installed with the package", mend="install ribocyte again")
