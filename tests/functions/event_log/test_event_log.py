"""The function that writes the log takes what SQS and the schedule send."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.toys.event_rows import DAY, event, ids
from tests.toys.live_store import publish
from tests.toys.shop import write_shop

from event_log import app
from larder.errors import InvalidRequest, StoreError
from larder.events.attribution.report import earned_by, read_attribution
from larder.events.base import LogRow
from larder.events.log.deletions import request_deletion
from larder.events.settings import AttributionMetric, EventSettings, write_settings
from larder.events.statistics import read_statistics
from larder.release.keys import statistics_key
from larder.store import Store, open_store

__all__ = ["write_shop"]  # a fixture


@dataclass(frozen=True)
class Context:
    """What Lambda passes beside the event."""

    milliseconds: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("LARDER_STORE", f"file://{tmp_path}/store")
    app.service.reset()
    return open_store(f"file://{tmp_path}/store")


def batch(*bodies: str) -> dict[str, object]:
    """The event of an SQS event source mapping."""
    return {
        "Records": [
            {"messageId": f"m{number}", "eventSource": "aws:sqs", "body": body, "attributes": {}}
            for number, body in enumerate(bodies)
        ]
    }


def message(*rows: LogRow) -> str:
    return json.dumps({"rows": [[row.model, row.kind, dict(row.row)] for row in rows]})


def test_messages_become_one_part_of_the_log(store: Store) -> None:
    answer = app.handler(batch(message(event(1), event(2)), message(event(3))), Context())
    assert answer == {"batchItemFailures": []}
    assert ids(store) == ["e1", "e2", "e3"]
    assert len(list(store.list("logs/shop/events"))) == 1


@pytest.mark.parametrize(
    "bad",
    [
        "not JSON",
        "[]",
        '{"rows": [["shop", "clicks", {}]]}',
        '{"rows": [["shop", "events", {"EVENT_ID": "x"}]]}',
        '{"rows": [["shop", "events", {"EVENT_ID": "x", "TIMESTAMP": "now"}]]}',
        '{"rows": [["shop", "events", {"EVENT_ID": "x", "TIMESTAMP": NaN}]]}',
        '{"rows": [["../shop", "events", {"EVENT_ID": "x", "TIMESTAMP": 1}]]}',
    ],
)
def test_a_message_that_cannot_be_read_fails_alone(store: Store, bad: str) -> None:
    answer = app.handler(batch(message(event(1)), bad, message(event(2))), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert ids(store) == ["e1", "e2"]


def test_a_batch_of_bad_messages_alone_fails_as_a_list(store: Store) -> None:
    assert app.handler(batch("x"), Context()) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert ids(store) == []


def test_all_messages_come_again_if_the_store_fails(store: Store, tmp_path: Path) -> None:
    # GIVEN a store that cannot be written, because a file is in the place of the log's folder
    (tmp_path / "store" / "logs").write_text("")
    with pytest.raises(StoreError):
        app.handler(batch(message(event(1))), Context())
    # WHEN it can be written again, and SQS sends the batch again
    (tmp_path / "store" / "logs").unlink()
    app.handler(batch(message(event(1))), Context())
    assert ids(store) == ["e1"]


def test_the_schedule_compacts_the_log(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    app.handler(batch(message(event(1), event(2))), Context())
    app.handler(batch(message(event(2))), Context())

    answer = app.handler({"task": "compact"}, Context())

    # THEN it answers and logs what it made, without an id
    assert (answer["days"], answer["rows"], answer["duplicates"]) == (1, 2, 1)
    assert ids(store) == ["e1", "e2"]
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["compaction"] == answer


def test_the_schedule_counts_what_recommendations_earned(store: Store) -> None:
    shown = {"RECOMMENDATION_ID": "r1", "TIMESTAMP": DAY, "RELEASE": "a-1", "ITEMS": [["i1", "user"], ["i2", "user"]]}
    clicked = replace(event(1), row={**event(1).row, "RECOMMENDATION_ID": "r1"})
    app.handler(batch(message(LogRow("shop", "recommendations", shown), clicked)), Context())

    assert app.handler({"task": "compact"}, Context())["attributed"] == 1

    earned = earned_by(read_attribution(store, "shop", "2026-12-01", "2026-12-01"), "release")["a-1"]
    assert (earned.impressions, earned.events["view"].impressions) == (2, 1)


def test_a_schedule_without_time_says_what_remains(store: Store) -> None:
    app.handler(batch(message(event(1), event(2, 86400.0))), Context())
    assert app.handler({"task": "compact"}, Context(1000))["remaining"] == 1
    assert ids(store) == ["e1", "e2"]


def test_the_schedule_removes_users_who_asked_for_it(store: Store) -> None:
    app.handler(batch(message(event(1, user="ann"), event(2, user="bob"))), Context())
    request_deletion(store, "ann", ["shop"], live=None, now=DAY + 100.0)

    answer = app.handler({"task": "compact"}, Context())

    assert (answer["forgotten"], answer["problems"], ids(store)) == (1, [], ["e2"])


def test_deletions_that_cannot_be_read_stop_the_compaction_and_lose_no_row(store: Store) -> None:
    app.handler(batch(message(event(1))), Context())
    store.put("logs/deletions.json", b"")
    with pytest.raises(StoreError, match=r"logs/deletions\.json"):
        app.handler({"task": "compact"}, Context())
    assert ids(store) == ["e1"]


def test_another_event_is_refused(store: Store) -> None:
    with pytest.raises(InvalidRequest, match="messages of SQS"):
        app.handler({"httpMethod": "GET"}, Context())
    assert list(store.list("logs")) == []


def test_rows_are_counted_once_though_a_batch_comes_twice(store: Store) -> None:
    for _ in range(2):
        app.handler(batch(message(event(1), event(2))), Context())

    statistics, _ = read_statistics(store, "shop")
    assert len(statistics.rows) == 2


def test_metrics_of_attributed_events_are_cloudwatch_metrics_once(
    store: Store, capsys: pytest.CaptureFixture[str], write_shop: Callable[..., Path]
) -> None:
    # GIVEN a live release, and a model with two metrics
    folder = write_shop()
    publish(store, "shop", folder)
    release = folder.name
    metrics = AttributionMetric("revenue", "purchase", "SUM"), AttributionMetric("orders", "purchase", "COUNT")
    write_settings(store, "shop", EventSettings(metrics=metrics), None)
    bought = {"EVENT_TYPE": "Purchase", "EVENT_VALUE": 2.5}
    shown = {"RECOMMENDATION_ID": f"{release.rpartition('-')[2][:8]}-1"}
    sold = [
        replace(event(number), row={**event(number).row, **bought, **more})
        for number, more in enumerate((shown, shown, {"RECOMMENDATION_ID": "x"}, {"EVENT_ATTRIBUTION_SOURCE": "y"}, {}))
    ]

    # WHEN a batch comes twice
    for _ in range(2):
        app.handler(batch(message(*sold, event(9))), Context())

    # THEN each event counts once, by the release if it is live
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counted = {}
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], directive["Dimensions"]) == ("Larder", [["model", "EVENT_ATTRIBUTION_SOURCE"]])
        (metric,) = directive["Metrics"]
        counted[metric["Name"], metric["Unit"], line["model"], line["EVENT_ATTRIBUTION_SOURCE"]] = line[metric["Name"]]
    assert len(counted) == len(lines)
    assert counted == {
        ("revenue", "None", "shop", release): [5.0],
        ("orders", "Count", "shop", release): [2.0],
        ("revenue", "None", "shop", "(other)"): [5.0],
        ("orders", "Count", "shop", "(other)"): [2.0],
    }


def test_a_damaged_pointer_keeps_metrics_from_being_counted_and_no_row_from_the_log(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    write_settings(store, "shop", EventSettings(metrics=(AttributionMetric("views", "view", "COUNT"),)), None)
    store.put("models/shop/live.json", b"{")
    named = replace(event(1), row={**event(1).row, "RECOMMENDATION_ID": "x"})

    answer = app.handler(batch(message(named)), Context())

    assert (answer, ids(store)) == ({"batchItemFailures": []}, ["e1"])
    assert "WARNING" in capsys.readouterr().out


def test_damaged_statistics_do_not_keep_rows_from_the_log(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.put(statistics_key("shop"), b"{")

    answer = app.handler(batch(message(event(1))), Context())

    assert answer == {"batchItemFailures": []}
    assert ids(store) == ["e1"]
    assert "logs/shop/statistics.json is not a document of statistics" in capsys.readouterr().out
