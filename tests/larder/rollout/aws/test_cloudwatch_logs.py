"""The log of a function in CloudWatch Logs, by moto's server: which lines come, and each of them once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from tests.conftest import S3
from tests.larder.rollout.canary.lines import NEW, OLD, begun, line

from larder.errors import StoreError
from larder.rollout.aws.cloudwatch_logs import LATE, WINDOW, CloudWatchLogs

GROUP = "/larder/classify"


class Group:
    """A log group, and the client that writes to it."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("logs")
        self.client.create_log_group(logGroupName=GROUP)
        for stream in ("a", "b"):
            self.client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        self.now = datetime.now(UTC)

    def write(self, ago: timedelta, *lines: str, stream: str = "a") -> None:
        moment = int(1000 * (self.now - ago).timestamp())
        events = [{"timestamp": moment, "message": text} for text in lines]
        self.client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)

    def source(self) -> CloudWatchLogs:
        return CloudWatchLogs(self.client, GROUP, clock=lambda: self.now)


@pytest.fixture
def group(s3: S3) -> Iterator[Group]:
    del s3  # its environment leads boto3 to moto
    group = Group()
    yield group
    group.client.delete_log_group(logGroupName=GROUP)


def read(group: Group, read_until: str | None, since: timedelta) -> tuple[list[str], str | None]:
    """The lines of a canary: moto's server does not know patterns of JSON, and returns all lines."""
    found = []
    for page in group.source().pages(read_until, group.now - since):
        found += [text for text in page.lines if '"arm": "' in text]
        read_until = page.read_until
    return found, read_until


def test_each_line_of_a_canary_comes_once_from_its_start_to_two_minutes_ago(group: Group) -> None:
    minutes = [timedelta(minutes=number) for number in range(1, 31)]
    for ago in minutes:
        group.write(ago, line("canary", NEW, request=str(ago)), stream="ab"[ago.seconds // 60 % 2])
    group.write(timedelta(minutes=10), line(None, OLD), "START RequestId: 1", begun("stable", OLD, "b"))
    found, place = read(group, None, timedelta(minutes=20))
    assert len(found) == 18 + 1  # 20 to 3 minutes ago, and the line that began
    # WHEN nothing is new THEN nothing comes; a minute later, the next line does
    assert read(group, place, timedelta(minutes=20)) == ([], place)
    group.now += timedelta(minutes=1)
    later, _ = read(group, place, timedelta(minutes=20))
    assert later == [line("canary", NEW, request=str(timedelta(minutes=2)))]


def test_a_window_of_many_pages_is_read_to_its_end(group: Group) -> None:
    for _ in range(3):
        group.write(timedelta(minutes=4), *[line("stable", OLD)] * 5000)
    found, _ = read(group, None, timedelta(minutes=5))
    assert len(found) == 15_000


def test_a_look_may_end_after_any_window(group: Group) -> None:
    pages = list(group.source().pages(None, group.now - 2 * WINDOW - LATE))
    ends = [group.now - LATE - ago for ago in (WINDOW, timedelta())]
    assert len(pages) == len(ends)
    for page, expected in zip(pages, ends, strict=True):
        assert abs(page.until - expected) < timedelta(milliseconds=2)


def test_a_group_that_cannot_be_read_is_a_failure_of_the_store(group: Group) -> None:
    source = CloudWatchLogs(group.client, "/no/such", clock=lambda: group.now)
    with pytest.raises(StoreError, match=r"/no/such could not be read \(ResourceNotFoundException\)"):
        list(source.pages(None, group.now - WINDOW))
