"""Libraries that an extra brings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ribocyte import extras
from ribocyte.errors import RequestError


def test_a_library_that_is_there_is_given() -> None:
    assert extras.need("json", "bio", "testing") is sys.modules["json"]


def test_a_missing_library_names_the_extra_that_brings_it() -> None:
    with pytest.raises(RequestError, match=r"no_such_library: not installed.*reading.*ribocyte\[bio\]"):
        extras.need("no_such_library.part", "bio", "reading")


def test_a_library_that_lacks_something_of_its_own_says_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import what_it_needs")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs"):
        extras.need("half_installed", "bio", "testing")
