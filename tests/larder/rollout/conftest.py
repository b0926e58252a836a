"""Toy releases of both kinds, and the functions that serve them."""

from tests.toys.rollout import (
    classifier,
    functions,
    golden_classifier,
    golden_recommender,
    recommender,
    store,
    toy_graph,
)

__all__ = ["classifier", "functions", "golden_classifier", "golden_recommender", "recommender", "store", "toy_graph"]
