"""The time that preloading a model saves in a cold start, by the latency of the object store.

Each start is a new process on one processor: it imports the function, and handles one event. S3 is moto's server on
loopback, which waits ``--delay`` before each response. The time of a start is taken from its log line: imports and the
first request. Run from the repository's root: ``.venv/bin/python benchmarks/serving/preload.py RELEASE``, with
``--image IMAGE`` for a classifier, or with ``--user USER`` for a recommender.
"""

import argparse
import base64
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import ThreadedMotoServer

from larder.release.keys import file_key, pointer_key
from larder.release.manifest import Manifest, parse
from larder.release.pointer import Pointer, dump_pointer
from larder.store import open_store

FUNCTIONS = Path(__file__).parents[2] / "functions"
NAMES = {"classifier": "classify", "recommender": "recommend"}
PROGRAM = "import json, sys, app; app.handler(json.load(sys.stdin), None)"
NONE = "-"  # not a model's name, so nothing is preloaded


def main() -> None:
    """Prints the median and the best time, with and without a preloaded model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", type=Path, help="a release folder")
    parser.add_argument("--image", type=Path, help="image to classify")
    parser.add_argument("--user", help="user to recommend for")
    parser.add_argument("--delay", type=float, default=20.0, help="milliseconds before each response of S3")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    manifest = parse((options.release / "manifest.json").read_bytes())
    event = json.dumps(request_event(manifest, options.image, options.user))
    with tempfile.TemporaryDirectory() as folder:
        serve(options.delay / 1000, options.release, manifest)
        seconds: dict[str, list[float]] = {manifest.model: [], NONE: []}
        for number in range(options.rounds):
            for preloaded, times in seconds.items():
                times.append(start(NAMES[manifest.kind], event, preloaded, Path(folder) / f"{number}{preloaded}"))
    for preloaded, times in seconds.items():
        label = "not preloaded" if preloaded == NONE else "preloaded"
        print(f"{label:14} {statistics.median(times):7.0f} ms median, {min(times):.0f} ms best of {options.rounds}")


def request_event(manifest: Manifest, image: Path | None, user: str | None) -> dict[str, Any]:
    """The event of one request."""
    path = f"/v1/models/{manifest.model}/{NAMES[manifest.kind]}"
    context = {"http": {"method": "POST" if image else "GET", "path": path}, "stage": "$default"}
    event = {"version": "2.0", "rawPath": path, "headers": {}, "requestContext": context, "isBase64Encoded": True}
    body = base64.b64encode(image.read_bytes()).decode() if image else ""
    query = {"user": user} if user else {}
    return {**event, "pathParameters": {"model": manifest.model}, "queryStringParameters": query, "body": body}


def serve(delay: float, release: Path, manifest: Manifest) -> None:
    """Starts S3 with the release live in it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "toy", "AWS_SECRET_ACCESS_KEY": "toy"}
    bucket = urllib.request.Request(f"http://{host}:{port}/bucket", data=b"", method="PUT")  # our own server
    urllib.request.urlopen(bucket, timeout=10).close()  # noqa: S310  # our own server
    store = open_store("s3://bucket")
    for name in [*manifest.files, "manifest.json"]:
        store.upload(file_key(manifest.model, manifest.release, name), release / name)
    store.put(pointer_key(manifest.model), dump_pointer(Pointer(manifest.release)))
    respond = DomainDispatcherApplication.__call__

    def respond_late(
        application: DomainDispatcherApplication, environ: dict[str, Any], start_response: object
    ) -> object:
        time.sleep(delay)
        return respond(application, environ, start_response)

    setattr(DomainDispatcherApplication, "__call__", respond_late)  # noqa: B010  # mypy takes no other assignment to a method


def start(function: str, event: str, preloaded: str, cache: Path, authorization: str = "NONE") -> float:
    """Milliseconds from the start of the import to the first response, in a new process."""
    settings = {"STORE": "s3://bucket", "CACHE_DIR": str(cache), "CACHE_BYTES": "400000000", "REFRESH_SECONDS": "30"}
    settings |= {"MAX_PIXELS": "50000000", "PRELOAD": preloaded, "AUTHORIZATION": authorization}
    environment = {**os.environ, **{f"LARDER_{name}": value for name, value in settings.items()}}
    environment |= {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}
    done = subprocess.run(  # noqa: S603  # our own program
        ["taskset", "-c", "0", sys.executable, "-c", PROGRAM],  # noqa: S607
        cwd=FUNCTIONS / function,
        env=environment,
        input=event,
        capture_output=True,
        text=True,
        check=True,
    )
    line = json.loads(done.stdout.splitlines()[-1])
    if line["status"] != 200:
        sys.exit(f"The function returned {line['status']}: {done.stdout}{done.stderr}")
    return float(line["cold"]["imports"] + line["cold"]["answer"])


if __name__ == "__main__":
    main()
