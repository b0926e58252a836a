"""The deployed functions, asked a golden request as API Gateway would ask them.

The only module of the serving code that imports boto3, which comes with Lambda's runtime: a layer with a pinned one
would add 27 MB for one call that has not changed since 2014. Nothing that answers requests imports this.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from larder.errors import FunctionUnavailable, ReleaseError
from larder.release.manifest import Kind, Manifest
from larder.release.routes import MODEL_ROUTES, RELEASE_HEADER

# Read longer than an API's function may take. Throttling is waited out here; beyond that, Lambda repeats the rollout.
_CLIENT: Final = Config(connect_timeout=5, read_timeout=65, retries={"total_max_attempts": 3, "mode": "standard"})
# What a release can do to a process. Other failures of a function (it does not start, it took too long) are not, or not
# surely, the release's.
_CRASHES: Final = ("Runtime.ExitError", "Runtime.OutOfMemory")


class Lambda(Protocol):
    """What is used of boto3's client."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803  # boto3's names
        """Calls a function and waits for what it returns."""


class LambdaProber:
    """An ``SendRequest`` by Lambda's Invoke; ``functions`` names the one that serves each kind."""

    def __init__(self, client: Lambda, functions: Mapping[Kind, str]) -> None:
        self._client = client
        self._functions = functions

    @classmethod
    def connect(cls, functions: Mapping[Kind, str]) -> "LambdaProber":
        """With this region's functions and this function's role."""
        return cls(boto3.client("lambda", config=_CLIENT), functions)

    def __call__(self, found: Manifest, request: bytes) -> Mapping[str, Any]:
        """The answer's document.

        Raises:
            ReleaseError: the function refused the request or did not survive it.
            FunctionUnavailable: the function could not be called, took too long or lacked its store: ask again later.
        """
        function = self._functions[found.kind]
        try:
            reply = self._client.invoke(FunctionName=function, Payload=json.dumps(event(found, request)).encode())
            payload = json.loads(reply["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            raise _not_called(function, error) from error
        if reply.get("FunctionError"):
            raise _failed(function, payload)
        return _document(function, payload)


def event(found: Manifest, request: bytes) -> dict[str, Any]:
    """The HTTP API event (payload format 2.0) that puts a golden request to this very release, live or not."""
    route = MODEL_ROUTES[found.kind]
    path = route.format(model=found.model)
    as_json = request.startswith(b"{")  # as no picture begins
    query = {"min_confidence": "0"} if found.kind == "classifier" else {}
    return {
        "version": "2.0",
        "routeKey": f"POST {route}",
        "rawPath": path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in query.items()),
        "queryStringParameters": query,
        "pathParameters": {"model": found.model},
        "headers": {
            "content-type": "application/json" if as_json else "application/octet-stream",
            RELEASE_HEADER: found.release,
        },
        "requestContext": {"http": {"method": "POST", "path": path}, "stage": "$default"},
        "body": base64.b64encode(request).decode(),
        "isBase64Encoded": True,
    }


def _not_called(function: str, error: Exception) -> ReleaseError | FunctionUnavailable:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    if code == "RequestTooLargeException":
        return ReleaseError("A golden request is larger than a function takes: train with smaller photos.")
    return FunctionUnavailable(f"{function} could not be called ({code}): check the rollout's role, then try again.")


def _failed(function: str, payload: Mapping[str, Any]) -> ReleaseError | FunctionUnavailable:
    kind = str(payload.get("errorType", "it took too long"))
    if kind.startswith(_CRASHES):
        return ReleaseError(
            f"{function} did not survive a golden request ({kind}): give it more memory, or train anew."
        )
    return FunctionUnavailable(f"{function} failed ({kind}): look at its log, then try again.")


def _document(function: str, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    status, document = answer["statusCode"], json.loads(answer["body"])
    if status == 200:
        found: Mapping[str, Any] = document
        return found
    message = str(document["error"]["message"])
    if status == 503:
        raise FunctionUnavailable(f"{function} was not ready: {message}")
    raise ReleaseError(f"A golden request is answered with {status}: {message}")
