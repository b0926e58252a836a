"""The audit of logs with known faults, and its command."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from larder_local.cli import cli
from larder_training.recommender.data.audit import clean, stray_times, summarize_log
from larder_training.recommender.data.bots import AWAKE_HOURS, DAY_MOMENTS, HOUR_MOMENTS, find_bots
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.interactions import read_interactions

HOUR = 3600


def log_of(times: dict[str, list[int]], items: int = 7) -> EventLog:
    rows = sorted((time, user) for user, moments in times.items() for time in moments)
    users = sorted(times)
    size = len(rows)
    return EventLog(
        users,
        [f"i{item}" for item in range(items)],
        ["view"],
        np.array([users.index(user) for _, user in rows], np.int32),
        (np.arange(size) % items).astype(np.int32),
        np.zeros(size, np.int16),
        np.array([time for time, _ in rows], np.int64),
        np.full(size, np.nan, np.float32),
    )


def test_users_who_act_faster_or_longer_than_people_are_bots() -> None:
    """GIVEN each rule at its limit, which a person may reach, and one beyond it."""
    spread = [second * 17 for second in range(DAY_MOMENTS + 1)]  # below 1200 an hour, within a day
    log = log_of(
        {
            "hour, bot": [DAY + second * 2 for second in range(HOUR_MOMENTS + 1)],
            "hour, person": [DAY + second * 2 for second in range(HOUR_MOMENTS)],
            "day, bot": spread,
            "day, person": spread[:-1],
            "sleepless, bot": [5 * HOUR + hour * HOUR for hour in range(AWAKE_HOURS)],
            "sleepless, person": [5 * HOUR + hour * HOUR for hour in range(AWAKE_HOURS - 1)],
            "wholesaler": [7 * HOUR] * 6000,  # the lines of one invoice
        }
    )
    bots = find_bots(log)
    assert [log.users[user] for user in np.flatnonzero(bots).tolist()] == ["day, bot", "hour, bot", "sleepless, bot"]


def test_hours_of_two_users_and_of_two_days_do_not_add_up() -> None:
    first = [hour * HOUR for hour in range(AWAKE_HOURS // 2)]
    later = [(hour + AWAKE_HOURS // 2 + 1) * HOUR for hour in range(AWAKE_HOURS // 2)]
    night = [23 * HOUR + second * 3 for second in range(2400)]  # 1200 in each of two hours, on two days
    assert not find_bots(log_of({"a": first, "b": later, "c": first + later, "d": night})).any()
    assert find_bots(log_of({})).tolist() == []


def test_bots_and_stray_times_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = [f"u{n % 9},i{n % 5},{1_600_000_000 + n * 900}" for n in range(500)]
    rows += [f"bot,i{n % 5},{1_599_998_400 + n * 2}" for n in range(1500)]
    rows += ["u1,i1,2145916800", "u2,i2,3600"]  # 2038, and 1970
    path = tmp_path / "log.csv"
    path.write_text("USER_ID,ITEM_ID,TIMESTAMP\n" + "\n".join(rows), encoding="utf-8")
    read = read_interactions(path)
    log, counts, bots = clean(*read)
    assert (counts.stray_times, counts.bots, counts.bot_users, counts.used) == (2, 1500, 1, 500)
    assert bots == ["bot"]
    assert len(log) == 500
    assert "bot" in log.users  # the user stays, without events
    log, counts, bots = clean(*read, bots=False)
    assert (len(log), counts.bots, counts.bot_users, bots) == (2000, 0, 1, ["bot"])


def test_a_growing_log_has_no_stray_times() -> None:
    grows = (1e9 + 365 * DAY * np.linspace(0, 1, 5000) ** 0.2).astype(np.int64)
    assert not stray_times(grows).any()
    assert not stray_times(np.array([5], np.int64)).any()
    assert not stray_times(np.array([0, 2**31], np.int64)).any()


def test_gaps_and_ids_of_one_file_only_are_counted(tmp_path: Path, make_log: Callable[..., EventLog]) -> None:
    from larder_training.recommender.data.metadata import read_metadata

    log = make_log([("ann", "a", 0, "v"), ("bob", "b", DAY + 5, "v"), ("ann", "b", 5 * DAY, "v")], more_items=("z",))
    (tmp_path / "items.csv").write_text("ITEM_ID\na\nz\ny\n", encoding="utf-8")
    (tmp_path / "users.csv").write_text("USER_ID\nann\ncid\n", encoding="utf-8")
    summary = summarize_log(
        log, read_metadata(tmp_path / "items.csv", "ITEM_ID"), read_metadata(tmp_path / "users.csv", "USER_ID")
    )
    assert summary.document() == {
        "days": 6,
        "days_without_events": 3,
        "longest_gap_days": round((4 * DAY - 5) / DAY, 3),
        "longest_gap_from": "1970-01-02T00:00:05Z",
        "negative_values": 0,
        "unknown_items": 1,
        "items_never_seen": 2,
        "users_without_profile": 1,
        "profiles_without_events": 1,
    }


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    rows = [f"u{n % 9},i{n % 5},{1_600_000_000 + n * 9000},pay,{-1 if n == 7 else 1}" for n in range(300)]
    rows += [f"<b>,i{n % 5},{1_599_998_400 + n * 2},view," for n in range(1500)]
    (tmp_path / "log.csv").write_text(
        "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n" + "\n".join(rows), encoding="utf-8"
    )
    (tmp_path / "items.csv").write_text("ITEM_ID,BRAND\ni1,x\nnew,x\n", encoding="utf-8")
    return [
        *("audit", "recommender", "--interactions", str(tmp_path / "log.csv"), "--items", str(tmp_path / "items.csv")),
        "--allow-small",
    ]


def test_the_command_prints_sentences_and_writes_a_page(files: list[str], tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    result = CliRunner().invoke(cli, [*files, "--report", str(page)])
    assert result.exit_code == 0, result.output
    assert "300 events of 9 users with 5 items in 32 days" in result.output
    assert "1 user acts faster than people can (<b>)" in result.output
    assert "1 event has an EVENT_VALUE below 0 and counts as a return" in result.output
    assert "4 items of the log have no metadata, 1 item with metadata has no event." in result.output
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert "<svg" in text
    again = tmp_path / "again.html"
    CliRunner().invoke(cli, [*files, "--report", str(again)])
    assert again.read_bytes() == page.read_bytes()


def test_the_command_prints_json(files: list[str]) -> None:
    found = json.loads(CliRunner().invoke(cli, [*files, "--json"]).stdout)
    assert (found["bots"], found["bot_users"], found["bot_ids"]) == (1500, 1, ["<b>"])
    assert found["event_types"] == {"pay": 300, "view": 0}
    assert found["future"] == 0


def test_an_error_of_the_command_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("USER_ID,ITEM_ID,TIMESTAMP\n" + "\n".join(f"bot,i,{n}" for n in range(1500)), encoding="utf-8")
    result = CliRunner().invoke(cli, ["audit", "recommender", "--interactions", str(log)])
    assert result.exit_code == 1
    assert "all users of the log act faster than people can" in result.output
    assert "Traceback" not in result.output


def test_events_in_the_future_are_reported(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    ahead = int(datetime.now(UTC).timestamp()) + DAY
    log.write_text(f"USER_ID,ITEM_ID,TIMESTAMP\nu,i,{ahead}\nv,i,{ahead - 5 * DAY}\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["audit", "recommender", "--interactions", str(log)])
    assert "1 event is later than this machine's clock" in result.output
    assert "the longest gap is 5.0 days" in result.output
