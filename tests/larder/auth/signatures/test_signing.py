"""What Larder signs as a client: the signatures of AWS's own test suite and of botocore."""

import json
import random
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.larder.auth.requests import KEY_ID, SECRET, as_sent
from tests.larder.auth.signatures.test_vectors import CASES, VECTORS, read_request

from larder.auth.signatures.signing import SigningScope, amz_date, authorization


@pytest.mark.parametrize("name", CASES or [pytest.param("", marks=pytest.mark.skip("needs ../shared/data/sigv4"))])
def test_each_case_of_aws_gets_its_signature(name: str) -> None:
    # GIVEN a case of AWS's signing test suite
    folder: Path = VECTORS / name
    context = json.loads((folder / "context.json").read_text())
    if not context["normalize"]:
        pytest.skip("only S3 does not normalise paths, and Larder signs no request to S3 itself")
    signed = read_request((folder / "header-signed-request.txt").read_text())
    expected = signed.headers.pop("authorization")
    if context.get("omit_session_token"):  # of a service that takes the token unsigned
        del signed.headers["x-amz-security-token"]
    # WHEN its request is signed THEN the header is the suite's
    keys = context["credentials"]
    scope = SigningScope(context["region"], context["service"])
    names = re.findall(r"SignedHeaders=([^,]+)", expected)[0].split(";")
    query = quote(signed.raw_query, safe="=&%+-_.~/")  # a client sends no other characters; one case has some
    request = signed.having(headers={header: signed.headers[header] for header in names}, raw_query=query)
    assert authorization(request, scope, keys["access_key_id"], keys["secret_access_key"]) == expected


def test_calls_of_the_json_protocol_get_the_signature_of_botocore() -> None:
    rng = random.Random(1)
    for _ in range(200):
        # GIVEN a request that botocore signed
        body = rng.randbytes(rng.randint(0, 300))
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"}
        aws = AWSRequest("POST", "https://dynamodb.eu-central-1.amazonaws.com/", headers, body)
        token = f"{rng.random()}" if rng.random() < 0.5 else None
        SigV4Auth(Credentials(KEY_ID, SECRET, token), "dynamodb", "eu-central-1").add_auth(aws)
        request = as_sent(aws)
        expected = request.headers.pop("authorization")
        request.headers.pop("content-length", None)
        # THEN ours is the same
        assert authorization(request, SigningScope("eu-central-1", "dynamodb"), KEY_ID, SECRET) == expected


def test_the_date_of_a_request() -> None:
    assert amz_date(datetime(2015, 8, 30, 12, 36, 0, 900_000, UTC).timestamp()) == "20150830T123600Z"
