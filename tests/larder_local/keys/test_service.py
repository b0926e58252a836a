"""A running ``larder up``: its key, scopes, limits, signatures, and how soon a revoked key is refused."""

import json
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.larder_local.conftest import Answer, Up, larder, running
from tests.openapi.conftest import image, store

from larder_client import Client, Forbidden, TooManyRequests, Unauthorized

__all__ = ["image", "store"]  # fixtures
pytestmark = pytest.mark.slow  # it starts the whole service
MODELS = "/v1/models"


@pytest.fixture(scope="module")
def home(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(store, folder / ".larder/store")
    return folder


@pytest.fixture(scope="module")
def up(home: Path) -> Iterator[Up]:
    with running(home, "--no-demo", "--workers", "1") as service:
        yield service


def added(home: Path, *arguments: str) -> Any:  # noqa: ANN401  a command's JSON
    done = larder("keys", "add", *arguments, "--json", folder=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(up: Up, path: str, key: str) -> Answer:
    return up.ask(path, headers={"x-api-key": key})


def seconds_until(condition: Callable[[], bool], limit: float) -> float:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < limit, f"not within {limit} s"
        time.sleep(0.05)
    return time.monotonic() - begun


def test_the_first_start_makes_a_key_that_only_its_owner_may_read(up: Up, home: Path) -> None:
    file = home / ".larder/key"
    assert file.read_text().strip() == up.key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"export LARDER_KEY={up.key}" in up.printed


def test_only_the_key_opens_the_service(up: Up) -> None:
    assert up.ask(MODELS).status == 200
    assert ask(up, MODELS, "").status == 401
    assert ask(up, MODELS, f"{up.key}x").status == 401
    assert ask(up, "/health", "").status == 200


def test_the_commands_find_the_key_and_larder_key_replaces_it(up: Up, home: Path) -> None:
    del up
    assert larder("recommend", "u0001", folder=home).returncode == 0
    assert larder("status", folder=home).returncode == 0
    refused = larder("recommend", "u0001", "--model", "shop", folder=home, LARDER_KEY="wrong")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: ")
    assert "Traceback" not in refused.stderr


def test_the_key_of_a_folder_is_sent_to_no_other_service(up: Up, home: Path) -> None:
    elsewhere = up.address.replace("127.0.0.1", "localhost")
    refused = larder("recommend", "u0001", "--model", "shop", folder=home, LARDER_URL=elsewhere)
    assert "This needs a key" in refused.stderr


def test_a_new_key_works_within_two_seconds_and_only_for_its_scope(up: Up, home: Path) -> None:
    key = added(home, "recommend:shop")["key"]
    with Client(up.address, key, retries=0) as client:
        assert seconds_until(lambda: accepted(client), 2) < 2
        assert seconds_until(lambda: ask(up, MODELS, key).status != 401, 2) < 2  # each function reads keys by itself
        assert client.recommend("shop", user="u0001").items
        with pytest.raises(Forbidden, match="models:read"):
            client.models()
        with pytest.raises(Forbidden, match="recommend:other"):
            client.recommend("other", user="u0001")
    with Client(up.address, "wrong", retries=0) as client, pytest.raises(Unauthorized):
        client.models()


def accepted(client: Client) -> bool:
    try:
        client.recommend("shop", user="u0001")
    except Unauthorized:
        return False
    return True


def test_a_key_has_a_limit(up: Up, home: Path) -> None:
    key = added(home, "models:read", "--rate", "0.01", "--burst", "2")["key"]
    seconds_until(lambda: ask(up, MODELS, key).status == 200, 2)
    with Client(up.address, key, retries=0) as client:
        client.models()
        with pytest.raises(TooManyRequests) as caught:
            client.models()
    assert caught.value.code == "too_many_requests"
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 100


def test_boto3_signs_with_a_key(up: Up, home: Path, image: bytes) -> None:
    key = added(home, "classify:digits", "--signing")

    def rekognition(secret: str) -> Any:  # noqa: ANN401  boto3 creates its classes at run time
        return boto3.client(
            "rekognition",
            endpoint_url=up.address,
            region_name="eu-west-1",
            aws_access_key_id=key["id"],
            aws_secret_access_key=secret,
        )

    arn = "arn:aws:rekognition:eu-west-1:111122223333:project/digits/version/digits/1"
    labels = rekognition(key["secret"]).detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image})
    assert labels["CustomLabels"][0]["Name"] == "1"
    with pytest.raises(ClientError) as caught:
        rekognition(key["secret"][::-1]).detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image})
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_a_revoked_key_is_refused_within_two_seconds(up: Up, home: Path) -> None:
    key = added(home, "models:read")
    seconds_until(lambda: ask(up, MODELS, key["key"]).status == 200, 2)
    assert larder("keys", "revoke", key["id"], folder=home).returncode == 0
    assert seconds_until(lambda: ask(up, MODELS, key["key"]).status == 401, 2) < 2


def test_a_revoked_key_is_refused_within_30_seconds_where_releases_are_looked_for_every_30(
    store: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    # GIVEN a service that reads the store as rarely as on AWS, with two workers that know a key
    home = tmp_path
    shutil.copytree(store, home / ".larder/store")
    with running(home, "--no-demo", "--workers", "2", LARDER_REFRESH_SECONDS="30") as service:
        key = added(home, "models:read")
        seconds_until(lambda: ask(service, MODELS, key["key"]).status == 200, 3)
        # WHEN the key is revoked
        assert larder("keys", "revoke", key["id"], folder=home).returncode == 0
        # THEN it is refused within 30 seconds, and from then on
        seconds = seconds_until(lambda: ask(service, MODELS, key["key"]).status == 401, 30)
        record_property("seconds until a revoked key is refused", round(seconds, 1))
        assert all(ask(service, MODELS, key["key"]).status == 401 for _ in range(20))


def test_a_service_without_authorization_needs_no_key(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / ".larder/store/models", tmp_path / ".larder/store/models")
    with running(tmp_path, "--no-demo", "--workers", "1", "--authorization", "NONE") as service:
        assert service.key is None
        assert "LARDER_KEY" not in service.printed
        assert service.ask(MODELS).status == 200
