"""Runs the Python example of the README: boto3, an upload to S3, and a request with a key."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import S3
from tests.larder_local.conftest import serving
from tests.paths import ROOT
from tests.toys.digits import SERVING, make_graph, make_image

from larder.auth import parse_scope
from larder.release.keys import pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.rollout import upload
from larder.store import Store, open_store
from larder_local.gateway.template import load
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore
from larder_training.release.writer import write_release


@pytest.fixture
def store(tmp_path: Path, s3_url: str) -> Store:
    """A bucket with a live classifier named ``pets``."""
    bucket = open_store(s3_url)
    files: dict[str, Path | bytes] = {"model.onnx": make_graph()}
    empty: dict[str, object] = {}
    folder = write_release(
        tmp_path / "releases",
        model="pets",
        kind="classifier",
        serving=SERVING,
        files=files,
        evaluation=empty,
        training=empty,
        structure=empty,
    )
    upload(folder, bucket)
    bucket.put(pointer_key("pets"), dump_pointer(Pointer(folder.name)))
    return bucket


def test_the_python_example_uploads_presents_its_key_and_prints_labels(tmp_path: Path, store: Store, s3: S3) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "image.png").write_bytes(make_image((200, 30, 20)))
    key, secret = new_key((parse_scope("classify:pets"),), now=0)
    KeyStore.open(store.url).add(key)
    template = load(ROOT / "template.yaml")
    classify = template.functions["ClassifyFunction"]
    local = {"LARDER_STORE": store.url, "LARDER_CACHE_DIR": str(tmp_path / "cache")}
    functions = {"ClassifyFunction": replace(classify, environment={**classify.environment, **s3.env, **local})}
    routes = tuple(route for route in template.routes if route.function in functions)

    with serving(
        tmp_path / "logs", workers=1, template=replace(template, functions=functions, routes=routes)
    ) as served:
        variables = {
            "LARDER_URL": f"http://127.0.0.1:{served.port}",
            "LARDER_BUCKET": s3.bucket,
            "LARDER_KEY": f"{key.id}.{secret}",
        }
        done = subprocess.run(  # noqa: S603  the README's own code
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**s3.env, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.stderr == ""
    assert done.stdout.startswith("[{'name': 'red', 'confidence': 0.99")
    assert open_store(store.url).size("uploads/image.png")
