"""``ribocyte motifs`` as a person meets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import untrained
from command_line import ask, refused, succeed

EXPERIMENT = untrained.EXPERIMENTS[0]
PROTEINS = """MEME version 4

ALPHABET= ACDEFGHIKLMNPQRSTVWY

MOTIF zinc
letter-probability matrix: alength= 20 w= 1
""" + " ".join(["0.05"] * 20)
KNOWN = """MEME version 4

ALPHABET= ACGT

MOTIF box
letter-probability matrix: alength= 4 w= 2
0.7 0.1 0.1 0.1
0.1 0.1 0.1 0.7
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained.save(tmp_path_factory.mktemp("rna") / "model.safetensors", "rna-cnn")


@pytest.fixture(scope="module")
def rna(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, random = tmp_path_factory.mktemp("data") / "rna.fa", np.random.default_rng(0)
    drawn = ["".join(row) for row in random.choice(list("ACGU"), size=(150, 30))]
    path.write_text("".join(f">{number}\n{one}\n" for number, one in enumerate([*drawn, "NNN"])))
    return path


def test_motifs_are_told_with_what_is_like_them_and_what_was_left_out(
    model: Path, rna: Path, tmp_path: Path
) -> None:
    known, out = tmp_path / "known.meme", tmp_path / "motifs"
    known.write_text(KNOWN)
    told = succeed(
        "motifs", model, "--input", rna, "--output", EXPERIMENT, "--known", known, "--methods", "kmers",
        "--top", 2, "--attributed", 10, "--out", out,
    )  # fmt: skip
    lines = told.splitlines()
    why = "1 left out (no 7 nt of A, C, G, U in a row)"
    assert lines[0] == f"{EXPERIMENT}: 150 sequences, {rna}; {why}"
    assert lines[1].split() == ["motif", "consensus", "sites", "effect", "most", "like", "q"]
    assert [line.split()[0] for line in lines[2:4]] == ["kmers-1", "kmers-2"]
    assert lines[2].split()[4] == "box"
    assert lines[-1] == f"Read {out / 'index.html'}"
    assert (out / "matches.tsv").is_file()


def test_json_has_the_same(model: Path, rna: Path, tmp_path: Path) -> None:
    told = ask(
        "motifs", model, "--input", rna, "--output", EXPERIMENT, "--methods", "kmers", "--top", 1,
        "--attributed", 10, "--contexts", "random", "--out", tmp_path / "motifs",
    )  # fmt: skip
    assert (told["sequences"], told["left_out"], told["known"], told["best_matches"]) == (150, 1, 0, None)
    assert [motif["motif"] for motif in told["motifs"]] == ["kmers-1"]
    assert "index.html" in told["files"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--known", "proteins.meme"), "proteins.meme, line 3: motifs of proteins"),
        (("--known", "nowhere.meme"), "nowhere.meme: cannot be read"),
        (("--input", "empty.fa"), "empty.fa: empty"),
        (("--methods", "kmer"), "did you mean kmers?"),
        (("--seed", "-1"), "seed = -1"),
        (("--output", "RNCMPT00186"), "did you mean RNCMPT00168?"),
    ],
)
def test_bad_requests_are_told_in_one_line(
    model: Path,
    rna: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("proteins.meme").write_text(PROTEINS)
    Path("empty.fa").touch()
    options = {"--input": str(rna), "--output": EXPERIMENT, arguments[0]: arguments[1]}
    assert said in refused(
        "motifs", model, *(part for pair in options.items() for part in pair), "--out", "out"
    )
    assert not Path("out").exists()


def test_a_full_folder_is_refused_before_the_work(model: Path, rna: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    line = refused("motifs", model, "--input", rna, "--output", EXPERIMENT, "--out", tmp_path)
    assert "exists and is not an empty folder" in line
