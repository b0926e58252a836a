"""The documents of training jobs, on each kind of store."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from larder.errors import InvalidRequest, InvalidState, NotFound, StoreError
from larder.jobs import (
    JobProgress,
    JobRequest,
    JobStatus,
    change_status,
    create_job,
    current_job,
    hold_current,
    is_stop_requested,
    job_name,
    list_jobs,
    read_request,
    read_status,
    release_current,
    request_stop,
)
from larder.jobs.log import MAX_BYTES, append_log, read_log
from larder.store import Store, open_store

JOB, OTHER, LAST = (f"2026010{day}t000000z-0000000{day}" for day in (1, 2, 3))
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REQUEST = JobRequest(
    "pets",
    JOB,
    "classifier",
    "2026-01-01T00:00:00Z",
    "k1",
    "request",
    {"trials": 3, "columns": {"path": "file"}},
    {"train": "s3://bucket/images/"},
    parent="20250101t000000z-0000000a",
)


class Contract:
    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    def test_a_request_is_written_once(self, store: Store) -> None:
        assert create_job(store, REQUEST) == REQUEST
        again = replace(REQUEST, created="2026-01-01T00:00:09Z", by="k2")
        assert create_job(store, again) == REQUEST == read_request(store, "pets", JOB)
        with pytest.raises(InvalidState, match="another request: choose another name"):
            create_job(store, replace(REQUEST, hyperparameters={"trials": 4}))
        assert read_request(store, "pets", JOB) == REQUEST

    def test_jobs_are_listed_newest_first(self, store: Store) -> None:
        assert list_jobs(store, "pets") == []
        for job in (OTHER, JOB, LAST):
            create_job(store, replace(REQUEST, job=job))
        hold_current(store, "pets", JOB, "me", 60)
        assert list_jobs(store, "pets") == [LAST, OTHER, JOB]
        assert list_jobs(store, "shop") == []

    def test_a_status_goes_from_pending_to_a_final_state(self, store: Store) -> None:
        assert read_status(store, "pets", JOB) == JobStatus()
        running = JobStatus("running", started="2026-01-01T00:00:00Z", progress=JobProgress("Search", 3, 9, 12.5))
        running = replace(running, engine="sagemaker", arn="arn:aws:sagemaker:eu-west-1:1:training-job/x")
        assert change_status(store, "pets", JOB, lambda _: running) == running == read_status(store, "pets", JOB)
        done = replace(running, state="completed", progress=None, metrics={"test:accuracy": 0.5}, release=OTHER)
        assert change_status(store, "pets", JOB, lambda _: done) == done
        assert change_status(store, "pets", JOB, lambda _: running) == done == read_status(store, "pets", JOB)

    def test_of_changes_at_once_none_is_lost(self, store: Store) -> None:
        def count(name: str) -> None:
            change_status(store, "pets", JOB, lambda old: replace(old, metrics={**old.metrics, name: 1.0}))

        threads = [threading.Thread(target=count, args=(f"m{number}",)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(read_status(store, "pets", JOB).metrics) == {f"m{number}" for number in range(6)}

    def test_a_job_that_did_not_begin_stops_at_once(self, store: Store) -> None:
        with pytest.raises(NotFound, match="GET /v1/models/pets/training-jobs"):
            request_stop(store, "pets", JOB, "k1")
        create_job(store, REQUEST)
        assert not is_stop_requested(store, "pets", JOB)
        for _ in range(2):
            assert request_stop(store, "pets", JOB, "k1").state == "stopped"
        assert is_stop_requested(store, "pets", JOB)
        started = change_status(store, "pets", JOB, lambda old: replace(old, state="running"))
        assert started.state == "stopped"

    def test_a_running_job_is_asked_to_stop(self, store: Store) -> None:
        create_job(store, REQUEST)
        change_status(store, "pets", JOB, lambda old: replace(old, state="running"))
        for _ in range(2):
            assert request_stop(store, "pets", JOB, None).state == "stopping"

    def test_one_job_of_a_model_runs_at_a_time(self, store: Store) -> None:
        assert current_job(store, "pets") is None
        mine = hold_current(store, "pets", JOB, "me", 60, at=TIME)
        assert (mine.job, mine.owner) == (JOB, "me")
        assert hold_current(store, "pets", OTHER, "me", 60, at=TIME) == mine
        assert hold_current(store, "pets", JOB, "you", 60, at=TIME) == mine
        assert hold_current(store, "shop", OTHER, "you", 60, at=TIME).job == OTHER
        later = TIME + timedelta(seconds=50)
        assert hold_current(store, "pets", JOB, "me", 60, at=later).holds(TIME + timedelta(seconds=109))
        assert current_job(store, "pets", at=TIME + timedelta(seconds=111)) is None

    def test_a_runner_that_died_blocks_until_its_time_is_over(self, store: Store) -> None:
        hold_current(store, "pets", JOB, "dead", 60, at=TIME)
        taken = hold_current(store, "pets", OTHER, "me", 60, at=TIME + timedelta(seconds=60))
        assert (taken.job, taken.owner) == (OTHER, "me")
        release_current(store, "pets", JOB, "dead")  # it comes back, too late
        assert current_job(store, "pets", at=TIME + timedelta(seconds=61)) == taken

    def test_the_next_job_runs_when_one_has_ended(self, store: Store) -> None:
        hold_current(store, "pets", JOB, "me", 3600)
        release_current(store, "pets", OTHER, "me")
        assert current_job(store, "pets") is not None
        release_current(store, "pets", JOB, "me")
        assert current_job(store, "pets") is None
        assert hold_current(store, "pets", OTHER, "you", 60).job == OTHER

    def test_of_two_runners_at_once_one_wins(self, store: Store) -> None:
        winners: list[str] = []
        barrier = threading.Barrier(4)

        def take(owner: str) -> None:
            barrier.wait()
            winners.append(hold_current(store, "pets", JOB, owner, 60).owner)

        threads = [threading.Thread(target=take, args=(f"runner {number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(winners) == 4
        assert len(set(winners)) == 1

    def test_a_damaged_lock_is_replaced(self, store: Store) -> None:
        for damage in (b"", b"[]", b'{"format": 1, "job": "x", "owner": "y", "expires": "soon"}'):
            store.put("models/pets/training-jobs/current.json", damage)
            assert current_job(store, "pets") is None
            assert hold_current(store, "pets", JOB, "me", 0).job == JOB

    def test_a_log_keeps_its_end_and_its_offsets(self, store: Store) -> None:
        assert read_log(store, "pets", JOB, None, 100).end == 0
        line = b"%07d\n"
        append_log(store, "pets", JOB, b"".join(line % number for number in range(100_000)))
        append_log(store, "pets", JOB, b"".join(line % number for number in range(100_000, 200_000)))
        append_log(store, "pets", JOB, b"")
        tail = read_log(store, "pets", JOB, None, 20)
        assert (tail.text, tail.start, tail.end) == ("0199998\n0199999\n", 1_599_984, 1_600_000)
        first = read_log(store, "pets", JOB, 0, 8)
        assert 1_600_000 - MAX_BYTES <= first.start < 1_600_000 - MAX_BYTES + 8
        assert first.text == f"{first.start // 8:07d}\n"
        assert read_log(store, "pets", JOB, first.end, 8).text == f"{first.end // 8:07d}\n"
        assert read_log(store, "pets", JOB, 9_999_999, 8).end == 1_600_000

    def test_no_character_is_cut(self, store: Store) -> None:
        append_log(store, "pets", JOB, "aéé…".encode())
        parts, start = "", 0
        while (part := read_log(store, "pets", JOB, start, 4)).text:
            parts, start = parts + part.text, part.end
        assert (parts, start) == ("aéé…", 8)

    @pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"format": 2}', b'{"format": 1, "state": "?"}'])
    def test_a_damaged_document_is_named(self, store: Store, damage: bytes) -> None:
        for name in ("status", "request"):
            store.put(f"models/pets/training-jobs/{JOB}/{name}.json", damage)
        with pytest.raises(StoreError, match=r"status\.json"):
            read_status(store, "pets", JOB)
        with pytest.raises(StoreError, match=r"request\.json"):
            read_request(store, "pets", JOB)


class TestFolder(Contract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return open_store(f"file://{tmp_path}/store")


class TestMemory(Contract):
    @pytest.fixture
    def store(self) -> Store:
        return open_store("memory://")


class TestS3(Contract):
    @pytest.fixture
    def store(self, s3_url: str) -> Store:
        return open_store(s3_url)


def test_a_name_is_a_time_and_a_seed() -> None:
    east = TIME.astimezone(timezone(timedelta(hours=2)))
    assert job_name(TIME, "nightly") == job_name(east, "nightly")
    assert job_name(TIME, "nightly").startswith("20260102t030405z-")
    assert len({job_name(TIME, "a"), job_name(TIME, "b"), job_name(TIME), job_name(TIME)}) == 4


@pytest.mark.parametrize("job", ["", "current.json", "..", "20260101t000000z", f"{JOB}/x", JOB.upper()])
def test_other_names_are_refused(job: str) -> None:
    with pytest.raises(InvalidRequest, match="training job name"):
        read_status(open_store("memory://"), "pets", job)
