"""AWS on this machine: ministack, an emulator that holds every function to its role, and the stack deployed to it."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import create_default_context
from typing import Any, TypeVar

import boto3
import pytest
from tests.e2e.conftest import UNREACHABLE, run
from tests.paths import ROOT

from larder_local import interpreter

REQUIREMENTS = ROOT / "tests/e2e/ministack.txt"
ENVIRONMENT = ROOT / "build/ministack"
REGION = "us-east-1"
SECONDS = 40  # within which an uploaded release answers
T = TypeVar("T")


@dataclass(frozen=True)
class Cloud:
    """A running emulator. It speaks TLS alone, as the bucket's policy demands: clients must trust ``certificate``."""

    endpoint: str
    certificate: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes AWS's clients, and Larder's, find it, with the rights of the account's root."""
        trust = {name: str(self.certificate) for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": ""}
        regions = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        return {**trust, **keys, **regions, "AWS_ENDPOINT_URL": self.endpoint, "SAM_CLI_TELEMETRY": "0"}

    def client(self, service: str) -> Any:  # noqa: ANN401  boto3 makes its classes as it runs
        """boto3's client, with the same rights."""
        return boto3.client(  # type: ignore[call-overload]  # typed for each service by its name, and this is any
            service,
            endpoint_url=self.endpoint,
            verify=str(self.certificate),
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    document: Any


@dataclass(frozen=True)
class Stack:
    """The deployed template."""

    cloud: Cloud
    bucket: str
    api: str
    physical: Mapping[str, str]

    @property
    def store(self) -> str:
        """The bucket, as `larder` takes it."""
        return f"s3://{self.bucket}"

    def ask(self, path: str, body: bytes | None = None) -> Reply:
        """What the HTTP API answers."""
        # The emulator has no names of its own: the API's is the first part of the path, the stage the second.
        url = f"{self.cloud.endpoint}/_aws/execute-api/{self.api}/$default{path}"
        request = urllib.request.Request(url, body, {"content-type": "application/octet-stream"} if body else {})  # noqa: S310
        trusting = create_default_context(cafile=str(self.cloud.certificate))
        try:
            with urllib.request.urlopen(request, timeout=60, context=trusting) as answer:  # noqa: S310  our own server
                return Reply(answer.status, dict(answer.headers), json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, dict(error.headers), json.load(error))

    def logged(self, group: str) -> list[dict[str, Any]]:
        """The JSON lines that functions wrote into a log group."""
        found = self.cloud.client("logs").filter_log_events(logGroupName=self.physical[group])["events"]
        return [json.loads(each["message"]) for each in found if each["message"].startswith("{")]

    def publish(self, release: Path) -> None:
        """Uploads a release, as a person does who wants it to go live."""
        done = run(
            ROOT / ".venv/bin/larder",
            "publish",
            release,
            "--store",
            self.store,
            "--upload-only",
            **self.cloud.environment,
        )
        assert done.returncode == 0, done.stderr


def wait(until: Callable[[], T | None]) -> T:
    """The first value that is not None; fails where ``SECONDS`` pass without one."""
    end = time.monotonic() + SECONDS
    while (found := until()) is None:
        assert time.monotonic() < end, f"nothing within {SECONDS} s"
        time.sleep(0.25)
    return found


def install() -> Path:
    """The emulator's program, in an environment of its own whose packages are those of ``REQUIREMENTS``."""
    program, told = ENVIRONMENT / "bin/ministack", ENVIRONMENT / "requirements.txt"
    if not told.exists() or told.read_bytes() != REQUIREMENTS.read_bytes():
        uv = ROOT / ".venv/bin/uv"
        for command in (
            ("venv", "--quiet", "--clear", "--python", interpreter.find(), ENVIRONMENT),
            ("pip", "install", "--quiet", "--python", ENVIRONMENT, "--require-hashes", "--requirements", REQUIREMENTS),
        ):
            done = run(uv, *command)
            if done.returncode and any(reason in done.stderr for reason in UNREACHABLE):
                pytest.skip("the package registry cannot be reached, and its packages are not cached")
            assert done.returncode == 0, done.stderr
        told.write_bytes(REQUIREMENTS.read_bytes())
    return program


@contextmanager
def running(folder: Path, port: int) -> Iterator[Cloud]:
    """Starts the emulator, which keeps everything below ``folder``, and stops it."""
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",  # else it listens to everybody, on a port of its own
        "USE_SSL": "1",
        "AUTH": "true",
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder),  # the code of each function, among others
        "MINISTACK_REGION": REGION,
    }
    # Functions inherit its environment: what this machine says of certificates and credentials must not be in it.
    settings |= {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  our own
            [install()], env=settings, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        cloud = Cloud(f"https://127.0.0.1:{port}", folder / "ministack-tls/server.crt")
        wait(lambda: True if process.poll() is not None or _is_up(cloud) else None)
        assert process.poll() is None, (folder / "log").read_text()
        yield cloud
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with its functions; asked politely, it waits for TLS to be closed
        process.wait()


def _is_up(cloud: Cloud) -> bool:
    try:
        return bool(cloud.client("sts").get_caller_identity())
    except Exception:  # noqa: BLE001  whatever a server that has not started makes of it
        return False


def deploy(cloud: Cloud, bundle: Path) -> Stack:
    """Deploys what was built as `make deploy` does, but for its questions; callers need no signature."""
    options = ("--resolve-s3", "--no-confirm-changeset", "--no-progressbar", "--capabilities", "CAPABILITY_IAM")
    parameters = ("--parameter-overrides", "Authorization=NONE")
    template = ("--template-file", bundle / "template.yaml", "--stack-name", "larder")
    done = run(ROOT / ".venv/bin/sam", "deploy", *template, *options, *parameters, **cloud.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    resources = cloud.client("cloudformation").describe_stack_resources(StackName="larder")["StackResources"]
    physical = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
    return Stack(cloud, physical["Bucket"], physical["Api"], physical)
