"""AWS on this machine: ministack, an emulator that enforces the roles of functions, and the stack deployed to it."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from ssl import create_default_context
from typing import Any, TypeVar

import boto3
import pytest
import yaml
from tests.e2e.commands import UNREACHABLE, run
from tests.paths import ROOT

from larder_local import interpreter

REQUIREMENTS = ROOT / "tests/e2e/ministack.txt"
ENVIRONMENT = ROOT / "build/ministack"
REGION = "us-east-1"
TRAINING_IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/larder-training:1"
SECONDS = 40  # within which an uploaded release goes live
T = TypeVar("T")


@dataclass(frozen=True)
class Cloud:
    """A running emulator. It requires TLS, as the bucket's policy does: clients must trust ``certificate``."""

    endpoint: str
    certificate: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment for clients of AWS and Larder, with the rights of the account's root."""
        trust = {name: str(self.certificate) for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": ""}
        regions = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        return {**trust, **keys, **regions, "AWS_ENDPOINT_URL": self.endpoint, "SAM_CLI_TELEMETRY": "0"}

    def client(self, service: str) -> Any:  # noqa: ANN401  boto3 creates its classes at run time
        """A client of boto3, with the same rights."""
        return boto3.client(  # type: ignore[call-overload]  # typed by the names of services
            service,
            endpoint_url=self.endpoint,
            verify=str(self.certificate),
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def larder(self, *arguments: str | Path) -> str:
        """The output of a command that uses this cloud."""
        done = run(ROOT / ".venv/bin/larder", *arguments, **self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass(frozen=True)
class Reply:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    document: Any


@dataclass(frozen=True)
class Stack:
    """The deployed template, and a key that may do everything."""

    cloud: Cloud
    bucket: str
    api: str
    physical: Mapping[str, str]
    kms_key: str
    key: str = ""

    @property
    def store(self) -> str:
        """The bucket as a store URL."""
        return f"s3://{self.bucket}"

    @property
    def url(self) -> str:
        """The URL of the HTTP API. The emulator has no host names: the path begins with the API and its stage."""
        return f"{self.cloud.endpoint}/_aws/execute-api/{self.api}/$default"

    def ask(self, path: str, body: bytes | None = None) -> Reply:
        """The response of the HTTP API."""
        url = f"{self.url}{path}"
        headers = {"x-api-key": self.key, **({"content-type": "application/octet-stream"} if body else {})}
        request = urllib.request.Request(url, body, headers)  # noqa: S310  our own server
        trusting = create_default_context(cafile=str(self.cloud.certificate))
        try:
            with urllib.request.urlopen(request, timeout=60, context=trusting) as response:  # noqa: S310  our own server
                return Reply(response.status, dict(response.headers), json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, dict(error.headers), json.load(error))

    def logged(self, group: str) -> list[dict[str, Any]]:
        """The JSON lines in a log group."""
        events = self.cloud.client("logs").filter_log_events(logGroupName=self.physical[group])["events"]
        return [json.loads(event["message"]) for event in events if event["message"].startswith("{")]

    def publish(self, release: Path) -> None:
        """Uploads a release."""
        self.larder("publish", release, "--upload-only")

    def larder(self, *arguments: str | Path) -> str:
        """The output of a command on the stack's bucket."""
        return self.cloud.larder(*arguments, "--store", self.store)

    def add_key(self, *arguments: str) -> str:
        """A new key with these scopes."""
        made = self.larder("keys", "add", *arguments, "--json", "--kms-key", self.kms_key)
        return str(json.loads(made)["key"])


def wait(until: Callable[[], T | None]) -> T:
    """The first value that is not None; fails after ``SECONDS`` without one."""
    end = time.monotonic() + SECONDS
    while (value := until()) is None:
        assert time.monotonic() < end, f"no value within {SECONDS} s"
        time.sleep(0.25)
    return value


def answered(stack: Stack, path: str, release: str, body: bytes | None = None) -> Reply:
    """The first response of this release."""

    def ask() -> Reply | None:
        reply = stack.ask(path, body)
        return reply if reply.document.get("release") == release else None

    return wait(ask)


def install() -> Path:
    """The emulator's program, in its own environment with the packages of ``REQUIREMENTS``."""
    program, installed = ENVIRONMENT / "bin/ministack", ENVIRONMENT / "requirements.txt"
    if not installed.exists() or installed.read_bytes() != REQUIREMENTS.read_bytes():
        uv = ROOT / ".venv/bin/uv"
        for command in (
            ("venv", "--quiet", "--clear", "--python", interpreter.find(), ENVIRONMENT),
            ("pip", "install", "--quiet", "--python", ENVIRONMENT, "--require-hashes", "--requirements", REQUIREMENTS),
        ):
            done = run(uv, *command)
            if done.returncode and any(reason in done.stderr for reason in UNREACHABLE):
                pytest.skip("the package registry cannot be reached, and its packages are not cached")
            assert done.returncode == 0, done.stderr
        installed.write_bytes(REQUIREMENTS.read_bytes())
    return program


@contextmanager
def running(folder: Path, port: int) -> Iterator[Cloud]:
    """Starts the emulator, which stores everything in ``folder``, and stops it."""
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",  # else it listens on all interfaces on a further port
        "USE_SSL": "1",
        "AUTH": "true",
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder),  # the code of each function, among others
        "MINISTACK_REGION": REGION,
    }
    # Functions inherit its environment, which must not have this machine's certificates and credentials.
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
        os.killpg(process.pid, signal.SIGKILL)  # with its functions; SIGTERM would wait for open TLS connections
        process.wait()


def _is_up(cloud: Cloud) -> bool:
    try:
        return bool(cloud.client("sts").get_caller_identity())
    except Exception:  # noqa: BLE001  any error of a server that has not started
        return False


def deploy(cloud: Cloud, bundle: Path) -> Stack:
    """Deploys the bundle as `make deploy` does, without questions, and makes a key.

    A key of KMS encrypts it: the emulator has no key of S3 (``aws/s3``).
    """
    kms_key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    options = ("--resolve-s3", "--no-confirm-changeset", "--no-progressbar", "--capabilities", "CAPABILITY_IAM")
    parameters = ("--parameter-overrides", f"KeysKmsKey={kms_key}", f"TrainingImage={TRAINING_IMAGE}")
    template = ("--template-file", _with_json_definitions(bundle), "--stack-name", "larder")
    done = run(ROOT / ".venv/bin/sam", "deploy", *template, *options, *parameters, **cloud.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    resources = cloud.client("cloudformation").describe_stack_resources(StackName="larder")["StackResources"]
    physical = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    stack = Stack(cloud, physical["Bucket"], physical["Api"], physical, kms_key)
    return replace(stack, key=stack.add_key("admin"))


def _with_json_definitions(bundle: Path) -> Path:
    """A template whose state machines are JSON: AWS takes definitions in YAML too, the emulator does not."""

    def as_json(match: re.Match[str]) -> str:
        definition = bundle / match[1]
        name = f"{definition.name}.json"
        (bundle / name).write_text(json.dumps(yaml.safe_load(definition.read_text())))
        return f"DefinitionUri: {name}"

    template = bundle / "emulated.yaml"
    template.write_text(re.sub(r"DefinitionUri: (\S+)", as_json, (bundle / "template.yaml").read_text()))
    return template
