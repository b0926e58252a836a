"""Runs one function of the built bundle in a container with Lambda's limits, one event at a time.

The container has AWS's image of Python 3.13 with its runtime client and its runtime interface emulator, which starts
the handler at the first event. The function's code is at ``/var/task``, and its layers are at ``/opt``. The root file
system is read-only, the user has no rights, and memory and processor time are those of Lambda.
``scripts/lambda-base-image`` provides the image.

The container uses the network of this machine, so that it reaches a store at 127.0.0.1; the emulator listens there.
This needs Docker on Linux.
"""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from larder.errors import LarderError
from larder_local.gateway.cloudformation import REGION
from larder_local.gateway.template import Function

IMAGE: Final = "public.ecr.aws/lambda/python:3.13"
# MB of memory at which a function has one vCPU: AWS Lambda's developer guide, "Configure Lambda function memory".
VCPU: Final = 1769
_USER: Final = "993:990"  # owns no files, as Lambda's sandbox user
_EMULATOR: Final = "/usr/local/bin/aws-lambda-rie"
_BOOTSTRAP: Final = "/var/runtime/bootstrap"
_INVOKE: Final = "/2015-03-31/functions/function/invocations"
_START_SECONDS: Final = 30.0
_SPARE_SECONDS: Final = 30.0  # in addition to the function's time-out, which the emulator enforces
# Lambda's quotas of processes and threads, and of open files.
_QUOTAS: Final = ("--pids-limit", "1024", "--ulimit", "nofile=1024:1024")
_RIGHTS: Final = ("--user", _USER, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


@dataclass(frozen=True, slots=True)
class Container:
    """A running function.

    Attributes:
        name: The container's name.
        port: The emulator's port on 127.0.0.1.
        timeout: The function's time-out in seconds.
    """

    name: str
    port: int
    timeout: float

    def invoke(self, event: bytes) -> bytes:
        """The handler's JSON for the JSON ``event``; an error of the handler is a document with ``errorMessage``.

        Call it from one thread at a time: the emulator handles one event at a time, as a Lambda environment does.
        Raises OSError or http.client.HTTPException if the container has ended.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout + _SPARE_SECONDS)
        try:
            connection.request("POST", _INVOKE, event, {"content-type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def log(self) -> str:
        """What the function and the emulator have printed so far."""
        return docker("logs", self.name, errors=True)

    def read(self, path: str) -> str:
        """A text file in the container, such as a memory counter under ``/sys/fs/cgroup``."""
        return docker("exec", self.name, "cat", path)


def docker(*arguments: str, errors: bool = False) -> str:
    """Runs the docker command and returns its standard output; with ``errors``, followed by its standard error.

    Raises LarderError if it fails.
    """
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607  the user's own docker
    except OSError as error:
        raise LarderError(f"Docker does not run ({error}): install it, or start its daemon.") from error
    if done.returncode:
        raise LarderError(f"`docker {arguments[0]}` failed: {done.stderr.strip()[-500:]}. Fix this and try again.")
    return done.stdout + (done.stderr if errors else "")


def merge_layers(function: Function, folder: Path) -> Path:
    """Merges the function's layers in the new ``folder``, as Lambda does in ``/opt``, and returns its path.

    Files are hard links if the file system allows them, so that they take no space.
    """
    folder.mkdir(parents=True)
    for layer in function.layers:
        shutil.copytree(layer, folder / "python", copy_function=_link, dirs_exist_ok=True)
    folder.chmod(0o755)  # only the owner may read a temporary folder, and the container has another user
    return folder.resolve()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@contextmanager
def run_container(
    function: Function, opt: Path, environment: Mapping[str, str], cpus: float | None = None
) -> Iterator[Container]:
    """Starts ``function``; stops and removes the container, with its ``/tmp``, when the block ends.

    Args:
        function: The function.
        opt: The folder of ``merge_layers``.
        environment: Variables that override those of the function.
        cpus: Processor time in vCPUs; None for what Lambda gives with the function's memory.

    Raises:
        LarderError: The container does not start.
    """
    name = f"larder-{function.name.lower()}-{uuid4().hex[:8]}"
    port, runtime_port = _free_ports()
    emulator = ("--runtime-interface-emulator-address", f"127.0.0.1:{port}")
    runtime = ("--runtime-api-address", f"127.0.0.1:{runtime_port}")
    program = ("--entrypoint", _EMULATOR, IMAGE, *emulator, *runtime, _BOOTSTRAP, function.handler)
    options = _options(function, opt, environment, function.memory / VCPU if cpus is None else cpus)
    try:
        docker("run", "--detach", "--pull", "never", "--name", name, *options, *program)
        _await(name, port)
        yield Container(name, port, function.timeout)
    finally:
        with contextlib.suppress(LarderError):  # the container may not exist
            docker("rm", "--force", "--volumes", name)


def _options(function: Function, opt: Path, environment: Mapping[str, str], cpus: float) -> list[str]:
    memory = f"{function.memory}m"
    limits = ("--cpus", f"{cpus:.3f}", "--memory", memory, "--memory-swap", memory)
    # A volume, not a tmpfs: /tmp is a disk in Lambda, and its files do not count as memory of the function.
    mounts = ("--volume", f"{function.code}:/var/task:ro", "--volume", f"{opt}:/opt:ro", "--volume", "/tmp")  # noqa: S108  the container's
    variables = {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
        **function.environment,
        **environment,
    }
    settings = (word for name, value in variables.items() for word in ("--env", f"{name}={value}"))
    return [*limits, *_QUOTAS, *_RIGHTS, "--network", "host", *mounts, *settings]


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _await(name: str, port: int) -> None:
    """Waits until the emulator listens; this does not start the handler."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
        try:
            connection.request("GET", "/")  # answered with 404
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                raise LarderError(
                    f"{name} does not listen. The end of its log: {docker('logs', name, errors=True)[-500:]}"
                ) from error
            time.sleep(0.005)
        else:
            return
        finally:
            connection.close()
