"""The gateway over the service in ``service/``, on a real socket, with real worker processes."""

import asyncio
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import pytest

from larder_local.gateway.server import Gateway
from larder_local.gateway.template import Template, load
from larder_local.keys import local_key
from larder_local.workspace import Workspace

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
SERVICE = Path(__file__).parent / "service" / "template.yaml"


@dataclass(frozen=True)
class Answer:
    """One HTTP response; header names are in lower case."""

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
def serving(logs: Path, *, workers: int, timeout: float = 30.0, template: Template | None = None) -> Iterator[Served]:
    """Runs a gateway in a thread until the block ends; it serves ``template``, or ``service/``."""
    started: Future[tuple[str, Callable[[], None]]] = Future()

    async def run() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        gateway = Gateway(template or load(SERVICE), logs=logs, workers=workers, timeout=timeout)
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
    """Turns a callback's result into None."""


def processes_left(pids: Iterable[int], wanted: int = 0, seconds: float = 20) -> set[int]:
    """Waits until at most ``wanted`` of ``pids`` run, or the time is over, and returns those. Zombies do not run."""
    deadline = time.monotonic() + seconds
    while True:
        left = {pid for pid in pids if _runs(pid)}
        if len(left) <= wanted or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    return _stat(pid)[:1] not in ([], ["Z"])


def _stat(pid: int) -> list[str]:
    """State, parent and more (proc(5)); empty if the process does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def children(pid: int) -> set[int]:
    """The running child processes of ``pid``."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return {child for child in pids if _stat(child)[1:2] == [str(pid)]}


@dataclass(frozen=True)
class Up:
    """A running ``larder up``, its key, and its output so far."""

    process: "subprocess.Popen[str]"
    address: str
    key: str | None
    printed: str

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        sent = {**({"x-api-key": self.key} if self.key else {}), **(headers or {})}
        return Served(int(self.address.rpartition(":")[2]), Path()).call("POST" if body else "GET", path, body, sent)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


def larder(*arguments: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a ``larder`` command until it ends."""
    return subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "larder_local", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def start(folder: Path, *arguments: str, until: str = "Ctrl-C", **environment: str) -> Up:
    """Starts ``larder up`` on a free port and waits until it prints ``until``."""
    process = subprocess.Popen(  # noqa: S603  our own command
        [sys.executable, "-m", "larder_local", "up", "--port", "0", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, printed = cast("IO[str]", process.stdout), ""
    try:
        for line in output:
            printed += line
            if until in line:
                break
        else:
            pytest.fail(f"larder up ended with {process.wait(10)}:\n{printed}")
    except BaseException:
        process.kill()
        process.wait(10)
        raise
    threading.Thread(target=_drain, args=(output,)).start()  # a full pipe would block it
    workspace = Workspace(folder / ".larder")
    service = workspace.running_service()
    return Up(process, service.url if service else "", local_key.read(workspace), printed)


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[Up]:
    """Runs ``larder up`` until the end of the block, or until the block stops it."""
    up = start(folder, *arguments, **environment)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.process.kill()
        up.process.wait(30)


def _drain(output: IO[str]) -> None:
    with output:
        output.read()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The whole service with two workers per function, for tests that do not change it."""
    with serving(tmp_path_factory.mktemp("logs"), workers=2) as gateway:
        yield gateway
