"""AWS's own signing test suite: what it signs verifies, and nothing that differs by one character does."""

import json
import re
from pathlib import Path

import pytest
from tests.larder.auth.requests import ToyRequest
from tests.paths import SHARED

from larder.auth.signatures import sigv4
from larder.auth.signatures.times import basic_time

VECTORS = SHARED / "sigv4" / "v4"
CASES = sorted(path.name for path in VECTORS.iterdir()) if VECTORS.is_dir() else []


def read_request(text: str) -> ToyRequest:
    """A raw HTTP request of the suite; values of a repeated header are joined, folded lines too."""
    head, _, body = text.partition("\n\n")
    first, *lines = re.sub(r"\n[ \t]+", " ", head).split("\n")
    method, _, rest = first.partition(" ")
    path, _, query = rest.removesuffix(" HTTP/1.1").partition("?")
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return ToyRequest(method, path, query, headers, body.encode())


@pytest.mark.skipif(not CASES, reason="needs AWS's signing test suite (../shared/data/sigv4)")
def test_the_suite_is_complete() -> None:
    assert len(CASES) == 38


@pytest.mark.parametrize("form", ["header", "query"])
@pytest.mark.parametrize("name", CASES or [pytest.param("", marks=pytest.mark.skip("needs ../shared/data/sigv4"))])
def test_each_case_of_aws_verifies(name: str, form: str) -> None:
    # GIVEN a case of AWS's signing test suite
    folder: Path = VECTORS / name
    context = json.loads((folder / "context.json").read_text())
    secret = context["credentials"]["secret_access_key"]
    request = read_request((folder / f"{form}-signed-request.txt").read_text())

    # WHEN its signed request is read
    signature = sigv4.read_header(request) if form == "header" else sigv4.read_query(request)

    # THEN the suite's canonical request is among those that are tried, and the signature verifies
    payload = (folder / f"{form}-canonical-request.txt").read_text().rsplit("\n", 1)[1]
    tried = list(sigv4.canonical_requests(signature, request, payload))
    assert (folder / f"{form}-canonical-request.txt").read_text() in tried
    assert sigv4.verifies(signature, request, secret)

    # AND it is of the time of the case, and verifies with no other secret, path or signature
    made = basic_time(re.sub("[-:]", "", context["timestamp"]))
    assert made is not None
    sigv4.check_time(signature, made)
    assert not sigv4.verifies(signature, request, f"{secret}x")
    assert not sigv4.verifies(signature, request.having(path=f"{request.path}x"), secret)
