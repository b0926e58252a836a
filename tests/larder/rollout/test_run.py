"""A run between two of its steps: its document, its record beside that of another run, and the steps one by one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.toys.measured import with_accuracy

from larder.errors import InvalidRequest, ReleaseError
from larder.registry import Registry, Rejection
from larder.registry.policy import RolloutPolicy, read_policy, write_policy
from larder.registry.rollout_records import RolloutStep, begin, read_record, write_record
from larder.release.manifest import Manifest
from larder.release.pointer import Pointer
from larder.rollout import STEPS, Executor, RolloutState, Run, outcome_of, parse_run, roll_out, upload
from larder.store import Store

Write = Callable[..., Path]
FULL = Run(
    model="pets",
    state=RolloutState(
        release="r2",
        pointer=Pointer("r1", previous="r0", canary="r2", canary_percent=5, revision=3),
        rejected=Rejection("Then."),
        event=True,
        canary_percent=5,
        approval=True,
        waits=True,
        failure=Rejection("Now.", damaged=True),
    ),
    record=replace(
        begin(event=True).with_step(RolloutStep("verify", True, 0.25, "Fine.")), reason="Why.", ended="then"
    ),
    checks=("gate", "probe"),
    compared_with="r1",
    wait_seconds=60,
)


@pytest.mark.parametrize("run", [FULL, Run("pets", RolloutState("r2", None), begin(event=False))])
def test_a_run_is_read_as_it_was_written(run: Run) -> None:
    assert parse_run(json.loads(json.dumps(run.document()))) == run


@pytest.mark.parametrize("document", [None, [], {}, {**FULL.document(), "more": 1}, {**FULL.document(), "state": {}}])
def test_another_document_is_refused(document: object) -> None:
    with pytest.raises(InvalidRequest, match="This is not the state of a rollout: "):
        parse_run(json.loads(json.dumps(document)))


def test_the_record_of_a_run_that_began_later_stays_whole_while_it_runs(store: Store, recommender: Write) -> None:
    registry, release = Registry(store), upload(recommender(), store).manifest.release
    earlier, later = begin(event=True), begin(event=True)
    step = RolloutStep("verify", True, 1.0)
    write_record(registry, "shop", release, earlier)
    write_record(registry, "shop", release, later)
    write_record(registry, "shop", release, earlier.with_step(step))
    assert read_record(registry, "shop", release) == later
    ended = later.end("kept", "It is live already.")
    write_record(registry, "shop", release, ended)
    promoted = earlier.with_step(step).end("promoted", None)
    write_record(registry, "shop", release, promoted)
    assert read_record(registry, "shop", release) == promoted


def test_each_step_may_run_twice_and_a_step_out_of_turn_changes_nothing(store: Store, recommender: Write) -> None:
    manifest = upload(recommender(), store).manifest
    probed: list[Manifest] = []
    executor = Executor(store, probed.append)
    run = executor.plan("shop", manifest.release)
    with pytest.raises(InvalidRequest, match="has not ended"):
        outcome_of(run)
    with pytest.raises(InvalidRequest, match="no step 'dance': send one of plan, verify"):
        executor.take("dance", run)
    assert executor.take("probe", run) == run
    for step in STEPS:
        once, twice = (executor.take(step, run) for _ in range(2))
        names = [[entry.step for entry in taken.record.steps] for taken in (once, twice)]
        assert (names[0], once.record.state) == (names[1], twice.record.state)
        run = once
    assert outcome_of(run).state == "promoted"
    assert outcome_of(run).pointer == Pointer(manifest.release)
    assert executor.take("verify", run) == run
    assert len(probed) == 2


def test_a_release_is_compared_again_if_a_better_one_went_live_meanwhile(store: Store, classifier: Write) -> None:
    good, better, worse = (
        upload(with_accuracy(classifier(hour), accuracy), store).manifest.release
        for hour, accuracy in ((1, 0.8), (2, 0.95), (3, 0.85))
    )
    roll_out(store, "pets", good)

    def slow(_: Manifest) -> None:
        assert roll_out(store, "pets", better, event=True).state == "promoted"

    outcome = roll_out(store, "pets", worse, slow, event=True)
    assert (outcome.state, outcome.pointer) == ("rejected", Pointer(better, previous=good, revision=2))
    record = read_record(Registry(store), "pets", worse)
    assert record is not None
    assert [(step.step, step.passed) for step in record.steps] == [
        ("verify", True),
        ("gate", True),
        ("probe", True),
        ("gate", False),
    ]


def test_the_policy_decides_on_canary_and_approval_unless_a_person_states_a_percentage(
    store: Store, recommender: Write
) -> None:
    first, second, third, fourth = (upload(recommender(hour), store).manifest.release for hour in range(1, 5))
    write_policy(store, "shop", RolloutPolicy(canary=20), None)
    assert roll_out(store, "shop", first).state == "promoted"  # nothing to be compared with
    started = roll_out(store, "shop", second, event=True).pointer
    assert started == Pointer(first, canary=second, canary_percent=20, revision=2)
    assert roll_out(store, "shop", third, canary_percent=0).pointer == Pointer(third, previous=first, revision=3)
    _, etag = read_policy(store, "shop")
    write_policy(store, "shop", RolloutPolicy(canary=20, approval=True), etag)
    waiting = roll_out(store, "shop", fourth, event=True)
    assert (waiting.state, waiting.reason) == (
        "approval",
        f"It has passed its checks and waits for approval: larder promote shop {fourth}",
    )
    again = roll_out(store, "shop", fourth, event=True)
    assert (again.state, again.pointer) == ("kept", Pointer(third, previous=first, revision=3))
    record = read_record(Registry(store), "shop", fourth)
    assert record is not None
    assert record.state == "approval"


def test_a_reason_of_any_length_fits_between_two_steps(store: Store, recommender: Write) -> None:
    manifest = upload(recommender(), store).manifest

    def fail(_: Manifest) -> None:
        raise ReleaseError("a" * 400_000)

    executor = Executor(store, fail)
    run = executor.plan("shop", manifest.release, event=True)
    for step in STEPS:
        run = executor.take(step, run)
        assert len(json.dumps(run.document())) < 2**18
    assert outcome_of(run).state == "rejected"
    assert str(outcome_of(run).reason).endswith("aaa... (it has 400,000 characters)")
    assert roll_out(store, "shop", manifest.release, fail, event=True).state == "kept"
