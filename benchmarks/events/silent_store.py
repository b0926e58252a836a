"""How long answers take while the live store accepts connections and answers none.

    python benchmarks/events/silent_store.py

The function answers in this process, from random tables, with a DynamoDB at a socket that is not served.
"""

import json
import os
import socket
import statistics
import sys
import time
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

from local_shop import MODEL, local_shop

ROOT: Final = Path(__file__).parents[2]
ANSWERS: Final = 2000


def main() -> None:
    """Ask and print what the answers took."""
    sys.path.append(str(ROOT / "functions"))
    with local_shop() as shop, socket.create_server(("127.0.0.1", 0)) as silent:
        os.environ |= {
            "LARDER_STORE": shop.workspace.store,
            "LARDER_CACHE_DIR": str(shop.workspace.cache),
            "LARDER_CACHE_BYTES": "1000000000",
            "LARDER_REFRESH_SECONDS": "30",
            "LARDER_MAX_PIXELS": "1000000",
            "LARDER_AUTHORIZATION": "NONE",
            "LARDER_EVENTS_STORE": "dynamodb://live",
            "LARDER_EVENTS_QUEUE": shop.workspace.events,
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "toy",
            "AWS_SECRET_ACCESS_KEY": "toy",
        }
        from recommend import app  # it reads the environment

        took, log = [], StringIO()
        with redirect_stdout(log):
            for number in range(ANSWERS):
                begun = time.perf_counter()
                _ask(app.handler, f"user-{number}")
                took.append(1000 * (time.perf_counter() - begun))
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    counted = Counter(line["error"] for line in lines if line.get("LiveReadFailed"))
    cuts = statistics.quantiles(took, n=100)
    print(f"{ANSWERS} answers: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(took):.1f} ms")
    print(f"LiveReadFailed: {dict(counted)}")


def _ask(handler: object, user: str) -> None:
    path = f"/v1/models/{MODEL}/recommend"
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": f"user={user}",
        "queryStringParameters": {"user": user},
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": path}},
    }
    response = handler(event, None)  # type: ignore[operator]  # the function's
    assert response["statusCode"] == 200, response  # noqa: S101  # a benchmark


if __name__ == "__main__":
    main()
