"""Random requests that botocore signs: each verifies, and none does with one changed byte."""

import random
import string
from dataclasses import replace
from urllib.parse import quote, unquote

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.larder.auth.requests import KEY_ID, SECRET, ToyRequest, as_sent

from larder.auth.signatures import sigv4
from larder.errors import Unauthorized

SIGNERS = (SigV4Auth, SigV4QueryAuth, S3SigV4Auth, S3SigV4QueryAuth)
SERVICES = ("rekognition", "personalize", "personalize-events", "sagemaker", "execute-api")
ODD = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~äß€漢🎈"
CHARACTERS = string.ascii_letters + string.digits


def text(rng: random.Random, length: int) -> str:
    return "".join(rng.choice(CHARACTERS if rng.random() < 0.7 else ODD) for _ in range(rng.randint(0, length)))


def signed(rng: random.Random) -> tuple[ToyRequest, bool, bool]:
    """A request as a front door passes it on, whether its signature is in the query, and whether its body is signed."""
    signer = rng.choice(SIGNERS)
    in_query, s3 = signer in (SigV4QueryAuth, S3SigV4QueryAuth), signer in (S3SigV4Auth, S3SigV4QueryAuth)
    method = rng.choice(("GET", "POST", "PUT", "DELETE"))
    path = "".join(f"/{quote(text(rng, 8), safe='-_.~')}" for _ in range(rng.randint(1, 4)))
    parameters = [(f"p{text(rng, 3)}", text(rng, 8)) for _ in range(rng.randint(0, 4))]
    if parameters and rng.random() < 0.3 and not in_query:
        parameters.append((parameters[0][0], text(rng, 5)))  # a repeated parameter
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in parameters)
    if query and rng.random() < 0.2 and not in_query:
        query += "&empty"
    body = rng.randbytes(rng.randint(0, 60)) if method in ("POST", "PUT") and not in_query else b""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Service.{text(rng, 4).strip()}x"}
    if rng.random() < 0.5:
        headers["X-Custom"] = f" {rng.choice(CHARACTERS)}  {rng.choice(CHARACTERS)} "
    if rng.random() < 0.2 and not in_query:
        headers["Date"] = "replaced"
    aws = AWSRequest(method, f"https://larder.example:8443{path}{'?' if query else ''}{query}", headers, body)
    unsigned = not in_query and rng.random() < 0.2
    aws.context["payload_signing_enabled"] = not unsigned
    if unsigned and s3:
        aws.headers["Content-MD5"] = "x"
        aws.context["has_streaming_input"] = True
    signer(Credentials(KEY_ID, SECRET), "s3" if s3 else rng.choice(SERVICES), "eu-central-1").add_auth(aws)
    return received(aws, rng, decoded=rng.random() < 0.3), in_query, not (unsigned or (in_query and s3))


def received(aws: AWSRequest, rng: random.Random, *, decoded: bool) -> ToyRequest:
    """What the front door passes on; ``decoded`` as API Gateway passes paths."""
    request = as_sent(aws)
    if decoded and "%2F" not in request.path:  # no front door can restore a slash that it decoded
        request = replace(request, path=unquote(request.path))
    return replace(request, headers={**request.headers, "x-forwarded-for": f"10.0.0.{rng.randint(1, 9)}"})


def verifies(request: ToyRequest, *, in_query: bool) -> bool:
    try:
        signature = sigv4.read_query(request) if in_query else sigv4.read_header(request)
        return signature.key == KEY_ID and sigv4.verifies(signature, request, SECRET)
    except Unauthorized:
        return False


def changed(request: ToyRequest, rng: random.Random, *, in_query: bool, body_signed: bool) -> ToyRequest:
    """The request with one other byte, at a place that the signature covers."""
    places = ["method", "path", "headers", "query"]
    if body_signed and request.content:
        places.append("content")
    place = rng.choice(places)
    if place == "content":
        at = rng.randrange(len(request.content))
        other = bytes([request.content[at] ^ (1 << rng.randrange(8))])
        return replace(request, content=request.content[:at] + other + request.content[at + 1 :])
    if place == "path" and any(character in CHARACTERS for character in request.path):
        return replace(request, path=swapped(request.path, rng))
    if place == "query" and any(character in CHARACTERS for character in request.raw_query):
        return replace(request, raw_query=swapped(request.raw_query, rng))
    if place == "method":
        return replace(request, method=swapped(request.method, rng))
    signature = sigv4.read_query(request) if in_query else sigv4.read_header(request)
    names = [*signature.headers, *([] if in_query else ["authorization"])]
    name = rng.choice([name for name in names if any(character in CHARACTERS for character in request.headers[name])])
    return replace(request, headers={**request.headers, name: swapped(request.headers[name], rng)})


def swapped(value: str, rng: random.Random) -> str:
    """``value`` with one other letter or digit. Its case does not count in %2f, so that letters change for others."""
    at = rng.choice([at for at, character in enumerate(value) if character in CHARACTERS])
    other = rng.choice([character for character in CHARACTERS if character.lower() != value[at].lower()])
    return value[:at] + other + value[at + 1 :]


def check(count: int) -> None:
    for seed in range(count):
        rng = random.Random(seed)
        request, in_query, body_signed = signed(rng)
        assert verifies(request, in_query=in_query), f"seed {seed}: {request}"
        mutated = changed(request, rng, in_query=in_query, body_signed=body_signed)
        assert not verifies(mutated, in_query=in_query), f"seed {seed}: {request} as {mutated}"


def test_500_requests_of_botocore_verify_and_none_with_a_changed_byte() -> None:
    check(500)


@pytest.mark.slow
def test_5000_requests_of_botocore_verify_and_none_with_a_changed_byte() -> None:
    check(5000)
