"""The event of EventBridge for a new object in the bucket."""

import re
from collections.abc import Mapping
from typing import Any, Final

from larder.errors import InvalidRequest
from larder.release.keys import MANIFEST, check_release, file_key

# Amazon S3 user guide, "EventBridge event message structure". EventBridge has plain keys, S3's own notifications encode
# them for URLs; for keys of releases both are the same.
_KEY: Final = re.compile(r"models/([^/]+)/releases/([^/]+)/([^/]+)")


def parse_event(event: Mapping[str, Any]) -> tuple[str, str]:
    """The model and the release whose manifest was created.

    Raises InvalidRequest for any other event, which a retry would not change.
    """
    try:
        kind, key = event["detail-type"], event["detail"]["object"]["key"]
    except (KeyError, TypeError) as error:
        raise InvalidRequest('This is not an event of S3: send EventBridge\'s "Object Created".') from error
    match = _KEY.fullmatch(key) if kind == "Object Created" and isinstance(key, str) else None
    if match is None or match[3] != MANIFEST or file_key(*match.groups()) != key:
        raise InvalidRequest(
            f"{str(key)[:80]!r} is not a new manifest of a release: upload one to "
            "models/<model>/releases/<release>/manifest.json."
        )
    return match[1], check_release(match[2])
