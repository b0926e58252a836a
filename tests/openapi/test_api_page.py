"""The page of the HTTP API: its table has every route, and each example gets the response below it."""

import json
import re
import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from tests.paths import ROOT

from larder_local.gateway.event import HttpResponse
from larder_local.gateway.template import load

PAGE = (ROOT / "docs/reference/http-api.md").read_text()
ADDRESS = "http://127.0.0.1:8080"
EXAMPLES = re.findall(r"```sh\n(curl .*?)\n```(?:\n```json\n(.*?)\n```)?", PAGE, re.DOTALL)
RELEASE = re.compile(r"\d{8}t\d{6}z-[0-9a-f]{8}")

Ask = Callable[..., HttpResponse]


def test_the_table_has_exactly_the_routes() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    listed = set()
    for row in rows:
        named = re.findall(r"`(GET|POST|PUT|DELETE)(?: (/\S*?))?`", row)
        listed |= {(method, path or named[0][1]) for method, path in named}
    assert listed == {(route.method, route.path) for route in load(ROOT / "template.yaml").routes}


def request(command: str, image: bytes) -> tuple[str, str, dict[str, str], bytes]:
    """What a curl command sends: method, URL without the address, headers and body."""
    words = iter(shlex.split(command.replace("\\\n", " "))[1:])
    url, method, headers, data, in_query = "", "", {}, [], False
    for word in words:
        match word:
            case "--get":
                in_query = True
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name.lower()] = value
            case "-d" | "--data-binary":
                data.append(next(words))
            case "--data-urlencode":
                name, _, value = next(words).partition("=")
                data.append(f"{name}={quote_plus(value)}")
            case "-X":
                method = next(words)
            case "-o":
                next(words)
            case "-L":
                pass
            case _:
                assert word.startswith(ADDRESS), word
                url = word.removeprefix(ADDRESS)
    if in_query:
        return "GET", f"{url}?{'&'.join(data)}", headers, b""
    body = image if data == ["@image.png"] else "".join(data).encode()
    return method or ("POST" if data else "GET"), url, headers, body


def plain(document: str) -> Any:  # noqa: ANN401  # any JSON
    """A document without what differs between toy releases: names, digests, lengths and times."""
    document = re.sub(r'"[0-9a-f]{64}"', '"digest"', RELEASE.sub("release", document))
    document = re.sub(r'"(created|next)": ?"[^"]*"', r'"\1": "text"', document)  # next has the release's name
    return json.loads(re.sub(r'"bytes": ?\d+', '"bytes": 0', document))


@pytest.mark.parametrize(("command", "expected"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_gets_the_response_below_it(ask: Ask, image: bytes, command: str, expected: str) -> None:
    method, url, headers, body = request(command, image)
    model = "shop" if "/shop" in url else "digits"
    live = json.loads(ask("GET", f"/v1/models/{model}").body)["live"]
    response = ask(method, RELEASE.sub(live, url), headers, body)
    if expected:
        assert plain(response.body.decode()) == plain(expected)
    else:
        assert response.status == 200


def test_every_operation_of_models_has_an_example() -> None:
    urls = [request(command, b"")[:2] for command, _ in EXAMPLES]
    routes = [route for route in load(ROOT / "template.yaml").routes if route.path.startswith("/v1/models")]
    for route in routes:
        pattern = re.sub(r"\{\w+\}", "[^/]+", route.path)
        # a manifest is too long for the page, which shows its path
        shown = any(m == route.method and re.fullmatch(pattern, u.partition("?")[0]) for m, u in urls)
        assert shown or re.search(f"`{pattern}`", PAGE), route.key
