"""The forms of a JSON body that has several inputs: those of MLflow, which are TensorFlow Serving's too.

Exactly one of ``instances``, ``inputs``, ``dataframe_split`` and ``dataframe_records``, and optionally ``params``.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from larder.errors import InvalidRequest
from larder.web.request import check_fields

FORMS: Final = ("instances", "inputs", "dataframe_split", "dataframe_records")
PARAMETERS: Final = "params"
MAX_ROWS: Final = 100

Row = object
"""One input: a JSON object of columns, or a single value."""


def has_form(document: Mapping[str, object]) -> bool:
    """Whether a body has one of the forms."""
    return any(form in document for form in FORMS)


def read_rows(document: Mapping[str, object]) -> tuple[Sequence[Row], Mapping[str, object]]:
    """The inputs of a body and its ``params``; raises InvalidRequest."""
    check_fields(document, (*FORMS, PARAMETERS))
    (form, *others) = [form for form in FORMS if form in document]
    if others:
        raise InvalidRequest(f"The body has {form} and {' and '.join(others)}: send one of them.")
    rows = _READERS[form](form, document[form])
    if not 1 <= len(rows) <= MAX_ROWS:
        raise InvalidRequest(f"{form} has {len(rows)} entries: send 1 to {MAX_ROWS}.")
    parameters = document.get(PARAMETERS) or {}
    if not isinstance(parameters, dict):
        raise InvalidRequest(f"{PARAMETERS} is not a JSON object: send options by name.")
    return rows, parameters


def _list(form: str, value: object) -> Sequence[Row]:
    if not isinstance(value, list):
        raise InvalidRequest(f"{form} is not a list: send one entry for each input.")
    return value


def _inputs(form: str, value: object) -> Sequence[Row]:
    """A list of inputs, one input, or an object with a list for each column."""
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        columns = cast("dict[str, list[object]]", value)
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            raise InvalidRequest(f"The columns of {form} differ in length: send one entry for each input in each.")
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return value if isinstance(value, list) else [value]


def _split(form: str, value: object) -> Sequence[Row]:
    if not isinstance(value, dict) or not {"columns", "data"} <= set(value) <= {"columns", "data", "index"}:
        raise InvalidRequest(f'{form} is not {{"columns": [...], "data": [[...]]}}: send it as pandas writes it.')
    columns, data = value["columns"], value["data"]
    is_table = isinstance(columns, list) and isinstance(data, list)
    if not is_table or not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        raise InvalidRequest(f"{form}.data is not a list of rows with one value for each column: send all values.")
    return [dict(zip(map(str, columns), row, strict=True)) for row in data]


def _records(form: str, value: object) -> Sequence[Row]:
    rows = _list(form, value)
    if not all(isinstance(row, dict) for row in rows):
        raise InvalidRequest(f"{form} is not a list of objects: send one object of columns for each input.")
    return rows


_READERS: Final = {"instances": _list, "inputs": _inputs, "dataframe_split": _split, "dataframe_records": _records}
