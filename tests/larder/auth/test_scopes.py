"""Scopes: what they permit, and how they are written."""

import pytest

from larder.auth import Caller, parse_scope
from larder.auth.caller import ANYONE
from larder.errors import Forbidden, InvalidRequest


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("classify:pets", "classify:pets"),
        ("classify", "classify:*"),
        ("recommend:*", "recommend:*"),
        ("models:read", "models:read"),
        ("models:read:*", "models:read"),
        ("models:read:pets", "models:read:pets"),
        ("models:write:pets-*", "models:write:pets-*"),
        ("admin", "admin"),
    ],
)
def test_a_scope_is_written_in_one_way(text: str, written: str) -> None:
    assert str(parse_scope(text)) == written
    assert parse_scope(written) == parse_scope(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "classify:",
        "classify:Pets",
        "classify:a/b",
        "classify:*a",
        "models",
        "models:delete",
        "admin:x",
        "*",
        "clas",
    ],
)
def test_another_text_is_no_scope(text: str) -> None:
    with pytest.raises(InvalidRequest, match="not a scope"):
        parse_scope(text)


@pytest.mark.parametrize(
    ("scopes", "action", "model", "allowed"),
    [
        (["classify:pets"], "classify", "pets", True),
        (["classify:pets"], "classify", "pets-2", False),
        (["classify:pets"], "classify", None, True),
        (["classify:pets"], "recommend", "pets", False),
        (["classify:pets-*"], "classify", "pets-2", True),
        (["classify:pets-*"], "classify", "pets", False),
        (["classify:*"], "classify", "anything", True),
        (["models:read"], "models:read", "pets", True),
        (["models:read"], "models:write", "pets", False),
        (["models:read:pets"], "models:read", "cars", False),
        (["events:*", "recommend:shop"], "recommend", "shop", True),
        (["admin"], "models:write", "pets", True),
        ([], "classify", None, False),
    ],
)
def test_a_caller_may_do_what_a_scope_says(scopes: list[str], action: str, model: str | None, allowed: bool) -> None:
    caller = Caller("LK", tuple(map(parse_scope, scopes)))
    assert caller.may(action, model) is allowed
    if not allowed:
        with pytest.raises(Forbidden):
            caller.check(action, model)


def test_the_message_names_the_scope_that_is_missing() -> None:
    with pytest.raises(Forbidden, match="needs the scope classify:cars"):
        Caller("LK", (parse_scope("classify:pets"),)).check("classify", "cars")


def test_a_caller_without_a_key_may_do_everything() -> None:
    ANYONE.check("models:write", "pets")
