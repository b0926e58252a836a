"""The head against scikit-learn: one-vs-rest logistic regression and Platt scaling."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from larder_training.classifier.multilabel.calibration import fit_platt_scaling, fit_thresholds
from larder_training.classifier.multilabel.logistic_regression import fit_logistic_regressions

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(200, 6)).astype(np.float32)
TRUTH = FEATURES @ RANDOM.normal(size=(6, 3)) + RANDOM.normal(size=(200, 3)) > np.array([0, 1, 3])


@pytest.mark.parametrize("l2", [0.1, 0.001])
def test_each_label_is_the_logistic_regression_of_scikit_learn(l2: float) -> None:
    head = fit_logistic_regressions(FEATURES, TRUTH, l2=l2)
    for label in range(3):
        oracle = LogisticRegression(C=1 / (l2 * 200), tol=1e-8, max_iter=1000).fit(FEATURES, TRUTH[:, label])
        assert head.weights[:, label] == pytest.approx(oracle.coef_[0], abs=0.02)
        assert head.bias[label] == pytest.approx(oracle.intercept_[0], abs=0.02)


def test_platt_scaling_restores_slope_and_frequency_of_each_label() -> None:
    random = np.random.default_rng(3)
    logits = random.normal(size=(20_000, 2)) * 2 - np.array([0, 4])
    truth = random.random((20_000, 2)) < expit(logits)
    wrong = logits * np.array([3, 0.5]) + np.array([1, 0.5])
    scaling = fit_platt_scaling(wrong.astype(np.float32), truth)
    assert scaling.logits(wrong) == pytest.approx(logits, abs=0.5)
    assert expit(scaling.logits(wrong)).mean(axis=0) == pytest.approx(truth.mean(axis=0), abs=0.002)
    weights, bias = scaling.fold_in(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    assert wrong @ weights + bias == pytest.approx(scaling.logits(wrong), abs=1e-4)


def test_labels_that_are_always_right_keep_finite_probabilities() -> None:
    logits = np.array([[-50.0], [-40], [40], [50]], np.float32)
    truth = np.array([[False], [False], [True], [True]])
    probabilities = expit(fit_platt_scaling(logits, truth).logits(logits))
    assert np.all((probabilities > 0.001) & (probabilities < 0.999))
    assert fit_thresholds(probabilities, truth, None) == (0.5,)
    assert fit_thresholds(probabilities, truth, 0.9)[0] <= 0.5
