"""What a log needs so that a model can be validated: different times, and users who come back."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.log_checks.id_matching import IdMatch
from larder_training.recommender.data.times import iso
from larder_training.reporting.counts import counted

ALLOW_SMALL: Final = "--allow-small (allow_small=True)"
ALLOW_UNMATCHED: Final = "--allow-unmatched-ids (allow_unmatched_ids=True)"
TIMES: Final = 3  # different times: one each for training, validation and test
RETURNING: Final = 25  # users to test on; with fewer, no usual difference between models can be seen
STEADY: Final = 100  # with fewer, the report warns of wide intervals
_LAST: Final = 0.9  # share of the events before the test
_DEVIATION: Final = 0.33  # of the difference in recall@20 to popularity by user, on the demo's shop (830 users)
_LARGE: Final = 100_000  # events of a log that is not small, however few users come back


def refusals(
    log: EventLog, matches: Iterable[IdMatch], *, timed: bool, allow_small: bool = False, allow_unmatched: bool = False
) -> list[str]:
    """Why a training refuses a log, in sentences with what to do; empty: it accepts it.

    Args:
        log: The events that are used; at least one.
        matches: How the ids of the log meet those of items and users.
        timed: Whether the events have times.
        allow_small: Whether a log may be too small to learn from.
        allow_unmatched: Whether the ids of the log may miss those of the metadata.
    """
    problems = [times_problem(log)] if timed else []
    if not allow_small:
        problems.append(size_problem(log))
    if not allow_unmatched:
        problems += [
            f"{match.sentence()} If they must differ, state {ALLOW_UNMATCHED}." for match in matches if match.few
        ]
    return [problem for problem in problems if problem is not None]


def warnings(log: EventLog, matches: Iterable[IdMatch], problems: Sequence[str]) -> list[str]:
    """What a training with this log says but accepts, in sentences; ``problems`` are what it refuses."""
    found = [size_warning(log), *(match.sentence() for match in matches)]
    refused = " ".join(problems)
    return [sentence for sentence in found if sentence is not None and sentence not in refused]


def times_problem(log: EventLog) -> str | None:
    """Why a log with times cannot be divided by time; None if it can."""
    moments = np.unique(log.time[:: max(len(log) // 1000, 1)])
    if len(moments) >= TIMES or len(moments := np.unique(log.time)) >= TIMES:
        return None
    when = " or ".join(iso(int(moment)) for moment in moments)
    events = f"All {len(log)} events happen" if len(log) > 1 else "The only event happens"
    return (
        f"{events} at {when}, so nothing can be tested by time. If the log has no times, train "
        "with --order random, or with --order file if each user's rows are in order, the oldest first. If it has, look "
        "at TIMESTAMP in the file: Excel rounds long numbers to 1.73569E+09, and exports by day lose the hour."
    )


def size_problem(log: EventLog) -> str | None:
    """Why a log is too small to learn from; None if it is not."""
    returning = returning_users(log)
    if len(log) >= _LARGE or returning >= RETURNING:
        return None
    users = f"{counted(returning, 'user')} of the last tenth of its {counted(len(log), 'event')}"
    return (
        f"The log is too small to learn from: {users} {'has' if returning == 1 else 'have'} "
        f"another event, and a test needs {RETURNING}. Collect more events, or state {ALLOW_SMALL}; the report's "
        "numbers are then chance."
    )


def size_warning(log: EventLog) -> str | None:
    """A sentence if the test has so few users that its intervals are wide; None if it has enough, or hardly any."""
    returning = returning_users(log)
    if not RETURNING <= returning < STEADY or len(log) >= _LARGE:
        return None
    return (
        f"Only about {returning} users can be tested on, so the report's intervals are wide: differences of less than "
        f"{_visible(returning):.2f} in recall cannot be seen."
    )


def returning_users(log: EventLog) -> int:
    """Users with an event in the last tenth of the log and one before it, or several in the last tenth."""
    cut = int(np.searchsorted(log.time, log.time[int(len(log) * _LAST)]))
    before, after = (np.bincount(user, minlength=len(log.users)) for user in (log.user[:cut], log.user[cut:]))
    return int(((after > 0) & (before + after > 1)).sum())


def _visible(users: int) -> float:
    """Half the width of the 95 % interval of a difference in recall@20, whose deviation by user is about 0.33."""
    return float(1.96 * _DEVIATION / np.sqrt(max(users, 1)))
