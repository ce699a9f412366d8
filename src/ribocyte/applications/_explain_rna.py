"""Explanations of RNA: which nucleotides a prediction rests on, as tables, arrays and logos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.applications._explain_pages import Figures, describe_rna
from ribocyte.documents.page import render_page
from ribocyte.errors import DataError
from ribocyte.files import atomic_write, write_text
from ribocyte.learn.plots import save_figure
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.alphabet import PADDING, letters, one_hot
from ribocyte.rna.attribution import (
    Attribution,
    attention,
    deep_lift_shap,
    integrated_gradients,
    mutational_attribution,
)
from ribocyte.rna.encoding import best_windows
from ribocyte.rna.logos import plot_logos, plot_substitutions

if TYPE_CHECKING:
    from ribocyte.applications.explain import ExplainSettings, Progress, Summary

DRAWN = 20
"""Sequences that get a logo of their own: those with the largest predictions."""
SHOWN = 8
"""Sequences whose logos stand in the page."""
SITE = 7
"""Length in nt of what is called a site, as RNAcompete's k-mers."""
TOGETHER = 16
"""Sequences explained between two reports of progress."""
PORTION = 1 << 20
"""Letters predicted at a time while the windows to explain are chosen."""

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Windows:
    """The window of each sequence that is explained.

    Parameters
    ----------
    names : list of str
        Of the sequences.
    lengths : numpy array, int64, shape (N,)
        Of the sequences, nt.
    tokens : Tensor, uint8, shape (N, L)
        The windows.
    starts : numpy array, int64, shape (N,)
        Where each begins in its sequence, counted from 1.
    prediction : numpy array, float32, shape (N,)
        What the model says of them.
    """

    names: list[str]
    lengths: Array
    tokens: Tensor
    starts: Array
    prediction: Array

    def __getitem__(self, rows: Array) -> Windows:
        names = [self.names[row] for row in rows]
        tokens = self.tokens[torch.from_numpy(rows)]
        return Windows(names, self.lengths[rows], tokens, self.starts[rows], self.prediction[rows])

    @classmethod
    def join(cls, parts: list[Windows]) -> Windows:
        """Put several lots together."""
        return cls(
            [name for part in parts for name in part.names],
            np.concatenate([part.lengths for part in parts]),
            torch.cat([part.tokens for part in parts]),
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.prediction for part in parts]),
        )


@dataclass(frozen=True, eq=False)
class Explained:
    """Windows, and what each nucleotide counts for.

    Parameters
    ----------
    windows : Windows
        What was explained.
    counts : numpy array, float32, shape (N, L)
        Contribution of each nucleotide, or its share of attention, the mean over the heads.
    attribution : Attribution, optional
        All of it; None for attention.
    heads : Tensor, optional
        Attention of each head, (N, H, L).
    """

    windows: Windows
    counts: Array
    attribution: Attribution | None = None
    heads: Tensor | None = None

    @property
    def strongest(self) -> Array:
        """Rows, those with the largest predictions first."""
        return np.argsort(-self.windows.prediction, kind="stable")

    def site(self, row: int) -> tuple[int, int]:
        """Give first position and length of the stretch that counts most, in its window, from 0."""
        length = int((self.windows.tokens[row] != PADDING).sum())
        width = min(SITE, length)
        sums = np.lib.stride_tricks.sliding_window_view(self.counts[row, :length], width).sum(axis=1)
        return int(sums.argmax()), width


def explain_rna(
    model: Predictor,
    inputs: Iterable[tuple[str, str]],
    folder: Path,
    output: int,
    settings: ExplainSettings,
    summary: Summary,
    progress: Progress,
) -> None:
    """Explain one output for sequences, write the folder, and enter what was done in `summary`."""
    windows = choose_windows(model, inputs, output, settings.top, summary)
    explained = _explain(model, windows, output, settings.seed, summary.method, progress)
    summary.explained = len(windows.names)
    summary.strongest = [_describe_site(explained, int(row)) for row in explained.strongest[:DRAWN]]
    deltas = explained.attribution.deltas if explained.attribution else None
    summary.largest_delta = None if deltas is None else float(deltas.abs().max())
    _write_table(explained, folder / "attributions.tsv")
    _write_arrays(explained, folder / "attributions.npz")
    figures = _draw(explained, folder, summary)
    write_text(folder / "index.html", render_page(describe_rna(summary, figures, deltas)))


def choose_windows(
    model: Predictor, inputs: Iterable[tuple[str, str]], output: int, top: int, summary: Summary
) -> Windows:
    """Predict for sequences, and keep each one's best window; of the `top` best sequences only, where that is not 0.

    Raises
    ------
    DataError
        If there is no sequence, or none with a nucleotide that is known.
    """
    kept: Windows | None = None
    for names, sequences in _portions(inputs, summary):
        found = _best_windows(model, names, sequences, output)
        kept = found if kept is None else Windows.join([kept, found])
        if top and len(kept.names) > top:
            best = np.sort(np.argsort(-kept.prediction, kind="stable")[:top])
            summary.skipped["not among the top"] = (
                summary.skipped.get("not among the top", 0) + len(kept.names) - top
            )
            kept = kept[best]
    if kept is None:
        raise DataError(
            "inputs: only N" if summary.given else "inputs: no sequence",
            expected="at least one sequence with one of A, C, G, U",
        )
    return kept


def _portions(inputs: Iterable[tuple[str, str]], summary: Summary) -> Iterator[tuple[list[str], list[str]]]:
    """Cut a stream into lists of so many letters; sequences of N alone are left out."""
    names, sequences, size = list[str](), list[str](), 0
    for name, sequence in inputs:
        summary.given += 1
        if not set(sequence.upper()) - {"N"}:
            summary.skipped["only N"] = summary.skipped.get("only N", 0) + 1
            continue
        names.append(name)
        sequences.append(sequence)
        size += len(sequence)
        if size >= PORTION:
            yield names, sequences
            names, sequences, size = [], [], 0
    if names:
        yield names, sequences


def _best_windows(model: Predictor, names: list[str], sequences: list[str], output: int) -> Windows:
    tokens, owner = model.encoding.encode(sequences)
    counts = torch.bincount(owner)
    best, at = best_windows(model.outputs(tokens)[:, output : output + 1], owner, counts)
    rows = torch.cumsum(counts, 0) - counts + at[:, 0]
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    starts = at[:, 0].numpy() * getattr(model.encoding, "stride", 1) + 1
    return Windows(names, lengths, tokens[rows], starts, best[:, 0].numpy())


def _explain(
    model: Predictor, windows: Windows, output: int, seed: int, method: str, progress: Progress
) -> Explained:
    if method == "attention":
        heads = attention(model, windows.tokens)
        progress(len(windows.names))
        return Explained(windows, heads.mean(dim=1).numpy(), heads=heads)
    parts = []
    for some in torch.split(windows.tokens, TOGETHER):
        parts.append(_method(method, seed)(model, some, output))
        progress(sum(len(part.tokens) for part in parts))
    whole = Attribution.join(parts)
    return Explained(windows, whole.contributions.numpy(), whole)


def _method(method: str, seed: int) -> Callable[[Predictor, Tensor, int], Attribution]:
    match method:
        case "integrated-gradients":
            return partial(integrated_gradients, seed=seed)
        case "deep-lift-shap":
            return partial(deep_lift_shap, seed=seed)
        case _:
            return mutational_attribution


def _describe_site(explained: Explained, row: int) -> dict[str, Any]:
    """Say of a sequence what is predicted for it and which stretch of it counts most."""
    windows = explained.windows
    at, width = explained.site(row)
    start = int(windows.starts[row])
    return {
        "sequence": windows.names[row],
        "length": int(windows.lengths[row]),
        "prediction": float(windows.prediction[row]),
        "site": letters(windows.tokens[row : row + 1, at : at + width])[0],
        "from": start + at,
        "to": start + at + width - 1,
        "counts": float(explained.counts[row, at : at + width].sum()),
    }


def _write_table(explained: Explained, path: Path) -> None:
    """Write a row for each nucleotide of each window."""
    windows = explained.windows
    rows, at = (windows.tokens != PADDING).numpy().nonzero()
    spelled = np.array(list("ACGUN"))[windows.tokens.numpy()[rows, at]]
    columns: dict[str, Any] = {
        "sequence": pl.Series(windows.names, dtype=pl.String).gather(rows),
        "position": windows.starts[rows] + at,
        "base": spelled,
        "attention" if explained.heads is not None else "contribution": explained.counts[rows, at],
    }
    each, title = _per_base(explained)
    columns |= {f"{title}_{name}": values[rows, at] for name, values in each.items()}
    with atomic_write(path) as stream:
        pl.DataFrame(columns).write_csv(stream, separator="\t")


def _per_base(explained: Explained) -> tuple[dict[str, Array], str]:
    """Give what the table says of each base, or each head, besides: (N, L) arrays, and what they are."""
    if explained.heads is not None:
        heads = explained.heads.unbind(1)
        return {str(number): head.numpy() for number, head in enumerate(heads, 1)}, "head"
    assert explained.attribution is not None
    measured = explained.attribution.method == "mutagenesis"
    values = explained.attribution.effects if measured else explained.attribution.values
    names = dict(zip("ACGU", values.unbind(1), strict=True))
    return {name: value.numpy() for name, value in names.items()}, "to" if measured else "hypothetical"


def _write_arrays(explained: Explained, path: Path) -> None:
    """Write what other tools read: one-hot and hypothetical contributions (N, 4, L), as tangermeme has them."""
    windows, found = explained.windows, explained.attribution
    arrays: dict[str, Array] = {
        "names": np.array(windows.names),
        "starts": windows.starts,
        "one_hot": one_hot(windows.tokens).numpy(),
        "prediction": windows.prediction,
    }
    if explained.heads is not None:
        arrays["attention"] = explained.heads.numpy()
    if found is not None:
        arrays |= {"contributions": explained.counts, "hypothetical": found.values.numpy()}
        deltas = found.deltas
        if found.reference is None:
            arrays["effects"] = found.effects.numpy()
        elif deltas is not None:
            arrays |= {"reference": found.reference.numpy(), "deltas": deltas.numpy()}
    with atomic_write(path) as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type] # its stub wants a flag among them


def _draw(explained: Explained, folder: Path, summary: Summary) -> Figures:
    """Draw a logo of each of the strongest sequences, and those of the very strongest together."""
    unit = "share of attention" if explained.heads is not None else "contribution (z-score)"
    rows = [int(row) for row in explained.strongest[:DRAWN]]
    called = _call(explained.windows, rows)
    logos, starts, spelled, effects = {}, {}, {}, {}
    for row, name in called.items():
        length = int((explained.windows.tokens[row] != PADDING).sum())
        tokens = explained.windows.tokens[row : row + 1, :length]
        logos[name] = (one_hot(tokens)[0].numpy() * explained.counts[row, :length]).T
        starts[name], spelled[name] = int(explained.windows.starts[row]), letters(tokens)[0]
        if summary.method == "mutagenesis" and explained.attribution is not None:
            effects[name] = explained.attribution.effects[row, :, :length].numpy()
    for number, (name, heights) in enumerate(logos.items(), 1):
        figure = plot_logos({name: heights}, unit, starts=starts, simulated=summary.simulated)
        save_figure(figure, folder / "logos" / f"{number:02d}-{_file_name(name)}.svg")
    first = list(logos)[:SHOWN]
    shown = plot_logos(
        {name: logos[name] for name in first}, unit, starts=starts, simulated=summary.simulated
    )
    save_figure(shown, folder / "logos.svg")
    if not effects:
        return Figures(folder / "logos.svg")
    maps = plot_substitutions(
        {name: effects[name] for name in first},
        spelled,
        "change of the prediction (z-score)",
        starts=starts,
        simulated=summary.simulated,
    )
    save_figure(maps, folder / "substitutions.svg")
    return Figures(folder / "logos.svg", folder / "substitutions.svg")


def _call(windows: Windows, rows: list[int]) -> dict[int, str]:
    """Give rows short names, no two alike."""
    short = {row: windows.names[row][:37] + "…" * (len(windows.names[row]) > 38) for row in rows}
    often, seen = Counter(short.values()), Counter[str]()
    for row, name in short.items():
        seen[name] += 1
        if often[name] > 1:
            short[row] = f"{name} ({seen[name]})"
    return short


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "sequence"
