"""The gateway over the service in ``service/``, on a real socket, with real worker processes."""

import asyncio
import http.client
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from larder_local.gateway.server import Gateway
from larder_local.gateway.template import load

SERVICE = Path(__file__).parent / "service" / "template.yaml"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; header names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return ",".join(value for key, value in self.headers if key == name)


@dataclass(frozen=True)
class Served:
    """A running gateway."""

    port: int
    logs: Path

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            return read(connection)
        finally:
            connection.close()


def read(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    body = response.read()
    return Answer(response.status, [(name.lower(), value) for name, value in response.getheaders()], body)


@contextmanager
def serving(logs: Path, *, workers: int, timeout: float = 30.0) -> Iterator[Served]:
    """Runs a gateway in a thread of its own until the block ends."""
    started: Future[tuple[str, Callable[[], None]]] = Future()

    async def run() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        gateway = Gateway(load(SERVICE), logs=logs, workers=workers, timeout=timeout)
        try:
            started.set_result((await gateway.start(0), lambda: void(loop.call_soon_threadsafe(stop.set))))
            await stop.wait()
        finally:
            await gateway.close()

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(asyncio.run, run())
        while not started.done() and not running.done():
            time.sleep(0.01)
        if not started.done():
            running.result()
        address, stop = started.result(0)
        try:
            yield Served(int(address.rpartition(":")[2]), logs)
        finally:
            stop()
            running.result(60)


def void(_: object) -> None:
    """For a callback whose result nobody wants."""


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The whole service with two workers a function, for tests that leave it as it was."""
    with serving(tmp_path_factory.mktemp("logs"), workers=2) as gateway:
        yield gateway
