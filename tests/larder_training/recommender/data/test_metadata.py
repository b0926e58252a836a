from pathlib import Path

import pytest

from larder.errors import InvalidRequest
from larder_training.recommender.data.columns.profiles import user_profiles
from larder_training.recommender.data.metadata import align, read_metadata


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def items(tmp_path: Path) -> Path:
    return table(
        tmp_path / "items.csv",
        "ITEM_ID,TITLE,BRAND,PRICE,CREATION_TIMESTAMP,EMPTY\n"
        "p3,Third thing,Acme,3.5,1600000000,\n"
        "p1,First thing,Acme,,1500000000,\n"
        "p2,Second thing,Bolt,NaN,,\n"
        "p4,Fourth thing,Bolt,4,1400000000,\n"
        "p1,again,Bolt,1,1,\n"
        ",without id,Bolt,1,1,\n",
    )


def test_types_are_inferred(items: Path) -> None:
    found = read_metadata(items, "ITEM_ID")
    assert found.ids == ["p1", "p2", "p3", "p4"]
    assert {name: kind for name, (kind, _) in found.columns.items()} == {
        "TITLE": "text",
        "BRAND": "category",
        "PRICE": "number",
        "CREATION_TIMESTAMP": "number",
        "EMPTY": "category",
    }
    assert found.columns["PRICE"][1] == [None, None, 3.5, 4.0]
    assert (found.rows, found.dropped, found.duplicates) == (6, 1, 1)


def test_columns_follow_the_given_ids(items: Path) -> None:
    aligned = align(read_metadata(items, "ITEM_ID"), ["p2", "unknown", "p1"])
    assert aligned["TITLE"] == ("text", ["Second thing", None, "First thing"])
    assert align(None, ["p2"]) == {}


def test_ages_are_binned(tmp_path: Path) -> None:
    path = table(
        tmp_path / "users.csv", "USER_ID,AGE,CITY\n" + "".join(f"u{n},{n * 10},{'AB'[n % 2]}\n" for n in range(1, 9))
    )
    found = user_profiles(read_metadata(path, "USER_ID"))
    assert found.specification["AGE"].edges == pytest.approx((18, 25, 35, 45, 55, 65))
    assert found.labels["AGE"].tolist() == [0, 1, 2, 3, 4, 5, 6, 6]
    assert found.labels["CITY"].tolist() == [1, 0] * 4
    assert found.profile(0) == {"AGE": 10.0, "CITY": "B"}


def test_other_numbers_have_quantile_bins(tmp_path: Path) -> None:
    path = table(tmp_path / "users.csv", "USER_ID,INCOME\n" + "".join(f"u{n:03},{n}\n" for n in range(100)))
    found = user_profiles(read_metadata(path, "USER_ID"))
    edges = found.specification["INCOME"].edges
    assert edges == pytest.approx((24, 49, 74))
    assert [int((found.labels["INCOME"] == code).sum()) for code in range(4)] == [24, 25, 25, 26]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NAME,TITLE\na,b\n", "items.csv has no column ITEM_ID"),
        ("ITEM_ID,TITLE\n,b\n", "items.csv has no row with a ITEM_ID"),
        (
            "ITEM_ID,CREATION_TIMESTAMP\na,yesterday\n",
            "column CREATION_TIMESTAMP, data row 1: 'yesterday' is not a time. Give epoch",
        ),
    ],
)
def test_errors_name_file_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_metadata(table(tmp_path / "items.csv", text), "ITEM_ID")


@pytest.mark.parametrize(
    "cell", ["2020-09-13T12:26:40Z", "2020-09-13 12:26:40", "1600000000000", "1600000000", "1,6E9"]
)
def test_the_creation_of_items_is_read_as_times_are(tmp_path: Path, cell: str) -> None:
    text = f"ITEM_ID;CREATION_TIMESTAMP\na;{cell}\nb;2020-01-31\nc;\nd;1577836800\n"
    if cell == "1,6E9":  # GIVEN one time that Excel has rounded among others
        found = read_metadata(table(tmp_path / "items.csv", text), "ITEM_ID")
        assert [(odd.row, odd.value) for odd in found.odd["CREATION_TIMESTAMP"]] == [(1, cell)]
        return
    found = read_metadata(table(tmp_path / "items.csv", text), "ITEM_ID")
    assert found.columns["CREATION_TIMESTAMP"] == ("number", [1_600_000_000.0, 1_580_428_800.0, None, 1_577_836_800.0])
    assert any("CREATION_TIMESTAMP is read as" in notice for notice in found.notices)


def test_dates_of_items_are_refused_where_the_day_is_unclear(tmp_path: Path) -> None:
    path = table(tmp_path / "items.csv", "ITEM_ID,CREATION_TIMESTAMP\na,03/04/2024\nb,soon\n")
    with pytest.raises(InvalidRequest, match="column CREATION_TIMESTAMP: '03/04/2024' has the day first"):
        read_metadata(path, "ITEM_ID")
    found = read_metadata(path, "ITEM_ID", time_format="%d/%m/%Y")
    assert found.columns["CREATION_TIMESTAMP"] == ("number", [1_712_102_400.0, None])


def test_decimal_commas_of_items_are_read_where_the_separator_is_none(tmp_path: Path) -> None:
    path = table(tmp_path / "items.csv", "ITEM_ID;PRICE;TITLE;MASS\na;2,55;One, two;1,234\nb;10;2,5;5,678\n")
    found = read_metadata(path, "ITEM_ID")
    assert found.columns["PRICE"] == ("number", [2.55, 10.0])
    assert found.columns["TITLE"][1] == ["One, two", "2,5"]
    assert found.columns["MASS"][1] == ["1,234", "5,678"]  # grams or kilograms: not guessed
    assert found.notices == ("items.csv: numbers like 2,55 in PRICE are read with a decimal comma.",)
