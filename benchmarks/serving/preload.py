"""What opening a model while its function is imported saves of a cold start, by how far away the object store is.

Each start is a fresh process on one processor: it imports the function, and answers one event. S3 is moto's server on
loopback, which waits ``--delay`` before each answer. A start takes what its own line in the log says: imports, and the
first answer. Run from the repository's root: ``.venv/bin/python benchmarks/serving/preload.py RELEASE``, with
``--photo PHOTO`` for a classifier's release, with ``--user USER`` for a recommender's.
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
NONE = "-"  # no model's name: nothing is preloaded


def main() -> None:
    """Prints the median and the best, with a preloaded model and without."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", type=Path, help="a release folder")
    parser.add_argument("--photo", type=Path, help="what to ask a classifier about")
    parser.add_argument("--user", help="whom to ask a recommender about")
    parser.add_argument("--delay", type=float, default=20.0, help="milliseconds before each answer of S3")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    manifest = parse((given.release / "manifest.json").read_bytes())
    event = json.dumps(asked(manifest, given.photo, given.user))
    with tempfile.TemporaryDirectory() as folder:
        serve(given.delay / 1000, given.release, manifest)
        taken: dict[str, list[float]] = {manifest.model: [], NONE: []}
        for number in range(given.rounds):
            for preloaded, times in taken.items():
                times.append(start(NAMES[manifest.kind], event, preloaded, Path(folder) / f"{number}{preloaded}"))
    for preloaded, times in taken.items():
        told = "not preloaded" if preloaded == NONE else "preloaded"
        print(f"{told:14} {statistics.median(times):7.0f} ms median, {min(times):.0f} ms best of {given.rounds}")


def asked(manifest: Manifest, photo: Path | None, user: str | None) -> dict[str, Any]:
    """The event of one request."""
    path = f"/v1/models/{manifest.model}/{NAMES[manifest.kind]}"
    context = {"http": {"method": "POST" if photo else "GET", "path": path}, "stage": "$default"}
    event = {"version": "2.0", "rawPath": path, "headers": {}, "requestContext": context, "isBase64Encoded": True}
    body = base64.b64encode(photo.read_bytes()).decode() if photo else ""
    query = {"user": user} if user else {}
    return {**event, "pathParameters": {"model": manifest.model}, "queryStringParameters": query, "body": body}


def serve(delay: float, release: Path, manifest: Manifest) -> None:
    """Starts S3 and puts the release there, live."""
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
    answer = DomainDispatcherApplication.__call__

    def late(application: DomainDispatcherApplication, environ: dict[str, Any], start_response: object) -> object:
        time.sleep(delay)
        return answer(application, environ, start_response)

    setattr(DomainDispatcherApplication, "__call__", late)  # noqa: B010  # mypy takes no other assignment to a method


def start(function: str, event: str, preloaded: str, cache: Path) -> float:
    """Milliseconds from the function's first line to its first answer, in a process of its own."""
    settings = {"STORE": "s3://bucket", "CACHE_DIR": str(cache), "CACHE_BYTES": "400000000", "REFRESH_SECONDS": "30"}
    settings |= {"MAX_PIXELS": "50000000", "PRELOAD": preloaded}
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
        sys.exit(f"The function answered {line['status']}: {done.stdout}{done.stderr}")
    return float(line["cold"]["imports"] + line["cold"]["answer"])


if __name__ == "__main__":
    main()
