"""Amazon Personalize's schemas: Avro records with the columns of interactions, items or users, and their types."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from larder.errors import InvalidRequest

Dataset = Literal["interactions", "items", "users"]
DATASETS: Final[tuple[Dataset, ...]] = ("interactions", "items", "users")
_NUMBERS: Final = frozenset({"int", "long", "float", "double"})
_TYPES: Final = _NUMBERS | {"string", "boolean", "null"}


@dataclass(frozen=True, slots=True)
class SchemaField:
    """A column of a schema.

    Attributes:
        name: Its name.
        types: Its Avro types; with ``null``, the column may be missing.
        categorical: Whether it holds categories, separated by ``|``.
        textual: Whether it holds a text.
    """

    name: str
    types: frozenset[str]
    categorical: bool = False
    textual: bool = False

    @property
    def required(self) -> bool:
        """Whether the column must be in the file."""
        return "null" not in self.types

    @property
    def number(self) -> bool:
        """Whether all values are numbers."""
        return bool(self.types & _NUMBERS) and self.types <= _NUMBERS | {"null"}


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A schema.

    Attributes:
        dataset: The input that it describes.
        fields: Its columns.
    """

    dataset: Dataset
    fields: tuple[SchemaField, ...]


def read_schemas(paths: Sequence[Path | str]) -> dict[Dataset, TableSchema]:
    """The schemas of some files by their dataset.

    Raises:
        InvalidRequest: A file is not a schema of Amazon Personalize, or two describe the same dataset.
    """
    schemas: dict[Dataset, TableSchema] = {}
    for path in map(Path, paths):
        schema = _schema(path)
        if schema.dataset in schemas:
            raise InvalidRequest(f"{path.name} is a second schema of {schema.dataset}: give one of each dataset.")
        schemas[schema.dataset] = schema
    return schemas


def _schema(path: Path) -> TableSchema:
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
        if isinstance(record, dict) and isinstance(record.get("schema"), str):  # what DescribeSchema answers
            record = json.loads(record["schema"])
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"{path} cannot be read as JSON ({error}): give a schema of Amazon Personalize."
        ) from error
    fields = record.get("fields") if isinstance(record, dict) else None
    if not isinstance(fields, list) or not fields:
        raise InvalidRequest(f'{path.name} has no "fields": give a schema of Amazon Personalize (an Avro record).')
    parsed = tuple(_field(path.name, field) for field in fields)
    return TableSchema(_dataset(path.name, record, {field.name for field in parsed}), parsed)


def _dataset(file: str, record: Mapping[str, Any], names: set[str]) -> Dataset:
    stated = str(record.get("name", "")).lower()
    for dataset in DATASETS:
        if stated == dataset:
            return dataset
    if {"USER_ID", "ITEM_ID"} <= names:
        return "interactions"
    if not names & {"USER_ID", "ITEM_ID"}:
        raise InvalidRequest(f"{file} has neither USER_ID nor ITEM_ID: give a schema of interactions, items or users.")
    return "items" if "ITEM_ID" in names else "users"


def _field(file: str, field: object) -> SchemaField:
    kinds = field.get("type") if isinstance(field, dict) else None
    types = frozenset(str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds]))
    if not isinstance(field, dict) or not isinstance(field.get("name"), str) or not types <= _TYPES:
        raise InvalidRequest(
            f"{file}: the field {json.dumps(field)[:80]} has no name, or another type than {', '.join(sorted(_TYPES))}."
        )
    return SchemaField(field["name"], types, field.get("categorical") is True, field.get("textual") is True)
