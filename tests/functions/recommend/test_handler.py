"""The function, called with events of an HTTP API (tests/events/recommend) on a store in a folder."""

import base64
import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.paths import EVENTS
from tests.toys.shop import TRANSITIONS

from larder.auth import parse_scope
from larder.recommender import Recommender
from larder.release.keys import file_key, pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.store import open_store
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore
from recommend import app

CASES = EVENTS / "recommend"
OPENAPI = resources.files("larder") / "openapi.json"
KALE = "Grünkohl 🥬"
SLOW = ("numpy", "boto3", "botocore", "onnxruntime", "PIL", "safetensors", "polars", "scipy", "larder_training")


@dataclass
class Context:
    aws_request_id: str = "request-1"


@dataclass(frozen=True)
class Reply:
    status: int
    document: Any
    headers: Mapping[str, str]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory, write_shop: Callable[..., Path]) -> tuple[Path, str, str, str]:
    """The folder of a store with three releases of the shop; the first is live, the third has repeat consumption."""
    root = tmp_path_factory.mktemp("store")
    names: list[str] = []
    variants: list[dict[str, Any]] = [
        {},
        {"rules": ('EXCLUDE ItemID WHERE Items.KIND IN ("fruit")',), "session_decay": 0.25},
        {"transitions": TRANSITIONS, "more_weights": {"transition": 0.25, "revisit": 0.5}},
    ]
    for changes in variants:
        folder = write_shop(created=datetime(2026, 1, 2 + len(names), tzinfo=UTC), **changes)
        shutil.copytree(folder, root / Path(file_key("shop", folder.name, "manifest.json")).parent)
        names.append(folder.name)
    (root / pointer_key("shop")).write_bytes(dump_pointer(Pointer(stable=names[0])))
    return root, names[0], names[1], names[2]


@pytest.fixture
def service(releases: tuple[Path, str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"STORE": releases[0].as_uri(), "CACHE_DIR": str(tmp_path), "CACHE_BYTES": "1000000"}
    for name, value in {**settings, "REFRESH_SECONDS": "30", "MAX_PIXELS": "1", "AUTHORIZATION": "NONE"}.items():
        monkeypatch.setenv(f"LARDER_{name}", value)
    app.service.reset()


def event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text())
    return loaded


def by_query(**parameters: str) -> dict[str, Any]:
    return {**event("recommend_by_query"), "queryStringParameters": parameters}


def by_body(document: object, name: str = "recommend_by_body") -> dict[str, Any]:
    return {**event(name), "body": json.dumps(document)}


def ask(request: dict[str, Any]) -> Reply:
    response = app.handler(copy.deepcopy(request), Context())
    return Reply(response["statusCode"], json.loads(response["body"]), response["headers"])


def ids(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.document
    return [item["id"] for item in reply.document["items"]]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("name", ["recommend_by_query", "recommend_by_body"])
def test_query_string_and_json_get_the_same_response(name: str, releases: tuple[Path, str, str, str]) -> None:
    reply = ask(event(name))

    assert reply.status == 200
    assert (reply.headers["x-larder-model"], reply.headers["x-larder-release"]) == ("shop", releases[1])
    columns = {"PRICE": 0.25, "KIND": None}
    assert reply.document == {
        "model": "shop",
        "release": releases[1],
        "known": True,
        "items": [
            {"id": "egg", "score": 1.0, "because": {"source": "user", "items": ["bread"]}, "columns": columns},
            {
                "id": KALE,
                "score": 0.375,
                "because": {"source": "user", "items": []},
                "columns": {"PRICE": 1.5, "KIND": "cabbage|herb"},
            },
            {
                "id": "apple",
                "score": 0.125,
                "because": {"source": "session", "items": ["dill, fresh", "cherry"]},
                "columns": {"PRICE": 1.0, "KIND": "fruit"},
            },
        ],
    }


@pytest.mark.usefixtures("service")
def test_promotions_in_json() -> None:
    reply = ask(event("recommend_with_promotion"))

    promoted = {item["id"]: item["because"] for item in reply.document["items"] if "promotion" in item["because"]}
    assert promoted == {
        KALE: {"source": "promotion", "promotion": "greens"},
        "dill, fresh": {"source": "promotion", "promotion": "fresh"},
    }
    assert len(reply.document["items"]) == 4


@pytest.mark.usefixtures("service")
def test_rank_and_similar() -> None:
    ranked = ask(event("rank"))
    assert ids(ranked) == ["egg", KALE, "cherry", "new"]
    assert [ranked.document["items"][-1][name] for name in ("score", "because")] == [None, None]

    assert ids(ask(event("similar"))) == []
    request = event("similar")
    request["pathParameters"]["item"] = "egg"
    assert ids(ask(request)) == ["fig", "bread"]


@pytest.mark.usefixtures("service")
def test_a_body_may_be_base64() -> None:
    plain = event("recommend_by_body")
    encoded = {**plain, "body": base64.b64encode(plain["body"].encode()).decode(), "isBase64Encoded": True}

    assert ask(encoded).document == ask(plain).document


@pytest.mark.usefixtures("service")
def test_a_request_may_name_a_release(releases: tuple[Path, str, str, str]) -> None:
    request = by_query(n="9")
    request["headers"]["x-larder-release"] = releases[2]

    reply = ask(request)

    assert (reply.document["release"], ids(reply)) == (releases[2], ["bread", "dill, fresh"])


@pytest.mark.usefixtures("service")
def test_a_release_for_people_who_return_shows_what_they_clicked(releases: tuple[Path, str, str, str]) -> None:
    def send(**parameters: str) -> Reply:
        event = by_query(session="apple,egg", n="2", **parameters)
        event["headers"]["x-larder-release"] = releases[3]
        return ask(event)

    reply = send()

    assert reply.document["items"] == [
        {"id": "apple", "score": 0.625, "because": {"source": "revisit", "items": ["apple"]}},
        {"id": "fig", "score": 0.5625, "because": {"source": "session", "items": ["egg", "apple"]}},
    ]
    assert send(include_seen="true").document == reply.document
    assert ids(send(include_seen="false")) == ["fig", "bread"]
    described = json.loads(OPENAPI.read_text())
    schema = {"$ref": "#/components/schemas/Items", "components": described["components"]}
    jsonschema.validate(reply.document, schema)


@pytest.mark.usefixtures("service")
def test_null_for_include_seen_is_the_default() -> None:
    query = {"session": ["apple"], "n": 3}

    assert ask(by_body({**query, "include_seen": None})).document == ask(by_body(query)).document
    assert "apple" in ids(ask(by_body({**query, "include_seen": True})))


@pytest.mark.usefixtures("service")
def test_responses_match_the_openapi_document() -> None:
    described = json.loads(OPENAPI.read_text())
    schema = {"$ref": "#/components/schemas/Items", "components": described["components"]}
    requests = [event(path.stem) for path in sorted(CASES.glob("*.json"))] + [by_query(), by_query(user="ada", n="500")]

    for request in requests:
        reply = ask(request)
        assert reply.status == 200
        jsonschema.validate(reply.document, schema)
    error = ask(by_query(n="0")).document
    jsonschema.validate(error, {"$ref": "#/components/schemas/Error", "components": described["components"]})


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("parameters", "hint"),
    [
        ({"n": "0"}, "n: is 0; it must be 1 to 500"),
        ({"n": "501"}, "n: is 501"),
        ({"n": "-1"}, "n: is -1"),
        ({"n": "nan"}, "n: must be a whole number, not 'nan'"),
        ({"n": "1e3"}, "n: must be a whole number"),
        ({"n": "9" * 5000}, "n: must be a whole number"),
        ({"n": ""}, "n: must be a whole number"),
        ({"usr": "ada"}, "usr: is not a field here; use boosts, columns, exclude"),
        ({"promotions": "x"}, "promotions: must be a list"),
        ({"profile": "Berlin"}, "profile: must be an object"),
        ({"profile.TOWN": "Berlin"}, "profile.TOWN is not a column"),
        ({"profile.": "x"}, "profile. is not a column"),
        ({"profile.AGE": "inf"}, "profile.AGE is 'inf': send a finite number"),
        ({"user": ""}, "user has 0 characters"),
        ({"user": "x" * 257}, "user has 257 characters: send an id of 1 to 256"),
        ({"session": ",".join(["x"] * 501)}, "session has 501 entries: send at most 500"),
        ({"session": "x" * 257}, "session has 257 characters"),
        ({"exclude": ",".join(["x"] * 1001)}, "exclude has 1001 entries: send at most 1000"),
        ({"exclude": '"open'}, 'exclude is not a list: close each "'),
        ({"columns": "COLOR"}, "'COLOR' is not a column"),
        ({"columns": ",".join(["PRICE"] * 51)}, "columns has 51 entries"),
        ({"include_seen": "yes"}, "include_seen: must be true or false, not 'yes'"),
        ({"filter": "EXCLUDE"}, "ItemID comes after"),
        ({"filter": ""}, "a clause starts with INCLUDE or EXCLUDE"),
        ({"filter": "x" * 2501}, "the limit is 2500"),
        ({"filter_values.P": "x"}, "without a filter"),
        ({"filter": "INCLUDE ItemID WHERE Items.PRICE < $P", "filter_values.P": "nan"}, "not a finite number"),
        ({"filter": "INCLUDE ItemID WHERE Items.PRICE < 3", "filter_values.P": "1"}, r"no parameter $P"),
    ],
)
def test_an_invalid_query_string_is_a_400_with_the_reason(parameters: dict[str, str], hint: str) -> None:
    reply = ask(by_query(**parameters))

    assert (reply.status, reply.document["error"]["code"]) == (400, "invalid_request")
    assert hint in reply.document["error"]["message"]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("document", "hint"),
    [
        ({"n": 2.5}, "n: must be a whole number, not 2.5"),
        ({"n": True}, "n: must be a whole number, not True"),
        ({"n": "3"}, "n: must be a whole number, not '3'"),
        ({"n": -3}, "n: is -3"),
        ({"user": 7}, "user: must be text, not 7"),
        ({"user": ["ada"]}, "user: must be text"),
        ({"user": "\ud800"}, "The body is not JSON: send one JSON object in UTF-8"),
        ({"session": "cherry"}, "session: must be a list, not 'cherry'"),
        ({"session": [1]}, "session: must be a list of texts"),
        ({"session": ["x"] * 501}, "session has 501 entries"),
        ({"exclude": {"a": 1}}, "exclude: must be a list"),
        ({"profile": []}, "profile: must be an object"),
        ({"profile": {"AGE": [1]}}, "profile.AGE: must be a text or a number"),
        ({"profile": {"AGE": True}}, "profile.AGE: must be a text or a number"),
        ({"profile": {"AGE": 10**400}}, "profile.AGE is 1000"),
        ({"profile": {"CITY": 5}}, "profile.CITY is 5: send a text"),
        ({"profile": {"CITY": "x" * 1001}}, "profile.CITY has 1001 characters"),
        ({"include_seen": 1}, "include_seen: must be true or false, not 1"),
        ({"filter": 5}, "filter: must be text"),
        (
            {"filter": "INCLUDE ItemID WHERE Items.KIND IN ($P)", "filter_values": {"P": [1]}},
            "filter_values.P: must be",
        ),
        ({"filter": "INCLUDE ItemID WHERE Items.KIND IN ($P)", "filter_values": {"P": 1}}, "is not a text"),
        ({"filter": "INCLUDE ItemID WHERE Items.PRICE < $P", "filter_values": {"P": 10**400}}, "send a finite number"),
        ({"filter": "INCLUDE ItemID WHERE Interactions.EVENT_TYPE = 1"}, "compared with IN or NOT IN"),
        ({"promotions": [{"name": "a", "items": ["x"]}]}, "promotions.0.percent: is missing"),
        ({"promotions": [{"name": "a", "items": ["x"], "percent": 500}]}, "promotions.0.percent: is 500"),
        ({"promotions": [{"name": "a", "percent": 5}]}, "send either items or a filter"),
        ({"promotions": [{"name": "a", "percent": 5, "items": ["x"], "color": 1}]}, "promotions.0.color: is unknown"),
        ({"promotions": ["x"]}, "promotions.0: must be an object"),
        ({"n": 0, "usr": 1, "session": 5}, "n: is 0; it must be 1 to 500; usr: is not a field here"),
        ({"n": 0, "usr": 1, "session": 5}, "session: must be a list, not 5"),
        ([], "not a JSON object"),
    ],
)
def test_an_invalid_field_is_a_400_with_the_reason(document: object, hint: str) -> None:
    reply = ask(by_body(document))

    assert (reply.status, reply.document["error"]["code"]) == (400, "invalid_request")
    assert hint in reply.document["error"]["message"]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    "body", ["", "{", '{"n": NaN}', '{"profile": {"AGE": Infinity}}', '{"a":' * 100_000, f'{{"n": 1{"0" * 5000}}}']
)
def test_a_body_that_is_not_json_is_a_400(body: str) -> None:
    assert ask({**event("recommend_by_body"), "body": body}).status == 400


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("document", "hint"),
    [
        ({}, "items: is missing"),
        ({"items": []}, "items is empty"),
        ({"items": "egg"}, "items: must be a list"),
        ({"items": ["x"] * 501}, "items has 501 entries: send at most 500"),
        ({"items": ["\ud800"]}, "The body is not JSON: send one JSON object in UTF-8"),
        ({"items": ["egg"], "n": 3}, "n: is not a field here"),
        ({"items": ["egg"], "exclude": ["x"]}, "exclude: is not a field here"),
        ({"items": ["egg"], "filter": "x"}, "a clause starts with INCLUDE or EXCLUDE"),
    ],
)
def test_an_invalid_request_to_rank_is_a_400(document: object, hint: str) -> None:
    reply = ask(by_body(document, "rank"))

    assert reply.status == 400
    assert hint in reply.document["error"]["message"]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("item", ["unknown", "../../live.json", "x" * 200, "'; --", "\x00", "🥬"])
def test_similar_to_an_unknown_item_is_a_404(item: str) -> None:
    request = event("similar")
    request["pathParameters"]["item"] = item

    reply = ask(request)

    assert (reply.status, reply.document["error"]["code"]) == (404, "not_found")


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("model", "status"), [("unknown", 404), ("../shop", 400), ("SHOP", 400), ("", 400)])
def test_an_unknown_or_hostile_model_is_refused(model: str, status: int) -> None:
    for name in ("recommend_by_query", "recommend_by_body", "rank", "similar"):
        request = event(name)
        request["pathParameters"]["model"] = model
        assert ask(request).status == status


@pytest.mark.usefixtures("service")
def test_an_unknown_release_is_a_404() -> None:
    request = by_query()
    request["headers"]["x-larder-release"] = "20200101t000000z-00000000"

    assert ask(request).status == 404


@pytest.mark.usefixtures("service")
def test_nothing_that_identifies_a_user_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    secrets = {
        "user": "secret-user",
        "session": "egg,secret-item",
        "profile.CITY": "Secret",
        "exclude": "secret-too",
    }

    assert ask(by_query(**secrets)).status == 200
    assert ask(by_query(**secrets, n="secret-n")).status == 400
    assert ask(by_query(**secrets, filter="secret filter")).status == 400
    assert ask(by_body({"user": "secret-user", "usr": "secret"})).status == 400
    assert ask(by_body({"items": ["secret-item"], "user": "secret-user"}, "rank")).status == 200

    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 5
    assert "ecret" not in out + err
    assert event("rank")["requestContext"]["http"]["sourceIp"] not in out + err


@pytest.mark.usefixtures("service")
def test_the_log_says_which_arm_of_a_canary_answered_a_caller_with_a_key(
    releases: tuple[Path, str, str, str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, stable, canary, _ = releases
    pointer = root / pointer_key("shop")
    before = pointer.read_bytes()
    pointer.write_bytes(dump_pointer(Pointer(stable, canary=canary, canary_percent=50)))
    try:
        for user in range(20):
            assert ask(by_query(user=f"u{user}")).status == 200
        ask(by_query(session="egg"))  # no key: the stable release, and not by the canary's draw
        ask({**by_query(user="u1"), "headers": {"x-larder-release": canary}})
        monkeypatch.setattr(Recommender, "recommend", lambda *_: 1 / 0)
        assert ask(by_query(user="u1")).status == 500  # a failure counts for the arm that failed
    finally:
        pointer.write_bytes(before)
        app.service.reset()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    served = [(line["arm"], line["release"]) for line in lines if "route" in line]
    assert set(served[:20]) == {("canary", canary), ("stable", stable)}
    assert served[20:22] == [(None, stable), (None, canary)]
    assert served[22] == served[1]


def run_python(code: str, *arguments: str, **environment: str) -> str:
    """The last line that a fresh interpreter prints."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  # our own program
    return done.stdout.splitlines()[-1]


def test_importing_the_function_loads_no_slow_library() -> None:
    loaded = run_python("import sys, recommend.app; print(*sys.modules)").split()

    assert "larder" in loaded
    assert not set(SLOW) & set(loaded)


def test_responses_need_neither_numpy_nor_boto3(releases: tuple[Path, str, str, str], tmp_path: Path) -> None:
    code = (
        "import json, sys\nfrom recommend import app\n"
        "for path in sys.argv[2:]:\n"
        "    event = json.load(open(path))\n"
        "    event['headers']['x-api-key'] = sys.argv[1]\n"
        "    assert app.handler(event, None)['statusCode'] == 200\n"
        "print(*sys.modules)"
    )
    key, secret = new_key((parse_scope("recommend:*"),), now=0)
    KeyStore(open_store(releases[0].as_uri())).add(key)

    loaded = run_python(
        code,
        f"{key.id}.{secret}",
        *map(str, CASES.glob("*.json")),
        LARDER_STORE=releases[0].as_uri(),
        LARDER_CACHE_DIR=str(tmp_path),
        LARDER_CACHE_BYTES="1000000",
        LARDER_REFRESH_SECONDS="30",
        LARDER_MAX_PIXELS="1",
        LARDER_AUTHORIZATION="KEYS",
    )

    assert not set(SLOW) & set(loaded.split())
