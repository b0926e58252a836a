"""A filter that can have no effect says so, and columns of any name can be filtered by."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder.filters import Value, column_reference, compile_filter, parse
from larder.release.serving import ColumnType
from larder.tables import MappedFile
from larder.tables.vocabulary import Vocabulary
from larder_training.release.tables import write_vocabulary


def warnings(items: Vocabulary, text: str, values: Mapping[str, Value] | None = None) -> tuple[str, ...]:
    return compile_filter(parse(text), items, values or {}).warnings


@pytest.mark.parametrize(
    ("condition", "values", "warning"),
    [
        ('Items.COLOR IN ("red", "blue")', {}, None),
        ('Items.COLOR IN ("red|blue")', {}, None),
        ('Items.TITLE IN ("a")', {}, None),
        ("Items.COLOR IN ($C)", {"C": ()}, None),
        ('Items.COLOR IN ("rad")', {}, "No item has the value 'rad' in Items.COLOR."),
        ('Items.COLOR NOT IN ("rad")', {}, "No item has the value 'rad' in Items.COLOR."),
        ('Items.COLOR IN ("RED")', {}, "No item has the value 'RED' in Items.COLOR; did you mean 'red'?"),
        ("Items.COLOR IN ($C)", {"C": " red "}, "No item has the value ' red ' in Items.COLOR; did you mean 'red'?"),
        (
            "Items.COLOR IN ($C)",
            {"C": tuple("uvwxy")},
            "No item has the value 'u', 'v', 'w' and 2 more in Items.COLOR.",
        ),
        ("Items.COLOR IN ($C)", {"C": "x,y"}, "No item has the value 'x,y' in Items.COLOR."),
    ],
)
@pytest.mark.parametrize("clause", ["INCLUDE", "EXCLUDE"])
def test_a_value_that_no_item_has_is_reported(
    items: Vocabulary, clause: str, condition: str, values: Mapping[str, Value], warning: str | None
) -> None:
    assert warnings(items, f"{clause} ItemID WHERE {condition}", values) == (() if warning is None else (warning,))


def test_a_text_of_several_known_values_is_read_as_these_and_said(items: Vocabulary) -> None:
    compiled = compile_filter(parse("EXCLUDE ItemID WHERE Items.COLOR IN ($C)"), items, {"C": "red, Blue"})

    assert [number for number in range(6) if compiled.holds(number)] == [2, 5]
    assert compiled.warnings == (
        "$C has no quotes and is read as 2 values, since no item has 'red, Blue' in Items.COLOR: send a list.",
    )


def test_an_exclude_clause_that_is_ignored_is_reported(items: Vocabulary) -> None:
    assert warnings(items, "EXCLUDE ItemID WHERE Items.COLOR IN ($C)") == (
        "An EXCLUDE clause is ignored: $C has no value.",
    )


ODD_NAMES = ("Product Type", "price ($)", "cat.sub", 'say "a"', "back\\slash", "ä-ö", "2nd", "a`b", "NOT", "x", "|,")


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path: Path = tmp_path_factory.mktemp("odd") / "items.safetensors"
    columns: dict[str, tuple[ColumnType, list[object]]] = {name: ("category", ["yes", "no"]) for name in ODD_NAMES}
    columns |= {"no text": ("category", [None, None]), "no number": ("number", [None, None])}
    write_vocabulary(path, ["a", "b"], columns)
    return Vocabulary.open(MappedFile(path))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_column_of_any_name_can_be_filtered_by(oddly_named: Vocabulary, name: str) -> None:
    compiled = compile_filter(parse(f'INCLUDE ItemID WHERE {column_reference(name)} IN ("no")'), oddly_named)

    assert [compiled.holds(number) for number in range(2)] == [False, True]
    assert compiled.warnings == ()


@given(st.text(min_size=1, max_size=30).filter(lambda name: name.strip()))
def test_the_reference_of_a_name_is_parsed_to_the_name(name: str) -> None:
    clause = parse(f"EXCLUDE ItemID WHERE {column_reference(name)} > 1").clauses[0]

    assert [condition.column for condition in clause.conditions()] == [name]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('INCLUDE ItemID WHERE Items.Product Type IN ("a")', r'in double quotes, like Items\."Product \.\.\."'),
        ("INCLUDE ItemID WHERE Items.cat.sub > 1", r'in double quotes, like Items\."cat \.\.\."'),
        ("INCLUDE ItemID WHERE Items.`cat > 1", "no closing backquote"),
    ],
)
def test_a_name_without_quotes_is_refused_with_the_way_to_write_it(text: str, hint: str) -> None:
    with pytest.raises(InvalidRequest, match=hint):
        parse(text)


@pytest.mark.parametrize(
    ("condition", "column"),
    [('Items."no text" IN ("a")', 'Items."no text"'), ('Items."no number" > 3', 'Items."no number"')],
)
def test_a_column_without_values_is_reported(oddly_named: Vocabulary, condition: str, column: str) -> None:
    assert warnings(oddly_named, f"EXCLUDE ItemID WHERE {condition}") == (
        f"No item has a value in {column}: a condition on it holds for all items or for none.",
    )
