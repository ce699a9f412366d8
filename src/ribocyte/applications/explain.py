"""Why a model says what it says of some inputs: one folder with tables, arrays, figures and a page.

What is in the folder is written by `_explain_rna` and `_explain_cells`, and told by `_explain_pages`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ribocyte.catalog import Predictor
from ribocyte.errors import RequestError, suggest
from ribocyte.files import new_folder

METHODS: Mapping[str, tuple[str, ...]] = {
    "rna": ("mutagenesis", "integrated-gradients", "deep-lift-shap", "attention"),
    "cells": ("grad-cam", "occlusion"),
}
"""What a model of each domain can be explained by, the default first: it holds for every network."""

Progress = Callable[[int], None]
"""Told how many inputs are explained."""


@dataclass(frozen=True)
class ExplainSettings:
    """What is explained, and how.

    Parameters
    ----------
    method : str
        One of `METHODS`; the first of the model's domain where empty.
    output : str
        The experiment, or the class of cell. Where empty: the model's only experiment; the most probable class.
    top : int
        Explain only so many inputs, those with the largest prediction; 0 explains all.
    seed : int
        Of the shuffling, where there are shuffled references.

    Raises
    ------
    RequestError
        If `top` or `seed` is negative.
    """

    method: str = ""
    output: str = ""
    top: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.top < 0:
            raise RequestError(f"--top {self.top}", expected="1 or more, or 0 for all")
        if self.seed < 0:
            raise RequestError(f"--seed {self.seed}", expected="0 or more")


@dataclass
class Summary:
    """What an explanation did.

    Parameters
    ----------
    method : str
        By which method.
    output : str
        Which output was explained; empty where each input's most probable class was.
    simulated : bool
        Whether the model learned from a simulation.
    given, explained : int
        Inputs read, and inputs explained.
    skipped : dict of str to int
        How many were left out, and why.
    strongest : list of dict
        What most counts for the inputs with the largest predictions.
    largest_delta : float, optional
        By how much completeness is missed at most; None for methods that promise none.
    files : list of str
        What is in the folder.
    """

    method: str
    output: str
    simulated: bool
    given: int = 0
    explained: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    strongest: list[dict[str, Any]] = field(default_factory=list)
    largest_delta: float | None = None
    files: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Give the same as JSON values."""
        return asdict(self)


def explain(
    model: Predictor,
    inputs: Iterable[tuple[str, Any]],
    out: Path,
    settings: ExplainSettings | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Explain what a model says of inputs, and write a folder.

    Parameters
    ----------
    model : Predictor
        Of RNA or of cells.
    inputs : iterable of (str, str or numpy array)
        Names and raw inputs, read one by one. RNA longer than the model's window is explained in its window with
        the largest prediction, which is the one that counts; positions are those of the whole sequence.
    out : Path
        A new or empty folder; it appears whole, or not at all.
    settings : ExplainSettings, optional
        What and how.
    progress : callable, optional
        Told how many inputs are explained.

    Returns
    -------
    Summary

    Raises
    ------
    RequestError
        If the model has no such output or method, an extra is missing, or the folder holds something.
    ModelError
        If the method does not hold for the model's network.
    DataError
        If there is nothing to explain.
    DiskError
        If the folder cannot be written.
    """
    settings = settings or ExplainSettings()
    method = _choose_method(model.domain, settings.method)
    by_class = model.domain == "cells" and not settings.output
    number = None if by_class else model.info.find_output(settings.output)
    name = "" if number is None else model.info.outputs[number]
    summary = Summary(method, name, model.info.simulated)
    with new_folder(out) as folder:
        if model.domain == "rna":
            from ribocyte.applications._explain_rna import explain_rna

            assert number is not None
            explain_rna(model, inputs, folder, number, settings, summary, progress or _ignore)
        else:
            from ribocyte.applications._explain_cells import explain_cells

            explain_cells(model, inputs, folder, number, settings, summary, progress or _ignore)
        files = (path for path in folder.rglob("*") if path.is_file())
        summary.files = sorted(path.relative_to(folder).as_posix() for path in files)
    return summary


def _choose_method(domain: str, wanted: str) -> str:
    known = METHODS[domain]
    if wanted and wanted not in known:
        reads = "RNA" if domain == "rna" else "images of cells"
        raise RequestError(
            f"--method {wanted}: this model reads {reads}",
            expected=f"one of {', '.join(known)}",
            mend=suggest(wanted, known),
        )
    return wanted or known[0]


def _ignore(_: int) -> None:
    """Tell nobody."""
