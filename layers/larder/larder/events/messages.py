"""The messages of the queue: rows of the log, as many as fit into one of SQS.

The body is JSON, ``{"rows": [[model, kind, {column: value}], ...]}``, in the characters that SQS accepts;
``larder.events.log.rows.parse_message`` reads it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Final

from larder.errors import InvalidRequest
from larder.events.base import LogRow

MAX_BYTES: Final = 256 * 1024
"""The longest body that SQS takes."""
_HEAD: Final = '{"rows":['
_TAIL: Final = "]}"
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
# XML 1.0 has every character of a JSON text but these two, and SQS refuses what XML does not have.
_NOT_XML: Final = str.maketrans({"\ufffe": "\\ufffe", "\uffff": "\\uffff"})


def encode_rows(rows: Iterable[LogRow], limit: int = MAX_BYTES) -> list[str]:
    """The bodies of as few messages as hold the rows in their order, each of at most ``limit`` bytes in UTF-8.

    Raises InvalidRequest for a row that no message can hold.
    """
    bodies: list[str] = []
    texts: list[str] = []
    room = left = limit - len(_HEAD) - len(_TAIL)
    for row in rows:
        text = _encode([row.model, row.kind, dict(row.row)]).translate(_NOT_XML)
        size = len(text.encode()) + 1
        if size > room:
            raise InvalidRequest(f"A row of {row.kind} has {size} bytes: send at most {room}.")
        if size > left:
            bodies.append(_body(texts))
            texts, left = [], room
        texts.append(text)
        left -= size
    return [*bodies, _body(texts)] if texts else bodies


def _body(texts: Sequence[str]) -> str:
    return f"{_HEAD}{','.join(texts)}{_TAIL}"
