"""Who may call a function: by its setting, by keys, and by a direct invocation."""

from pathlib import Path
from typing import Any

import pytest

from larder.auth import ANYONE, parse_scope
from larder.errors import Forbidden, InvalidRequest, SettingsError, Unauthorized
from larder.runtime.settings import Settings
from larder.web.bootstrap import Service
from larder.web.callers import Callers
from larder.web.request import Request
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore


@pytest.fixture
def callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callers:
    settings = {"STORE": tmp_path.as_uri(), "CACHE_DIR": str(tmp_path / "cache"), "CACHE_BYTES": "1000000"}
    settings |= {"REFRESH_SECONDS": "0", "MAX_PIXELS": "1000000", "AUTHORIZATION": "KEYS"}
    for name, value in settings.items():
        monkeypatch.setenv(f"LARDER_{name}", value)
    return Callers(Service(Settings.from_environment, lambda _store, _settings: None))


def request(authorizer: Any = None, **headers: str) -> Request:  # noqa: ANN401  any JSON
    context = {"http": {"method": "GET", "path": "/"}, "authorizer": authorizer}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request.of({"requestContext": context, "headers": sent})


@pytest.mark.parametrize("authorization", ["AWS_IAM", "NONE"])
def test_everyone_may_call_where_the_function_does_not_check(
    callers: Callers, monkeypatch: pytest.MonkeyPatch, authorization: str
) -> None:
    monkeypatch.setenv("LARDER_AUTHORIZATION", authorization)
    assert callers.authenticate(request(x_api_key="wrong")) is ANYONE


def test_a_key_of_the_store_is_needed(callers: Callers, tmp_path: Path) -> None:
    key, secret = new_key((parse_scope("classify:pets"),), now=0)
    KeyStore.open(tmp_path.as_uri()).add(key)
    assert callers.authenticate(request(x_api_key=f"{key.id}.{secret}")).key == key.id
    with pytest.raises(Unauthorized):
        callers.authenticate(request())


def test_who_invokes_the_function_states_their_scopes(callers: Callers) -> None:
    caller = callers.authenticate(request({"larder": {"scopes": ["classify:pets"]}}))
    caller.check("classify", "pets")
    with pytest.raises(Forbidden):
        caller.check("classify", "cars")
    with pytest.raises(InvalidRequest):
        callers.authenticate(request({"larder": {"scopes": ["fly"]}}))


@pytest.mark.parametrize("authorizer", [{"iam": {"userArn": "x"}}, {"larder": "admin"}, {"larder": None}, {"jwt": {}}])
def test_what_a_front_door_adds_is_no_key(callers: Callers, authorizer: dict[str, object]) -> None:
    with pytest.raises(Unauthorized):
        callers.authenticate(request(authorizer))


def test_preloading_never_raises(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    callers.preload()
    callers.renew()
    monkeypatch.setenv("LARDER_AUTHORIZATION", "")
    fresh = Callers(Service(Settings.from_environment, lambda _store, _settings: None))
    fresh.preload()
    fresh.renew()
    with pytest.raises(SettingsError):
        fresh.authenticate(request())
