"""What every test gets: one thread, no user files, shapes checked, and real data only where it was given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch
from jaxtyping import install_import_hook

# The shapes in annotations are checked here and nowhere else; the hook must be in place before the import.
SHAPED = [
    "ribocyte.cells.networks",
    "ribocyte.learn.objectives",
    "ribocyte.rna.alphabet",
    "ribocyte.rna.attention",
    "ribocyte.rna.layers",
    "ribocyte.rna.networks",
    "ribocyte.rna.transformer",
]
install_import_hook(SHAPED, "beartype.beartype")

REAL_DATA = os.environ.get("RIBOCYTE_DATA")
HOW_TO_RUN = "RIBOCYTE_DATA=FOLDER pytest -m real_data"

# A time limit per example would fail tests for a busy machine; the examples themselves are not random here,
# so that a red test is red for everybody.
hypothesis.settings.register_profile("ribocyte", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ribocyte")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a data folder that is none, and keep to one thread: tiny networks are slower on more."""
    if REAL_DATA and not Path(REAL_DATA).expanduser().is_dir():
        raise pytest.UsageError(f"RIBOCYTE_DATA={REAL_DATA}: no such folder")
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def keep_to_one_thread() -> None:
    """Begin every test with one thread: a command run in this process may have asked for more, and sums differ."""
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs real measurements where there are none."""
    if REAL_DATA:
        return
    skip = pytest.mark.skip(reason=f"needs real data: {HOW_TO_RUN}")
    for item in items:
        if item.get_closest_marker("real_data"):
            item.add_marker(skip)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that tests were skipped for want of data."""
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if "real_data" in report.keywords
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests on real data were skipped (RIBOCYTE_DATA is not set); run them with: {HOW_TO_RUN}",
            yellow=True,
        )


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's caches and data from every test and from the processes it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("RIBOCYTE_DATA", raising=False)
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Give the folder of real measurements; only tests marked ``real_data`` may ask for it."""
    if not REAL_DATA:
        pytest.skip(f"needs real data: {HOW_TO_RUN}")
    return Path(REAL_DATA).expanduser().resolve()
