"""baidu-aip, unmodified but for the addresses that it has in private attributes, against the running service."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import requests
from aip import AipImageClassify  # type: ignore[import-untyped]  # ships no types
from tests.compat.conftest import BLUE, RED, Endpoint
from tests.paths import ROOT

Client = Any  # has no types
FORM = {"content-type": "application/x-www-form-urlencoded"}
TOKEN = "/oauth/2.0/token"
GENERAL = "/rest/2.0/image-classify/v2/advanced_general"


def addresses(url: str) -> dict[str, str]:
    """The private attributes of the client with an address, on another server."""
    found = {}
    for part in AipImageClassify.__mro__:
        for name, value in vars(part).items():
            if isinstance(value, str) and value.startswith("https://aip.baidubce.com"):
                found[name] = value.replace("https://aip.baidubce.com", url)
    return found


@pytest.fixture(scope="module")
def client_of(endpoint: Endpoint) -> Iterator[Callable[[str], Client]]:
    """Makes a client with a key."""
    shim = type("Shim", (AipImageClassify,), addresses(endpoint.url))
    clients = []

    def make(key: str) -> Client:
        key_id, _, secret = key.partition(".")
        clients.append(shim("any", key_id, secret))
        return clients[-1]

    yield make
    for client in clients:
        client.s.close()


@pytest.fixture(scope="module")
def client(endpoint: Endpoint, client_of: Callable[[str], Client]) -> Client:
    return client_of(endpoint.key)


def post(endpoint: Endpoint, path: str, body: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A request by hand, with the key in a header."""
    answer = endpoint.call("POST", path, body.encode(), {**FORM, **(headers or {})})
    assert answer.status == 200
    document: dict[str, Any] = json.loads(answer.body)
    return document


# ------------------------------------------------------------------------------------------------------------ Labels


def test_advanced_general(client: Client) -> None:
    answer = client.advancedGeneral(RED)
    assert answer["result_num"] == len(answer["result"]) == 3
    assert answer["result"][0]["keyword"] == "red"
    assert answer["result"][0]["score"] > 0.9
    assert answer["result"][0]["root"] == ""
    assert answer["log_id"] != client.advancedGeneral(RED)["log_id"]


def test_options(client: Client) -> None:
    answer = client.advancedGeneral(BLUE, {"top_num": 2, "baike_num": 1})
    assert answer["result"][0]["keyword"] == "blue"
    assert ["baike_info" in label for label in answer["result"]] == [True, False]


@pytest.mark.parametrize("recogniser", ["animalDetect", "plantDetect", "carDetect", "ingredient"])
def test_recognisers_of_one_kind(client: Client, recogniser: str) -> None:
    answer = getattr(client, recogniser)(BLUE, {"top_num": 1})
    (label,) = answer["result"]
    assert label["name"] == "blue"
    assert isinstance(label["score"], str) == (recogniser == "animalDetect")
    assert float(label["score"]) > 0.9


def test_a_custom_model(client: Client, endpoint: Endpoint) -> None:
    def ask(**fields: object) -> Any:  # noqa: ANN401  # JSON
        url = f"{endpoint.url}/rpc/2.0/ai_custom/v1/classification/colours"
        body = {"image": base64.b64encode(RED).decode(), **fields}
        return client.post(url, json.dumps(body), {"Content-Type": "application/json"})

    assert [label["name"] for label in ask()["results"]] == ["red"]
    assert len(ask(threshold=0)["results"]) == 3
    assert len(ask(threshold=0, top_num=2)["results"]) == 2
    assert ask(threshold=2)["error_code"] == 216100
    assert ask(unknown=2)["error_code"] == 216100


# ------------------------------------------------------------------------------------------------------------ Tokens


def test_a_token_is_used_until_it_ends(client_of: Callable[[str], Client], endpoint: Endpoint) -> None:
    client = client_of(endpoint.key)
    client.advancedGeneral(RED)
    token = client._authObj["access_token"]
    assert client._authObj["expires_in"] == 2_592_000
    client.advancedGeneral(RED)
    assert client._authObj["access_token"] == token


def test_a_token_that_is_no_longer_valid_is_refreshed_once(
    client_of: Callable[[str], Client], endpoint: Endpoint
) -> None:
    client = client_of(endpoint.key)
    client.advancedGeneral(RED)
    client._authObj["access_token"] = "24.stale"
    answer = post(endpoint, f"{GENERAL}?access_token=24.stale", "image=", {"x-api-key": ""})
    assert (answer["error_code"], answer["error_msg"][:46]) == (110, "Access token invalid or no longer valid: The k")
    # The client asks for another token, and sends the parameters of its second request with it.
    assert client.advancedGeneral(RED)["result"][0]["keyword"] == "red"
    assert client._authObj["access_token"] != "24.stale"


def test_a_client_with_a_wrong_secret_is_refused(client_of: Callable[[str], Client], endpoint: Endpoint) -> None:
    answer = client_of(f"{endpoint.access_key}.wrong").advancedGeneral(RED)
    assert (answer["error_code"], answer["error_msg"].partition(":")[0]) == (14, "IAM Certification failed")


def test_the_token_by_get_and_post(endpoint: Endpoint) -> None:
    fields = {
        "grant_type": "client_credentials",
        "client_id": endpoint.access_key,
        "client_secret": endpoint.secret_key,
    }
    answers = [
        requests.get(f"{endpoint.url}{TOKEN}", params=fields, timeout=30),
        requests.post(f"{endpoint.url}{TOKEN}", params=fields, timeout=30),
        requests.post(f"{endpoint.url}{TOKEN}", data=fields, timeout=30),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert "brain_all_scope" in answer.json()["scope"].split()
    for wrong, status, error in (
        ({"grant_type": "password"}, 400, "invalid_request"),
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"client_id": "x"}, 401, "invalid_client"),
        ({"client_id": None}, 400, "invalid_request"),
    ):
        answer = requests.get(f"{endpoint.url}{TOKEN}", params={**fields, **wrong}, timeout=30)
        assert (answer.status_code, answer.json()["error"]) == (status, error)


# ------------------------------------------------------------------------------------------------------------ Errors


def test_each_error_has_baidus_code(client: Client, client_of: Callable[[str], Client], endpoint: Endpoint) -> None:
    answers = [
        (client.advancedGeneral(b"no image"), 216201, "image format error: These 8 bytes"),
        (client.advancedGeneral(RED[:400]), 216201, "image format error: This image is truncated"),
        (client.advancedGeneral(b""), 216200, "empty image"),
        (client.advancedGeneral(RED, {"top_num": "many"}), 216100, "invalid param: top_num"),
        (client.advancedGeneral(RED, {"top": 1}), 216100, "invalid param: 'top'"),
        (client.advancedGeneralUrl("https://example.org/cat.jpg"), 216100, "invalid param: url is not supported"),
        (client.objectDetect(RED), 3, "Unsupported openapi method: 'v1/object_detect'"),
        (client_of(endpoint.add_key("recommend")).advancedGeneral(RED), 6, "No permission to access data"),
        (client_of(endpoint.add_key("classify", default_model="draft")).advancedGeneral(RED), 2, "Service temporarily"),
        (
            client_of(endpoint.add_key("classify", default_model="broken")).advancedGeneral(RED),
            2,
            "Service temporarily",
        ),
        (client_of(endpoint.add_key("classify", default_model="pest")).advancedGeneral(RED), 3, "Unsupported openapi"),
    ]
    for answer, code, message in answers:
        assert answer["error_code"] == code, answer
        assert answer["error_msg"].startswith(message), answer


def test_a_rate_is_kept(client_of: Callable[[str], Client], endpoint: Endpoint) -> None:
    client = client_of(endpoint.add_key("classify", rate=0.01, burst=1))
    assert "result" in client.advancedGeneral(RED)
    assert client.advancedGeneral(RED)["error_code"] == 18


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", 216101),
        ("top_num=3", 216101),
        ("image=", 216200),
        ("image=data:image/jpeg;base64,AAAA", 216201),
        ("image=AAA", 216201),
        ("image=%FF%FE", 216201),
        ("image=AAAA&top_num=0", 216100),
        ("image=AAAA&top_num=-1", 216100),
        ("image=AAAA&baike_num=1e3", 216100),
        ("&".join(f"p{number}=" for number in range(10_001)), 216100),
    ],
)
def test_a_malformed_form_is_an_error(endpoint: Endpoint, body: str, code: int) -> None:
    assert post(endpoint, GENERAL, body)["error_code"] == code


def test_a_form_that_is_not_encoded_for_urls_is_understood(endpoint: Endpoint) -> None:
    text = base64.b64encode(RED).decode()
    assert "+" in text
    for body in (f"image={text}", f"image={quote(text, safe='')}", urlencode({"image": text})):
        assert post(endpoint, GENERAL, body)["result"][0]["keyword"] == "red"


def test_the_example_runs(endpoint: Endpoint) -> None:
    done = subprocess.run(  # noqa: S603  # our own example
        [sys.executable, ROOT / "examples/clients/baidu.py", endpoint.store / "uploads/red.jpg"],
        env={**os.environ, "LARDER_URL": endpoint.url, "LARDER_KEY": endpoint.key},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[0].endswith(" red")
