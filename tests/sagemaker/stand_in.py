"""A stand-in for Amazon SageMaker's training jobs: what no emulator has.

It takes CreateTrainingJob, DescribeTrainingJob and StopTrainingJob as boto3 sends them, and checks each request against
botocore's model of the service, patterns included. A job is a process on this machine that gets the files of the
container's contract: channels and checkpoints come from the buckets of an S3 emulator, ``model.tar.gz``, checkpoints
and the log go to the emulators. It does not prove what SageMaker does beyond its documented contract: it knows no
quotas, prices, networks or images, and runs Larder's program in place of the image.
"""

import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

PROGRAM: Final = (sys.executable, "-m", "larder_training.sagemaker", "train")
GROUP: Final = "/aws/sagemaker/TrainingJobs"
_MODEL: Final = botocore.session.get_session().get_service_model("sagemaker")
_ACCOUNT: Final = "000000000000"
_ENDED: Final = ("Completed", "Failed", "Stopped")
_SIGTERM: Final = (143, -signal.SIGTERM)


@dataclass
class Job:
    """A training job.

    Attributes:
        request: What CreateTrainingJob got.
        folder: Its ``/opt/ml``.
        status: TrainingJobStatus.
        detail: SecondaryStatus.
        reason: FailureReason.
        created: Epoch seconds.
        metrics: The last value of each metric.
        process: Its program, while it runs.
        interruptions: How often spot capacity was taken away.
        stopping: Whether StopTrainingJob was called.
    """

    request: Mapping[str, Any]
    folder: Path
    status: str = "InProgress"
    detail: str = "Starting"
    reason: str = ""
    created: float = field(default_factory=time.time)
    metrics: dict[str, float] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    interruptions: int = 0
    stopping: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.request["TrainingJobName"])


class Refused(Exception):
    """An error response."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TrainingJobs:
    """The training jobs of an account.

    Attributes:
        jobs: All of them, by name.
        calls: The names of the operations that were called, in order.
        url: The address of the service; for ``AWS_ENDPOINT_URL_SAGEMAKER``.
    """

    def __init__(self, folder: Path, s3: Any, logs: Any, program: Sequence[str]) -> None:  # noqa: ANN401  boto3 creates its classes at run time
        self.jobs: dict[str, Job] = {}
        self.calls: list[str] = []
        self.url = ""
        self._folder = folder
        self._s3 = s3
        self._logs = logs
        self.program = program
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def call(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to an operation; raises Refused."""
        check(operation, request)
        self.calls.append(operation)
        answer: Mapping[str, Any] = getattr(self, f"_{operation}")(request)
        return answer

    def interrupt(self, name: str) -> None:
        """Take the capacity of a job away, as spot does: SIGTERM, and a new start with its checkpoints."""
        job = self.jobs[name]
        job.interruptions += 1
        assert job.process is not None
        job.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End all jobs."""
        for job in self.jobs.values():
            if job.process is not None and job.process.poll() is None:
                job.process.kill()
        for thread in self._threads:
            thread.join(timeout=30)

    def _CreateTrainingJob(self, request: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: N802  the operation's name
        name = request["TrainingJobName"]
        with self._lock:
            if name in self.jobs:
                raise Refused("ResourceInUse", f"Training job names must be unique: {name}.")
            job = self.jobs[name] = Job(request, self._folder / name)
        thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return {"TrainingJobArn": arn(name)}

    def _DescribeTrainingJob(self, request: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: N802  the operation's name
        job = self._job(request)
        output = f"{job.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output/model.tar.gz"
        metrics = [
            {"MetricName": name, "Value": value, "Timestamp": job.created} for name, value in job.metrics.items()
        ]
        return {
            **{key: value for key, value in job.request.items() if key != "Tags"},
            "TrainingJobArn": arn(job.name),
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.detail,
            "CreationTime": job.created,
            "FinalMetricDataList": metrics,
            **({"FailureReason": job.reason} if job.reason else {}),
            **({"ModelArtifacts": {"S3ModelArtifacts": output}} if job.status == "Completed" else {}),
        }

    def _StopTrainingJob(self, request: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: N802  the operation's name
        job = self._job(request)
        if job.status in _ENDED:
            raise Refused("ValidationException", f"The request was rejected: the job is {job.status}.")
        job.stopping, job.status, job.detail = True, "Stopping", "Stopping"
        if job.process is not None:
            job.process.send_signal(signal.SIGTERM)
        return {}

    def _job(self, request: Mapping[str, Any]) -> Job:
        name = request["TrainingJobName"]
        if name not in self.jobs:
            raise Refused("ValidationException", f"Requested resource not found: {name}.")
        return self.jobs[name]

    def _run(self, job: Job) -> None:
        try:
            self._download(job)
            while True:
                code = self._train(job)
                self._upload_checkpoints(job)
                if code in _SIGTERM and not job.stopping and job.interruptions:
                    job.detail = "Restarting"
                    continue
                break
            if code == 0 and not job.stopping:
                self._upload_model(job)
                job.status = job.detail = "Completed"
            elif job.stopping:
                job.status = job.detail = "Stopped"
            else:
                failure = job.folder / "output/failure"
                text = failure.read_text() if failure.exists() else ""
                job.reason = f"AlgorithmError: {text}, exit code: {code}"[:1024]
                job.status = job.detail = "Failed"
        except Exception as error:  # noqa: BLE001  what SageMaker would say of data that it cannot read
            job.reason, job.status, job.detail = f"ClientError: {error}"[:1024], "Failed", "Failed"

    def _download(self, job: Job) -> None:
        job.detail = "Downloading"
        config = job.folder / "input/config"
        config.mkdir(parents=True)
        channels = job.request.get("InputDataConfig", [])
        modes = {
            channel["ChannelName"]: {"TrainingInputMode": channel.get("InputMode", "File")} for channel in channels
        }
        (config / "hyperparameters.json").write_text(json.dumps(job.request.get("HyperParameters", {})))
        (config / "inputdataconfig.json").write_text(json.dumps(modes))
        (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
        for name in ("model", "output/data", "checkpoints"):
            (job.folder / name).mkdir(parents=True)
        for channel in channels:
            url = channel["DataSource"]["S3DataSource"]["S3Uri"]
            place = job.folder / "input/data" / channel["ChannelName"]
            if not self._copy(url, place):
                raise FileNotFoundError(f"No S3 objects found under S3 URL {url!r} given in input data source.")
        self._copy(job.request["CheckpointConfig"]["S3Uri"], job.folder / "checkpoints")

    def _copy(self, url: str, folder: Path) -> int:
        """Downloads all objects of a prefix; returns how many there are."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        base = prefix if prefix.endswith("/") else prefix.rpartition("/")[0] + "/"
        number = 0
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                path = folder / entry["Key"].removeprefix(base)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
                number += 1
        return number

    def _train(self, job: Job) -> int:
        variables = {**os.environ, "SAGEMAKER_BASE_DIR": str(job.folder), "TRAINING_JOB_NAME": job.name}
        job.process = subprocess.Popen(  # noqa: S603  our own program
            self.program, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=job.folder
        )
        job.detail = "Training"
        if job.stopping:
            job.process.send_signal(signal.SIGTERM)
        stream = f"{job.name}/algo-1-{int(job.created)}"
        _quietly(self._logs.create_log_group, logGroupName=GROUP)
        _quietly(self._logs.create_log_stream, logGroupName=GROUP, logStreamName=stream)
        with job.process:
            self._read(job, stream)
        return job.process.returncode

    def _read(self, job: Job, stream: str) -> None:
        """Takes the lines of a program to the log, until it ends."""
        assert job.process is not None
        for line in job.process.stdout or ():
            text = line.decode(errors="replace").rstrip("\n") or " "
            now = int(1000 * time.time())
            self._logs.put_log_events(
                logGroupName=GROUP, logStreamName=stream, logEvents=[{"timestamp": now, "message": text}]
            )
            for metric in job.request["AlgorithmSpecification"].get("MetricDefinitions", []):
                if found := re.search(metric["Regex"], text):
                    job.metrics[metric["Name"]] = float(found[1])

    def _upload_checkpoints(self, job: Job) -> None:
        self._upload_folder(job.folder / "checkpoints", job.request["CheckpointConfig"]["S3Uri"])

    def _upload_model(self, job: Job) -> None:
        job.detail = "Uploading"
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for path in sorted((job.folder / "model").iterdir()):
                tar.add(path, path.name)
        bucket, _, prefix = job.request["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://").partition("/")
        key = f"{prefix.rstrip('/')}/{job.name}/output/model.tar.gz"
        self._s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())

    def _upload_folder(self, folder: Path, url: str) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        for path in folder.rglob("*"):
            if path.is_file():
                key = f"{prefix.rstrip('/')}/{path.relative_to(folder).as_posix()}"
                self._s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def arn(name: str) -> str:
    """The ARN of a training job."""
    return f"arn:aws:sagemaker:us-east-1:{_ACCOUNT}:training-job/{name}"


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Raises Refused if a request breaks the model of the service."""
    shape = _MODEL.operation_model(operation).input_shape
    assert shape is not None
    report = ParamValidator().validate(request, shape)
    problems = [report.generate_report()] if report.has_errors() else []
    problems += [
        f"{path}: {text!r} does not match {pattern}" for path, text, pattern in _mismatches(request, shape, "")
    ]
    if problems:
        raise Refused("ValidationException", "; ".join(problems))


def _mismatches(value: Any, shape: Shape, path: str) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401  any JSON
    """The texts that do not match the pattern of their shape, or are too long."""
    for member, its_shape, its_path in _members(value, shape, path):
        yield from _mismatches(member, its_shape, its_path)
    if isinstance(shape, StringShape):
        pattern, most = shape.metadata.get("pattern"), shape.metadata.get("max")
        if shape.enum and value not in shape.enum:
            yield path, value, f"one of {shape.enum}"
        if pattern and r"\p" not in pattern and not re.fullmatch(pattern, value):  # re has no classes of Unicode
            yield path, value, pattern
        if most and len(value) > most:
            yield path, value, f"at most {most} characters"


def _members(value: Any, shape: Shape, path: str) -> Iterator[tuple[Any, Shape, str]]:  # noqa: ANN401  any JSON
    """What a structure, a list or a map has."""
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            yield member, shape.members[name], f"{path}.{name}"
    elif isinstance(shape, ListShape):
        for index, member in enumerate(value):
            yield member, shape.member, f"{path}[{index}]"
    elif isinstance(shape, MapShape):
        for name, member in value.items():
            yield name, shape.key, f"{path}.{name}"
            yield member, shape.value, f"{path}.{name}"


def _quietly(call: Any, **arguments: str) -> None:  # noqa: ANN401  a method of boto3's client
    try:
        call(**arguments)
    except call.__self__.exceptions.ResourceAlreadyExistsException:
        return


@contextmanager
def running(
    folder: Path,
    s3: Any,  # noqa: ANN401  boto3 creates its classes at run time
    logs: Any,  # noqa: ANN401  as above
    *,
    program: Sequence[str] = PROGRAM,
    port: int = 0,
) -> Iterator[TrainingJobs]:
    """The stand-in on a port of this machine; ``program`` is what a training job runs."""
    jobs = TrainingJobs(folder, s3, logs, program)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            operation = self.headers["x-amz-target"].removeprefix("SageMaker.")
            try:
                status, answer = 200, jobs.call(operation, json.loads(body))
            except Refused as error:
                status, answer = 400, {"__type": error.code, "message": str(error)}
            document = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.1")
            self.send_header("content-length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Nothing: the log of the tests has other things."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    jobs.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield jobs
    finally:
        jobs.close()
        server.shutdown()
        thread.join()
        server.server_close()
