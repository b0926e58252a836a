"""Event logs as programs, people and broken copies leave them: read right or refused, never cut in silence."""

import csv
import gzip
import random
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest

from larder.errors import InvalidRequest
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.log_checks.row_counts import MUCH, RowCounts

ROWS = 150
SEEDS = range(120)
QUOTING: tuple[Literal[0, 1, 2], ...] = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252")
HEADERS = (
    ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE"),
    ("userId", "movieId", "timestamp", "event", "rating"),
    (" User ID", "product_id ", "event_time", "event_type", "Event Value"),
)
TIMES: tuple[Callable[[int], str], ...] = (
    str,
    lambda time: str(time * 1000),
    lambda time: f"{time}.0",
    lambda time: f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}",
    lambda time: f"{datetime.fromtimestamp(time, UTC):%d.%m.%Y %H:%M:%S}",
    lambda time: f"{datetime.fromtimestamp(time, UTC):%m/%d/%Y %I:%M:%S %p}",
)
Line = list[str]
Event = tuple[str, str, int]


def log_of(draw: random.Random) -> list[Event]:
    """Events with names that need quotes, or letters outside of ASCII."""
    users = [f"{draw.choice(['jürgen', 'zoë', 'ann', 'o, neil'])} {number}" for number in range(30)]
    items = [f"{draw.choice(['Käse', 'tea', 'café', '00'])}{number}" for number in range(40)]
    return [(draw.choice(users), draw.choice(items), 1_700_000_000 + number * 4001) for number in range(ROWS)]


def damage(draw: random.Random, text: str, separator: str) -> str:
    """The text with one fault, or several of one kind."""
    lines = text.split("\n")
    kind = draw.choice(["none", "none", "cell", "more", "quote", "blank", "odd", "nothing", "cut", "twice"])
    for number in draw.sample(range(1, len(lines) - 1), draw.choice([1, 3, 20])):
        cells = lines[number].split(separator)
        match kind:
            case "cell":
                lines[number] = separator.join(cells[1:])
            case "more":
                lines[number] += f"{separator}x"
            case "quote":
                lines[number] = lines[number].replace(separator, f'{separator}"', 1)
            case "blank":
                lines[number] += "\n" * draw.choice([1, 2])
            case "odd":
                lines[number] = lines[number].rsplit(separator, 3)[0] + f"{separator}soon{separator}view{separator}1"
            case "nothing":
                lines[number] = separator * 4
            case "twice":
                lines[number] += "\n" + lines[0]
    text = "\n".join(lines)
    return text[: draw.randrange(len(text) // 2, len(text))] if kind == "cut" else text


def outcome(path: Path) -> tuple[EventLog, RowCounts] | str:
    """The log, or the message of its refusal."""
    try:
        return read_interactions(path)
    except InvalidRequest as error:
        return str(error)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_log_is_read_right_or_refused(tmp_path: Path, seed: int) -> None:
    # GIVEN
    draw = random.Random(seed)
    events, separator, form = log_of(draw), draw.choice(",;\t|"), draw.choice(TIMES)
    written = StringIO()
    quoting = draw.choice(QUOTING)
    writer = csv.writer(written, delimiter=separator, quoting=quoting, lineterminator="\n")
    writer.writerow(draw.choice(HEADERS))
    writer.writerows((user, item, form(time), "view", "1") for user, item, time in events)
    text = damage(draw, written.getvalue(), separator)
    ends = draw.choice(["\n", "\r\n"])
    text, whole = text.replace("\n", ends), written.getvalue().replace("\n", ends)
    encoding = draw.choice(ENCODINGS)
    content = text.encode(encoding)
    if draw.random() < 0.1:
        content = content[: draw.randrange(1, len(content))]
    content_text = content.decode(encoding, "ignore")
    suffix = draw.choice([".csv", ".csv", ".csv.gz"])
    content = gzip.compress(content) if suffix == ".csv.gz" else content
    (tmp_path / f"log{suffix}").write_bytes(content)
    # WHEN
    result = outcome(tmp_path / f"log{suffix}")
    # THEN it is refused in one line
    if isinstance(result, str):
        assert "log.csv" in result
        assert "\n" not in result
        assert content_text.removeprefix("\ufeff") != whole
        return
    # or every event is one of the log's, but for one that the end of the file cut
    log, counts = result
    read = {
        (log.users[user], log.items[item], int(time))
        for user, item, time in zip(log.user, log.item, log.time, strict=True)
    }
    assert len(read - set(events)) <= 1
    lines = sum(any(letter.isalnum() for letter in line) for line in content_text.split("\n")) - 1
    if len(log) < min(lines, ROWS) * (1 - MUCH):
        assert counts.warnings()
