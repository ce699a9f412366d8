"""What columns and metrics are called in a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from ribocyte.errors import DataError

SMALLER_IS_BETTER = ("loss", "mse")

_NAMES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_auc": "macro AUC",
    "spearman": "Spearman ρ",
    "pearson": "Pearson r",
    "mse": "mean squared error",
    "seconds": "time per epoch (s)",
    "peak_mb": "peak memory (MB)",
    "learning_rate": "learning rate",
    "logit_gradient": "gradient at the logits",
    "wrong_gradient": "gradient at the logits, misclassified",
    "saturation": "largest probability",
    "commonest": "share of the commonest answer",
    "spread": "spread of the predictions",
}
SPLITS = {"train": "training", "val": "validation", "test": "test"}


def name_metric(metric: str) -> str:
    return _NAMES.get(metric, metric.replace("_", " "))


def split_of(column: str) -> tuple[str, str]:
    """Take a column's name apart: ``val_accuracy`` is (val, accuracy), ``learning_rate`` of no split."""
    split, _, metric = column.partition("_")
    return (split, metric) if split in SPLITS else ("", column)


def name_column(column: str) -> str:
    """Name a column for people: ``val_accuracy`` is the validation accuracy."""
    split, metric = split_of(column)
    return f"{SPLITS[split]} {name_metric(metric)}" if split else name_metric(metric)


def check_columns(histories: Mapping[str, pl.DataFrame], columns: Sequence[str]) -> None:
    if not histories:
        raise DataError("histories: none given", expected="at least one run")
    known = {column for history in histories.values() for column in history.columns}
    for column in columns:
        if column not in known:
            raise DataError(f"{column}: in no run's history", expected=f"one of {', '.join(sorted(known))}")
