"""The command line: each subcommand is one library call and its presentation.

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 the work failed, 2 the request was
wrong. PyTorch and polars are imported by the commands that need them, so that ``--help`` is immediate.
"""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from ribocyte.cli import (
    adapting,
    applying,
    benchmarking,
    binding,
    calibrating,
    cells,
    data,
    explaining,
    exporting,
    judging,
    motifs,
    reporting,
    scanning,
    studying,
    training,
    transferring,
    tuning,
    variants,
)
from ribocyte.cli.guard import Command
from ribocyte.version import VERSION

app = typer.Typer(
    name="ribocyte",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(
    no_args_is_help=True, help="Find, fetch, check and simulate data.", rich_markup_mode=None
)
app.add_typer(data_app, name="data")
app.add_typer(binding.proteins_app, name="proteins")
app.add_typer(benchmarking.bench_app, name="bench")

for group, commands in (
    (data_app, (data.status, data.fetch, data.check, data.build, data.simulate)),
    (
        app,
        (
            training.train,
            tuning.tune,
            judging.evaluate,
            judging.compare,
            calibrating.calibrate,
            reporting.report,
            applying.predict,
            binding.bind,
            binding.specificity,
            adapting.adapt,
            cells.cells,
            explaining.explain,
            motifs.motifs,
            scanning.scan,
            variants.variants,
            variants.affinities,
            exporting.export,
            exporting.card,
            exporting.push,
            applying.models,
            transferring.transfer,
            studying.reproduce,
            training.demo,
        ),
    ),
):
    for command in commands:
        group.command(cls=Command)(command)


def main() -> None:
    """Run the command line.

    Python looks for garbage a hundred times less often than it is used to: imports and long inputs make objects by
    the hundred thousand, of which none is garbage, and to look costs a tenth of the import of PyTorch.
    """
    gc.set_threshold(100_000, 20, 100)
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ribocyte {VERSION}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Deep networks for two questions: which RNA a protein binds, which blood cell is in the picture."""
