"""What makes a function safe to start from a snapshot (AWS Lambda's SnapStart).

Lambda loads the function once, when its version is published, and keeps its memory and disk. Every instance begins as
that copy, perhaps days later, so before its first request it renews what is stale by then, or the same in all copies:

* the store's client: its connections are dead and its credentials expired;
* the pointers: another release may be live, and the clock that tells how fresh they are stood still;
* Python's random numbers: all copies would draw the same ones. (``os.urandom`` is renewed by Lambda.)

Opened models stay: they are what the snapshot is for.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from larder.errors import LarderError

_log = logging.getLogger(__name__)


class Renewable(Protocol):
    """What is needed of a ``ModelHost``."""

    def renew(self) -> None:
        """Connects to the store anew, and looks at every pointer before it is used again."""


def renew_after_restore(environment: Mapping[str, str], host: Callable[[], Renewable]) -> None:
    """Has Lambda's runtime client renew ``host`` after each restore; does nothing in a function without SnapStart."""
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return
    # It comes with Lambda's runtime client.
    from snapshot_restore_py import register_after_restore  # type: ignore[import-untyped]  # ships no types

    register_after_restore(_renew, host)


def _renew(host: Callable[[], Renewable]) -> None:
    import random

    random.seed()
    try:
        host().renew()
    except LarderError as error:  # the first request meets it again, and tells it to whoever asked
        _log.warning("nothing is renewed: %s", error)
