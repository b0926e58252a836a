"""How a log and its metadata are written: names of columns, and the format of times."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from larder_training.io.column_names import ColumnNames, check_columns

_NO_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LogFormat:
    """How a log and its metadata are written. Raises InvalidRequest for a column that Larder does not have.

    Attributes:
        columns: The file's name of a column by Larder's name, such as ``{"ITEM_ID": "movieId"}``.
        time_format: Format of TIMESTAMP as of ``datetime.strptime``; None: recognized.
    """

    columns: Mapping[str, str] = field(default_factory=lambda: _NO_COLUMNS)
    time_format: str | None = None

    def __post_init__(self) -> None:
        check_columns(self.columns)

    @property
    def of_log(self) -> ColumnNames:
        """Names in the log, which has all columns that are stated."""
        return ColumnNames(self.columns)

    @property
    def of_metadata(self) -> ColumnNames:
        """Names in the metadata, which may name its ids otherwise than the log."""
        return ColumnNames(self.columns, everywhere=False)


USUAL: Final = LogFormat()
