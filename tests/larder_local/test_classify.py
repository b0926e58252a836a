"""How ``larder classify`` reads its options."""

import click
import pytest

from larder_local.commands.classify import _typed


def test_values_are_sent_as_the_model_types_its_columns() -> None:
    columns = {"PLACE": "category", "PRICE": "number", "CODE": "category"}
    given = {"PLACE": "Berlin", "PRICE": "3.5", "CODE": "7", "OTHER": "1"}
    assert _typed(given, columns) == {"PLACE": "Berlin", "PRICE": 3.5, "CODE": "7", "OTHER": "1"}
    with pytest.raises(click.BadParameter, match="PRICE is 'cheap': give a number"):
        _typed({"PRICE": "cheap"}, columns)
