"""What the filters of one request may ask: its user's profile and its item."""

from typing import TYPE_CHECKING

from larder.recommender.query import Query
from larder.recommender.segments import Profile
from larder.release.serving import RecommenderServing
from larder.tables.vocabulary import Vocabulary

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Context


def request_context(serving: RecommenderServing, items: Vocabulary, query: Query, profile: Profile) -> "Context":
    """The context of a request; ``profile`` is its typed profile."""
    from larder.filters import Context

    return Context(
        user_columns={name: column.type for name, column in serving.profile.items()},
        user_value=profile.get,
        has_item=query.item is not None,
        item=None if query.item is None else items.number(query.item),
    )
