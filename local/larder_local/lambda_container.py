"""One function of the built bundle in a container with Lambda's limits, asked one event at a time.

Inside are AWS's image of Python 3.13, its runtime client and its runtime interface emulator, which starts the handler
at the first event; the function's code is at ``/var/task``, its layers are at ``/opt``. The root file system is
read-only, the user has no rights, and memory and processor time are what Lambda would give.
``scripts/lambda-base-image`` provides the image.

The container shares this machine's network, so that a store at 127.0.0.1 is one for it too; the emulator listens there.
That needs Docker on Linux itself.
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
VCPU: Final = (
    1769  # MB of memory that come with one vCPU: AWS Lambda's developer guide, "Configure Lambda function memory"
)
_USER: Final = "993:990"  # as Lambda's sandbox user, it owns nothing
_EMULATOR: Final = "/usr/local/bin/aws-lambda-rie"
_BOOTSTRAP: Final = "/var/runtime/bootstrap"
_INVOKE: Final = "/2015-03-31/functions/function/invocations"
_START_SECONDS: Final = 30.0
_SPARE_SECONDS: Final = 30.0  # beyond the function's time-out, which the emulator keeps: it counts from the first event
# Lambda's quotas of processes and threads, and of open files.
_QUOTAS: Final = ("--pids-limit", "1024", "--ulimit", "nofile=1024:1024")
_RIGHTS: Final = ("--user", _USER, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


@dataclass(frozen=True, slots=True)
class Container:
    """A running function. ``port`` is the emulator's on 127.0.0.1, ``timeout`` in seconds is the function's."""

    name: str
    port: int
    timeout: float

    def invoke(self, event: bytes) -> bytes:
        """The handler's JSON for the JSON ``event``; a handler's error is a document with ``errorMessage``.

        Not for two threads at once: the emulator, as one Lambda environment, takes one event at a time. Raises OSError
        or http.client.HTTPException where the container ended.
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
        """A text file inside, such as a memory count under ``/sys/fs/cgroup``."""
        return docker("exec", self.name, "cat", path)


def docker(*arguments: str, errors: bool = False) -> str:
    """Runs the docker command; gives what it printed, with ``errors`` on standard error too. Raises LarderError where
    it fails.
    """
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607  the user's own docker
    except OSError as error:
        raise LarderError(f"Docker cannot be run ({error}): install it, or start its daemon.") from error
    if done.returncode:
        raise LarderError(f"`docker {arguments[0]}` failed: {done.stderr.strip()[-500:]}. Mend that, and try again.")
    return done.stdout + (done.stderr if errors else "")


def merge_layers(function: Function, folder: Path) -> Path:
    """Lays the function's layers over each other under the new ``folder``, as Lambda does under ``/opt``; gives it.

    Files are hard links where the file system allows: it takes no room.
    """
    folder.mkdir(parents=True)
    for layer in function.layers:
        shutil.copytree(layer, folder / "python", copy_function=_link, dirs_exist_ok=True)
    folder.chmod(0o755)  # a temporary folder is its owner's alone, and the container's user is another
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
    """Starts ``function``; stops and removes it, with its ``/tmp``, when the block ends.

    ``opt`` is what ``merge_layers`` gave. ``environment`` is put over the function's own. ``cpus`` is the share of
    processor time in vCPUs: what Lambda gives with the function's memory unless named. Raises LarderError where it does
    not start.
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
        with contextlib.suppress(LarderError):  # there may be none
            docker("rm", "--force", "--volumes", name)


def _options(function: Function, opt: Path, environment: Mapping[str, str], cpus: float) -> list[str]:
    memory = f"{function.memory}m"
    limits = ("--cpus", f"{cpus:.3f}", "--memory", memory, "--memory-swap", memory)
    # A volume and not a tmpfs: /tmp is a disk in Lambda, and what lies there is not counted as the function's memory.
    places = ("--volume", f"{function.code}:/var/task:ro", "--volume", f"{opt}:/opt:ro", "--volume", "/tmp")  # noqa: S108  the container's
    variables = {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
        **function.environment,
        **environment,
    }
    told = (word for name, value in variables.items() for word in ("--env", f"{name}={value}"))
    return [*limits, *_QUOTAS, *_RIGHTS, "--network", "host", *places, *told]


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _await(name: str, port: int) -> None:
    """Waits until the emulator listens; that starts no handler."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
        try:
            connection.request("GET", "/")  # answered with 404
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                raise LarderError(
                    f"{name} does not listen: look at its log. {docker('logs', name, errors=True)[-500:]}"
                ) from error
            time.sleep(0.005)
        else:
            return
        finally:
            connection.close()
