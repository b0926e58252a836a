"""Parameters in JSON: each wrong one is named with its path, its value and what to send."""

import pytest

from larder.compat.parameters import Parameters
from larder.errors import InvalidRequest

VALUES: dict[str, object] = {
    "Name": "x",
    "Most": 3,
    "Share": 0.5,
    "List": ["a", "b"],
    "Nothing": None,
    "Inner": {"Deep": {"Name": 7}},
}


@pytest.fixture
def parameters() -> Parameters:
    return Parameters(VALUES, [*VALUES, "Absent"])


def test_each_reader_returns_its_type(parameters: Parameters) -> None:
    assert parameters.text("Name") == "x"
    assert parameters.integer("Most", 1, 3, 2) == 3
    assert parameters.number("Share", 0, 1) == 0.5
    assert parameters.number("Most", 0, 10) == 3.0
    assert parameters.texts("List", 2) == ["a", "b"]
    assert parameters.child("Inner", ["Deep"]).child("Deep", ["Name"]).integer("Name", 0, 9, 0) == 7


@pytest.mark.parametrize("name", ["Absent", "Nothing"])
def test_null_counts_as_absent(parameters: Parameters, name: str) -> None:
    assert name not in parameters
    assert parameters.text(name, "default") == "default"
    assert parameters.integer(name, 0, 9, 4) == 4
    assert parameters.number(name, 0, 9) is None
    assert parameters.texts(name) == []
    assert parameters.child(name, []).values == {}
    with pytest.raises(InvalidRequest, match=f"{name} is missing: send a string"):
        parameters.text(name)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "P is True: send a whole number from 1 to 5"),
        (6, "P is 6"),
        (0, "P is 0"),
        (2.5, "P is 2.5"),
        ("3", "P is '3'"),
        ([1], "P is list"),
        (10**100, r"P is 1000000\d+\.\.\.: send"),
    ],
)
def test_a_wrong_number_is_shown(value: object, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Parameters({"P": value}, ["P"]).integer("P", 1, 5, 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.1, "0.5", False])
def test_a_number_outside_its_bounds_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match="send a number from 0 to 1"):
        Parameters({"P": value}, ["P"]).number("P", 0, 1)


def test_lists_have_a_limit_and_hold_strings_only() -> None:
    with pytest.raises(InvalidRequest, match="P has 3 entries: send at most 2"):
        Parameters({"P": ["a", "b", "c"]}, ["P"]).texts("P", 2)
    for value in ("a", [1], {"a": 1}):
        with pytest.raises(InvalidRequest, match="send a list of strings"):
            Parameters({"P": value}, ["P"]).texts("P")


def test_an_unknown_parameter_is_named_with_its_path(parameters: Parameters) -> None:
    with pytest.raises(InvalidRequest, match=r"'Inner\.Deep' is not a field here: use Inner\.Name"):
        parameters.child("Inner", ["Name"])
    with pytest.raises(InvalidRequest, match=r"Inner\.Deep\.Name is 7: send a string"):
        parameters.child("Inner", ["Deep"]).child("Deep", ["Name"]).text("Name")
    with pytest.raises(InvalidRequest, match="Most is 3: send an object"):
        parameters.child("Most", [])
