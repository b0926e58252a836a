"""Counts of the rows of an event log that are read, dropped and used, and what to say about them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Final

MUCH: Final = 0.05  # share of lost rows from which on a warning says why
_NOT_LOST: Final = frozenset({"rows", "used", "bot_users", "not_in_catalogue", "below_threshold"})
REASONS: Final[Mapping[str, str]] = {
    "malformed": "with too many or too few cells, or not readable",
    "without_user": "without USER_ID",
    "without_item": "without ITEM_ID",
    "ids_too_long": "with an id of more than 256 characters",
    "bad_timestamps": "whose TIMESTAMP is missing or not a time from 1970 to 2100",
    "bad_values": "whose EVENT_VALUE is not a number up to 10^12",
    "duplicates": "that repeat another row exactly",
    "stray_times": "with outlier timestamps",
    "bots": "of bots",
    "below_threshold": "below the threshold of their event type, or of weight 0",
}
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows that were read, dropped and used.

    Attributes:
        rows: Rows read.
        malformed: Dropped: too many or too few cells, a quote that nothing closes, or not JSON.
        without_user: Dropped: no USER_ID.
        without_item: Dropped: no ITEM_ID.
        ids_too_long: Dropped: an id of more than 256 characters.
        bad_timestamps: Dropped: no time between 1970 and 2100.
        bad_values: Dropped: EVENT_VALUE is not a number, infinite or beyond 10^12.
        duplicates: Dropped: exact repetition of another row.
        below_threshold: Dropped: EVENT_VALUE below the type's threshold, or weight 0.
        not_in_catalogue: Items without metadata; not dropped.
        stray_times: Dropped: far from the times of all other events.
        bots: Dropped: of bots.
        bot_users: Users who are bots.
        used: Rows used.
        examples: The first dropped row by reason, for messages.
        notices: What was found while reading, in sentences: names of columns, the form of times.
    """

    rows: int
    malformed: int
    without_user: int
    without_item: int
    ids_too_long: int
    bad_timestamps: int
    bad_values: int
    duplicates: int
    below_threshold: int = 0
    not_in_catalogue: int = 0
    stray_times: int = 0
    bots: int = 0
    bot_users: int = 0
    used: int = 0
    examples: Mapping[str, str] = field(default_factory=lambda: _NONE)
    notices: tuple[str, ...] = ()

    def document(self) -> dict[str, int]:
        """The counts as a JSON object."""
        return {name: count for name, count in asdict(self).items() if isinstance(count, int)}

    def dropped(self) -> str:
        """The counts above 0 as text."""
        counts = {name: count for name, count in self.document().items() if count and name not in ("rows", "used")}
        return ", ".join(f"{name} {count}" for name, count in counts.items()) or "every row was usable"

    def warnings(self) -> list[str]:
        """A sentence that says how many rows are lost and why, if they are more than one in twenty; else none."""
        lost = {name: count for name, count in self.document().items() if count and name not in _NOT_LOST}
        total = sum(lost.values())
        if total <= MUCH * self.rows:
            return []
        reasons = [
            f"{count:,} {REASONS[name]}" + (f" ({self.examples[name]})" if name in self.examples else "")
            for name, count in sorted(lost.items(), key=lambda pair: -pair[1])
        ]
        share = 100 * total / self.rows
        return [f"{total:,} of {self.rows:,} rows are lost ({share:.1f} %): {'; '.join(reasons)}."]
