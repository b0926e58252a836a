"""The tree of errors, its drawing and its statuses."""

import inspect
import re

import pytest

from larder import errors
from larder.errors import InvalidManifest, LarderError


def tree(root: type[LarderError]) -> list[type[LarderError]]:
    return [root, *(error for child in root.__subclasses__() for error in tree(child))]


# Protocols have errors of their own, whose modules other tests may have loaded.
OWN = {error for error in tree(LarderError) if error.__module__ == errors.__name__}
PUBLIC = sorted({error for error in OWN if not error.__name__.startswith("_")}, key=lambda error: error.__name__)


def test_every_error_is_exported() -> None:
    assert sorted(errors.__all__) == [error.__name__ for error in PUBLIC]


@pytest.mark.parametrize("error", PUBLIC)
def test_every_error_is_drawn_with_its_status(error: type[LarderError]) -> None:
    drawing = inspect.getdoc(errors) or ""
    line = re.search(rf"\b{error.__name__}\b +(\d+)?", drawing)
    assert line, f"{error.__name__} is missing in the drawing in errors.py"
    if line.group(1):
        assert int(line.group(1)) == error.status


@pytest.mark.parametrize("error", PUBLIC)
def test_every_error_has_a_status_and_a_code(error: type[LarderError]) -> None:
    assert 400 <= error.status < 600
    assert re.fullmatch("[a-z_]+", error.code)


def test_an_error_with_a_list_reports_all_problems_at_once() -> None:
    error = InvalidManifest("Not valid.", ["a: is missing", "b: must be text"])
    assert error.problems == ("a: is missing", "b: must be text")
    assert str(error) == "Not valid.\n- a: is missing\n- b: must be text"
