"""The record of a release's rollout: ``rollout.json`` next to its manifest.

The rollout writes it before its first step, after each step and at its end. It shows people what happened, and a
promotion by the API that the release has passed its checks. Of two rollouts of a release at the same time, one writes
it: a record never has steps of both.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal, cast

from larder.errors import Conflict, MissingObject
from larder.registry.registry import Registry, now
from larder.release.json_fields import FieldReader
from larder.release.keys import ROLLOUT
from larder.store import Blob

FORMAT: Final = 1
STATES: Final = ("running", "promoted", "canary", "approval", "rejected", "kept")
CHECKS: Final = frozenset({"verify", "probe"})
"""The steps that a release must have passed to be promoted without another rollout."""

RolloutStatus = Literal["running", "promoted", "canary", "approval", "rejected", "kept"]
_ATTEMPTS: Final = 50  # each lost swap means that another rollout of the same release wrote its record


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """A step that has ended.

    Attributes:
        step: Its name: ``verify``, ``gate``, ``probe``, or ``watch`` for the canary.
        passed: Whether the release passed it.
        seconds: How long it took.
        detail: What it found, such as the sentence of the gate; None if it has none.
    """

    step: str
    passed: bool
    seconds: float
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """A rollout.

    Attributes:
        state: ``running``; or how it ended, as ``Outcome.state`` has it. A rollout that was interrupted stays
            ``running``.
        reason: Why the release did not go live; None if it did, or while the rollout runs.
        started: When it began, UTC.
        ended: When it ended, or when the canary began; None while it runs.
        event: Whether an upload started it, not a person.
        steps: The steps that have ended, in order.
        run: The name of this rollout, which sorts by when it began; empty in a record of an older version.
    """

    state: RolloutStatus
    reason: str | None
    started: str
    ended: str | None
    event: bool
    steps: tuple[RolloutStep, ...] = ()
    run: str = ""

    @property
    def checked(self) -> bool:
        """Whether the release passed every check except, perhaps, the gate."""
        return {entry.step for entry in self.steps if entry.passed} >= CHECKS

    def with_step(self, step: RolloutStep) -> "RolloutRecord":
        """The record after one more step."""
        return replace(self, steps=(*self.steps, step))

    def end(self, state: RolloutStatus, reason: str | None) -> "RolloutRecord":
        """The record of a rollout that has ended now."""
        return replace(self, state=state, reason=reason, ended=now())

    def document(self) -> Mapping[str, object]:
        """JSON-ready."""
        return asdict(self)


def begin(*, event: bool) -> RolloutRecord:
    """The record of a rollout that begins now."""
    run = f"{datetime.now(UTC):%Y%m%dt%H%M%S%fz}-{secrets.token_hex(4)}"
    return RolloutRecord("running", None, now(), None, event, run=run)


def write_record(registry: Registry, model: str, release: str, record: RolloutRecord) -> None:
    """Write the record, in place of that of an earlier rollout.

    Nothing is written while a rollout that began later runs: its record stays whole.

    Raises StoreError if the store fails, or if other rollouts keep writing theirs.
    """
    key = registry.file_key(model, release, ROLLOUT)
    data = (json.dumps({"format": FORMAT, **record.document()}, indent=2, ensure_ascii=False) + "\n").encode()
    for _ in range(_ATTEMPTS):
        stored = _get(registry, key)
        other = None if stored is None else _parse(stored.data)
        if other is not None and other.state == "running" and other.run > record.run:
            return
        try:
            registry.store.put(key, data, etag=None if stored is None else stored.etag, create=stored is None)
        except Conflict:
            continue
        return
    raise Conflict(f"Other rollouts of {release} keep writing {key}: wait until they end, then try again.")


def read_record(registry: Registry, model: str, release: str) -> RolloutRecord | None:
    """The record of a release's last rollout; None if there is none, or if it breaks the format."""
    stored = _get(registry, registry.file_key(model, release, ROLLOUT))
    return None if stored is None else _parse(stored.data)


def parse_record(fields: FieldReader) -> RolloutRecord:
    """Read the fields of a record; the reader notes what is wrong."""
    return RolloutRecord(
        state=cast("RolloutStatus", fields.choice("state", STATES)),
        reason=fields.text("reason") if fields.has("reason") else None,
        started=fields.text("started"),
        ended=fields.text("ended") if fields.has("ended") else None,
        event=fields.boolean("event"),
        steps=tuple(_step(FieldReader(entry, "steps", fields.problems)) for entry in fields.sequence("steps")),
        run=fields.text("run") if fields.has("run") else "",
    )


def _get(registry: Registry, key: str) -> Blob | None:
    try:
        return registry.store.get(key)
    except MissingObject:
        return None


def _parse(data: bytes) -> RolloutRecord | None:
    try:
        fields = FieldReader(json.loads(data))
    except (ValueError, RecursionError):
        return None
    number, record = fields.integer("format"), parse_record(fields)
    return None if fields.problems or number != FORMAT else record


def _step(fields: FieldReader) -> RolloutStep:
    return RolloutStep(
        step=fields.text("step"),
        passed=fields.boolean("passed"),
        seconds=fields.number("seconds", 0.0),
        detail=fields.text("detail") if fields.has("detail") else None,
    )
