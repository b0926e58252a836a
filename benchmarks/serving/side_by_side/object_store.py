"""An S3 on this machine (moto's server) with the releases and the files of the naive handlers."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from larder.store import open_store
from side_by_side.containers import await_listening, free_port
from side_by_side.line_up import BUCKET
from side_by_side.material import Material
from side_by_side.processes import LOAD_CORE, started

_REGION: Final = "us-east-1"


@contextmanager
def serving(folder: Path) -> Iterator[Mapping[str, str]]:
    """Runs until the block ends; yields the environment for its clients."""
    port = free_port()
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    with started(command, log=folder / "moto.log", core=LOAD_CORE):
        await_listening(port)
        yield {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_REGION": _REGION,
        }


def fill(s3: Mapping[str, str], material: Material) -> None:
    """Uploads everything to the bucket."""
    import boto3

    os.environ |= s3
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    bucket, releases = open_store(f"s3://{BUCKET}"), material.folder / "store"
    for path in sorted(releases.glob("models/*/live.json")) + sorted(releases.glob("models/*/releases/*/*")):
        bucket.upload(path.relative_to(releases).as_posix(), path)
    bucket.upload("naive/model.onnx", material.naive)
    bucket.put("naive/lists.json", json.dumps(material.lists).encode())
