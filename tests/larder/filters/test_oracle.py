"""Random filters, catalogues and requests: the compiled filter and the oracle pass the same items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.larder.filters.oracle import RefusedError, World, passing

from larder.errors import InvalidRequest
from larder.filters import Context, compile_filter, parse
from larder.release.serving import ColumnType

ITEM_COLUMNS: Mapping[str, ColumnType] = {"KIND": "category", "BRAND": "category", "PRICE": "number", "NEW": "number"}
USER_COLUMNS: Mapping[str, ColumnType] = {"CITY": "category", "AGE": "number"}
TYPES = ("Click", "buy", "view")
WORDS = ("a", "b", "A", "", "a|b", "ü", 'q"')
TEXTS = st.sampled_from(WORDS)
NUMBERS = st.sampled_from([-1.0, 0.0, 1.0, 2.5])
PARAMETERS = st.sampled_from(["P", "Q"])
COMPARISONS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
LISTS = st.sampled_from(["IN", "NOT IN"])
EVENTS = st.sampled_from(["click", "BUY", "view", "*", "other"])


@dataclass
class Catalogue:
    """The items of a world, as a release has them."""

    world: World
    columns: Mapping[str, ColumnType]

    def value(self, column: str, number: int) -> Any:  # noqa: ANN401  # of any column
        """The value of an item."""
        return self.world.items[number].get(column)

    def has(self, column: str, text: str) -> bool:
        """Whether an item has the text."""
        cells = [item[column] for item in self.world.items if item.get(column) is not None]
        return any(text == cell or text in cell.split("|") for cell in cells)

    def is_empty(self, column: str) -> bool:
        """Whether no item has a value."""
        return all(item.get(column) is None for item in self.world.items)


def operands(texts: bool, own: str) -> st.SearchStrategy[Any]:
    """What stands on the right; a parameter of a text column has another name than one of a number column."""
    plain: st.SearchStrategy[Any] = TEXTS if texts else NUMBERS
    parameter = PARAMETERS.map(lambda name: ("$", f"T{name}" if texts else name))
    columns = [name for name, kind in ITEM_COLUMNS.items() if (kind == "number") is not texts]
    in_view = st.sampled_from(columns).map(lambda name: ("item", name))
    return plain | plain | parameter | in_view if own == "Items" else plain | parameter


def conditions(dataset: str) -> st.SearchStrategy[tuple[str, str, str, Any]]:
    """One condition on the columns of a dataset."""
    if dataset == "Interactions":
        listed = st.lists(EVENTS | PARAMETERS.map(lambda name: ("$", f"T{name}")), min_size=1, max_size=3)
        return st.tuples(st.just(dataset), st.just("EVENT_TYPE"), LISTS, listed)
    columns = ITEM_COLUMNS if dataset == "Items" else USER_COLUMNS
    of_texts = st.sampled_from([name for name, kind in columns.items() if kind != "number"])
    of_numbers = st.sampled_from([name for name, kind in columns.items() if kind == "number"])
    listed = st.lists(operands(True, dataset), min_size=1, max_size=2)
    found = st.tuples(st.just(dataset), of_texts, LISTS, listed)
    found |= st.tuples(st.just(dataset), of_numbers, COMPARISONS, operands(False, dataset))
    if dataset == "CurrentUser":
        found |= st.tuples(st.just(dataset), of_texts, st.sampled_from(["=", "!="]), operands(True, dataset))
    return found


def clauses(dataset: str) -> st.SearchStrategy[Any]:
    groups = st.lists(st.lists(conditions(dataset), min_size=1, max_size=2), min_size=1, max_size=3)
    return st.tuples(st.booleans(), groups, st.lists(conditions("CurrentUser"), max_size=2))


def rows(columns: Mapping[str, ColumnType]) -> st.SearchStrategy[dict[str, Any]]:
    of_numbers, of_texts = st.sampled_from([None, -1.0, 0.0, 1.0, 2.5]), st.sampled_from([None, *WORDS])
    return st.fixed_dictionaries({name: of_numbers if kind == "number" else of_texts for name, kind in columns.items()})


# Built once: hypothesis takes longer to build strategies than to draw from them.
ITEMS = st.lists(rows(ITEM_COLUMNS), min_size=1, max_size=4)
HISTORIES = st.none() | st.lists(st.tuples(st.integers(0, 3), st.sampled_from(TYPES)), max_size=5)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "P": NUMBERS,
        "Q": NUMBERS.map(str),
        "TP": TEXTS,
        "TQ": st.lists(TEXTS | EVENTS, max_size=2).map(tuple),
    },
)
CLAUSES = st.lists(clauses("Items") | clauses("Interactions"), min_size=1, max_size=3)
WORLDS = st.builds(
    World,
    items=ITEMS,
    user=rows(USER_COLUMNS),
    history=HISTORIES,
    has_item=st.sampled_from([True, True, True, False]),
    item=st.sampled_from([None, 0, 1, 2, 3]),
    values=VALUES,
    clauses=CLAUSES,
)


def text_of(world: World) -> str:
    return " | ".join(clause_text(*clause) for clause in world.clauses)


def clause_text(include: bool, alternatives: list[list[Any]], users: list[Any]) -> str:
    where = " OR ".join(" AND ".join(map(condition_text, group)) for group in alternatives)
    ends = " AND ".join(map(condition_text, users))
    return f"{'INCLUDE' if include else 'EXCLUDE'} ItemID WHERE {where}{f' IF {ends}' if ends else ''}"


def condition_text(condition: tuple[str, str, str, Any]) -> str:
    dataset, column, operator, right = condition
    if isinstance(right, list):
        return f"{dataset}.{column} {operator} ({', '.join(map(operand_text, right))})"
    return f"{dataset}.{column} {operator} {operand_text(right)}"


def operand_text(operand: Any) -> str:  # noqa: ANN401  # a value of any column
    if isinstance(operand, tuple):
        kind, name = operand
        return f"${name}" if kind == "$" else f"CurrentItem.{name}"
    return '"' + operand.replace('"', '\\"') + '"' if isinstance(operand, str) else f"{operand:g}"


def context_of(world: World) -> Context:
    done = world.history
    by_type = {kind: {item for item, other in done or [] if other == kind} for kind in TYPES}
    return Context(
        event_types=TYPES,
        history=None if done is None else lambda: by_type,
        user_columns=USER_COLUMNS,
        user_value=world.user.get,
        stores_profiles=True,
        has_item=world.has_item,
        item=world.item if world.has_item else None,
    )


def check(world: World) -> None:
    """The filter and the oracle agree on the items that pass, or on refusing the request."""
    count = len(world.items)
    world.item = None if world.item is None else world.item % count
    world.history = world.history and [(item % count, kind) for item, kind in world.history]
    rule = parse(text_of(world))
    used = {name: value for name, value in world.values.items() if name in rule.parameters()}
    try:
        holds = compile_filter(rule, Catalogue(world, ITEM_COLUMNS), used, context_of(world)).holds
        found: object = {number for number in range(count) if holds(number)}
    except InvalidRequest as error:
        found = "refused" if "at character" in str(error) else str(error)
    try:
        expected: object = passing(world)
    except RefusedError:
        expected = "refused"
    assert found == expected, text_of(world)


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(WORLDS)
def test_a_compiled_filter_passes_the_items_of_the_oracle(world: World) -> None:
    check(world)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@settings(max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])
@given(WORLDS)
def test_twenty_thousand_compiled_filters_pass_the_items_of_the_oracle(world: World) -> None:
    check(world)
