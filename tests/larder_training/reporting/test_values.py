"""Values of reports: three significant digits, units, and no Python."""

import numpy as np
import pytest

from larder_training.reporting import values
from larder_training.reporting.values import Estimate, Numeral


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (0, "0"),
        (0.1, "0.100"),
        (0.123456, "0.123"),
        (0.0123456, "0.0123"),
        (0.9996, "1.00"),
        (1, "1"),
        (12.3456, "12.3"),
        (-0.5, "-0.500"),
        (999.6, "1,000"),
        (1234567.8, "1,234,568"),
        (0.0000123, "1.23 × 10^-5"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_numbers_have_three_significant_digits(value: float, digits: str) -> None:
    assert values.number(value) == digits


@pytest.mark.parametrize(
    ("share", "digits"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.98712, "98.7 %"),
        (0.0987, "9.87 %"),
        (0.00012, "0.01 %"),
        (0.9996, "99.96 %"),
        (0.9999999, "99.99999 %"),
        (1e-9, "0.0000001 %"),
        (1.5, "150 %"),
    ],
)
def test_only_everything_is_100_percent(share: float, digits: str) -> None:
    assert values.percent(share).replace("\N{NO-BREAK SPACE}", " ") == digits


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (12345, "12,345"),
        (np.int64(12345), "12,345"),
        (0.1, "0.1"),
        (np.float32(0.25), "0.25"),
        (17.895182291666668, "17.9"),
        ("as it is", "as it is"),
        ({}, "none"),
        ((), "none"),
        ([1, "a", None], "1, a, –"),
        ({"item_exponent": 0.3, "on": False}, "item exponent: 0.3, on: no"),
    ],
)
def test_any_value_has_words(value: object, words: str) -> None:
    assert values.text(value) == words


def test_numbers_are_known_by_their_type() -> None:
    assert all(isinstance(values.text(value), Numeral) for value in (1, 0.5, np.int32(3)))
    assert not isinstance(values.text("1"), Numeral)


def test_an_estimate_has_its_interval() -> None:
    assert values.estimate({"mean": 0.305028, "interval": [0.284974, 0.325973]}) == Estimate(
        Numeral("0.305"), "0.285 to 0.326"
    )


def test_a_unit_of_an_interval_is_said_once() -> None:
    low, high = values.percent(0.975), values.percent(0.993)
    assert values.between(low, high).replace("\N{NO-BREAK SPACE}", " ") == "97.5 to 99.3 %"
    assert values.between(values.number(0.1), values.number(0.2)) == "0.100 to 0.200"


@pytest.mark.parametrize(
    ("length", "words"), [(12, "12 bytes"), (1_500, "1.50 kB"), (5_012_345, "5.01 MB"), (2_000_000_000, "2.00 GB")]
)
def test_sizes_have_units(length: int, words: str) -> None:
    assert values.size(length).replace("\N{NO-BREAK SPACE}", " ") == words


def test_nested_documents_are_listed_by_place() -> None:
    document = {"matrix": {"learner": "ease", "sizes": [1, 2]}, "event_weights": {}, "reranker": False}
    assert [(place, values.text(value)) for place, value in values.flat(document)] == [
        ("matrix: learner", "ease"),
        ("matrix: sizes", "1, 2"),
        ("event weights", "none"),
        ("reranker", "no"),
    ]
