"""``larder events log | compact`` on a log in a folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.toys.event_rows import event, ids

from larder.events.log.parts import write_parts
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
    assert made[-1][:5] == ["shop/events", "2026-12-01", "2", "3", "1"]
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
