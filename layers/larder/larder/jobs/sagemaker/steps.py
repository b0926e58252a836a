"""The steps of ``workflows/retrain.asl.yaml``. Each may run again, after a failure or because an event came twice.

What they know is in the documents of the job; the state machine only passes on how far the log was read.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from botocore.exceptions import BotoCoreError, ClientError

from larder.errors import InvalidRequest, ReleaseError
from larder.jobs.current import hold_current, release_current
from larder.jobs.documents import change_status, is_stop_requested, read_request, read_status
from larder.jobs.job import JobStatus, State
from larder.jobs.sagemaker.arguments import (
    Machine,
    checkpoints_prefix,
    output_prefix,
    sagemaker_name,
    training_arguments,
)
from larder.jobs.sagemaker.connections import TrainingServices
from larder.jobs.sagemaker.description import Description, read_description
from larder.jobs.sagemaker.job_log import LogPosition, copy_log, last_progress
from larder.jobs.sagemaker.refusals import code, is_refusal, message
from larder.registry import Registry
from larder.registry.registry import now
from larder.release.archive import ARCHIVE, unpack
from larder.release.keys import JOB_TRIALS, MANIFEST, job_key
from larder.release.manifest import parse
from larder.store import Store

TRAININGS_ARE_OFF: Final = (
    "Trainings are off on this stack: deploy it with TrainingImage, the URI of the training image in ECR."
)
_HOLD_SECONDS: Final = 3600.0  # far above the time between two steps: 10 minutes, or the retries of one
_FIRST_LOOK: Final = 15
_LAST_LOOK: Final = 600
_SHARE: Final = 20  # a look comes after a twentieth of the time so far, so a training that has ended is seen soon
_TRIALS: Final = "trials.jsonl"

Outcome = Literal["ready", "running", "trained", "completed", "stopped", "skipped", "ignored", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """What a step returns to the state machine.

    Attributes:
        state: What comes next.
        reason: Why it failed, stopped or was skipped; otherwise empty.
        seconds: After how many seconds to look again.
        log: How far the log was read.
    """

    state: Outcome
    reason: str = ""
    seconds: int = 0
    log: LogPosition = field(default_factory=LogPosition)

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


class Retraining:
    """One training job, from its request to its release."""

    def __init__(
        self,
        store: Store,
        machine: Machine,
        connections: TrainingServices,
        upload: Callable[[Path, Store], object],
        names: tuple[str, str, str],
    ) -> None:
        """Define a training.

        Args:
            store: The store of the model, in S3.
            machine: On what it runs; without an image, trainings are off.
            connections: SageMaker and CloudWatch Logs.
            upload: Uploads the release in a folder, its manifest last.
            names: The model, the job, and the execution that runs it.
        """
        self._store = store
        self._machine = machine
        self._aws = connections
        self._upload = upload
        self._model, self._job, self._execution = names
        self._name = sagemaker_name(self._model, self._job)

    def prepare(self) -> Step:
        """Take the job, unless it has ended, or another execution or another training of the model runs."""
        if self._status().has_ended:
            return Step("ignored", "The job has ended.")
        read_request(self._store, self._model, self._job)
        current = hold_current(self._store, self._model, self._job, self._execution, _HOLD_SECONDS)
        if current.job != self._job:
            reason = f"Training job {current.job} of {self._model} runs: one runs at a time."
            return self._ended("skipped", reason)
        if current.owner != self._execution:
            return Step("ignored", "Another execution runs the job: its event came twice.")
        if not self._machine.image:
            return self._ended("failed", TRAININGS_ARE_OFF)
        return Step("ready")

    def start(self) -> Step:
        """Create the training job in SageMaker; one of this name that exists is the same."""
        request = read_request(self._store, self._model, self._job)
        pointer = Registry(self._store).pointer(self._model)
        live = None if pointer is None else pointer.pointer.stable
        try:
            arguments = training_arguments(request, self._machine, self._store.url, live)
            self._aws.sagemaker.create_training_job(**arguments)
        except InvalidRequest as error:
            return self._ended("failed", str(error))
        except ClientError as error:
            if code(error) != "ResourceInUse":
                return self._refused("SageMaker refused the training job", error)
        arn = self._describe().arn

        def begun(status: JobStatus) -> JobStatus:
            state: State = "stopping" if status.state == "stopping" else "running"
            return replace(status, state=state, started=status.started or now(), engine="sagemaker", arn=arn)

        self._change(begun)
        return Step("running", seconds=_FIRST_LOOK)

    def look(self, position: LogPosition) -> Step:
        """Copy what is new of the log and the metrics; stop the job if a stop was asked for."""
        described = self._describe()
        position = copy_log(self._aws.logs, self._name, self._store, self._model, self._job, position)
        progress = last_progress(self._store, self._model, self._job)
        self._change(
            lambda status: replace(status, metrics=dict(described.metrics) or status.metrics, progress=progress)
        )
        if described.state in ("failed", "stopped"):
            return self._ended("failed" if described.state == "failed" else "stopped", described.reason)
        hold_current(self._store, self._model, self._job, self._execution, _HOLD_SECONDS)
        if described.state == "trained":
            return Step("trained", log=position)
        if is_stop_requested(self._store, self._model, self._job):
            self._stop()
        seconds = min(max(int(described.seconds / _SHARE), _FIRST_LOOK), _LAST_LOOK)
        return Step("running", seconds=seconds, log=position)

    def publish(self) -> Step:
        """Upload the release that was trained, its manifest last, which begins its rollout; then remove what is left
        of the training.
        """
        if self._status().state != "completed":
            try:
                release = self._release(self._describe().artifact)
            except (InvalidRequest, ReleaseError) as error:
                return self._ended("failed", f"The output of the training is not a release of {self._model}: {error}")
            self._change(lambda status: replace(status, state="completed", release=release, progress=None, ended=now()))
        self._clean()
        self._release_lock()
        return Step("completed")

    def fail(self, error: str, cause: str) -> Step:
        """Note that a step failed again and again; what SageMaker still does is stopped."""
        with suppress(BotoCoreError, ClientError):
            self._stop()
        return self._ended("failed", f"The training broke off: {error}: {_cause(cause)}")

    def _status(self) -> JobStatus:
        return read_status(self._store, self._model, self._job)

    def _change(self, change: Callable[[JobStatus], JobStatus]) -> JobStatus:
        return change_status(self._store, self._model, self._job, change)

    def _ended(self, state: Literal["failed", "stopped", "skipped"], reason: str) -> Step:
        """Write the end of the job, and let the next one run. An end that was written before stays."""
        self._change(lambda status: replace(status, state=state, reason=reason, progress=None, ended=now()))
        self._release_lock()
        return Step(state, reason)

    def _release_lock(self) -> None:
        release_current(self._store, self._model, self._job, self._execution)

    def _describe(self) -> Description:
        return read_description(self._aws.sagemaker.describe_training_job(TrainingJobName=self._name))

    def _stop(self) -> None:
        try:
            self._aws.sagemaker.stop_training_job(TrainingJobName=self._name)
        except ClientError as error:
            if code(error) != "ValidationException":  # it has ended, or stops already: the next look sees it
                raise

    def _refused(self, what: str, error: ClientError) -> Step:
        if not is_refusal(error):
            raise error
        return self._ended("failed", f"{what} ({code(error)}): {message(error)}.")

    def _release(self, artifact: str) -> str:
        """Upload the release of ``model.tar.gz`` and return its name."""
        root = f"{self._store.url}/"
        if not artifact.startswith(root):
            raise InvalidRequest(f"{artifact[:200]!r} is not in the store: train it again.")
        with TemporaryDirectory() as scratch:
            archive = Path(scratch) / ARCHIVE
            self._store.download(artifact.removeprefix(root), archive)
            folder = unpack(archive, Path(scratch) / "release")
            archive.unlink()
            manifest = parse((folder / MANIFEST).read_bytes())
            if manifest.model != self._model:
                raise InvalidRequest(f"It is one of {manifest.model}.")
            if (folder / _TRIALS).is_file():
                self._store.upload(job_key(self._model, self._job, JOB_TRIALS), folder / _TRIALS)
            self._upload(folder, self._store)
        return manifest.release

    def _clean(self) -> None:
        """Remove the archive, whose files are the release now, and the checkpoints."""
        for prefix in (output_prefix(self._model, self._job), checkpoints_prefix(self._model, self._job)):
            for entry in list(self._store.list(prefix)):
                self._store.delete(entry.key)


def _cause(text: str) -> str:
    """The message in the cause of a failed step, which Lambda writes as JSON."""
    try:
        document: Any = json.loads(text)
        return str(document["errorMessage"])[:500]
    except (ValueError, KeyError, TypeError):
        return text[:500]
