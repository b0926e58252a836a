"""What ``larder classify`` sends: the file as it is, or JSON where there is something to say beside it."""

import base64
import json
from pathlib import Path

import click
import pytest

from larder_local.commands.classify import _body, _typed


def test_values_are_sent_as_the_model_types_its_columns() -> None:
    columns = {"PLACE": "category", "PRICE": "number", "CODE": "category"}
    given = {"PLACE": "Berlin", "PRICE": "3.5", "CODE": "7", "OTHER": "1"}
    assert _typed(given, columns) == {"PLACE": "Berlin", "PRICE": 3.5, "CODE": "7", "OTHER": "1"}
    with pytest.raises(click.BadParameter, match="PRICE is 'cheap': give a number"):
        _typed({"PRICE": "cheap"}, columns)


def test_a_file_goes_as_it_is_unless_something_is_known_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(b"\x89PNG")
    assert _body(file, {}) == (b"\x89PNG", "image/png")
    data, kind = _body(file, {"PLACE": "Köln"})
    assert kind == "application/json"
    assert json.loads(data) == {"image": base64.b64encode(b"\x89PNG").decode(), "side": {"PLACE": "Köln"}}
