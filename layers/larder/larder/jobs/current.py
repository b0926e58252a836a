"""Which job of a model runs now: one at a time, by a document that its runner holds for a while and renews.

A runner that dies lets the time pass, and the next runner takes the document over.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from larder.errors import Conflict, MissingObject
from larder.release.json_fields import FieldReader
from larder.release.keys import check_job, current_job_key
from larder.store import Store

FORMAT = 1


@dataclass(frozen=True, slots=True)
class CurrentJob:
    """The job that runs.

    Attributes:
        job: Its name.
        owner: Who runs it: the ARN of an execution, or the name of a machine and its store.
        expires: Until when this holds unless the owner renews it, UTC, in ISO 8601.
    """

    job: str
    owner: str
    expires: str

    def holds(self, at: datetime) -> bool:
        """Whether the owner still holds it."""
        return at < datetime.fromisoformat(self.expires)


def hold_current(
    store: Store, model: str, job: str, owner: str, seconds: float, *, at: datetime | None = None
) -> CurrentJob:
    """Make ``job`` the one that runs, or renew that; returns the job that runs then, which is another one if it must
    wait.

    Args:
        store: The store of the model.
        model: The model.
        job: The job that wants to run.
        owner: Who runs it; the same owner may take its own job again, as a step that is repeated does.
        seconds: For how long, unless it is renewed.
        at: The time, for tests; None: now.
    """
    time = at or datetime.now(UTC)
    wanted = CurrentJob(check_job(job), owner, (time + timedelta(seconds=seconds)).isoformat())
    known, etag = _read(store, model)
    if known is not None and known.holds(time) and (known.job, known.owner) != (job, owner):
        return known
    try:
        _write(store, model, wanted, etag)
    except Conflict:
        other, _ = _read(store, model)
        return other or hold_current(store, model, job, owner, seconds, at=at)
    return wanted


def release_current(store: Store, model: str, job: str, owner: str) -> None:
    """Let the next job run; does nothing if another job or owner holds the document."""
    known, etag = _read(store, model)
    if known is None or (known.job, known.owner) != (job, owner):
        return
    try:
        _write(store, model, CurrentJob(job, owner, datetime.now(UTC).isoformat()), etag)
    except Conflict:
        return  # it had expired, and another runner holds it


def current_job(store: Store, model: str, *, at: datetime | None = None) -> CurrentJob | None:
    """The job of a model that runs now; None if none does."""
    known, _ = _read(store, model)
    return known if known is not None and known.holds(at or datetime.now(UTC)) else None


def _read(store: Store, model: str) -> tuple[CurrentJob | None, str | None]:
    """The document and its ETag; None for one that cannot be read, which the next writer replaces."""
    try:
        blob = store.get(current_job_key(model))
    except MissingObject:
        return None, None
    try:
        return _parse(json.loads(blob.data)), blob.etag
    except ValueError:
        return None, blob.etag


def _parse(document: object) -> CurrentJob | None:
    fields = FieldReader(document)
    current = CurrentJob(fields.text("job"), fields.text("owner"), fields.text("expires"))
    known = fields.integer("format") == FORMAT and not fields.problems
    return current if known and datetime.fromisoformat(current.expires).tzinfo else None


def _write(store: Store, model: str, current: CurrentJob, etag: str | None) -> None:
    document: Mapping[str, object] = {"format": FORMAT, **asdict(current)}
    data = (json.dumps(document, indent=2) + "\n").encode()
    store.put(current_job_key(model), data, etag=etag, create=etag is None)
