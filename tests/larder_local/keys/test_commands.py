"""``larder keys``: what it stores, prints and refuses."""

import json
import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.conftest import S3
from tests.larder_local.test_registry_commands import Done, home, larder

from larder.auth import Authenticator, KeyRing
from larder.auth.keys import DOCUMENT, MAX_KEYS, dump_keys
from larder.auth.scopes import Scope
from larder.errors import InvalidRequest, Unauthorized
from larder.store import open_store
from larder_local.keys import local_key
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore
from larder_local.workspace import Workspace

__all__ = ["home"]  # a fixture


class Presented:
    """A request with a key."""

    method, path, raw_query = "GET", "/", ""

    def __init__(self, text: str) -> None:
        self.headers = {"x-api-key": text}

    def raw_body(self) -> bytes:
        return b""


def keys(*arguments: str) -> Done:
    return larder("keys", *arguments)


def added(*arguments: str) -> Any:  # noqa: ANN401  a command's JSON
    return json.loads(keys("add", *arguments, "--json").stdout)


def accepts(store: str, text: str, now: float | None = None) -> bool:
    verifier = Authenticator(KeyRing(open_store(store)), clock=lambda: now or time.time())
    try:
        verifier.authenticate(Presented(text))
    except Unauthorized:
        return False
    return True


def stored(home: Workspace) -> str:
    return (home.root / "store" / DOCUMENT).read_text("utf-8")


def test_a_key_works_and_its_secret_is_not_stored(home: Workspace) -> None:
    key = added("classify:pets", "--description", "a camera", "--expires", "90d")
    assert key["key"] == f"{key['id']}.{key['secret']}"
    assert accepts(home.store, key["key"])
    assert not accepts(home.store, key["key"], time.time() + 91 * 86_400)
    assert key["secret"] not in stored(home)
    assert stat.S_IMODE((home.root / "store" / DOCUMENT).stat().st_mode) == 0o600


def test_only_a_key_that_signs_has_its_secret_in_the_store(home: Workspace) -> None:
    assert added("admin", "--signing")["secret"] in stored(home)


@pytest.mark.usefixtures("home")
def test_the_next_step_is_printed() -> None:
    text = keys("add", "recommend:shop").stdout
    assert re.search(r"key     LK[A-Z0-9]{18}\.[A-Za-z0-9]{40}\n", text)
    assert "/v1/models/shop/recommend?user=USER" in text
    assert "AWS_" not in text
    assert re.search(r"export AWS_ACCESS_KEY_ID=LK[A-Z0-9]{18}\n", keys("add", "admin", "--signing").stdout)


@pytest.mark.usefixtures("home")
def test_keys_are_listed_and_shown_without_secrets() -> None:
    assert "There is no key yet" in keys("list").stdout
    key = added("classify:pets-*", "models:read", "--rate", "2.5", "--burst", "9", "--default-model", "pets")
    table = keys("list").stdout
    assert "classify:pets-* models:read" in table
    assert "2.5/s, 9 at once" in table
    shown = json.loads(keys("show", key["id"], "--json").stdout)
    assert (shown["state"], shown["default_model"], shown["rate"]) == ("active", "pets", 2.5)
    assert key["secret"] not in table + json.dumps(shown) + keys("show", key["id"]).stdout
    assert [entry["id"] for entry in json.loads(keys("list", "--json").stdout)["keys"]] == [key["id"]]


def test_a_revoked_key_is_refused_and_stays_listed(home: Workspace) -> None:
    key = added("admin", "--signing")
    assert "within 30 seconds" in keys("revoke", key["id"]).stdout
    assert not accepts(home.store, key["key"])
    assert key["secret"] not in stored(home)
    assert "revoked" in keys("list").stdout
    assert keys("revoke", key["id"]).exit_code == 0
    assert "is revoked" in keys("rotate", key["id"]).stderr


def test_a_rotated_key_has_two_secrets_for_a_while(home: Workspace) -> None:
    key = added("admin", "--signing", "--expires", "1d")
    new = json.loads(keys("rotate", key["id"], "--overlap", "2h", "--json").stdout)
    assert new["id"] == key["id"]
    assert accepts(home.store, key["key"])
    assert accepts(home.store, new["key"])
    assert not accepts(home.store, key["key"], time.time() + 7201)
    assert accepts(home.store, new["key"], time.time() + 7201)

    last = json.loads(keys("rotate", key["id"], "--overlap", "0s", "--expires", "9d", "--json").stdout)
    assert not accepts(home.store, new["key"])
    assert accepts(home.store, last["key"], time.time() + 8 * 86_400)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["add", "fly:pets"], "not a scope"),
        (["add", "admin", "--expires", "yesterday"], "neither a duration"),
        (["add", "admin", "--expires", "2020-01-01"], "not in the future"),
        (["add", "admin", "--burst", "3"], "--burst needs --rate"),
        (["add", "admin", "--rate", "0"], "rate"),
        (["add", "admin", "--default-model", "Pets"], "not a model name"),
        (["add", "admin", "--description", "two\nlines"], "description"),
        (["add"], "SCOPE"),
        (["show", "LKX"], "no key"),
        (["revoke", "LKX"], "no key"),
        (["rotate", "LKX"], "no key"),
        (["rotate", "LKX", "--overlap", "soon"], "duration"),
        (["list", "--store", "ftp://x"], "not a store"),
    ],
)
def test_a_mistake_is_named_in_one_line(home: Workspace, arguments: list[str], word: str) -> None:
    done = keys(*arguments)
    assert done.exit_code in (1, 2)
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home.root / "store" / DOCUMENT).exists()


def test_a_damaged_document_is_not_overwritten(home: Workspace) -> None:
    open_store(home.store).put(DOCUMENT, b'{"format": 9}')
    for arguments in (["list"], ["add", "admin"], ["revoke", "LKX"]):
        done = keys(*arguments)
        assert done.exit_code == 1
        assert "keys/keys.json is not valid" in done.stderr
    assert stored(home) == '{"format": 9}'


def test_commands_at_once_lose_no_key(tmp_path: Path) -> None:
    url = tmp_path.as_uri()

    def add(_: int) -> str:
        key, _secret = new_key((Scope("admin"),), now=0)
        KeyStore.open(url).add(key)
        return key.id

    with ThreadPoolExecutor(4) as threads:
        ids = set(threads.map(add, range(12)))
    assert set(KeyStore.open(url).read()) == ids


def test_the_oldest_key_that_has_ended_makes_room(tmp_path: Path) -> None:
    made = [new_key((Scope("admin"),), now=number)[0] for number in range(MAX_KEYS + 1)]
    store = open_store(tmp_path.as_uri())
    store.put(DOCUMENT, dump_keys({key.id: key for key in made[:-1]}))
    keys = KeyStore(store)
    with pytest.raises(InvalidRequest, match="revoke one"):
        keys.add(made[-1])
    for number in (7, 3):
        keys.replace(made[number].id, lambda key: key._replace(expires=1))
    keys.add(made[-1])
    assert set(keys.read()) == {key.id for key in made} - {made[3].id}


def test_a_bucket_has_the_keys_encrypted_by_kms(home: Workspace, s3: S3, s3_url: str) -> None:
    key = added("admin", "--store", s3_url)
    assert accepts(s3_url, key["key"])
    client = boto3.client("s3", endpoint_url=s3.endpoint)
    assert client.head_object(Bucket=s3.bucket, Key=DOCUMENT)["ServerSideEncryption"] == "aws:kms"

    arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert keys("revoke", key["id"], "--store", s3_url, "--kms-key", arn).exit_code == 0
    assert not accepts(s3_url, key["key"])
    assert client.head_object(Bucket=s3.bucket, Key=DOCUMENT)["SSEKMSKeyId"] == arn
    assert not home.root.exists()


# --------------------------------------------------------------------------------------- The key of this machine


def test_the_key_of_this_machine_is_made_once(home: Workspace) -> None:
    home.root.mkdir()
    text = local_key.ensure(home)
    assert local_key.ensure(home) == local_key.read(home) == text
    assert accepts(home.store, text)
    assert stat.S_IMODE(home.key_file.stat().st_mode) == 0o600
    assert len(KeyStore.open(home.store).read()) == 1


@pytest.mark.parametrize("loss", ["document", "file", "revoked", "rotated", "damaged file"])
def test_the_key_of_this_machine_comes_back(home: Workspace, loss: str) -> None:
    home.root.mkdir()
    text = local_key.ensure(home)
    if loss == "document":
        (home.root / "store" / DOCUMENT).unlink()
    elif loss == "revoked":
        keys("revoke", text.partition(".")[0])
    elif loss == "rotated":
        keys("rotate", text.partition(".")[0], "--overlap", "0s")
    elif loss == "file":
        home.key_file.unlink()
    else:
        home.key_file.write_text("nothing")
    again = local_key.ensure(home)
    assert accepts(home.store, again)
    assert (again == text) is (loss == "document")
    assert local_key.read(home) == again
    assert accepts(home.store, text) is (loss not in ("revoked", "rotated"))
