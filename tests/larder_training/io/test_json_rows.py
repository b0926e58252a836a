"""Objects are read however they follow each other; damaged ones are left out and counted with their line."""

import json
from io import StringIO

import pytest

from larder_training.io.csv_rows import LeftOut
from larder_training.io.json_rows import write_objects


def rewritten(text: str, block: int) -> tuple[list[object], LeftOut]:
    copy = StringIO()
    left_out = write_objects((text[start : start + block] for start in range(0, len(text), block)), copy)
    return [json.loads(line) for line in copy.getvalue().splitlines()], left_out


@pytest.mark.parametrize("block", [3, 50, 10_000])
@pytest.mark.parametrize(
    ("text", "numbers", "count", "example"),
    [
        ('{"a":1}{"a":2}\n{"a":3}', [1, 2, 3], 0, ""),
        ('[{"a":1,\n "b":{"c":[2]}},\n{"a":2}]\n', [1, 2], 0, ""),
        ('{"a":1}\n{"a":\n{"a":3}\n{"a":4}\n', [1, 3, 4], 1, 'line 2: not a JSON object: {"a":'),
        ('{"a":1}\n{"a":"x\n{"a":3}\n{"a":4', [1, 3], 2, "line 2:"),
        ('{"a":1}\n5\n"x"\nnull\n{"a":4}', [1, 4], 3, "line 2: not a JSON object: 5"),
        ('{"a":1}{"a":2 x}{"a":3}', [1, 3], 1, 'line 1: not a JSON object: {"a":2 x}'),
        ('{"a":' + "9" * 5000 + '}\n{"a":1}\n', [1], 1, "line 1:"),  # Python refuses to convert it
        ('{"a":' + "[" * 3000 + '\n{"a":1}\n', [1], 1, "line 1:"),
    ],
)
def test_objects_are_found(text: str, numbers: list[int], count: int, example: str, block: int) -> None:
    rows, left_out = rewritten(text, block)
    assert [row["a"] for row in rows if isinstance(row, dict)] == numbers
    assert (left_out.count, left_out.rows) == (count, len(numbers))
    assert left_out.example.startswith(example)


def test_nan_is_missing_and_infinity_is_kept_as_text() -> None:
    assert rewritten('{"a":NaN,"b":Infinity,"c":-Infinity}', 100)[0] == [{"a": None, "b": "inf", "c": "-inf"}]
