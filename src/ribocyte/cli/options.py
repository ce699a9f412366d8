"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Data folder; else $RIBOCYTE_DATA, then the user's cache (see: ribocyte data status).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A run's folder, or its model.safetensors.", show_default=False),
]
Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT…",
        help="RNA: sequences, or files of them (FASTA, TSV, CSV, Parquet, plain lines; gzipped or not), "
        "- for standard input. Cells: image files, and folders of them.",
        show_default=False,
    ),
]
Table = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write here, whole or not at all; .tsv, .json or .parquet. A file that is there is replaced.",
        show_default="standard output",
    ),
]
NewFolder = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="A new or empty folder.", show_default=False)
]
