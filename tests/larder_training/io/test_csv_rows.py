"""Rows of other widths than the header's are left out and counted, never shifted, and quotes do not swallow rows."""

import random
from io import StringIO

import pytest

from larder_training.io.csv_rows import LeftOut, well_formed, write_rows


def rewritten(text: str, separator: str = ",", block: int = 7) -> tuple[str, LeftOut]:
    copy = StringIO()
    blocks = (text[start : start + block] for start in range(0, len(text), block))
    left_out = write_rows(blocks, separator, copy)
    return copy.getvalue(), left_out


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n",
        'a,b\n1,"2,x"\n"3","y ""z"""\n',
        "a\n1\n",
    ],
)
@pytest.mark.parametrize("block", [1, 5, 100])
def test_a_regular_file_is_recognized(text: str, block: int) -> None:
    assert well_formed((text[start : start + block] for start in range(0, len(text), block)), ",")


@pytest.mark.parametrize(
    ("text", "rows", "count", "example"),
    [
        ("a,b\n1\n3,4\n", "a,b\n3,4\n", 1, "line 2: 1 cell, and the header has 2"),
        ("a,b\n1,2,3\n3,4\n", "a,b\n3,4\n", 1, "line 2: 3 cells, and the header has 2"),
        ("a,b\n1,2,,\n3,4\n", "a,b\n1,2\n3,4\n", 0, ""),  # Excel's empty cells after the last column
        ("a,b\n\n1,2\r\n,\n   \n3,4\n\n", "a,b\n1,2\n3,4\n", 0, ""),
        ("a,b\r\n1,2\r\n,\r\n,\r\n", "a,b\n1,2\n", 0, ""),  # Excel's empty rows at the end
        ('a,b\n1,"2\nx"\n3,4\n', 'a,b\n1,"2\nx"\n3,4\n', 0, ""),  # a line break inside a cell
        ('a,b\n1,27" screen\n3,4\n', 'a,b\n1,"27"" screen"\n3,4\n', 0, ""),
        ('a,b\n1,"2\n3,4\n5,6\n', "a,b\n3,4\n5,6\n", 1, 'line 2: a quote that does not enclose a cell: 1,"2'),
        ('a,b\n1,"2\n3,4\n5,x"\n7,8\n', 'a,b\n3,4\n5,"x"""\n7,8\n', 1, "line 2: a quote"),
        ('a,b\n1",2\n"3",4"\n5,6\n', 'a,b\n"1""",2\n5,6\n', 1, "line 3: a quote"),
        ('a,b\n1,"2" 3\n3,4\n', "a,b\n3,4\n", 1, "line 2: a quote"),
    ],
)
def test_irregular_rows_are_left_out_and_counted(text: str, rows: str, count: int, example: str) -> None:
    assert not well_formed([text], ",")
    copy, left_out = rewritten(text)
    assert copy == rows
    assert left_out.count == count
    assert left_out.example.startswith(example)


def test_lines_before_the_header_count_in_the_example() -> None:
    assert write_rows(["a,b\n1\n3,4\n"], ",", StringIO(), skipped=1).example.startswith("line 3:")


def test_a_lost_quote_in_a_long_file_costs_its_row_only() -> None:
    draw = random.Random(2)
    lines = [f"u{draw.randrange(50)},i{number},{draw.randrange(10**9)}" for number in range(2000)]
    for number in (100, 700, 1500):
        lines[number] = lines[number].replace(",i", ',"i')
    copy, left_out = rewritten("u,i,t\n" + "\n".join(lines), block=4096)
    assert left_out.count == 3
    assert copy.count("\n") == 1 + 2000 - 3


def test_a_quote_in_every_row_is_read_once() -> None:
    rows = [f'u{number},a 27" screen,{number}' for number in range(20_000)]
    _, left_out = rewritten('"u",i,t\n' + "\n".join(rows), block=2**20)
    assert left_out.count == 20_000
