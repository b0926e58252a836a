"""The benchmarks of live events, small: events survive kills, and an answer has an event at once."""

import random
import sys

import pytest
from freshness import measure
from kill import TARGETS, run
from local_shop import ITEMS, MODEL, local_shop

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform != "linux", reason="finds workers through /proc"),
]
EVENTS = 2000


def test_no_acknowledged_event_is_lost_or_double_when_workers_and_the_service_are_killed() -> None:
    with local_shop() as shop:
        outcome, killed = run(shop, EVENTS, 4, len(TARGETS), random.Random(0))
        assert set(killed) == set(TARGETS)
        assert outcome.attempts + outcome.refused == EVENTS
        assert outcome.refused == EVENTS / 50
        assert outcome.is_sound, outcome
        assert outcome.read == outcome.acknowledged + outcome.recovered

        # AND the service, after all of it, has events in its answers
        with shop.client() as client:
            tries = measure(client, MODEL, lambda number: f"item-{number % ITEMS}", 20)
        assert len(tries.seen) == 20
