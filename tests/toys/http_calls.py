"""Calls of a function's handler, as API Gateway makes them."""

import json
from collections.abc import Callable
from typing import Any

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def call(handler: Handler, method: str, path: str, body: object = None, **query: str) -> tuple[int, Any]:
    """The status and the JSON of a response."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in query.items()),
        "queryStringParameters": query,
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path}},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
    response = handler(event, None)
    return response["statusCode"], json.loads(response["body"])
