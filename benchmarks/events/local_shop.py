"""A shop of random tables that takes events, served by `larder up` in a scratch folder: started, asked and killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from larder.events.settings import change_settings
from larder.store import open_store
from larder_client import Client
from larder_local.keys import local_key
from larder_local.workspace import Workspace

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from recommend_table import write

ROOT: Final = Path(__file__).parents[2]
MODEL: Final = "shop"
ITEMS: Final = 2000
"""Items ``item-0`` to ``item-1999``, each with 50 random neighbours."""
_START_SECONDS: Final = 120.0


@dataclass
class LocalShop:
    """A folder with the shop, and the service that serves it.

    Attributes:
        workspace: The folder ``.larder``.
        port: The port of 127.0.0.1; 0 for a free one at each start.
        workers: The maximum number of worker processes per function.
        process: The running `larder up`; None before the first start.
    """

    workspace: Workspace
    port: int = 0
    workers: int = 2
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the service, and return when it answers."""
        folder = self.workspace.root.parent
        self.workspace.service_file.unlink(missing_ok=True)  # a service that was killed leaves it
        options = ["--no-demo", "--port", str(self.port), "--workers", str(self.workers)]
        command = [sys.executable, "-m", "larder_local", "up", *options, "--template", str(ROOT / "template.yaml")]
        with (folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)  # noqa: S603  # our own
        end = time.monotonic() + _START_SECONDS
        while self.workspace.running_service() is None:
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"larder up did not start:\n{(folder / 'up.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill the service; its workers end with it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Stop the service as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    @property
    def url(self) -> str:
        """The address of the running service; empty between a kill and the next start."""
        running = self.workspace.running_service()
        return running.url if running else ""

    @property
    def key(self) -> str:
        """The key that `larder up` made."""
        return local_key.read(self.workspace) or ""

    def client(self) -> Client:
        """A client of the running service that repeats nothing by itself."""
        return Client(self.url, self.key, retries=0)


@contextmanager
def local_shop(*, port: int = 0, workers: int = 2, users: int = 1000) -> Iterator[LocalShop]:
    """A shop in a temporary folder, not started yet; items of type ``purchase`` are hidden. Stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="larder-events-") as temporary:
        workspace = Workspace(Path(temporary) / ".larder")
        workspace.root.mkdir()
        write_shop(workspace.root, users)
        change_settings(
            open_store(workspace.store), MODEL, lambda old: replace(old, enabled=True, hidden=("purchase",))
        )
        shop = LocalShop(workspace, port, workers)
        try:
            yield shop
        finally:
            shop.stop()


def write_shop(folder: Path, users: int) -> None:
    """Write the live release of the shop to the folder ``store`` in ``folder``."""
    widths = Namespace(slots=50, recent=10, neighbours=50, transitions=False)
    write(folder, Namespace(users=users, items=ITEMS, **vars(widths)))


def nice() -> None:
    """Leave the processor to others: the service inherits it."""
    os.nice(10)
