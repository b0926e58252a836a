"""The record of a release's rollout: ``rollout.json`` next to its manifest.

The rollout writes it before its first step, after each step and at its end. It shows people what happened, and a
promotion by the API that the release has passed its checks.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, cast

from larder.errors import MissingObject
from larder.registry.registry import Registry, now
from larder.release.json_fields import FieldReader
from larder.release.keys import ROLLOUT

FORMAT: Final = 1
STATES: Final = ("running", "promoted", "canary", "rejected", "kept")
CHECKS: Final = frozenset({"verify", "probe"})
"""The steps that a release must have passed to be promoted without another rollout."""

RolloutStatus = Literal["running", "promoted", "canary", "rejected", "kept"]


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """A step that has ended.

    Attributes:
        step: Its name: ``verify``, ``gate`` or ``probe``.
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
        ended: When it ended; None while it runs.
        event: Whether an upload started it, not a person.
        steps: The steps that have ended, in order.
    """

    state: RolloutStatus
    reason: str | None
    started: str
    ended: str | None
    event: bool
    steps: tuple[RolloutStep, ...] = ()

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
    return RolloutRecord("running", None, now(), None, event)


def write_record(registry: Registry, model: str, release: str, record: RolloutRecord) -> None:
    """Write the record, in place of that of an earlier rollout."""
    text = json.dumps({"format": FORMAT, **record.document()}, indent=2, ensure_ascii=False) + "\n"
    registry.store.put(registry.file_key(model, release, ROLLOUT), text.encode())


def read_record(registry: Registry, model: str, release: str) -> RolloutRecord | None:
    """The record of a release's last rollout; None if there is none, or if it breaks the format."""
    try:
        fields = FieldReader(json.loads(registry.store.get(registry.file_key(model, release, ROLLOUT)).data))
    except (MissingObject, ValueError, RecursionError):
        return None
    number = fields.integer("format")
    record = RolloutRecord(
        state=cast("RolloutStatus", fields.choice("state", STATES)),
        reason=fields.text("reason") if fields.has("reason") else None,
        started=fields.text("started"),
        ended=fields.text("ended") if fields.has("ended") else None,
        event=fields.boolean("event"),
        steps=tuple(_step(FieldReader(entry, "steps", fields.problems)) for entry in fields.sequence("steps")),
    )
    return None if fields.problems or number != FORMAT else record


def _step(fields: FieldReader) -> RolloutStep:
    return RolloutStep(
        step=fields.text("step"),
        passed=fields.boolean("passed"),
        seconds=fields.number("seconds", 0.0),
        detail=fields.text("detail") if fields.has("detail") else None,
    )
