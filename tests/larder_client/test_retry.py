"""Repetition: of which failures, how often, and after which wait. No test really waits."""

from dataclasses import dataclass, field

import pytest
from tests.larder_client.conftest import Reply, Scripted

from larder_client import APIError, BadRequest, ConnectionFailed, Retry, TooManyRequests, Unavailable

OK = Reply(document={"models": []})
BUSY = Reply(503, {"error": {"code": "store_unavailable", "message": "Try again."}})


@dataclass
class Clock:
    """A clock that only ``sleep`` moves."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def retry(self, count: int = 3, **options: float) -> Retry:
        """A retry that always draws the longest wait."""
        return Retry(count, **options, sleep=self.sleep, clock=lambda: self.now, uniform=lambda _, most: most)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refused() -> None:
    raise ConnectionFailed("http://127.0.0.1", "refused")


@pytest.mark.parametrize("reply", [Reply(429), Reply(502), BUSY, Reply(504), Reply(hang_up=True), Reply(length=999)])
def test_temporary_failures_are_repeated(scripted: Scripted, clock: Clock, reply: Reply) -> None:
    scripted.replies = [reply, reply, OK]
    with scripted.client(retries=clock.retry()) as client:
        assert client.models() == ()
    assert clock.slept == [0.2, 0.4]


def test_a_post_is_repeated_with_its_body(scripted: Scripted) -> None:
    scripted.replies = [BUSY, Reply(document={"model": "shop", "release": "r", "items": []})]
    with scripted.client() as client:
        client.rank("shop", ["a", "b"])
    first, second = scripted.arrivals
    assert first.body == second.body == b'{"items": ["a", "b"]}'


def test_waits_double_up_to_a_bound_and_then_the_error_is_raised(scripted: Scripted, clock: Clock) -> None:
    scripted.replies = [BUSY]
    retry = clock.retry(6, base_seconds=1.0, max_seconds=5.0)
    with scripted.client(retries=retry) as client, pytest.raises(Unavailable, match="Try again"):
        client.models()
    assert clock.slept == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert len(scripted.arrivals) == 7


def test_the_time_of_all_repetitions_is_bounded(scripted: Scripted, clock: Clock) -> None:
    scripted.replies = [BUSY]
    retry = clock.retry(100, base_seconds=1.0, total_seconds=20.0)
    with scripted.client(retries=retry) as client, pytest.raises(Unavailable):
        client.models()
    assert clock.slept == [1.0, 2.0, 4.0, 8.0]


def test_retry_after_replaces_a_shorter_wait(scripted: Scripted, clock: Clock) -> None:
    scripted.replies = [Reply(429, headers={"retry-after": "12"}), Reply(429, headers={"retry-after": "0"}), OK]
    with scripted.client(retries=clock.retry()) as client:
        client.models()
    assert clock.slept == [12.0, 0.4]


def test_a_retry_after_beyond_the_bound_fails_at_once(scripted: Scripted, clock: Clock) -> None:
    scripted.replies = [Reply(429, headers={"retry-after": "3600"})]
    with scripted.client(retries=clock.retry()) as client, pytest.raises(TooManyRequests) as raised:
        client.models()
    assert (raised.value.retry_after, clock.slept) == (3600.0, [])


def test_the_jitter_is_full() -> None:
    bounds: list[tuple[float, float]] = []

    def uniform(least: float, most: float) -> float:
        bounds.append((least, most))
        return least

    with pytest.raises(ConnectionFailed):
        Retry(2, sleep=lambda _: None, uniform=uniform).call(refused)
    assert bounds == [(0.0, 0.2), (0.0, 0.4)]


def test_many_repetitions_do_not_overflow() -> None:
    with pytest.raises(ConnectionFailed):
        Retry(2000, total_seconds=float("inf"), sleep=lambda _: None).call(refused)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "invalid_request"), (404, "not_found"), (500, "internal"), (503, "not_ready")]
)
def test_permanent_failures_are_not_repeated(scripted: Scripted, clock: Clock, status: int, code: str) -> None:
    scripted.replies = [Reply(status, {"error": {"code": code, "message": "No."}})]
    with scripted.client(retries=clock.retry()) as client, pytest.raises(APIError):
        client.models()
    assert (len(scripted.arrivals), clock.slept) == (1, [])


def test_retries_may_be_a_number(scripted: Scripted) -> None:
    scripted.replies = [BUSY]
    with scripted.client(retries=0) as client, pytest.raises(Unavailable):
        client.models()
    assert len(scripted.arrivals) == 1


def test_a_permanent_failure_ends_the_repetition(scripted: Scripted) -> None:
    scripted.replies = [BUSY, Reply(400, {"error": {"code": "invalid_request", "message": "No."}})]
    with scripted.client() as client, pytest.raises(BadRequest):
        client.models()
