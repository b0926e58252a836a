"""A training on this machine: moto's S3, logs and state machines, a stand-in for SageMaker, and our function."""

import io
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3
import pytest
import yaml
from tests.conftest import S3
from tests.paths import ROOT
from tests.sagemaker.stand_in import TrainingJobs, running
from tests.toys.shop import TOY

import training.app
from larder.jobs import JobRequest, JobStatus, create_job, read_status
from larder.jobs.job import Trigger, job_name
from larder.jobs.sagemaker import steps
from larder.release.keys import pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.rollout import upload
from larder.store import Store, open_store
from larder_training.release.writer import write_release

DEFINITION = ROOT / "workflows/retrain.asl.yaml"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/larder-training:1"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:training"
ROLE = "arn:aws:iam::000000000000:role/training-job"
RETRAIN_ROLE = "arn:aws:iam::000000000000:role/retrain"
SECONDS = 120

# What a training job runs in place of a training: it leaves a toy release.
TOY_TRAINING = """
import json, os, sys, time
from datetime import UTC, datetime
from pathlib import Path
from tests.sagemaker.conftest import write_shop
root = Path(os.environ["SAGEMAKER_BASE_DIR"])
values = json.loads((root / "input/config/hyperparameters.json").read_text())
mode = values.get("mode", "")
print("Searching hyperparameters 1/2", flush=True)
if mode == "fail":
    (root / "output/failure").write_text("The channel has no rows: give at least 1,000.")
    sys.exit(1)
if mode == "hang":
    while True:
        time.sleep(0.1)
if mode == "other":
    values["model"] = "other"
release = write_shop(root / "scratch", values["model"], datetime(2026, 3, 1, tzinfo=UTC))
for path in release.iterdir():
    path.rename(root / "model" / path.name)
print("test:recall@20=0.250000;", flush=True)
"""


def write_shop(folder: Path, model: str, created: datetime) -> Path:
    """A release of the toy shop."""
    (tables := folder / "tables").mkdir(parents=True)
    serving = TOY.write(tables)
    return write_release(
        folder,
        model=model,
        kind="recommender",
        serving=serving,
        files={path.name: path for path in tables.iterdir()},
        evaluation={},
        training={},
        structure={},
        created=created,
    )


@dataclass(frozen=True)
class Workflow:
    """The state machine of ``workflows/retrain.asl.yaml`` in moto's interpreter, whose tasks call our handler.

    Attributes:
        store: The store of the models.
        jobs: The stand-in for SageMaker.
        states: boto3's client of Step Functions.
        arn: The ARN of the state machine.
    """

    store: Store
    jobs: TrainingJobs
    states: Any
    arn: str

    def with_definition(self, text: str) -> "Workflow":
        """Another state machine of the same stack."""
        name = f"retrain-{time.time_ns()}"
        made = self.states.create_state_machine(name=name, definition=text, roleArn=RETRAIN_ROLE)
        return replace(self, arn=made["stateMachineArn"])

    def request(self, model: str = "shop", *, mode: str = "", trigger: Trigger = "request") -> JobRequest:
        """Asks for a training of the toy shop."""
        return create_job(
            self.store,
            JobRequest(
                model=model,
                job=job_name(datetime.now(UTC)),
                kind="recommender",
                created="2026-02-01T00:00:00Z",
                by=None,
                trigger=trigger,
                hyperparameters={"mode": mode} if mode else {},
                channels={"interactions": f"training-data/{model}/log/"},
            ),
        )

    def start(self, request: JobRequest) -> str:
        """Starts an execution as EventBridge does for a request; returns its ARN."""
        event = json.loads((ROOT / "tests/events/training/request-created.json").read_text())
        event["detail"]["object"]["key"] = f"models/{request.model}/training-jobs/{request.job}/request.json"
        begun = self.states.start_execution(stateMachineArn=self.arn, input=json.dumps(event), name=f"{uuid4()}")
        return str(begun["executionArn"])

    def wait(self, execution: str) -> str:
        """The status of an execution that has ended."""
        end = time.monotonic() + SECONDS
        while (status := self.states.describe_execution(executionArn=execution)["status"]) == "RUNNING":
            assert time.monotonic() < end, self.trail(execution)
            time.sleep(0.1)
        return str(status)

    def trail(self, execution: str) -> list[str]:
        """The states that an execution entered."""
        events = self.states.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]

    def status(self, request: JobRequest) -> JobStatus:
        """The status of a job."""
        return read_status(self.store, request.model, request.job)


def definition() -> str:
    """The definition, as CloudFormation substitutes it."""
    text = DEFINITION.read_text().replace("${TrainingFunction}", FUNCTION)
    return json.dumps(yaml.safe_load(text))


@pytest.fixture
def store(s3: S3) -> Store:
    """A store with data to train the toy shop."""
    opened = open_store(f"s3://{s3.bucket}")
    opened.put("training-data/shop/log/interactions.csv", b"USER_ID,ITEM_ID,TIMESTAMP\n1,2,3\n")
    return opened


@pytest.fixture
def live(store: Store, tmp_path: Path) -> str:
    """The live release of the toy shop."""
    release = write_shop(tmp_path / "live", "shop", datetime(2026, 1, 1, tzinfo=UTC))
    upload(release, store)
    store.put(pointer_key("shop"), dump_pointer(Pointer(release.name)))
    return release.name


@pytest.fixture
def sagemaker(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingJobs]:
    """The stand-in, whose jobs run the toy training; boto3 finds it by the environment."""
    clients = [boto3.client(name, endpoint_url=s3.endpoint) for name in ("s3", "logs")]
    (script := tmp_path / "toy_training.py").write_text(TOY_TRAINING)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with running(tmp_path / "sagemaker", *clients, program=(sys.executable, str(script))) as jobs:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", jobs.url)
        yield jobs


@pytest.fixture
def function(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """The handler of functions/training in the environment that the template gives it."""
    variables = {
        "LARDER_STORE": store.url,
        "LARDER_TRAINING_IMAGE": IMAGE,
        "LARDER_TRAINING_ROLE": ROLE,
        "LARDER_TRAINING_INSTANCE": "ml.m5.xlarge",
        "LARDER_TRAINING_MAX_HOURS": "6",
        "LARDER_SCHEDULE_GROUP": "schedules",
        "LARDER_SCHEDULE_ROLE": "arn:aws:iam::000000000000:role/schedule",
        "LARDER_DRIFT_ALARMS": "stack-drift-",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    training.app.service.reset()
    context = SimpleNamespace(invoked_function_arn=FUNCTION)
    yield lambda event: training.app.handler(event, context)
    training.app.service.reset()


@pytest.fixture
def workflow(
    s3: S3,
    store: Store,
    sagemaker: TrainingJobs,
    function: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Workflow:
    """The state machine, which looks every second."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

    def invoke(*, FunctionName: str, Payload: Any, **_: object) -> Mapping[str, Any]:  # noqa: N803, ANN401  boto3's names
        assert FunctionName == FUNCTION
        try:
            answer, failed = function(json.loads(Payload)), {}
        except Exception as error:  # noqa: BLE001  as Lambda reports any
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
            failed = {"FunctionError": "Unhandled"}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode()), **failed}

    monkeypatch.setattr(lambda_eval_utils, "boto_client_for", lambda **_: SimpleNamespace(invoke=invoke))
    monkeypatch.setattr(steps, "_FIRST_LOOK", 1)
    config = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
    urllib.request.urlopen(f"{s3.endpoint}/moto-api/config", config, timeout=10).close()  # noqa: S310  our own server
    states = boto3.client("stepfunctions", endpoint_url=s3.endpoint)
    return Workflow(store, sagemaker, states, "").with_definition(definition())
