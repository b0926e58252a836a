"""Does what the path says, good and bad."""

import base64
import os
import time
from typing import Any

_STARTED = time.time()


def handler(event: dict[str, Any], _: object) -> Any:
    """One deed a request."""
    deed, query = event["pathParameters"]["deed"], event.get("queryStringParameters") or {}
    match deed:
        case "pid":
            return {"statusCode": 200, "body": str(os.getpid())}
        case "sleep":
            time.sleep(float(query["seconds"]))
            return {"statusCode": 200, "body": str(os.getpid())}
        case "crash":
            os._exit(7)
        case "raise":
            raise RuntimeError("a handler's own secret")
        case "bytes":
            body = base64.b64encode(bytes(range(256))).decode()
            headers = {"Content-Type": "application/octet-stream", "Connection": "close"}
            return {"statusCode": 201, "headers": headers, "cookies": ["a=1", "b=2"], "body": body, "isBase64Encoded": True}
        case "long":
            return {"statusCode": 200, "body": "x" * int(query["bytes"])}
        case "length":
            body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
            return {"statusCode": 200, "body": str(len(body))}
        case "answer":
            return event["body"] if query.get("raw") else __import__("json").loads(event["body"])
    return "plain"
