"""What EventBridge says when an object arrives in the bucket."""

import re
from collections.abc import Mapping
from typing import Any, Final

from larder.errors import InvalidRequest
from larder.release.keys import MANIFEST, check_release, file_key

# Amazon S3 user guide, "EventBridge event message structure". Keys come as they are there, where S3's own notices
# encode them for URLs; the keys of releases hold nothing that would differ.
_KEY: Final = re.compile(r"models/([^/]+)/releases/([^/]+)/([^/]+)")


def parse_event(event: Mapping[str, Any]) -> tuple[str, str]:
    """The model and the release whose manifest has arrived.

    Raises InvalidRequest where the event tells of anything else, which no second try would change.
    """
    try:
        kind, key = event["detail-type"], event["detail"]["object"]["key"]
    except (KeyError, TypeError) as error:
        raise InvalidRequest('This is no event of S3: send EventBridge\'s "Object Created".') from error
    found = _KEY.fullmatch(key) if kind == "Object Created" and isinstance(key, str) else None
    if found is None or found[3] != MANIFEST or file_key(*found.groups()) != key:
        raise InvalidRequest(
            f"{str(key)[:80]!r} is no release's manifest that was created: upload one to "
            "models/<model>/releases/<release>/manifest.json."
        )
    return found[1], check_release(found[2])
