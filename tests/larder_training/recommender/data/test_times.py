"""Times in every form that logs have give the same moments, and what can be read in two ways is refused."""

from pathlib import Path

import numpy as np
import pytest
from tests.larder_training.recommender.data.test_interactions import write

from larder.errors import InvalidRequest
from larder_training.recommender.config.log_format import LogFormat
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.log_checks.row_counts import RowCounts

DAY = 1_706_659_200  # 2024-01-31T00:00:00Z
NOON = DAY + 12 * 3600


def read(path: Path, *cells: str, stated: str | None = None) -> tuple[EventLog, RowCounts]:
    rows = "".join(f'u{number},i,"{cell}"\n' for number, cell in enumerate(cells))
    text = f"USER_ID,ITEM_ID,TIMESTAMP\n{rows}"
    return read_interactions(write(path / "log.csv", text), log_format=LogFormat(time_format=stated))


@pytest.mark.parametrize(
    ("cell", "moment", "form"),
    [
        ("1706702400", NOON, "epoch seconds"),
        ("1706702400.0", NOON, "epoch seconds"),
        ("1706702400999", NOON, "epoch milliseconds"),
        ("1706702400999999", NOON, "epoch microseconds"),
        ("1706702400500000000", NOON, "epoch nanoseconds"),
        ("2024-01-31", DAY, "ISO 8601"),
        ("2024-01-31T12:00:00Z", NOON, "ISO 8601"),
        ("2024-01-31 12:00", NOON, "ISO 8601"),
        ("2024-01-31 12:00:00.123456", NOON, "ISO 8601"),
        ("2024-01-31T14:00:00+02:00", NOON, "ISO 8601"),
        ("2024-01-31T06:30:00-0530", NOON, "ISO 8601"),
        ("2024-01-31 12:00:00 UTC", NOON, "ISO 8601"),
        ("2024/1/31 12:00", NOON, "ISO 8601"),
        ("20240131", DAY, "dates like 20240131"),
        ("20240131120000", NOON, "dates like 20240131"),
        ("31.01.2024", DAY, "dates like 31.01.2024"),
        ("31.1.24 12:00", NOON, "dates like 31.01.2024"),
        ("31/01/2024 12:00:00", NOON, "dates like 31/01/2024, the day first"),
        ("01/31/2024", DAY, "dates like 01/31/2024, the month first"),
        ("1/31/24 12:00 PM", NOON, "dates like 01/31/2024, the month first"),
        ("1/31/2024 12:00 AM", DAY, "dates like 01/31/2024, the month first"),
    ],
)
def test_each_form_is_recognized_and_said(tmp_path: Path, cell: str, moment: int, form: str) -> None:
    log, counts = read(tmp_path, cell)
    assert log.time.tolist() == [moment]
    assert counts.notices[0].startswith(f"TIMESTAMP is read as {form}, from 2024-01-31T")


def test_units_may_mix_and_this_is_said(tmp_path: Path) -> None:
    log, counts = read(tmp_path, "1706702400", "1706702401000", "1706702402", "2024-01-31T12:00:03Z")
    assert (log.time - NOON).tolist() == [0, 1, 2, 3]
    assert "2 rows are read as epoch seconds, 1 as epoch milliseconds, 1 as ISO 8601" in counts.notices[1]


def test_a_late_date_in_a_column_of_numbers_is_read(tmp_path: Path) -> None:
    """GIVEN more numbers than the sample has."""
    rows = "".join(f"u{number % 7},i{number % 11},{NOON + number}\n" for number in range(12_000))
    text = f"USER_ID,ITEM_ID,TIMESTAMP\n{rows}u,i,2024-01-31\n"
    log, _ = read_interactions(write(tmp_path / "log.csv", text))
    assert log.time[0] == DAY


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("03/04/2024", "05/06/2024"), r"'03/04/2024' has the day first \(3 April\) or the month \(4 March\)"),
        (("03-04-2024 10:00",), "no row shows which"),
        (("13/04/2024", "04/13/2024"), "'13/04/2024' has the day first, and '04/13/2024' the month"),
        (("soon", "2024-02-30", "1706702400"), r"2 of 3 rows have no time .*data row 1: 'soon'"),
    ],
)
def test_what_has_two_readings_or_none_is_refused(tmp_path: Path, cells: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(tmp_path, *cells)


def test_a_stated_format_decides(tmp_path: Path) -> None:
    log, _ = read(tmp_path, "03/04/2024 10:00", "05/06/2024 11:00", stated="%d/%m/%Y %H:%M")
    assert np.diff(log.time).tolist() == [63 * 86_400 + 3600]
    assert read(tmp_path, "31 Jan 2024", stated="%d %b %Y")[0].time.tolist() == [DAY]


def test_times_that_excel_has_rounded_are_noticed(tmp_path: Path) -> None:
    _, counts = read(tmp_path, "1706700000", "1706710000", "1706720000")
    assert any("Excel has rounded them" in notice for notice in counts.notices)
    _, counts = read(tmp_path, "2024-01-30", "2024-01-31")
    assert not any("Excel" in notice for notice in counts.notices)


@pytest.mark.parametrize("cells", [("1,70E+09", "1,71E+09", "2024-01-31"), ("1.70670E+09",), ("1.70671E+12", "2E9")])
def test_scientific_notation_is_refused_with_its_likely_cause(tmp_path: Path, cells: tuple[str, ...]) -> None:
    message = (
        rf"log.csv, column TIMESTAMP: scientific notation, like {cells[0][:4]}.* rows?: Excel .*export it again\.$"
    )
    with pytest.raises(InvalidRequest, match=message):
        read(tmp_path, *cells)


def test_scientific_notation_with_every_second_is_read(tmp_path: Path) -> None:
    log, _ = read(tmp_path, "1.706702400e+09", "1.706702401e+09")
    assert (log.time - NOON).tolist() == [0, 1]


def test_numbers_that_are_no_epoch_seconds_are_noticed(tmp_path: Path) -> None:
    _, counts = read(tmp_path, "45292", "45293.5")
    assert any("All times are before 1980" in notice for notice in counts.notices)
