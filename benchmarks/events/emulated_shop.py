"""The shop of random tables on the deployed template, in an emulator of AWS that the end-to-end tests use as well."""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from local_shop import MODEL, ROOT, write_shop

from larder_client import Client

sys.path.append(str(ROOT))
from tests.e2e.aws import Stack, deploy, running, wait

BUNDLE: Final = ROOT / ".aws-sam/build"
"""Where `make build` writes the bundle."""


@contextmanager
def emulated_shop(bundle: Path, *, port: int = 0, users: int = 1000) -> Iterator[Client]:
    """A client of the shop, which is live and takes events; everything ends with the context.

    Args:
        bundle: The folder of the built template.
        port: The emulator's port on 127.0.0.1; 0 for a free one.
        users: How many users have a row.
    """
    with tempfile.TemporaryDirectory(prefix="larder-events-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        with socket.create_server(("127.0.0.1", port)) as free:
            port = free.getsockname()[1]
        with running(folder, port) as cloud:
            stack = deploy(cloud, bundle)
            _upload(stack, folder, users)
            os.environ["SSL_CERT_FILE"] = str(cloud.certificate)
            with Client(stack.url, stack.key, retries=0) as client:
                yield client


def _upload(stack: Stack, folder: Path, users: int) -> None:
    """Makes the shop live in the stack's bucket."""
    write_shop(folder, users)
    store, s3 = folder / "store", stack.cloud.client("s3")
    for path in sorted(store.rglob("*"), key=lambda path: path.name == "live.json"):
        if path.is_file():
            s3.upload_file(str(path), stack.bucket, path.relative_to(store).as_posix())
    stack.larder("events", "on", MODEL, "--hide", "purchase")
    route = f"/v1/models/{MODEL}/recommend"
    wait(lambda: True if "recommendation_id" in stack.ask(route).document else None)
