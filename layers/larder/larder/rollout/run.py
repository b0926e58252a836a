"""A rollout between two of its steps: a small document that one step hands to the next."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from larder.errors import InvalidRequest
from larder.registry import Rejection
from larder.registry.rollout_records import RolloutRecord, RolloutStatus, RolloutStep, parse_record
from larder.release.json_fields import FieldReader
from larder.release.pointer import Pointer, read_pointer
from larder.rollout.plan import RolloutState

# Step Functions passes at most 256 KiB from one state to the next, and a hostile manifest can have any number of
# problems.
_MAX_REASON: Final = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """One rollout of a release. A step takes a run and returns the run after it.

    Attributes:
        model: The model's name.
        state: What ``plan`` decides from; its pointer is the one that this run last saw.
        record: What ``rollout.json`` says of it.
        checks: The names of the checks that remain, in order.
        compared_with: The live release that the gate compared it with, or None.
        wait_seconds: How long to wait before the canary is looked at again; 0 if there is none.
    """

    model: str
    state: RolloutState
    record: RolloutRecord
    checks: tuple[str, ...] = ()
    compared_with: str | None = None
    wait_seconds: int = 0

    @property
    def release(self) -> str:
        """The release's name."""
        return self.state.release

    @property
    def by(self) -> str:
        """Who changes the pointer, for its history. Only this run has this name."""
        return f"{'rollout' if self.state.event else 'larder'} {self.record.run}"

    def after(self, step: RolloutStep) -> "Run":
        """The run after one more step has ended."""
        checks = tuple(name for name in self.checks if name != step.step)
        return replace(self, checks=checks, record=self.record.with_step(step))

    def failed(self, rejection: Rejection) -> "Run":
        """The run after a check has failed: no further check is needed."""
        return replace(self, checks=(), state=replace(self.state, failure=rejection))

    def seeing(self, pointer: Pointer | None) -> "Run":
        """The run with the pointer as it is now."""
        return replace(self, state=replace(self.state, pointer=pointer))

    def end(self, state: RolloutStatus, reason: str | None = None) -> "Run":
        """The run that has ended now."""
        return replace(self, checks=(), wait_seconds=0, record=self.record.end(state, reason))

    def document(self) -> Mapping[str, object]:
        """JSON-ready; ``parse_run`` reads it."""
        return asdict(self)


def parse_run(document: object) -> Run:
    """Read the document of a run; raises InvalidRequest with every problem."""
    fields = FieldReader(document)
    run = Run(
        model=fields.text("model"),
        state=_state(fields.child("state")),
        record=parse_record(fields.child("record")),
        checks=fields.texts("checks"),
        compared_with=fields.text("compared_with") if fields.has("compared_with") else None,
        wait_seconds=fields.integer("wait_seconds"),
    )
    fields.finish()
    if fields.problems:
        raise InvalidRequest(f"This is not the state of a rollout: {'; '.join(fields.problems)}.")
    return run


def _state(fields: FieldReader) -> RolloutState:
    return RolloutState(
        release=fields.text("release"),
        pointer=read_pointer(fields.child("pointer")) if fields.has("pointer") else None,
        rejected=_rejection(fields.child("rejected")) if fields.has("rejected") else None,
        event=fields.boolean("event"),
        gate=fields.boolean("gate"),
        probe=fields.boolean("probe"),
        canary_percent=fields.integer("canary_percent", 0, 99),
        approval=fields.boolean("approval"),
        waits=fields.boolean("waits"),
        failure=_rejection(fields.child("failure")) if fields.has("failure") else None,
    )


def _rejection(fields: FieldReader) -> Rejection:
    return Rejection(fields.text("reason"), fields.boolean("damaged"))


def shorten(rejection: Rejection) -> Rejection:
    """The rejection with a reason that fits into a run."""
    reason = rejection.reason
    if len(reason) <= _MAX_REASON:
        return rejection
    return replace(rejection, reason=f"{reason[:_MAX_REASON]}... (it has {len(reason):,} characters)")
