"""Alibaba Cloud's imagerecog client, unmodified, against the running service, with both versions of the signature."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from alibabacloud_imagerecog20190930.client import Client  # type: ignore[import-untyped]  # ships no types
from alibabacloud_imagerecog20190930.models import (  # type: ignore[import-untyped]  # ships no types
    DetectImageElementsRequest,
    RecognizeSceneRequest,
    TaggingImageRequest,
)
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException  # type: ignore[import-untyped]  # ships no types
from alibabacloud_tea_openapi.models import Config  # type: ignore[import-untyped]  # ships no types
from tests.compat.conftest import Endpoint
from tests.paths import ROOT

RED = "s3://larder/uploads/red.jpg"
FORM = {"content-type": "application/x-www-form-urlencoded"}
Connect = Callable[..., Any]


@pytest.fixture(scope="module", params=[None, "v2"], ids=["signature V3", "signature V1"])
def connect(endpoint: Endpoint, request: pytest.FixtureRequest) -> Connect:
    """Makes a client with a key; the client calls the older signature ``v2``."""

    def make(key: str = endpoint.key) -> Any:  # noqa: ANN401  # the client has no types
        key_id, _, secret = key.partition(".")
        address = endpoint.url.removeprefix("http://")
        config = Config(access_key_id=key_id, access_key_secret=secret, endpoint=address, protocol="HTTP")
        config.signature_algorithm = request.param
        return Client(config)

    return make


def tags(answer: Any) -> list[str]:  # noqa: ANN401  # the client has no types
    return [tag.value for tag in answer.body.data.tags]


def test_tagging_an_image(connect: Connect) -> None:
    answer = connect().tagging_image(TaggingImageRequest(image_url=RED))
    assert tags(answer) == ["red"]
    assert 90 < answer.body.data.tags[0].confidence <= 100
    assert answer.body.request_id


def test_recognizing_a_scene(connect: Connect) -> None:
    url = "https://larder.s3.eu-west-1.amazonaws.com/uploads/red.jpg"
    assert tags(connect().recognize_scene(RecognizeSceneRequest(image_url=url))) == ["red"]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.org/cat.jpg", "InvalidFile.URL"),
        ("s3://elsewhere/uploads/red.jpg", "InvalidFile.URL"),
        ("s3://larder/keys/keys.json", "InvalidFile.URL"),
        ("s3://larder/uploads/none.jpg", "InvalidFile.Download"),
        ("s3://larder/uploads/note.txt", "InvalidFile.Content"),
        (None, "MissingImageURL"),
    ],
)
def test_each_error_of_an_image_has_its_code(connect: Connect, url: str | None, code: str) -> None:
    with pytest.raises(AlibabaCloudException, match="code: 400") as raised:
        connect().tagging_image(TaggingImageRequest(image_url=url))
    assert raised.value.code == code


def test_each_other_error_has_its_code(connect: Connect, endpoint: Endpoint) -> None:
    request = TaggingImageRequest(image_url=RED)
    cases = [
        (f"{endpoint.access_key}.wrong", "SignatureDoesNotMatch"),
        (f"LK{'0' * 18}.wrong", "InvalidAccessKeyId.NotFound"),
        (endpoint.add_key("recommend", signs=True), "NoPermission"),
        (endpoint.add_key("classify", signs=True, default_model="pest"), "InvalidModel.NotFound"),
        (endpoint.add_key("classify", signs=True, default_model="draft"), "ServiceUnavailable"),
    ]
    for key, code in cases:
        with pytest.raises(AlibabaCloudException, match="code: ") as raised:
            connect(key).tagging_image(request)
        assert raised.value.code == code
    limited = connect(endpoint.add_key("classify", signs=True, rate=0.01, burst=1))
    limited.tagging_image(request)
    with pytest.raises(AlibabaCloudException, match="code: 400") as throttled:
        limited.tagging_image(request)
    assert throttled.value.code == "Throttling.User"
    with pytest.raises(AlibabaCloudException, match="code: 404") as unknown:
        connect().detect_image_elements(DetectImageElementsRequest(url=RED))
    assert unknown.value.code == "InvalidAction.NotFound"


def test_a_request_without_a_signature(endpoint: Endpoint) -> None:
    answer = endpoint.call("POST", "/?Action=TaggingImage&Version=2019-09-30", b"", {**FORM, "x-api-key": ""})
    assert (answer.status, json.loads(answer.body)["Code"]) == (400, "MissingAccessKeyId")
    many = "&".join(f"p{number}=" for number in range(10_001)).encode()
    assert endpoint.call("POST", "/", many, FORM).status == 400
    other = endpoint.call("POST", "/?Action=TaggingImage&Version=2020-01-01", b"", FORM)
    assert json.loads(other.body)["Code"] == "InvalidVersion"


def test_the_example_runs(endpoint: Endpoint) -> None:
    done = subprocess.run(  # noqa: S603  # our own example
        [sys.executable, ROOT / "examples/clients/alibaba.py", RED],
        env={**os.environ, "LARDER_URL": endpoint.url, "LARDER_KEY": endpoint.key},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[1] == "red"
