"""The fixtures of the code behind the handler serve its handler too."""

from tests.larder.rollout.conftest import (
    classifier,
    functions,
    golden_classifier,
    golden_recommender,
    recommender,
    store,
    toy_graph,
)

__all__ = ["classifier", "functions", "golden_classifier", "golden_recommender", "recommender", "store", "toy_graph"]
