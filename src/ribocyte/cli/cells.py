"""``ribocyte cells``: a folder of photographs, classified, with the most doubtful ones on top."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ribocyte.cli import options, present
from ribocyte.cli.progress import watch_predictions


def cells(
    model: options.Model,
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER…",
            help="Folders of photographs of single cells, at any depth; or image files.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Write here: a new or empty folder.", show_default=False)
    ],
    level: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How many of the cells the sets of plausible classes are to hold the class of.",
            show_default="as the model was calibrated, 0.95",
        ),
    ] = None,
    shown: Annotated[
        int, typer.Option(min=1, max=500, help="How many of the most doubtful the page shows.")
    ] = 60,
    maps: Annotated[
        int, typer.Option(min=0, max=36, help="For how many of these it shows where the network looked.")
    ] = 9,
    as_json: options.Json = False,
) -> None:
    """Classify photographs of cells, and say which to look at again.

    Writes cells.tsv, a row for each photograph: class, calibrated probability, the set of plausible classes,
    whether it is unlike all known cells, and doubt. index.html shows the most doubtful first. Files that cannot be
    read are counted and listed in unreadable.tsv.
    """
    from ribocyte.applications.cells import classify_cells
    from ribocyte.catalog import Predictor

    predictor = Predictor.load(model)
    with watch_predictions(True) as count:
        found = classify_cells(predictor, folders, out, level=level, shown=shown, maps=maps, progress=count)
    if as_json:
        present.show_json({"out": out, **asdict(found)})
        return
    if found.simulated:
        present.show(present.SIMULATED)
    rows = [
        (name, f"{found.counts[name]:,}", f"{found.sure[name]:,}", f"{found.unlike[name]:,}")
        for name in found.classes
    ]
    present.show_table(("class", "cells", "sure", "unlike"), rows, numbers=(1, 2, 3))
    if found.unreadable:
        left = len(found.unreadable)
        files = "1 file" if left == 1 else f"{left:,} files"
        present.warn(f"{files} could not be read: {out / 'unreadable.tsv'}")
    present.show(f"Written: {', '.join(str(out / name) for name in found.files)}")
