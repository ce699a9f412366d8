"""``ribocyte export``, ``ribocyte card`` and ``ribocyte push``: a model handed over to others."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ribocyte.cli import options, present
from ribocyte.errors import RequestError

Licence = Annotated[
    str,
    typer.Option(
        "--licence",
        "--license",
        metavar="ID",
        help="Of the weights, such as mit or cc-by-4.0.",
        show_default="the card says that none was named",
    ),
]


def export(
    model: options.Model,
    onnx: Annotated[
        Path, typer.Option("--onnx", metavar="FILE", help="The file to write.", show_default=False)
    ],
    opset: Annotated[
        int | None,
        typer.Option(metavar="N", help="Version of ONNX's operators.", show_default="the most widely read"),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Take tokens or pixels (uint8): nothing is to be prepared outside.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write a model's network as ONNX, for programs without PyTorch.

    It is computed by onnxruntime and by PyTorch on batches of 1, 2, 7 and 64 inputs, and written only where the
    two agree. A file that is there is replaced.
    """
    from ribocyte.applications.export import OPSET, export_onnx
    from ribocyte.catalog import Predictor

    _refuse_to_replace_model(model, onnx)
    wanted = OPSET if opset is None else opset
    done = export_onnx(Predictor.load(model, device="cpu"), onnx, opset=wanted, raw=raw)
    if as_json:
        present.show_json(asdict(done))
        return
    present.show(f"Written: {done.path} ({present.megabytes(done.path.stat().st_size)}, opset {done.opset})")
    ports = {"takes": done.input, "gives": done.output}
    present.show_facts(
        {
            what: f"{port.name}, {port.dtype} ({', '.join(map(str, port.shape))}): {port.about}"
            for what, port in ports.items()
        }
    )
    present.show(f"Checked: differs from PyTorch by at most {done.difference:.1g}")


def card(
    model: options.Model,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write here, such as README.md; replaced.", show_default="standard output"
        ),
    ] = None,
    licence: Licence = "",
    data: options.Data = None,
) -> None:
    """Write a model card: what a model is, of what data, how good, and with what limits.

    Markdown with the facts in front that the Hugging Face hub reads. All of it comes from the run's folder; of
    a model file alone the scores are not known. Names of proteins come from the workbook in the data folder,
    where there is one.
    """
    from ribocyte.applications.card import make_card, read_subject
    from ribocyte.files import write_text

    if out is not None and out.is_dir():
        raise RequestError(f"{out}: is a folder", expected="a file to write, such as README.md")
    if out is not None:
        _refuse_to_replace_model(model, out)
    text = make_card(read_subject(model, data), licence=licence)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    present.show(f"Written: {out}")


def push(
    model: options.Model,
    repo: Annotated[
        str, typer.Argument(metavar="REPO", help="ORGANISATION/NAME, or USER/NAME.", show_default=False)
    ],
    private: Annotated[bool, typer.Option("--private", help="Hide a new repository from others.")] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="A branch that exists.", show_default="the main one")
    ] = None,
    licence: Licence = "",
    message: Annotated[str, typer.Option(help="Of the commit.", show_default="what was added")] = "",
    as_json: options.Json = False,
) -> None:
    """Give a model to the Hugging Face hub, with its card.

    Model file, card, recipe, history, scores and figures go; checkpoints and predictions stay. Log in before with:
    hf auth login. HF_ENDPOINT names another hub.
    """
    from ribocyte.applications.hub import push_to_hub

    address = push_to_hub(model, repo, private=private, revision=revision, licence=licence, message=message)
    if as_json:
        present.show_json({"repo": repo, "commit": address})
        return
    present.show(f"Pushed: {address}")
    present.show(f'Load it with: from_pretrained("{repo}")')


def _refuse_to_replace_model(model: Path, out: Path) -> None:
    file = model / "model.safetensors" if model.is_dir() else model
    if os.path.exists(file) and out.exists() and out.samefile(file):  # noqa: PTH110 - a name may be too long
        raise RequestError(f"{out}: is the model itself", expected="another file to write")
