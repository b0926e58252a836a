"""`larder split` cuts a log by time into two files that training and evaluation read."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from larder_local.cli import cli
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.splits.split_files import parse_duration, parse_moment

START = 1_704_067_200  # 2024-01-01T00:00:00Z
HOUR = 3600

Split = Callable[..., Result]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three days of events in milliseconds, one an hour, of four users, and two rows without a time."""
    rows = [f"u{n % 4};i{n % 5};{(START + n * HOUR) * 1000};{n}" for n in range(72)]
    path = tmp_path / "log.csv"
    path.write_text("User;itemId;ts;note\n" + "\n".join([*rows, "u1;i1;;x", "u1;i1;never;x"]) + "\n")
    return path


@pytest.fixture
def split(log: Path) -> Split:
    return lambda *options: CliRunner().invoke(cli, ["split", str(log), *options])


@pytest.mark.parametrize(
    ("options", "cut"),
    [
        (("--last", "1d"), 48),
        (("--last", "90m"), 70),
        (("--at", "2024-01-02"), 24),
        (("--at", "2024-01-02T12:00:00+02:00"), 34),
        (("--fraction", "0.25"), 54),
    ],
)
def test_events_before_the_cut_are_the_history(split: Split, log: Path, options: tuple[str, str], cut: int) -> None:
    result = split(*options)
    assert result.exit_code == 0, result.output
    history, test = (pl.read_csv(log.with_name(f"log-{part}.csv")) for part in ("history", "test"))
    assert history["TIMESTAMP"].to_list() == [START + n * HOUR for n in range(cut)]
    assert test["TIMESTAMP"].to_list() == [START + n * HOUR for n in range(cut, 72)]
    assert history.columns == ["USER_ID", "ITEM_ID", "TIMESTAMP", "note"]
    assert len(read_interactions(log.with_name("log-test.csv"))[0]) == 72 - cut


def test_columns_called_time_and_form_stay_as_they_are(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    rows = [f"u{n % 2},i{n},{START + n},{n}:30,web" for n in range(4)]
    log.write_text("USER_ID,ITEM_ID,TIMESTAMP,time,form\n" + "\n".join(rows) + "\n")
    assert CliRunner().invoke(cli, ["split", str(log), "--fraction", "0.5"]).exit_code == 0
    assert (tmp_path / "log-history.csv").read_text().splitlines()[1:] == rows[:2]
    assert (tmp_path / "log-test.csv").read_text().splitlines() == ["USER_ID,ITEM_ID,TIMESTAMP,time,form", *rows[2:]]


def test_it_prints_counts_and_what_to_do_next(split: Split, log: Path) -> None:
    lines = split("--last", "1d").output.splitlines()
    history, test = log.with_name("log-history.csv"), log.with_name("log-test.csv")
    days = "2024-01-03T00:00:00Z to 2024-01-03T23:00:00Z"
    assert lines == [
        "log.csv: User as USER_ID, itemId as ITEM_ID, ts as TIMESTAMP.",
        f"{history}: 48 events of 4 users with 5 items, 2024-01-01T00:00:00Z to 2024-01-02T23:00:00Z",
        f"{test}: 24 events of 4 users with 5 items, {days}; 4 of the users are in the history",
        "2 rows are in neither file: 2 without a time, 0 unreadable.",
        "Next:",
        f"  larder train recommender --interactions {history} --model shop",
        f"  larder evaluate shop --interactions {test} --history {history}",
    ]


def test_files_go_where_out_says_and_are_never_replaced(split: Split, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    assert split("--last", "1d", "--out", str(out)).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["log-history.csv", "log-test.csv"]
    again = split("--last", "2d", "--out", str(out))
    assert again.exit_code == 1
    assert "log-history.csv exists: delete it, or name another folder with --out." in again.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--last", "9d"), "a cut at 2023-12-25T23:00:01Z leaves a part empty: choose a time between."),
        (("--at", "2025-01-01"), "leaves a part empty"),
        (("--last", "soon"), "--last is 'soon': give a number of minutes, hours, days or weeks, like 7d or 12h."),
        (("--at", "soon"), "--at is 'soon': give a date or a time"),
        (("--last", "1d", "--fraction", "0.1"), "Give one of --last, --at and --fraction"),
        ((), "Give one of --last, --at and --fraction"),
    ],
)
def test_a_cut_that_divides_nothing_is_an_error(
    split: Split, log: Path, options: tuple[str, ...], message: str
) -> None:
    result = split(*options)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert [path.name for path in log.parent.iterdir()] == ["log.csv"]


def test_durations_and_moments_are_parsed() -> None:
    assert [parse_duration(text) for text in ("30m", "12 h", "1.5d", "2W")] == [1800, 43_200, 129_600, 1_209_600]
    assert parse_moment("2024-01-01") == parse_moment("2024-01-01T01:00:00+01:00") == START
