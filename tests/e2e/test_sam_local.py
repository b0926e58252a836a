"""``sam local`` on the built bundle, as in docs/how-to/run-locally.md: real containers, AWS's runtime client.

It passes binary bodies as text (aws-sam-cli issue 3110), so images are sent in JSON here; the tests of Larder's own
gateway send them as they are.
"""

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.commands import run
from tests.e2e.conftest import FUNCTIONS, document, events, responses_of_the_source
from tests.larder_local.conftest import Answer, Served
from tests.paths import ROOT

from larder_local.gateway.template import Function
from larder_local.lambda_container import docker

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("image"), pytest.mark.timeout(600)]
CASES = {"classify": "json-image", "recommend": "recommend_by_body", "models": "describe"}
START_SECONDS = 120


@pytest.fixture(scope="module")
def environment(bundle: Path, store: Path) -> Iterator[dict[str, str]]:
    """The environment of scripts/sam-local; deletes the images that SAM builds of the layers, up to 400 MB each."""
    before = layer_images()
    yield {"BUNDLE": str(bundle.parent), "STORE": str(store), "AUTHORIZATION": "NONE"}
    if built := layer_images() - before:
        docker("rmi", *built)


def layer_images() -> set[str]:
    """By name: a parent image is deleted with its last child."""
    listed = docker("images", "--filter", "reference=samcli/*", "--format", "{{.Repository}}:{{.Tag}}").split()
    return {name for name in listed if not name.endswith(":<none>")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_invoke_has_the_same_response_as_the_source(
    name: str, environment: dict[str, str], functions: Mapping[str, Function], store: Path, tmp_path: Path
) -> None:
    event = ROOT / "tests/events" / name / f"{CASES[name]}.json"
    done = run("scripts/sam-local", "invoke", FUNCTIONS[name], "--event", event, **environment)
    assert done.returncode == 0, done.stderr
    response = json.loads(done.stdout)
    local = {"LARDER_STORE": store.as_uri()}
    requests = [events(name)[CASES[name]]]
    (expected,) = responses_of_the_source(name, functions[FUNCTIONS[name]], requests, local, tmp_path / "cache")
    assert document(response) == document(expected)
    assert response["statusCode"] == 200


@pytest.fixture(scope="module")
def api(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """``sam local start-api``, listening."""
    folder = tmp_path_factory.mktemp("sam")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603  our own command
            [ROOT / "scripts/sam-local", "start-api", "--port", str(port)],
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, port, folder / "log")
            yield Served(port, folder)
        finally:
            process.terminate()
            process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"sam local start-api does not listen: {log.read_text()[-2000:]}")


def read(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    document: dict[str, Any] = json.loads(answer.body)
    return document


def post(api: Served, path: str, document: Mapping[str, object]) -> Answer:
    return api.call("POST", path, json.dumps(document).encode(), {"content-type": "application/json"})


def test_start_api_classifies_an_image_in_json(api: Served, store: Path) -> None:
    image = base64.b64encode((store / "uploads/1.png").read_bytes()).decode()
    assert read(post(api, "/v1/models/digits/classify", {"image": image}))["labels"][0]["name"] == "1"
    assert read(post(api, "/v1/models/digits/classify", {"object": "uploads/1.png"}))["labels"][0]["name"] == "1"
    refused = post(api, "/v1/models/digits/classify", {"img": "misspelt"})
    assert (refused.status, json.loads(refused.body)["error"]["code"]) == (400, "invalid_request")


def test_start_api_recommends_by_query_and_by_body(api: Served) -> None:
    by_query = read(api.call("GET", "/v1/models/shop/recommend?user=ada&n=3&columns=PRICE"))
    by_body = read(post(api, "/v1/models/shop/recommend", {"user": "ada", "n": 3, "columns": ["PRICE"]}))
    assert by_query == by_body
    assert len(by_query["items"]) == 3
    assert read(api.call("GET", "/v1/models/shop/similar/apple?n=1"))["items"]


def test_start_api_describes_models(api: Served) -> None:
    models = read(api.call("GET", "/v1/models"))["models"]
    assert [(model["model"], model["live"] is not None) for model in models] == [
        ("digits", True),
        ("pets", True),
        ("shop", True),
    ]
    assert read(api.call("GET", "/openapi.json"))["openapi"].startswith("3.1")
    assert api.call("GET", "/v1/models/nothing").status == 404
    assert read(api.call("GET", "/health")) == {"status": "ok"}
