"""What is done in which situation. Pure: no store, no clock."""

import pytest

from larder.release.pointer import Pointer
from larder.rollout import Clear, Keep, Probe, Promote, Reject, Situation, Step, Verify, plan

FIRST, SECOND, THIRD = (f"2026010{day}t000000z-0000000{day}" for day in (1, 2, 3))
LIVE = Pointer(SECOND, previous=FIRST, revision=2)


@pytest.mark.parametrize(
    ("situation", "steps"),
    [
        (Situation(FIRST, None), (Verify(), Probe(), Promote())),
        (Situation(FIRST, None, event=True), (Verify(), Probe(), Promote())),
        (Situation(THIRD, LIVE), (Verify(), Probe(), Promote())),
        (Situation(THIRD, LIVE, event=True), (Verify(), Probe(), Promote())),
        (Situation(THIRD, LIVE, probe=False), (Verify(), Promote())),
        (Situation(THIRD, LIVE, rejected="Bad."), (Verify(), Clear(), Probe(), Promote())),
        (Situation(THIRD, LIVE, failed="Bad."), (Reject("Bad."),)),
        (Situation(THIRD, LIVE, failed="Bad.", event=True, rejected="Bad."), (Reject("Bad."),)),
        (Situation(FIRST, LIVE), (Verify(), Probe(), Promote())),
    ],
)
def test_steps(situation: Situation, steps: tuple[Step, ...]) -> None:
    assert plan(situation) == steps


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        (Situation(SECOND, LIVE), "It is live already"),
        (Situation(SECOND, LIVE, event=True), "It is live already"),
        (Situation(FIRST, LIVE, event=True), "It was live before"),
        (Situation(FIRST, Pointer(SECOND), event=True), "is newer"),
        (Situation(THIRD, Pointer(SECOND, previous=THIRD), event=True), "It was live before"),  # it was rolled back
        (Situation(THIRD, LIVE, event=True, rejected="Bad."), "It was rejected: Bad. Publish it again"),
        (Situation(FIRST, None, event=True, rejected="Bad."), "It was rejected: Bad. Publish it again"),
    ],
)
def test_nothing_is_done_and_why(situation: Situation, reason: str) -> None:
    (step,) = plan(situation)
    assert isinstance(step, Keep)
    assert reason in step.reason


def test_releases_of_one_second_or_with_names_of_their_own_are_not_called_older() -> None:
    same_second = SECOND[:-1] + "0"
    for release in (same_second, "by-hand"):
        assert plan(Situation(release, LIVE, event=True)) == (Verify(), Probe(), Promote())
