"""The modules that a cold start loads, and the phases that it logs. Budgets count modules, not milliseconds."""

import base64
import gc
import json
import subprocess
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from PIL import Image
from tests.cold_start.conftest import ColdStart

from larder.auth import parse_scope
from larder.runtime.cold_start import ColdStart as Phases
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore

RUNTIME = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}  # as in the Lambda runtime; no request is sent to it
# All that a function may load in addition to the standard library and Larder.
ALLOWED = {
    "classify": {"aws_lambda_powertools", "typing_extensions", "obstore", "numpy", "onnxruntime", "PIL"},
    "recommend": {"aws_lambda_powertools", "typing_extensions", "obstore"},
    "models": {"aws_lambda_powertools", "typing_extensions", "obstore"},
}
# Modules that the __init__ modules of Powertools or Larder could load, but no request needs.
UNUSED = {
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.event_handler.appsync",
    "aws_lambda_powertools.utilities.data_classes.sqs_event",
    "asyncio",
    "concurrent.futures",
    "larder.filters",
    "jmespath",
    "pydantic",
}
NEEDED = {"models": {"concurrent.futures"}}  # it reads many pointers concurrently
MOST = {"classify": 365, "recommend": 250, "models": 260}  # modules, with a small margin


def request(path: str, query: Mapping[str, str] | None = None, body: bytes = b"") -> dict[str, object]:
    """An event for ``/v1/models/<model>/<verb>``."""
    context = {"http": {"method": "POST" if body else "GET", "path": path}, "stage": "$default"}
    return {
        "version": "2.0",
        "routeKey": "a route",
        "rawPath": path,
        "headers": {},
        "pathParameters": {"model": path.split("/")[3]},
        "queryStringParameters": dict(query or {}),
        "requestContext": context,
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def image() -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), (250, 250, 250)).save(file, "PNG")
    return file.getvalue()


QUERY = {"session": "kettle", "n": "1"}
EVENTS = {
    "classify": request("/v1/models/digits/classify", body=image()),
    "recommend": request("/v1/models/shop/recommend", QUERY),
    "models": request("/v1/models/shop", {}),
}


@pytest.mark.parametrize("function", EVENTS)
def test_a_request_loads_only_what_it_needs(start: ColdStart, function: str) -> None:
    result = start(function, EVENTS[function], **RUNTIME, LARDER_PRELOAD="digits,shop")
    assert result.answer["statusCode"] == 200, result.answer
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()  # what the interpreter loads itself, including the finders of editable installs
    known = set(sys.stdlib_module_names) | {"larder", "app", "__main__"} | {name.partition(".")[0] for name in bare}
    loaded = set(result.modules)
    assert {name.partition(".")[0] for name in loaded} - known <= ALLOWED[function]
    assert not (UNUSED - NEEDED.get(function, set())) & loaded

    assert len(loaded) <= MOST[function], "a new import: is it needed on the request path?"


def keyed(store: Path, event: Mapping[str, object], *, signs: bool) -> dict[str, object]:
    """The event with a key that is now in the store, or with its signature."""
    key, secret = new_key((parse_scope("admin"),), now=0, signs=signs)
    KeyStore.open(store.as_uri()).add(key)
    if not signs:
        return {**event, "headers": {"x-api-key": f"{key.id}.{secret}"}}
    query = "&".join(f"{name}={value}" for name, value in QUERY.items())
    request = AWSRequest("GET", f"https://h{event['rawPath']}?{query}", {"host": "h"})
    SigV4Auth(Credentials(key.id, secret), "personalize", "eu-west-1").add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return {**event, "rawQueryString": query, "headers": headers}


@pytest.mark.parametrize("function", EVENTS)
def test_a_key_is_verified_without_what_verifies_signatures(start: ColdStart, store: Path, function: str) -> None:
    result = start(function, keyed(store, EVENTS[function], signs=False), **RUNTIME, LARDER_AUTHORIZATION="KEYS")
    assert result.answer["statusCode"] == 200, result.answer
    assert not {"larder.auth.signatures", "larder.auth.tokens", "larder.auth.throttle"} & set(result.modules)
    assert len(result.modules) <= MOST[function]


def test_a_signature_is_verified_without_numpy_and_boto3(start: ColdStart, store: Path) -> None:
    event = keyed(store, EVENTS["recommend"], signs=True)
    result = start("recommend", event, **RUNTIME, LARDER_AUTHORIZATION="KEYS")
    assert result.answer["statusCode"] == 200, result.answer
    assert "larder.auth.signatures.sigv4" in result.before  # it has loaded beside the model
    assert not {"numpy", "boto3", "botocore", "larder.auth.signatures.alibaba"} & set(result.modules)


def test_a_request_of_personalize_loads_neither_a_model_library_nor_a_client(start: ColdStart) -> None:
    body = {"campaignArn": "arn:aws:personalize:us-east-1:123456789012:campaign/shop", "userId": "ada"}
    event = {**request("/v1/models/shop/recommend", body=json.dumps(body).encode()), "rawPath": "/recommendations"}
    event["requestContext"] = {"http": {"method": "POST", "path": "/recommendations"}, "stage": "$default"}
    result = start("recommend", event, **RUNTIME)
    assert result.answer["statusCode"] == 200, result.answer
    assert "larder.compat.personalize.runtime" in set(result.modules) - set(result.before)
    assert not UNUSED & set(result.modules)
    assert not {"numpy", "boto3", "botocore", "onnxruntime"} & {name.partition(".")[0] for name in result.modules}


@pytest.mark.parametrize("function", EVENTS)
def test_the_first_request_logs_the_phases(start: ColdStart, function: str) -> None:
    cold = start(function, EVENTS[function]).cold
    opened = {"pointer", "files", "session"} if function != "models" else set()
    assert set(cold) == {"imports", "store", "answer"} | opened
    assert all(milliseconds >= 0 for milliseconds in cold.values())
    assert cold["imports"] > 0


@pytest.mark.parametrize("function", ["classify", "recommend"])
def test_a_preloaded_model_serves_the_first_event_without_the_store(
    start: ColdStart, store: Path, function: str
) -> None:
    gone = {"GONE": str(store), **RUNTIME}
    named = start(function, EVENTS[function], **gone, LARDER_PRELOAD="digits,shop")
    assert named.answer["statusCode"] == 200
    assert named.errors == "", "a model of the other function is not an error"
    Path(f"{store}.gone").rename(store)
    assert start(function, EVENTS[function], **gone).answer["statusCode"] == 404, "with two models, none is preloaded"


def test_the_only_model_is_preloaded_by_default(start: ColdStart, store: Path) -> None:
    (store / "models/digits").rename(store / "models.digits")
    assert start("recommend", EVENTS["recommend"], **RUNTIME, GONE=str(store)).answer["statusCode"] == 200


@pytest.mark.parametrize(
    ("damage", "status"),
    [
        ("no pointer", 503),
        ("truncated file", 422),
        ("unknown name", 200),
        ("no store", 503),
        ("no environment", 500),
    ],
)
def test_if_preloading_fails_the_function_starts_and_the_request_reports_it(
    start: ColdStart, store: Path, damage: str, status: int
) -> None:
    changed = {"LARDER_PRELOAD": "shop", **RUNTIME}
    if damage == "no pointer":
        (store / "models/shop/live.json").unlink()
    elif damage == "truncated file":
        next((store / "models/shop/releases").glob("*/neighbours.safetensors")).write_bytes(b"cut")
    elif damage == "unknown name":
        changed["LARDER_PRELOAD"] = "no-such-model,Not A Name"
    elif damage == "no store":
        changed["LARDER_STORE"] = "s3://_"
    else:
        changed["LARDER_MAX_PIXELS"] = ""
    answer = start("recommend", EVENTS["recommend"], **changed).answer
    assert answer["statusCode"] == status
    assert status == 200 or "error" in json.loads(answer["body"])


def test_garbage_collection_is_on_again_after_the_function_is_loaded() -> None:
    try:
        phases = Phases({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"})
        assert not gc.isenabled()
        phases.imported()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.enable()
        gc.unfreeze()


def test_outside_the_lambda_runtime_the_process_is_unchanged(start: ColdStart) -> None:
    Phases({}).imported()
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)
    assert (
        "larder.store.opening" not in start("recommend", EVENTS["recommend"], LARDER_PRELOAD="shop").before
    )  # no store was opened


def test_phases_end_with_the_first_request() -> None:
    phases = Phases({})
    phases.add("files", 0.25)
    with phases.measured("pointer"):
        pass
    assert (phases.answered(0.5) or {}).items() >= {"files": 250.0, "answer": 500.0}.items()
    phases.add("files", 1.0)
    assert phases.answered(0.5) is None
