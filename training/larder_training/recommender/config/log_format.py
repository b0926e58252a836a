"""How a log and its metadata are written: names of columns, and the format of times."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from larder_training.io.column_names import ColumnNames, check_columns
from larder_training.io.personalize_schema import Dataset, SchemaField, TableSchema

_NO_SCHEMAS: Final[Mapping[Dataset, TableSchema]] = MappingProxyType({})
_NO_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LogFormat:
    """How a log and its metadata are written. Raises InvalidRequest for a column that Larder does not have.

    Attributes:
        columns: The file's name of a column by Larder's name, such as ``{"ITEM_ID": "movieId"}``.
        time_format: Format of TIMESTAMP as of ``datetime.strptime``; None: recognized.
        schemas: Schemas of Amazon Personalize by dataset.
    """

    columns: Mapping[str, str] = field(default_factory=lambda: _NO_COLUMNS)
    time_format: str | None = None
    schemas: Mapping[Dataset, TableSchema] = field(default_factory=lambda: _NO_SCHEMAS)

    def __post_init__(self) -> None:
        check_columns(self.columns)

    @property
    def of_log(self) -> ColumnNames:
        """Names in the log, which has all columns that are stated."""
        return ColumnNames(self.columns, fields=self._fields("interactions"))

    def of_metadata(self, key: str) -> ColumnNames:
        """Names in the metadata of ITEM_ID or USER_ID, which may name its ids otherwise than the log."""
        dataset: Dataset = "items" if key == "ITEM_ID" else "users"
        return ColumnNames(self.columns, everywhere=False, fields=self._fields(dataset))

    def _fields(self, dataset: Dataset) -> tuple[SchemaField, ...]:
        schema = self.schemas.get(dataset)
        return () if schema is None else schema.fields


USUAL: Final = LogFormat()
