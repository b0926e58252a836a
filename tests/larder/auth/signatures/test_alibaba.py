"""Signatures of Alibaba Cloud: requests that its clients sent verify, and none with a changed part does.

``alibaba_requests.json`` has what ``alibabacloud-imagerecog20190930`` 2.0.10 (version 3) and ``aliyun-python-sdk-core``
2.16.1 (version 1.0, POST and GET) sent for this key and secret on 29 November 2026.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.larder.auth.requests import KEY_ID, SECRET, ToyRequest

from larder.auth.signatures import alibaba
from larder.errors import Unauthorized

SENT = 1795964733  # 2026-11-29T15:05:33Z


def load() -> list[ToyRequest]:
    recorded = json.loads(Path(__file__).with_name("alibaba_requests.json").read_text("utf-8"))
    return [ToyRequest(r["method"], r["path"], r["query"], r["headers"], r["body"].encode()) for r in recorded]


ACS, POST, GET = load()


def read(request: ToyRequest) -> "alibaba.RpcSignature | alibaba.AcsSignature":
    signature = alibaba.read_acs(request) if "authorization" in request.headers else alibaba.read_rpc(request)
    assert signature is not None
    return signature


def verifies(request: ToyRequest, secret: str = SECRET) -> bool:
    return alibaba.verifies(read(request), request, secret)


@pytest.mark.parametrize("request_", [ACS, POST, GET], ids=["V3", "V1 POST", "V1 GET"])
def test_what_the_clients_send_verifies(request_: ToyRequest) -> None:
    assert read(request_).key == KEY_ID
    assert verifies(request_)
    assert not verifies(request_, SECRET[::-1])
    alibaba.check_time(read(request_), SENT + 299)
    with pytest.raises(Unauthorized, match="expired"):
        alibaba.check_time(read(request_), SENT + 301)


@pytest.mark.parametrize(
    "changed",
    [
        ACS.having(method="GET"),
        ACS.having(path="/x"),
        ACS.having(raw_query="a=b"),
        ACS.having(content=ACS.content + b" "),
        ACS.having(headers={**ACS.headers, "x-acs-action": "RecognizeScene"}),
        ACS.having(headers={**ACS.headers, "host": "other"}),
        POST.having(method="GET"),
        POST.having(raw_query=POST.raw_query.replace("TaggingImage", "RecognizeScene")),
        POST.having(raw_query=f"{POST.raw_query}&more="),
        POST.having(content=b"ImageURL=other"),
        GET.having(raw_query=GET.raw_query.replace("cn-shanghai", "cn-beijing")),
    ],
)
def test_a_changed_part_does_not_verify(changed: ToyRequest) -> None:
    assert not verifies(changed)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA1"),
        ("SignatureVersion=1.0", "SignatureVersion=2.0", "1.0"),
        ("2026-11-29T15", "2026-13-29T15", "Timestamp"),
    ],
)
def test_another_version_is_refused_in_words(old: str, new: str, word: str) -> None:
    with pytest.raises(Unauthorized, match=word) as caught:
        alibaba.read_rpc(replace(GET, raw_query=GET.raw_query.replace(old, new)))
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("name", ["host", "x-acs-action", "x-acs-date", "x-acs-content-sha256"])
def test_what_decides_must_be_signed(name: str) -> None:
    authorization = ACS.headers["authorization"].replace(f"{name};", "")
    with pytest.raises(Unauthorized, match=f"{name} is not signed"):
        alibaba.read_acs(ACS.having(headers={**ACS.headers, "authorization": authorization}))


@pytest.mark.parametrize(
    ("content_type", "content"),
    [("application/json", b"{}"), ("application/x-www-form-urlencoded", b"a=" + 65_535 * b"b")],
)
def test_a_body_that_version_1_does_not_cover_is_refused(content_type: str, content: bytes) -> None:
    with pytest.raises(Unauthorized, match="covers no body but a form"):
        alibaba.read_rpc(GET.having(headers={**GET.headers, "content-type": content_type}, content=content))


def test_a_request_without_a_signature_has_none() -> None:
    assert alibaba.read_rpc(ToyRequest(raw_query="AccessKeyId=a")) is None
    assert alibaba.read_rpc(ToyRequest(raw_query="Signature=a")) is None
