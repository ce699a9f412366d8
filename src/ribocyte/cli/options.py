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
