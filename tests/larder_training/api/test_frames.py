"""Data frames of any library reach the reader of files with the same values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from larder.errors import InvalidRequest
from larder_training.api.frames import Table, as_files, is_frame, to_polars

COLUMNS: dict[str, list[object]] = {"USER_ID": ["a", "b"], "TIMESTAMP": [1, 2], "EVENT_VALUE": [None, 0.5]}
LIBRARIES = [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table]


@pytest.mark.parametrize("library", LIBRARIES, ids=["pandas", "polars", "lazy polars", "pyarrow"])
def test_a_frame_becomes_a_parquet_file(library: Callable[[Any], Table]) -> None:
    with as_files(interactions=library(COLUMNS)) as files:
        assert pl.read_parquet(files["interactions"]).to_dict(as_series=False) == COLUMNS
    assert not Path(files["interactions"]).exists()


def test_pandas_needs_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN polars that cannot read pandas, as without PyArrow
    def refuse(_: object) -> None:
        raise ModuleNotFoundError("pa.Table requires 'pyarrow' module to be installed")

    monkeypatch.setattr(nw.DataFrame, "to_polars", refuse)
    # WHEN
    table = to_polars(pd.DataFrame(COLUMNS))
    # THEN
    assert table.to_dict(as_series=False) == COLUMNS


def test_a_column_with_several_types_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"cannot be read \(.*'x'.*: give each column one type"):
        to_polars(pd.DataFrame({"CODE": [1, "x"]}))


@pytest.mark.parametrize("table", ["log.csv", Path("log.csv"), ["a.csv", "b.csv"], None])
def test_locations_pass_unchanged(table: Table | None) -> None:
    with as_files(interactions=table) as files:
        assert files == {"interactions": table}


@pytest.mark.parametrize("table", [3, pl.Series(["a"]), pd.Series(["a"]), {"USER_ID": ["a"]}])
def test_a_message_names_the_table_and_its_type(table: Any) -> None:  # noqa: ANN401  wrong on purpose
    assert not is_frame(table)
    with (
        pytest.raises(InvalidRequest, match=f"items is of type {type(table).__name__}: give a path"),
        as_files(items=table),
    ):
        pass
