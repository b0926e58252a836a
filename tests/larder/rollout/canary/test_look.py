"""A look at a canary: each line counts once, whatever happens between two looks, and its verdict is carried out."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.larder.rollout.canary import lines
from tests.larder.rollout.canary.lines import log

from larder.errors import StoreError
from larder.registry import Registry, Rejection
from larder.registry.canaries import canary_document, canary_since, start_canary
from larder.registry.policy import DEFAULT_POLICY, changed_policy, write_policy
from larder.registry.rollout_records import begin, read_record, write_record
from larder.release.keys import attribution_key, history_key
from larder.release.pointer import Pointer
from larder.rollout import upload
from larder.rollout.canary.document import POINTS
from larder.rollout.canary.ending import end
from larder.rollout.canary.log_source import LogPage
from larder.rollout.canary.look import Look, look
from larder.store import Store

Write = Callable[..., Path]


class Log:
    """A log in memory, in pages of ``size`` lines; the place in it is the number of lines."""

    def __init__(self, size: int = 1000) -> None:
        self.lines: list[str] = []
        self.size = size
        self.read = 0
        self.fails_at: int | None = None

    def pages(self, read_until: str | None, since: datetime) -> Iterator[LogPage]:
        del since
        for first in range(int(read_until or 0), len(self.lines), self.size):
            if self.fails_at is not None and first >= self.fails_at:
                raise StoreError("The log could not be read.")
            page = self.lines[first : first + self.size]
            self.read += len(page)
            yield LogPage(page, str(first + len(page)), datetime.now(UTC))


class Watch:
    """A canary of ``pets`` and what watches it."""

    def __init__(self, store: Store, live: str, canary: str) -> None:
        self.registry = Registry(store)
        self.live, self.canary = live, canary
        self.log = Log()
        self.later = timedelta()
        self.start()

    def start(self) -> None:
        start_canary(self.registry, "pets", self.canary, 50, lambda _: False)

    def look(self, seconds: float = 60.0) -> Look:
        found = look(self.registry, "pets", self.log, clock=lambda: datetime.now(UTC) + self.later, seconds=seconds)
        assert found is not None
        return found

    def requests(self, number: int, **changes: float) -> None:
        """Adds so many requests to the log, as of now."""
        time = int(1000 * (datetime.now(UTC).timestamp() + 1))
        for line in log(random.Random(len(self.log.lines)), number, 0.5, **changes):
            text = line.replace(lines.OLD, self.live).replace(lines.NEW, self.canary)
            self.log.lines.append(json.dumps({**json.loads(text), "time": time}))

    def pointer(self) -> Pointer:
        version = self.registry.pointer("pets")
        assert version is not None
        return version.pointer


@pytest.fixture
def watch(store: Store, classifier: Write) -> Watch:
    live, canary = (upload(classifier(hour), store).manifest.release for hour in (1, 2))
    Registry(store).write_pointer("pets", Pointer(live), replaces=None)
    return Watch(store, live, canary)


def test_each_line_counts_once(watch: Watch) -> None:
    watch.requests(2500)
    first = watch.look()
    assert (sum(first.requests), watch.log.read) == (2500, 2500)
    assert watch.look().requests == first.requests, "a repeated look reads nothing again"
    assert watch.log.read == 2500
    watch.requests(500)
    assert sum(watch.look().requests) == 3000


def test_an_interrupted_look_counts_nothing_or_whole_pages(watch: Watch) -> None:
    watch.requests(3000)
    # GIVEN a log that fails in the middle THEN nothing is stored
    watch.log.fails_at = 2000
    with pytest.raises(StoreError, match="could not be read"):
        watch.look()
    watch.log.fails_at = None
    # GIVEN a look without time for more than a page THEN the next ones go on behind it
    assert [sum(watch.look(seconds=0.0).requests) for _ in range(3)] == [1000, 2000, 3000]


def test_of_two_looks_at_once_one_counts(watch: Watch) -> None:
    watch.requests(1000)

    class Slow(Log):
        """Another look comes in between."""

        def pages(self, read_until: str | None, since: datetime) -> Iterator[LogPage]:
            yield from super().pages(read_until, since)
            if read_until is None:
                watch.look()

    slow = Slow()
    slow.lines = watch.log.lines
    found = look(watch.registry, "pets", slow)
    assert found is not None
    assert sum(found.requests) == 1000


def test_a_canary_begins_anew_when_the_same_release_becomes_it_again(watch: Watch) -> None:
    watch.requests(200, failing=1.0)
    assert watch.look().requests[0] > 50
    # GIVEN another canary a day later, of the same release THEN neither the sums nor the old lines count
    entry = watch.registry.history_entry("pets", watch.pointer().revision)
    assert entry is not None
    changed = {**entry, "changed": "2099-01-01T00:00:00Z"}
    watch.registry.store.put(history_key("pets", watch.pointer().revision), json.dumps(changed).encode())
    assert canary_since(watch.registry, "pets", watch.pointer()) == "2099-01-01T00:00:00Z"
    assert canary_document(watch.registry, "pets")["looked"] is None
    watch.log.lines *= 2
    assert watch.look().requests == (0, 0)


def test_another_share_of_the_callers_does_not_begin_anew(watch: Watch) -> None:
    watch.requests(100)
    watch.look()
    since = canary_since(watch.registry, "pets", watch.pointer())
    start_canary(watch.registry, "pets", watch.canary, 20, lambda _: False)
    assert canary_since(watch.registry, "pets", watch.pointer()) == since
    assert sum(watch.look().requests) == 100


@pytest.mark.parametrize(("failing", "state"), [(0.1, "rejected"), (0.01, "promoted")])
def test_a_verdict_is_carried_out_and_recorded(watch: Watch, failing: float, state: str) -> None:
    write_record(watch.registry, "pets", watch.canary, begin(event=True).end("canary", None))
    assert end(watch.registry, watch.look()) == watch.pointer()
    assert watch.pointer().canary == watch.canary, "few requests change nothing"
    watch.requests(60_000, failing=failing)
    end(watch.registry, watch.look())
    rejection = watch.registry.rejection("pets", watch.canary)
    record = read_record(watch.registry, "pets", watch.canary)
    assert record is not None
    assert (record.state, record.steps[-1].step, record.steps[-1].passed) == (state, "watch", state == "promoted")
    if state == "promoted":
        assert (watch.pointer().stable, watch.pointer().previous, rejection) == (watch.canary, watch.live, None)
    else:
        assert (watch.pointer().stable, watch.pointer().canary) == (watch.live, None)
        assert rejection is not None
        assert "Errors: 10." in rejection.reason
    assert watch.registry.history("pets", 1)[0]["by"] == "rollout"
    assert look(watch.registry, "pets", watch.log) is None, "there is no canary any more"


def test_a_rejection_of_a_rollout_that_died_is_carried_out(watch: Watch) -> None:
    watch.registry.reject("pets", watch.canary, Rejection("It failed."))
    found = watch.look()
    assert (found.verdict, found.sentence) == ("reject", "It failed.")
    pointer = end(watch.registry, found)
    assert pointer is not None
    assert pointer.canary is None


def test_the_verdict_of_an_old_look_changes_no_other_canary(watch: Watch) -> None:
    watch.requests(60_000, failing=0.1)
    found = watch.look()
    start_canary(watch.registry, "pets", "20270101t000000z-00000003", 5, lambda _: False)
    end(watch.registry, found)
    assert watch.pointer().canary == "20270101t000000z-00000003"
    assert watch.registry.rejection("pets", watch.canary) is None


def test_the_policy_decides_after_its_hours(watch: Watch) -> None:
    watch.requests(400)
    assert watch.look().verdict == "wait"
    watch.later = timedelta(hours=25)
    assert watch.look().verdict == "promote"
    write_policy(watch.registry.store, "pets", changed_policy(DEFAULT_POLICY, {"undecided": "reject"}), None)
    assert watch.look().verdict == "reject"


def test_the_api_answers_with_what_the_last_look_found(watch: Watch) -> None:
    before = canary_document(watch.registry, "pets")
    assert (before["canary"], before["percent"], before["live"]) == (watch.canary, 50, watch.live)
    assert (before["looked"], before["metrics"], before["canary_hours"]) == (None, [], 24.0)
    watch.requests(1000)
    found = watch.look()
    after = canary_document(watch.registry, "pets")
    assert (after["verdict"], after["sentence"]) == ("wait", found.sentence)
    assert sum(after["requests"].values()) == 1000
    assert [entry["metric"] for entry in after["metrics"]] == ["errors", "latency", "unknown", "labels"]
    assert after["metrics"][0]["interval"][0] < after["metrics"][0]["difference"] < after["metrics"][0]["interval"][1]
    # GIVEN a look each minute of a day THEN the curve has at most 200 points, about equally far apart
    for minute in range(0, 24 * 60, 2):
        watch.later = timedelta(minutes=minute)
        watch.look()
    curve = canary_document(watch.registry, "pets")["curve"]
    assert POINTS - 80 < len(curve) <= POINTS
    times = [datetime.fromisoformat(point["at"]) for point in curve]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times[:-1])]
    assert max(gaps) < 3 * min(gaps[1:])


def test_clicks_of_a_recommender_are_read_from_the_attribution(store: Store, recommender: Write) -> None:
    live, canary = (upload(recommender(hour), store).manifest.release for hour in (1, 2))
    registry = Registry(store)
    registry.write_pointer("shop", Pointer(live), replaces=None)
    start_canary(registry, "shop", canary, 50, lambda _: False)
    places = [
        [canary, "session", 1, "", 30_000, {"click": [300, 310, 0.0]}],
        [live, "session", 1, "", 30_000, {"click": [1500, 1600, 0.0], "purchase": [10, 10, 90.0]}],
        [live, "user", 2, "", 10_000, {}],
    ]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for data in ({"places": places}, [1]):  # what cannot be read is left out
        store.put(attribution_key("shop", today), json.dumps(data).encode())
        found = look(registry, "shop", Log())
        assert found is not None
        assert [entry.metric for entry in found.metrics] == ["errors", "latency"] + ["clicks"] * (data != [1])
        assert found.verdict == ("wait" if data == [1] else "reject")
    assert look(registry, "shop", Log()) is not None


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"format": 2}', b'{"format": 1}'])
def test_a_damaged_record_fails_with_its_key_and_is_no_error_of_the_api(watch: Watch, data: bytes) -> None:
    watch.registry.store.put(f"models/pets/releases/{watch.canary}/canary.json", data)
    with pytest.raises(StoreError, match=r"canary\.json"):
        watch.look()
    assert canary_document(watch.registry, "pets")["looked"] is None
