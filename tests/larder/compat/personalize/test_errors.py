"""Larder's errors as the code that a client of Personalize Runtime reads."""

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from larder.compat.personalize.errors import runtime_error
from larder.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    LarderError,
    NotFound,
    NotReady,
    Refusal,
    SettingsError,
    StoreError,
    TooManyRequests,
    Unauthorized,
)
from larder.web.request import Request
from larder.web.responses import Problem

EVENT = {"requestContext": {"http": {"method": "POST", "path": "/recommendations"}}}


def parsed(error: Exception) -> dict[str, Any]:
    """The response to an error, as botocore reads it."""
    response = runtime_error(Problem.of(error), Request.of(EVENT))
    model = ServiceModel(Loader().load_service_model("personalize-runtime", "service-2"), "personalize-runtime")
    shape = model.shape_for("GetRecommendationsResponse")
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    sent = {"status_code": response.status_code, "headers": headers, "body": str(response.body).encode()}
    document: dict[str, Any] = create_parser("rest-json").parse(sent, shape)
    return document


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (InvalidRequest("m"), "InvalidInputException", 400),
        (NotFound("m"), "ResourceNotFoundException", 404),
        (NotReady("m"), "ResourceNotFoundException", 404),
        (Forbidden("m"), "AccessDeniedException", 403),
        (TooManyRequests("m", 2.5), "ThrottlingException", 400),
        (StoreError("m"), "ServiceUnavailable", 503),
        (Conflict("m"), "ServiceUnavailable", 503),
        (LarderError("m"), "InternalFailure", 500),
        (SettingsError("m", ["secret"]), "InternalFailure", 500),
        (ZeroDivisionError("m"), "InternalFailure", 500),
    ],
)
def test_each_error_has_its_code(error: Exception, code: str, status: int) -> None:
    read = parsed(error)
    assert read["Error"]["Code"] == code
    assert read["ResponseMetadata"]["HTTPStatusCode"] == status
    message = read["Error"]["Message"]
    assert message.startswith("Larder failed; its log says why.") if status == 500 else message == "m"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("missing", "MissingAuthenticationTokenException"),
        ("malformed", "IncompleteSignatureException"),
        ("unknown", "UnrecognizedClientException"),
        ("expired", "ExpiredTokenException"),
        ("signature", "InvalidSignatureException"),
        ("skewed", "InvalidSignatureException"),
    ],
)
def test_each_refusal_has_its_code(reason: Refusal, code: str) -> None:
    read = parsed(Unauthorized("m", reason))
    assert (read["Error"]["Code"], read["ResponseMetadata"]["HTTPStatusCode"]) == (code, 403)


def test_throttling_says_how_long_to_wait() -> None:
    headers = parsed(TooManyRequests("m", 2.5))["ResponseMetadata"]["HTTPHeaders"]
    assert headers["retry-after"] == "3"
