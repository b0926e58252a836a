"""What the filters of one request may ask: its user, what they did, and its item."""

from functools import cache
from typing import TYPE_CHECKING

from larder.recommender.new_items.live_catalogue import NumberedItems
from larder.recommender.query import Query
from larder.recommender.rules.user_data import UserData
from larder.recommender.segments import Profile
from larder.release.serving import RecommenderServing

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Context


def request_context(
    serving: RecommenderServing, items: NumberedItems, users: UserData, query: Query, profile: Profile
) -> "Context":
    """The context of a request; ``profile`` is its typed profile. A stored value counts if the request sends none."""
    from larder.filters import Context

    user = query.user

    @cache
    def stored() -> Profile:
        return {} if user is None else users.profile(user)

    def value(column: str) -> str | float | None:
        return profile[column] if column in profile else stored().get(column)

    live = query.live
    recent = {} if live is None else live.items_by_type(items.number)

    @cache
    def history() -> dict[str, set[int]]:
        merged = {} if user is None else {name: set(done) for name, done in users.history(user).items()}
        for name, done in recent.items():
            merged.setdefault(name, set()).update(done)
        return merged

    return Context(
        event_types=serving.interactions.events if serving.interactions else None,
        live_types=None if live is None else tuple(recent),
        history=None if user is None and query.session_id is None else history,
        user_columns=serving.user_columns,
        user_value=value,
        stores_profiles=serving.profiles is not None,
        has_item=query.item is not None,
        item=None if query.item is None else items.number(query.item),
    )
