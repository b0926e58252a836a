"""The OpenAPI document matches the service: routes, parameters and responses."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate
from tests.paths import ROOT

from larder import errors
from larder.classifier.request import FIELDS, OPTIONS
from larder.recommender import RANK, RECOMMEND, SIMILAR, TRENDING
from larder.registry.search.query import PARAMETERS as RELEASES
from larder_local.gateway.event import HttpResponse
from larder_local.gateway.template import load

METHODS = ("get", "post", "put", "delete")
JSON = {"content-type": "application/json"}
JSON_TYPES = {"application/json", "application/x-amz-json-1.1"}

Document = dict[str, Any]
Ask = Callable[..., HttpResponse]


@cache
def described() -> Document:
    document: Document = json.loads((resources.files("larder") / "openapi.json").read_text("utf-8"))
    return document


def resolve(value: Document) -> Document:
    """What a ``$ref`` refers to."""
    if "$ref" not in value:
        return value
    target: Any = described()
    for part in value["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return resolve(target)


def operations() -> Iterator[tuple[str, str, Document]]:
    for path, item in described()["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def operation(method: str, url: str) -> Document:
    """The operation whose path matches the URL; of several, the one with the fewest variables, as in API Gateway."""
    path = url.partition("?")[0]
    matches = [
        (template.count("{"), document)
        for verb, template, document in operations()
        if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    return min(matches, key=lambda pair: pair[0])[1]


def check(instance: object, schema: Document) -> None:
    """Raises jsonschema's error if ``instance`` breaks a schema of the document."""
    whole = {**schema, "components": described()["components"]}
    jsonschema.validate(instance, whole, jsonschema.Draft202012Validator, format_checker=jsonschema.FormatChecker())


def test_the_document_is_valid_openapi() -> None:
    validate(described())
    assert described()["info"]["version"] == version("larder")


def test_its_routes_are_the_templates() -> None:
    routes = {(route.method, route.path) for route in load(ROOT / "template.yaml").routes}
    assert {(method, path) for method, path, _ in operations()} == routes


def test_every_operation_has_its_own_id_a_summary_and_only_declared_tags() -> None:
    ids = [document["operationId"] for _, _, document in operations()]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in described()["tags"]}
    for _, _, document in operations():
        assert document["summary"]
        assert set(document["tags"]) <= tags


def test_every_component_is_used() -> None:
    text = json.dumps(described())
    for kind, entries in described()["components"].items():
        for name in entries:
            if kind != "securitySchemes":
                assert f'"#/components/{kind}/{name}"' in text, name


def test_only_health_the_document_itself_and_the_script_of_pages_need_no_key() -> None:
    assert {path for _, path, document in operations() if document.get("security") == []} == {
        "/health",
        "/openapi.json",
        "/events.js",
        "/ping",
        "/oauth/2.0/token",
        "/v2/health/live",
        "/v2/health/ready",
    }


# ------------------------------------------------------------------------------------------------------ Parameters


def parameters(method: str, path: str, place: str) -> set[str]:
    documents = [resolve(reference) for reference in operation(method, path).get("parameters", [])]
    return {document["name"].partition(".")[0] for document in documents if document["in"] == place}


def properties(schema: str) -> set[str]:
    return set(described()["components"]["schemas"][schema]["properties"])


@pytest.mark.parametrize(
    ("method", "path", "accepted"),
    [
        ("POST", "/v1/models/m/classify", OPTIONS),
        ("GET", "/v1/models/m/recommend", RECOMMEND - {"promotions"}),  # objects in a list: JSON only
        ("POST", "/v1/models/m/recommend", frozenset()),
        ("POST", "/v1/models/m/rank", frozenset()),
        ("GET", "/v1/models/m/similar/i", SIMILAR),
        ("GET", "/v1/models/m/trending", TRENDING),
        ("GET", "/v1/models/m/releases", set(RELEASES)),
        ("GET", "/v1/models", {"n", "next", "text"}),
        ("GET", "/v1/models/m", frozenset()),
        ("GET", "/v1/models/m/live", frozenset()),
        ("GET", "/v1/models/m/ready", frozenset()),
        ("GET", "/v1/models/m/filters", frozenset()),
        ("GET", "/v1/models/m/filters/f", frozenset()),
        ("PUT", "/v1/models/m/filters/f", frozenset()),
        ("DELETE", "/v1/models/m/filters/f", frozenset()),
        ("POST", "/v1/models/m/events", frozenset()),
        ("POST", "/v1/models/m/items", frozenset()),
        ("POST", "/v1/models/m/users", frozenset()),
        ("GET", "/v1/models/m/attribution", {"from", "to", "by"}),
        ("GET", "/v1/users/u", {"model"}),
        ("DELETE", "/v1/users/u", {"model"}),
        ("GET", "/v1/deletions/r", frozenset()),
        ("GET", "/v1/models/m/events/settings", frozenset()),
        ("PUT", "/v1/models/m/events/settings", frozenset()),
        ("GET", "/v1/models/m/releases/r", frozenset()),
        ("GET", "/v1/models/m/releases/r/structure", frozenset()),
        ("GET", "/v1/models/m/releases/r/files", frozenset()),
        ("GET", "/v1/models/m/releases/r/files/f", frozenset()),
        ("GET", "/openapi.json", frozenset()),
        ("GET", "/events.js", frozenset()),
        ("GET", "/health", frozenset()),
        ("POST", "/", frozenset()),
        ("POST", "/rekognition", frozenset()),
        ("DELETE", "/v1/models/m/releases/r", frozenset()),
        ("GET", "/v1/models/m/releases/r/rollout", frozenset()),
        ("GET", "/v1/models/m/releases/r/comparison", {"base", "metric"}),
        ("POST", "/v1/models/m/releases/r/promote", frozenset()),
        ("POST", "/v1/models/m/releases/r/reject", frozenset()),
        ("POST", "/v1/models/m/rollback", frozenset()),
        ("GET", "/v1/models/m/history", {"n", "next"}),
        ("GET", "/v1/models/m/training-jobs", {"n", "next"}),
        ("POST", "/v1/models/m/training-jobs", frozenset()),
        ("GET", "/v1/models/m/training-jobs/j", frozenset()),
        ("GET", "/v1/models/m/training-jobs/j/logs", {"from", "bytes"}),
        ("GET", "/v1/models/m/training-jobs/j/trials", frozenset()),
        ("POST", "/v1/models/m/training-jobs/j/stop", frozenset()),
        ("POST", "/v1/models/m/training-data", frozenset()),
        ("PUT", "/v1/models/m/training-data/d", {"file"}),
        ("GET", "/v1/training-jobs/schema/k", frozenset()),
        ("GET", "/v1/models/m/canary", frozenset()),
        ("GET", "/v1/models/m/schedule", frozenset()),
        ("PUT", "/v1/models/m/schedule", frozenset()),
        ("GET", "/v1/models/m/policy", frozenset()),
        ("PUT", "/v1/models/m/policy", frozenset()),
        ("GET", "/v2/health/live", frozenset()),
        ("GET", "/v2/health/ready", frozenset()),
        ("GET", "/v2", frozenset()),
        ("GET", "/v2/models/m", frozenset()),
        ("GET", "/v2/models/m/ready", frozenset()),
        ("GET", "/v2/models/m/config", frozenset()),
        ("GET", "/v2/models/m/stats", frozenset()),
        ("POST", "/v2/models/m/infer", frozenset()),
        ("GET", "/v2/models/m/versions/r", frozenset()),
        ("GET", "/v2/models/m/versions/r/ready", frozenset()),
        ("GET", "/v2/models/m/versions/r/config", frozenset()),
        ("GET", "/v2/models/m/versions/r/stats", frozenset()),
        ("POST", "/v2/models/m/versions/r/infer", frozenset()),
        ("POST", "/v2/repository/index", frozenset()),
        ("POST", "/v2/repository/models/m/load", frozenset()),
        ("POST", "/v2/repository/models/m/unload", frozenset()),
        ("POST", "/v1/m", frozenset()),
        ("POST", "/v1/projects/p/m", frozenset()),
        ("POST", "/v1/projects/p/locations/l/m", frozenset()),
        ("GET", "/oauth/2.0/token", {"grant_type", "client_id", "client_secret"}),
        ("POST", "/oauth/2.0/token", {"grant_type", "client_id", "client_secret"}),
        ("POST", "/rest/2.0/image-classify/v1/k", frozenset()),
        ("POST", "/rest/2.0/image-classify/v1/classify/k", frozenset()),
        ("POST", "/rest/2.0/image-classify/v2/k", frozenset()),
        ("POST", "/rpc/2.0/ai_custom/v1/classification/m", frozenset()),
        ("POST", "/endpoints/m/invocations", frozenset()),
        ("POST", "/endpoints/m/async-invocations", frozenset()),
        ("POST", "/endpoints/m/invocations-response-stream", frozenset()),
        ("POST", "/recommenders/endpoints/m/invocations", frozenset()),
        ("POST", "/invocations", frozenset()),
        ("GET", "/ping", frozenset()),
        ("POST", "/recommendations", frozenset()),
        ("POST", "/personalize", frozenset()),
        ("POST", "/personalize-ranking", frozenset()),
        ("POST", "/action-recommendations", frozenset()),
        ("POST", "/events", frozenset()),
        ("POST", "/items", frozenset()),
        ("POST", "/users", frozenset()),
        ("POST", "/action-interactions", frozenset()),
        ("POST", "/actions", frozenset()),
    ],
)
def test_query_parameters_are_those_that_the_code_reads(method: str, path: str, accepted: frozenset[str]) -> None:
    assert parameters(method, path, "query") == accepted


def test_the_table_of_parameters_has_every_operation() -> None:
    (table,) = test_query_parameters_are_those_that_the_code_reads.pytestmark  # type: ignore[attr-defined]  # pytest's
    assert len(table.args[1]) == len(list(operations()))


def test_fields_are_those_that_the_code_reads() -> None:
    assert properties("ClassifyRequest") == FIELDS
    assert properties("RecommendRequest") == RECOMMEND
    assert properties("RankRequest") == RANK


def test_every_path_variable_is_a_parameter() -> None:
    for method, path, _ in operations():
        assert parameters(method, path.replace("{", "").replace("}", ""), "path") == set(re.findall(r"\{(\w+)\}", path))


# ----------------------------------------------------------------------------------------------------------- Errors


def test_the_document_lists_all_error_codes() -> None:
    def below(error: type[errors.LarderError]) -> Iterator[type[errors.LarderError]]:
        yield error
        for child in error.__subclasses__():
            yield from below(child)

    code = described()["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]
    assert set(code["enum"]) == {error.code for error in below(errors.LarderError)}


def test_every_operation_documents_its_errors() -> None:
    for method, path, document in operations():
        statuses = set(document["responses"])
        assert {"429", "500"} <= statuses, path
        if "{model}" in path:
            assert {"400", "401", "403", "404", "503"} <= statuses, path
        if method == "POST" and path.endswith("/classify"):
            assert {"413", "415", "422"} <= statuses


# --------------------------------------------------------------------------------------------------------- Examples


def media(value: object) -> Iterator[Document]:
    """Every part of the document that has a schema, and maybe examples."""
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from media(child)
    if isinstance(value, dict) and "schema" in value:
        yield value


def test_every_example_matches_its_schema() -> None:
    count = 0
    for part in media(described()):
        examples = [part["example"]] if "example" in part else []
        examples += [named["value"] for named in part.get("examples", {}).values()]
        for example in examples:
            check(example, part["schema"])
            count += 1
    assert count > 20


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        (method, path, name)
        for method, path, document in operations()
        for name in document.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {})
    ],
)
def test_every_example_of_a_body_gets_a_200(ask: Ask, method: str, path: str, name: str) -> None:
    example = operation(method, path.replace("{model}", "m"))["requestBody"]["content"]["application/json"]["examples"]
    body = json.dumps(example[name]["value"]).replace("uploads/cat.jpg", "uploads/image.png").encode()
    model = "digits" if path.endswith("classify") else "shop"
    response = ask(method, path.replace("{model}", model), JSON, body)
    assert response.status == 200, response.body


# ----------------------------------------------------------------------------------------------------- Real responses


def checked(ask: Ask, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> HttpResponse:
    """Sends a request, and checks the response against the document."""
    response: HttpResponse = ask(method, url, headers or {}, body)
    documented = operation(method, url)["responses"]
    assert str(response.status) in documented, (
        f"{method} {url}: {response.status} is undocumented; {response.body!r:.200}"
    )
    document = resolve(documented[str(response.status)])
    sent = dict(response.headers)
    for name, header in document.get("headers", {}).items():
        check(sent[name], resolve(header).get("schema", {}))
    content = document.get("content", {})
    if JSON_TYPES & set(content):
        media_type = sent["content-type"]
        assert media_type in JSON_TYPES & set(content)
        check(json.loads(response.body), content[media_type]["schema"])
    return response


def release(ask: Ask, model: str) -> str:
    live: str = json.loads(ask("GET", f"/v1/models/{model}").body)["live"]
    return live


@pytest.mark.parametrize(
    "url",
    [
        "/health",
        "/openapi.json",
        "/events.js",
        "/v1/models",
        "/v1/models/digits",
        "/v1/models/shop",
        "/v1/models/shop/live",
        "/v1/models/digits/ready",
        "/v1/models/digits/releases",
        "/v1/models/digits/releases?n=1",
        "/v1/models/digits/releases/{digits}",
        "/v1/models/shop/releases/{shop}",
        "/v1/models/shop/releases/{shop}/structure",
        "/v1/models/shop/releases/{shop}/files",
        "/v1/models/digits/releases/{digits}/files/report.html",
        "/v1/models/shop/recommend",
        "/v1/models/shop/recommend?user=u0001&n=2&columns=TITLE,PRICE",
        "/v1/models/shop/recommend?session=p0001,p0002&exclude=p0003",
        "/v1/models/shop/recommend?profile.CITY=Berlin&include_seen=true",
        "/v1/models/shop/recommend?item=p0001&filter=EXCLUDE+ItemID+WHERE+Items.PRICE+%3E+%24LIMIT&filter_values.LIMIT=20",
        "/v1/models/shop/similar/p0001?n=1&columns=KIND",
    ],
)
def test_responses_to_get_match_the_document(ask: Ask, url: str) -> None:
    url = url.replace("{digits}", release(ask, "digits")).replace("{shop}", release(ask, "shop"))
    assert checked(ask, "GET", url).status == 200


@pytest.mark.parametrize(
    ("url", "document"),
    [
        ("/v1/models/shop/recommend", {}),
        ("/v1/models/shop/recommend", {"session": ["p0001"], "columns": ["TITLE", "PRICE"], "n": 3}),
        ("/v1/models/shop/recommend", {"promotions": [{"name": "tea", "percent": 50, "items": ["p0004"]}], "n": 2}),
        ("/v1/models/shop/rank", {"items": ["p0003", "nothing", "p0001"], "user": "u0001"}),
        ("/v1/models/digits/classify", {"object": "uploads/image.png"}),
        ("/v1/models/digits/classify?max_labels=1", {"object": "uploads/image.png", "min_confidence": 0}),
    ],
)
def test_responses_to_post_match_the_document(ask: Ask, url: str, document: Document) -> None:
    check(document, operation("POST", url)["requestBody"]["content"]["application/json"]["schema"])
    response = checked(ask, "POST", url, JSON, json.dumps(document).encode())
    assert response.status == 200, response.body


def test_responses_about_a_training_job_match_the_document(ask: Ask) -> None:
    jobs = "/v1/models/shop/training-jobs"
    assert checked(ask, "GET", "/v1/training-jobs/schema/recommender").status == 200
    assert checked(ask, "PUT", "/v1/models/shop/training-data/d?file=log.csv", {}, b"a,b").status == 200
    body = json.dumps({"channels": {"interactions": "training-data/shop/d/"}}).encode()
    started = checked(ask, "POST", jobs, JSON, body)
    assert started.status == 202
    job = f"{jobs}/{json.loads(started.body)['job']}"
    for url in (jobs, f"{jobs}?n=1", job, f"{job}/logs", f"{job}/logs?from=0&bytes=99", f"{job}/trials"):
        assert checked(ask, "GET", url).status == 200
    for url, status in ((f"{jobs}?n=0", 400), (f"{jobs}/x", 400), (f"{jobs}/20200101t000000z-00000000", 404)):
        assert checked(ask, "GET", url).status == status
    assert checked(ask, "POST", jobs, JSON, b'{"channels": {}, "hyperparameters": {"trials": "x"}}').status == 400
    assert checked(ask, "POST", f"{job}/stop").status == 200


def test_the_response_to_an_image_matches_the_document(ask: Ask, image: bytes) -> None:
    for headers in ({"content-type": "image/png"}, {"content-type": "application/octet-stream"}, {}):
        response = checked(ask, "POST", "/v1/models/digits/classify", headers, image)
        assert json.loads(response.body)["labels"][0]["name"] == "1"
    sent = json.dumps({"image": base64.b64encode(image).decode()}).encode()
    response = checked(ask, "POST", "/v1/models/digits/classify", JSON, sent)
    assert json.loads(response.body)["labels"][0]["name"] == "1"


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "status"),
    [
        ("GET", "/v1/models?all=1", {}, b"", 400),
        ("GET", "/v1/models/pest", {}, b"", 404),
        ("GET", "/v1/models/No", {}, b"", 400),
        ("GET", "/v1/models/pest/live", {}, b"", 404),
        ("GET", "/v1/models/pest/ready", {}, b"", 404),
        ("GET", "/v1/models/shop/releases?n=0", {}, b"", 400),
        ("GET", "/v1/models/shop/releases/nothing", {}, b"", 404),
        ("GET", "/v1/models/shop/releases/{shop}/files/nothing", {}, b"", 404),
        ("GET", "/v1/models/digits/releases/{digits}/files/report.html", {"range": "bytes=0-4"}, b"", 206),
        ("GET", "/v1/models/digits/releases/{digits}/files/report.html", {"range": "bytes=99-"}, b"", 416),
        ("GET", "/v1/models/shop/recommend?n=501", {}, b"", 400),
        ("GET", "/v1/models/shop/recommend?usr=1", {}, b"", 400),
        ("GET", "/v1/models/digits/recommend", {}, b"", 404),
        ("GET", "/v1/models/shop/recommend", {"x-larder-release": "nothing"}, b"", 404),
        ("GET", "/v1/models/shop/similar/nothing", {}, b"", 404),
        ("GET", "/v1/models/shop/trending", {}, b"", 404),
        ("POST", "/v1/models/shop/rank", JSON, b"{", 400),
        ("POST", "/v1/models/shop/rank", JSON, b'{"items": []}', 400),
        ("POST", "/v1/models/shop/recommend", JSON, b'{"n": NaN}', 400),
        ("POST", "/v1/models/digits/classify", {"content-type": "image/png"}, b"not an image", 415),
        ("POST", "/v1/models/digits/classify", {"content-type": "text/html"}, b"<p>", 415),
        ("POST", "/v1/models/digits/classify", {}, b"", 400),
        (
            "POST",
            "/v1/models/digits/classify",
            JSON,
            b'{"object": "uploads/no.png"}',
            404,
        ),
        ("POST", "/v1/models/shop/classify", {}, b"\x89PNG\r\n\x1a\n", 404),
    ],
)
def test_errors_match_the_document(
    ask: Ask, method: str, url: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    url = url.replace("{digits}", release(ask, "digits")).replace("{shop}", release(ask, "shop"))
    assert checked(ask, method, url, headers, body).status == status


def test_the_error_of_a_truncated_image_matches_the_document(ask: Ask, image: bytes) -> None:
    assert checked(ask, "POST", "/v1/models/digits/classify", {"content-type": "image/png"}, image[:50]).status == 422


def test_the_error_of_a_large_image_matches_the_document(ask: Ask) -> None:
    response = checked(ask, "POST", "/v1/models/digits/classify", {"content-type": "image/png"}, b"\x89PNG" * 1_200_000)
    assert response.status == 413


# -------------------------------------------------------------------------------------- Clients of other services

TARGET = {"x-amz-target": "RekognitionService.DetectLabels", "content-type": "application/x-amz-json-1.1"}


@pytest.mark.parametrize(
    ("url", "headers", "body", "status"),
    [
        ("/", TARGET, b'{"Image": {"S3Object": {"Bucket": "larder", "Name": "uploads/image.png"}}}', 200),
        ("/rekognition", TARGET, b'{"Image": {}}', 400),
        ("/", {}, b"", 400),
        ("/endpoints/digits/invocations", JSON, b'{"object": "uploads/image.png"}', 200),
        ("/endpoints/digits/invocations", JSON, b'{"dataframe_records": [{"object": "uploads/image.png"}]}', 200),
        ("/endpoints/digits/invocations", {"content-type": "text/csv"}, b"1,2", 424),
        ("/endpoints/nothing/invocations", {}, b"", 400),
        ("/endpoints/digits/async-invocations", {}, b"", 400),
        ("/endpoints/digits/invocations-response-stream", {}, b"", 400),
        ("/recommenders/endpoints/shop/invocations", JSON, b'{"user": "u0001", "n": 1}', 200),
        ("/recommenders/endpoints/shop/invocations", JSON, b'{"inputs": "u0001"}', 200),
        ("/recommenders/endpoints/shop/invocations", JSON, b'{"usr": 1}', 424),
        ("/invocations", JSON, b'{"inputs": {"object": "uploads/image.png"}}', 200),
        ("/invocations", {"content-type": "image/png", "accept": "text/csv"}, b"", 406),
        ("/invocations", {"content-type": "text/csv"}, b"1,2", 415),
        ("/invocations?top=3", JSON, b"{}", 400),
    ],
)
def test_responses_to_clients_of_other_services_match_the_document(
    ask: Ask, url: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert checked(ask, "POST", url, headers, body).status == status


def test_ping_matches_the_document(ask: Ask) -> None:
    assert checked(ask, "GET", "/ping").body == b""
