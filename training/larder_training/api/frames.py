"""Data frames as inputs: they are written to Parquet files, which the readers of files read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias, cast

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame, IntoLazyFrame

from larder.errors import InvalidRequest
from larder_training.io.inputs import InputFiles, InputSource

Frame: TypeAlias = IntoDataFrame | IntoLazyFrame
Table: TypeAlias = InputSource | Frame  # a table of interactions, items or users


@contextmanager
def as_files(**tables: Table | None) -> Iterator[dict[str, Any]]:
    """Replaces data frames by the paths of Parquet files, which exist until the block ends.

    Raises InvalidRequest if a table is neither a location nor a data frame.
    """
    with TemporaryDirectory(prefix="larder-") as folder:
        yield {name: _as_file(table, Path(folder) / f"{name}.parquet") for name, table in tables.items()}


def is_frame(data: object) -> bool:
    """Whether ``data`` is a data frame of a library that narwhals knows."""
    return isinstance(nw.from_native(data, pass_through=True), nw.DataFrame | nw.LazyFrame)


def to_polars(frame: object) -> pl.DataFrame:
    """A data frame of any library as one of polars; a lazy frame is computed.

    Raises InvalidRequest if a column has values of several types.
    """
    native = nw.from_native(cast("Frame", frame))
    eager = native.collect() if isinstance(native, nw.LazyFrame) else native
    try:
        return eager.to_polars()
    except ImportError:  # polars reads pandas through PyArrow, which pandas does not require
        return _by_columns(eager)
    except (ValueError, TypeError) as error:  # PyArrow's errors for a column with several types
        raise InvalidRequest(
            f"the data frame cannot be read ({error}): give each column one type, such as text."
        ) from error


def _by_columns(frame: "nw.DataFrame[IntoDataFrame]") -> pl.DataFrame:
    columns = {}
    for column in frame.iter_columns():
        values = zip(column.to_list(), column.is_null().to_list(), strict=True)
        columns[column.name] = pl.Series([None if is_null else value for value, is_null in values], strict=False)
    return pl.DataFrame(columns)


def _as_file(table: Table | None, path: Path) -> InputSource | None:
    if table is None or isinstance(table, str | Path | InputFiles | list | tuple):
        return table
    if not is_frame(table):
        raise InvalidRequest(
            f"{path.stem} is of type {type(table).__name__}: give a path, a URL, a list of these, or a data frame."
        )
    to_polars(table).write_parquet(path)
    return path
