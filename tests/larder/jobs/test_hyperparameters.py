"""The checker of hyperparameters says of each value what jsonschema says by the published schema."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from larder.errors import InvalidRequest
from larder.jobs.hyperparameters import read, schema
from larder.release.manifest import KINDS, Kind

NUMBERS = st.integers(-3, 2000) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.booleans() | NUMBERS | st.text(max_size=5)
KEYS = st.sampled_from(["USER_ID", "price", "view", "path"]) | st.text(max_size=3)
VALUES = PLAIN | st.lists(PLAIN, max_size=4) | st.dictionaries(KEYS, PLAIN | st.lists(NUMBERS, max_size=3), max_size=3)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_it_accepts_what_jsonschema_accepts(kind: Kind, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(set(schema(kind)["properties"]) - {"kind", "model"})))
    about: dict[str, Any] = schema(kind)["properties"][name]
    known = [about[key] for key in ("default", "minimum", "maximum") if key in about]
    value = data.draw(VALUES | st.sampled_from([*known, *about.get("enum", ()), *about.get("examples", ()), 0]))
    if isinstance(value, str):
        return  # a text is read in the type of the schema first
    expected = Draft202012Validator(about).is_valid(value)
    try:
        read({"kind": kind, "model": "m", name: value})
    except InvalidRequest:
        assert not expected
    else:
        assert expected


def test_every_problem_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read({"kind": "classifier", "model": "pets", "trials": 0, "trails": 3, "flip": "maybe"})
    message = str(caught.value)
    assert "'trials' is '0': give a whole number from 1 to 1000." in message
    assert "'trails' ('3') is unknown: did you mean 'trials'?" in message
    assert "'flip' is 'maybe': give one of auto, yes, no." in message
