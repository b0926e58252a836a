"""The steps of each state."""

import pytest

from larder.registry import Rejection
from larder.release.pointer import Pointer
from larder.rollout import (
    AwaitApproval,
    Gate,
    KeepPointer,
    Probe,
    Promote,
    Reject,
    RolloutState,
    StartCanary,
    Step,
    Verify,
    plan,
)

FIRST, SECOND, THIRD = (f"2026010{day}t000000z-0000000{day}" for day in (1, 2, 3))
LIVE = Pointer(SECOND, previous=FIRST, revision=2)
CANARY = Pointer(SECOND, previous=FIRST, canary=THIRD, canary_percent=5, revision=3)
BAD, WORSE, DAMAGED = Rejection("Bad."), Rejection("Worse."), Rejection("Bad.", damaged=True)


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (RolloutState(FIRST, None), (Verify(), Probe(), Promote())),
        (RolloutState(FIRST, None, event=True), (Verify(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE), (Verify(), Gate(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE, gate=False), (Verify(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE, event=True), (Verify(), Gate(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE, probe=False), (Verify(), Gate(), Promote())),
        (RolloutState(THIRD, LIVE, rejected=BAD), (Verify(), Gate(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE, failure=BAD), (Reject(BAD),)),
        (
            RolloutState(THIRD, LIVE, failure=WORSE, event=True, rejected=BAD),
            (Reject(WORSE),),
        ),
        (RolloutState(THIRD, LIVE, failure=BAD, rejected=BAD), (Reject(BAD),)),
        (RolloutState(FIRST, LIVE), (Verify(), Gate(), Probe(), Promote())),
        (RolloutState(FIRST, None, canary_percent=5), (Verify(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE, canary_percent=5), (Verify(), Gate(), Probe(), StartCanary(5))),
        (RolloutState(THIRD, CANARY, canary_percent=20), (Verify(), Gate(), Probe(), StartCanary(20))),
        (RolloutState(THIRD, CANARY), (Verify(), Gate(), Probe(), Promote())),
        (RolloutState(FIRST, None, approval=True), (Verify(), Probe(), AwaitApproval())),
        (RolloutState(THIRD, LIVE, approval=True, canary_percent=5), (Verify(), Gate(), Probe(), AwaitApproval())),
        (RolloutState(THIRD, LIVE, approval=True, waits=True), (Verify(), Gate(), Probe(), AwaitApproval())),
        (RolloutState(THIRD, LIVE, failure=DAMAGED), (Reject(DAMAGED),)),
        (
            RolloutState(THIRD, LIVE, event=True, rejected=DAMAGED),
            (Verify(), Gate(), Probe(), Promote()),
        ),
    ],
)
def test_steps(state: RolloutState, steps: tuple[Step, ...]) -> None:
    assert plan(state) == steps


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (RolloutState(SECOND, LIVE), "It is live already"),
        (RolloutState(SECOND, LIVE, event=True), "It is live already"),
        (RolloutState(FIRST, LIVE, event=True), "It was live before"),
        (RolloutState(THIRD, CANARY, event=True), "It is the canary already and answers 5 % of the callers"),
        (RolloutState(THIRD, CANARY, canary_percent=5), "It is the canary already"),
        (RolloutState(FIRST, Pointer(SECOND), event=True), "is newer"),
        (RolloutState(THIRD, LIVE, event=True, waits=True), "waits for approval: promote it by name"),
        (RolloutState(SECOND, LIVE, failure=BAD), "It is live already, although a check of another rollout failed"),
        (RolloutState(THIRD, Pointer(SECOND, previous=THIRD), event=True), "It was live before"),  # after going back
        (RolloutState(THIRD, LIVE, event=True, rejected=BAD), "It was rejected: Bad. Publish it again"),
        (RolloutState(FIRST, None, event=True, rejected=BAD), "It was rejected: Bad. Publish it again"),
        (RolloutState(THIRD, LIVE, event=True, rejected=DAMAGED, failure=DAMAGED), "It was rejected: Bad."),
    ],
)
def test_the_pointer_is_kept_with_a_reason(state: RolloutState, reason: str) -> None:
    (step,) = plan(state)
    assert isinstance(step, KeepPointer)
    assert reason in step.reason


def test_releases_of_the_same_second_or_with_other_names_are_not_older() -> None:
    same_second = SECOND[:-1] + "0"
    for release in (same_second, "by-hand"):
        assert plan(RolloutState(release, LIVE, event=True)) == (Verify(), Gate(), Probe(), Promote())
