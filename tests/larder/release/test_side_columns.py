"""The encoding of side information, and its refusal of invalid values."""

import math
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder.release.serving import CategoryColumn, NumberColumn, SideColumn, TextColumn
from larder.release.side_columns import MAX_TEXT, encode, hashed, plain, width

PLACE = CategoryColumn("PLACE", ("Berlin", "Zürich"))
PRICE = NumberColumn("PRICE", 10.0, 2.0)
TEXT = TextColumn("TEXT", 8)
COLUMNS: tuple[SideColumn, ...] = (PLACE, PRICE, TEXT)


def bucket(word: str, buckets: int = 8) -> int:
    """As docs/reference/formats.md defines it."""
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little") % buckets


def test_columns_are_encoded_in_order() -> None:
    row = encode(COLUMNS, {"TEXT": "cat", "PLACE": "Berlin", "PRICE": 13})
    words = [0.0] * 8
    words[bucket("cat")] = 1.0
    assert row == [1.0, 0.0, 0.0, 1.5, *words]
    assert len(row) == width(COLUMNS) == 12


@pytest.mark.parametrize("values", [{}, {"PLACE": None, "PRICE": None, "TEXT": None}, {"PLACE": "", "TEXT": " \n"}])
def test_a_missing_value_takes_the_default(values: dict[str, object]) -> None:
    assert encode(COLUMNS, values) == [0.0, 0.0, 1.0, 0.0, *[0.0] * 8]


def test_an_unlisted_value_is_encoded_like_a_missing_one() -> None:
    assert encode([PLACE], {"PLACE": "Paris"}) == encode([PLACE], {}) == [0, 0, 1]


def test_a_category_is_normalised_and_stripped_but_not_case_folded() -> None:
    composed = encode([PLACE], {"PLACE": "Zürich"})
    assert encode([PLACE], {"PLACE": " Zu\u0308rich\n"}) == composed == [0, 1, 0]
    assert encode([PLACE], {"PLACE": "zürich"}) == [0, 0, 1]
    assert plain(" a\u0301 ") == "á"


def test_a_number_is_clipped_far_from_the_mean() -> None:
    for value, expected in ((10, 0.0), (9.0, -0.5), (10**300, 5.0), (-1.7e308, -5.0), (-0.0, -5.0)):
        assert encode([PRICE], {"PRICE": value}) == [expected]
    assert encode([NumberColumn("N", -1.7e308, 1e-300)], {"N": 1.7e308}) == [5.0]


def test_words_are_case_folded_counted_and_normalised() -> None:
    row = hashed("Cat, CAT dog; ｄｏｇ_1!", 1 << 12)
    cat, dog, other = (row[bucket(word, 1 << 12)] for word in ("cat", "dog", "dog_1"))
    assert (cat, dog, other) == pytest.approx((2 / math.sqrt(6), 1 / math.sqrt(6), 1 / math.sqrt(6)))
    assert math.hypot(*row) == pytest.approx(1)
    assert hashed("... !", 4) == [0, 0, 0, 0]
    assert hashed("STRASSE", 64) == hashed("straße", 64)


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"PLACE": 3}, "side.PLACE is a whole number, not a text"),
    ({"PLACE": ["Berlin"]}, "side.PLACE is a list, not a text"),
    ({"PLACE": True}, "side.PLACE is True, not a text"),
    ({"PRICE": "3.5"}, "side.PRICE is '3.5', not a number"),
    ({"PRICE": True}, "side.PRICE is True, not a number"),
    ({"PRICE": {}}, "side.PRICE is an object, not a number"),
    ({"PRICE": math.nan}, "side.PRICE is not finite"),
    ({"PRICE": -math.inf}, "side.PRICE is not finite"),
    ({"PRICE": 10**400}, "side.PRICE is not finite"),
    ({"TEXT": 1.5}, "side.TEXT is 1.5, not a text"),
    ({"TEXT": "x" * (MAX_TEXT + 1)}, "side.TEXT has 10001 characters"),
    ({"PLACE": "x" * (MAX_TEXT + 1)}, "side.PLACE has 10001 characters"),
    ({"place": "Berlin"}, "side has 'place', which is not a column of this model: use PLACE, PRICE, TEXT."),
]


@pytest.mark.parametrize(("values", "message"), INVALID, ids=[message[:30] for _, message in INVALID])
def test_an_invalid_value_is_named_with_what_to_do(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(COLUMNS, values)
    assert message in str(caught.value)
    assert any(word in str(caught.value) for word in ("send", "use"))
    assert len(str(caught.value)) < 300


def test_the_longest_text_is_accepted() -> None:
    assert math.hypot(*encode([TEXT], {"TEXT": "ab " * (MAX_TEXT // 3)})) == pytest.approx(1)


def test_a_release_without_side_information_says_so() -> None:
    assert encode((), {}) == []
    with pytest.raises(InvalidRequest, match="This model takes no side information, but side has 'PLACE'"):
        encode((), {"PLACE": "Berlin"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@given(values=st.dictionaries(st.sampled_from(["PLACE", "PRICE", "TEXT"]), JSON))
def test_any_json_is_encoded_in_finite_numbers_or_refused(values: dict[str, object]) -> None:
    try:
        row = encode(COLUMNS, values)
    except InvalidRequest:
        return
    assert len(row) == 12
    assert all(math.isfinite(number) and abs(number) <= 5 for number in row)


@given(text=st.text(st.characters(categories=["Cs", "L", "N", "P"]), max_size=50))
def test_any_text_is_hashed_even_with_half_a_surrogate_pair(text: str) -> None:
    assert math.hypot(*hashed(text, 16)) == pytest.approx(1) or not any(hashed(text, 16))
