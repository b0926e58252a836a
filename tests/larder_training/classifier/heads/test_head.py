import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
from larder_training.classifier.heads import scaler, search
from larder_training.classifier.heads.head import Head, fit_head
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.metrics import calibration
from larder_training.numerics.arrays import Floats

Labels = NDArray[np.int64]


def clouds(rows: int, classes: int, dimensions: int, spread: float = 1.0) -> tuple[Floats, Labels]:
    random = np.random.default_rng(0)
    labels = np.arange(rows) % classes
    centres = random.normal(0, 1, (classes, dimensions))
    features = centres[labels] + random.normal(0, spread, (rows, dimensions))
    # Features of very different scale and offset, one of them constant.
    features = features * np.geomspace(0.1, 10, dimensions) + 3
    features[:, 0] = 2
    return features.astype(np.float32), labels.astype(np.int64)


def fit(
    features: Floats,
    labels: Labels,
    groups: Labels | None = None,
    augmented: NDArray[np.bool_] | None = None,
    *,
    folds: int = 4,
    trials: int = len(search.STRENGTHS),
    hidden: bool = False,
) -> Head:
    groups = np.arange(len(labels)) if groups is None else groups
    augmented = np.zeros(len(labels), np.bool_) if augmented is None else augmented
    options = ClassifierOptions("images", "test", folds=folds, search=SearchLimits(trials, hidden=hidden))
    return fit_head(TrainingRows(features, labels, groups, augmented), ClassifierContext(options))


def strength(head: Head) -> float:
    assert head.search.chosen.config.family == "l2"
    return head.search.chosen.config.l2


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_minimises_the_regularised_loss(classes: int) -> None:
    """Compared with a plain optimiser on the formula: mean cross-entropy + strength / 2 * ||W||^2."""
    features, labels = clouds(90, classes, 6)
    head = fit(features, labels)
    scale = np.maximum(features.std(0), np.median(features.std(0)) * scaler.LEAST_DEVIATION)
    rows = (features - features.mean(0)) / scale

    def logits(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(rows @ flat[classes:].reshape(6, classes) + flat[:classes])

    def loss(flat: NDArray[np.float64]) -> float:
        data = -log_softmax(logits(flat), axis=1)[np.arange(90), labels].mean()
        return float(data + strength(head) / 2 * (flat[classes:] ** 2).sum())

    start = np.zeros(7 * classes)
    best = minimize(loss, start, method="L-BFGS-B", options={"maxiter": 2000, "ftol": 1e-12, "gtol": 1e-8}).x
    np.testing.assert_allclose(softmax(head.logits(features), axis=1), softmax(logits(best), axis=1), atol=5e-3)


def test_noise_gets_stronger_regularisation_than_signal() -> None:
    clear, labels = clouds(120, 3, 20, spread=0.3)
    random = np.random.default_rng(3)
    noise = random.normal(size=clear.shape).astype(np.float32)
    assert strength(fit(noise, labels)) > strength(fit(clear, labels))
    assert strength(fit(noise, labels)) in search.STRENGTHS[:2]  # the temperature corrects the rest


def test_a_group_stays_in_one_fold() -> None:
    """Ten copies of noise look learnable if one copy is in the training folds and another is held out."""
    random = np.random.default_rng(0)
    noise, labels = random.normal(size=(24, 12)), np.arange(24) % 2
    copies = np.repeat(noise, 10, axis=0).astype(np.float32)
    honest = fit(copies, np.repeat(labels, 10), np.repeat(np.arange(24), 10))
    leaky = fit(copies, np.repeat(labels, 10))
    assert leaky.search.best.loss < 0.2
    assert honest.search.best.loss > 0.6


def test_augmented_rows_are_fitted_and_not_evaluated() -> None:
    features, labels = clouds(60, 3, 8, spread=0.3)
    wrong = np.repeat(features, 2, axis=0)
    augmented = np.tile([False, True], 60)
    random = np.random.default_rng(0)
    wrong[augmented] = random.permutation(wrong[augmented])  # views that show anything
    groups = np.repeat(np.arange(60), 2)
    marked = fit(wrong, np.repeat(labels, 2), groups, augmented, trials=1)
    unmarked = fit(wrong, np.repeat(labels, 2), groups, trials=1)
    assert marked.search.best.loss < unmarked.search.best.loss


def test_a_class_with_few_groups_lowers_the_number_of_folds() -> None:
    features, labels = clouds(60, 3, 5)
    groups = np.arange(60)
    groups[labels == 2] = np.arange(20) % 3 + 100
    assert fit(features, labels, groups).search.folds == 3


def test_a_large_training_searches_on_whole_groups_of_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_ROWS", 200)
    labels = np.array([0] * 1400 + [1] * 96 + [2] * 4)
    groups = np.arange(1500) // 2
    rows = np.arange(1500, dtype=np.float32)[:, None]
    subsample = search.StandardisedRows(rows, labels, groups, np.zeros(1500, np.bool_)).subsample()
    assert 200 <= len(subsample.labels) < 400
    assert set(subsample.labels) == {0, 1, 2}
    positions = subsample.features[:].ravel().astype(np.int64)
    assert all((np.isin(np.flatnonzero(groups == group), positions)).all() for group in set(subsample.groups))
    assert (subsample.labels == 2).sum() == 4


def test_a_known_temperature_is_recovered() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 4))
    labels = np.array([random.choice(4, p=p) for p in softmax(logits, axis=1)])
    assert calibration.fit_temperature((logits * 3).astype(np.float32), labels) == pytest.approx(3, rel=0.05)


def test_the_temperature_stays_finite_if_every_image_is_right() -> None:
    logits = np.eye(3, dtype=np.float32)[np.arange(30) % 3] * 12
    temperature = calibration.fit_temperature(logits, np.arange(30) % 3)
    # 31 pseudo-images with half an error: the confidence that fits is 30.5/31.
    assert softmax(logits[0] / temperature).max() == pytest.approx(30.5 / 31, abs=1e-3)


def test_thresholds_give_the_best_f1() -> None:
    random = np.random.default_rng(1)
    probabilities = random.dirichlet((1, 1, 1), 80).astype(np.float32)
    labels = np.array([random.choice(3, p=p / p.sum()) for p in probabilities.astype(float)])
    for label, threshold in enumerate(calibration.thresholds(probabilities, labels)):

        def f1(cut: float, label: int = label) -> float:
            named, positive = probabilities[:, label] >= cut, labels == label
            return float(2 * (named & positive).sum() / (named.sum() + positive.sum()))

        assert f1(threshold) == pytest.approx(max(f1(float(cut)) for cut in np.linspace(0, 1, 2001)), abs=1e-9)


def test_separable_labels_have_their_threshold_at_a_half_or_just_inside_the_gap() -> None:
    labels = np.array([0, 0, 1, 1])
    assert calibration.thresholds(np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8]], np.float32), labels) == (
        0.5,
        0.5,
    )
    first, second = calibration.thresholds(
        np.array([[0.3, 0.7], [0.25, 0.75], [0.1, 0.9], [0.2, 0.8]], np.float32), labels
    )
    assert 0.2 < first < 0.25
    assert 0.75 < second < 0.8


def test_calibration_error_of_a_worked_example() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55], np.float32)
    right = np.array([True, True, True, False, True, False])
    assert calibration.expected_calibration_error(confidence, right) == pytest.approx(
        4 / 6 * 0.2 + 2 / 6 * 0.05, abs=1e-6
    )
