"""Recommendations from precomputed tables: a user's row, the neighbour rows of what he just clicked, and what is
popular among people like him.
"""

from larder.recommender.answer import ALL_USERS, Answer, Because, Recommendation
from larder.recommender.model import Recommender
from larder.recommender.query import Promotion, Query
from larder.recommender.reading import MAX_CLICKS
from larder.recommender.request import RANK, RECOMMEND, SIMILAR, read_items, read_parameters, read_query
from larder.recommender.segments import EVERYONE, bin_text, segment_text

__all__ = [
    "ALL_USERS",
    "EVERYONE",
    "MAX_CLICKS",
    "RANK",
    "RECOMMEND",
    "SIMILAR",
    "Answer",
    "Because",
    "Promotion",
    "Query",
    "Recommendation",
    "Recommender",
    "bin_text",
    "read_items",
    "read_parameters",
    "read_query",
    "segment_text",
]
