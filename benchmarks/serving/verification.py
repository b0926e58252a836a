"""What verifying callers costs: a warm call and a cold start of recommend, without keys, with a key, and with SigV4.

The function answers in this machine's Python, as `benchmarks/serving/preload.py` starts it: warm calls in one process
in turns, cold starts in new processes on one processor in turns, with S3 as moto's server on loopback that waits
``--delay`` before each response. The document has ``--keys`` keys. Run from the repository's root:
``.venv/bin/python benchmarks/serving/verification.py RELEASE --user USER``.
"""

import argparse
import copy
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import preload
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from larder.auth.keys import DOCUMENT, Key, dump_keys
from larder.auth.scopes import parse_scope
from larder.release.manifest import parse
from larder.store import open_store
from larder_local.keys.issue import new_key

HOST = "larder.example"
VARIANTS = ("NONE", "x-api-key", "SigV4")


def main() -> None:
    """Prints the medians and their differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", type=Path, help="a recommender's release folder")
    parser.add_argument("--user", default="u0001", help="user to recommend for")
    parser.add_argument("--keys", type=int, default=100, help="keys in the document")
    parser.add_argument("--delay", type=float, default=20.0, help="milliseconds before each response of S3")
    parser.add_argument("--calls", type=int, default=3000, help="warm calls of each kind")
    parser.add_argument("--rounds", type=int, default=15, help="cold starts of each kind")
    options = parser.parse_args()
    manifest = parse((options.release / "manifest.json").read_bytes())
    event = preload.request_event(manifest, None, options.user)
    preload.serve(options.delay / 1000, options.release, manifest)
    key, secret = issue(options.keys)
    with tempfile.TemporaryDirectory() as folder:
        warm = warm_calls(event, key, secret, Path(folder) / "warm", options.calls)
        cold, processor = cold_starts(event, key, secret, Path(folder), options.rounds)
    print(f"recommend, {options.keys} keys, S3 after {options.delay:g} ms, Python {sys.version.split()[0]}")
    for name, times in (("warm call", warm), ("cold start", cold), ("its CPU", processor)):
        for variant in VARIANTS:
            more = statistics.median(own - base for own, base in zip(times[variant], times["NONE"], strict=True))
            median, best = statistics.median(times[variant]), min(times[variant])
            added, least = f"{more:+8.3f} ms", f"{best - min(times['NONE']):+8.3f} ms"
            print(f"{name:10} {variant:9} median {median:8.3f} ms, {added} in pairs; best {best:8.3f} ms, {least}")


def issue(count: int) -> tuple[Key, str]:
    """Writes ``count`` keys that sign into the store; returns one of them and its secret."""
    made = [new_key((parse_scope("recommend:*"),), now=0, signs=True) for _ in range(count)]
    open_store("s3://bucket").put(DOCUMENT, dump_keys({key.id: key for key, _ in made}))
    return random.Random(0).choice(made)  # noqa: S311  # any of them


def presented(event: dict[str, Any], variant: str, key: Key, secret: str) -> dict[str, Any]:
    """The event as a caller of one kind sends it."""
    sent: dict[str, Any] = copy.deepcopy(event)
    query = "&".join(f"{name}={value}" for name, value in sent["queryStringParameters"].items())
    sent["rawQueryString"] = query
    sent["headers"] = {"host": HOST}
    if variant == "x-api-key":
        sent["headers"]["x-api-key"] = f"{key.id}.{secret}"
    if variant == "SigV4":
        request = AWSRequest("GET", f"https://{HOST}{sent['rawPath']}?{query}", {"host": HOST})
        SigV4Auth(Credentials(key.id, secret), "personalize", "eu-west-1").add_auth(request)
        sent["headers"] = {name.lower(): value for name, value in request.headers.items()}
    return sent


def warm_calls(event: dict[str, Any], key: Key, secret: str, cache: Path, count: int) -> dict[str, list[float]]:
    """Milliseconds of each call in one process, in turns, after the first few."""
    settings = {"STORE": "s3://bucket", "CACHE_DIR": str(cache), "CACHE_BYTES": "400000000", "REFRESH_SECONDS": "3600"}
    os.environ |= {f"LARDER_{name}": value for name, value in (settings | {"MAX_PIXELS": "1000000"}).items()}
    os.environ["LARDER_AUTHORIZATION"] = "KEYS"
    from recommend import app

    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    events = {variant: presented(event, variant, key, secret) for variant in VARIANTS}
    with redirect_stdout(StringIO()):
        for number in range(count + 100):
            for variant, sent in events.items():
                app.router._authenticate = None if variant == "NONE" else app.service.callers.authenticate  # noqa: SLF001
                begun = time.perf_counter()
                answer = app.handler(sent, None)
                elapsed = time.perf_counter() - begun
                if answer["statusCode"] != 200:
                    sys.exit(f"{variant}: {answer}")
                if number >= 100:
                    times[variant].append(1000 * elapsed)
    return times


def cold_starts(
    event: dict[str, Any], key: Key, secret: str, folder: Path, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds from the start of the import to the first response, in new processes; and of the processor in each
    process, with the start of Python, which other programs on this machine disturb less.
    """
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    processor: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for number in range(rounds):
        for variant in VARIANTS:
            sent = json.dumps(presented(event, variant, key, secret))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            authorization, cache = "NONE" if variant == "NONE" else "KEYS", folder / f"{number}{variant}"
            times[variant].append(preload.start("recommend", sent, "", cache, authorization))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            processor[variant].append(1000 * used)
    return times, processor


if __name__ == "__main__":
    main()
