"""What a filter asks about one request: its user, what they did, and its item."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from larder.release.serving import ColumnType

History = Mapping[str, Collection[int]]
"""By event type, in the case of the log, the numbers of the items that a user had such an event with."""

_NO_COLUMNS: Final[Mapping[str, ColumnType]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Context:
    """One request. The functions are called only by a filter that asks for what they know.

    Attributes:
        event_types: The event types of the release; None if the release does not state what its users did.
        live_types: The event types of what the user did since; None if that is not known. Any type may come.
        history: What the user did; None if the request has neither a user nor a session.
        user_columns: The columns of users, and their types.
        user_value: The user's value in a column, or None if it is missing.
        stores_profiles: Whether the release stores users' values; without, those that a filter needs must be sent.
        has_item: Whether the request has an item in view.
        item: The number of that item; None if it is unknown.
    """

    event_types: Sequence[str] | None = None
    live_types: Sequence[str] | None = None
    history: Callable[[], History] | None = None
    user_columns: Mapping[str, ColumnType] = field(default_factory=lambda: _NO_COLUMNS)
    user_value: Callable[[str], str | float | None] = lambda _: None
    stores_profiles: bool = False
    has_item: bool = False
    item: int | None = None


NO_CONTEXT: Final = Context()
