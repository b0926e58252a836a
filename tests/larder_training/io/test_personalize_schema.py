"""Schemas of Amazon Personalize state columns and types of the inputs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from larder.errors import InvalidRequest
from larder_training.io.personalize_schema import read_schemas
from larder_training.recommender.config.log_format import LogFormat
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.metadata import read_metadata

LOG = [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("EVENT_VALUE", ["null", "float"])]


def schema(path: Path, fields: Sequence[tuple[str, object]], name: str = "Interactions", **more: object) -> Path:
    record = {
        "type": "record",
        "name": name,
        "namespace": "com.amazonaws.personalize.schema",
        "fields": [{"name": column, "type": kind} | more for column, kind in fields],
        "version": "1.0",
    }
    path.write_text(json.dumps(record))
    return path


def log_format(*paths: Path, columns: Mapping[str, str] | None = None) -> LogFormat:
    return LogFormat(columns or {}, schemas=read_schemas(paths))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("USER_ID,ITEM_ID,TIMESTAMP\nu,i,5\n", None),  # a nullable column may be missing
        ("USER_ID,ITEM_ID,TIMESTAMP,EVENT_VALUE\nu,i,5,\n", None),
        ("userId,itemId,ts\nu,i,5\n", None),
        (
            "USER_ID,ITEM_ID,TIMESTAMP\nu,i,5\nu,i,2024-01-31\n",
            "log.csv, column TIMESTAMP, data row 2: '2024-01-31' is not a number, as the schema says",
        ),
        ("USER_ID,ITEM_ID,TIMESTAMP,EVENT_VALUE\nu,i,5,much\n", "column EVENT_VALUE, data row 1: 'much'"),
    ],
)
def test_a_log_must_have_the_columns_and_types(tmp_path: Path, text: str, message: str | None) -> None:
    (tmp_path / "log.csv").write_text(text)
    expected = log_format(schema(tmp_path / "log.json", LOG))
    if message is None:
        assert len(read_interactions(tmp_path / "log.csv", log_format=expected)[0]) == 1
        return
    with pytest.raises(InvalidRequest, match=message):
        read_interactions(tmp_path / "log.csv", log_format=expected)


def test_a_required_column_is_missing(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\nu,i,5\n")
    expected = log_format(schema(tmp_path / "log.json", [*LOG, ("DEVICE", "string")]))
    with pytest.raises(InvalidRequest, match=r"log\.csv has no column DEVICE, which the schema has"):
        read_interactions(tmp_path / "log.csv", log_format=expected)


def test_types_of_item_columns_are_those_of_the_schema(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id,YEAR,KIND\n" + "\n".join(f"i{n},{n},k{n}" for n in range(9)))
    fields = [("ITEM_ID", "string"), ("YEAR", ["null", "int"]), ("KIND", "string")]
    expected = log_format(schema(tmp_path / "items.json", fields, "Items", categorical=True))
    columns = read_metadata(tmp_path / "items.csv", "ITEM_ID", names=expected.of_metadata("ITEM_ID")).columns
    assert {name: kind for name, (kind, _) in columns.items()} == {"YEAR": "number", "KIND": "categories"}


def test_a_wrong_number_is_found_in_a_file_with_a_column_of_row_numbers(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("ITEM_ID,row number,YEAR,PRICE\ni1,1,1999,5\ni2,2,2001,free\ni3,3,soon,7\n")
    fields = [("ITEM_ID", "string"), ("YEAR", "int"), ("PRICE", "float")]
    names = log_format(schema(tmp_path / "items.json", fields, "Items")).of_metadata("ITEM_ID")
    with pytest.raises(InvalidRequest, match=r"items\.csv, column YEAR, data row 3: 'soon' is not a number"):
        read_metadata(tmp_path / "items.csv", "ITEM_ID", names=names)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "cannot be read as JSON"),
        ("{}", 'has no "fields"'),
        ('{"fields": [{"name": "A", "type": "string"}]}', "has neither USER_ID nor ITEM_ID"),
        ('{"fields": [{"name": "USER_ID", "type": "bytes"}]}', "has no name, or another type than boolean, double"),
        ('{"fields": [{"name": "USER_ID", "type": {"type": "array"}}]}', "has no name, or another type than boolean"),
        ('{"fields": [{"name": "USER_ID"}]}', "has no name, or another type than boolean, double"),
        ('{"schema": "cut off"}', "cannot be read as JSON"),
    ],
)
def test_what_is_not_a_schema_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "schema.json").write_text(content)
    with pytest.raises(InvalidRequest, match=message):
        read_schemas([tmp_path / "schema.json"])


def test_a_schema_is_found_by_its_name_or_its_columns(tmp_path: Path) -> None:
    paths = [
        schema(tmp_path / "a.json", LOG, "MyLog"),
        schema(tmp_path / "b.json", [("ITEM_ID", "string")], "Catalogue"),
        schema(tmp_path / "c.json", [("USER_ID", "string")], "Users"),
    ]
    assert set(read_schemas(paths)) == {"interactions", "items", "users"}
    with pytest.raises(InvalidRequest, match=r"b\.json is a second schema of items"):
        read_schemas([paths[1], paths[1]])
    options = RecommenderOptions(tmp_path, "shop", schema=paths[0])
    assert set(options.log_format().schemas) == {"interactions"}
