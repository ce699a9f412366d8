"""``ribocyte report``: finished runs as an article."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ribocyte.cli import options, present


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN …", help="Folders of finished runs.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The report; its ending says as what: .pdf, .html, .typ or .md.",
        ),
    ] = Path("report.pdf"),
    title: Annotated[str, typer.Option(help="Its title.", show_default="what was trained on what")] = "",
    author: Annotated[list[str] | None, typer.Option(help="An author; may be repeated.")] = None,
    group: Annotated[str, typer.Option(help="The authors' group, course or institute.")] = "",
    as_json: options.Json = False,
) -> None:
    """Write an article of finished runs that measure the same thing.

    A PDF comes with its Typst source and figures, to be edited, and with the same as one page of HTML. An
    earlier report of the same name is replaced.
    """
    import tempfile

    from ribocyte.assignment.report import report_runs
    from ribocyte.documents.writing import check_ending, write_document
    from ribocyte.learn.runs import Run

    check_ending(out)  # before anything is compared
    opened = [Run.open(path) for path in runs]
    with tempfile.TemporaryDirectory() as drawn:
        document = report_runs(opened, Path(drawn), title=title, authors=author or (), group=group)
        written = write_document(document, out)
    pages = written.pages
    if as_json:
        count = {"body": pages.body, "appendix": pages.appendix} if pages else None
        present.show_json({"files": written.files, "pages": count, "simulated": document.simulated})
        return
    if document.simulated:
        present.show(present.SIMULATED)
    present.show(f"Written: {', '.join(map(str, written.files))}")
    if pages:
        present.show(f"Pages: {pages.body}, and {pages.appendix} of appendix")
        if pages.excess:
            present.warn(f"{out}: {pages.excess}; leave out a run, or shorten {out.with_suffix('.typ')}")
