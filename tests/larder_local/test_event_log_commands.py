"""``larder events log | compact | report | redrive`` on a log in a folder."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.toys.event_rows import event, ids

from larder.events.base import LogRow
from larder.events.log.parts import write_parts
from larder.events.opening import open_queue
from larder.events.sqlite import SqliteQueue
from larder.events.statistics import count_rows
from larder.store import Store, open_store
from larder_local.cli import cli


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of ``larder up`` in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LARDER_STORE", raising=False)
    return open_store(f"file://{tmp_path}/.larder/store")


def run(*words: str) -> list[list[str]]:
    """The words of each line that a command prints."""
    result = CliRunner().invoke(cli, ["events", *words])
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.output.splitlines()]


def test_the_log_is_compacted_by_hand_and_shown_by_day(store: Store) -> None:
    # GIVEN two parts with an event in common
    write_parts(store, [event(1), event(2)])
    write_parts(store, [event(2), event(3)])

    before, made, after = run("log", "shop"), run("compact"), run("log", "shop")

    # THEN what is shown is what there is
    assert before[-1][:5] == ["events", "2026-12-01", "3", "1", "2"]
    assert made[-2][:5] == ["shop/events", "2026-12-01", "2", "3", "1"]
    assert after[-1][:5] == ["events", "2026-12-01", "3", "0", "0"]
    assert ids(store) == ["e1", "e2", "e3"]
    assert run("compact", "shop")[0][:3] == ["Nothing", "to", "do:"]


def test_a_damaged_day_is_an_error_that_names_it(store: Store) -> None:
    write_parts(store, [event(1), event(2, 86400.0)])
    store.put("logs/shop/events/2026-12-01.jsonl.gz", b"not gzip")
    result = CliRunner().invoke(cli, ["events", "compact"])
    assert result.exit_code == 1
    assert "2026-12-02" in result.output
    assert "logs/shop/events/2026-12-01.jsonl.gz is not intact gzip" in result.output


def test_a_model_without_a_log_is_no_error(store: Store) -> None:
    assert list(store.list()) == []
    assert run("log", "shop")[0][:4] == ["shop", "has", "no", "log:"]


def test_the_report_has_what_each_release_earned_and_what_is_trending(store: Store) -> None:
    # GIVEN four answers of a release, one click on what it recommended, and nine more events of one item
    now, identifier = time.time(), "0a1b2c3d-1"
    answers = [
        LogRow("shop", "recommendations", {"RECOMMENDATION_ID": f"0a1b2c3d-{k}", "TIMESTAMP": now, "ITEMS": [["mug"]]})
        for k in range(4)
    ]
    seen = [{"EVENT_ID": f"e{k}", "ITEM_ID": "mug", "EVENT_TYPE": "click", "TIMESTAMP": now} for k in range(10)]
    events = [LogRow("shop", "events", row) for row in seen]
    events[0] = replace(events[0], row={**seen[0], "RECOMMENDATION_ID": identifier})
    count_rows(store, [*answers, *events])

    lines = run("report", "shop")

    assert ["0a1b2c3d", "4", "click", "1"] in lines
    assert lines[-1][0] == "mug"
    assert float(lines[-1][1]) == round((10 - 2) / 2**0.5, 1)

    # WHEN the log is compacted THEN the report has exact shares, also by position
    write_parts(store, [*answers, *events])
    assert ["Counted", "what", "recommendations", "of", "1", "day", "earned."] in run("compact")
    assert ["-", "4", "click", "1", "25.00", "%", "4.56", "to", "69.94", "%", "0.00"] in run("report", "shop")
    by_position = run("report", "shop", "--by", "position", "--days", "2")
    assert ["1", "4", "click", "1", "25.00", "%", "4.56", "to", "69.94", "%", "0.00"] in by_position
    assert run("compact", "shop")[0][:3] == ["Nothing", "to", "do:"]


def test_the_report_of_a_model_without_events_says_what_to_do(store: Store) -> None:
    assert list(store.list()) == []
    assert run("report", "shop")[0][:5] == ["No", "event", "of", "shop", "is"]


def test_dead_letters_of_this_machine_come_again(store: Store, tmp_path: Path) -> None:
    # GIVEN a message that was received too often
    assert store.folders() == []
    queue = open_queue(f"sqlite://{tmp_path}/.larder/events.db")
    assert isinstance(queue, SqliteQueue)
    queue.send([event(1)])
    while queue.receive(visibility_seconds=0):
        pass
    # WHEN it is redriven THEN it is received again
    assert run("redrive") == [["1", "messages", "come", "again."]]
    assert len(queue.receive()) == 1
    assert run("redrive") == [["Nothing", "to", "do:", "the", "queue", "has", "no", "dead", "letters."]]
    queue.close()
