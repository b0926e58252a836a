"""Performs the action in the path: it succeeds, fails, sleeps or crashes."""

import base64
import os
import time
from collections.abc import Mapping
from typing import Any


def handler(event: dict[str, Any], _: object) -> object:
    """One action per request."""
    query = event.get("queryStringParameters") or {}
    match event["pathParameters"]["action"]:
        case "sleep":
            time.sleep(float(query["seconds"]))
        case "crash":
            os._exit(7)
        case "raise":
            raise RuntimeError("a handler's own secret")
        case "bytes":
            return _binary()
        case "long":
            return {"statusCode": 200, "body": "x" * int(query["bytes"])}
        case "length":
            return {"statusCode": 200, "body": str(len(_body(event)))}
    return {"statusCode": 200, "body": str(os.getpid())}


def _binary() -> object:
    body = base64.b64encode(bytes(range(256))).decode()
    headers = {"Content-Type": "application/octet-stream", "Connection": "close"}
    return {"statusCode": 201, "headers": headers, "cookies": ["a=1", "b=2"], "body": body, "isBase64Encoded": True}


def _body(event: Mapping[str, Any]) -> bytes:
    return base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
