"""The limit of a key: a bucket that fills again."""

import pytest

from larder.auth.throttle import Throttle
from larder.errors import TooManyRequests


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    # GIVEN a key that may send 2 requests a second, and 5 at once
    now = [0.0]
    throttle = Throttle(lambda: now[0])

    def take() -> None:
        throttle.take("LK", 2.0, 5)

    # WHEN it sends 6 at once THEN the last is refused, with the time to wait
    for _ in range(5):
        take()
    with pytest.raises(TooManyRequests) as caught:
        take()
    assert caught.value.retry_after == pytest.approx(0.5)
    assert caught.value.headers == {"retry-after": "1"}

    # AND half a second later there is one more, and never more than the burst
    now[0] += 0.5
    take()
    now[0] += 3600
    for _ in range(5):
        take()
    with pytest.raises(TooManyRequests):
        take()


def test_keys_do_not_share_a_bucket() -> None:
    throttle = Throttle(lambda: 0.0)
    throttle.take("a", 1.0, 1)
    throttle.take("b", 1.0, 1)
    with pytest.raises(TooManyRequests):
        throttle.take("a", 1.0, 1)


def test_a_slow_rate_is_kept_exactly() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    passed = 0
    for _ in range(600):  # a request every 0.1 s for a minute
        now[0] += 0.1
        try:
            throttle.take("a", 0.5, 1)
        except TooManyRequests:
            continue
        passed += 1
    assert 30 <= passed <= 31
