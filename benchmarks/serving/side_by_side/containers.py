"""A function in the container of AWS's image with one core, on the machine's own network: its S3 is at 127.0.0.1.

As ``larder_local.lambda_container`` otherwise: read-only, no rights, the function's memory as the limit.
"""

import http.client
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from larder_local.lambda_container import IMAGE, docker
from side_by_side.contenders import Bundle
from side_by_side.processes import SERVING_CORE

_IMAGE_SCRIPT: Final = Path(__file__).resolve().parents[3] / "scripts" / "lambda-base-image"
_RIE: Final = "/usr/local/bin/aws-lambda-rie"
_INVOKE: Final = "/2015-03-31/functions/function/invocations"
_SECONDS: Final = 60.0
_RIGHTS: Final = ("--user", "993:990", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
# Docker's filter of system calls is none of Lambda's, and the services that are compared run without one.
_NO_FILTER: Final = ("--security-opt", "seccomp=unconfined")


def ensure_image() -> None:
    """Makes AWS's image of Python available to Docker; raises RuntimeError if that fails."""
    print(f"Looking for the image {IMAGE}; if Docker has none, it is pulled or built, which takes minutes.", flush=True)
    done = subprocess.run([_IMAGE_SCRIPT], capture_output=True, text=True, check=False)  # noqa: S603  our own script
    if done.returncode:
        raise RuntimeError(f"The image {IMAGE} cannot be made ready:\n{done.stderr}Is the Docker daemon running?")


@contextmanager
def _container(bundle: Bundle, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    name, memory = f"larder-bench-{uuid4().hex[:8]}", f"{bundle.memory}m"
    limits = ("--cpuset-cpus", str(SERVING_CORE), "--cpus", "1", "--memory", memory, "--memory-swap", memory)
    places = {bundle.code: "/var/task"} | ({bundle.opt: "/opt"} if bundle.opt else {})
    volumes = [word for host, at in places.items() for word in ("--volume", f"{host.resolve()}:{at}:ro")]
    variables = {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(bundle.memory),
        "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        **bundle.environment,
    }
    given = [word for key, value in variables.items() for word in ("--env", f"{key}={value}")]
    # No log driver: what the function prints goes nowhere, so that no other process works on it.
    options = ("--detach", "--network", "host", "--log-driver", "none", "--volume", "/tmp")  # noqa: S108  the container's
    try:
        docker(
            "run", "--name", name, *options, *limits, *_RIGHTS, *_NO_FILTER, *volumes, *given, *before, IMAGE, *after
        )
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


@contextmanager
def worker(bundle: Bundle, port: int) -> Iterator[int]:
    """The function under AWS's runtime client, which asks the Runtime API on ``port``; gives its process id."""
    api = ("--env", f"AWS_LAMBDA_RUNTIME_API=127.0.0.1:{port}")
    with _container(bundle, api, ("app.handler",)) as name:
        yield int(docker("inspect", "--format", "{{.State.Pid}}", name))


def cold_start(bundle: Bundle, event: bytes) -> tuple[float, bytes]:
    """Seconds from an event to the first byte of its answer, in a container where nothing has run yet; and the answer.

    AWS's emulator listens already; the event makes it start Python, the runtime client and the handler.
    """
    port, api = free_port(), free_port()
    addresses = ("--runtime-interface-emulator-address", f"127.0.0.1:{port}")
    command = (*addresses, "--runtime-api-address", f"127.0.0.1:{api}", "/var/runtime/bootstrap", "app.handler")
    with _container(bundle, ("--entrypoint", _RIE), command):
        await_listening(port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
        begun = time.perf_counter()
        connection.request("POST", _INVOKE, event, {"content-type": "application/json"})
        answer = connection.getresponse()
        taken = time.perf_counter() - begun
        return taken, answer.read()


def await_listening(port: int) -> None:
    """Waits until something listens on ``port``; raises TimeoutError."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Nothing listens on port {port}: look at the logs.") from None
            time.sleep(0.005)
        else:
            return


def free_port() -> int:
    """A port of 127.0.0.1 that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
