import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from larder.errors import InvalidRequest
from larder_local.cli import cli
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.log_checks.requirements import (
    RETURNING,
    refusals,
    returning_users,
    size_warning,
    times_problem,
)
from larder_training.recommender.dataset import read_dataset
from larder_training.reporting.progress import Progress

Make = Callable[..., EventLog]


def users_who_return(make_log: Make, users: int) -> EventLog:
    """Each user has nine events, and the last tenth of the log is one event of each."""
    return make_log([(f"u{user}", f"i{time % 5}", time * 100, "view") for time in range(10) for user in range(users)])


def test_a_log_with_fewer_than_three_times_cannot_be_divided(make_log: Make) -> None:
    rows = [(f"u{n}", "i", 1_700_000_000 + n % 2, "view") for n in range(50)]
    problem = times_problem(make_log(rows)) or ""
    assert "All 50 events happen at 2023-11-14T22:13:20Z or 2023-11-14T22:13:21Z" in problem
    assert "--order random" in problem
    assert times_problem(make_log([*rows, ("u", "i", 1_800_000_000, "view")])) is None


def test_a_log_needs_users_who_come_back(make_log: Make) -> None:
    small, enough = users_who_return(make_log, RETURNING - 1), users_who_return(make_log, RETURNING)
    assert (returning_users(small), returning_users(enough)) == (RETURNING - 1, RETURNING)
    (problem,) = refusals(small, (), timed=True)
    assert f"{RETURNING - 1} users of the last tenth of its 240 events" in problem
    assert "--allow-small" in problem
    assert not refusals(small, (), timed=True, allow_small=True)
    assert not refusals(enough, (), timed=True)
    assert "Only about 25 users can be tested on" in (size_warning(enough) or "")
    assert size_warning(users_who_return(make_log, 120)) is None


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A log of 40 users with ids like 0007, and a catalogue with ids like 7."""
    rows = [
        f"u{user},{(user * 7 + time) % 30:04},{1_700_000_000 + time * 5000 + user}"
        for time in range(12)
        for user in range(40)
    ]
    (tmp_path / "log.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\n" + "\n".join(rows))
    (tmp_path / "items.csv").write_text("ITEM_ID,KIND\n" + "\n".join(f"{n},k{n % 3}" for n in range(30)))
    return tmp_path


def test_a_training_refuses_ids_that_do_not_meet(shop: Path) -> None:
    options = RecommenderOptions(shop / "log.csv", "m", items=shop / "items.csv")
    with pytest.raises(InvalidRequest, match=r"Only 0 of the 30 items .* 30 would meet without leading zeros\."):
        read_dataset(options, Progress(quiet=True))
    allowed = RecommenderOptions(shop / "log.csv", "m", items=shop / "items.csv", allow_unmatched_ids=True)
    assert any("30 would meet" in notice for notice in read_dataset(allowed, Progress(quiet=True)).notices)


def test_what_was_read_is_said_before_a_refusal(shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "larder"), pytest.raises(InvalidRequest):
        read_dataset(RecommenderOptions(shop / "log.csv", "m", items=shop / "items.csv"), Progress())
    assert "TIMESTAMP is read as epoch seconds" in caplog.text
    assert "KIND" in caplog.text


def test_an_audit_prints_its_findings_and_fails_as_a_training_would(shop: Path) -> None:
    command = ["audit", "recommender", "--interactions", str(shop / "log.csv"), "--items", str(shop / "items.csv")]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    assert "480 events of 40 users" in result.output
    assert result.output.count("30 would meet without leading zeros") == 1
    assert CliRunner().invoke(cli, [*command, "--allow-unmatched-ids"]).exit_code == 0


def test_the_next_command_has_the_options_of_the_audit(shop: Path) -> None:
    options = ["--interactions", str(shop / "log.csv"), "--columns", "USER_ID=USER_ID", "--time-format", "%d %m"]
    result = CliRunner().invoke(cli, ["audit", "recommender", *options, "--allow-small"])
    assert result.exit_code == 0, result.output
    assert f"Next: larder train recommender {shlex.join(options)} --allow-small --model NAME" in result.output


def test_a_log_that_loses_rows_says_why(tmp_path: Path) -> None:
    rows = [f"u{n % 40},i{n % 30},{1_700_000_000 + n}" for n in range(900)]
    rows += [f",i{n},{1_700_000_000 + n}" for n in range(60)] + ["u1,i1,never"] * 40
    (tmp_path / "log.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\n" + "\n".join(rows))
    result = CliRunner().invoke(cli, ["audit", "recommender", "--interactions", str(tmp_path / "log.csv")])
    assert (
        "Warning: 100 of 1,000 rows are lost (10.0 %): 60 without USER_ID (log.csv, data row 901); 40 whose TIMESTAMP "
        "is missing or not a time from 1970 to 2100 (log.csv, data row 961: 'never')."
    ) in result.output
