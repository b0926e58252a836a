"""Renewal of a process that is restored from a snapshot (AWS Lambda's SnapStart).

Lambda loads the function once, when its version is published, and snapshots its memory and disk. Every instance starts
from that snapshot, maybe days later. Before its first request it renews what is stale, or identical in all instances:

* the store's client: its connections are closed and its credentials expired;
* the pointers: another release may be live, and the clock of their freshness did not run;
* Python's random numbers: all instances would draw the same. (Lambda renews ``os.urandom``.)

Loaded models stay, since they are the purpose of the snapshot.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from larder.errors import LarderError

_log = logging.getLogger(__name__)


class Renewable(Protocol):
    """The part of ``ModelHost`` that is needed here."""

    def renew(self) -> None:
        """Reconnect to the store, and read every pointer again before its next use."""


def renew_after_restore(environment: Mapping[str, str], host: Callable[[], Renewable]) -> None:
    """Let Lambda's runtime client renew ``host`` after each restore; does nothing without SnapStart."""
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return
    # part of Lambda's runtime client
    from snapshot_restore_py import register_after_restore  # type: ignore[import-untyped]  # ships no types

    register_after_restore(_renew, host)


def _renew(host: Callable[[], Renewable]) -> None:
    import random

    random.seed()
    try:
        host().renew()
    except LarderError as error:  # the first request fails in the same way and reports it
        _log.warning("the host is not renewed: %s", error)
