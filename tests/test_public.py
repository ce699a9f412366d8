"""The package as others see it: its names, its documentation, its manners."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import ribocyte

SOURCES = sorted(Path(ribocyte.__file__).parent.rglob("*.py"))
MODULES = ["ribocyte", *sorted(m.name for m in pkgutil.walk_packages(ribocyte.__path__, "ribocyte."))]


def public_things(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Give the public functions and classes a module defines, and the public methods of those classes."""
    for name, thing in vars(module).items():
        ours = getattr(thing, "__module__", None) == module.__name__
        if name.startswith("_") or not ours or not isinstance(thing, type | FunctionType):
            continue
        yield name, thing
        for inner, member in vars(thing).items() if isinstance(thing, type) else ():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if not inner.startswith("_") and inspect.isfunction(function):
                yield f"{name}.{inner}", function


def test_every_public_name_is_there() -> None:
    assert len(set(ribocyte.__all__)) == len(ribocyte.__all__)
    for name in ribocyte.__all__:
        assert getattr(ribocyte, name) is not None
        assert name in dir(ribocyte)


def test_star_gives_what_is_listed_and_nothing_else_is_invented() -> None:
    given: dict[str, Any] = {}
    exec("from ribocyte import *", given)
    assert set(ribocyte.__all__) <= set(given)
    with pytest.raises(AttributeError, match="no attribute 'Oracle'"):
        _ = ribocyte.Oracle


def test_the_version_is_that_of_the_distribution() -> None:
    assert ribocyte.__version__ == importlib.metadata.version("ribocyte")


@pytest.mark.parametrize("name", [name for name in MODULES if "._" not in name])
def test_everything_public_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert inspect.getdoc(module), f"{name} has no docstring"
    lacking = [f"{name}.{inner}" for inner, thing in public_things(module) if not inspect.getdoc(thing)]
    assert not lacking


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_only_the_command_line_prints(path: Path) -> None:
    tree = ast.parse(path.read_text())
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    printing = [call.lineno for call in calls if isinstance(call, ast.Name) and call.id == "print"]
    if "cli" not in path.parts and path.stem != "cli":
        assert not printing


def test_importing_the_package_is_quick_and_silent() -> None:
    heavy = ["torch", "polars", "scipy", "sklearn", "matplotlib", "lightning_fabric"]
    code = f"import sys, ribocyte; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_package_is_typed() -> None:
    assert (Path(ribocyte.__file__).parent / "py.typed").is_file()
