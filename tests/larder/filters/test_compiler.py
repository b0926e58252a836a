from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder.filters import Value, compile_filter, compiler, parse
from larder.filters.values import MAX_VALUES
from larder.tables.vocabulary import Vocabulary


def passing(items: Vocabulary, text: str, values: Mapping[str, Value] | None = None) -> list[int]:
    holds = compile_filter(parse(text), items, values or {}).holds
    return [number for number in range(len(items)) if holds(number)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('Items.COLOR IN ("red")', [0, 1, 4]),
        ('Items.COLOR IN ("blue", "schwarz-weiß")', [1, 5]),
        ('Items.COLOR IN ("red|blue")', [1]),  # the whole value
        ('Items.COLOR IN ("blue|red")', []),
        ('Items.TITLE IN ("a", "e")', [0, 4]),
        ('Items."COLOR" IN ("red")', [0, 1, 4]),
        ('Items.`COLOR` IN ("red")', [0, 1, 4]),
        ('Items.COLOR NOT IN ("red")', [2, 3, 5]),
        ("Items.PRICE = 12.5", [1]),
        ("Items.PRICE < 5", [3, 4]),
        ("Items.PRICE <= 5", [0, 3, 4]),
        ("Items.PRICE > -3", [0, 1, 3, 5]),
        ("Items.PRICE >= -3", [0, 1, 3, 4, 5]),
        ('Items.COLOR IN ("red") AND Items.PRICE > 5', [1]),
        ('Items.COLOR IN ("red") OR Items.PRICE = 0', [0, 1, 3, 4]),
        ('Items.SIZE IN ("M") OR Items.COLOR IN ("red") AND Items.PRICE < 0', [1, 2, 4, 5]),
    ],
)
def test_include_keeps_and_exclude_removes_the_items_that_match(
    items: Vocabulary, condition: str, expected: list[int]
) -> None:
    assert passing(items, f"INCLUDE ItemID WHERE {condition}") == expected
    assert passing(items, f"EXCLUDE ItemID WHERE {condition}") == [n for n in range(6) if n not in expected]


def test_a_filter_is_the_union_of_includes_minus_the_union_of_excludes_in_any_order(items: Vocabulary) -> None:
    clauses = [
        'INCLUDE ItemID WHERE Items.COLOR IN ("red")',
        'EXCLUDE ItemID WHERE Items.SIZE IN ("L")',
        "INCLUDE ItemID WHERE Items.PRICE >= 1000000",
        "EXCLUDE ItemID WHERE Items.PRICE = 12.5",
    ]

    assert passing(items, " | ".join(clauses)) == passing(items, " | ".join(reversed(clauses))) == [0, 5]


def test_parameters_are_texts_lists_or_numbers(items: Vocabulary) -> None:
    text = 'INCLUDE ItemID WHERE Items.COLOR IN ("green", $C) AND Items.PRICE <= $MAX'

    assert passing(items, text, {"C": "blue", "MAX": 12.5}) == [1, 4]
    assert passing(items, text, {"C": ("red", "blue"), "MAX": "5"}) == [0, 4]
    assert passing(items, text, {"C": (), "MAX": 5}) == [4]


def test_an_exclude_clause_without_its_values_is_ignored(items: Vocabulary) -> None:
    text = "EXCLUDE ItemID WHERE Items.PRICE < $LOW | EXCLUDE ItemID WHERE Items.PRICE > $HIGH"

    assert passing(items, text) == [0, 1, 2, 3, 4, 5]
    assert passing(items, text, {"HIGH": 10}) == [0, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "values", "hint"),
    [
        ("INCLUDE ItemID WHERE Items.PRICE < $P", {}, "at character 22.*\\$P has no value.*filter_values"),
        ("INCLUDE ItemID WHERE Items.PRICE < 5", {"P": 5}, "no parameter \\$P"),
        ("INCLUDE ItemID WHERE Items.PRICE < $P", {"P": "cheap"}, "not a finite number"),
        ("INCLUDE ItemID WHERE Items.PRICE < $P", {"P": "nan"}, "not a finite number"),
        ("INCLUDE ItemID WHERE Items.PRICE < $P", {"P": ("1", "2")}, "not a finite number"),
        ("INCLUDE ItemID WHERE Items.PRICE < $P", {"P": 10**400}, "not a finite number"),
        ("INCLUDE ItemID WHERE Items.COLOR IN ($P)", {"P": 5}, "is not a text"),
        (
            "INCLUDE ItemID WHERE Items.COLR IN ($P)",
            {"P": "x"},
            r"no column COLR; they have Items.COLOR \(category\), Items.PRICE",
        ),
        ("EXCLUDE ItemID WHERE Items.COLR IN ($P)", {}, "no column COLR"),  # even if the clause is ignored
        ("INCLUDE ItemID WHERE Items.TITLE > 5", {}, "TITLE is a text; match it with IN .* --types NAME=number"),
        ('INCLUDE ItemID WHERE Items.PRICE IN ("5")', {}, "PRICE is a number; compare it with ="),
        ("INCLUDE ItemID WHERE Items.COLOR = 5", {}, "COLOR is a category; match it with IN"),
        ("INCLUDE ItemID WHERE Items.COLOR IN ($P)", {"P": [str(k) for k in range(MAX_VALUES + 1)]}, "at most 1000"),
    ],
)
def test_an_unknown_column_or_invalid_value_is_refused(
    items: Vocabulary, text: str, values: Mapping[str, Value], hint: str
) -> None:
    with pytest.raises(InvalidRequest, match=hint):
        passing(items, text, values)


COLORS = st.sampled_from(["red", "blue", "Blue", "green", "", "x"])
MEMBERSHIP = st.tuples(st.sampled_from(["COLOR", "SIZE"]), st.booleans(), st.lists(COLORS, min_size=1, max_size=3))
COMPARISON = st.tuples(
    st.just("PRICE"), st.sampled_from(["=", "<", "<=", ">", ">="]), st.sampled_from([-3, 0, 5, 12.5])
)
CLAUSE = st.tuples(
    st.booleans(), st.lists(st.lists(MEMBERSHIP | COMPARISON, min_size=1, max_size=3), min_size=1, max_size=3)
)


def _text(condition: tuple[str, object, object]) -> str:
    column, how, what = condition
    if isinstance(what, list):
        values = ", ".join(f'"{value}"' for value in what)
        return f"Items.{column} {'NOT IN' if how else 'IN'} ({values})"
    return f"Items.{column} {how} {what}"


def _holds(items: Vocabulary, condition: tuple[str, object, object], number: int) -> bool:
    column, how, what = condition
    value = items.value(column, number)
    if isinstance(what, list):
        listed = isinstance(value, str) and any(part in what for part in value.split("|"))
        return listed != how
    python = "==" if how == "=" else how
    return value is not None and bool(eval(f"{value} {python} {what}"))  # noqa: S307  # of the numbers drawn above


@given(st.lists(CLAUSE, min_size=1, max_size=4))
def test_any_filter_matches_a_naive_evaluation(
    items: Vocabulary, clauses: list[tuple[bool, list[list[tuple[str, object, object]]]]]
) -> None:
    text = " | ".join(
        f"{'INCLUDE' if include else 'EXCLUDE'} ItemID WHERE "
        + " OR ".join(" AND ".join(map(_text, group)) for group in groups)
        for include, groups in clauses
    )
    everything = set(range(len(items)))
    held = [
        (include, {n for n in everything if any(all(_holds(items, c, n) for c in group) for group in groups)})
        for include, groups in clauses
    ]
    included = [numbers for include, numbers in held if include]
    wanted = set().union(*included) if included else everything

    assert set(passing(items, text)) == wanted.difference(*(numbers for include, numbers in held if not include))


def test_results_are_cached_within_a_limit(items: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_CACHED", 2)

    assert passing(items, 'INCLUDE ItemID WHERE Items.COLOR IN ("red", "Blue")') == [0, 1, 3, 4]
    assert passing(items, 'INCLUDE ItemID WHERE Items.COLOR NOT IN ("red", "Blue")') == [2, 5]
