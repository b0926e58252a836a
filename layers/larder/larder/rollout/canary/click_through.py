"""How often what a canary and the live release recommended was clicked on, where the attribution has counted it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from larder.errors import MissingObject
from larder.release.keys import attribution_key
from larder.release.pointer import Arm
from larder.rollout.canary.sequential_test import Aggregate
from larder.store import Store

_CLICK = "click"


def click_through(
    store: Store, model: str, releases: Mapping[Arm, str], since: datetime, until: datetime
) -> dict[Arm, Aggregate]:
    """The impressions of each release from the day of ``since`` to that of ``until``, and those that were clicked on.

    A day is counted by the compaction of the log after it has ended, so a canary of one day is decided without. The
    documents are made again when their day's log changes, so all are read each time: the sums are not added up.
    Impressions of callers without a key count too: they get the live release.
    """
    found = dict.fromkeys(releases, Aggregate())
    arms = {release: arm for arm, release in releases.items()}
    day = since.date()
    while day <= until.date():
        for release, impressions, clicked in _counts(store, attribution_key(model, day.isoformat())):
            if release in arms:
                found[arms[release]] += Aggregate(impressions, clicked, clicked)
        day += timedelta(days=1)
    return found


def _counts(store: Store, key: str) -> list[tuple[str, int, int]]:
    """Release, impressions and clicked impressions of each place; none for a day that is not counted, or not legible.

    ``larder.events.attribution.document`` has the format; the rollout must not import it.
    """
    try:
        document: Any = json.loads(store.get(key).data)
        return [
            (str(release), int(impressions), int(events[_CLICK][0]) if _CLICK in events else 0)
            for release, _, _, _, impressions, events in document["places"]
        ]
    except MissingObject:
        return []
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # it is made again with the next events
        return []
