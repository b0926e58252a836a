"""Requests to every route with damaged keys, signatures, headers and bodies: no 5xx, and none is let in without a key.

The handlers run in this process, behind the template's routes, with the keys of a store.
"""

import json
import random
import string
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.openapi.conftest import image, store
from tests.paths import ROOT

from larder.auth import parse_scope
from larder.compat import routes as compat
from larder_local.gateway.event import HttpRequest, HttpResponse, decode, encode
from larder_local.gateway.routes import Route, find
from larder_local.gateway.template import load
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore

__all__ = ["image", "store"]  # fixtures

HOST = "larder.example"
FUNCTIONS = ("classify", "recommend", "models", "events")
ROUTES = load(ROOT / "template.yaml").routes
PUBLIC = {("GET", "/health"), ("GET", "/openapi.json"), ("GET", "/events.js")} | {
    (route.method, route.path)
    for routes in (compat.CLASSIFY, compat.RECOMMEND, compat.EVENTS, compat.MODELS)
    for route in routes
    if not route.action
}
ALPHABET = string.ascii_letters + string.digits
ODD = ("", " ", "\t", "é", "漢", "\x7f", "%00", "../..", "'\"<>", "A" * 5000, "null", "-1", "{}", "\ud800")
TYPES = (
    "application/json",
    "image/png",
    "application/x-www-form-urlencoded",
    "text/plain",
    "application/x-amz-json-1.1",
    "",
    "x",
)
TARGETS = (
    "RekognitionService.DetectLabels",
    "RekognitionService.DetectCustomLabels",
    "AmazonPersonalize.ListCampaigns",
    "x",
)


@dataclass(frozen=True)
class Sent:
    """A request before it reaches the gateway."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_header(self, name: str, value: str) -> "Sent":
        return replace(self, headers=(*(pair for pair in self.headers if pair[0] != name), (name, value)))


@dataclass(frozen=True)
class Keys:
    """A key for everything, and two that may use and see one model alone; each as id and secret."""

    admin: tuple[str, str]
    digits: tuple[str, str]
    shop: tuple[str, str]


Ask = Callable[[Sent], HttpResponse]


@pytest.fixture(scope="module")
def keys(store: Path) -> Iterator[Keys]:
    held = KeyStore.open(store.as_uri())
    made = []
    actions = ("classify", "recommend", "events", "items", "users", "privacy", "models:read")
    alone = [[f"{action}:{model}" for action in actions] for model in ("digits", "shop")]
    for scopes in (["admin"], *alone):
        key, secret = new_key(tuple(map(parse_scope, scopes)), now=0, signs=True)
        held.add(key)
        made.append((key.id, secret))
    yield Keys(*made)
    (store / "keys/keys.json").unlink()


@pytest.fixture(scope="module")
def ask(store: Path, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Sends a request through the template's routes to the function."""
    del keys  # are in the store
    services = [import_module(f"{function}.app").service for function in FUNCTIONS]
    settings = {"STORE": store.as_uri(), "CACHE_DIR": str(tmp_path_factory.mktemp("cache")), "CACHE_BYTES": "1000000"}
    settings |= {"REFRESH_SECONDS": "30", "MAX_PIXELS": "1000000", "AUTHORIZATION": "KEYS"}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(f"LARDER_{name}", value)
        for service in services:
            service.reset()

        def send(sent: Sent) -> HttpResponse:
            match = find(ROUTES, sent.method, sent.path)
            if match is None:
                return HttpResponse(404, (), b"{}")  # of the front door
            route, variables = match
            call = HttpRequest(
                sent.method, sent.path, sent.query, [*sent.headers, ("host", HOST)], sent.body, "1.2.3.4"
            )
            event = json.loads(encode(call, route, variables, "request-1"))
            handler = import_module(f"{route.function.removesuffix('Function').lower()}.app").handler
            return decode(json.dumps(handler(event, None)).encode())

        yield send
    for service in services:
        service.reset()


def path_of(route: Route, rng: random.Random, model: str) -> str:
    """A path of the route, with plausible or odd values in its variables."""
    values = {"{model}": model, "{release}": "20260102t030405z-0a1b2c3d", "{name}": "report.html", "{item}": "p0001"}
    path = route.path
    for variable, value in values.items():
        path = path.replace(
            variable, value if rng.random() < 0.8 else rng.choice(("x", "..", "%2e%2e", "a%20b", "%00"))
        )
    parts = [rng.choice(("x", "digits", "a%2Fb")) if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


def plain(route: Route, rng: random.Random, png: bytes, model: str = "digits") -> Sent:
    """A request without a key: sound or odd."""
    kind = rng.choice(TYPES)
    documents: tuple[Any, ...] = (
        {},
        {"user": "u0001"},
        {"items": ["p0001"]},
        {"image": b64encode(png).decode()},
        [],
        1,
        None,
    )
    bodies = (png, json.dumps(rng.choice(documents)).encode(), b"", rng.randbytes(40), b"a=b&key=", b'{"a":')
    headers: tuple[tuple[str, str], ...] = (("content-type", kind), ("x-amz-target", rng.choice(TARGETS)))
    if rng.random() < 0.3:
        headers = (
            *headers,
            (rng.choice(("x-larder-release", "range", "x-larder-key", "accept")), rng.choice(ODD[:-1])),
        )
    query = rng.choice(("", "", "n=3", "user=u0001", "n=-1", "%FF=%00", "a=b&a=c", "x" * 3000))
    body = b"" if route.method == "GET" else rng.choice(bodies)
    return Sent(route.method, path_of(route, rng, model), query, headers, body)


def signed(sent: Sent, key: tuple[str, str], *, in_query: bool) -> Sent:
    """The request with a signature of AWS; one in the query string covers no body."""
    sent = replace(sent, body=b"") if in_query else sent
    url = f"https://{HOST}{sent.path}{'?' if sent.query else ''}{sent.query}"
    request = AWSRequest(sent.method, url, {**dict(sent.headers), "host": HOST}, sent.body)
    (SigV4QueryAuth if in_query else SigV4Auth)(Credentials(*key), "rekognition", "eu-west-1").add_auth(request)
    headers = tuple((name.lower(), value) for name, value in request.headers.items() if name.lower() != "host")
    return replace(sent, query=str(request.url).partition("?")[2], headers=headers)


def damaged(text: str, rng: random.Random) -> str:
    """``text`` with one other letter or digit."""
    at = rng.choice([at for at, character in enumerate(text) if character in ALPHABET])
    return text[:at] + rng.choice(ALPHABET.replace(text[at], "")) + text[at + 1 :]


def almost(keys: Keys, rng: random.Random) -> str:
    """What is almost a key, or nothing like one."""
    text = ".".join(keys.admin)
    token = f"{keys.admin[0]}.{int(time.time()) + 1000}.{rng.randbytes(32).hex()}"
    return rng.choice((damaged(text, rng), text[:-1], text + "x", *keys.admin, text.lower(), token, *ODD[:-1]))


def in_a_header(sent: Sent, keys: Keys, rng: random.Random) -> Sent:
    return sent.with_header(rng.choice(("x-api-key", "x-goog-api-key")), almost(keys, rng))


def in_authorization(sent: Sent, keys: Keys, rng: random.Random) -> Sent:
    scheme = rng.choice(("Bearer ", "bearer", "Basic ", "AWS4-", "ACS3-", "AWS4-HMAC-SHA256 Credential="))
    return sent.with_header("authorization", scheme + almost(keys, rng))


def in_the_query(sent: Sent, keys: Keys, rng: random.Random) -> Sent:
    name = rng.choice(("key", "access_token", "AccessKeyId", "Signature", "X-Amz-Signature", "X-Amz-Algorithm"))
    return replace(sent, query=f"{sent.query}&{name}={quote(almost(keys, rng))}")


def by_another_key(sent: Sent, keys: Keys, rng: random.Random) -> Sent:
    """Signed by an unknown key, or with another secret."""
    others = (("LK" + "0" * 18, keys.admin[1]), (keys.admin[0], keys.admin[1][::-1]), ("LK" + "0" * 18, "0" * 40))
    return signed(sent, rng.choice(others), in_query=rng.random() < 0.5)


def with_a_damaged_signature(sent: Sent, keys: Keys, rng: random.Random) -> Sent:
    right = signed(sent, keys.admin, in_query=False)
    return right.with_header("authorization", damaged(dict(right.headers)["authorization"], rng))


def with_a_signature_of_another_request(sent: Sent, keys: Keys, rng: random.Random) -> Sent:
    right = signed(sent, keys.admin, in_query=False)
    return rng.choice((replace(right, query=f"{right.query}&more=1"), right.with_header("x-amz-target", "Other.Op")))


def with_a_longer_expiry(sent: Sent, keys: Keys, _: random.Random) -> Sent:
    right = signed(sent, keys.admin, in_query=True)
    return replace(right, query=right.query.replace("X-Amz-Expires=3600", "X-Amz-Expires=604800"))


WRONG = (
    lambda sent, _keys, _rng: sent,
    *(in_a_header, in_authorization, in_the_query, by_another_key),
    *(with_a_damaged_signature, with_a_signature_of_another_request, with_a_longer_expiry),
)


def without_right(sent: Sent, keys: Keys, rng: random.Random) -> Sent:
    """The request with nothing, or with something that is almost a key."""
    return rng.choice(WRONG)(sent, keys, rng)


def check(ask: Ask, keys: Keys, png: bytes, hidden: str, count: int) -> Mapping[int, int]:
    """Sends ``count`` requests without a right key, and as many with the key for ``digits``; returns the statuses."""
    statuses: dict[int, int] = {}
    for seed in range(count):
        rng = random.Random(seed)
        route = rng.choice(ROUTES)
        bare = plain(route, rng, png)
        for sent in (without_right(bare, keys, rng), held(bare, keys, rng)):
            answer = ask(sent)
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            assert answer.status < 500, f"seed {seed}: {sent} gets {answer}"
            reveals_nothing(answer, sent, keys, hidden)
        answer = ask(without_right(bare, keys, random.Random(seed)))
        if (route.method, route.path) not in PUBLIC:
            assert is_refusal(answer), f"seed {seed}: {sent} is let in: {answer}"
    return statuses


def is_refusal(answer: HttpResponse) -> bool:
    """Whether an answer is an error; Baidu's have status 200."""
    return answer.status >= 400 or b'"error_code"' in answer.body


def held(sent: Sent, keys: Keys, rng: random.Random) -> Sent:
    """The request with the key for ``digits``."""
    if rng.random() < 0.3:
        return signed(sent, keys.digits, in_query=rng.random() < 0.5)
    return sent.with_header("x-api-key", ".".join(keys.digits))


def reveals_nothing(answer: HttpResponse, sent: Sent, keys: Keys, hidden: str) -> None:
    """No path of this machine, no secret, no line of code, and no model that the key may not see."""
    shown = answer.body.decode("utf-8", "replace") + " ".join(value for _, value in answer.headers)
    asked = f"{sent.path} {sent.query} {sent.headers} {sent.body!r}"
    for secret in (*keys.admin, keys.digits[1], "Traceback", hidden, str(ROOT)):
        assert secret not in shown or secret in asked, f"{sent} reveals {secret}: {answer}"
    public = "/openapi.json" in sent.path
    assert public or '"shop"' not in shown, f"{sent} reveals a model: {answer}"


def test_hundreds_of_damaged_requests(ask: Ask, keys: Keys, image: bytes, store: Path) -> None:
    statuses = check(ask, keys, image, str(store), 400)
    assert statuses[200] > 20, statuses  # the key for digits is let in
    assert statuses[401] > 100, statuses


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_ten_thousand_damaged_requests(ask: Ask, keys: Keys, image: bytes, store: Path) -> None:
    check(ask, keys, image, str(store), 5_000)


@pytest.mark.parametrize("route", [route for route in ROUTES if "{model}" in route.path], ids=lambda route: route.key)
def test_a_model_that_the_key_may_not_see_is_as_one_that_does_not_exist(
    ask: Ask, keys: Keys, image: bytes, route: Route
) -> None:
    answers = []
    for model in ("shop", "none"):
        sent = plain(route, random.Random(1), image, model).with_header("x-api-key", ".".join(keys.digits))
        answer = ask(replace(sent, path=route.path.replace("{model}", model).replace("{", "").replace("}", "")))
        answers.append((answer.status, answer.body.decode().replace(model, "MODEL")))
    assert answers[0] == answers[1]
    assert answers[0][0] in (401, 403)


def named_in(model: str, png: bytes) -> list[Sent]:
    """Requests of other services' protocols that name a model, each in its own way."""
    arn = f"arn:aws:rekognition:eu-west-1:111122223333:project/{model}/version/{model}/1"
    campaign = f"arn:aws:personalize:eu-west-1:111122223333:campaign/{model}"
    dataset = f"arn:aws:personalize:eu-west-1:111122223333:dataset/{model}"
    detect = json.dumps({"ProjectVersionArn": arn, "Image": {"Bytes": b64encode(png).decode()}}).encode()
    infer = {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["x"]}]}
    target, kind = "x-amz-target", "application/x-amz-json-1.1"
    sent = [
        Sent("POST", "/", "", ((target, "RekognitionService.DetectCustomLabels"), ("content-type", kind)), detect),
        Sent("POST", "/recommendations", "", (), json.dumps({"campaignArn": campaign, "userId": "u0001"}).encode()),
        Sent(
            "POST",
            "/personalize-ranking",
            "",
            (),
            json.dumps({"campaignArn": campaign, "userId": "u", "inputList": ["p0001"]}).encode(),
        ),
        *(
            Sent("POST", f"/{name}", "", (), json.dumps({"datasetArn": f"{dataset}/{name.upper()}", name: []}).encode())
            for name in ("items", "users")
        ),
        Sent("POST", f"/endpoints/{model}/invocations", "", (("content-type", "image/png"),), png),
        Sent(
            "POST",
            f"/recommenders/endpoints/{model}/invocations",
            "",
            (("content-type", "application/json"),),
            b'{"user": "u0001"}',
        ),
        Sent("POST", f"/v2/models/{model}/infer", "", (), json.dumps(infer).encode()),
    ]
    sent += [Sent("GET", f"/v2/models/{model}{end}") for end in ("", "/ready", "/config", "/stats", "/versions/1")]
    return [request for request in sent if find(ROUTES, request.method, request.path)]


@pytest.mark.parametrize("hidden", ["shop", "digits"])
def test_a_model_that_the_key_may_not_see_is_hidden_in_every_protocol(
    ask: Ask, keys: Keys, image: bytes, hidden: str
) -> None:
    key = keys.digits if hidden == "shop" else keys.shop
    for exists, absent in zip(named_in(hidden, image), named_in("none", image), strict=True):
        answers = [ask(sent.with_header("x-api-key", ".".join(key))) for sent in (exists, absent)]
        shown = [
            (answer.status, answer.body.decode().replace(name, "MODEL"))
            for answer, name in zip(answers, (hidden, "none"), strict=True)
        ]
        assert shown[0] == shown[1], exists
        assert shown[0][0] >= 400, exists


@pytest.mark.parametrize(("path", "target"), [("/personalize", TARGETS[0]), ("/rekognition", TARGETS[2])])
def test_a_path_of_one_service_refuses_the_operations_of_another(ask: Ask, keys: Keys, path: str, target: str) -> None:
    headers = (("x-api-key", ".".join(keys.admin)), ("x-amz-target", target))
    answer = ask(Sent("POST", path, "", headers, b"{}"))
    assert (answer.status, json.loads(answer.body)["__type"]) == (400, "UnknownOperationException")


def test_models_are_listed_as_far_as_the_key_may_see_them(ask: Ask, keys: Keys) -> None:
    listed = {}
    for name, key in (("admin", keys.admin), ("digits", keys.digits)):
        answer = ask(Sent("GET", "/v1/models").with_header("x-api-key", ".".join(key)))
        listed[name] = [model["model"] for model in json.loads(answer.body)["models"]]
    assert listed == {"admin": ["digits", "shop"], "digits": ["digits"]}


@pytest.mark.parametrize("way", ["x-api-key", "Bearer", "key=", "header", "presigned", "token"])
def test_each_way_to_present_a_key_opens_a_native_route(ask: Ask, keys: Keys, way: str) -> None:
    text, bare = ".".join(keys.digits), Sent("GET", "/v1/models/digits/releases", "n=1")
    token = import_module("models.app").callers.authenticator.issue_token(*keys.digits)[0]
    sent = {
        "x-api-key": bare.with_header("x-api-key", text),
        "Bearer": bare.with_header("authorization", f"Bearer {text}"),
        "key=": replace(bare, query=f"n=1&key={text}"),
        "header": signed(bare, keys.digits, in_query=False),
        "presigned": signed(bare, keys.digits, in_query=True),
        "token": replace(bare, query=f"access_token={token}&n=1"),
    }[way]
    answer = ask(sent)
    assert (answer.status, len(json.loads(answer.body)["releases"])) == (200, 1)


def test_public_routes_need_no_key(ask: Ask) -> None:
    for method, path in PUBLIC:
        if "{" not in path:
            assert ask(Sent(method, path)).status not in (401, 403), path


def test_a_refusal_says_how_to_send_a_key(ask: Ask) -> None:
    answer = ask(Sent("GET", "/v1/models"))
    assert answer.status == 401
    assert ("www-authenticate", "Bearer") in answer.headers
    assert "x-api-key" in json.loads(answer.body)["error"]["message"]
