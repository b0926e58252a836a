"""Names become keys, so a name that could leave its folder is refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder.release.keys import check_file, check_model, check_release, file_key, filters_key, pointer_key

HOSTILE = ["", "..", "../x", "a/b", "/a", "a\\b", "a\x00", "A", "é", "a b", "a%2fb", "-a", "a-", "a" * 200, "a\n"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("check", [check_model, check_release, check_file])
def test_a_hostile_name_is_refused(check: Callable[[str], str], name: str) -> None:
    with pytest.raises(InvalidRequest):
        check(name)


@pytest.mark.parametrize("name", ["a..b", ".hidden", "a.", "x/../y"])
def test_a_file_name_has_no_dot_dot_and_no_dot_at_its_ends(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_file(name)


def test_keys() -> None:
    assert pointer_key("pets") == "models/pets/live.json"
    assert filters_key("pets") == "models/pets/filters.json"
    assert file_key("pets", "r1", "model.onnx") == "models/pets/releases/r1/model.onnx"


@given(model=st.text(), release=st.text(), file=st.text())
def test_a_key_never_leaves_its_models_folder(model: str, release: str, file: str) -> None:
    try:
        key = file_key(model, release, file)
    except InvalidRequest:
        return
    assert key.split("/") == ["models", model, "releases", release, file]
    assert ".." not in key
