"""From a request to its caller, by every way in which a key is presented; and every refusal."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.larder.auth.requests import KEY_ID, NOW, SECRET, ToyRequest, as_sent, make_key
from tests.larder.auth.signatures.test_alibaba import ACS, GET, POST, SENT

from larder.auth import Authenticator, KeyRing, parse_scope
from larder.auth.keys import DOCUMENT, Key, Secret, digest, dump_keys
from larder.errors import InvalidRequest, TooManyRequests, Unauthorized
from larder.store import open_store

TEXT = f"{KEY_ID}.{SECRET}"
OLD = "old0" * 10


def authenticator(*keys: Key, now: float = NOW) -> Authenticator:
    store = open_store("memory://")
    store.put(DOCUMENT, dump_keys({key.id: key for key in keys}))
    return Authenticator(KeyRing(store), clock=lambda: now)


def refusal(request: ToyRequest, *keys: Key, now: float = NOW) -> Unauthorized:
    with pytest.raises(Unauthorized) as caught:
        authenticator(*(keys or (make_key(signs=True),)), now=now).authenticate(request)
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "request_",
    [
        ToyRequest(headers={"x-api-key": TEXT}),
        ToyRequest(headers={"x-api-key": f" {TEXT} "}),
        ToyRequest(headers={"authorization": f"Bearer {TEXT}"}),
        ToyRequest(headers={"authorization": f"bearer  {TEXT}"}),
        ToyRequest(headers={"x-goog-api-key": TEXT}),
        ToyRequest(raw_query=f"n=5&key={TEXT}"),
        ToyRequest(headers={"x-api-key": TEXT, "authorization": "AWS4-HMAC-SHA256 of another account"}),
        ToyRequest(headers={"authorization": "Basic abc"}, raw_query=f"key={TEXT}"),
    ],
)
def test_a_key_is_found_where_clients_put_it(request_: ToyRequest) -> None:
    key = make_key(scopes=(parse_scope("classify:pets"),), default_model="pets")
    caller = authenticator(key).authenticate(request_)
    assert (caller.key, caller.scopes, caller.default_model) == (KEY_ID, key.scopes, "pets")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ToyRequest(), "missing"),
        (ToyRequest(headers={"x-api-key": ""}), "missing"),
        (ToyRequest(headers={"authorization": "Basic abc"}), "missing"),
        (ToyRequest(headers={"authorization": "Bearer"}), "missing"),
        (ToyRequest(raw_query="key="), "missing"),
        (ToyRequest(headers={"x-api-key": SECRET}), "unknown"),
        (ToyRequest(headers={"x-api-key": KEY_ID}), "unknown"),
        (ToyRequest(headers={"x-api-key": f"{KEY_ID}."}), "unknown"),
        (ToyRequest(headers={"x-api-key": f"{KEY_ID}.{SECRET}x"}), "unknown"),
        (ToyRequest(headers={"x-api-key": f"{KEY_ID}.{SECRET[::-1]}"}), "unknown"),
        (ToyRequest(headers={"x-api-key": f"{KEY_ID[:-1]}9.{SECRET}"}), "unknown"),
        (ToyRequest(headers={"x-api-key": "ключ.\ud800"}), "unknown"),
        (ToyRequest(headers={"x-api-key": f"{KEY_ID}.\ud800"}), "unknown"),
        (ToyRequest(headers={"x-api-key": "wrong"}, raw_query=f"key={TEXT}"), "unknown"),
    ],
)
def test_another_key_is_refused(request_: ToyRequest, reason: str) -> None:
    assert refusal(request_).reason == reason


def test_the_hash_of_a_secret_is_no_secret() -> None:
    assert refusal(ToyRequest(headers={"x-api-key": f"{KEY_ID}.{digest(SECRET)}"})).reason == "unknown"


def test_an_expired_key_is_named_only_to_its_owner() -> None:
    expired = make_key(expires=NOW)
    assert refusal(ToyRequest(headers={"x-api-key": TEXT}), expired).reason == "expired"
    assert refusal(ToyRequest(headers={"x-api-key": f"{KEY_ID}.{OLD}"}), expired).reason == "unknown"


def test_a_revoked_key_is_unknown() -> None:
    assert refusal(ToyRequest(headers={"x-api-key": TEXT}), make_key(secrets=(), revoked=NOW)).reason == "unknown"


def test_both_secrets_of_a_rotated_key_are_valid_for_a_while() -> None:
    rotated = make_key(secrets=(Secret(digest(SECRET)), Secret(digest(OLD), until=NOW + 10)))
    for secret in (SECRET, OLD):
        authenticator(rotated).authenticate(ToyRequest(headers={"x-api-key": f"{KEY_ID}.{secret}"}))
    old = ToyRequest(headers={"x-api-key": f"{KEY_ID}.{OLD}"})
    assert refusal(old, rotated, now=NOW + 10).reason == "unknown"


# ------------------------------------------------------------------------------------------------- Access tokens


def test_an_access_token_is_accepted_until_it_ends() -> None:
    # GIVEN a token of a key
    token, seconds = authenticator(make_key()).issue_token(KEY_ID, SECRET)
    assert seconds == 30 * 86400

    # WHEN it is presented THEN it is as good as the key, until it ends
    for request in (ToyRequest(raw_query=f"access_token={token}"), ToyRequest(headers={"x-api-key": token})):
        assert authenticator(make_key(), now=NOW + seconds - 1).authenticate(request).key == KEY_ID
        assert refusal(request, make_key(), now=NOW + seconds).reason == "expired"


@pytest.mark.parametrize(
    "key",
    [
        make_key(secrets=(), revoked=NOW),
        make_key(secrets=(Secret(digest(OLD)),)),
        make_key(key_id="LKTEST00000000000009"),
    ],
    ids=["revoked", "another secret", "another key"],
)
def test_an_access_token_ends_with_its_secret(key: Key) -> None:
    token, _ = authenticator(make_key()).issue_token(KEY_ID, SECRET)
    assert refusal(ToyRequest(raw_query=f"access_token={token}"), key).reason == "unknown"


def test_an_access_token_lives_no_longer_than_its_key() -> None:
    assert authenticator(make_key(expires=NOW + 60)).issue_token(KEY_ID, SECRET)[1] == 60
    rotated = make_key(secrets=(Secret(digest(SECRET), until=NOW + 50),))
    assert authenticator(rotated).issue_token(KEY_ID, SECRET)[1] == 50


def test_a_changed_access_token_is_refused() -> None:
    token, _ = authenticator(make_key()).issue_token(KEY_ID, SECRET)
    key_id, end, mac = token.split(".")
    for changed in (f"{key_id}.{int(end) + 1}.{mac}", f"{key_id}.{end}.{mac[:-1]}{'0' if mac[-1] != '0' else '1'}"):
        assert refusal(ToyRequest(raw_query=f"access_token={changed}")).reason == "unknown"


@pytest.mark.parametrize(
    ("key_id", "secret"), [(KEY_ID, OLD), ("LKTEST00000000000009", SECRET), ("", ""), ("x", SECRET)]
)
def test_a_token_needs_the_key(key_id: str, secret: str) -> None:
    with pytest.raises(Unauthorized):
        authenticator(make_key()).issue_token(key_id, secret)


# ---------------------------------------------------------------------------------------------------- Signatures


def signed(signer: Callable[..., Any] = SigV4Auth, secret: str = SECRET, key_id: str = KEY_ID) -> ToyRequest:
    headers = {"X-Amz-Target": "RekognitionService.DetectLabels"}
    request = AWSRequest("POST", "http://localhost:8080/", headers, b"{}")
    signer(Credentials(key_id, secret), "rekognition", "us-east-1").add_auth(request)
    return as_sent(request)


def now() -> float:
    import time

    return time.time()


@pytest.mark.parametrize("signer", [SigV4Auth, SigV4QueryAuth])
def test_a_signed_request_is_accepted(signer: Callable[..., Any]) -> None:
    request = signed(signer)
    assert authenticator(make_key(signs=True, created=0), now=now()).authenticate(request).key == KEY_ID


@pytest.mark.parametrize("signer", [SigV4Auth, SigV4QueryAuth])
@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (make_key(signs=True, secret=OLD), "signature"),
        (make_key(signs=False), "unknown"),
        (make_key(signs=True, key_id="LKTEST00000000000009"), "unknown"),
        (make_key(signs=True, expires=NOW), "expired"),
        (make_key(secrets=(), revoked=NOW), "unknown"),
    ],
    ids=["wrong secret", "key that does not sign", "unknown key", "expired key", "revoked key"],
)
def test_a_signed_request_is_refused(signer: Callable[..., Any], key: Key, reason: str) -> None:
    assert refusal(signed(signer), key, now=now()).reason == reason


def test_a_clock_that_is_off_is_named() -> None:
    assert refusal(signed(), now=now() + 400).reason == "skewed"


def test_the_placeholder_of_unknown_keys_is_no_secret() -> None:
    request = signed(secret="0" * 40, key_id="LKTEST00000000000009")
    assert refusal(request, now=now()).reason == "unknown"


@pytest.mark.parametrize("request_", [ACS, POST, GET], ids=["V3", "V1 POST", "V1 GET"])
def test_requests_of_alibabas_clients_are_accepted(request_: ToyRequest) -> None:
    assert authenticator(make_key(signs=True), now=SENT).authenticate(request_).key == KEY_ID
    assert refusal(request_, make_key(signs=True, secret=OLD), now=SENT).reason == "signature"
    assert refusal(request_, now=SENT + 400).reason == "skewed"


def test_a_form_without_a_signature_has_no_key() -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    form = ToyRequest("POST", headers=headers, content=b"image=" + b64encode(b"x"))
    assert refusal(form).reason == "missing"
    with pytest.raises(InvalidRequest, match="parameters"):
        authenticator(make_key()).authenticate(replace(form, content=b"&a" * 20_000))


# -------------------------------------------------------------------------------------------------------- Limits


def test_a_key_has_a_limit() -> None:
    limited = authenticator(make_key(rate=0.001, burst=2))
    request = ToyRequest(headers={"x-api-key": TEXT})
    limited.authenticate(request)
    limited.authenticate(request)
    with pytest.raises(TooManyRequests):
        limited.authenticate(request)
