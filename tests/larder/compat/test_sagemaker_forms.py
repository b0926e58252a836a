"""Bodies with several inputs: the rows of each form, and any JSON is read or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.compat.sagemaker.forms import FORMS, MAX_ROWS, PARAMETERS, has_form, read_rows
from larder.errors import InvalidRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["columns", "data", "index", "image", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("form", "value", "rows"),
    [
        ("instances", ["a", {"b64": "b"}], ["a", {"b64": "b"}]),
        ("inputs", ["a", "b"], ["a", "b"]),
        ("inputs", "a", ["a"]),
        ("inputs", {"image": "a"}, [{"image": "a"}]),
        ("inputs", {"image": ["a", "b"], "P": [1, None]}, [{"image": "a", "P": 1}, {"image": "b", "P": None}]),
        ("dataframe_split", {"columns": ["image", 1], "data": [["a", 2]]}, [{"image": "a", "1": 2}]),
        ("dataframe_records", [{"image": "a"}, {}], [{"image": "a"}, {}]),
    ],
)
def test_each_form_is_a_list_of_rows(form: str, value: object, rows: list[object]) -> None:
    assert has_form({form: value})
    assert read_rows({form: value, PARAMETERS: {"n": 1}}) == (rows, {"n": 1})
    assert read_rows({form: value, PARAMETERS: None}) == (rows, {})


@given(st.sampled_from(FORMS), JSON, JSON)
def test_any_json_is_read_or_refused(form: str, value: object, parameters: object) -> None:
    try:
        rows, options = read_rows({form: value, PARAMETERS: parameters})
    except InvalidRequest:
        return
    assert 1 <= len(rows) <= MAX_ROWS
    assert isinstance(options, dict)
    assert form != "dataframe_records" or all(isinstance(row, dict) for row in rows)
