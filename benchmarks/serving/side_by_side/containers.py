"""A function in a container of AWS's image with one core, on the host network, since S3 is at 127.0.0.1.

Otherwise as ``larder_local.lambda_container``: read-only, without rights, limited to the function's memory.
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
# Lambda does not have Docker's filter of system calls, and the compared services run without one.
_NO_FILTER: Final = ("--security-opt", "seccomp=unconfined")


def ensure_image() -> None:
    """Makes AWS's image of Python available to Docker; raises RuntimeError if that fails."""
    print(
        f"Looking for the image {IMAGE}; if Docker does not have it, it is pulled or built, which takes minutes.",
        flush=True,
    )
    done = subprocess.run([_IMAGE_SCRIPT], capture_output=True, text=True, check=False)  # noqa: S603  our own script
    if done.returncode:
        raise RuntimeError(
            f"The image {IMAGE} is not available:\n{done.stderr}Start Docker, or run this with scripts/with-docker."
        )


@contextmanager
def _container(bundle: Bundle, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    name, memory = f"larder-bench-{uuid4().hex[:8]}", f"{bundle.memory}m"
    limits = ("--cpuset-cpus", str(SERVING_CORE), "--cpus", "1", "--memory", memory, "--memory-swap", memory)
    mounts = {bundle.code: "/var/task"} | ({bundle.opt: "/opt"} if bundle.opt else {})
    volumes = [word for host, path in mounts.items() for word in ("--volume", f"{host.resolve()}:{path}:ro")]
    variables = {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(bundle.memory),
        "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        **bundle.environment,
    }
    environment = [word for key, value in variables.items() for word in ("--env", f"{key}={value}")]
    # No log driver, so that no other process works on the function's output.
    options = ("--detach", "--network", "host", "--log-driver", "none", "--volume", "/tmp")  # noqa: S108  the container's
    try:
        docker(
            "run",
            "--name",
            name,
            *options,
            *limits,
            *_RIGHTS,
            *_NO_FILTER,
            *volumes,
            *environment,
            *before,
            IMAGE,
            *after,
        )
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


@contextmanager
def worker(bundle: Bundle, port: int) -> Iterator[int]:
    """The function under AWS's runtime client, with the Runtime API on ``port``; yields its process id."""
    api = ("--env", f"AWS_LAMBDA_RUNTIME_API=127.0.0.1:{port}")
    with _container(bundle, api, ("app.handler",)) as name:
        yield int(docker("inspect", "--format", "{{.State.Pid}}", name))


def cold_start(bundle: Bundle, event: bytes) -> tuple[float, bytes]:
    """Seconds from an event to the first byte of its response, in a new container; and the response.

    AWS's emulator is already listening; at the event, it starts Python, the runtime client and the handler.
    """
    port, api = free_port(), free_port()
    addresses = ("--runtime-interface-emulator-address", f"127.0.0.1:{port}")
    command = (*addresses, "--runtime-api-address", f"127.0.0.1:{api}", "/var/runtime/bootstrap", "app.handler")
    with _container(bundle, ("--entrypoint", _RIE), command):
        await_listening(port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
        begun = time.perf_counter()
        connection.request("POST", _INVOKE, event, {"content-type": "application/json"})
        response = connection.getresponse()
        seconds = time.perf_counter() - begun
        return seconds, response.read()


def await_listening(port: int) -> None:
    """Waits until a server listens on ``port``; raises TimeoutError."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"No server listens on port {port}: see the logs.") from None
            time.sleep(0.005)
        else:
            return


def free_port() -> int:
    """A free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
