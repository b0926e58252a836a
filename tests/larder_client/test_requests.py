"""The requests that arrive at the service: credentials, media types, JSON and signatures."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.larder_client.conftest import Reply, Scripted

from larder_client import NotFound, Request

ITEMS = Reply(document={"model": "shop", "release": "r", "items": []})
LABELS = Reply(document={"model": "pets", "release": "r", "labels": [], "unknown": True})
KEYS = Credentials("AKIDEXAMPLE", "toy", "session-token")


def test_each_request_has_the_key(scripted: Scripted) -> None:
    scripted.replies = [ITEMS]
    with scripted.client(key="k1") as client:
        client.similar("shop", "p1", release="r", canary_key="caller 7")
    with scripted.client() as client:
        client.similar("shop", "p1")
    first, second = (arrival.headers for arrival in scripted.arrivals)
    assert (first["x-api-key"], first["x-larder-release"], first["x-larder-key"]) == ("k1", "r", "caller 7")
    assert not {"x-api-key", "x-larder-release", "x-larder-key"} & set(second)


def test_a_file_is_the_body_unless_there_is_side_information(scripted: Scripted, tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(b"\x89PNG")
    scripted.replies = [LABELS]
    with scripted.client() as client:
        client.classify("pets", file, max_labels=3, min_confidence=0.25)
        client.classify("pets", file, side={"PLACE": "Köln"})
        client.classify("pets", file.rename(tmp_path / "cat.txt"))
    plain, side, unnamed = scripted.arrivals
    assert (plain.body, plain.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert plain.target == "/v1/models/pets/classify?max_labels=3&min_confidence=0.25"
    assert side.headers["content-type"] == "application/json"
    assert json.loads(side.body) == {"image": base64.b64encode(b"\x89PNG").decode(), "side": {"PLACE": "Köln"}}
    assert (unnamed.body, unnamed.headers["content-type"]) == (b"\x89PNG", "application/octet-stream")


def test_json_has_only_the_given_fields(scripted: Scripted) -> None:
    scripted.replies = [ITEMS]
    with scripted.client() as client:
        client.recommend("shop")
        client.recommend("shop", user="u1", include_seen=False, session=())
    documents = [json.loads(arrival.body) for arrival in scripted.arrivals]
    assert documents == [{}, {"user": "u1", "include_seen": False, "session": []}]


def test_each_attempt_has_a_valid_signature(scripted: Scripted) -> None:
    signed: list[Request] = []

    def sign(request: Request) -> Mapping[str, str]:
        signed.append(request)
        aws = AWSRequest(request.method, request.url, dict(request.headers), request.body)
        SigV4Auth(KEYS, "execute-api", "eu-central-1").add_auth(aws)
        return dict(aws.headers)

    scripted.replies = [Reply(429), ITEMS, ITEMS]
    with scripted.client(sign=sign) as client:
        client.recommend("shop", user="Ж", filter="EXCLUDE ItemID WHERE Items.PRICE > $L", filter_values={"L": 2})
        client.similar("shop", "a/b c", exclude=["x y", "z"], columns=["TITLE"])

    assert [request.method for request in signed] == ["POST", "POST", "GET"]
    for arrival in scripted.arrivals:
        headers = arrival.headers
        names = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        assert {"host", "x-amz-security-token"} <= set(names)
        # As the service does: compute the signature of the received request.
        url = scripted.url + arrival.target
        aws = AWSRequest(arrival.method, url, {name: headers[name] for name in names}, arrival.body)
        aws.context["timestamp"] = headers["x-amz-date"]
        auth = SigV4Auth(KEYS, "execute-api", "eu-central-1")
        signature = auth.signature(auth.string_to_sign(aws, auth.canonical_request(aws)), aws)
        assert headers["authorization"].endswith(f"Signature={signature}")


def test_the_repr_of_a_request_has_no_header_and_no_body() -> None:
    request = Request("POST", "http://host/v1", {"x-api-key": "secret"}, b"image")
    assert repr(request) == "Request(method='POST', url='http://host/v1')"


@pytest.mark.parametrize("name", ["a/b", "ä b", "x?y#z"])
def test_names_are_one_segment_of_the_path(scripted: Scripted, name: str) -> None:
    scripted.replies = [Reply(404)]
    with scripted.client() as client, pytest.raises(NotFound):
        client.model(name)
    assert scripted.arrivals[0].target.count("/") == 3
    assert "?" not in scripted.arrivals[0].target
