"""The tutorials run from their first cell to their last in a folder of their own, and find what they say they find."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupytext
import nbclient
import pytest

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
MACHINE = re.compile(r"/work|/root|/home|\.venv|site-packages")


@pytest.fixture(autouse=True)
def _no_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tqdm from asking for ipywidgets, which the tutorials do not need."""
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:IProgress not found")


def run(name: str, folder: Path) -> list[Any]:
    """Execute a tutorial as a reader would; give its code cells with what they showed."""
    notebook = jupytext.read(TUTORIALS / f"{name}.md")
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cells: list[Any], line: str) -> str:
    """Give what the cell showed whose code contains a line."""
    (cell,) = (cell for cell in cells if line in cell.source)
    return "\n".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)


def check_manners(cells: list[Any]) -> None:
    """See that nothing was warned of, and that no output tells where it was made."""
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type in ("execute_result", "display_data"), output
            assert not MACHINE.search(output.get("data", {}).get("text/plain", ""))


def test_every_tutorial_is_run_here() -> None:
    source = Path(__file__).read_text()
    for path in TUTORIALS.glob("*.md"):
        assert f'run("{path.stem}"' in source


def test_from_intensities_to_a_motif(tmp_path: Path) -> None:
    cells = run("motifs", tmp_path)
    check_manners(cells)
    assert "GCAUGU" in shown(cells, "study.motifs")
    for name in ("motifs/index.html", "motifs/motifs.meme", "motifs/importance.svg"):
        assert (tmp_path / name).stat().st_size > 0


def test_which_variants_break_sites(tmp_path: Path) -> None:
    cells = run("variants", tmp_path)
    check_manners(cells)
    assert "(23, 22," in shown(cells, "annotate_variants(model, files)")
    losses = shown(cells, "report.losses")
    assert losses.count("G>A") == 10  # variants of sites, every one
    assert shown(cells, "len(found)") == "(10, 10)"
    for name in ("annotated.vcf.gz", "annotated.vcf.gz.tbi", "sites/sites.bed", "sites/track.plus.bw"):
        assert (tmp_path / name).stat().st_size > 0


def test_a_folder_of_cells(tmp_path: Path) -> None:
    cells = run("cells", tmp_path)
    check_manners(cells)
    first = [line for line in shown(cells, 'table.sort("doubt"').splitlines() if "photographs/" in line][:2]
    assert all("true" in line for line in first)  # the two that are no cells are unlike, and on top
    assert {"negative", "noise"} == {line.split("photographs/")[1].split(".")[0] for line in first}
    assert (tmp_path / "sorted" / "index.html").stat().st_size > 0
