"""What was asked of a training job, and how it goes: the content of ``request.json`` and ``status.json``."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Literal, cast

from larder.errors import StoreError
from larder.release.json_fields import FieldReader
from larder.release.keys import check_job, check_model
from larder.release.manifest import KINDS, Kind

FORMAT: Final = 1

TRIGGERS: Final = ("request", "schedule", "events", "drift")
STATES: Final = ("pending", "running", "stopping", "completed", "failed", "stopped", "skipped")
ENGINES: Final = ("local", "sagemaker")
_ENDED: Final = frozenset({"completed", "failed", "stopped", "skipped"})

Trigger = Literal["request", "schedule", "events", "drift"]
State = Literal["pending", "running", "stopping", "completed", "failed", "stopped", "skipped"]
Engine = Literal["local", "sagemaker"]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What was asked of a training job; it never changes.

    Attributes:
        model: The model to train.
        job: The name of the job.
        kind: The kind of the model.
        created: When the job was asked for, UTC, ``2026-01-02T03:04:05Z``.
        by: The id of the API key, or the name of what asked; None if it is not known.
        trigger: Why: a person's or program's ``request``, the ``schedule``, the number of new ``events``, or ``drift``.
        hyperparameters: The hyperparameters that were given, in JSON's types, without ``kind`` and ``model``.
        channels: The data: ``s3://bucket/prefix/``, or a prefix of the store, by the name of the channel.
        parent: The release to compare with, and from which a training may go on; None: the live one when it starts.
    """

    model: str
    job: str
    kind: Kind
    created: str
    by: str | None
    trigger: Trigger
    hyperparameters: Mapping[str, object]
    channels: Mapping[str, str]
    parent: str | None = None

    def dump(self) -> bytes:
        """The bytes of ``request.json``: the same for the same request."""
        return _dump(asdict(self))


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far the current step of a training is.

    Attributes:
        title: What the step does.
        done: How many units are done.
        total: Of how many.
        seconds_left: An estimate of the seconds that are left; None if there is none yet.
    """

    title: str
    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a training job goes.

    Attributes:
        state: ``pending`` until a runner takes it, ``running``, ``stopping`` after a caller asked to stop it; then
            ``completed``, ``failed``, ``stopped`` or ``skipped`` (another job made it needless), which is final.
        reason: Why it failed, stopped or was skipped, or what the rollout said of its release; None if nothing is to
            be said.
        started: When a runner took it, UTC.
        ended: When it ended, UTC.
        progress: How far it is; None before the first step and after the end.
        metrics: The metrics on the test part, by name.
        release: The release that it made; None before that.
        engine: What runs it: ``local`` or ``sagemaker``; None while it is pending.
        arn: The ARN of the training job of SageMaker; None for others.
    """

    state: State = "pending"
    reason: str | None = None
    started: str | None = None
    ended: str | None = None
    progress: JobProgress | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    release: str | None = None
    engine: Engine | None = None
    arn: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the state is final."""
        return self.state in _ENDED

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        return asdict(self)

    def dump(self) -> bytes:
        """The bytes of ``status.json``."""
        return _dump(self.document())


def job_name(created: datetime, seed: str | None = None) -> str:
    """The name of a job that is asked for at ``created``; names sort by it.

    Args:
        created: The time, in any time zone.
        seed: What the job is for, such as the time of a schedule: the same seed gives the same name, so that asking
            twice makes one job. None: a name of its own.
    """
    digest = os.urandom(4).hex() if seed is None else sha256(seed.encode()).hexdigest()[:8]
    return f"{created.astimezone(UTC):%Y%m%dt%H%M%Sz}-{digest}"


def parse_request(data: bytes, key: str) -> JobRequest:
    """The request in the object ``key``; raises StoreError if it breaks the format."""
    fields = _fields(data, key)
    request = JobRequest(
        model=fields.text("model"),
        job=fields.text("job"),
        kind=cast("Kind", fields.choice("kind", KINDS)),
        created=fields.text("created"),
        by=fields.text("by") if fields.has("by") else None,
        trigger=cast("Trigger", fields.choice("trigger", TRIGGERS)),
        hyperparameters=fields.mapping("hyperparameters"),
        channels={name: str(uri) for name, uri in fields.mapping("channels").items()},
        parent=fields.text("parent") if fields.has("parent") else None,
    )
    _finish(fields, key)
    check_model(request.model)
    check_job(request.job)
    return request


def parse_status(data: bytes, key: str) -> JobStatus:
    """The status in the object ``key``; raises StoreError if it breaks the format."""
    fields = _fields(data, key)
    progress = fields.child("progress") if fields.has("progress") else None
    status = JobStatus(
        state=cast("State", fields.choice("state", STATES)),
        reason=_optional(fields, "reason"),
        started=_optional(fields, "started"),
        ended=_optional(fields, "ended"),
        progress=None if progress is None else _progress(progress),
        metrics={name: value for name, value in fields.mapping("metrics").items() if isinstance(value, int | float)},
        release=_optional(fields, "release"),
        engine=cast("Engine", fields.choice("engine", ENGINES)) if fields.has("engine") else None,
        arn=_optional(fields, "arn"),
    )
    _finish(fields, key)
    return status


def _progress(fields: FieldReader) -> JobProgress:
    left = fields.number("seconds_left", 0.0) if fields.has("seconds_left") else None
    return JobProgress(fields.text("title"), fields.integer("done"), fields.integer("total"), left)


def _optional(fields: FieldReader, name: str) -> str | None:
    return fields.text(name) if fields.has(name) else None


def _fields(data: bytes, key: str) -> FieldReader:
    try:
        fields = FieldReader(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{key} is not JSON ({error}): remove the folder of this training job.") from error
    if fields.integer("format") != FORMAT:
        raise StoreError(f"{key} has another format than {FORMAT}: use a newer version of Larder.")
    return fields


def _finish(fields: FieldReader, key: str) -> None:
    fields.finish()
    if fields.problems:
        problems = "; ".join(fields.problems)
        raise StoreError(f"{key} is not valid ({problems}): remove the folder of this training job.")


def _dump(document: Mapping[str, object]) -> bytes:
    return (json.dumps({"format": FORMAT, **document}, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()
