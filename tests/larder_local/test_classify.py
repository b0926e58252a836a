"""``larder classify`` converts the values of --side."""

import click
import pytest

from larder_local.commands.classify import _typed


def test_values_have_the_types_of_the_columns_of_the_model() -> None:
    columns = {"PLACE": "category", "PRICE": "number", "CODE": "category"}
    values = {"PLACE": "Berlin", "PRICE": "3.5", "CODE": "7", "OTHER": "1"}
    assert _typed(values, columns) == {"PLACE": "Berlin", "PRICE": 3.5, "CODE": "7", "OTHER": "1"}
    with pytest.raises(click.BadParameter, match="PRICE is 'cheap': give a number"):
        _typed({"PRICE": "cheap"}, columns)
