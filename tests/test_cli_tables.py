"""How commands write tables that come in portions."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest

from ribocyte.cli import tables
from ribocyte.cli.tables import WRITERS, Format

WHOLE = pl.DataFrame(
    {"name": [f"rna {row}" for row in range(1000)], "score": [row / 7 for row in range(1000)]}
)


def written(form: Format, rows: int) -> bytes:
    stream = io.BytesIO()
    WRITERS[form](iter(WHOLE.iter_slices(rows)), stream)
    return stream.getvalue()


@pytest.mark.parametrize("together", [1, 5000, 1 << 20])
@pytest.mark.parametrize("rows", [1, 64, 1000])
def test_parquet_is_the_whole_table_in_order(
    monkeypatch: pytest.MonkeyPatch, rows: int, together: int
) -> None:
    monkeypatch.setattr(tables, "WRITTEN_TOGETHER", together)
    assert pl.read_parquet(io.BytesIO(written(Format.parquet, rows))).equals(WHOLE)


@pytest.mark.parametrize("rows", [1, 64, 1000])
def test_text_is_the_whole_table_in_order(rows: int) -> None:
    assert pl.read_csv(written(Format.tsv, rows), separator="\t").equals(WHOLE)
    assert json.loads(written(Format.json, rows)) == WHOLE.to_dicts()
