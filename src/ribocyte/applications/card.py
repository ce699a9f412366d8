"""A model card: what a model is, of what data, how good and with what limits, from the run's facts alone.

What is not known is said to be unknown; nothing is made up. In front stand the facts that the Hugging Face hub
reads, as YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ribocyte.applications import _card_sections as sections
from ribocyte.catalog import Predictor
from ribocyte.documents.document import Document
from ribocyte.documents.markdown import render_markdown
from ribocyte.errors import RunError
from ribocyte.extras import need
from ribocyte.files import find
from ribocyte.learn.runs import Run
from ribocyte.literature import LITERATURE
from ribocyte.rna.experiments import METADATA, read_metadata
from ribocyte.rna.joint.adapting import ADAPTED
from ribocyte.version import VERSION

TASKS = {"rna": "regression", "cells": "image-classification"}
"""What the hub calls what we do; only the second is a task it knows by itself."""
TAGS = {"rna": ("biology", "rna", "rna-binding-protein"), "cells": ("biology", "blood-cells", "microscopy")}
METRICS = {"spearman": "spearmanr", "pearson": "pearsonr", "macro_auc": "roc_auc"}
"""What the hub calls metrics that it calls otherwise."""


@dataclass(frozen=True)
class Subject:
    """What a card is written about.

    Parameters
    ----------
    model : Predictor
        The model.
    name : str
        Its run's, or its recipe's where it comes alone.
    scores : mapping, optional
        The run's scores, as ``scores.json`` holds them; None where the model comes without a finished run.
    proteins : mapping of str to str
        Names of the proteins behind the outputs, as far as they are known.
    """

    model: Predictor
    name: str
    scores: Mapping[str, Any] | None = None
    proteins: Mapping[str, str] = field(default_factory=dict)


def read_subject(path: Path | str, data: Path | None = None) -> Subject:
    """Read a model and all that its run's folder tells about it.

    Parameters
    ----------
    path : Path
        A run's folder, or a model file; one that lies in its run's folder is told about as the run is.
    data : Path, optional
        A data folder, whose workbook of metadata names the proteins; else the usual search. Without one, a
        protein is named where the recipe asked for it by name.

    Raises
    ------
    ModelError
        If there is no model, or it cannot be used.
    RunError
        If the scores are damaged.
    """
    path = Path(path)
    model = Predictor.load(path, device="cpu")
    folder = path if path.is_dir() else path.parent
    whole = path.is_dir() or path.name == "model.safetensors"
    scores = _read_scores(Run(folder), model) if whole and (folder / "scores.json").is_file() else None
    return Subject(model, model.recipe.name, scores, _name_proteins(model, data))


def describe(subject: Subject, *, repo: str = "", licence: str = "") -> Document:
    """Write the card as a document.

    Parameters
    ----------
    subject : Subject
        As `read_subject` gives it.
    repo : str
        Where it will lie on the hub, as ``ORGANISATION/NAME``; empty where it stays a file.
    licence : str
        Under which the weights are given away; the card says where none was named.
    """
    info = subject.model.info
    return Document(
        title=f"{subject.name}: {sections.title(subject)}",
        abstract=sections.abstract(subject),
        sections=(
            sections.use(subject, repo),
            sections.outputs(subject),
            sections.scores(subject),
            sections.limits(subject),
            *sections.adaptation(subject),
            sections.data(subject),
            sections.training(subject),
            sections.sources(subject, licence),
        ),
        references=LITERATURE,
        footer=f"Written by ribocyte {VERSION} from the model's own facts.",
        simulated=info.simulated,
    )


def make_card(subject: Subject, *, repo: str = "", licence: str = "") -> str:
    """Write the card as Markdown with the hub's YAML in front; for the parameters see `describe`.

    Raises
    ------
    RequestError
        If the extra [hub] is missing, which writes the YAML.
    """
    facts = _front_matter(subject, licence)
    return f"---\n{facts}\n---\n\n{render_markdown(describe(subject, repo=repo, licence=licence))}"


def _front_matter(subject: Subject, licence: str) -> str:
    hub = need("huggingface_hub", "hub", "writing the facts in front of a model card")
    model, info = subject.model, subject.model.info
    scores = subject.scores["test"] if subject.scores else {}
    known = {name: score["value"] for name, score in scores.items() if score["value"] is not None}
    results = [
        hub.EvalResult(
            task_type=TASKS[model.domain],
            dataset_type=info.kind,
            dataset_name=f"{sections.DATA[info.kind].name}{', simulated' if info.simulated else ''}",
            dataset_split="test",
            metric_type=METRICS.get(name, name),
            metric_value=round(value, 4),
        )
        for name, value in known.items()
    ]
    tags = (*TAGS[model.domain], info.kind, model.recipe.model_kind, *["simulated"] * info.simulated)
    facts = hub.ModelCardData(
        library_name="ribocyte",
        license=licence or None,
        pipeline_tag=TASKS[model.domain] if model.domain == "cells" else None,
        tags=list(tags),
        metrics=[METRICS.get(name, name) for name in known] or None,
        model_name=subject.name,
        eval_results=results or None,
    )
    text: str = facts.to_yaml()
    return text.rstrip("\n")


def _read_scores(run: Run, model: Predictor) -> Mapping[str, Any] | None:
    """Read a run's scores; what does not belong to the model is refused. A part of a study has none of its own."""
    scores = run.scores
    if "what" in scores:
        return None
    for part, kind in {"test": dict, "rows": dict, "cost": dict, "epochs": int, "fingerprint": str}.items():
        if not isinstance(scores.get(part), kind):
            raise _damaged(run, part)
    for part in ("seconds", "device", "threads", "precision", "multiply_adds"):
        if part not in scores["cost"]:
            raise _damaged(run, f"cost.{part}")
    for part, score in scores["test"].items():
        if not isinstance(score, dict) or not score.keys() >= {"value", "low", "high"}:
            raise _damaged(run, f"test.{part}")
    if scores["fingerprint"] != model.info.fingerprint:
        raise RunError(
            f"{run.path / 'scores.json'}: of other data than {run.model.name} beside it",
            expected="the scores and the model of one run",
        )
    return scores


def _damaged(run: Run, part: str) -> RunError:
    return RunError(
        f"{run.path / 'scores.json'}: damaged: {part!r} is missing", mend="remove it and resume the run"
    )


def _name_proteins(model: Predictor, data: Path | None) -> dict[str, str]:
    """Find out whose experiments the outputs are: from the recipe, where it names proteins, and the workbook."""
    if model.domain != "rna":
        return {}
    names, asked = model.info.outputs, model.recipe.data.experiments
    if ADAPTED in model.info.normalisation:
        return {name: name for name in names}
    known = {}
    if len(asked) == len(names):
        known = {name: wanted for name, wanted in zip(names, asked, strict=True) if name != wanted}
    workbook = None if model.info.simulated else find(METADATA, data)
    if workbook is not None:
        rows = read_metadata(workbook).select("Motif_ID", "Protein_name").drop_nulls().iter_rows()
        known |= {name: protein for name, protein in rows if name in names}
    return known
