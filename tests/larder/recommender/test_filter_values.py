"""Values of filters, in the forms in which clients send them."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder.recommender import RECOMMEND, Query, Recommender, Unknown, read_parameters, read_query

FILTER = "EXCLUDE ItemID WHERE Items.KIND IN ($K)"


def from_json(value: object) -> object:
    document = json.loads(json.dumps({"filter": FILTER, "filter_values": {"K": value}}))
    return read_query(document, RECOMMEND).filter_values["K"]


def from_query_string(text: str) -> object:
    return read_query(read_parameters({"filter": FILTER, "filter_values.K": text}), RECOMMEND).filter_values["K"]


@pytest.mark.parametrize(
    ("sent", "in_json", "in_query_string"),
    [
        ('"war","drama"', ("war", "drama"), ("war", "drama")),
        ('"war", "drama"', ("war", "drama"), ("war", "drama")),
        ('"war"', ("war",), ("war",)),
        ("war", "war", "war"),
        ("war,drama", "war,drama", ("war", "drama")),
        ('"5"', ("5",), ("5",)),
        ('"a, b"', ("a, b",), ("a, b",)),
        ('"6"" pipe","x"', ('6" pipe', "x"), ('6" pipe', "x")),
        (r'"6\" pipe"', ('6" pipe',), ('6" pipe',)),
        (r'"C:\x"', (r"C:\x",), (r"C:\x",)),
        ('""', ("",), ("",)),
    ],
)
def test_quotes_around_values_are_removed(sent: str, in_json: object, in_query_string: object) -> None:
    assert from_json(sent) == in_json
    assert from_query_string(sent) == in_query_string


def test_a_text_of_many_entries_with_a_wrong_end_is_one_value() -> None:
    """Reading its entries in all ways would take longer than the universe exists."""
    text = '"a",' + "  b," * 200 + '"x"y'
    assert from_json(text) == text


def test_the_values_of_a_list_are_taken_as_they_are() -> None:
    assert from_json(['"war"', "a,b"]) == ('"war"', "a,b")


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_values_in_quotes_come_back(values: list[str]) -> None:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow(value.replace("\\", "\\\\") for value in values)

    assert from_json(line.getvalue()) == tuple(values)


@given(st.text(alphabet='ab",\\ |', max_size=12))
def test_any_text_is_a_value_or_refused(shop: Recommender, text: str) -> None:
    for read in (from_json, from_query_string):
        try:
            value = read(text)
        except InvalidRequest:
            continue
        shop.recommend(Query(filter=FILTER, filter_values={"K": value}))  # type: ignore[dict-item]  # as a request has it


def test_a_number_in_quotes_is_compared(shop: Recommender) -> None:
    values = read_query({"filter_values": {"P": '"1"'}, "filter": "EXCLUDE ItemID WHERE Items.PRICE > $P"}, RECOMMEND)

    assert shop.recommend(values).warnings == ()


def test_an_answer_says_which_ids_are_unknown(shop: Recommender) -> None:
    known = shop.recommend(Query(user="ada", session=["apple"], item="egg"))
    assert (known.unknown, known.document()["known"]) == (Unknown(), True)
    assert shop.recommend(Query()).document()["known"] is True

    unknown = shop.recommend(Query(user="no such user", session=["x", "apple", "x"], item="y")).document()
    assert unknown["known"] is False
    assert unknown["unknown"] == {"user": "no such user", "item": "y", "session": ["x"]}
    ranked = shop.rank(Query(user="new"), ["apple"]).document()
    assert (ranked["known"], ranked["unknown"]) == (False, {"user": "new"})
    assert "known" not in shop.similar(Query(item="apple")).document()


def test_an_answer_has_the_warnings_of_its_filters_and_promotions(shop: Recommender) -> None:
    rule = "EXCLUDE ItemID WHERE Items.KIND IN ($K)"
    wrong = "No item has the value 'Fruit' in Items.KIND; did you mean 'fruit'?"

    assert shop.recommend(Query(filter=rule, filter_values={"K": "Fruit"})).document()["warnings"] == (wrong,)
    assert shop.similar(Query(item="apple", filter=rule, filter_values={"K": "Fruit"})).warnings == (wrong,)
    assert "warnings" not in shop.recommend(Query(filter=rule, filter_values={"K": "fruit"})).document()
    promotion = {"name": "p", "percent": 10, "items": ["apple", "no such"]}
    query = read_query({"promotions": [promotion]}, RECOMMEND)
    assert shop.recommend(query).warnings == ("Promoted items that the model does not know: 1, such as 'no such'.",)
