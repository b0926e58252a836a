"""Rows of the log: what each kind must have, their day, and their bytes."""

import gzip
import io
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from larder.errors import InvalidRequest, StoreError
from larder.events.base import ROW_KINDS, LogRow, RowKind
from larder.release.keys import check_model

ID_COLUMNS: Final[Mapping[RowKind, str]] = {
    "events": "EVENT_ID",
    "items": "ITEM_ID",
    "users": "USER_ID",
    "recommendations": "RECOMMENDATION_ID",
}
"""The column that identifies a row of each kind."""
KEEPS_LATEST: Final[frozenset[RowKind]] = frozenset({"items", "users"})
"""Kinds of which the latest row of an id counts; of the others, the earliest does."""
TIMESTAMP: Final = "TIMESTAMP"
_MAX_TIME: Final = 253402300800  # the year 10000
_LEVEL: Final = 6


def parse_message(body: str) -> list[LogRow]:
    """The rows of a message of the queue, ``{"rows": [[model, kind, {row}], ...]}``; raises InvalidRequest."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The message is not JSON ({error}): only `LogQueue.send` writes this queue.") from error
    entries = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise InvalidRequest('The message has no list "rows": only `LogQueue.send` writes this queue.')
    return [_row(number, entry) for number, entry in enumerate(entries)]


def _row(number: int, entry: object) -> LogRow:
    match entry:
        case [str(model), str(kind), dict(row)] if kind in ROW_KINDS:
            check_row(kind, row, f"rows[{number}]")
            return LogRow(check_model(model), kind, row)
    raise InvalidRequest(f"rows[{number}] is not [model, kind, row] with a kind of {', '.join(ROW_KINDS)}.")


def check_row(kind: RowKind, row: Mapping[str, object], where: str) -> None:
    """Raises InvalidRequest unless ``row`` has its id, and a TIMESTAMP in epoch seconds before the year 10000."""
    if not isinstance(row.get(ID_COLUMNS[kind]), str) or not row[ID_COLUMNS[kind]]:
        raise InvalidRequest(f"{where} has no {ID_COLUMNS[kind]}: a row of {kind} needs one, as a string.")
    time = row.get(TIMESTAMP)
    if isinstance(time, bool) or not isinstance(time, int | float) or not _is_time(time):
        raise InvalidRequest(f"{where} has no TIMESTAMP in epoch seconds: add it.")


def time_of(row: Mapping[str, object]) -> float:
    """The TIMESTAMP of a row, in epoch seconds."""
    return float(str(row[TIMESTAMP]))


def _is_time(time: float) -> bool:
    return math.isfinite(time) and 0 <= time < _MAX_TIME


def day_of(time: float) -> str:
    """The UTC day of epoch seconds, such as ``2026-11-29``."""
    return datetime.fromtimestamp(time, UTC).date().isoformat()


def line_of(row: Mapping[str, object]) -> bytes:
    """The row as one line of JSON in UTF-8, without the line's end."""
    # A lone surrogate, which JSON can escape, has no UTF-8.
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def compress(lines: Iterable[bytes]) -> bytes:
    """The lines as gzip: the same bytes for the same lines. Only the compressed bytes are in memory."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=buffer, mtime=0) as file:
        for line in lines:
            file.write(line)
            file.write(b"\n")
    return buffer.getvalue()


def read_lines(data: bytes, key: str) -> Iterator[bytes]:
    """The lines of the compressed object ``key``, one after the other; raises StoreError if it is damaged."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            for line in file:
                if text := line.rstrip(b"\n"):
                    yield text
    except (OSError, EOFError, zlib.error) as error:
        raise StoreError(f"{key} is not intact gzip ({error}): restore an earlier version of the object.") from error


def read_row(line: bytes, kind: RowKind, key: str) -> dict[str, object]:
    """The row of a line; raises StoreError, which names ``key``, if it is not a row of ``kind``."""
    try:
        row: dict[str, object] = json.loads(line)
        check_row(kind, row, "a line")
    except (ValueError, RecursionError, AttributeError, InvalidRequest) as error:
        remedy = "restore an earlier version of the object, or remove the line"
        raise StoreError(f"{key} has a line that is not a row of {kind} ({error}): {remedy}.") from error
    return row
