"""Types of metadata columns: inferred, stated, printed; and catalogues of any shape are read or refused in one line."""

import json
import random
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from larder.errors import InvalidRequest
from larder_training.recommender.config.options import RecommenderOptions, parse_types
from larder_training.recommender.data.columns.description import (
    COLUMN_HEAD,
    column_document,
    column_rows,
    table_notices,
)
from larder_training.recommender.data.columns.kinds import typed
from larder_training.recommender.data.columns.profiles import user_profiles
from larder_training.recommender.data.metadata import MetadataTable, check_stated, read_metadata

NUMBERS = [str(n * 10) for n in range(1, 41)]
ODD = ["n/a", "1,299.00", "€5", "unknown"]


def kind(texts: list[str | None], name: str = "C") -> str:
    return typed(name, pl.Series(texts, dtype=pl.String), None)[0].kind


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([*NUMBERS, *ODD], "number"),
        ([*NUMBERS[:6], *["-", "N/A", "None"] * 9], "number"),
        ([*NUMBERS[:17], "XL", "L"], "text"),  # 11 % are not numbers
        ([*NUMBERS[:18], "XL", "L"], "number"),  # 10 %
        (["1", "2", "3", "4", "tba?"], "number"),
        (["1", "2", "3", "tba?"], "text"),
        (["inf", "1", "2", "3", "4", "nan"], "number"),
        (["01067", "10115", "01127", "10117"], "category"),
        (["12345678901234567"] * 4, "category"),
        (["0", "0.5", "-0.25"], "number"),
        (["€5", "€6", "€5", "€6"], "category"),
        (["unknown"] * 99 + ["5"], "category"),
        (["Comedy", "Drama", "Comedy|Drama"], "categories"),
        (["a|b", "c|d", "e|f"], "text"),
        ([f"Thing {n} | Acme" for n in range(9)], "text"),
        ([f"brand {n // 2}" for n in range(5000)], "category"),
        ([f"title {n}" for n in range(9)], "text"),
        ([None, None], "category"),
    ],
)
def test_types_are_inferred(texts: list[str | None], expected: str) -> None:
    assert kind(texts) == expected


@pytest.mark.parametrize(("name", "expected"), [("brandId", "category"), ("Zip Code", "category"), ("PAID", "number")])
def test_the_name_says_that_numbers_are_codes(name: str, expected: str) -> None:
    assert kind(["1", "2", "3"], name) == expected
    assert kind(["1.5", "2", "3"], name) == "number"


def read(path: Path, text: str, types: Mapping[str, str] | None = None, key: str = "ITEM_ID") -> MetadataTable:
    path.write_text(text, encoding="utf-8")
    return read_metadata(path, key, types=types or {})  # type: ignore[arg-type]  # plain texts, as people write them


def test_odd_cells_are_missing_and_named_with_their_row(tmp_path: Path) -> None:
    rows = "".join(f"i{n:02},{cell}\n" for n, cell in enumerate([*NUMBERS, "n/a", '"1,299.00"', "€5", "unknown"]))
    table = read(tmp_path / "items.csv", f"ITEM_ID,PRICE\n{rows}")

    assert table.columns["PRICE"][1][38:42] == [390.0, 400.0, None, None]
    assert (
        "items.csv, column PRICE: 4 of 44 cells are not numbers and count as missing (items.csv row 41: 'n/a', "
        "items.csv row 42: '1,299.00', items.csv row 43: '€5', ...)."
    ) in table_notices(table, None)


def test_a_column_that_looks_like_numbers_says_what_to_write(tmp_path: Path) -> None:
    table = read(tmp_path / "items.csv", "ITEM_ID,PRICE\n" + "".join(f"i{n},€{n % 3}\n" for n in range(9)))

    assert "items.csv, column PRICE: to compare it, write plain numbers such as 1299.5, not '€0'." in table_notices(
        table, None
    )


def test_types_can_be_stated(tmp_path: Path) -> None:
    types = parse_types("--types", ['YEAR=category, TAGS = categories,"a, b"=text', "SIZE=number"])
    text = 'ITEM_ID,YEAR,TAGS,"a, b",SIZE\ni1,1999,x | y,1,4\ni2,2001,z,2,XL\n'
    table = read(tmp_path / "items.csv", text, types)

    assert {name: kind for name, (kind, _) in table.columns.items()} == {
        "YEAR": "category",
        "TAGS": "categories",
        "a, b": "text",
        "SIZE": "number",
    }
    assert table.columns["TAGS"][1] == ["x|y", "z"]
    assert table.columns["SIZE"][1] == [4.0, None]
    assert next(row[:3] for row in column_rows(column_document(table), filters=True)) == ("YEAR", "category, stated", 2)
    assert len(COLUMN_HEAD) == len(column_rows(column_document(table), filters=True)[0])


@pytest.mark.parametrize("text", ["YEAR", "YEAR=year", "=number", "YEAR=number=", "A=number,B"])
def test_a_wrong_statement_of_types_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"--types: .* is not COLUMN=TYPE with one of number, category"):
        parse_types("--types", [text])


def test_a_stated_type_must_fit(tmp_path: Path) -> None:
    table = read(tmp_path / "items.csv", "ITEM_ID,YEAR\ni1,1999\n")
    with pytest.raises(InvalidRequest, match=r"types: neither items nor users have a column 'YEER' \(they have YEAR\)"):
        check_stated({"YEER": "number"}, (table, None))
    with pytest.raises(
        InvalidRequest, match=r"items.csv, column KIND, data row 1: 'tea' is not a number. State another"
    ):
        read(tmp_path / "items.csv", "ITEM_ID,KIND\ni1,tea\n", {"KIND": "number"})
    with pytest.raises(InvalidRequest, match="types: KIND='date' is not a type: give number"):
        RecommenderOptions(interactions="x", model="m", types={"KIND": "date"})  # type: ignore[dict-item]  # wrong type


def test_a_nested_catalogue_is_read_without_its_objects(tmp_path: Path) -> None:
    """The shapes of Amazon Reviews 2023."""
    lines = [
        {"ITEM_ID": f"B{n}", "title": f"Thing {n}", "features": ["Soft", "Light"][: n % 3], "description": []}
        | {"images": [{"thumb": "t"}], "details": {"Size": "5"}, "price": None if n % 4 else 9.5, "sizes": [1, 2]}
        | {"categories": ["Beauty", "Hair"], "bought_together": None}
        for n in range(12)
    ]
    table = read(tmp_path / "items.jsonl", "".join(json.dumps(line) + "\n" for line in lines))

    assert table.left_out == {"images": "lists of objects", "details": "objects"}
    assert any(
        "columns left out: images (lists of objects), details (objects)" in n for n in table_notices(table, None)
    )
    columns = table.columns
    assert columns["categories"] == ("categories", ["Beauty|Hair"] * 12)
    assert columns["features"][1][:3] == [None, "Soft", "Soft"]
    assert columns["sizes"][1][0] == "1|2"
    assert set(columns["description"][1]) == set(columns["bought_together"][1]) == {None}
    assert columns["price"][0] == "number"


def test_names_that_people_mix_up_are_reported(tmp_path: Path) -> None:
    table = read(tmp_path / "items.csv", "ITEM_ID,Genre,GENRE,price ($),A,A,\ni1,x,y,1,b,c,d\n")

    assert list(table.columns) == ["Genre", "GENRE", "price ($)", "A"]
    notices = "\n".join(table_notices(table, None))
    assert "the columns GENRE and Genre differ only in case" in notices
    assert 'filters name columns with blanks or signs in quotes: Items."price ($)"' in notices
    assert "A_duplicated_0 (a further column named 'A')" in notices


def test_a_profile_with_several_values_has_a_label_of_each(tmp_path: Path) -> None:
    table = read(tmp_path / "users.csv", "USER_ID,LIKES\nu1,tea|jazz\nu2,jazz\nu3,tea\nu4,\n", key="USER_ID")
    profiles = user_profiles(table)
    pairs = profiles.pairs("LIKES")

    assert profiles.specification["LIKES"].type == "category"
    assert (pairs.rows.tolist(), [pairs.texts[code] for code in pairs.codes]) == (
        [0, 0, 1, 2],
        ["tea", "jazz", "jazz", "tea"],
    )
    assert profiles.labels["LIKES"].tolist() == [1, 0, 1, -1]


CELLS = [
    "",
    " ",
    "n/a",
    "€5",
    "1,299.00",
    "0",
    "-0",
    "007",
    "1e400",
    "NaN",
    "inf",
    "|",
    "a|",
    "|a",
    "a||b",
    "☃|é",
    "1|2",
]
CELLS += ["12", "3.5", "true", "x" * 300, "2024-01-01", '"', "'", "\\", "{}", "[1]", "\u200b", "=1+1", "1_000", "٣"]
NAMES = [
    "A",
    "a",
    "",
    "price ($)",
    "cat.sub",
    'q"q',
    "a,b",
    "`",
    "A_duplicated_0",
    "CREATION_TIMESTAMP",
    "ü",
    "x" * 200,
]


def test_any_catalogue_is_read_or_refused(tmp_path: Path) -> None:
    """300 catalogues of odd names and cells, in CSV and JSON lines."""
    random_numbers = random.Random(1)
    readable = 0
    for number in range(300):
        names = random_numbers.sample(NAMES, random_numbers.randint(1, 5))
        rows = [[random_numbers.choice(CELLS) for _ in names] for _ in range(random_numbers.randint(1, 12))]
        path = tmp_path / f"items{number}.{'csv' if number % 2 else 'jsonl'}"
        if number % 2:
            pl.DataFrame(
                [[f"i{row}" for row in range(len(rows))], *map(list, zip(*rows, strict=True))], ["ITEM_ID", *names]
            ).write_csv(path)
        else:
            odd: list[object] = [{}, [], [1, "a"], {"b": 1}, [{"b": 1}], None, True, 2**70, [[]]]
            shape = [random_numbers.choice(odd) for _ in names]  # one of each column, which polars can infer
            cells = [
                [random_numbers.choice([cell, other]) for cell, other in zip(row, shape, strict=True)] for row in rows
            ]
            lines = [{"ITEM_ID": f"i{n}", **dict(zip(names, row, strict=True))} for n, row in enumerate(cells)]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        try:
            table = read_metadata(path, "ITEM_ID")
        except InvalidRequest as error:
            assert path.name in str(error)  # noqa: PT017  # most of the catalogues are readable
            continue
        readable += 1
        assert len(table.ids) == len(rows)
        assert all(len(values) == len(rows) for _, values in table.columns.values())
        assert table_notices(table, None)
        assert len(column_rows(column_document(table), filters=True)) >= len(table.columns)
    assert readable > 200


def test_only_columns_of_items_have_a_name_in_filters(tmp_path: Path) -> None:
    table = read(tmp_path / "items.csv", "ITEM_ID,AGE,AGE\ni1,30,5\ni2,40,6\n", {})
    rows = {filters: column_rows(column_document(table), filters=filters) for filters in (True, False)}
    assert [row[4] for row in rows[True]] == ["Items.AGE", ""]
    assert [row[4] for row in rows[False]] == ["", ""]
    assert rows[False][1][:4] == ("AGE_duplicated_0", "left out", 0, 2)
