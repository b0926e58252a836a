"""What a training has measured, by Personalize's names."""

import numpy as np
import pytest

from larder.compat.personalize.control.models import metrics
from larder_training.recommender.metrics.ranking import bootstrap, by_user


def test_the_worked_example_of_personalize_by_its_names() -> None:
    hit = np.zeros((1, 25), bool)
    hit[0, [1, 4]] = True  # ranks 2 and 5
    measured = bootstrap({"larder": by_user(hit, np.array([2]))}, seed=0)["larder"]
    result = metrics({"metrics": measured, "coverage": {"larder": 0.5, "popularity": 0.1}})
    assert result["mean_reciprocal_rank_at_25"] == pytest.approx(0.5)
    assert result["normalized_discounted_cumulative_gain_at_5"] == pytest.approx(0.6241, abs=5e-5)
    assert result["precision_at_5"] == pytest.approx(0.4)
    assert result["coverage"] == 0.5
    assert len(result) == 8


@pytest.mark.parametrize(
    "evaluation", [{}, {"metrics": {}}, {"metrics": {"ndcg@5": {}}, "coverage": {}}, {"metrics": 1}]
)
def test_what_was_not_measured_is_left_out(evaluation: dict[str, object]) -> None:
    assert metrics(evaluation) == {}
