"""The separator of a CSV is what divides its header and rows; decimal commas and lists in cells are values."""

import pytest

from larder_training.io.separators import Separator, find_separator


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("path,label\na,b\n", ","),
        ("path;label\na;b\n", ";"),
        ("path\tlabel\na\tb\n", "\t"),
        ("path|label\na|b\n", "|"),
        ("path;label;weight\na;b;1,5\nc;d;2,25\n", ";"),
        ("path;label;weight,kg\na;b;1,5\nc;d;2,25\n", ";"),
        ("item,genres\n1,a|b|c\n2,a|c|d\n", ","),
        ('path,label\n"a;x.png","b;c"\n', ","),
        ("path\tlabel\na, b\tc\n", "\t"),
        ("path,title\na;b,c;d\n", ","),
        ("item\n1\n2\n", ","),
        ("", ","),
        ('path;"text\n with; lines, and"\na;b\n', ";"),
    ],
)
def test_the_separator_divides_header_and_rows(text: str, sign: str) -> None:
    assert find_separator(text) == Separator(sign)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("sep=;\r\npath;label\r\na;b\r\n", Separator(";", 1)),
        ('"sep=,"\npath,label\n', Separator(",", 1)),
        ("sep=\t\npath\tlabel\n", Separator("\t", 1)),
        ("separation,label\n1,2\n", Separator(",")),
    ],
)
def test_the_first_line_of_excel_states_it(text: str, separator: Separator) -> None:
    assert find_separator(text) == separator


def test_a_quote_that_nothing_closes_is_no_traceback() -> None:
    assert find_separator('path;label\n"a;b\n' + "c;d\n" * 50_000).sign == ";"
