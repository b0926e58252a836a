"""Training jobs of a service: start, look, stop, and upload the data."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from larder_client import fields
from larder_client.fields import Document
from larder_client.parameters import path, query, route, without_none
from larder_client.session import Session

ENDED: Final = frozenset({"completed", "failed", "stopped", "skipped"})
"""The states of a training job that are final."""
_MOST_FILES: Final = 1000  # of a request for URLs
_SECONDS_BETWEEN_LOOKS: Final = 5.0


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far the current step of a training is.

    Attributes:
        title: What the step does.
        done: How many units are done.
        total: Of how many.
        seconds_left: An estimate of the seconds that are left, if there is one.
    """

    title: str
    done: int
    total: int
    seconds_left: float | None

    @classmethod
    def read(cls, document: Document) -> "TrainingProgress":
        """Reads it from its JSON."""
        return cls(
            title=fields.get(document, "title", str),
            done=fields.get(document, "done", int),
            total=fields.get(document, "total", int),
            seconds_left=None if document["seconds_left"] is None else fields.number(document, "seconds_left"),
        )


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training job.

    Attributes:
        model: The model's name.
        job: The job's name.
        kind: ``classifier`` or ``recommender``.
        state: ``pending``, ``running``, ``stopping``, ``completed``, ``failed``, ``stopped`` or ``skipped``.
        trigger: What asked for it: ``request``, ``schedule``, ``events`` or ``drift``.
        created: When it was asked for.
        started: When it began; None before.
        ended: When it ended; None before.
        reason: Why it failed, stopped or was skipped, or what the rollout said of its release.
        progress: How far it is, if that is known.
        release: The release that it made.
        document: The received JSON. That of one job has ``hyperparameters``, ``channels``, ``parent`` and ``metrics``,
            too; an entry of a list does not.
    """

    model: str
    job: str
    kind: str
    state: str
    trigger: str
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    reason: str | None
    progress: TrainingProgress | None
    release: str | None
    document: Document = field(repr=False, compare=False)

    @property
    def has_ended(self) -> bool:
        """Whether the state is final."""
        return self.state in ENDED

    @classmethod
    def read(cls, document: Document) -> "TrainingJob":
        """Reads it from its JSON."""
        progress = fields.optional(document, "progress", dict)
        return cls(
            model=fields.get(document, "model", str),
            job=fields.get(document, "job", str),
            kind=fields.get(document, "kind", str),
            state=fields.get(document, "state", str),
            trigger=fields.get(document, "trigger", str),
            created=fields.time(document, "created"),
            started=fields.time(document, "started"),
            ended=fields.time(document, "ended"),
            reason=fields.optional(document, "reason", str),
            progress=None if progress is None else TrainingProgress.read(progress),
            release=fields.optional(document, "release", str),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class TrainingJobsPage:
    """A page of the list of a model's training jobs.

    Attributes:
        model: The model's name.
        total: How many jobs it has.
        jobs: Those of this page, newest first.
        next: The ``next`` of the page after; None on the last.
        document: The received JSON.
    """

    model: str
    total: int
    jobs: tuple[TrainingJob, ...]
    next: str | None
    document: Document = field(repr=False, compare=False)

    @classmethod
    def read(cls, document: Document) -> "TrainingJobsPage":
        """Reads it from its JSON."""
        model = fields.get(document, "model", str)
        return cls(
            model=model,
            total=fields.get(document, "total", int),
            jobs=fields.each(document, "jobs", lambda entry: TrainingJob.read({"model": model, **entry})),
            next=fields.optional(document, "next", str),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """A part of the log of a training job.

    Attributes:
        text: Its text.
        start: The offset of its first byte in the whole output.
        end: The offset after its last byte: the ``start`` of the next part.
    """

    text: str
    start: int
    end: int


class TrainingJobs:
    """The training jobs of a service, as ``Client.training_jobs``; errors are as of :class:`larder_client.Client`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(
        self,
        model: str,
        *,
        kind: str | None = None,
        hyperparameters: Mapping[str, object] | None = None,
        channels: Mapping[str, str | None] | None = None,
        parent: str | None = None,
        job: str | None = None,
    ) -> TrainingJob:
        """Starts a training job. What is omitted comes from the job of the live release.

        Args:
            model: The model.
            kind: Its kind; a model without a release needs it.
            hyperparameters: Hyperparameters by name; None as a value leaves one out.
            channels: The URI of each channel's data, such as that of :meth:`upload`; None leaves a channel out.
            parent: The release to compare with, from which a classifier goes on; None: the live one.
            job: A name of your own, by which the request can be repeated without starting a second training.

        Raises:
            BadRequest: A value is wrong; the message lists every problem.
        """
        document = without_none(
            kind=kind,
            hyperparameters=None if hyperparameters is None else dict(hyperparameters),
            channels=None if channels is None else dict(channels),
            parent=parent,
            job=job,
        )
        return self._session.post(TrainingJob.read, path(model, "training-jobs"), {}, document)

    def list(self, model: str, *, n: int | None = None, next: str | None = None) -> TrainingJobsPage:  # noqa: A002  the field's name in a request
        """The newest ``n`` jobs of a model, 1 to 100; ``next`` is that of the page before."""
        return self._session.ask(TrainingJobsPage.read, "GET", path(model, "training-jobs") + query(n=n, next=next))

    def get(self, model: str, job: str) -> TrainingJob:
        """One job. Raises NotFound if there is none of this name."""
        return self._session.ask(TrainingJob.read, "GET", path(model, "training-jobs", job))

    def follow(self, model: str, job: str, *, seconds: float = _SECONDS_BETWEEN_LOOKS) -> Iterator[TrainingJob]:
        """The job again and again, every ``seconds``, until it has ended."""
        while True:
            found = self.get(model, job)
            yield found
            if found.has_ended:
                return
            time.sleep(seconds)

    def log(self, model: str, job: str, *, start: int | None = None, most: int | None = None) -> TrainingLog:
        """A part of the log: at most ``most`` bytes from the offset ``start``, or the end of it."""
        target = path(model, "training-jobs", job, "logs") + query(**{"from": start, "bytes": most})
        response = self._session.send("GET", target)
        offsets = (int(response.headers.get(f"x-larder-log-{name}", "0")) for name in ("start", "end"))
        return TrainingLog(response.body.decode(), *offsets)

    def trials(self, model: str, job: str) -> tuple[Mapping[str, Any], ...]:
        """The trials of the job's search, in the order of their evaluation; none before the job has ended."""
        target = path(model, "training-jobs", job, "trials")
        return self._session.ask(lambda document: fields.each(document, "trials", dict), "GET", target)

    def stop(self, model: str, job: str) -> TrainingJob:
        """Asks to stop a job; one that waits is stopped at once."""
        return self._session.post(TrainingJob.read, path(model, "training-jobs", job, "stop"), {}, {})

    def upload(
        self,
        model: str,
        files: "Mapping[str, os.PathLike[str] | str | bytes] | os.PathLike[str] | str",
        *,
        name: str | None = None,
    ) -> str:
        """Uploads the data of a training, and returns the URI of a channel.

        Args:
            model: The model to train.
            files: A folder or a file; or by the path in the data set, such as ``cat/1.jpg``, the content or the path of
                a file. Hidden files of a folder are left out.
            name: The name of the data set; None: a new one. Files of the same path are replaced.

        Raises:
            OSError: A file cannot be read.
            ValueError: There are no files.
        """
        contents = files if isinstance(files, Mapping) else _paths_below(Path(files))
        if not contents:
            raise ValueError(f"{files} has no files: give a folder that has some.")
        sizes = {file: len(it) if isinstance(it, bytes) else Path(it).stat().st_size for file, it in contents.items()}
        names, uri = sorted(sizes), ""
        for start in range(0, len(names), _MOST_FILES):
            batch = [{"name": file, "bytes": sizes[file]} for file in names[start : start + _MOST_FILES]]
            document = without_none(name=name, files=batch)
            plan = self._session.post(dict, path(model, "training-data"), {}, document)
            name, uri = plan["name"], str(plan["uri"])
            for upload in plan["uploads"]:
                self.put(upload["url"], contents[upload["file"]])
        return uri

    def put(self, url: str, content: "os.PathLike[str] | str | bytes") -> None:
        """Sends one file to a URL that the service gave for it."""
        body = content if isinstance(content, bytes) else Path(content).read_bytes()
        headers = {"content-type": "application/octet-stream"}
        if url.startswith("/"):
            self._session.send("PUT", url, headers, body)
        else:
            self._session.put(url, headers, body)

    def schema(self, kind: str) -> Mapping[str, Any]:
        """The JSON schema of the hyperparameters of a kind of model."""
        return self._session.ask(dict, "GET", route("training-jobs", "schema", kind))


def _paths_below(folder: Path) -> dict[str, Path]:
    """The files below a folder by their path in it, without hidden ones; a single file by its name."""
    if folder.is_file():
        return {folder.name: folder}
    files: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder): path for path in files}
    return {name.as_posix(): path for name, path in named.items() if not any(p.startswith(".") for p in name.parts)}
