"""Recommendations from precomputed tables: rows of the user, of the session's items and of the segment."""

from larder.recommender.adjustments import Boost, Page, Pin
from larder.recommender.live_events import Live, LiveEvent
from larder.recommender.model import Recommender
from larder.recommender.new_items.exploration import Exploration
from larder.recommender.new_items.live_catalogue import LiveCatalogue
from larder.recommender.paging import next_page
from larder.recommender.query import Promotion, Query, with_expressions
from larder.recommender.request_parsing import (
    RANK,
    RECOMMEND,
    SIMILAR,
    TRENDING,
    read_items,
    read_parameters,
    read_query,
)
from larder.recommender.response import ALL_USERS, Reason, Recommendation, Recommendations, Unknown
from larder.recommender.segments import EVERYONE, bin_text, segment_text
from larder.recommender.table_lookup import MAX_CLICKS

__all__ = [
    "ALL_USERS",
    "EVERYONE",
    "MAX_CLICKS",
    "RANK",
    "RECOMMEND",
    "SIMILAR",
    "TRENDING",
    "Boost",
    "Exploration",
    "Live",
    "LiveCatalogue",
    "LiveEvent",
    "Page",
    "Pin",
    "Promotion",
    "Query",
    "Reason",
    "Recommendation",
    "Recommendations",
    "Recommender",
    "Unknown",
    "bin_text",
    "next_page",
    "read_items",
    "read_parameters",
    "read_query",
    "segment_text",
    "with_expressions",
]
