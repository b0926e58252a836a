"""The steps of each state."""

import pytest

from larder.release.pointer import Pointer
from larder.rollout import ClearRejection, KeepPointer, Probe, Promote, Reject, RolloutState, Step, Verify, plan

FIRST, SECOND, THIRD = (f"2026010{day}t000000z-0000000{day}" for day in (1, 2, 3))
LIVE = Pointer(SECOND, previous=FIRST, revision=2)


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (RolloutState(FIRST, None), (Verify(), Probe(), Promote())),
        (RolloutState(FIRST, None, event=True), (Verify(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE), (Verify(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE, event=True), (Verify(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE, probe=False), (Verify(), Promote())),
        (RolloutState(THIRD, LIVE, rejected="Bad."), (Verify(), ClearRejection(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE, failure="Bad."), (Reject("Bad."),)),
        (RolloutState(THIRD, LIVE, failure="Worse.", event=True, rejected="Bad."), (Reject("Worse."),)),
        (RolloutState(THIRD, LIVE, failure="Bad.", rejected="Bad."), (Reject("Bad."),)),
        (RolloutState(FIRST, LIVE), (Verify(), Probe(), Promote())),
        (RolloutState(THIRD, LIVE, failure="Bad.", damaged=True), (Reject("Bad.", damaged=True),)),
        (
            RolloutState(THIRD, LIVE, event=True, rejected="Bad.", damaged=True),
            (Verify(), ClearRejection(), Probe(), Promote()),
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
        (RolloutState(FIRST, Pointer(SECOND), event=True), "is newer"),
        (RolloutState(THIRD, Pointer(SECOND, previous=THIRD), event=True), "It was live before"),  # after going back
        (RolloutState(THIRD, LIVE, event=True, rejected="Bad."), "It was rejected: Bad. Publish it again"),
        (RolloutState(FIRST, None, event=True, rejected="Bad."), "It was rejected: Bad. Publish it again"),
        (RolloutState(THIRD, LIVE, event=True, rejected="Bad.", damaged=True, failure="Bad."), "It was rejected: Bad."),
    ],
)
def test_the_pointer_is_kept_with_a_reason(state: RolloutState, reason: str) -> None:
    (step,) = plan(state)
    assert isinstance(step, KeepPointer)
    assert reason in step.reason


def test_releases_of_the_same_second_or_with_other_names_are_not_older() -> None:
    same_second = SECOND[:-1] + "0"
    for release in (same_second, "by-hand"):
        assert plan(RolloutState(release, LIVE, event=True)) == (Verify(), Probe(), Promote())
