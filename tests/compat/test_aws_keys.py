"""Keys of clients of AWS: each refusal is the exception that AWS has for it, and no key learns of other models."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.auth
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.compat.conftest import RED, REGION, Endpoint

Client = Any  # boto3 makes its clients' classes at run time
Call = Callable[[Client, str], Any]

CALLS: Mapping[str, tuple[str, Call]] = {
    "rekognition": (
        "rekognition",
        lambda client, model: client.detect_custom_labels(
            ProjectVersionArn=f"arn:aws:rekognition:us-east-1:123456789012:project/{model}/version/v1/1",
            Image={"Bytes": RED},
        ),
    ),
    "sagemaker": (
        "sagemaker-runtime",
        lambda client, model: client.invoke_endpoint(EndpointName=model, Body=RED),
    ),
}
CALL = pytest.mark.parametrize("service", CALLS)


@contextmanager
def connected(endpoint: Endpoint, service: str, secret: str | None = None, **config: Any) -> Iterator[Client]:  # noqa: ANN401  # of any kind
    connect: Any = boto3.client  # whose types have an overload for each service
    client = connect(
        CALLS[service][0],
        endpoint_url=endpoint.url,
        region_name=REGION,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=secret or endpoint.secret_key,
        config=Config(retries={"max_attempts": 0}, **config),
    )
    try:
        yield client
    finally:
        client.close()


def refusal(client: Client, service: str, model: str = "colours") -> tuple[str, int, str]:
    """The code, the status and the message of the error that a call gets."""
    with pytest.raises(ClientError) as raised:
        CALLS[service][1](client, model)
    error = raised.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


@CALL
def test_without_a_key(endpoint: Endpoint, service: str) -> None:
    with connected(endpoint, service, signature_version=UNSIGNED) as client:
        assert refusal(client, service)[:2] == ("MissingAuthenticationTokenException", 403)


@CALL
def test_an_unknown_key_and_one_that_cannot_sign(endpoint: Endpoint, service: str) -> None:
    for access_key in ("AKIDEXAMPLE", "LK" + "0" * 18, endpoint.keys["not for signing"][0]):
        unknown = Endpoint(endpoint.url, access_key, "wrong", endpoint.store, {})
        with connected(unknown, service) as client:
            code, status, message = refusal(client, service)
        assert (code, status) == ("UnrecognizedClientException", 403)
        assert message == "The key is unknown or revoked, or it cannot sign: check its id and secret."


@CALL
def test_a_wrong_secret(endpoint: Endpoint, service: str) -> None:
    with connected(endpoint, service, secret="x" * 40) as client:
        assert refusal(client, service)[:2] == ("InvalidSignatureException", 403)


@CALL
def test_an_expired_key(endpoint: Endpoint, service: str) -> None:
    with connected(endpoint.with_key("expired"), service) as client:
        assert refusal(client, service)[:2] == ("ExpiredTokenException", 403)


@CALL
def test_a_clock_that_is_an_hour_behind(endpoint: Endpoint, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    then = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: then)
    credentials = Credentials(endpoint.access_key, endpoint.secret_key)

    def sign(request: Any, **_: Any) -> None:  # noqa: ANN401  # botocore's request
        # The client's own signer may be that of the CRT, whose clock cannot be set.
        meaning = {name: text.decode() for name, text in request.headers.items() if name == "X-Amz-Target"}
        late = AWSRequest(request.method, request.url, headers=meaning, data=request.body)
        SigV4Auth(credentials, service, REGION).add_auth(late)
        request.headers.update(dict(late.headers.items()))

    with connected(endpoint, service, signature_version=UNSIGNED) as client:
        client.meta.events.register("before-send", sign)
        code, status, message = refusal(client, service)
    assert (code, status) == ("InvalidSignatureException", 403)
    assert "clock" in message


@CALL
def test_a_signature_that_cannot_be_read(endpoint: Endpoint, service: str) -> None:
    def spoil(request: Any, **_: Any) -> None:  # noqa: ANN401  # botocore's request
        request.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=nothing"

    with connected(endpoint, service, signature_version=UNSIGNED) as client:
        client.meta.events.register("before-send", spoil)
        assert refusal(client, service)[:2] == ("IncompleteSignatureException", 403)


@CALL
def test_a_key_gets_the_same_answer_whether_another_model_exists_or_not(endpoint: Endpoint, service: str) -> None:
    with connected(endpoint.with_key("classify colours"), service) as client:
        CALLS[service][1](client, "colours")
        answers = set()
        for model in ("broken", "draft", "nothing", "shop"):
            code, status, message = refusal(client, service, model)
            answers.add((code, status, message.replace(f"classify:{model}", "classify:MODEL")))
    ((code, status, message),) = answers
    assert (code, status) == ("AccessDeniedException", 403)
    assert "classify:MODEL" in message


def test_access_denied_and_the_exceeded_rate_are_rekognitions_own_exceptions(endpoint: Endpoint) -> None:
    with connected(endpoint.with_key("recommend shop"), "rekognition") as client:
        with pytest.raises(client.exceptions.AccessDeniedException):
            CALLS["rekognition"][1](client, "colours")
        with pytest.raises(client.exceptions.AccessDeniedException):
            client.detect_labels(Image={"Bytes": RED})
        with pytest.raises(client.exceptions.AccessDeniedException):
            client.describe_projects()
    with connected(endpoint.with_key("one request"), "rekognition") as client:
        CALLS["rekognition"][1](client, "colours")
        with pytest.raises(client.exceptions.ProvisionedThroughputExceededException) as raised:
            CALLS["rekognition"][1](client, "colours")
        metadata = raised.value.response["ResponseMetadata"]
        assert int(metadata["HTTPHeaders"]["retry-after"]) > 0
        assert metadata["HTTPStatusCode"] == 400
    with connected(endpoint.with_key("one request"), "sagemaker") as client:
        assert refusal(client, "sagemaker")[:2] == ("ThrottlingException", 429)


def test_a_key_sees_only_its_models(endpoint: Endpoint) -> None:
    with connected(endpoint.with_key("read colours"), "rekognition") as client:
        (project,) = client.describe_projects()["ProjectDescriptions"]
        assert "/colours/" in project["ProjectArn"]
        assert client.describe_project_versions(ProjectArn=project["ProjectArn"])["ProjectVersionDescriptions"]
        for model in ("draft", "nothing"):
            with pytest.raises(client.exceptions.AccessDeniedException):
                client.describe_project_versions(ProjectArn=project["ProjectArn"].replace("colours", model))
            with pytest.raises(client.exceptions.AccessDeniedException):
                client.stop_project_version(
                    ProjectVersionArn=f"arn:aws:rekognition:us-east-1:123456789012:project/{model}/version/v1/1"
                )
        with pytest.raises(client.exceptions.AccessDeniedException):
            CALLS["rekognition"][1](client, "colours")


def test_the_keys_default_model_answers_detect_labels(endpoint: Endpoint) -> None:
    with (
        connected(endpoint.with_key("default draft"), "rekognition") as client,
        pytest.raises(client.exceptions.ResourceNotReadyException, match="model draft"),
    ):
        client.detect_labels(Image={"Bytes": RED})
