"""The deployed template: an uploaded release goes live or is rejected, and no function exceeds its role."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.aws import Stack, answered, wait
from tests.toys.shop import TOY

from larder.auth.keys import DOCUMENT
from larder.classifier.graph import Classifier
from larder.release.manifest import parse
from larder.release.serving import ClassifierServing
from larder_training.release.tables import write_probes
from larder_training.release.writer import write_release

pytestmark = pytest.mark.e2e

POPULAR = ["apple", "bread"]  # of the toy shop
# A function that makes the calls of its event, and returns the result of each.
CALLER = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    results = []
    for service, method, arguments in event:
        try:
            getattr(boto3.client(service), method)(**arguments)
            results.append("allowed")
        except ClientError as error:
            results.append(error.response["Error"]["Code"])
    return results
"""


@pytest.fixture(scope="module")
def digits(store: Path) -> Path:
    """A trained classifier's release."""
    (release,) = (store / "models/digits/releases").iterdir()
    return release


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a release of the toy shop with a model's name and an hour of training."""
    folder = tmp_path_factory.mktemp("shops")

    def write(model: str, hour: int, best: str = "egg") -> Path:
        (tables := folder / f"{model}-{hour}").mkdir()
        serving = TOY.write(tables)
        answers = [json.dumps(POPULAR), json.dumps([best])]
        write_probes(tables / "probes.safetensors", [b'{"n": 2}', b'{"user": "ada", "n": 1}'], answer=answers)
        return write_release(
            folder / model,
            model=model,
            kind="recommender",
            serving=serving,
            files={path.name: path for path in tables.iterdir()},
            evaluation={},
            training={},
            structure={},
            created=datetime(2026, 1, 2, hour, tzinfo=UTC),
        )

    return write


@pytest.fixture(scope="module")
def replaced(stack: Stack, shop: Callable[..., Path]) -> str:
    """A release that was just uploaded, while functions serve the previous one and have not read the pointer again."""
    first, second = shop("replaced", 1), shop("replaced", 2)
    stack.publish(first)
    answered(stack, "/v1/models/replaced/recommend", first.name)
    stack.publish(second)
    return second.name


def state(stack: Stack, model: str, release: str) -> dict[str, Any]:
    """The entry of a release in GET .../releases."""
    releases = stack.ask(f"/v1/models/{model}/releases").document["releases"]
    return next(entry for entry in releases if entry["release"] == release)


@pytest.mark.usefixtures("replaced")  # its pointer becomes stale while other tests run
def test_an_uploaded_classifier_serves_over_http(stack: Stack, digits: Path) -> None:
    stack.publish(digits)
    image = (digits.parents[3] / "uploads/1.png").read_bytes()
    reply = answered(stack, "/v1/models/digits/classify?min_confidence=0", digits.name, image)
    serving = parse((digits / "manifest.json").read_bytes()).serving
    assert isinstance(serving, ClassifierServing)
    here = Classifier(digits / "model.onnx", serving).classify(image, min_confidence=0)
    assert {label["name"]: label["confidence"] for label in reply.document["labels"]} == pytest.approx(
        {label.name: label.confidence for label in here.labels}, abs=0.02
    )
    # AND the log line of the rollout is the metric of the alarm
    (line,) = [line for line in stack.logged("RolloutLogs") if line.get("model") == "digits"]
    assert line["RolloutPromoted"] == [1.0]


@pytest.mark.parametrize(("damaged", "model"), [("users.safetensors", "tampered"), ("probes.safetensors", "answers")])
def test_a_damaged_release_is_rejected_and_the_old_one_stays_live(
    stack: Stack, shop: Callable[..., Path], damaged: str, model: str
) -> None:
    good, bad = shop(model, 1), shop(model, 2)
    stack.publish(good)
    answered(stack, f"/v1/models/{model}/recommend", good.name)
    # GIVEN a changed byte
    data = bytearray((bad / damaged).read_bytes())
    data[-1] ^= 1
    (bad / damaged).write_bytes(data)
    # WHEN another tool uploads the release: larder publish compares SHA-256 before
    client = stack.cloud.client("s3")
    for file in sorted(bad.iterdir(), key=lambda path: path.name == "manifest.json"):  # the manifest last
        client.put_object(
            Bucket=stack.bucket, Key=f"models/{model}/releases/{bad.name}/{file.name}", Body=file.read_bytes()
        )
    # THEN it is rejected, with the reason next to its manifest and over HTTP
    reason = wait(lambda: state(stack, model, bad.name).get("reason"))
    assert f"{damaged} is damaged: its SHA-256 is " in reason
    key = f"models/{model}/releases/{bad.name}/rejected.json"
    written = stack.cloud.client("s3").get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    assert json.loads(written)["reason"] == reason
    assert state(stack, model, bad.name)["state"] == "rejected"
    # AND the old one stays live
    assert state(stack, model, good.name)["state"] == "live"
    assert stack.ask(f"/v1/models/{model}/recommend").document["release"] == good.name


def test_another_response_of_the_deployed_function_rejects_a_release(stack: Stack, shop: Callable[..., Path]) -> None:
    bad = shop("probed", 1, best="fig")
    stack.publish(bad)
    reason = wait(lambda: state(stack, "probed", bad.name).get("reason"))
    assert reason == "Golden request 1 has other items than in training: train a new release."


def test_the_same_event_twice_changes_nothing(stack: Stack, shop: Callable[..., Path]) -> None:
    release = shop("twice", 1)
    stack.publish(release)
    answered(stack, "/v1/models/twice/recommend", release.name)
    s3, key = stack.cloud.client("s3"), f"models/twice/releases/{release.name}/manifest.json"
    s3.copy_object(Bucket=stack.bucket, Key=key, CopySource=f"{stack.bucket}/{key}", MetadataDirective="REPLACE")
    lines = wait(
        lambda: (
            lines
            if len(lines := [line for line in stack.logged("RolloutLogs") if line.get("model") == "twice"]) > 1
            else None
        )
    )
    assert [(line["state"], line["revision"]) for line in lines] == [("promoted", 1), ("kept", 1)]
    assert len(s3.list_object_versions(Bucket=stack.bucket, Prefix="models/twice/live.json")["Versions"]) == 1


def test_the_heartbeat_asks_through_the_api_and_says_what_is_ready(stack: Stack, shop: Callable[..., Path]) -> None:
    release = shop("beating", 1)
    stack.publish(release)
    answered(stack, "/v1/models/beating/recommend", release.name)
    key, _, secret = stack.add_key("recommend:*", "--signing").partition(".")
    # GIVEN the address that the API has here, and the certificate of the emulator
    functions, name = stack.cloud.client("lambda"), stack.physical["HeartbeatFunction"]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    here = {"LARDER_API_URL": stack.url, "LARDER_HEARTBEAT_KEY": key, "SSL_CERT_FILE": str(stack.cloud.certificate)}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**variables, **here}})
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    # WHEN the schedule calls it
    reply = functions.invoke(FunctionName=name, Payload="{}")
    result = json.load(reply["Payload"])
    assert "FunctionError" not in reply, result
    # THEN the model is available, as a metric and for load balancers
    assert result["models"]["beating"] is True
    lines = wait(lambda: [line for line in stack.logged("HeartbeatLogs") if line.get("model") == "beating"] or None)
    assert (lines[-1]["Available"], lines[-1]["release"]) == ([1], release.name)
    assert not any(secret in json.dumps(line) for line in stack.logged("HeartbeatLogs"))
    ready = stack.ask("/v1/models/beating/ready")
    assert (ready.status, ready.document["heartbeat"]["available"]) == (200, True)


READ, LIST, WRITE = "get_object", "list_objects_v2", "put_object"


def s3(method: str, key: str) -> tuple[str, str, dict[str, str]]:
    return "s3", method, {"Prefix" if method == LIST else "Key": key}


def invoke(function: str) -> tuple[str, str, dict[str, str]]:
    return "lambda", "invoke", {"FunctionName": function, "Payload": "{}"}


HELD = "models/held/releases/r1/manifest.json"
POINTER, REASON = "models/held/live.json", "models/held/releases/r1/rejected.json"
RECORD = "models/held/releases/r1/rollout.json"
BEATS = s3(WRITE, "models/held/heartbeats.json")
READS = [s3(READ, HELD), s3(LIST, "models/held/"), s3(READ, DOCUMENT)]
HARM = [
    s3(WRITE, "models/held/releases/r1/model.onnx"),
    s3("delete_object", POINTER),
    s3(WRITE, DOCUMENT),
    s3(READ, "private/key"),
    s3(LIST, "private/"),
    s3(LIST, ""),
    invoke("ModelsFunction"),
    invoke("ClassifyFunction"),  # not by the alias
    ("iam", "list_roles", {}),
]
JOB = "models/held/training-jobs/20260102t030405z-0a1b2c3d"
JOBS = [s3(WRITE, f"{JOB}/{name}.json") for name in ("request", "status", "stop")]
WRITES, INVOKES = (
    [s3(WRITE, POINTER), s3(WRITE, REASON), s3(WRITE, RECORD)],
    [invoke(f"{kind}FunctionAliaslive") for kind in ("Classify", "Recommend")],
)


@pytest.mark.parametrize(
    ("role", "allowed", "denied"),
    [
        ("ClassifyRole", [*READS, s3(READ, "uploads/image")], [*WRITES, *INVOKES, *HARM]),
        ("RecommendRole", READS, [s3(READ, "uploads/image"), *WRITES, *INVOKES, *HARM]),
        (
            "ModelsRole",
            [*READS, *WRITES, *JOBS, s3(WRITE, "training-data/held/x/y")],
            [
                s3(READ, "uploads/image"),
                BEATS,
                s3(WRITE, f"{JOB}/log.txt"),
                s3(READ, "training-data/held/x/y"),
                *INVOKES,
                *HARM,
            ],
        ),
        ("HeartbeatRole", [*READS, BEATS], [*WRITES, *INVOKES, *HARM, s3(READ, "uploads/image")]),
        ("RolloutRole", [*READS[:2], *WRITES, *INVOKES], [READS[2], s3(READ, "uploads/image"), *HARM]),
    ],
)
def test_calls_outside_the_role_of_a_function_are_denied(
    stack: Stack, role: str, allowed: list[Any], denied: list[Any]
) -> None:
    # GIVEN existing objects, so that no call fails because of a missing one
    client = stack.cloud.client("s3")
    for key in (HELD, POINTER, "uploads/image", "private/key"):
        client.put_object(Bucket=stack.bucket, Key=key, Body=b"{}")
    # AND a function with that role that makes the calls of its event
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("caller.py", CALLER)
    functions = stack.cloud.client("lambda")
    roles = stack.cloud.client("iam").get_role(RoleName=stack.physical[role])
    functions.create_function(
        FunctionName=f"{role}-caller",
        Runtime="python3.13",
        Handler="caller.handler",
        Role=roles["Role"]["Arn"],
        Code={"ZipFile": code.getvalue()},
        Timeout=60,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=f"{role}-caller", WaiterConfig={"Delay": 1})
    # WHEN it makes calls THEN only those that the original function needs are allowed
    calls = []
    for service, method, arguments in [*allowed, *denied]:
        bucket = {"Bucket": stack.bucket} if service == "s3" else {}
        name = {"FunctionName": stack.physical[arguments["FunctionName"]]} if service == "lambda" else {}
        calls.append((service, method, {**arguments, **bucket, **name}))
    reply = functions.invoke(FunctionName=f"{role}-caller", Payload=json.dumps(calls))
    results = json.load(reply["Payload"])
    assert "FunctionError" not in reply, results
    ends = {f"{call}": end for call, end in zip(calls, results, strict=True)}
    assert [call for call, end in ends.items() if end == "allowed"] == list(ends)[: len(allowed)]
    assert set(results[len(allowed) :]) <= {"AccessDenied", "AccessDeniedException"}


def test_the_next_release_replaces_one_that_functions_serve(stack: Stack, replaced: str) -> None:
    reply = answered(stack, "/v1/models/replaced/recommend?n=2", replaced)
    assert [item["id"] for item in reply.document["items"]] == POPULAR
