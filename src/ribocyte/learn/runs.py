"""A run: everything about one training, in one folder, never half written.

======================  ==============================================================================
``recipe.toml``         complete: training it again gives the same run
``history.csv``         one row an epoch
``last.ckpt``           where to go on; replaced in one step
``model.safetensors``   the best model by validation, ready for `Predictor.load`
``predictions.parquet`` the test split: measured and predicted, row by row
``resamples.parquet``   the metrics of every bootstrap resample of those rows, a column each
``outputs.tsv``         the metrics of each output alone, where there are several
``scores.json``         metrics with 95 % intervals, on the test split at the best-validation epoch
``figures/*.svg``       what the run looks like
======================  ==============================================================================
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import tomli_w
import torch

from ribocyte.errors import DataError, DiskError, RunError, WorkError
from ribocyte.files import atomic_write, write_text


class Run:
    """A handle on a run's folder; holds nothing that is not in the folder.

    Parameters
    ----------
    path : Path
        The folder. Use `create` or `open` to be sure of its state.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: Path, recipe: Mapping[str, Any]) -> Run:
        """Begin a run in a new folder.

        Raises
        ------
        RunError
            If the folder exists and is not empty: nothing is ever overwritten.
        """
        cls.refuse_existing(path)
        run = cls(path)
        write_text(path / "recipe.toml", tomli_w.dumps(dict(recipe)))
        return run

    @staticmethod
    def refuse_existing(path: Path) -> None:
        """Make sure a run can begin in a folder: it is not there, or empty.

        Raises
        ------
        RunError
            If there is something.
        """
        if not path.exists() or (path.is_dir() and all(_is_left_over(file) for file in path.iterdir())):
            return
        resumable = (path / "recipe.toml").is_file()
        raise RunError(
            f"{path}: exists already",
            expected="a new folder",
            mend="continue it with --resume, or choose another with --out"
            if resumable
            else "choose another with --out",
        )

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Take up an existing run.

        Raises
        ------
        RunError
            If the folder is no run.
        """
        path = Path(path)
        if not (path / "recipe.toml").is_file():
            raise RunError(
                f"{path}: not a run", expected="a folder with a recipe.toml, made by: ribocyte train"
            )
        return cls(path)

    @property
    def name(self) -> str:
        """What the run is called: its folder's name."""
        return self.path.resolve().name

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's tables."""
        try:
            return tomllib.loads((self.path / "recipe.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / 'recipe.toml'}: cannot be read: {error}") from error

    @property
    def finished(self) -> bool:
        """Whether training ended and the test split was scored."""
        return (self.path / "scores.json").is_file()

    @property
    def history(self) -> pl.DataFrame:
        """One row an epoch; see `ribocyte.learn.training.fit` for the columns."""
        path = self._existing("history.csv")
        try:
            return pl.read_csv(path, infer_schema_length=None)  # a column may be empty for the first epochs
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise RunError(f"{path}: damaged: {str(error).splitlines()[0]}") from error

    @property
    def scores(self) -> dict[str, Any]:
        """The scores of the test split."""
        path = self._existing("scores.json")
        try:
            scores: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"{path}: damaged: {error}", mend="remove it and resume the run") from error
        return scores

    @property
    def predictions(self) -> pl.DataFrame:
        """Measured and predicted values of the test split, in single precision."""
        try:
            return pl.read_parquet(self._existing("predictions.parquet")).cast({pl.Float16: pl.Float32})
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{self.path / 'predictions.parquet'}: damaged: {error}") from error

    @property
    def resamples(self) -> pl.DataFrame | None:
        """The metrics of every bootstrap resample of the test split; None where an older version kept none."""
        path = self.path / "resamples.parquet"
        if not path.is_file():
            return None
        try:
            return pl.read_parquet(path)
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"{path}: damaged: {error}", mend="remove it: what it held is drawn again when needed"
            ) from error

    @property
    def output_scores(self) -> pl.DataFrame | None:
        """The metrics of each output alone, a row each; None where there is only one, or they are classes."""
        path = self.path / "outputs.tsv"
        if not path.is_file():
            return None
        try:
            return pl.read_csv(path, separator="\t", infer_schema_length=None)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise DataError(f"{path}: damaged: {str(error).splitlines()[0]}") from error

    @property
    def model(self) -> Path:
        """Path of the best model."""
        return self.path / "model.safetensors"

    def write_history(self, rows: list[dict[str, float]]) -> None:
        """Replace the history."""
        with atomic_write(self.path / "history.csv") as stream:
            pl.DataFrame(rows, infer_schema_length=None).write_csv(stream)

    def write_scores(self, scores: Mapping[str, Any]) -> None:
        """Replace the scores; written last, so that their presence means the run is whole."""
        write_text(self.path / "scores.json", json.dumps(scores, indent=2) + "\n")

    def write_predictions(self, table: pl.DataFrame) -> None:
        """Replace the test predictions."""
        with atomic_write(self.path / "predictions.parquet") as stream:
            table.write_parquet(stream)

    def write_output_scores(self, table: pl.DataFrame) -> None:
        """Replace the metrics of each output."""
        with atomic_write(self.path / "outputs.tsv") as stream:
            table.write_csv(stream, separator="\t")

    def write_resamples(self, table: pl.DataFrame) -> None:
        """Replace the metrics of the resamples."""
        with atomic_write(self.path / "resamples.parquet") as stream:
            table.write_parquet(stream)

    def write_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint in one step; on a full disk the one before stays.

        Raises
        ------
        DiskError
            If it cannot be written.
        """
        with atomic_write(self.path / "last.ckpt") as stream:
            buffer = io.BytesIO()  # torch reports a full disk as a RuntimeError; plain writes say what it was
            torch.save(dict(state), buffer)
            stream.write(buffer.getbuffer())

    def read_checkpoint(self) -> dict[str, Any] | None:
        """Give the checkpoint, None before the first.

        Raises
        ------
        RunError
            If it is damaged. Tensors and plain values only are ever loaded from it.
        """
        path = self.path / "last.ckpt"
        if not path.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds for a damaged archive
            raise RunError(
                f"{path}: damaged or cut short ({type(error).__name__})",
                mend="remove it to begin the run again",
            ) from error
        return state

    @contextlib.contextmanager
    def alone(self, really: bool = True) -> Iterator[None]:
        """Hold the folder so that no second process trains in it; the helpers of the first need not (`really`).

        Raises
        ------
        WorkError
            If another process holds it, or nothing can be written there.
        """
        if not really:
            yield
            return
        try:
            lock = (self.path / ".lock").open("w")
        except OSError as error:
            raise DiskError(
                f"{self.path}: cannot be written in: {error.strerror}",
                mend="choose a folder you can write to",
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise WorkError(f"{self.path}: another process is training in this folder") from error
            for file in filter(_is_left_over, self.path.iterdir()):
                file.unlink()
            yield

    def _existing(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            raise RunError(
                f"{path}: not there",
                expected="a finished run",
                mend="finish it with: ribocyte train … --resume",
            )
        return path


def _is_left_over(file: Path) -> bool:
    """Say whether a file was being written when its process was killed."""
    return file.name.startswith(".") and file.suffix == ".part"
