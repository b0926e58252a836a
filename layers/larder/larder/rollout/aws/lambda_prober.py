"""Send golden requests to the deployed functions, with the events that API Gateway would send.

Only this folder of serving imports boto3, and no function on the request path imports it. boto3 comes with
Lambda's runtime: a layer with a pinned version would add 27 MB for one call that has not changed since 2014.
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
from larder.release.routes import MODEL_ACTIONS, MODEL_ROUTES, RELEASE_HEADER

# The read timeout is above that of the functions. boto3 retries throttled calls; Lambda retries the rollout.
_CLIENT: Final = Config(connect_timeout=5, read_timeout=65, retries={"total_max_attempts": 3, "mode": "standard"})
# Failures that a release causes. Others (a function that does not start or times out) may have other causes.
_CRASHES: Final = ("Runtime.ExitError", "Runtime.OutOfMemory")


class Lambda(Protocol):
    """The part of boto3's client that is used."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803  # boto3's names
        """Call a function and wait for its result."""


class LambdaProber:
    """A ``SendRequest`` that calls functions by Lambda's Invoke."""

    def __init__(self, client: Lambda, functions: Mapping[Kind, str]) -> None:
        """Use ``client``; ``functions`` has the function that serves each kind of model."""
        self._client = client
        self._functions = functions

    @classmethod
    def connect(cls, functions: Mapping[Kind, str]) -> "LambdaProber":
        """Use the functions in this region, with the role of this function."""
        return cls(boto3.client("lambda", config=_CLIENT), functions)

    def __call__(self, manifest: Manifest, request: bytes) -> Mapping[str, Any]:
        """The JSON document of the response.

        Raises:
            ReleaseError: the function refused the request, or crashed.
            FunctionUnavailable: the function could not be called, timed out or had no access to its store; try again.
        """
        function = self._functions[manifest.kind]
        try:
            reply = self._client.invoke(FunctionName=function, Payload=json.dumps(event(manifest, request)).encode())
            payload = json.loads(reply["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            raise _call_error(function, error) from error
        if reply.get("FunctionError"):
            raise _function_error(function, payload)
        return _document(function, payload)


def event(manifest: Manifest, request: bytes) -> dict[str, Any]:
    """The HTTP API event (payload format 2.0) that sends a golden request to this release, live or not."""
    route = MODEL_ROUTES[manifest.kind]
    path = route.format(model=manifest.model)
    as_json = request.startswith(b"{")  # no image starts with this
    query = {"min_confidence": "0"} if manifest.kind == "classifier" else {}
    return {
        "version": "2.0",
        "routeKey": f"POST {route}",
        "rawPath": path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in query.items()),
        "queryStringParameters": query,
        "pathParameters": {"model": manifest.model},
        "headers": {
            "content-type": "application/json" if as_json else "application/octet-stream",
            RELEASE_HEADER: manifest.release,
        },
        "requestContext": {
            "http": {"method": "POST", "path": path},
            "stage": "$default",
            "authorizer": {"larder": {"scopes": [f"{MODEL_ACTIONS[manifest.kind]}:{manifest.model}"]}},
        },
        "body": base64.b64encode(request).decode(),
        "isBase64Encoded": True,
    }


def _call_error(function: str, error: Exception) -> ReleaseError | FunctionUnavailable:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    if code == "RequestTooLargeException":
        return ReleaseError("A golden request is too large for a function: train with smaller images.")
    return FunctionUnavailable(f"{function} could not be called ({code}): check the rollout's role, then try again.")


def _function_error(function: str, payload: Mapping[str, Any]) -> ReleaseError | FunctionUnavailable:
    kind = str(payload.get("errorType", "timeout"))
    if kind.startswith(_CRASHES):
        return ReleaseError(
            f"{function} crashed on a golden request ({kind}): give it more memory, or train a new release."
        )
    return FunctionUnavailable(f"{function} failed ({kind}): see its log, then try again.")


def _document(function: str, response: Mapping[str, Any]) -> Mapping[str, Any]:
    status, document = response["statusCode"], json.loads(response["body"])
    if status == 200:
        result: Mapping[str, Any] = document
        return result
    message = str(document["error"]["message"])
    if status == 503:
        raise FunctionUnavailable(f"{function} was not ready: {message}")
    raise ReleaseError(f"A golden request got status {status}: {message}")
