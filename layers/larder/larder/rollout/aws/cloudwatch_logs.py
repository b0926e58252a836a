"""The log of a deployed function in CloudWatch Logs."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from larder.errors import StoreError
from larder.rollout.canary.log_source import LogPage

PATTERN: Final = '{ $.arm = "canary" || $.arm = "stable" }'
LATE: Final = timedelta(minutes=2)
"""A line is read this time after it was written: CloudWatch takes in lines late, and not in order. One that comes later
still is not counted."""
WINDOW: Final = timedelta(minutes=5)  # read as a whole, so that a look may end after any of them
# FilterLogEvents allows 5 to 10 calls a second, by region.
_CLIENT: Final = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 8, "mode": "standard"})


class Logs(Protocol):
    """The part of boto3's client that is used."""

    def filter_log_events(self, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401  # boto3's, which has no types
        """The events of a log group that match a pattern, a page of them."""


class CloudWatchLogs:
    """A LogSource of one function's log group. The place in the log is a time in milliseconds since 1970."""

    def __init__(
        self,
        client: Logs,
        group: str,
        *,
        late: timedelta = LATE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read the log group ``group`` by ``client``, ``late`` after each line; ``clock`` gives the time in UTC."""
        self._client = client
        self._late = late
        self._group = group
        self._clock = clock

    @classmethod
    def connect(cls, group: str) -> "CloudWatchLogs":
        """Read a log group of this region, with the role of this function."""
        return cls(boto3.client("logs", config=_CLIENT), group)

    def pages(self, read_until: str | None, since: datetime) -> Iterator[LogPage]:
        """A page for each window of five minutes, up to two minutes ago by default.

        Raises StoreError if CloudWatch does not respond, or does not let this role read.
        """
        begin = int(read_until) if read_until else _milliseconds(since)
        last = _milliseconds(self._clock() - self._late)
        while begin < last:
            end = min(begin + int(WINDOW.total_seconds() * 1000), last)
            until = datetime.fromtimestamp(end / 1000, UTC)
            yield LogPage(list(self._lines(begin, end)), str(end), until)
            begin = end

    def _lines(self, begin: int, end: int) -> Iterator[str]:
        """The lines of a window, without those of its end."""
        parameters: dict[str, Any] = {
            "logGroupName": self._group,
            "filterPattern": PATTERN,
            "startTime": begin,
            "endTime": end,
        }
        while True:
            try:
                page = self._client.filter_log_events(**parameters)
            except (BotoCoreError, ClientError) as error:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
                raise StoreError(
                    f"The log group {self._group} could not be read ({code}): check the rollout's role, then try again."
                ) from error
            # The service includes the end, which belongs to the next window.
            yield from (event["message"] for event in page["events"] if begin <= event["timestamp"] < end)
            if "nextToken" not in page:  # a page may be empty and not the last one
                return
            parameters["nextToken"] = page["nextToken"]


def _milliseconds(moment: datetime) -> int:
    return int(1000 * moment.timestamp())
