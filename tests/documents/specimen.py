"""A small document with everything in it, and how its renderings are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ribocyte.documents.document import Document, FigureBlock, Reference, Section, TableBlock
from ribocyte.learn import plots

RAY = Reference(
    "ray2013", "Ray D, et al.", "A compendium of motifs", "Nature 499:172–177", "2013", "10.1038/nature12311"
)
KOO = Reference("koo2021", "Koo PK", "Global importance analysis", "PLoS Comput Biol 17:e1008925", "2021")
UNCITED = Reference("efron1979", "Efron B", "Bootstrap methods", "Ann Stat 7:1–26", "1979")


def draw(path: Path, width: float = plots.COLUMN) -> Path:
    """Draw two falling curves."""
    epochs = np.arange(1, 6)
    history = pl.DataFrame({"epoch": epochs, "train_loss": 1 / epochs, "val_loss": 1.2 / epochs})
    plots.save_figure(plots.plot_bands({"CNN": [history]}, width=width), path)
    return path


def make_table(label: str = "scores", simulated: bool = False, wide: bool = False) -> TableBlock:
    rows = (("CNN", "0.638", "good"), ("residual", "0.694", "better"))
    return TableBlock(("network", "Spearman", "verdict"), rows, "Test scores.", simulated, wide, label)


def make_document(svg: Path, simulated: bool = False) -> Document:
    """Make a document with two levels, labels, citations, commands and an appendix."""
    first = Section(
        "What was done",
        (
            "Two networks were trained [@koo2021; @ray2013], as [#curves] shows.",
            "[#scores] says more [@ray2013].",
        ),
        (FigureBlock(svg, "Loss, epoch by epoch.", label="curves"),),
        (make_table(),),
        subsections=(Section("A detail", ("Type `ribocyte demo`.",), commands=("ribocyte demo --out out",)),),
    )
    appendix = Section("Recipes", ("In full.",), tables=(make_table(""),), commands=("epochs = 3",))
    return Document(
        "Which network?",
        ("Ada Lovelace", "Grace Hopper"),
        "Group 7",
        "What was found.",
        (first, Section("What remains", ("Nothing.",))),
        (UNCITED, RAY, KOO),
        (appendix,),
        "Made.",
        simulated,
    )


def read_content(content: Any) -> Iterator[str]:
    """Give the text of a piece of Typst's content, as its query reports it."""
    match content:
        case {"func": "text" | "raw", "text": str(text)}:
            yield text
        case {"func": "space"}:
            yield " "
        case {"func": "smartquote"} as quote:
            yield '"' if quote.get("double", True) else "'"
        case {"func": "symbol", "text": str(text)}:
            yield text
        case {"children": list(children)}:
            for child in children:
                yield from read_content(child)
        case {"body": body}:
            yield from read_content(body)
        case _:
            raise AssertionError(f"not text: {content}")
